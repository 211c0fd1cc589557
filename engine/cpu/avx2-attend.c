/* Attention over a cache, in blocks of 32 positions, each read once for up to 16 queries.
 *
 * Scores of a block are dot products in 8 lanes; the running maximum, the running sum and the
 * result, kept in y, are brought to the new maximum once a block. Which queries or positions are
 * multiplied together changes no bit: each score, and each value of the result, is added up in
 * its own fixed order. */
#include "engine/cpu/avx2-math.h"
#include "engine/cpu/avx2-numbers.h"

enum { BLOCK = 32, QUERIES = 16, TILE = 4 };

/* Up to QUERIES queries, and the block they look at. */
struct look {
    const struct kernel_attend *args;
    const float *q;       /* [n_q, d] */
    float *y;             /* [n_q, d] */
    int first, last;      /* positions of the block that are attended, within 0 .. BLOCK */
    const char *k[BLOCK]; /* their cells */
    const char *v[BLOCK];
    float p[QUERIES][BLOCK]; /* scores, then weights; 0 outside */
    float most[QUERIES], total[QUERIES];
    float keep[QUERIES]; /* what earlier results are to be multiplied with */
};

/* ── Scores ──────────────────────────────────────────────────────────────────────────────────── */

/* Scores of queries h .. h + n_q with positions p .. p + n_p, n_q * n_p = 4 or 8; positions
 * beyond the last repeat it. */
AVX2_INLINE void score_tile(int n_q, int n_p, struct look *look, int h, int p, struct numbers form)
{
    const int64_t d = look->args->d;
    const int n = n_q * n_p;
    const char *k[TILE];
    __m256 acc[2 * TILE];
    for (int i = 0; i < n; i++)
        acc[i] = _mm256_setzero_ps();
    for (int i = 0; i < n_p; i++)
        k[i] = look->k[MIN(p + i, look->last - 1)];
    for (int64_t j = 0; j < d; j += 8) {
        __m256 value[TILE];
        for (int i = 0; i < n_p; i++)
            value[i] = d - j >= 8 ? form.load(k[i] + j * form.bytes)
                                  : numbers_load_some(form, k[i] + j * form.bytes, d - j);
        for (int i = 0; i < n_q; i++) {
            const char *at = (const char *)(look->q + (h + i) * d + j);
            __m256 query =
                d - j >= 8 ? numbers_load_f32(at) : numbers_load_some(numbers_f32, at, d - j);
            for (int t = 0; t < n_p; t++)
                acc[t * n_q + i] = _mm256_fmadd_ps(query, value[t], acc[t * n_q + i]);
        }
    }
    for (int t = 0; t < n; t += TILE) {
        float sums[TILE];
        _mm_storeu_ps(sums, avx2_sum_4(acc[t], acc[t + 1], acc[t + 2], acc[t + 3]));
        for (int i = 0; i < TILE; i++)
            if (p + (t + i) / n_q < look->last)
                look->p[h + (t + i) % n_q][p + (t + i) / n_q] = sums[i] * look->args->scale;
    }
}

/* Queries h .. h + n_q, 4 or 1 of them, over the block's positions. */
AVX2_INLINE void score(int n_q, struct look *look, int h, struct numbers form)
{
    const int n_p = n_q == TILE ? 2 : TILE;
    for (int p = look->first; p < look->last; p += n_p)
        score_tile(n_q, n_p, look, h, p, form);
}

/* ── Weights ─────────────────────────────────────────────────────────────────────────────────── */

/* Turns a query's scores into weights beside the running maximum. A NaN score makes NaN weights. */
static void weigh(struct look *look, int h)
{
    float *p = look->p[h];
    float now = look->most[h];
    for (int i = look->first; i < look->last; i++)
        now = p[i] > now ? p[i] : now;
    for (int i = 0; i < look->first; i++)
        p[i] = -INFINITY;
    for (int i = look->last; i < BLOCK; i++)
        p[i] = -INFINITY;
    const __m256 top = _mm256_set1_ps(now);
    __m256 sum = _mm256_setzero_ps();
    for (int i = 0; i < BLOCK; i += 8) {
        __m256 weight = math_exp(_mm256_sub_ps(_mm256_loadu_ps(p + i), top));
        _mm256_storeu_ps(p + i, weight);
        sum = _mm256_add_ps(sum, weight);
    }
    __m256 before = _mm256_set1_ps(look->most[h] - now);
    look->keep[h] = look->most[h] > -INFINITY ? _mm256_cvtss_f32(math_exp(before)) : 0;
    look->total[h] = look->total[h] * look->keep[h] + avx2_sum(sum);
    look->most[h] = now;
}

/* ── Values ──────────────────────────────────────────────────────────────────────────────────── */

/* Values j .. j + n of queries h .. h + n_q: times keep, plus the block's weighted values. n is
 * 16 or at most 8. */
AVX2_INLINE void add_values(int n_q, int64_t n, const struct look *look, int h, int64_t j,
                            struct numbers form)
{
    const int64_t d = look->args->d;
    __m256 acc[TILE][2];
    for (int i = 0; i < n_q; i++) {
        const char *at = (const char *)(look->y + (h + i) * d + j);
        __m256 keep = _mm256_set1_ps(look->keep[h + i]);
        acc[i][0] = _mm256_mul_ps(
            n >= 8 ? numbers_load_f32(at) : numbers_load_some(numbers_f32, at, n), keep);
        acc[i][1] = n == 16 ? _mm256_mul_ps(numbers_load_f32(at + 32), keep) : _mm256_setzero_ps();
    }
    for (int p = look->first; p < look->last; p++) {
        const char *at = look->v[p] + j * form.bytes;
        __m256 v0 = n >= 8 ? form.load(at) : numbers_load_some(form, at, n);
        __m256 v1 = n == 16 ? form.load(at + 8 * form.bytes) : _mm256_setzero_ps();
        for (int i = 0; i < n_q; i++) {
            __m256 weight = _mm256_broadcast_ss(&look->p[h + i][p]);
            acc[i][0] = _mm256_fmadd_ps(weight, v0, acc[i][0]);
            if (n == 16)
                acc[i][1] = _mm256_fmadd_ps(weight, v1, acc[i][1]);
        }
    }
    for (int i = 0; i < n_q; i++) {
        float out[16];
        _mm256_storeu_ps(out, acc[i][0]);
        _mm256_storeu_ps(out + 8, acc[i][1]);
        memcpy(look->y + (h + i) * d + j, out, (size_t)n * sizeof(float));
    }
}

AVX2_INLINE void add_all_values(int n_q, const struct look *look, int h, struct numbers form)
{
    const int64_t d = look->args->d;
    int64_t j = 0;
    for (; j + 16 <= d; j += 16)
        add_values(n_q, 16, look, h, j, form);
    for (; j + 8 <= d; j += 8)
        add_values(n_q, 8, look, h, j, form);
    if (j < d)
        add_values(n_q, d - j, look, h, j, form);
}

/* ── The whole ───────────────────────────────────────────────────────────────────────────────── */

static void find_cells(struct look *look, int64_t start)
{
    const struct kernel_attend *args = look->args;
    look->first = (int)(MAX(start, args->first) - start);
    look->last = (int)(MIN(start + BLOCK, args->last) - start);
    for (int i = look->first; i < look->last; i++) {
        int64_t at = kernel_attend_cell(args, start + i) * args->cell_bytes;
        look->k[i] = args->k + at;
        look->v[i] = args->v + at;
    }
}

/* Queries first .. first + n_q, at most QUERIES. */
AVX2_INLINE void attend_some(const struct kernel_attend *args, int first, int n_q,
                             struct numbers form)
{
    struct look look;
    look.args = args;
    look.q = args->q + first * args->d;
    look.y = args->y + first * args->d;
    memset(look.y, 0, (size_t)(n_q * args->d) * sizeof *look.y);
    for (int h = 0; h < n_q; h++) {
        look.most[h] = -INFINITY;
        look.total[h] = 0;
    }
    for (int64_t start = args->first / BLOCK * BLOCK; start < args->last; start += BLOCK) {
        int h = 0;
        find_cells(&look, start);
        for (; h + TILE <= n_q; h += TILE)
            score(TILE, &look, h, form);
        for (; h < n_q; h++)
            score(1, &look, h, form);
        for (h = 0; h < n_q; h++)
            weigh(&look, h);
        for (h = 0; h + TILE <= n_q; h += TILE)
            add_all_values(TILE, &look, h, form);
        for (; h < n_q; h++)
            add_all_values(1, &look, h, form);
    }
    for (int h = 0; h < n_q; h++)
        for (int64_t i = 0; i < args->d; i++)
            look.y[h * args->d + i] /= look.total[h];
}

static void attend(const struct kernel_attend *args)
{
    for (int h = 0; h < args->n_q; h += QUERIES) {
        int n_q = MIN(QUERIES, args->n_q - h);
        if (args->kv_dtype == NAWI_DTYPE_F16)
            attend_some(args, h, n_q, numbers_f16);
        else
            attend_some(args, h, n_q, numbers_f32);
    }
}

void avx2_fill_attend(struct kernels *table) { table->attend = attend; }
