/* Weights that stand input-major, times activations as floats: the values of one k lie side by
 * side for all rows.
 *
 * Lanes are rows. A value is the sum of slabs of 256 weights, each added up one by one. Several
 * columns: 16 rows of a slab are unpacked into a scratch in the first-level cache and multiplied
 * by 6 columns at a time in registers. Few columns: each is added up over runs of up to 1024
 * rows, four k at a time, so that memory is read in long runs. Both give the same bits. */
#include "engine/cpu/avx2-numbers.h"

enum { SLAB = 256, RUN = 1024, TILE_ROWS = 16, TILE_COLS = 6 };

/* Rows r .. r + 8 of one k, those from n on zero. */
AVX2_INLINE __m256 load_rows(const char *at, int64_t r, int64_t n, struct numbers form)
{
    if (r + 8 <= n)
        return form.load(at + r * form.bytes);
    return r < n ? numbers_load_some(form, at + r * form.bytes, n - r) : _mm256_setzero_ps();
}

/* Some rows of a slab. */
struct run {
    const char *w;
    int64_t w_step, n_k, n_row;
};

/* sum[0 .. n_row) += the run's products with one column. */
AVX2_INLINE void add_run(const struct run *run, const float *x, float *sum, struct numbers form)
{
    const char *w = run->w;
    const int64_t step = run->w_step;
    const int64_t n_k = run->n_k;
    const int64_t n = run->n_row;
    int64_t k = 0;
    for (; k + 4 <= n_k; k += 4, w += 4 * step) {
        const __m256 x0 = _mm256_broadcast_ss(x + k);
        const __m256 x1 = _mm256_broadcast_ss(x + k + 1);
        const __m256 x2 = _mm256_broadcast_ss(x + k + 2);
        const __m256 x3 = _mm256_broadcast_ss(x + k + 3);
        for (int64_t r = 0; r < n; r += 8) {
            __m256 acc = _mm256_load_ps(sum + r);
            acc = _mm256_fmadd_ps(load_rows(w, r, n, form), x0, acc);
            acc = _mm256_fmadd_ps(load_rows(w + step, r, n, form), x1, acc);
            acc = _mm256_fmadd_ps(load_rows(w + 2 * step, r, n, form), x2, acc);
            acc = _mm256_fmadd_ps(load_rows(w + 3 * step, r, n, form), x3, acc);
            _mm256_store_ps(sum + r, acc);
        }
    }
    for (; k < n_k; k++, w += step) {
        const __m256 x0 = _mm256_broadcast_ss(x + k);
        for (int64_t r = 0; r < n; r += 8)
            _mm256_store_ps(sum + r,
                            _mm256_fmadd_ps(load_rows(w, r, n, form), x0, _mm256_load_ps(sum + r)));
    }
}

AVX2_INLINE void multiply_few(const struct kernel_matmul *args, struct numbers form)
{
    _Alignas(32) float sum[RUN];
    for (int64_t c = 0; c < args->n_col; c++) {
        const float *x = (const float *)avx2_x_row(args, c);
        float *y = avx2_y_row(args, c);
        for (int64_t r0 = 0; r0 < args->n_row; r0 += RUN) {
            int64_t n = MIN(RUN, args->n_row - r0);
            for (int64_t k0 = 0; k0 < args->k; k0 += SLAB) {
                int64_t n_k = MIN(SLAB, args->k - k0);
                memset(sum, 0, sizeof sum);
                const struct run run = {args->w + r0 * form.bytes + k0 * args->w_block_bytes,
                                        args->w_block_bytes, n_k, n};
                add_run(&run, x + k0, sum, form);
                avx2_store(args, y, r0, n, sum, k0 == 0, k0 + n_k == args->k);
            }
        }
    }
}

AVX2_INLINE void multiply_tile(int n_col, const float *panel, const float *const *x, int64_t n_k,
                               float parts[TILE_COLS][TILE_ROWS])
{
    __m256 acc[TILE_COLS][2];
    for (int c = 0; c < n_col; c++)
        acc[c][0] = acc[c][1] = _mm256_setzero_ps();
    for (int64_t k = 0; k < n_k; k++) {
        __m256 w0 = _mm256_load_ps(panel + k * TILE_ROWS);
        __m256 w1 = _mm256_load_ps(panel + k * TILE_ROWS + 8);
        for (int c = 0; c < n_col; c++) {
            __m256 value = _mm256_broadcast_ss(x[c] + k);
            acc[c][0] = _mm256_fmadd_ps(w0, value, acc[c][0]);
            acc[c][1] = _mm256_fmadd_ps(w1, value, acc[c][1]);
        }
    }
    for (int c = 0; c < n_col; c++) {
        _mm256_storeu_ps(parts[c], acc[c][0]);
        _mm256_storeu_ps(parts[c] + 8, acc[c][1]);
    }
}

static void multiply_panel(const struct kernel_matmul *args, const float *panel, int64_t r0,
                           int64_t n_row, int64_t k0)
{
    int64_t n_k = MIN(SLAB, args->k - k0);
    for (int64_t c = 0; c < args->n_col; c += TILE_COLS) {
        int64_t n_col = MIN(TILE_COLS, args->n_col - c);
        const float *x[TILE_COLS];
        float parts[TILE_COLS][TILE_ROWS];
        for (int64_t i = 0; i < TILE_COLS; i++)
            x[i] = (const float *)avx2_x_row(args, c + MIN(i, n_col - 1)) + k0;
        if (n_col > 3)
            multiply_tile(6, panel, x, n_k, parts);
        else
            multiply_tile(3, panel, x, n_k, parts);
        for (int64_t i = 0; i < n_col; i++)
            avx2_store(args, avx2_y_row(args, c + i), r0, n_row, parts[i], k0 == 0,
                       k0 + n_k == args->k);
    }
}

AVX2_INLINE void multiply_several(const struct kernel_matmul *args, struct numbers form)
{
    _Alignas(32) float panel[SLAB * TILE_ROWS];
    for (int64_t r0 = 0; r0 < args->n_row; r0 += TILE_ROWS) {
        int64_t n_row = MIN(TILE_ROWS, args->n_row - r0);
        for (int64_t k0 = 0; k0 < args->k; k0 += SLAB) {
            const char *w = args->w + r0 * form.bytes + k0 * args->w_block_bytes;
            for (int64_t k = 0; k < MIN(SLAB, args->k - k0); k++, w += args->w_block_bytes) {
                _mm256_store_ps(panel + k * TILE_ROWS, load_rows(w, 0, n_row, form));
                _mm256_store_ps(panel + k * TILE_ROWS + 8, load_rows(w, 8, n_row, form));
            }
            multiply_panel(args, panel, r0, n_row, k0);
        }
    }
}

void avx2_multiply_turned(const struct kernel_matmul *args, enum nawi_dtype dtype)
{
    switch (dtype) {
#define X(name, suffix, bytes)                                                                     \
    case NAWI_DTYPE_##name:                                                                        \
        if (args->n_col < 3)                                                                       \
            multiply_few(args, numbers_##suffix);                                                  \
        else                                                                                       \
            multiply_several(args, numbers_##suffix);                                              \
        break;
        NUMBERS(X)
#undef X
    default: g_assert_not_reached();
    }
}
