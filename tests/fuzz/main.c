/* Runs a fuzz harness without libFuzzer: every file named, and every file of every folder named, as
 * it is, and then changed at random places some dozen times (NAWI_TEST_FULL: some thousand). Speaks
 * TAP, one line a file. */
#include "tests/harness.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_done;

/* The input in memory of exactly its size, so that a sanitizer sees the first byte too many. */
static void feed(const char *bytes, gsize n)
{
    uint8_t *exact = g_malloc(MAX(n, 1));
    memcpy(exact, bytes, n);
    uint8_t *tight = n > 0 ? g_memdup2(exact, n) : exact;
    LLVMFuzzerTestOneInput(tight, n);
    if (tight != exact)
        g_free(tight);
    g_free(exact);
}

/* One of: bytes replaced, a number made extreme, a stretch removed or repeated, the end cut off. */
static GByteArray *change(GRand *random, const char *bytes, gsize n)
{
    static const guint64 numbers[] = {0,          1,          0x7F,       0xFF,
                                      0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, G_MAXUINT64};
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, (const guint8 *)bytes, (guint)n);
    const int rounds = g_rand_int_range(random, 1, 5);
    for (int i = 0; i < rounds && out->len > 16; i++) {
        const guint at = (guint)g_rand_int_range(random, 0, (gint32)out->len - 8);
        const guint length = (guint)g_rand_int_range(random, 1, 9);
        switch (g_rand_int_range(random, 0, 5)) {
        case 0: out->data[at] = (guint8)g_rand_int_range(random, 0, 256); break;
        case 1: out->data[at] ^= (guint8)(1 << g_rand_int_range(random, 0, 8)); break;
        case 2:
            memcpy(out->data + at, &numbers[g_rand_int_range(random, 0, G_N_ELEMENTS(numbers))],
                   length);
            break;
        case 3: g_byte_array_remove_range(out, at, length); break;
        default: g_byte_array_set_size(out, at); break;
        }
    }
    return out;
}

static void replay(const char *path)
{
    char *bytes = NULL;
    gsize n = 0;
    GError *error = NULL;
    n_done++;
    if (!g_file_get_contents(path, &bytes, &n, &error)) {
        printf("not ok %d %s\n", n_done, error->message);
        g_error_free(error);
        return;
    }
    feed(bytes, n);
    GRand *random = g_rand_new_with_seed(harness_seed() + (guint32)n_done);
    const int rounds = harness_is_full() ? 4096 : 48;
    for (int i = 0; i < rounds; i++) {
        GByteArray *changed = change(random, bytes, n);
        feed((const char *)changed->data, changed->len);
        g_byte_array_free(changed, TRUE);
    }
    g_rand_free(random);
    char *name = g_path_get_basename(path);
    printf("ok %d %s\n", n_done, name);
    fflush(stdout);
    g_free(name);
    g_free(bytes);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void replay_folder(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++)
        replay(g_ptr_array_index(names, i));
    g_ptr_array_free(names, TRUE);
    if (dir)
        g_dir_close(dir);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (g_file_test(argv[i], G_FILE_TEST_IS_DIR))
            replay_folder(argv[i]);
        else
            replay(argv[i]);
    }
    printf("1..%d\n", n_done);
    return n_done > 0 ? 0 : 1;
}
