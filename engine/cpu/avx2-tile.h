/* How the AVX2 tier multiplies quantised weights, whatever their blocks: groups of 256 weights
 * are unpacked into panels of bytes, panels are multiplied by groups of activations.
 *
 * Bytes of a panel stand in the order of the activations, so that each 32-bit lane holds values
 * of one block (or run of 16) alone: products of a lane add up in 16 bits as far as they fit,
 * and one multiplication serves them all. Sums of integers are exact; floats come in once a
 * group, in 8 lanes.
 *
 * One column: each group is unpacked and used at once. Several columns: 8 rows of 8 groups are
 * unpacked into a scratch that the first-level cache holds, and multiplied by all columns, a few
 * rows by a few columns at a time. Slabs of 8 groups are summed by themselves in both, so both
 * give the same bits.
 *
 * A format's file provides two functions, which the compiler folds into its copy of
 * avx2_multiply_panels(). */
#pragma once

#include "engine/cpu/avx2.h"

#include <assert.h>

enum { TILE_SLAB = 8, TILE_PANEL_ROWS = 8, TILE_ROWS = 4, TILE_COLS = 2 };
/* How far before its use a weight is asked for. One core reads main memory a third faster so
 * than by the hardware's own guesses; 1 to 4 KiB are alike. Beyond the last row it asks for
 * nothing real. */
enum { TILE_AHEAD_BYTES = 2048 };

struct panel {
    __m256i q[8];
    __m256i scales[2]; /* 256-blocks: 16-bit, each lane's twice, of runs 0..3 and 4..7 */
    __m256i
        least;   /* 256-blocks: 16-bit scales of the minimum of each run of 16, in natural order */
    __m256 d, m; /* 32-blocks: of each block; 256-blocks: all lanes the same */
};

/* Both forms of activations have the same size, one group of 256. */
enum { TILE_X_BYTES = 320 };
static_assert(offsetof(struct kernel_q8, qs) == 0 && offsetof(struct kernel_q8_k, qs) == 0, "runs");
static_assert(sizeof(struct kernel_q8) == TILE_X_BYTES &&
                  sizeof(struct kernel_q8_k) == TILE_X_BYTES,
              "activations");

/* The 16-bit products of run t: n_row panels times n_col groups of activations. */
AVX2_INLINE void tile_start(int n_row, int n_col, const struct panel *const *panels,
                            const char *const *x, int t, bool is_signed,
                            __m256i part[TILE_ROWS][TILE_COLS])
{
    __m256i value[TILE_COLS];
    for (int c = 0; c < n_col; c++)
        value[c] = avx2_load(x[c] + 32 * t);
    for (int r = 0; r < n_row; r++) {
        __m256i q = panels[r]->q[t];
        for (int c = 0; c < n_col; c++)
            part[r][c] =
                is_signed ? _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(value[c], q))
                          : _mm256_maddubs_epi16(q, value[c]);
    }
}

/* part[r][c] plus those of run t, whose bytes have no sign. */
AVX2_INLINE void tile_add(int n_row, int n_col, const struct panel *const *panels,
                          const char *const *x, int t, __m256i part[TILE_ROWS][TILE_COLS])
{
    __m256i value[TILE_COLS];
    for (int c = 0; c < n_col; c++)
        value[c] = avx2_load(x[c] + 32 * t);
    for (int r = 0; r < n_row; r++) {
        __m256i q = panels[r]->q[t];
        for (int c = 0; c < n_col; c++)
            part[r][c] = _mm256_add_epi16(part[r][c], _mm256_maddubs_epi16(q, value[c]));
    }
}

AVX2_INLINE void tile_add_three(int n_row, int n_col, const struct panel *const *panels,
                                const char *const *x, int t, __m256i part[TILE_ROWS][TILE_COLS])
{
    tile_add(n_row, n_col, panels, x, t, part);
    tile_add(n_row, n_col, panels, x, t + 1, part);
    tile_add(n_row, n_col, panels, x, t + 2, part);
}

/* Group number group of a row of n_block blocks. */
typedef void (*panel_unpack_fn)(const char *row, int64_t group, int64_t n_block,
                                struct panel *panel);
/* acc[r][c] plus the products of n_row panels and n_col groups of activations. */
typedef void (*panel_dot_fn)(int n_row, int n_col, const struct panel *const *panels,
                             const char *const *x, __m256 acc[TILE_ROWS][TILE_COLS]);

struct panel_format {
    panel_unpack_fn unpack;
    panel_dot_fn dot;
    int block_len, block_bytes;
};

AVX2_INLINE void tile_multiply_one(const struct kernel_matmul *args, struct panel_format format)
{
    const char *x = avx2_x_row(args, 0);
    float *y = avx2_y_row(args, 0);
    int64_t n_block = args->k / format.block_len;
    int64_t n_group = (args->k + 255) / 256;
    const int64_t group_bytes = 256 / format.block_len * format.block_bytes;
    for (int64_t r = 0; r < args->n_row; r++) {
        const char *row = args->w + r * args->w_row_bytes;
        for (int64_t g0 = 0; g0 < n_group; g0 += TILE_SLAB) {
            int64_t end = MIN(g0 + TILE_SLAB, n_group);
            __m256 acc[TILE_ROWS][TILE_COLS];
            acc[0][0] = _mm256_setzero_ps();
            for (int64_t g = g0; g < end; g++) {
                const char *group = x + g * TILE_X_BYTES;
                struct panel panel;
                const struct panel *only = &panel;
                for (int64_t i = 0; i < group_bytes; i += 64)
                    _mm_prefetch(row + g * group_bytes + TILE_AHEAD_BYTES + i, _MM_HINT_T0);
                format.unpack(row, g, n_block, &panel);
                format.dot(1, 1, &only, &group, acc);
            }
            float part = avx2_sum(acc[0][0]);
            avx2_store(args, y, r, 1, &part, g0 == 0, end == n_group);
        }
    }
}

/* Sums of TILE_ROWS rows by TILE_COLS columns over n groups. */
AVX2_INLINE void tile_multiply(const struct panel *const rows[TILE_ROWS],
                               const char *const x[TILE_COLS], int64_t n,
                               struct panel_format format, float parts[TILE_COLS][TILE_ROWS])
{
    __m256 acc[TILE_ROWS][TILE_COLS];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int c = 0; c < TILE_COLS; c++)
            acc[r][c] = _mm256_setzero_ps();
    for (int64_t g = 0; g < n; g++) {
        const struct panel *panels[TILE_ROWS];
        const char *at[TILE_COLS];
        for (int r = 0; r < TILE_ROWS; r++)
            panels[r] = rows[r] + g;
        for (int c = 0; c < TILE_COLS; c++)
            at[c] = x[c] + g * TILE_X_BYTES;
        format.dot(TILE_ROWS, TILE_COLS, panels, at, acc);
    }
    for (int c = 0; c < TILE_COLS; c++)
        _mm_storeu_ps(parts[c], avx2_sum_4(acc[0][c], acc[1][c], acc[2][c], acc[3][c]));
}

/* All columns times the rows r0 .. r0 + n_row of the slab that begins with group g0. An odd last
 * row or column is multiplied twice. */
AVX2_INLINE void tile_multiply_slab(const struct kernel_matmul *args, const struct panel *panels,
                                    int64_t r0, int64_t n_row, int64_t g0,
                                    struct panel_format format)
{
    int64_t n_group = (args->k + 255) / 256;
    int64_t n = MIN(TILE_SLAB, n_group - g0);
    for (int64_t c = 0; c < args->n_col; c += TILE_COLS) {
        int64_t n_col = MIN(TILE_COLS, args->n_col - c);
        const char *x[TILE_COLS];
        for (int64_t i = 0; i < TILE_COLS; i++)
            x[i] = avx2_x_row(args, c + MIN(i, n_col - 1)) + g0 * TILE_X_BYTES;
        for (int64_t r = 0; r < n_row; r += TILE_ROWS) {
            const struct panel *rows[TILE_ROWS];
            float parts[TILE_COLS][TILE_ROWS];
            for (int64_t i = 0; i < TILE_ROWS; i++)
                rows[i] = panels + MIN(r + i, n_row - 1) * TILE_SLAB;
            tile_multiply(rows, x, n, format, parts);
            for (int64_t i = 0; i < n_col; i++)
                avx2_store(args, avx2_y_row(args, c + i), r0 + r, MIN(TILE_ROWS, n_row - r),
                           parts[i], g0 == 0, g0 + n == n_group);
        }
    }
}

AVX2_INLINE void avx2_multiply_panels(const struct kernel_matmul *args, struct panel_format format)
{
    if (args->n_col == 1) {
        tile_multiply_one(args, format);
        return;
    }
    struct panel panels[TILE_PANEL_ROWS * TILE_SLAB];
    int64_t n_block = args->k / format.block_len;
    int64_t n_group = (args->k + 255) / 256;
    for (int64_t r0 = 0; r0 < args->n_row; r0 += TILE_PANEL_ROWS) {
        int64_t n_row = MIN(TILE_PANEL_ROWS, args->n_row - r0);
        for (int64_t g0 = 0; g0 < n_group; g0 += TILE_SLAB) {
            for (int64_t r = 0; r < n_row; r++)
                for (int64_t g = g0; g < MIN(g0 + TILE_SLAB, n_group); g++)
                    format.unpack(args->w + (r0 + r) * args->w_row_bytes, g, n_block,
                                  &panels[r * TILE_SLAB + g - g0]);
            tile_multiply_slab(args, panels, r0, n_row, g0, format);
        }
    }
}
