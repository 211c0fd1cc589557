/* .npy files: what is written is read back and is as NumPy writes it; what is malformed is refused.
 * */
#include "engine/file/npy.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_round(void)
{
    static const float floats[6] = {1, -2, 0.5f, 1e30f, 0, -0.0f};
    static const int32_t ints[3] = {-1, 0, 2147483647};
    static const uint8_t bytes[4] = {0, 1, 254, 255};
    static const struct {
        enum nawi_npy_type type;
        int n_dim;
        int64_t ne[4];
        const void *data;
        size_t n_bytes;
    } cases[] = {
        {NAWI_NPY_F32, 2, {2, 3}, floats, sizeof floats},
        {NAWI_NPY_I32, 1, {3}, ints, sizeof ints},
        {NAWI_NPY_U8, 4, {1, 2, 1, 2}, bytes, sizeof bytes},
    };
    char *path = g_build_filename(harness_scratch(), "round.npy", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *error = NULL;
        struct nawi_npy npy;
        g_assert_true(nawi_npy_write(path, cases[i].type, cases[i].n_dim, cases[i].ne,
                                     cases[i].data, &error));
        g_assert_no_error(error);
        g_assert_true(nawi_npy_read(path, &npy, &error));
        g_assert_no_error(error);
        g_assert_cmpint(npy.type, ==, cases[i].type);
        g_assert_cmpint(npy.n_dim, ==, cases[i].n_dim);
        for (int d = 0; d < cases[i].n_dim; d++)
            g_assert_cmpint(npy.ne[d], ==, cases[i].ne[d]);
        g_assert_true(memcmp(npy.data, cases[i].data, cases[i].n_bytes) == 0);
        nawi_npy_finish(&npy);
        char *text = NULL;
        gsize n = 0;
        g_assert_true(g_file_get_contents(path, &text, &n, NULL));
        g_assert_cmpuint((n - cases[i].n_bytes) % 64, ==, 0);
        g_free(text);
    }
    g_unlink(path);
    g_free(path);
}

static void test_pieces(void)
{
    char *path = g_build_filename(harness_scratch(), "pieces.npy", NULL);
    const int64_t ne[2] = {2, 2};
    const float values[4] = {1, 2, 3, 4};
    GError *error = NULL;
    struct nawi_npy npy;
    struct nawi_npy_writer *writer = nawi_npy_begin(path, NAWI_NPY_F32, 2, ne, &error);
    g_assert_true(nawi_npy_append(writer, values, 1, &error));
    g_assert_true(nawi_npy_append(writer, values + 1, 3, &error));
    g_assert_true(nawi_npy_end(writer, &error));
    g_assert_true(nawi_npy_read(path, &npy, &error));
    g_assert_true(memcmp(npy.data, values, sizeof values) == 0);
    nawi_npy_finish(&npy);

    writer = nawi_npy_begin(path, NAWI_NPY_F32, 2, ne, &error);
    g_assert_true(nawi_npy_append(writer, values, 3, &error));
    g_assert_false(nawi_npy_end(writer, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_free(path);

    g_assert_null(nawi_npy_begin("/nonexistent/x.npy", NAWI_NPY_F32, 2, ne, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_IO);
    g_clear_error(&error);
}

/* Builds a file from a header's text; n_data zeros follow. */
static GByteArray *build(int major, const char *header, guint n_data)
{
    GByteArray *out = g_byte_array_new();
    const size_t n = strlen(header);
    const guint8 head[12] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', (guint8)major, 0, (guint8)n, (guint8)(n >> 8), 0, 0};
    g_byte_array_append(out, head, major == 2 ? 12 : 10);
    g_byte_array_append(out, (const guint8 *)header, (guint)n);
    const guint n_before = out->len;
    g_byte_array_set_size(out, n_before + n_data);
    memset(out->data + n_before, 0, n_data);
    return out;
}

static void test_headers(void)
{
    static const struct {
        int major;
        const char *header;
        guint n_data;
        bool good;
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, true},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n", 24, true},
        {1, "{\"shape\":(3,),\"fortran_order\":False,\"descr\":\"<i4\"}\n", 12, true},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}\n", 5, true},
        {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 23, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 25, false},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", 24, false},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, false},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", 48, false},
        {1, "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6), }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 4, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }\n", 0, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, }\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6), }\n", 24,
         false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n", 0,
         false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }\n", 0,
         false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }\n", 24,
         false},
        {1, "{'descr': '<f4', 'fortran_order': False}\n", 24, false},
        {1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}\n", 24, false},
        {1, "{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x\n", 24, false},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)", 24, false},
        {1, "{", 24, false},
        {1, "", 24, false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GByteArray *file = build(cases[i].major, cases[i].header, cases[i].n_data);
        struct nawi_npy npy;
        GError *error = NULL;
        const bool good = nawi_npy_parse("x.npy", file->data, file->len, &npy, &error);
        if (good != cases[i].good || good != (error == NULL) ||
            (error && !g_str_has_prefix(error->message, "x.npy: "))) {
            g_test_message("%s: %s", cases[i].header, error ? error->message : "taken");
            g_test_fail();
        }
        nawi_npy_finish(&npy);
        g_clear_error(&error);
        /* Every beginning of a sound file is refused. */
        for (guint n = 0; cases[i].good && n < file->len; n++) {
            guint8 *cut = g_memdup2(file->data, MAX(n, 1));
            g_assert_false(nawi_npy_parse("x.npy", cut, n, &npy, &error));
            g_clear_error(&error);
            g_free(cut);
        }
        g_byte_array_free(file, TRUE);
    }
}

static void test_length(void)
{
    GByteArray *file = build(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}\n", 5);
    struct nawi_npy npy;
    GError *error = NULL;
    memset(file->data + 8, 0xFF, 4);
    g_assert_false(nawi_npy_parse("x.npy", file->data, file->len, &npy, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "4294967295"));
    g_clear_error(&error);
    g_byte_array_free(file, TRUE);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/npy/round", test_round);
    g_test_add_func("/npy/pieces", test_pieces);
    g_test_add_func("/npy/headers", test_headers);
    g_test_add_func("/npy/length", test_length);
    return harness_main();
}
