/* The sides that AV1 and HEVC streams state, in the golden pictures and in headers made by hand. */
#include "tests/harness.h"
#include "vision/stream.h"

#include <string.h>

/* The bytes behind the first place where a box of this type, or these bytes, stand. */
static uint8_t *behind(const char *file, const char *word, size_t n_word, size_t *n)
{
    char *below = g_strconcat("pictures/files/", file, NULL);
    char *path = harness_golden(below);
    char *bytes = NULL;
    gsize length = 0;
    size_t at = 0;
    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    while (at + n_word < length && memcmp(bytes + at, word, n_word) != 0)
        at++;
    g_assert_cmpuint(at + n_word, <, length);
    *n = length - at - n_word;
    uint8_t *out = g_memdup2(bytes + at + n_word, *n);
    g_free(bytes);
    g_free(path);
    g_free(below);
    return out;
}

static void test_av1(void)
{
    static const struct {
        const char *file;
        uint64_t width, height;
    } rows[] = {{"avif_8bit_420.avif", 124, 92},
                {"avif_10bit_444.avif", 100, 89},
                {"avif_alpha.avif", 129, 69},
                {"avif_limited_bt709.avif", 129, 88}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t n = 0;
        struct stream_sides sides = {0};
        uint8_t *bytes = behind(rows[i].file, "mdat", 4, &n);
        stream_add_av1(bytes, n, &sides);
        g_assert_cmpuint(sides.width, ==, rows[i].width);
        g_assert_cmpuint(sides.height, ==, rows[i].height);
        g_free(bytes);
    }
}

/* Sides of a coded picture are whole blocks of 8. */
static void test_hevc(void)
{
    static const struct {
        const char *file;
        uint64_t width, height;
    } rows[] = {
        {"heic_8bit.heic", 114, 93}, {"heic_10bit.heic", 131, 72}, {"heic_alpha.heic", 97, 70}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t n = 0;
        struct stream_sides sides = {0};
        uint8_t *bytes = behind(rows[i].file, "hvcC", 4, &n);
        size_t at = 23;
        for (int array = 0; array < bytes[22]; array++) {
            size_t n_unit = (size_t)bytes[at + 1] << 8 | bytes[at + 2];
            size_t length = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
            g_assert_cmpuint(n_unit, ==, 1);
            stream_add_hevc_units(bytes + at + 3, length + 2, 2, &sides);
            at += 5 + length;
        }
        g_assert_cmpuint(sides.width, >=, rows[i].width);
        g_assert_cmpuint(sides.height, >=, rows[i].height);
        g_assert_cmpuint(sides.width, <, rows[i].width + 64);
        g_assert_cmpuint(sides.height, <, rows[i].height + 64);
        g_free(bytes);
    }
}

/* A reduced header of 16 bits a side: profile 0, still, reduced, level, 15, 15, 65535, 65535. */
static void test_large(void)
{
    static const uint8_t obu[] = {0x0A, 0x07, 0x18, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0};
    struct stream_sides sides = {0};
    stream_add_av1(obu, sizeof obu, &sides);
    g_assert_cmpuint(sides.width, ==, 65536);
    g_assert_cmpuint(sides.height, ==, 65536);
}

/* Random bytes and cut streams: nothing is read beyond the end, and it ends. */
static void test_bounds(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)g_rand_int_range(random, 0, 80);
        uint8_t *bytes = g_malloc(n);
        struct stream_sides sides = {0};
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)g_rand_int_range(random, 0, 256);
        if (n)
            bytes[0] = i % 2 ? 0x0A : 0x42;
        stream_add_av1(bytes, n, &sides);
        stream_add_hevc(bytes, n, &sides);
        for (unsigned length = 1; length <= 4; length++)
            stream_add_hevc_units(bytes, n, length, &sides);
        g_free(bytes);
    }
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/av1", test_av1);
    g_test_add_func("/hevc", test_hevc);
    g_test_add_func("/large", test_large);
    g_test_add_func("/bounds", test_bounds);
    return harness_main();
}
