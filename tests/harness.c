#include "tests/harness.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool full;
static uint32_t seed;
static char *scratch;

static void remove_tree(const char *path)
{
    GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
        g_free(child);
    }
    if (dir)
        g_dir_close(dir);
    g_remove(path);
}

static void remove_scratch(void)
{
    if (scratch)
        remove_tree(scratch);
}

void harness_init(int *argc, char ***argv)
{
    const char *wanted = g_getenv("NAWI_TEST_SEED");
    full = g_getenv("NAWI_TEST_FULL") != NULL;
    g_test_init(argc, argv, NULL);
    g_test_set_nonfatal_assertions();
    seed = wanted ? (uint32_t)g_ascii_strtoull(wanted, NULL, 10) : (uint32_t)g_get_real_time();
    g_test_message("NAWI_TEST_SEED=%u", seed);
}

int harness_main(void) { return g_test_run(); }

const char *harness_source(void)
{
    const char *dir = g_getenv("NAWI_SOURCE");
    return dir ? dir : NAWI_SOURCE_DIR;
}

const char *harness_program(void)
{
    const char *program = g_getenv("NAWI_PROGRAM");
    return program ? program : NAWI_BUILD_DIR "/app/nawi";
}

char *harness_golden(const char *relative)
{
    char *path = g_build_filename(harness_source(), "tests", "golden", relative, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_error("test data is missing: %s", path);
    return path;
}

char *harness_shared(const char *relative)
{
    const char *dir = g_getenv("NAWI_SHARED_GOLDEN");
    char *path = dir ? g_build_filename(dir, relative, NULL)
                     : g_build_filename(harness_source(), "..", "shared", "golden", relative, NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return path;
    g_free(path);
    return NULL;
}

const char *harness_scratch(void)
{
    if (!scratch) {
        scratch = g_dir_make_tmp("nawi-test-XXXXXX", NULL);
        g_assert_nonnull(scratch);
        atexit(remove_scratch);
    }
    return scratch;
}

bool harness_is_full(void) { return full; }
uint32_t harness_seed(void) { return seed; }

double harness_relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0;
    double size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        if (!isfinite(a[i]))
            return INFINITY;
        difference += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

void *harness_npy(const char *path, const char *dtype, int *n_dim, int64_t shape[4])
{
    char *bytes = NULL;
    gsize n_bytes = 0;
    GError *error = NULL;
    if (!g_file_get_contents(path, &bytes, &n_bytes, &error))
        g_error("%s", error->message);
    if (n_bytes < 10 || memcmp(bytes, "\x93NUMPY\x01\x00", 8) != 0)
        g_error("%s: not a .npy of version 1.0", path);
    size_t header = (size_t)(uint8_t)bytes[8] + 256u * (uint8_t)bytes[9];
    char *text = g_strndup(bytes + 10, header);
    char *wanted = g_strdup_printf("'descr': '%s'", dtype);
    if (!strstr(text, wanted) || !strstr(text, "'fortran_order': False"))
        g_error("%s: wanted %s in C order, header says %s", path, dtype, text);
    const char *at = strstr(text, "'shape': (");
    g_assert_nonnull(at);
    at += strlen("'shape': (");
    size_t n = 1;
    *n_dim = 0;
    for (int i = 0; i < 4; i++)
        shape[i] = 1;
    while (*at != ')') {
        char *end;
        shape[*n_dim] = (int64_t)g_ascii_strtoull(at, &end, 10);
        n *= (size_t)shape[*n_dim];
        *n_dim += 1;
        at = end + strspn(end, ", ");
    }
    size_t size = strcmp(dtype, "|u1") == 0 ? 1 : 4;
    g_assert_cmpuint(n_bytes, ==, 10 + header + n * size);
    void *data = g_memdup2(bytes + 10 + header, n * size);
    g_free(wanted);
    g_free(text);
    g_free(bytes);
    return data;
}
