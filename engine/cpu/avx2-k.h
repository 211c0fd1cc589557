/* Inside the AVX2 tier: what the formats with blocks of 256 share. A block is a group; its
 * scales of runs are multiplied as integers. */
#pragma once

#include "engine/cpu/avx2-tile.h"
#include "engine/file/dtype-blocks.h"

enum k_kind {
    K_KIND_LOW, /* bytes 0..31: four products add up in 16 bits; a minimum with scales of its own */
    K_KIND_LOW_4,  /* bytes 0..7, from which 4 is to be taken */
    K_KIND_SIX,    /* bytes 0..63, from which 32 is to be taken: two products add up */
    K_KIND_SIGNED, /* bytes -127..127 */
};

AVX2_INLINE float k_half(const uint8_t *at) { return _cvtsh_ss(block_u16(at)); }

AVX2_INLINE uint32_t k_word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Signed scales of eight runs of 32, then of their minima. */
AVX2_INLINE void k_spread_pairs(__m128i pairs, struct panel *panel)
{
    const __m128i a = _mm_setr_epi8(0, 0, 4, 4, 2, 2, 6, 6, 0, 0, 4, 4, 2, 2, 6, 6);
    const __m128i b = _mm_setr_epi8(1, 1, 5, 5, 3, 3, 7, 7, 1, 1, 5, 5, 3, 3, 7, 7);
    const __m128i least = _mm_setr_epi8(8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
    panel->scales[0] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(pairs, a));
    panel->scales[1] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(pairs, b));
    panel->least = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(pairs, least));
}

/* Sixteen signed scales of runs of 16. */
AVX2_INLINE void k_spread_sixteen(__m128i scales, struct panel *panel)
{
    const __m128i a = _mm_setr_epi8(0, 0, 8, 8, 4, 4, 12, 12, 1, 1, 9, 9, 5, 5, 13, 13);
    const __m128i b = _mm_setr_epi8(2, 2, 10, 10, 6, 6, 14, 14, 3, 3, 11, 11, 7, 7, 15, 15);
    panel->scales[0] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, a));
    panel->scales[1] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, b));
    panel->least = _mm256_cvtepi8_epi16(scales);
}

/* Eight runs of 32 in natural order into the order of a panel. */
AVX2_INLINE void k_turn_runs(const __m256i runs[8], struct panel *panel)
{
    const __m256i a[4] = {runs[0], runs[4], runs[2], runs[6]};
    const __m256i b[4] = {runs[1], runs[5], runs[3], runs[7]};
    avx2_turn_4(a, panel->q);
    avx2_turn_4(b, panel->q + 4);
}

/* ── Multiplying ─────────────────────────────────────────────────────────────────────────────── */

/* sum[r][c] becomes what it was plus the 16-bit sums times the scales of runs 0..3 or 4..7. */
AVX2_INLINE void k_add_scaled(int n_row, int n_col, const struct panel *const *panels, int half,
                              __m256i part[TILE_ROWS][TILE_COLS], __m256i sum[TILE_ROWS][TILE_COLS])
{
    for (int r = 0; r < n_row; r++)
        for (int c = 0; c < n_col; c++)
            sum[r][c] =
                _mm256_add_epi32(sum[r][c], _mm256_madd_epi16(part[r][c], panels[r]->scales[half]));
}

/* The four runs from t on. */
AVX2_INLINE void k_add_runs(int n_row, int n_col, const struct panel *const *panels,
                            const char *const *x, int t, enum k_kind kind,
                            __m256i sum[TILE_ROWS][TILE_COLS])
{
    __m256i part[TILE_ROWS][TILE_COLS];
    tile_start(n_row, n_col, panels, x, t, kind == K_KIND_SIGNED, part);
    if (kind == K_KIND_SIGNED) {
        k_add_scaled(n_row, n_col, panels, t / 4, part, sum);
        tile_start(n_row, n_col, panels, x, t + 1, true, part);
        k_add_scaled(n_row, n_col, panels, t / 4, part, sum);
        tile_start(n_row, n_col, panels, x, t + 2, true, part);
        k_add_scaled(n_row, n_col, panels, t / 4, part, sum);
        tile_start(n_row, n_col, panels, x, t + 3, true, part);
    } else if (kind == K_KIND_SIX) {
        tile_add(n_row, n_col, panels, x, t + 1, part);
        k_add_scaled(n_row, n_col, panels, t / 4, part, sum);
        tile_start(n_row, n_col, panels, x, t + 2, false, part);
        tile_add(n_row, n_col, panels, x, t + 3, part);
    } else {
        tile_add_three(n_row, n_col, panels, x, t + 1, part);
    }
    k_add_scaled(n_row, n_col, panels, t / 4, part, sum);
}

AVX2_INLINE void k_dot(int n_row, int n_col, const struct panel *const *panels,
                       const char *const *x, enum k_kind kind, __m256 acc[TILE_ROWS][TILE_COLS])
{
    __m256i sum[TILE_ROWS][TILE_COLS];
    for (int r = 0; r < n_row; r++)
        for (int c = 0; c < n_col; c++)
            sum[r][c] = _mm256_setzero_si256();
    k_add_runs(n_row, n_col, panels, x, 0, kind, sum);
    k_add_runs(n_row, n_col, panels, x, 4, kind, sum);
    for (int r = 0; r < n_row; r++) {
        const struct panel *panel = panels[r];
        for (int c = 0; c < n_col; c++) {
            const struct kernel_q8_k *group = (const struct kernel_q8_k *)x[c];
            __m256 d = _mm256_broadcast_ss(&group->d);
            __m256i least = _mm256_setzero_si256();
            if (kind != K_KIND_SIGNED)
                least = _mm256_madd_epi16(panel->least, avx2_load(group->sums));
            if (kind == K_KIND_SIX)
                sum[r][c] = _mm256_sub_epi32(sum[r][c], _mm256_slli_epi32(least, 5));
            if (kind == K_KIND_LOW_4)
                sum[r][c] = _mm256_sub_epi32(sum[r][c], _mm256_slli_epi32(least, 2));
            acc[r][c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][c]), _mm256_mul_ps(panel->d, d),
                                        acc[r][c]);
            if (kind == K_KIND_LOW)
                acc[r][c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(least), _mm256_mul_ps(panel->m, d),
                                            acc[r][c]);
        }
    }
}

/* The functions of a format: its block's unpacking is unpack_name(src, panel). */
#define AVX2_K_DEFINE(dtype, name, kind)                                                           \
    AVX2_INLINE void unpack_group_##name(const char *row, int64_t group, int64_t n_block,          \
                                         struct panel *panel)                                      \
    {                                                                                              \
        (void)n_block;                                                                             \
        unpack_##name(row + group * (int64_t)sizeof(struct block_##name), panel);                  \
    }                                                                                              \
    AVX2_INLINE void dot_##name(int n_row, int n_col, const struct panel *const *panels,           \
                                const char *const *x, __m256 acc[TILE_ROWS][TILE_COLS])            \
    {                                                                                              \
        k_dot(n_row, n_col, panels, x, kind, acc);                                                 \
    }                                                                                              \
    static void multiply_##name(const struct kernel_matmul *args)                                  \
    {                                                                                              \
        avx2_multiply_panels(args, (struct panel_format){unpack_group_##name, dot_##name, 256,     \
                                                         (int)sizeof(struct block_##name)});       \
    }
