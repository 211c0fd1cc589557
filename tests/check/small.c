/* What works value by value, and routing; formulas in double, erf from libm. */
#include "tests/check/check.h"

#include <math.h>
#include <string.h>

enum { COUNT = 600 };

static const int lengths[] = {1, 2, 7, 8, 9, 31, 33, 257, COUNT};

struct trial {
    int64_t n;
    struct check_memory a, b, y;
};

static void open_trial(struct check *check, struct trial *trial, int i)
{
    trial->n = lengths[i % G_N_ELEMENTS(lengths)];
    size_t bytes = (size_t)trial->n * sizeof(float);
    check_memory_init(&trial->a, bytes);
    check_memory_init(&trial->b, bytes);
    check_memory_init(&trial->y, bytes);
    enum check_values values = (enum check_values)check_draw(check, 0, CHECK_VALUES - 1);
    check_fill(check, trial->n, values, (float *)trial->a.at);
    check_fill(check, trial->n, CHECK_PLAIN, (float *)trial->b.at);
    if (i % 2) /* the whole range where exp is neither 0 nor infinite, and beyond */
        for (int64_t j = 0; j < trial->n; j++)
            ((float *)trial->a.at)[j] = (float)g_rand_double_range(check->rand, -130, 130);
    check_describe(check, "n %d values %d trial %d", (int)trial->n, values, i);
}

static void close_trial(struct check *check, struct trial *trial)
{
    check_memory_verify(check, &trial->y);
    check_memory_finish(&trial->a);
    check_memory_finish(&trial->b);
    check_memory_finish(&trial->y);
}

static void run_swiglu(struct check *check)
{
    for (int i = 0; i < 60; i++) {
        struct trial trial;
        float s = i % 3 ? 1 : 0.37f;
        open_trial(check, &trial, i);
        const float *gate = (const float *)trial.a.at;
        const float *up = (const float *)trial.b.at;
        check->tier->swiglu(trial.n, s, gate, up, (float *)trial.y.at);
        for (int64_t j = 0; j < trial.n; j++) {
            double g = (double)s * (double)gate[j];
            double silu = g / (1 + exp(-g));
            double wanted = silu * (double)s * (double)up[j];
            /* In float, exp(-g) carries the rounding of g. */
            check_near(check, "y", j, (double)((float *)trial.y.at)[j], wanted,
                       fabs(wanted) * (1e-6 + 1e-7 * fmin(fabs(g), 130)) + 1e-36);
        }
        close_trial(check, &trial);
    }
}

static void run_gelu(struct check *check)
{
    for (int i = 0; i < 60; i++) {
        struct trial trial;
        open_trial(check, &trial, i);
        float *x = (float *)trial.a.at;
        if (i % 4 == 1)
            for (int64_t j = 0; j < trial.n; j++)
                x[j] = (float)g_rand_double_range(check->rand, -7, 7);
        check->tier->gelu(trial.n, x, (float *)trial.y.at);
        for (int64_t j = 0; j < trial.n; j++) {
            double v = (double)x[j];
            double wanted = 0.5 * v * (1 + erf(v / sqrt(2)));
            check_near(check, "y", j, (double)((float *)trial.y.at)[j], wanted,
                       5e-7 * fmin(fabs(v), 1) + 3e-7 * fabs(wanted) + 1e-43);
        }
        check->tier->gelu(trial.n, x, x);
        check_same(check, "in place", x, trial.y.at, trial.y.n_bytes);
        close_trial(check, &trial);
    }
}

static void run_add(struct check *check)
{
    for (int i = 0; i < 40; i++) {
        struct trial trial;
        open_trial(check, &trial, i);
        float *a = (float *)trial.a.at;
        float *b = (float *)trial.b.at;
        check->tier->add(trial.n, a, b, (float *)trial.y.at);
        for (int64_t j = 0; j < trial.n; j++)
            check_near(check, "y", j, (double)((float *)trial.y.at)[j], (double)(a[j] + b[j]), 0);
        check->tier->add(trial.n, a, b, i % 2 ? a : b);
        check_same(check, "in place", i % 2 ? a : b, trial.y.at, trial.y.n_bytes);
        close_trial(check, &trial);
    }
}

static void run_scale(struct check *check)
{
    for (int i = 0; i < 40; i++) {
        struct trial trial;
        open_trial(check, &trial, i);
        float *x = (float *)trial.a.at;
        check->tier->scale(trial.n, -1.7f, x, (float *)trial.y.at);
        for (int64_t j = 0; j < trial.n; j++)
            check_near(check, "y", j, (double)((float *)trial.y.at)[j], (double)(-1.7f * x[j]), 0);
        check->tier->scale(trial.n, -1.7f, x, x);
        check_same(check, "in place", x, trial.y.at, trial.y.n_bytes);
        close_trial(check, &trial);
    }
}

/* Places of logits in the order that routing must follow, by the sort of libc. */
static int compare_logits(const void *left, const void *right, void *data)
{
    const float *logits = data;
    int32_t i = *(const int32_t *)left;
    int32_t j = *(const int32_t *)right;
    double a = isnan(logits[i]) ? -HUGE_VAL : (double)logits[i];
    double b = isnan(logits[j]) ? -HUGE_VAL : (double)logits[j];
    if (isnan(logits[i]) != isnan(logits[j]))
        return isnan(logits[i]) ? 1 : -1;
    return a > b ? -1 : a < b ? 1 : i - j;
}

static void run_route(struct check *check)
{
    static const int counts[] = {1, 2, 4, 16, 31, 128, 257};
    static const float odd[] = {0, -INFINITY, INFINITY, NAN, 100, -100};
    for (int i = 0; i < 200; i++) {
        int n = check_pick(check, G_N_ELEMENTS(counts), counts);
        int k = check_draw(check, 1, MIN(n, 9));
        struct check_memory ids, gates;
        float *logits = g_new(float, n);
        int32_t *order = g_new(int32_t, n);
        check_describe(check, "experts %d chosen %d trial %d", n, k, i);
        check_memory_init(&ids, (size_t)k * sizeof(int32_t));
        check_memory_init(&gates, (size_t)k * sizeof(float));
        for (int j = 0; j < n; j++) {
            order[j] = j;
            logits[j] = (float)g_rand_double_range(check->rand, -4, 4);
            if (i % 2) /* ties, and what is no number */
                logits[j] = check_draw(check, 0, 5) ? (float)check_draw(check, -2, 2)
                                                    : odd[check_draw(check, 0, 5)];
        }
        g_qsort_with_data(order, n, sizeof *order, compare_logits, logits);
        check->tier->route(n, k, logits, (int32_t *)ids.at, (float *)gates.at);
        for (int t = 0; t < k; t++) {
            check_near(check, "id", t, ((int32_t *)ids.at)[t], order[t], 0);
            double gate = 1 / (1 + exp(-(double)logits[order[t]]));
            check_near(check, "gate", t, (double)((float *)gates.at)[t], gate, 2e-7 * gate + 1e-44);
        }
        check_memory_verify(check, &ids);
        check_memory_verify(check, &gates);
        check_memory_finish(&ids);
        check_memory_finish(&gates);
        g_free(logits);
        g_free(order);
    }
}

const struct check_case check_small_cases[] = {
    {CHECK_SLOT(swiglu, run_swiglu)}, {CHECK_SLOT(gelu, run_gelu)},   {CHECK_SLOT(add, run_add)},
    {CHECK_SLOT(scale, run_scale)},   {CHECK_SLOT(route, run_route)}, {0},
};
