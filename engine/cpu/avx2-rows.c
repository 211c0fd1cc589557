/* Norms, rope and what works value by value. A last piece of fewer than eight values is done by
 * the same instructions on a copy, so that a value does not depend on where a row ends. */
#include "engine/cpu/avx2-math.h"

/* The first n of eight, then zeros. */
AVX2_INLINE __m256 load_some(const float *at, int64_t n)
{
    float some[8] = {0};
    memcpy(some, at, (size_t)n * sizeof *at);
    return _mm256_loadu_ps(some);
}

AVX2_INLINE void store_some(float *at, int64_t n, __m256 v)
{
    float some[8];
    _mm256_storeu_ps(some, v);
    memcpy(at, some, (size_t)n * sizeof *at);
}

AVX2_INLINE __m256 load_8(const float *at, int64_t n)
{
    return n >= 8 ? _mm256_loadu_ps(at) : load_some(at, n);
}

AVX2_INLINE void store_8(float *at, int64_t n, __m256 v)
{
    if (n >= 8)
        _mm256_storeu_ps(at, v);
    else
        store_some(at, n, v);
}

AVX2_INLINE double sum_doubles(__m256d v)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

AVX2_INLINE __m256d low_doubles(__m256 v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
AVX2_INLINE __m256d high_doubles(__m256 v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }

static void rms_norm(int64_t n, float eps, const float *x, const float *w, float *y)
{
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = load_8(x + i, n - i);
        low = _mm256_fmadd_pd(low_doubles(v), low_doubles(v), low);
        high = _mm256_fmadd_pd(high_doubles(v), high_doubles(v), high);
    }
    double sum = sum_doubles(_mm256_add_pd(low, high));
    const __m256 scale = _mm256_set1_ps((float)(1 / sqrt(sum / (double)n + (double)eps)));
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(load_8(x + i, n - i), scale);
        store_8(y + i, n - i, w ? _mm256_mul_ps(v, load_8(w + i, n - i)) : v);
    }
}

static void layer_norm(int64_t n, float eps, const float *x, const float *w, const float *b,
                       float *y)
{
    __m256d sum = _mm256_setzero_pd();
    __m256d square = _mm256_setzero_pd();
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = load_8(x + i, n - i);
        sum = _mm256_add_pd(sum, _mm256_add_pd(low_doubles(v), high_doubles(v)));
    }
    double mean = sum_doubles(sum) / (double)n;
    const __m256d means = _mm256_set1_pd(mean);
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = load_8(x + i, n - i);
        __m256d low = _mm256_sub_pd(low_doubles(v), means);
        __m256d high = _mm256_sub_pd(high_doubles(v), means);
        if (n - i < 8) { /* the zeros that fill up are not values */
            double rest[8];
            _mm256_storeu_pd(rest, low);
            _mm256_storeu_pd(rest + 4, high);
            memset(rest + (n - i), 0, (size_t)(8 - (n - i)) * sizeof *rest);
            low = _mm256_loadu_pd(rest);
            high = _mm256_loadu_pd(rest + 4);
        }
        square = _mm256_fmadd_pd(low, low, _mm256_fmadd_pd(high, high, square));
    }
    const __m256d scale = _mm256_set1_pd(1 / sqrt(sum_doubles(square) / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = load_8(x + i, n - i);
        __m128 low = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_sub_pd(low_doubles(v), means), scale));
        __m128 high = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_sub_pd(high_doubles(v), means), scale));
        v = _mm256_set_m128(high, low);
        v = _mm256_mul_ps(v, w ? load_8(w + i, n - i) : _mm256_set1_ps(1));
        store_8(y + i, n - i, _mm256_add_ps(v, b ? load_8(b + i, n - i) : _mm256_setzero_ps()));
    }
}

/* Pairs (2j, 2j + 1); turn has the pair's cosine and sine at the same places. */
AVX2_INLINE void turn_adjacent(int64_t n_rot, const float *turn, float *x)
{
    for (int64_t i = 0; i < n_rot; i += 8) {
        __m256 v = load_8(x + i, n_rot - i);
        __m256 t = load_8(turn + i, n_rot - i);
        __m256 other = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), _mm256_movehdup_ps(t));
        store_8(x + i, n_rot - i, _mm256_fmaddsub_ps(v, _mm256_moveldup_ps(t), other));
    }
}

/* Pairs (j, j + n_rot / 2). */
AVX2_INLINE void turn_half(int64_t n_rot, const float *turn, float *x)
{
    int64_t n = n_rot / 2;
    for (int64_t j = 0; j < n; j += 8) {
        __m256 t0 = load_8(turn + 2 * j, 2 * (n - j));
        __m256 t1 = n - j > 4 ? load_8(turn + 2 * j + 8, 2 * (n - j) - 8) : _mm256_setzero_ps();
        __m256 even = _mm256_shuffle_ps(t0, t1, 0x88);
        __m256 odd = _mm256_shuffle_ps(t0, t1, 0xdd);
        __m256 cosine = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8));
        __m256 sine = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(odd), 0xd8));
        __m256 a = load_8(x + j, n - j);
        __m256 b = load_8(x + n + j, n - j);
        store_8(x + j, n - j, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
        store_8(x + n + j, n - j, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
    }
}

static void rope(int64_t n_head, int64_t d, int64_t n_rot, bool half, const float *turn, float *x)
{
    for (int64_t h = 0; h < n_head; h++, x += d) {
        if (half)
            turn_half(n_rot, turn, x);
        else
            turn_adjacent(n_rot, turn, x);
    }
}

static void swiglu(int64_t n, float s, const float *gate, const float *up, float *y)
{
    const __m256 factor = _mm256_set1_ps(s);
    for (int64_t i = 0; i < n; i += 8) {
        __m256 g = math_silu(_mm256_mul_ps(load_8(gate + i, n - i), factor));
        store_8(y + i, n - i, _mm256_mul_ps(g, _mm256_mul_ps(load_8(up + i, n - i), factor)));
    }
}

static void gelu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i += 8)
        store_8(y + i, n - i, math_gelu(load_8(x + i, n - i)));
}

static void add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i += 8)
        store_8(y + i, n - i, _mm256_add_ps(load_8(a + i, n - i), load_8(b + i, n - i)));
}

static void scale(int64_t n, float s, const float *x, float *y)
{
    const __m256 factor = _mm256_set1_ps(s);
    for (int64_t i = 0; i < n; i += 8)
        store_8(y + i, n - i, _mm256_mul_ps(load_8(x + i, n - i), factor));
}

void avx2_fill_rows(struct kernels *table)
{
    table->rms_norm = rms_norm;
    table->layer_norm = layer_norm;
    table->rope = rope;
    table->swiglu = swiglu;
    table->gelu = gelu;
    table->add = add;
    table->scale = scale;
}
