/* Composition on white, for every byte and alpha; depths, inks and associated alpha; tones. */
#include "tests/harness.h"
#include "vision/flatten.h"

#include <math.h>

/* p * a + 255 * (255 - a) over 255, rounded: the arithmetic of the tiles' reference. */
static void test_bytes(void)
{
    struct flatten_format format = {
        .space = FLATTEN_GREY, .depth = FLATTEN_U8, .n_band = 2, .has_alpha = true};
    for (unsigned p = 0; p < 256; p++)
        for (unsigned a = 0; a < 256; a++) {
            uint8_t in[2] = {(uint8_t)p, (uint8_t)a};
            uint8_t rgb[3];
            unsigned t = p * a + 255 * (255 - a) + 128;
            flatten_row(&format, in, 1, rgb);
            g_assert_cmpuint(rgb[0], ==, (t + (t >> 8)) >> 8);
            g_assert_cmpuint(rgb[1], ==, rgb[0]);
            g_assert_cmpuint(rgb[2], ==, rgb[0]);
        }
}

/* v / 257, rounded. */
static void test_words(void)
{
    struct flatten_format format = {.space = FLATTEN_GREY, .depth = FLATTEN_U16, .n_band = 1};
    for (unsigned v = 0; v < 65536; v++) {
        uint16_t in = (uint16_t)v;
        uint8_t rgb[3];
        flatten_row(&format, &in, 1, rgb);
        g_assert_cmpuint(rgb[0], ==, (unsigned)floor(v / 257.0 + 0.5));
    }
    format.n_band = 2;
    format.has_alpha = true;
    for (unsigned v = 0; v < 65536; v += 257)
        for (unsigned a = 0; a < 65536; a += 771) {
            uint16_t in[2] = {(uint16_t)v, (uint16_t)a};
            uint8_t rgb[3];
            double exact = (v * (a / 65535.0) + 65535.0 - a) / 257;
            flatten_row(&format, in, 1, rgb);
            g_assert_cmpfloat_with_epsilon(rgb[0], exact, 0.51);
        }
}

static void test_associated(void)
{
    struct flatten_format format = {.space = FLATTEN_RGB,
                                    .depth = FLATTEN_U8,
                                    .n_band = 4,
                                    .has_alpha = true,
                                    .is_premultiplied = true};
    uint8_t in[8] = {10, 0, 100, 100, 250, 0, 0, 100};
    uint8_t rgb[6];
    flatten_row(&format, in, 2, rgb);
    g_assert_cmpuint(rgb[0], ==, 165);
    g_assert_cmpuint(rgb[1], ==, 155);
    g_assert_cmpuint(rgb[2], ==, 255);
    g_assert_cmpuint(rgb[3], ==, 255); /* brighter than its alpha allows */
}

static void test_inks(void)
{
    struct flatten_format format = {.space = FLATTEN_CMYK, .depth = FLATTEN_U8, .n_band = 4};
    uint8_t in[16] = {0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 51, 102, 153, 128};
    static const uint8_t expected[12] = {255, 255, 255, 0, 255, 255, 0, 0, 0, 102, 76, 51};
    uint8_t rgb[12];
    flatten_row(&format, in, 4, rgb);
    for (size_t i = 0; i < sizeof rgb; i++)
        g_assert_cmpint(ABS(rgb[i] - expected[i]), <=, 1);
    uint16_t wide[16];
    uint8_t again[12];
    for (size_t i = 0; i < 16; i++)
        wide[i] = (uint16_t)(in[i] * 257);
    format.depth = FLATTEN_U16;
    flatten_row(&format, wide, 4, again);
    for (size_t i = 0; i < sizeof rgb; i++)
        g_assert_cmpint(ABS(rgb[i] - again[i]), <=, 1);
}

static double srgb_of(double light)
{
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* Floats are light; what is no number is black, what is beyond is cut. */
static void test_floats(void)
{
    struct tone *tone = tone_linear();
    struct flatten_format format = {
        .space = FLATTEN_GREY, .depth = FLATTEN_F32, .n_band = 1, .tone = tone};
    for (int i = 0; i <= 1000; i++) {
        float in = (float)i / 1000;
        uint8_t rgb[3];
        flatten_row(&format, &in, 1, rgb);
        g_assert_cmpfloat_with_epsilon(rgb[0], srgb_of(i / 1000.0) * 255, 0.6);
    }
    float odd[5] = {NAN, -1, 7, INFINITY, -INFINITY};
    static const uint8_t expected[5] = {0, 0, 255, 255, 0};
    uint8_t rgb[15];
    flatten_row(&format, odd, 5, rgb);
    for (size_t i = 0; i < 5; i++)
        g_assert_cmpuint(rgb[i * 3], ==, expected[i]);
    g_free(tone);
}

/* sRGB's own numbers and near ones need no tone, senseless ones get none; gamma 1 is linear. */
static void test_gamma(void)
{
    static const double none[8] = {0};
    static const double own[8] = {0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06};
    static const double flat[8] = {0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3};
    g_assert_null(tone_for_gamma(1 / 2.2, none));
    g_assert_null(tone_for_gamma(0.45455, own));
    g_assert_null(tone_for_gamma(0, own));
    g_assert_null(tone_for_gamma(1e9, own));
    g_assert_null(tone_for_gamma(NAN, own));
    g_assert_null(tone_for_gamma(0.45455, flat));
    struct tone *tone = tone_for_gamma(1, flat);
    g_assert_nonnull(tone);
    g_assert_false(tone->has_matrix);
    uint16_t rgb[3] = {0, 32768, 65535};
    tone_apply(tone, rgb);
    g_assert_cmpuint(rgb[0], ==, 0);
    g_assert_cmpfloat_with_epsilon(rgb[1] / 65535.0, srgb_of(0.5), 1e-3);
    g_assert_cmpuint(rgb[2], ==, 65535);
    g_free(tone);
    /* White stays white through any primaries and any white point. */
    static const double wide[8] = {0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001};
    tone = tone_for_gamma(0.45455, wide);
    g_assert_null(tone); /* a primary on the edge of nothing */
    static const double adobe[8] = {0.3457, 0.3585, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06};
    tone = tone_for_gamma(0.45455, adobe);
    g_assert_nonnull(tone);
    uint16_t white[3] = {65535, 65535, 65535};
    tone_apply(tone, white);
    for (int c = 0; c < 3; c++)
        g_assert_cmpuint(white[c], >=, 65500);
    g_free(tone);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/bytes", test_bytes);
    g_test_add_func("/words", test_words);
    g_test_add_func("/associated", test_associated);
    g_test_add_func("/inks", test_inks);
    g_test_add_func("/floats", test_floats);
    g_test_add_func("/gamma", test_gamma);
    return harness_main();
}
