/* The GGUF reader against its own writer, against limits just below and just above, and against
 * every way to cut a file. Whole families of malformed files are in tests/hostile. */
#include "engine/file/gguf.h"

#include "engine/file/gguf-write.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* A file of every type of key and two tensors; its bytes. */
static char *sample(gsize *n_bytes)
{
    static const float floats[6] = {1, 2, 3, 4, 5, 6};
    static const int32_t ints[2] = {-1, 7};
    static const uint8_t blocks[2 * 34] = {0, 60, 1, 2, 3};
    const struct meta_string words[3] = {{"a", 1}, {"", 0}, {"x\0\xFF", 3}};
    char *path = g_build_filename(harness_scratch(), "sample.gguf", NULL);
    GError *error = NULL;
    struct gguf_writer *w = gguf_write_create();
    gguf_write_string(w, "general.architecture", "llama4");
    gguf_write_u16(w, "k.u16", 65535);
    gguf_write_u32(w, "k.u32", 4000000000u);
    gguf_write_i32(w, "k.i32", -5);
    gguf_write_f32(w, "k.f32", 0.5f);
    gguf_write_bool(w, "k.bool", true);
    gguf_write_strings(w, "k.words", words, 3);
    gguf_write_i32s(w, "k.ints", ints, 2);
    gguf_write_f32s(w, "k.floats", floats, 2);
    gguf_write_tensor(w, "one", NAWI_DTYPE_F32, 2, (const int64_t[]){2, 3});
    gguf_write_tensor(w, "two", NAWI_DTYPE_Q8_0, 1, (const int64_t[]){64});
    g_assert_true(gguf_write_open(w, path, &error));
    g_assert_true(gguf_write_data(w, floats, 8, &error));
    g_assert_true(gguf_write_data(w, floats + 2, 16, &error));
    g_assert_true(gguf_write_data(w, blocks, sizeof blocks, &error));
    g_assert_true(gguf_write_close(w, &error));
    g_assert_no_error(error);
    char *bytes = NULL;
    g_assert_true(g_file_get_contents(path, &bytes, n_bytes, &error));
    g_unlink(path);
    g_free(path);
    return bytes;
}

static void test_round(void)
{
    gsize n = 0;
    char *bytes = sample(&n);
    GError *error = NULL;
    struct nawi_meta *meta = meta_create("sample.gguf");
    struct gguf *gguf = gguf_parse("sample.gguf", bytes, n, meta, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(gguf_get_version(gguf), ==, 3);
    g_assert_cmpuint(gguf_get_trailing(gguf), ==, 0);
    g_assert_cmpuint(meta_count(meta), ==, 9);
    int64_t value = 0;
    double real = 0;
    bool flag = false;
    const char *text = NULL;
    const struct meta_array *array = NULL;
    g_assert_true(meta_need_int(meta, "k.u16", 65535, 65535, &value, NULL));
    g_assert_true(meta_need_int(meta, "k.u32", 4000000000, 4000000000, &value, NULL));
    g_assert_true(meta_need_int(meta, "k.i32", -5, -5, &value, NULL));
    g_assert_true(meta_get_float(meta, "k.f32", 0, 1, &real, NULL) && real == 0.5);
    g_assert_true(meta_get_bool(meta, "k.bool", &flag, NULL) && flag);
    g_assert_true(meta_get_string(meta, "general.architecture", &text, NULL));
    g_assert_cmpstr(text, ==, "llama4");
    g_assert_true(meta_get_array(meta, "k.words", META_STRING, &array, NULL));
    g_assert_cmpuint(array->n, ==, 3);
    g_assert_true(array->strings[2].n_bytes == 3 &&
                  memcmp(array->strings[2].text, "x\0\xFF", 3) == 0);
    g_assert_true(meta_get_array(meta, "k.ints", META_INT, &array, NULL) && array->ints[0] == -1);
    g_assert_true(meta_get_array(meta, "k.floats", META_FLOAT, &array, NULL) &&
                  array->floats[1] == 2);
    g_assert_cmpuint(gguf_count(gguf), ==, 2);
    const struct gguf_tensor *one = gguf_get(gguf, 0);
    g_assert_cmpstr(one->name, ==, "one");
    g_assert_true(one->n_dim == 2 && one->ne[0] == 2 && one->ne[1] == 3 && one->ne[2] == 1);
    g_assert_cmpuint(one->n_bytes, ==, 24);
    float third = 0;
    memcpy(&third, bytes + one->offset + 8, 4);
    g_assert_true(third == 3);
    const struct gguf_tensor *two = gguf_get(gguf, 1);
    g_assert_true(two->dtype == NAWI_DTYPE_Q8_0 && two->offset == one->offset + 32);
    g_assert_true(bytes[two->offset + 2] == 1);
    char *peek = gguf_peek(bytes, n, "general.architecture");
    g_assert_cmpstr(peek, ==, "llama4");
    g_free(peek);
    g_assert_null(gguf_peek(bytes, n, "k.u16"));
    g_assert_null(gguf_peek(bytes, n, "absent"));
    gguf_free(gguf);
    meta_destroy(meta);
    g_free(bytes);
}

/* Every beginning of a file but the whole is refused, and one with more behind it is not. The copy
 * has exactly the bytes it may read. */
static void test_cut(void)
{
    gsize n_all = 0;
    char *bytes = sample(&n_all);
    const gsize n_needed = n_all - (32 - 68 % 32); /* without the last padding */
    for (gsize n = 0; n <= n_all; n++) {
        char *cut = g_memdup2(bytes, MAX(n, 1));
        char *exact = n > 0 ? g_memdup2(bytes, n) : NULL;
        GError *error = NULL;
        struct nawi_meta *meta = meta_create("cut.gguf");
        struct gguf *gguf = gguf_parse("cut.gguf", exact ? exact : cut, n, meta, &error);
        g_assert_true((gguf != NULL) == (n >= n_needed));
        g_assert_true((gguf != NULL) == (error == NULL));
        if (error && (!g_str_has_prefix(error->message, "cut.gguf: ") ||
                      error->code != NAWI_ERROR_FORMAT || !strstr(error->message, "expected"))) {
            g_test_message("%zu bytes: %s", (size_t)n, error->message);
            g_test_fail();
        }
        g_clear_error(&error);
        g_free(gguf_peek(exact ? exact : cut, n, "none"));
        gguf_free(gguf);
        meta_destroy(meta);
        g_free(exact);
        g_free(cut);
    }
    g_free(bytes);
}

/* One byte changed anywhere: never a crash, and what opens has sound tensors. */
static void test_flips(void)
{
    gsize n = 0;
    char *bytes = sample(&n);
    GRand *random = g_rand_new_with_seed(harness_seed());
    const int rounds = harness_is_full() ? 64 : 4;
    for (gsize i = 0; i < n; i++)
        for (int round = 0; round < rounds; round++) {
            char *changed = g_memdup2(bytes, n);
            changed[i] = (char)(round == 0   ? 0xFF
                                : round == 1 ? 0
                                             : g_rand_int_range(random, 0, 256));
            struct nawi_meta *meta = meta_create("flip.gguf");
            struct gguf *gguf = gguf_parse("flip.gguf", changed, n, meta, NULL);
            for (guint t = 0; gguf && t < gguf_count(gguf); t++) {
                const struct gguf_tensor *tensor = gguf_get(gguf, t);
                g_assert_true(tensor->n_bytes > 0 && tensor->offset <= n &&
                              tensor->n_bytes <= n - tensor->offset);
            }
            gguf_free(gguf);
            meta_destroy(meta);
            g_free(changed);
        }
    g_rand_free(random);
    g_free(bytes);
}

/* ── Files written by hand, for limits ── */

static void put(GByteArray *out, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) {
        const guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(out, &byte, 1);
    }
}

static void put_text(GByteArray *out, uint64_t n, char fill)
{
    put(out, n, 8);
    const guint before = out->len;
    g_byte_array_set_size(out, before + (guint)n);
    memset(out->data + before, fill, (size_t)n);
}

static GByteArray *head(uint64_t n_tensor, uint64_t n_key)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, (const guint8 *)"GGUF", 4);
    put(out, 3, 4);
    put(out, n_tensor, 8);
    put(out, n_key, 8);
    return out;
}

/* Takes the file; it opens exactly if says is NULL. */
static void judge(GByteArray *file, const char *says)
{
    GError *error = NULL;
    struct nawi_meta *meta = meta_create("limit.gguf");
    struct gguf *gguf = gguf_parse("limit.gguf", file->data, file->len, meta, &error);
    if (says ? !error || !strstr(error->message, says) : error != NULL) {
        g_test_message("expected %s, found %s", says ? says : "no error",
                       error ? error->message : "no error");
        g_test_fail();
    }
    g_clear_error(&error);
    gguf_free(gguf);
    meta_destroy(meta);
    g_byte_array_free(file, TRUE);
}

static void test_text_limits(void)
{
    for (int above = 0; above <= 1; above++) {
        GByteArray *file = head(0, 1);
        put_text(file, GGUF_KEY_BYTES_MOST + above, 'k');
        put(file, 0, 4);
        put(file, 0, 1);
        judge(file, above ? "a key: expected a length of at most 65535" : NULL);

        file = head(0, 1);
        put_text(file, 1, 'k');
        put(file, 8, 4);
        put_text(file, GGUF_STRING_BYTES_MOST + above, 's');
        judge(file, above ? "a string: expected a length of at most 16777216" : NULL);

        file = head(0, 1);
        put_text(file, 1, 'k');
        put(file, 9, 4);
        put(file, 8, 4);
        put(file, 1, 8);
        put_text(file, GGUF_ELEMENT_BYTES_MOST + above, 's');
        judge(file, above ? "an element: expected a length of at most 1048576" : NULL);

        file = head(0, 1);
        put_text(file, 1, 'k');
        put(file, 9, 4);
        put(file, 0, 4);
        put(file, GGUF_ELEMENTS_MOST + above, 8);
        g_byte_array_set_size(file, file->len + GGUF_ELEMENTS_MOST + 1);
        judge(file, above ? "expected at most 4194304 elements" : NULL);

        file = head(1, 0);
        put_text(file, GGUF_NAME_BYTES_MOST + above, 'n');
        put(file, 1, 4);
        put(file, 8, 8);
        put(file, 0, 4);
        put(file, 0, 8);
        g_byte_array_set_size(file, file->len + 64);
        judge(file, above ? "a tensor's name: expected a length of at most 64" : NULL);
    }
}

static void test_count_limits(void)
{
    for (int above = 0; above <= 1; above++) {
        GByteArray *file = head(0, GGUF_KEYS_MOST + above);
        for (int i = 0; i < GGUF_KEYS_MOST + above; i++) {
            char *key = g_strdup_printf("k%d", i);
            put(file, strlen(key), 8);
            g_byte_array_append(file, (const guint8 *)key, (guint)strlen(key));
            put(file, 7, 4);
            put(file, 1, 1);
            g_free(key);
        }
        judge(file, above ? "expected at most 65536 keys, found 65537" : NULL);

        file = head(GGUF_TENSORS_MOST + above, 0);
        for (int i = 0; i < GGUF_TENSORS_MOST + above; i++) {
            char *name = g_strdup_printf("t%d", i);
            put(file, strlen(name), 8);
            g_byte_array_append(file, (const guint8 *)name, (guint)strlen(name));
            put(file, 1, 4);
            put(file, 8, 8);
            put(file, 0, 4);
            put(file, (uint64_t)i * 32, 8);
            g_free(name);
        }
        g_byte_array_set_size(file, file->len + 32 + GGUF_TENSORS_MOST * 32);
        judge(file, above ? "expected at most 65536 tensors, found 65537" : NULL);
    }
}

static void test_alignment_limits(void)
{
    static const struct {
        uint32_t alignment;
        bool good;
    } cases[] = {{1, true},      {8, true},           {64, true},         {65536, true},
                 {0, false},     {3, false},          {48, false},        {131072, false},
                 {65535, false}, {0x80000000, false}, {0xFFFFFFFF, false}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GByteArray *file = head(0, 1);
        put(file, strlen("general.alignment"), 8);
        g_byte_array_append(file, (const guint8 *)"general.alignment", 17);
        put(file, 4, 4);
        put(file, cases[i].alignment, 4);
        judge(file, cases[i].good ? NULL : "'general.alignment': expected");
    }
}

/* Whole numbers above 2^63 are never cut to fit. */
static void test_big_ints(void)
{
    GByteArray *file = head(0, 1);
    put_text(file, 1, 'k');
    put(file, 10, 4);
    put(file, 0x8000000000000020, 8);
    struct nawi_meta *meta = meta_create("big.gguf");
    GError *error = NULL;
    int64_t value = 0;
    double real = 0;
    struct gguf *gguf = gguf_parse("big.gguf", file->data, file->len, meta, &error);
    g_assert_nonnull(gguf);
    g_assert_false(meta_need_int(meta, "k", INT64_MIN, INT64_MAX, &value, &error));
    g_assert_nonnull(strstr(error->message, "9.22337204e+18"));
    g_clear_error(&error);
    g_assert_true(meta_get_float(meta, "k", 0, 1e30, &real, NULL) && real == 0x1p63);
    gguf_free(gguf);
    meta_destroy(meta);
    g_byte_array_free(file, TRUE);
}

static void test_extent(void)
{
    uint64_t n = 0;
    g_assert_true(gguf_extent(NAWI_DTYPE_Q4_K, 3, (const int64_t[]){16, 8192, 5120, 1}, &n));
    g_assert_cmpuint(n, ==, 16ull * 8192 * 20 * 144);
    g_assert_true(gguf_extent(NAWI_DTYPE_F32, 1, (const int64_t[]){1, 1, 1, 1}, &n) && n == 4);
    g_assert_false(gguf_extent(NAWI_DTYPE_Q4_K, 1, (const int64_t[]){255, 1, 1, 1}, &n));
    g_assert_false(gguf_extent(NAWI_DTYPE_F32, 2, (const int64_t[]){0, 5, 1, 1}, &n));
    g_assert_false(gguf_extent(NAWI_DTYPE_F32, 2, (const int64_t[]){-1, 5, 1, 1}, &n));
    g_assert_false(gguf_extent(NAWI_DTYPE_F32, 1, (const int64_t[]){INT64_MAX, 1, 1, 1}, &n));
    const int64_t half = (int64_t)1 << 32;
    g_assert_false(gguf_extent(NAWI_DTYPE_F16, 2, (const int64_t[]){half, half, 1, 1}, &n));
    g_assert_false(gguf_extent(NAWI_DTYPE_IQ1_S, 4, (const int64_t[]){half, half, 2, 256}, &n));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/gguf/round", test_round);
    g_test_add_func("/gguf/cut", test_cut);
    g_test_add_func("/gguf/flips", test_flips);
    g_test_add_func("/gguf/text-limits", test_text_limits);
    g_test_add_func("/gguf/count-limits", test_count_limits);
    g_test_add_func("/gguf/alignment-limits", test_alignment_limits);
    g_test_add_func("/gguf/big-ints", test_big_ints);
    g_test_add_func("/gguf/extent", test_extent);
    return harness_main();
}
