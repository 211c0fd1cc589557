/* Resampling against the same arithmetic written out slowly, on shapes that the golden pictures
 * lack. */
#include "tests/harness.h"
#include "vision/resize.h"

#include <math.h>
#include <string.h>

/* One output byte of one pass, with weights of 64 bits: channel values in[i * stride]. */
static uint8_t slow_byte(const uint8_t *in, size_t stride, int n_in, int n_out, int o)
{
    double scale = (double)n_in / n_out;
    double wide = fmax(scale, 1);
    double middle = (o + 0.5) * scale;
    int first = (int)fmax(trunc(middle - wide + 0.5), 0);
    int end = (int)fmin(trunc(middle + wide + 0.5), n_in);
    double total = 0;
    for (int i = first; i < end; i++)
        total += fmax(0, 1 - fabs((i - middle + 0.5) * (1 / wide)));
    int64_t sum = 1 << 21;
    for (int i = first; i < end; i++) {
        double weight = fmax(0, 1 - fabs((i - middle + 0.5) * (1 / wide))) / total;
        sum += (int64_t)(0.5 + weight * 4194304) * in[(size_t)i * stride];
    }
    return (uint8_t)CLAMP(sum >> 22, 0, 255);
}

static uint8_t *slow_resize(const uint8_t *in, int w, int h, int out_w, int out_h)
{
    uint8_t *between = g_malloc((size_t)out_w * (size_t)h * 3);
    uint8_t *out = g_malloc((size_t)out_w * (size_t)out_h * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < out_w; x++)
            for (int c = 0; c < 3; c++)
                between[(y * out_w + x) * 3 + c] =
                    out_w == w ? in[(y * w + x) * 3 + c]
                               : slow_byte(in + y * w * 3 + c, 3, w, out_w, x);
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x++)
            for (int c = 0; c < 3; c++)
                out[(y * out_w + x) * 3 + c] =
                    out_h == h ? between[(y * out_w + x) * 3 + c]
                               : slow_byte(between + x * 3 + c, (size_t)out_w * 3, h, out_h, y);
    g_free(between);
    return out;
}

static void check(int w, int h, int out_w, int out_h, GRand *random)
{
    struct resize_rgb from = {w, h, g_malloc((size_t)w * (size_t)h * 3)};
    struct resize_rgb to = {out_w, out_h, g_malloc((size_t)out_w * (size_t)out_h * 3)};
    GError *error = NULL;
    for (int i = 0; i < w * h * 3; i++)
        from.rgb[i] = (uint8_t)g_rand_int_range(random, 0, 256);
    uint8_t *expected = slow_resize(from.rgb, w, h, out_w, out_h);
    g_assert_true(resize_picture(&from, &to, NULL, &error));
    g_assert_no_error(error);
    g_assert_cmpint(memcmp(to.rgb, expected, (size_t)out_w * (size_t)out_h * 3), ==, 0);
    g_free(expected);
    g_free(from.rgb);
    g_free(to.rgb);
}

static void test_shapes(void)
{
    static const int shapes[][4] = {
        {1, 1, 1, 1},     {1, 1, 56, 56},  {5, 3, 336, 202}, {1, 2000, 1, 336},   {2000, 1, 336, 1},
        {31, 33, 33, 31}, {64, 64, 64, 7}, {64, 64, 7, 64},  {257, 19, 100, 100}, {3, 3, 2, 2}};
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        check(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], random);
    for (int i = 0; i < 60; i++)
        check(g_rand_int_range(random, 1, 90), g_rand_int_range(random, 1, 90),
              g_rand_int_range(random, 1, 90), g_rand_int_range(random, 1, 90), random);
    g_rand_free(random);
}

/* One colour stays that colour, white and black above all. */
static void test_flat(void)
{
    static const uint8_t values[] = {0, 1, 127, 254, 255};
    uint8_t in[17 * 13 * 3];
    uint8_t out[40 * 5 * 3];
    struct resize_rgb from = {17, 13, in};
    struct resize_rgb to = {40, 5, out};
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        memset(in, values[i], sizeof in);
        g_assert_true(resize_picture(&from, &to, NULL, NULL));
        for (size_t k = 0; k < sizeof out; k++)
            g_assert_cmpint(out[k], ==, values[i]);
    }
}

static void test_cancel(void)
{
    uint8_t in[8 * 8 * 3] = {0};
    uint8_t out[4 * 4 * 3];
    struct resize_rgb from = {8, 8, in};
    struct resize_rgb to = {4, 4, out};
    nawi_cancel cancel = {0};
    GError *error = NULL;
    nawi_cancel_ask(&cancel);
    g_assert_false(resize_picture(&from, &to, &cancel, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_clear_error(&error);
}

/* 64 million pixels, the most that is let in; the time is only told. */
static void test_large(void)
{
    struct resize_rgb from = {8000, 8000, g_malloc0(8000u * 8000 * 3)};
    struct resize_rgb to = {1344, 1344, g_malloc(1344u * 1344 * 3)};
    gint64 started = g_get_monotonic_time();
    g_assert_true(resize_picture(&from, &to, NULL, NULL));
    g_test_message("8000 x 8000 to 1344 x 1344: %.2f s",
                   (double)(g_get_monotonic_time() - started) / 1e6);
    g_free(from.rgb);
    g_free(to.rgb);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/shapes", test_shapes);
    g_test_add_func("/flat", test_flat);
    g_test_add_func("/cancel", test_cancel);
    g_test_add_func("/large", test_large);
    return harness_main();
}
