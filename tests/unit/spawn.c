/* Runs a program with files for its standard streams, so that no pipe can fill up. */
#include "tests/unit/spawn.h"

#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* An unnamed file that holds n bytes. */
static int hold(const char *bytes, size_t n)
{
    char *path = g_build_filename(harness_scratch(), "stream-XXXXXX", NULL);
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    unlink(path);
    g_free(path);
    for (size_t at = 0; at < n;) {
        ssize_t done = write(fd, bytes + at, n - at);
        g_assert_cmpint(done, >, 0);
        at += (size_t)done;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static char *take(int fd, size_t *n_bytes)
{
    GByteArray *all = g_byte_array_new();
    guint8 piece[4096];
    ssize_t n;
    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        g_byte_array_append(all, piece, (guint)n);
    *n_bytes = all->len;
    g_byte_array_append(all, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(all, FALSE);
}

static char **make_environment(const struct spawn_params *params)
{
    char **all = g_strdupv(environ);
    static const char *const removed[] = {"LANGUAGE", "LANG", "LC_MESSAGES", "NAWI_DATA_DIR"};
    for (size_t i = 0; i < G_N_ELEMENTS(removed); i++)
        all = g_environ_unsetenv(all, removed[i]);
    all = g_environ_setenv(all, "LC_ALL", "C", TRUE);
    for (size_t i = 0; params->environment && params->environment[i]; i++) {
        char **pair = g_strsplit(params->environment[i], "=", 2);
        all = g_environ_setenv(all, pair[0], pair[1], TRUE);
        g_strfreev(pair);
    }
    return all;
}

static void wait_for(pid_t child, const struct spawn_params *params, struct spawn *result)
{
    int status = 0;
    if (params->interrupt_ms > 0) {
        g_usleep((gulong)params->interrupt_ms * 1000);
        kill(child, SIGINT);
    }
    while (waitpid(child, &status, 0) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    result->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void spawn_run(const char *const *arguments, const struct spawn_params *params,
               struct spawn *result)
{
    static const struct spawn_params plain = {0};
    if (!params)
        params = &plain;
    GPtrArray *argv = g_ptr_array_new();
    g_ptr_array_add(argv, (void *)harness_program());
    for (size_t i = 0; arguments[i]; i++)
        g_ptr_array_add(argv, (void *)arguments[i]);
    g_ptr_array_add(argv, NULL);

    int ends[2] = {-1, -1};
    int in = hold(params->in, !params->in ? 0 : params->n_in ? params->n_in : strlen(params->in));
    if (params->interrupt_ms > 0) {
        close(in);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        in = ends[0];
    }
    int out = params->out_fd > 0 ? params->out_fd
              : params->out_path ? open(params->out_path, O_WRONLY | O_CLOEXEC)
                                 : hold("", 0);
    int err = hold("", 0);
    if (params->terminal_fd > 0) {
        close(in);
        close(err);
        in = params->terminal_fd;
        err = dup(params->terminal_fd);
    }
    g_assert_cmpint(out, >=, 0);
    GPid child = 0;
    GError *error = NULL;
    char **environment = make_environment(params);
    g_spawn_async_with_pipes_and_fds(
        params->folder, (const char *const *)argv->pdata, (const char *const *)environment,
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN, NULL, NULL, in, out, err, NULL,
        NULL, 0, &child, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    wait_for(child, params, result);
    size_t n_err = 0;
    result->out = params->out_path || params->out_fd > 0 ? g_strdup("") : take(out, &result->n_out);
    result->err = params->terminal_fd > 0 ? g_strdup("") : take(err, &n_err);
    close(in);
    if (ends[1] >= 0)
        close(ends[1]);
    close(out);
    close(err);
    g_strfreev(environment);
    g_ptr_array_unref(argv);
}

void spawn_finish(struct spawn *result)
{
    g_free(result->out);
    g_free(result->err);
    *result = (struct spawn){0};
}

json_t *spawn_get_json(const struct spawn *result)
{
    json_error_t fault;
    json_t *root = json_loadb(result->out, result->n_out, JSON_DECODE_ANY, &fault);
    if (!root)
        g_error("no JSON: %s\n%s", fault.text, result->out);
    return root;
}
