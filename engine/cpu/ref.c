/* The plain truth of every kernel: weights dequantised exactly, activations as floats, sums in
 * double.
 *
 * Nothing here is fast on purpose. A tier is right when it agrees with this file within its
 * tolerance, and this file is right when it agrees with independent numbers (tests/check,
 * tests/golden). */
#include "engine/cpu/kernels.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256, COLUMNS = 16, ATTEND_VALUES = 256 };

static void prepare_f32(int64_t n, const float *x, void *y) { memcpy(y, x, (size_t)n * sizeof *x); }

/* Values [first, first + n) of row r of the weights. */
static void unpack(const struct kernel_matmul *args, enum nawi_dtype dtype, int64_t r,
                   int64_t first, int64_t n, float *out)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    const char *at =
        args->w + r * args->w_row_bytes + first / info->block_len * args->w_block_bytes;
    if (args->w_block_bytes == info->block_bytes) {
        info->dequant(n, at, out);
        return;
    }
    for (int64_t i = 0; i < n; i += info->block_len, at += args->w_block_bytes)
        info->dequant(info->block_len, at, out + i);
}

static void multiply(const struct kernel_matmul *args, enum nawi_dtype dtype)
{
    for (int64_t r = 0; r < args->n_row; r++) {
        for (int64_t c0 = 0; c0 < args->n_col; c0 += COLUMNS) {
            int64_t n_col = args->n_col - c0 < COLUMNS ? args->n_col - c0 : COLUMNS;
            double sum[COLUMNS] = {0};
            for (int64_t k0 = 0; k0 < args->k; k0 += CHUNK) {
                int64_t n = args->k - k0 < CHUNK ? args->k - k0 : CHUNK;
                float w[CHUNK];
                unpack(args, dtype, r, k0, n, w);
                for (int64_t c = 0; c < n_col; c++) {
                    int64_t row = args->x_rows ? args->x_rows[c0 + c] : c0 + c;
                    const char *x = (const char *)args->x + row * args->x_row_bytes;
                    for (int64_t k = 0; k < n; k++) {
                        float value;
                        memcpy(&value, x + (k0 + k) * (int64_t)sizeof value, sizeof value);
                        sum[c] += (double)w[k] * (double)value;
                    }
                }
            }
            for (int64_t c = 0; c < n_col; c++) {
                int64_t row = args->y_rows ? args->y_rows[c0 + c] : c0 + c;
                double y = sum[c];
                if (args->scale)
                    y *= (double)args->scale[r];
                if (args->bias)
                    y += (double)args->bias[r];
                args->y[row * args->y_row_len + r] = (float)y;
            }
        }
    }
}

/* One entry for each dtype, since an entry of the table does not carry its dtype. */
#define X(name, id, len, bytes)                                                                    \
    static void multiply_##name(const struct kernel_matmul *args)                                  \
    {                                                                                              \
        multiply(args, NAWI_DTYPE_##name);                                                         \
    }
NAWI_DTYPES(X)
#undef X

static void rms_norm(int64_t n, float eps, const float *x, const float *w, float *y)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    double scale = 1 / sqrt(sum / (double)n + (double)eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * scale * (w ? (double)w[i] : 1));
}

static void layer_norm(int64_t n, float eps, const float *x, const float *w, const float *b,
                       float *y)
{
    double mean = 0;
    double variance = 0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)x[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = 1 / sqrt(variance / (double)n + (double)eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * scale * (w ? (double)w[i] : 1) +
                       (b ? (double)b[i] : 0));
}

static void rope(int64_t n_head, int64_t d, int64_t n_rot, bool half, const float *turn, float *x)
{
    for (int64_t h = 0; h < n_head; h++, x += d) {
        for (int64_t j = 0; j < n_rot / 2; j++) {
            float *first = half ? x + j : x + 2 * j;
            float *second = half ? x + j + n_rot / 2 : x + 2 * j + 1;
            double a = (double)*first;
            double b = (double)*second;
            double cosine = (double)turn[2 * j];
            double sine = (double)turn[2 * j + 1];
            *first = (float)(a * cosine - b * sine);
            *second = (float)(a * sine + b * cosine);
        }
    }
}

static void swiglu(int64_t n, float s, const float *gate, const float *up, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        double g = (double)s * (double)gate[i];
        y[i] = (float)(g / (1 + exp(-g)) * ((double)s * (double)up[i]));
    }
}

static void gelu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        double v = (double)x[i];
        y[i] = (float)(v * 0.5 *
                       erfc(-v * 0.70710678118654752440)); /* 1 + erf(z) without loss for z < 0 */
    }
}

static void add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void scale(int64_t n, float s, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = s * x[i];
}

static double kv_value(const struct kernel_attend *args, const char *cell, int64_t i)
{
    if (args->kv_dtype == NAWI_DTYPE_F16) {
        uint16_t half;
        memcpy(&half, cell + i * (int64_t)sizeof half, sizeof half);
        return (double)nawi_f16_to_f32(half);
    }
    float value;
    memcpy(&value, cell + i * (int64_t)sizeof value, sizeof value);
    return (double)value;
}

static double score(const struct kernel_attend *args, int h, int64_t position)
{
    const char *cell = args->k + kernel_attend_cell(args, position) * args->cell_bytes;
    double sum = 0;
    for (int64_t i = 0; i < args->d; i++)
        sum += (double)args->q[h * args->d + i] * kv_value(args, cell, i);
    return sum * (double)args->scale;
}

/* Two passes, the largest score first; the second is repeated for each ATTEND_VALUES values of a
 * head. */
static void attend(const struct kernel_attend *args)
{
    for (int h = 0; h < args->n_q; h++) {
        double most = -INFINITY;
        for (int64_t p = args->first; p < args->last; p++)
            most = fmax(most, score(args, h, p));
        for (int64_t i0 = 0; i0 < args->d; i0 += ATTEND_VALUES) {
            int64_t n = args->d - i0 < ATTEND_VALUES ? args->d - i0 : ATTEND_VALUES;
            double sum[ATTEND_VALUES] = {0};
            double total = 0;
            for (int64_t p = args->first; p < args->last; p++) {
                const char *cell = args->v + kernel_attend_cell(args, p) * args->cell_bytes;
                double weight = exp(score(args, h, p) - most);
                total += weight;
                for (int64_t i = 0; i < n; i++)
                    sum[i] += weight * kv_value(args, cell, i0 + i);
            }
            for (int64_t i = 0; i < n; i++)
                args->y[h * args->d + i0 + i] = (float)(sum[i] / total);
        }
    }
}

/* True when logit a of id i comes before logit b of id j. */
static bool precedes(float a, int64_t i, float b, int64_t j)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b) ? i < j : isnan(b);
    return a > b || (a == b && i < j);
}

/* Each round takes the best of those that come after the last one taken. */
static void route(int64_t n, int64_t k, const float *logits, int32_t *ids, float *gates)
{
    int64_t last = -1;
    for (int64_t t = 0; t < k; t++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++) {
            bool is_left = last < 0 || (i != last && precedes(logits[last], last, logits[i], i));
            if (is_left && (best < 0 || precedes(logits[i], i, logits[best], best)))
                best = i;
        }
        ids[t] = (int32_t)best;
        gates[t] = (float)(1 / (1 + exp(-(double)logits[best])));
        last = best;
    }
}

void kernels_fill_ref(struct kernels *table)
{
    *table = (struct kernels){
        .name = "ref",
        .prepare = {[KERNEL_ACT_F32] = prepare_f32},
        .rms_norm = rms_norm,
        .layer_norm = layer_norm,
        .rope = rope,
        .swiglu = swiglu,
        .gelu = gelu,
        .add = add,
        .scale = scale,
        .attend = attend,
        .route = route,
    };
#define X(dtype, id, len, bytes)                                                                   \
    table->act[NAWI_DTYPE_##dtype] = KERNEL_ACT_F32;                                               \
    table->matmul[NAWI_DTYPE_##dtype] = multiply_##dtype;                                          \
    table->dequant[NAWI_DTYPE_##dtype] = nawi_dtype_get_info(NAWI_DTYPE_##dtype)->dequant;
    NAWI_DTYPES(X)
#undef X
    table->matmul[NAWI_DTYPE_I32] = NULL;
}
