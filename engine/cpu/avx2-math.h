/* Inside the AVX2 tier: functions of eight floats. */
#pragma once

#include "engine/cpu/avx2.h"

/* e to the x, off by at most 2 in the last place; 0 and infinity at the ends, NaN stays. x = n
 * ln 2 + r, |r| <= ln 2 / 2; the series of r to the seventh power, times 2^n in two steps, since
 * n may be 128 or below -126. */
AVX2_INLINE __m256 math_exp(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(-104),
                      _mm256_min_ps(_mm256_set1_ps(89), x)); /* the second operand, if NaN */
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.0f / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i first = _mm256_srai_epi32(whole, 1);
    __m256i second = _mm256_sub_epi32(whole, first);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(first, bias), 23)));
    return _mm256_mul_ps(
        p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(second, bias), 23)));
}

/* x times the share of a normal distribution below x, x / 2 erfc(-x / sqrt 2). For z >= 0:
 * erfc(z) = t exp(P(t) - z z) with t = 1 / (1 + z / 2); P was fitted for z from 0 to 38 at
 * Chebyshev points, its error is below 1e-7. */
AVX2_INLINE __m256 math_gelu(__m256 x)
{
    static const float terms[] = {1.789889145e-01f,  -8.613377819e-01f, 1.568483547e+00f,
                                  -1.224932554e+00f, 3.391717982e-01f,  -2.110784709e-01f,
                                  1.028890974e-01f,  3.732485339e-01f,  1.000080574e+00f,
                                  -1.265513572e+00f};
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 one = _mm256_set1_ps(1);
    const __m256 half = _mm256_set1_ps(0.5f);
    __m256 z = _mm256_mul_ps(_mm256_andnot_ps(sign, x), _mm256_set1_ps(0.70710678f));
    __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(z, half, one));
    __m256 p = _mm256_set1_ps(terms[0]);
    for (size_t i = 1; i < G_N_ELEMENTS(terms); i++)
        p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(terms[i]));
    __m256 square = _mm256_mul_ps(half, _mm256_mul_ps(x, x));
    __m256 tail = _mm256_mul_ps(_mm256_mul_ps(half, t),
                                math_exp(_mm256_sub_ps(p, square)));    /* share beyond |x| */
    __m256 share = _mm256_blendv_ps(_mm256_sub_ps(one, tail), tail, x); /* by the sign of x */
    return _mm256_mul_ps(x, share);
}

/* v / (1 + exp(-v)) */
AVX2_INLINE __m256 math_silu(__m256 v)
{
    __m256 e = math_exp(_mm256_xor_ps(v, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1), e));
}
