/* The norms, against their formulas in double; ref is a candidate too. */
#include "tests/check/check.h"

#include <math.h>
#include <string.h>

static const int sizes[] = {1, 2, 7, 8, 9, 16, 31, 33, 128, 257, 1408, 5120};

struct trial {
    int64_t n;
    float eps;
    struct check_memory x, w, b, y;
    const float *weights, *biases;
};

static void open_trial(struct check *check, struct trial *trial, enum check_values values)
{
    size_t bytes;
    trial->n = check_pick(check, G_N_ELEMENTS(sizes), sizes);
    trial->eps = check_draw(check, 0, 1) ? 1e-5f : 1e-6f;
    bytes = (size_t)trial->n * sizeof(float);
    check_memory_init(&trial->x, bytes);
    check_memory_init(&trial->w, bytes);
    check_memory_init(&trial->b, bytes);
    check_memory_init(&trial->y, bytes);
    check_fill(check, trial->n, values, (float *)trial->x.at);
    check_fill(check, trial->n, CHECK_PLAIN, (float *)trial->w.at);
    check_fill(check, trial->n, CHECK_PLAIN, (float *)trial->b.at);
    trial->weights = check_draw(check, 0, 2) ? (const float *)trial->w.at : NULL;
    trial->biases = check_draw(check, 0, 2) ? (const float *)trial->b.at : NULL;
    check_describe(check, "n %d values %d eps %g%s%s", (int)trial->n, values, (double)trial->eps,
                   trial->weights ? " weights" : "", trial->biases ? " biases" : "");
}

static void close_trial(struct check *check, struct trial *trial)
{
    check_memory_verify(check, &trial->y);
    check_memory_finish(&trial->x);
    check_memory_finish(&trial->w);
    check_memory_finish(&trial->b);
    check_memory_finish(&trial->y);
}

static void compare(const struct check *check, const struct trial *trial, double mean,
                    double square, bool has_bias)
{
    const float *x = (const float *)trial->x.at;
    const float *y = (const float *)trial->y.at;
    for (int64_t i = 0; i < trial->n; i++) {
        double value = ((double)x[i] - mean) / sqrt(square + (double)trial->eps);
        double wanted = value * (trial->weights ? (double)trial->weights[i] : 1);
        double bias = has_bias && trial->biases ? (double)trial->biases[i] : 0;
        if (!check_near(check, "y", i, (double)y[i], wanted + bias,
                        5e-7 * (fabs(wanted) + fabs(bias)) + 1e-42))
            return;
    }
}

static void run_rms(struct check *check)
{
    for (int i = 0; i < 60; i++) {
        struct trial trial;
        double square = 0;
        open_trial(check, &trial, (enum check_values)(i % CHECK_VALUES));
        const float *x = (const float *)trial.x.at;
        for (int64_t j = 0; j < trial.n; j++)
            square += (double)x[j] * (double)x[j] / (double)trial.n;
        check->tier->rms_norm(trial.n, trial.eps, x, trial.weights, (float *)trial.y.at);
        compare(check, &trial, 0, square, false);
        float *in_place = g_memdup2(trial.x.at, trial.x.n_bytes);
        check->tier->rms_norm(trial.n, trial.eps, in_place, trial.weights, in_place);
        check_same(check, "in place", in_place, trial.y.at, trial.y.n_bytes);
        g_free(in_place);
        close_trial(check, &trial);
    }
}

static void run_layer(struct check *check)
{
    for (int i = 0; i < 60; i++) {
        struct trial trial;
        double mean = 0;
        double square = 0;
        open_trial(check, &trial, (enum check_values)(i % CHECK_VALUES));
        float *x = (float *)trial.x.at;
        if (i % 3 == 0) /* a mean far from zero */
            for (int64_t j = 0; j < trial.n; j++)
                x[j] += 1000;
        for (int64_t j = 0; j < trial.n; j++)
            mean += (double)x[j];
        mean /= (double)trial.n;
        for (int64_t j = 0; j < trial.n; j++)
            square += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)trial.n;
        check->tier->layer_norm(trial.n, trial.eps, x, trial.weights, trial.biases,
                                (float *)trial.y.at);
        compare(check, &trial, mean, square, true);
        close_trial(check, &trial);
    }
}

const struct check_case check_norm_cases[] = {
    {CHECK_SLOT(rms_norm, run_rms)},
    {CHECK_SLOT(layer_norm, run_layer)},
    {0},
};
