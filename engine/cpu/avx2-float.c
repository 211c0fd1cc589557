/* Weights that are numbers, F32 F16 BF16 F8, times activations as floats.
 *
 * A value is the sum of slabs of 512 weights, each summed in 8 lanes, lane i taking every
 * eighth. Several columns: 8 rows of a slab are unpacked into a scratch in the first-level
 * cache, and multiplied 4 rows by 3 columns at a time in registers. One column: four rows
 * together, unpacked as they are multiplied. Both give the same bits. */
#include "engine/cpu/avx2-numbers.h"

enum { SLAB = 512, ROWS = 8, TILE_ROWS = 4, TILE_COLS = 3 };

/* A whole slab or its tail into out, filled up with zeros to a multiple of 8. */
typedef void (*unpack_fn)(const char *src, int64_t n, float *out);

AVX2_INLINE __m256i mask_8(int64_t n)
{
    static const int32_t masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return avx2_load(masks + 8 - n);
}

/* ── One column ──────────────────────────────────────────────────────────────────────────────── */

/* Four rows of a slab; rows beyond the last repeat it. */
AVX2_INLINE __m128 multiply_four(const char *const w[TILE_ROWS], const float *x, int64_t n,
                                 struct numbers form)
{
    __m256 acc[TILE_ROWS];
    for (int r = 0; r < TILE_ROWS; r++)
        acc[r] = _mm256_setzero_ps();
    int64_t k = 0;
    for (; k + 8 <= n; k += 8) {
        __m256 value = _mm256_loadu_ps(x + k);
        for (int r = 0; r < TILE_ROWS; r++)
            acc[r] = _mm256_fmadd_ps(form.load(w[r] + k * form.bytes), value, acc[r]);
    }
    if (k < n) {
        __m256 value = _mm256_maskload_ps(x + k, mask_8(n - k));
        for (int r = 0; r < TILE_ROWS; r++)
            acc[r] = _mm256_fmadd_ps(numbers_load_some(form, w[r] + k * form.bytes, n - k), value,
                                     acc[r]);
    }
    return avx2_sum_4(acc[0], acc[1], acc[2], acc[3]);
}

AVX2_INLINE void multiply_one(const struct kernel_matmul *args, struct numbers form)
{
    const float *x = (const float *)avx2_x_row(args, 0);
    float *y = avx2_y_row(args, 0);
    for (int64_t r0 = 0; r0 < args->n_row; r0 += TILE_ROWS) {
        int64_t n_row = MIN(TILE_ROWS, args->n_row - r0);
        for (int64_t k0 = 0; k0 < args->k; k0 += SLAB) {
            int64_t n = MIN(SLAB, args->k - k0);
            const char *w[TILE_ROWS];
            float part[TILE_ROWS];
            for (int64_t r = 0; r < TILE_ROWS; r++)
                w[r] = args->w + (r0 + MIN(r, n_row - 1)) * args->w_row_bytes + k0 * form.bytes;
            _mm_storeu_ps(part, multiply_four(w, x + k0, n, form));
            avx2_store(args, y, r0, n_row, part, k0 == 0, k0 + n == args->k);
        }
    }
}

/* ── Several columns ─────────────────────────────────────────────────────────────────────────── */

AVX2_INLINE void multiply_tile(int n_col, const float *const *w, const float *const *x, int64_t n,
                               float parts[TILE_COLS][TILE_ROWS])
{
    __m256 acc[TILE_COLS][TILE_ROWS];
    for (int c = 0; c < n_col; c++)
        for (int r = 0; r < TILE_ROWS; r++)
            acc[c][r] = _mm256_setzero_ps();
    int64_t k = 0;
    for (; k + 8 <= n; k += 8) {
        __m256 value[TILE_COLS];
        for (int c = 0; c < n_col; c++)
            value[c] = _mm256_loadu_ps(x[c] + k);
        for (int r = 0; r < TILE_ROWS; r++) {
            __m256 weight = _mm256_load_ps(w[r] + k);
            for (int c = 0; c < n_col; c++)
                acc[c][r] = _mm256_fmadd_ps(weight, value[c], acc[c][r]);
        }
    }
    if (k < n) {
        const __m256i mask = mask_8(n - k);
        for (int c = 0; c < n_col; c++)
            for (int r = 0; r < TILE_ROWS; r++)
                acc[c][r] = _mm256_fmadd_ps(_mm256_load_ps(w[r] + k),
                                            _mm256_maskload_ps(x[c] + k, mask), acc[c][r]);
    }
    for (int c = 0; c < n_col; c++)
        _mm_storeu_ps(parts[c], avx2_sum_4(acc[c][0], acc[c][1], acc[c][2], acc[c][3]));
}

static void multiply_slab(const struct kernel_matmul *args, const float *panel, int64_t r0,
                          int64_t n_row, int64_t k0)
{
    int64_t n = MIN(SLAB, args->k - k0);
    for (int64_t c = 0; c < args->n_col; c += TILE_COLS) {
        int64_t n_col = MIN(TILE_COLS, args->n_col - c);
        const float *x[TILE_COLS];
        for (int64_t i = 0; i < n_col; i++)
            x[i] = (const float *)avx2_x_row(args, c + i) + k0;
        for (int64_t r = 0; r < n_row; r += TILE_ROWS) {
            const float *w[TILE_ROWS];
            float parts[TILE_COLS][TILE_ROWS];
            for (int64_t i = 0; i < TILE_ROWS; i++)
                w[i] = panel + MIN(r + i, n_row - 1) * SLAB;
            if (n_col == 3)
                multiply_tile(3, w, x, n, parts);
            else if (n_col == 2)
                multiply_tile(2, w, x, n, parts);
            else
                multiply_tile(1, w, x, n, parts);
            for (int64_t i = 0; i < n_col; i++)
                avx2_store(args, avx2_y_row(args, c + i), r0 + r, MIN(TILE_ROWS, n_row - r),
                           parts[i], k0 == 0, k0 + n == args->k);
        }
    }
}

AVX2_INLINE void multiply_several(const struct kernel_matmul *args, unpack_fn unpack, int bytes)
{
    _Alignas(32) float panel[ROWS * SLAB];
    for (int64_t r0 = 0; r0 < args->n_row; r0 += ROWS) {
        int64_t n_row = MIN(ROWS, args->n_row - r0);
        for (int64_t k0 = 0; k0 < args->k; k0 += SLAB) {
            for (int64_t r = 0; r < n_row; r++)
                unpack(args->w + (r0 + r) * args->w_row_bytes + k0 * bytes, MIN(SLAB, args->k - k0),
                       panel + r * SLAB);
            multiply_slab(args, panel, r0, n_row, k0);
        }
    }
}

/* ── Numbers ─────────────────────────────────────────────────────────────────────────────────── */

AVX2_INLINE void unpack_numbers(const char *src, int64_t n, float *out, struct numbers form)
{
    int64_t k = 0;
    for (; k + 8 <= n; k += 8)
        _mm256_store_ps(out + k, form.load(src + k * form.bytes));
    if (k < n)
        _mm256_store_ps(out + k, numbers_load_some(form, src + k * form.bytes, n - k));
}

#define X(dtype, name, bytes)                                                                      \
    AVX2_INLINE void unpack_##name(const char *src, int64_t n, float *out)                         \
    {                                                                                              \
        unpack_numbers(src, n, out, numbers_##name);                                               \
    }                                                                                              \
    static void multiply_##name(const struct kernel_matmul *args)                                  \
    {                                                                                              \
        if (args->w_block_bytes != bytes)                                                          \
            avx2_multiply_turned(args, NAWI_DTYPE_##dtype);                                        \
        else if (args->n_col == 1)                                                                 \
            multiply_one(args, numbers_##name);                                                    \
        else                                                                                       \
            multiply_several(args, unpack_##name, bytes);                                          \
    }
NUMBERS(X)
#undef X

void avx2_fill_float(struct kernels *table)
{
#define X(dtype, name, bytes) table->matmul[NAWI_DTYPE_##dtype] = multiply_##name;
    NUMBERS(X)
#undef X
}
