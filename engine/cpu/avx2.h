/* Inside the AVX2 tier: small pieces of arithmetic, and who fills which slots.
 *
 * Every value of a result is computed alone, in an order that depends on k (or n, or d) and nothing
 * else. So mat-vec and mat-mat agree to the bit, and so do any splits of a call. */
#pragma once

#include "engine/cpu/kernels.h"

#include <glib.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define AVX2_INLINE G_ALWAYS_INLINE static inline

void avx2_fill_float(struct kernels *table);  /* F32 F16 BF16 F8, act F32 */
void avx2_fill_blocks(struct kernels *table); /* blocks of 32, act Q8 */
void avx2_fill_k(struct kernels *table);      /* blocks of 256, act Q8_K */
void avx2_fill_grid(struct kernels *table);   /* those that look values up in grids, act Q8_K */
void avx2_fill_rows(struct kernels *table);   /* norms, rope, and what works value by value */
void avx2_fill_attend(struct kernels *table);

/* Columns of a transposed view stand w_block_bytes apart; F32 F16 BF16 F8 only. In
 * avx2-turned.c. */
void avx2_multiply_turned(const struct kernel_matmul *args, enum nawi_dtype dtype);

AVX2_INLINE __m256i avx2_load(const void *at) { return _mm256_loadu_si256((const __m256i *)at); }
AVX2_INLINE __m128i avx2_load_half(const void *at) { return _mm_loadu_si128((const __m128i *)at); }

/* Two runs of 16 bytes side by side. */
AVX2_INLINE __m256i avx2_load_pair(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(avx2_load_half(low)),
                                   avx2_load_half(high), 1);
}

/* ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)); the other sums of eight take the same order. */
AVX2_INLINE float avx2_sum(__m256 v)
{
    __m256 h = _mm256_hadd_ps(v, v);
    h = _mm256_hadd_ps(h, h);
    return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}
AVX2_INLINE __m128 avx2_sum_4(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 h = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

/* Four rows of four 32-bit values within each half, turned: out[i] holds value i of each row. */
AVX2_INLINE void avx2_turn_4(const __m256i in[4], __m256i out[4])
{
    __m256i a = _mm256_unpacklo_epi32(in[0], in[1]);
    __m256i b = _mm256_unpackhi_epi32(in[0], in[1]);
    __m256i c = _mm256_unpacklo_epi32(in[2], in[3]);
    __m256i d = _mm256_unpackhi_epi32(in[2], in[3]);
    out[0] = _mm256_unpacklo_epi64(a, c);
    out[1] = _mm256_unpackhi_epi64(a, c);
    out[2] = _mm256_unpacklo_epi64(b, d);
    out[3] = _mm256_unpackhi_epi64(b, d);
}

/* The scale of n values, a multiple of 8, and its inverse, 0 where all are 0 or too small to
 * matter beside anything. */
AVX2_INLINE void avx2_choose_scale(int n, const float *x, float *d, float *inverse)
{
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 8)
        most = _mm256_max_epi32(most, _mm256_and_si256(avx2_load(x + i), size));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    float value = _mm_cvtss_f32(_mm_castsi128_ps(m)); /* NaN above infinity above all others */
    bool is_finite = _mm_cvtsi128_si32(m) < 0x7f800000;
    bool is_nothing = value < 0x1p-100f;
    *d = !is_finite ? NAN : is_nothing ? 0 : value / 127;
    *inverse = !is_finite || is_nothing ? 0 : 127 / value;
}

/* 32 values times inverse, rounded to nearest, in natural order. */
AVX2_INLINE __m256i avx2_round_32(const float *x, float inverse)
{
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), factor));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), factor));
    __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), factor));
    __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), factor));
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(bytes, order);
}

AVX2_INLINE int avx2_sum_bytes(int n, const int8_t *at)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += at[i];
    return sum;
}

AVX2_INLINE const char *avx2_x_row(const struct kernel_matmul *args, int64_t c)
{
    return (const char *)args->x + (args->x_rows ? args->x_rows[c] : c) * args->x_row_bytes;
}
AVX2_INLINE float *avx2_y_row(const struct kernel_matmul *args, int64_t c)
{
    return args->y + (args->y_rows ? args->y_rows[c] : c) * args->y_row_len;
}

/* y[r .. r + n) of one column: part added to what the earlier slabs left there, and the last
 * slab's finish. */
AVX2_INLINE void avx2_store(const struct kernel_matmul *args, float *y, int64_t r, int64_t n,
                            const float *part, bool is_first, bool is_last)
{
    for (int64_t i = 0; i < n; i++) {
        float value = is_first ? part[i] : y[r + i] + part[i];
        if (is_last && args->scale)
            value *= args->scale[r + i];
        if (is_last && args->bias)
            value += args->bias[r + i];
        y[r + i] = value;
    }
}
