/* Malformed GGUF files given to the program: each run may take ten seconds and a gibibyte, ends by
 * itself with 0 or 1, and a refusal is one clear sentence that names the file. What opens also
 * tokenises a line and evaluates it, or encodes a tile. */
#include "tests/harness.h"
#include "tests/hostile/gguf-files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
#if defined(__SANITIZE_ADDRESS__)
    LIMIT_S = 40, /* sanitizers cost time, and addresses without end */
    LIMIT_MIB = 0,
#else
    LIMIT_S = 10,
    LIMIT_MIB = 1024,
#endif
    SAMPLE_REFUSED = 8, /* of the files that the container's reader refuses, every eighth */
    SAMPLE_EITHER = 2,  /* of those that may work or not, every second */
};

struct run {
    char *line, *tile, *embeddings, *said; /* paths */
    int n_seen, n_run, n_failed;
    double slowest_s;
};

/* A text of one line, and one tile of the golden tower's size: 1 x 3 x 56 x 56 of zeros. */
static void prepare(struct run *run)
{
    static const char head[] =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 56, 56), }";
    GString *npy = g_string_new_len("\x93NUMPY\x01\x00", 8);
    g_string_append_c(npy, 118);
    g_string_append_c(npy, 0);
    g_string_append(npy, head);
    while (npy->len < 127)
        g_string_append_c(npy, ' ');
    g_string_append_c(npy, '\n');
    const gsize before = npy->len;
    g_string_set_size(npy, before + 4 * 3 * 56 * 56);
    memset(npy->str + before, 0, npy->len - before);
    run->line = g_build_filename(harness_scratch(), "line.txt", NULL);
    run->tile = g_build_filename(harness_scratch(), "tile.npy", NULL);
    run->embeddings = g_build_filename(harness_scratch(), "out.npy", NULL);
    run->said = g_build_filename(harness_scratch(), "said.txt", NULL);
    g_assert_true(g_file_set_contents(run->line, "the cat sat 12\n", -1, NULL));
    g_assert_true(g_file_set_contents(run->tile, npy->str, (gssize)npy->len, NULL));
    g_string_free(npy, TRUE);
}

static void limit(void)
{
    if (LIMIT_MIB > 0) {
        const struct rlimit space = {(rlim_t)LIMIT_MIB << 20, (rlim_t)LIMIT_MIB << 20};
        setrlimit(RLIMIT_AS, &space);
    }
    const struct rlimit time = {LIMIT_S, LIMIT_S};
    const struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CPU, &time);
    setrlimit(RLIMIT_CORE, &core);
}

static void start(const struct run *run, const struct hostile_file *file)
{
    const int null = open("/dev/null", O_RDWR);
    const int said = open(run->said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(null, 0);
    dup2(null, 1);
    dup2(said, 2);
    limit();
    setenv("LC_ALL", "C", 1);
    if (file->kind == HOSTILE_TOWER)
        execl(harness_program(), "nawi", "eval", file->path, "--tiles", run->tile, "--embeddings",
              run->embeddings, "--threads", "1", (char *)NULL);
    else
        execl(harness_program(), "nawi", "eval", file->path, "--text", run->line, "--threads", "1",
              (char *)NULL);
    _exit(126);
}

/* The code with which the program ended; 128 + n after a signal; -1 after too long a time. */
static int wait_for(pid_t pid)
{
    const gint64 end = g_get_monotonic_time() + (gint64)LIMIT_S * 1000000;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (g_get_monotonic_time() > end) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        g_usleep(1000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void report(struct run *run, const struct hostile_file *file, int code, const char *said,
                   const char *expected)
{
    run->n_failed++;
    char *safe = g_utf8_make_valid(said, -1);
    g_test_message("%s, %s (%s): expected %s, found %d: %s", file->class, file->name,
                   file->kind == HOSTILE_TOWER ? "tower" : "text", expected, code, safe);
    g_free(safe);
    g_test_fail();
}

static bool is_clear(const char *said)
{
    char *folder = g_path_get_basename(harness_scratch());
    const bool named = strstr(said, folder) != NULL;
    g_free(folder);
    return named && g_utf8_validate(said, -1, NULL) && !strchr(said, 0x1B) && strlen(said) < 4000;
}

static void visit(const struct hostile_file *file, void *user)
{
    struct run *run = user;
    run->n_seen++;
    const int sample = file->verdict == HOSTILE_REFUSED  ? SAMPLE_REFUSED
                       : file->verdict == HOSTILE_EITHER ? SAMPLE_EITHER
                                                         : 1;
    if (!harness_is_full() && (run->n_seen + (int)(harness_seed() % 8)) % sample != 0)
        return;
    run->n_run++;
    const gint64 began = g_get_monotonic_time();
    const pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        start(run, file);
    const int code = wait_for(pid);
    run->slowest_s = MAX(run->slowest_s, (double)(g_get_monotonic_time() - began) / 1e6);
    char *said = NULL;
    g_assert_true(g_file_get_contents(run->said, &said, NULL, NULL));
    const bool refused = file->verdict == HOSTILE_REFUSED || file->verdict == HOSTILE_NO_MODEL;
    if (code < 0)
        report(run, file, code, said, "an end in time");
    else if (code > 1)
        report(run, file, code, said, "0 or 1");
    else if (refused && code == 0)
        report(run, file, code, said, "a refusal");
    else if (file->verdict == HOSTILE_SOUND && code != 0)
        report(run, file, code, said, "that it works");
    else if (code == 1 && !is_clear(said))
        report(run, file, code, said, "a clear sentence that names the file");
    else if (code == 1 && file->verdict == HOSTILE_REFUSED && file->says &&
             !strstr(said, file->says))
        report(run, file, code, said, file->says);
    g_free(said);
}

static void test_all(void)
{
    struct run run = {0};
    if (!g_file_test(harness_program(), G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_message("no program at %s", harness_program());
        g_test_fail();
        return;
    }
    prepare(&run);
    const int n = hostile_gguf_each(visit, &run);
    g_test_message("%d files, %d run, %d not as expected, slowest %.2f s", n, run.n_run,
                   run.n_failed, run.slowest_s);
    g_assert_cmpint(run.n_run, >=, 400);
    g_free(run.said);
    g_free(run.embeddings);
    g_free(run.tile);
    g_free(run.line);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/hostile/gguf-program", test_all);
    return harness_main();
}
