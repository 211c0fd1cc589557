/* The triangle filter in fixed point: weights are rounded to 22 bits after the point, sums are
 * exact in 32 bits (the weights of one output add up to 2^22 and at most one half a tap more, times
 * 255), and each pass rounds to bytes. The weights are computed in double, in one order of
 * operations, so that every compiler gives the same ones. */
#include "vision/resize.h"

#include <math.h>
#include <string.h>

enum {
    WEIGHT_BITS = 22,
    WEIGHT_ONE = 1 << WEIGHT_BITS,
    WEIGHT_HALF = 1 << (WEIGHT_BITS - 1),
    CANCEL_ROWS = 32, /* rows between two looks at cancel */
};

/* The taps of one pass. Output o is the sum over k < n[o] of weight[start[o] + k] * input[first[o]
 * + k]. */
struct taps {
    int n_out;
    int *first;
    int *n;
    size_t *start;
    int32_t *weight;
};

static void taps_finish(struct taps *taps)
{
    g_free(taps->first);
    g_free(taps->n);
    g_free(taps->start);
    g_free(taps->weight);
}

static void set_memory_error(GError **error, size_t bytes)
{
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "resizing needs %" G_GSIZE_FORMAT " MiB more than there is",
                bytes / (1024 * 1024) + 1);
}

/* The weights of one output: inputs from *first, count returned, weights in double then integer.
 * real has room for all taps of an output. */
static int fill_taps(int o, int n_in, double scale, double *real, int32_t *weight, int *first)
{
    double wide = scale > 1.0 ? scale : 1.0;
    double middle = ((double)o + 0.5) * scale;
    double low = trunc(middle - wide + 0.5);
    double high = trunc(middle + wide + 0.5);
    int begin = low > 0 ? (int)low : 0;
    int end = high < (double)n_in ? (int)high : n_in;
    double inverse = 1.0 / wide;
    double total = 0;
    for (int i = begin; i < end; i++) {
        double t = fabs(((double)i - middle + 0.5) * inverse);
        double w = t < 1.0 ? 1.0 - t : 0.0;
        real[i - begin] = w;
        total += w;
    }
    for (int k = 0; k < end - begin; k++)
        weight[k] = total > 0 ? (int32_t)(0.5 + real[k] / total * (double)WEIGHT_ONE) : 0;
    *first = begin;
    return end - begin;
}

static bool taps_init(struct taps *taps, int n_in, int n_out, GError **error)
{
    double scale = (double)n_in / (double)n_out;
    size_t most = (size_t)ceil(scale > 1.0 ? scale : 1.0) * 2 + 2; /* taps of one output */
    size_t bytes = most * (size_t)n_out * sizeof(int32_t);
    *taps = (struct taps){.n_out = n_out};
    taps->first = g_try_new(int, (size_t)n_out);
    taps->n = g_try_new(int, (size_t)n_out);
    taps->start = g_try_new(size_t, (size_t)n_out);
    taps->weight = g_try_malloc(bytes);
    double *real = g_try_new(double, most);
    if (!taps->first || !taps->n || !taps->start || !taps->weight || !real) {
        g_free(real);
        taps_finish(taps);
        set_memory_error(error, bytes);
        return false;
    }
    size_t at = 0;
    for (int o = 0; o < n_out; o++) {
        taps->start[o] = at;
        taps->n[o] = fill_taps(o, n_in, scale, real, taps->weight + at, &taps->first[o]);
        at += (size_t)taps->n[o];
    }
    g_free(real);
    return true;
}

static inline uint8_t to_byte(int32_t sum)
{
    int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row [n_in, 3] to [n_out, 3]. */
static void resize_row(const struct taps *taps, const uint8_t *in, uint8_t *out)
{
    for (int o = 0; o < taps->n_out; o++) {
        const uint8_t *at = in + (size_t)taps->first[o] * 3;
        const int32_t *weight = taps->weight + taps->start[o];
        int32_t r = WEIGHT_HALF;
        int32_t g = WEIGHT_HALF;
        int32_t b = WEIGHT_HALF;
        for (int k = 0; k < taps->n[o]; k++, at += 3) {
            r += weight[k] * at[0];
            g += weight[k] * at[1];
            b += weight[k] * at[2];
        }
        out[o * 3] = to_byte(r);
        out[o * 3 + 1] = to_byte(g);
        out[o * 3 + 2] = to_byte(b);
    }
}

/* Adds weight * in[i] to sum[i]. */
static void add_row(int32_t *restrict sum, const uint8_t *restrict in, int32_t weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += weight * in[i];
}

static bool resize_columns(const struct resize_rgb *from, int width_out, uint8_t *out,
                           const nawi_cancel *cancel, GError **error)
{
    struct taps taps;
    if (!taps_init(&taps, from->width_px, width_out, error))
        return false;
    bool stopped = false;
    for (int y = 0; y < from->height_px && !stopped; y++) {
        resize_row(&taps, from->rgb + (size_t)y * (size_t)from->width_px * 3,
                   out + (size_t)y * (size_t)width_out * 3);
        stopped = y % CANCEL_ROWS == 0 && nawi_cancel_check(cancel, error);
    }
    taps_finish(&taps);
    return !stopped;
}

static bool resize_rows(const struct resize_rgb *from, int height_out, uint8_t *out,
                        const nawi_cancel *cancel, GError **error)
{
    size_t n = (size_t)from->width_px * 3;
    struct taps taps;
    if (!taps_init(&taps, from->height_px, height_out, error))
        return false;
    int32_t *sum = g_try_new(int32_t, n);
    if (!sum) {
        taps_finish(&taps);
        set_memory_error(error, n * sizeof *sum);
        return false;
    }
    bool stopped = false;
    for (int o = 0; o < height_out && !stopped; o++) {
        for (size_t i = 0; i < n; i++)
            sum[i] = WEIGHT_HALF;
        for (int k = 0; k < taps.n[o] && !stopped; k++) {
            add_row(sum, from->rgb + (size_t)(taps.first[o] + k) * n,
                    taps.weight[taps.start[o] + (size_t)k], n);
            stopped = k % CANCEL_ROWS == 0 && nawi_cancel_check(cancel, error);
        }
        for (size_t i = 0; i < n; i++)
            out[(size_t)o * n + i] = to_byte(sum[i]);
    }
    g_free(sum);
    taps_finish(&taps);
    return !stopped;
}

bool resize_picture(const struct resize_rgb *from, const struct resize_rgb *to,
                    const nawi_cancel *cancel, GError **error)
{
    bool columns = from->width_px != to->width_px;
    bool rows = from->height_px != to->height_px;
    if (!columns && !rows) {
        memcpy(to->rgb, from->rgb, (size_t)from->width_px * (size_t)from->height_px * 3);
        return true;
    }
    if (!columns)
        return resize_rows(from, to->height_px, to->rgb, cancel, error);
    if (!rows)
        return resize_columns(from, to->width_px, to->rgb, cancel, error);

    struct resize_rgb between = {.width_px = to->width_px, .height_px = from->height_px};
    size_t bytes = (size_t)between.width_px * (size_t)between.height_px * 3;
    between.rgb = g_try_malloc(bytes);
    if (!between.rgb) {
        set_memory_error(error, bytes);
        return false;
    }
    bool ok = resize_columns(from, to->width_px, between.rgb, cancel, error) &&
              resize_rows(&between, to->height_px, to->rgb, cancel, error);
    g_free(between.rgb);
    return ok;
}
