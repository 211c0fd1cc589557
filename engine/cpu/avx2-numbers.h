/* Inside the AVX2 tier: eight numbers of a weight that is not quantised, as floats, exactly. */
#pragma once

#include "engine/cpu/avx2.h"

/* Row: dtype, suffix, bytes of a number. */
#define NUMBERS(X)                                                                                 \
    X(F32, f32, 4)                                                                                 \
    X(F16, f16, 2)                                                                                 \
    X(BF16, bf16, 2)                                                                               \
    X(F8_E4M3, f8, 1)

/* How a dtype's numbers are read; passed by value and folded away. */
struct numbers {
    __m256 (*load)(const char *at); /* eight of them */
    int bytes;
};

AVX2_INLINE __m256 numbers_load_f32(const char *at) { return _mm256_castsi256_ps(avx2_load(at)); }
AVX2_INLINE __m256 numbers_load_f16(const char *at) { return _mm256_cvtph_ps(avx2_load_half(at)); }
AVX2_INLINE __m256 numbers_load_bf16(const char *at)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(avx2_load_half(at)), 16));
}

/* E4M3 with its exponent and fraction moved into those of a half is the same number over 2^8,
 * denormals included; the code of all ones is NaN. */
AVX2_INLINE __m256 numbers_load_f8(const char *at)
{
    const __m128i size = _mm_set1_epi16(0x7f);
    __m128i code = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)at));
    __m128i value = _mm_and_si128(code, size);
    __m128i is_nan = _mm_cmpeq_epi16(value, size);
    __m128i sign = _mm_slli_epi16(_mm_andnot_si128(size, code), 8);
    __m128i half = _mm_or_si128(_mm_or_si128(_mm_slli_epi16(value, 7), sign),
                                _mm_and_si128(is_nan, _mm_set1_epi16(0x7fff)));
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256));
}

/* The first n of eight, then zeros; reads nothing beyond them. */
AVX2_INLINE __m256 numbers_load_some(struct numbers form, const char *at, int64_t n)
{
    char some[32] = {0};
    memcpy(some, at, (size_t)(n * form.bytes));
    return form.load(some);
}

#define X(dtype, suffix, size)                                                                     \
    static const struct numbers numbers_##suffix = {numbers_load_##suffix, size};
NUMBERS(X)
#undef X
