/* The safetensors container: what a sound one gives, and what is wrong with others. Whole folders
 * with faults are in tests/hostile. */
#include "engine/file/safetensors.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <string.h>

/* A file of a header text and n_data zero bytes. n_header below 0: the text's own length. */
static GByteArray *build(const char *header, int64_t n_header, guint n_data)
{
    GByteArray *file = g_byte_array_new();
    uint64_t n = n_header < 0 ? strlen(header) : (uint64_t)n_header;
    for (int i = 0; i < 8; i++) {
        const guint8 byte = (guint8)(n >> (8 * i));
        g_byte_array_append(file, &byte, 1);
    }
    g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
    g_byte_array_set_size(file, file->len + n_data);
    memset(file->data + file->len - n_data, 0, n_data);
    return file;
}

static struct safetensors *parse(const char *header, int64_t n_header, guint n_data, GError **error)
{
    GByteArray *file = build(header, n_header, n_data);
    struct safetensors *reader = safetensors_parse("m.safetensors", file->data, file->len, error);
    g_byte_array_unref(file);
    return reader;
}

static void test_sound(void)
{
    GError *error = NULL;
    const char *header =
        "{\"__metadata__\": {\"format\": \"pt\"},"
        "\"b\": {\"dtype\": \"BF16\", \"shape\": [2, 3], \"data_offsets\": [8, 20]},"
        "\"empty\": {\"dtype\": \"F32\", \"shape\": [0, 5], \"data_offsets\": [8, 8]},"
        "\"one\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [0, 8]}}   ";
    struct safetensors *reader = parse(header, -1, 20, &error);
    g_assert_no_error(error);
    g_assert_nonnull(reader);
    if (!reader)
        return;
    const uint64_t start = 8 + strlen(header);
    g_assert_cmpuint(safetensors_count(reader), ==, 3);
    g_assert_cmpstr(safetensors_get(reader, 0)->name, ==, "one");
    g_assert_cmpstr(safetensors_get(reader, 1)->name, ==, "empty");
    const struct safetensors_tensor *t = safetensors_find(reader, "b");
    g_assert_nonnull(t);
    g_assert_true(t->known && t->dtype == NAWI_DTYPE_BF16);
    g_assert_cmpint(t->n_dim, ==, 2);
    g_assert_cmpint(t->ne[1], ==, 3);
    g_assert_cmpint(t->ne[2], ==, 1);
    g_assert_cmpuint(t->begin, ==, start + 8);
    g_assert_cmpuint(t->end, ==, start + 20);
    g_assert_false(safetensors_find(reader, "one")->known);
    g_assert_null(safetensors_find(reader, "c"));
    safetensors_destroy(reader);
}

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"t\": {\"dtype\": " dtype ", \"shape\": " shape ", \"data_offsets\": " offsets "}}"

static void test_faults(void)
{
    const struct {
        const char *header;
        int64_t n_header;
        guint n_data;
        const char *part;
    } cases[] = {
        {"", -1, 0, "header length: expected 2..0, found 0"},
        {"{}", 3, 0, "header length: expected 2..2, found 3"},
        {"{}", INT64_MAX, 0, "found 9223372036854775807"},
        {"{}", 1, 0, "found 1"},
        {" {}", -1, 0, "byte 8: expected '{', found 0x20"},
        {"{}x", -1, 0, "more text after the value"},
        {"{}", -1, 1, "expected 0 bytes of data, found 1"},
        {"{\"t\": 1}", -1, 0, "tensor 't': expected an object, found 1"},
        {"{\"t\": {}}", -1, 0, "dtype: expected a type of the format"},
        {ONE("\"F33\"", "[1]", "[0, 4]"), -1, 4, "found 'F33'"},
        {ONE("\"F32\"", "4", "[0, 4]"), -1, 4, "shape: expected an array"},
        {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0, 4]"), -1, 4, "an array of 9"},
        {ONE("\"F32\"", "[-1]", "[0, 4]"), -1, 4, "shape[0]: expected a whole number"},
        {ONE("\"F32\"", "[1.0]", "[0, 4]"), -1, 4, "shape[0]"},
        {ONE("\"F32\"", "[4294967296, 4294967296]", "[0, 0]"), -1, 0, "does not fit 64 bits"},
        {ONE("\"F32\"", "[4611686018427387905]", "[0, 4]"), -1, 4, "does not fit 64 bits"},
        {ONE("\"F4\"", "[3]", "[0, 1]"), -1, 1, "do not fill whole bytes"},
        {ONE("\"F32\"", "[1]", "[0]"), -1, 4, "data_offsets: expected an array of two"},
        {ONE("\"F32\"", "[1]", "[0, 4.0]"), -1, 4, "data_offsets: expected an array of two"},
        {ONE("\"F32\"", "[1]", "[4, 0]"), -1, 4, "begin <= end <= 4, found [4, 0]"},
        {ONE("\"F32\"", "[1]", "[-4, 0]"), -1, 4, "found [-4, 0]"},
        {ONE("\"F32\"", "[1]", "[0, 8]"), -1, 4, "found [0, 8]"},
        {ONE("\"F32\"", "[2]", "[0, 4]"), -1, 4, "expected 8 bytes for its shape and type F32"},
        {ONE("\"F32\"", "[1]", "[4, 8]"), -1, 8, "expected to begin at 0"},
        {ONE("\"F32\"", "[1]", "[0, 4]"), -1, 8, "expected 4 bytes of data, found 8"},
        {"{\"__metadata__\": {\"a\": 1}}", -1, 0, "__metadata__: expected an object of strings"},
        {"{\"__metadata__\": []}", -1, 0, "__metadata__"},
        {"{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]}, \"b\": {\"dtype\":"
         " \"U8\", \"shape\": [4], \"data_offsets\": [2, 6]}}",
         -1, 6, "tensor 'b': data_offsets: expected to begin at 4"},
        {"{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]}, \"a\": {\"dtype\":"
         " \"U8\", \"shape\": [4], \"data_offsets\": [4, 8]}}",
         -1, 8, "a key occurs twice"},
        {"{\"a\": [[[[[[[[[[]]]]]]]]]]}", -1, 0, "nested more than 8 deep"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *error = NULL;
        struct safetensors *reader =
            parse(cases[i].header, cases[i].n_header, cases[i].n_data, &error);
        g_assert_null(reader);
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        if (!error || !strstr(error->message, cases[i].part) ||
            !g_str_has_prefix(error->message, "m.safetensors: ")) {
            g_test_message("case %zu: expected '%s' in: %s", i, cases[i].part,
                           error ? error->message : "no error");
            g_test_fail();
        }
        g_clear_error(&error);
        safetensors_destroy(reader);
    }
}

/* Cut anywhere, it is refused. */
static void test_cut(void)
{
    GByteArray *file = build(ONE("\"F32\"", "[4]", "[0, 16]"), -1, 16);
    for (guint n = 0; n < file->len; n++) {
        GError *error = NULL;
        g_autofree guint8 *part = g_memdup2(file->data, MAX(n, 1));
        g_assert_null(safetensors_parse("cut", part, n, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        g_clear_error(&error);
    }
    g_byte_array_unref(file);
}

static bool read_index(const char *text, struct safetensors_index *index, GError **error)
{
    g_autofree char *path =
        g_build_filename(harness_scratch(), "model.safetensors.index.json", NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return safetensors_index_read(path, index, error);
}

static void test_index(void)
{
    GError *error = NULL;
    struct safetensors_index index;
    g_assert_true(read_index("{\"weight_map\": {\"x\": \"b.safetensors\", \"y\": \"a.safetensors\","
                             " \"t\": \"b.safetensors\"}}",
                             &index, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(index.files->len, ==, 2);
    g_assert_cmpstr(index.files->pdata[0], ==, "a.safetensors");
    struct safetensors *reader = parse(ONE("\"F32\"", "[1]", "[0, 4]"), -1, 4, &error);
    g_assert_false(safetensors_index_check(&index, "i.json", 1, reader, &error));
    g_assert_nonnull(strstr(error->message, "i.json: tensor 'x': expected in b.safetensors"));
    g_clear_error(&error);
    g_assert_false(safetensors_index_check(&index, "i.json", 0, reader, &error));
    g_clear_error(&error);
    safetensors_destroy(reader);
    safetensors_index_finish(&index);
}

static void test_index_faults(void)
{
    const struct {
        const char *text, *part;
    } cases[] = {
        {"[]", "expected an object, found an array"},
        {"{}", "weight_map: expected an object, found nothing"},
        {"{\"weight_map\": []}", "weight_map: expected an object, found an array of 0"},
        {"{\"weight_map\": {}}", "expected at least one tensor"},
        {"{\"weight_map\": {\"x\": 1}}", "tensor 'x': expected the plain name"},
        {"{\"weight_map\": {\"x\": \"../a.safetensors\"}}", "found '../a.safetensors'"},
        {"{\"weight_map\": {\"x\": \"/a.safetensors\"}}", "found '/a.safetensors'"},
        {"{\"weight_map\": {\"x\": \"sub/a.safetensors\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"sub\\\\a.safetensors\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"http://a/b.safetensors\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \".safetensors\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"..\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"a.bin\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"\"}}", "plain name"},
        {"{\"weight_map\": {\"x\": \"a\\n.safetensors\"}}", "found 'a\\x0A.safetensors'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *error = NULL;
        struct safetensors_index index;
        g_assert_false(read_index(cases[i].text, &index, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        if (error && !strstr(error->message, cases[i].part)) {
            g_test_message("expected '%s' in: %s", cases[i].part, error->message);
            g_test_fail();
        }
        g_clear_error(&error);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/safetensors/sound", test_sound);
    g_test_add_func("/safetensors/faults", test_faults);
    g_test_add_func("/safetensors/cut", test_cut);
    g_test_add_func("/safetensors/index", test_index);
    g_test_add_func("/safetensors/index-faults", test_index_faults);
    return harness_main();
}
