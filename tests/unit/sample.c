/* Sampling: what is chosen, what is never chosen, how often, and that a seed means the same
 * everywhere. */
#include "engine/text/sample.h"

#include "tests/harness.h"

#include <math.h>
#include <string.h>

static struct nawi_sampler *make(const struct nawi_sampler_params *params)
{
    GError *error = NULL;
    struct nawi_sampler *sampler = nawi_sampler_create(params, &error);
    g_assert_no_error(error);
    return sampler;
}

static int32_t choose(struct nawi_sampler *sampler, const float *logits, int64_t n,
                      const struct nawi_token_mask *mask)
{
    struct nawi_choice choice = {-1, 0, 0};
    GError *error = NULL;
    nawi_sampler_choose_from(sampler, logits, n, mask, &choice, &error);
    g_assert_no_error(error);
    return choice.token;
}

static void test_greedy(void)
{
    const float logits[] = {1, 3, -2, 3, 0};
    struct nawi_sampler *sampler = make(&(struct nawi_sampler_params){0});
    struct nawi_choice choice;
    GError *error = NULL;
    g_assert_true(nawi_sampler_choose_from(sampler, logits, 5, NULL, &choice, &error));
    g_assert_cmpint(choice.token, ==, 1); /* of equals the lower one */
    g_assert_cmpfloat(choice.logit, ==, 3);
    double sum = log(exp(1) + 2 * exp(3) + exp(-2) + 1);
    g_assert_cmpfloat_with_epsilon((double)choice.log_probability, 3 - sum, 1e-6);
    nawi_sampler_destroy(sampler);
}

static void test_mask(void)
{
    float logits[130];
    uint64_t words[3] = {0, 0, 0};
    struct nawi_token_mask mask = {words, 3};
    struct nawi_sampler *sampler = make(&(struct nawi_sampler_params){0});
    for (int i = 0; i < 130; i++)
        logits[i] = (float)i;
    words[0] = UINT64_C(1) << 63;
    words[1] = UINT64_C(1) << 1;
    g_assert_cmpint(choose(sampler, logits, 130, &mask), ==, 65);
    words[2] = UINT64_C(1) << 1;
    g_assert_cmpint(choose(sampler, logits, 130, &mask), ==, 129);
    mask.n_word = 1; /* what is outside is not allowed */
    g_assert_cmpint(choose(sampler, logits, 130, &mask), ==, 63);
    struct nawi_choice choice;
    GError *error = NULL;
    words[0] = 0;
    g_assert_false(nawi_sampler_choose_from(sampler, logits, 130, &mask, &choice, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_clear_error(&error);
    nawi_sampler_destroy(sampler);
}

static void test_penalty(void)
{
    const float logits[] = {4, 3, -1, -1.5f};
    struct nawi_sampler *sampler =
        make(&(struct nawi_sampler_params){.repeat_penalty = 2, .repeat_tok = 2});
    const uint64_t low = 0xC;
    const struct nawi_token_mask mask = {&low, 1};
    nawi_sampler_accept(sampler, 0);
    g_assert_cmpint(choose(sampler, logits, 4, NULL), ==, 1); /* 4 / 2 < 3 */
    nawi_sampler_accept(sampler, 2);
    g_assert_cmpint(choose(sampler, logits, 4, &mask), ==, 3); /* -1 * 2 < -1.5 */
    nawi_sampler_accept(sampler, 3);
    g_assert_cmpint(choose(sampler, logits, 4, NULL), ==, 0); /* its turn is out of reach by now */
    nawi_sampler_accept(sampler, 0);
    nawi_sampler_reset(sampler);
    g_assert_cmpint(choose(sampler, logits, 4, NULL), ==, 0);
    nawi_sampler_destroy(sampler);
    const struct nawi_candidate candidates[] = {{7, 4}, {9, 3}};
    struct nawi_choice choice;
    GError *error = NULL;
    sampler = make(&(struct nawi_sampler_params){.repeat_penalty = 1.2});
    nawi_sampler_accept(sampler, 7);
    g_assert_true(nawi_sampler_choose(sampler, candidates, 2, 5, NULL, &choice, &error));
    g_assert_cmpint(choice.token, ==, 7); /* 3.33 */
    g_assert_cmpfloat(choice.logit, ==, 4);
    g_assert_cmpfloat(choice.log_probability, ==, -1);
    nawi_sampler_destroy(sampler);
}

static void test_broken(void)
{
    static const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        float logits[] = {0, bad[i], 1};
        struct nawi_sampler *sampler = make(&(struct nawi_sampler_params){.temperature = i});
        struct nawi_choice choice;
        GError *error = NULL;
        g_assert_false(nawi_sampler_choose_from(sampler, logits, 3, NULL, &choice, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
        g_clear_error(&error);
        const struct nawi_candidate candidate = {1, bad[i]};
        g_assert_false(nawi_sampler_choose(sampler, &candidate, 1, 0, NULL, &choice, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
        g_clear_error(&error);
        logits[1] = -INFINITY; /* cannot be chosen, and is no fault */
        g_assert_cmpint(choose(sampler, logits, 3, NULL), !=, 1);
        g_assert_false(nawi_sampler_choose_from(sampler, NULL, 0, NULL, &choice, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
        g_clear_error(&error);
        nawi_sampler_destroy(sampler);
    }
}

static void test_ranges(void)
{
    const struct nawi_sampler_params wrong[] = {
        {.temperature = -0.1}, {.temperature = NAN},
        {.top_k = -1},         {.top_p = 1.01},
        {.min_p = -1},         {.repeat_penalty = -1},
        {.repeat_tok = -1},    {.temperature = INFINITY},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        GError *error = NULL;
        g_assert_null(nawi_sampler_create(&wrong[i], &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
        g_clear_error(&error);
    }
}

/* Which of many draws are the tokens that the cuts leave. */
static void check_support(const struct nawi_sampler_params *params, const float *logits, int n,
                          const char *wanted)
{
    struct nawi_sampler *sampler = make(params);
    char seen[16] = {0};
    for (int i = 0; i < 4000; i++)
        seen[choose(sampler, logits, n, NULL)] = 1;
    GString *found = g_string_new(NULL);
    for (int i = 0; i < n; i++)
        if (seen[i])
            g_string_append_printf(found, "%d", i);
    g_assert_cmpstr(found->str, ==, wanted);
    g_string_free(found, TRUE);
    nawi_sampler_destroy(sampler);
}

static void test_cuts(void)
{
    /* Probabilities .4 .3 .2 .1, not in order. */
    const float logits[] = {logf(0.2f), logf(0.4f), logf(0.1f), logf(0.3f)};
    uint64_t seed = harness_seed();
    check_support(&(struct nawi_sampler_params){.temperature = 1, .seed = seed}, logits, 4, "0123");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_k = 1, .seed = seed}, logits,
                  4, "1");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_k = 3, .seed = seed}, logits,
                  4, "013");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_k = 9, .seed = seed}, logits,
                  4, "0123");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_p = 0.35, .seed = seed},
                  logits, 4, "1");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_p = 0.65, .seed = seed},
                  logits, 4, "13");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .top_p = 0.95, .seed = seed},
                  logits, 4, "0123");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .min_p = 0.45, .seed = seed},
                  logits, 4, "013");
    check_support(&(struct nawi_sampler_params){.temperature = 1, .min_p = 1, .seed = seed}, logits,
                  4, "1");
    check_support(
        &(struct nawi_sampler_params){.temperature = 1, .top_k = 3, .top_p = 0.7, .seed = seed},
        logits, 4, "13"); /* of .9 that top-k left, .7 is .63 */
    check_support(&(struct nawi_sampler_params){.temperature = 0.05, .top_p = 0.99, .seed = seed},
                  logits, 4, "1");
}

/* Pearson's statistic of draws against what they should be, for vocabularies below and above the
 * size that is sorted at once. */
static void check_distribution(int n_vocab, double temperature, double top_p)
{
    const int n_draw = harness_is_full() ? 50000 : 1000000 / MAX(n_vocab, 100);
    GRand *random = g_rand_new_with_seed(harness_seed());
    float *logits = g_new(float, n_vocab);
    double *wanted = g_new(double, n_vocab);
    int *counts = g_new0(int, n_vocab);
    int *order = g_new(int, n_vocab);
    double total = 0;
    for (int i = 0; i < n_vocab; i++) {
        logits[i] = (float)g_rand_double_range(random, -3, 3);
        wanted[i] = exp((double)logits[i] / temperature);
        total += wanted[i];
        order[i] = i;
    }
    /* The cut, told the slow way: one after the other the best of what is left. */
    double sum = 0;
    double kept = 0;
    for (int k = 0; k < n_vocab; k++) {
        for (int i = k + 1; i < n_vocab; i++)
            if (logits[order[i]] > logits[order[k]]) {
                int swapped = order[k];
                order[k] = order[i];
                order[i] = swapped;
            }
        if (sum < top_p * total)
            kept += wanted[order[k]];
        else
            wanted[order[k]] = 0;
        sum += exp((double)logits[order[k]] / temperature);
    }
    struct nawi_sampler *sampler = make(&(struct nawi_sampler_params){
        .temperature = temperature, .top_p = top_p, .seed = harness_seed()});
    for (int i = 0; i < n_draw; i++)
        counts[choose(sampler, logits, n_vocab, NULL)]++;
    /* Rare tokens are taken together, as the statistic wants at least some five of each. */
    double chi = 0;
    double rare_wanted = 0;
    double rare_found = 0;
    int n_class = 0;
    for (int i = 0; i < n_vocab; i++) {
        double expected = wanted[i] / kept * n_draw;
        if (wanted[i] == 0)
            g_assert_cmpint(counts[i], ==, 0);
        if (expected < 8) {
            rare_wanted += expected;
            rare_found += counts[i];
            continue;
        }
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        n_class++;
    }
    if (rare_wanted > 8) {
        chi += (rare_found - rare_wanted) * (rare_found - rare_wanted) / rare_wanted;
        n_class++;
    }
    /* Mean n - 1, deviation sqrt(2 (n - 1)): six deviations away is not chance. */
    g_assert_cmpfloat(chi, <, n_class - 1 + 6 * sqrt(2.0 * MAX(n_class - 1, 1)) + 10);
    nawi_sampler_destroy(sampler);
    g_rand_free(random);
    g_free(logits);
    g_free(wanted);
    g_free(counts);
    g_free(order);
}

static void test_distribution(void)
{
    check_distribution(5, 1, 1);
    check_distribution(40, 0.7, 0.9);
    check_distribution(200, 2, 0.5);
    check_distribution(1000, 0.5, 1);   /* mostly among the best 256 */
    check_distribution(1000, 100, 1);   /* nearly even: all have to be sorted */
    check_distribution(1000, 100, 0.8); /* the cut lies beyond the best 256 */
}

/* The same candidates in another order, and the best of them alone, give the same draws. */
static void test_order(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    const struct nawi_sampler_params params = {
        .temperature = 1, .top_k = 40, .seed = harness_seed()};
    struct nawi_sampler *a = make(&params);
    struct nawi_sampler *b = make(&params);
    enum { N = 2000 };
    float logits[N];
    struct nawi_candidate best[64];
    GError *error = NULL;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < N; i++)
            logits[i] = (float)g_rand_int_range(random, -100, 100) / 16; /* many equals */
        nawi_best_candidates(logits, N, best, 64);
        for (int i = 0; i < 64; i++) {
            int k = g_rand_int_range(random, 0, 64);
            struct nawi_candidate swapped = best[i];
            best[i] = best[k];
            best[k] = swapped;
        }
        struct nawi_choice from_all;
        struct nawi_choice from_best;
        g_assert_true(nawi_sampler_choose_from(a, logits, N, NULL, &from_all, &error));
        g_assert_true(nawi_sampler_choose(b, best, 64, nawi_log_sum_exp(logits, N), NULL,
                                          &from_best, &error));
        g_assert_cmpint(from_all.token, ==, from_best.token);
        g_assert_cmpfloat(from_all.log_probability, ==, from_best.log_probability);
    }
    nawi_sampler_destroy(a);
    nawi_sampler_destroy(b);
    g_rand_free(random);
}

/* Written down once, so that a seed keeps its meaning. The first draws of xoshiro256** from
 * splitmix64 seeds, told by an independent program. */
static void test_seed(void)
{
    float logits[10] = {0};
    static const char *const wanted[] = {"67147945891016427150", "75536103859996580400",
                                         "17176262677369916733"};
    for (size_t s = 0; s < G_N_ELEMENTS(wanted); s++) {
        struct nawi_sampler *sampler =
            make(&(struct nawi_sampler_params){.temperature = 1, .seed = s});
        for (int round = 0; round < 2; round++) {
            GString *found = g_string_new(NULL);
            for (int i = 0; i < 20; i++)
                g_string_append_printf(found, "%d", choose(sampler, logits, 10, NULL));
            g_assert_cmpstr(found->str, ==, wanted[s]);
            g_string_free(found, TRUE);
            nawi_sampler_reset(sampler);
        }
        nawi_sampler_destroy(sampler);
    }
}

static void test_best(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    float logits[300];
    for (int i = 0; i < 300; i++)
        logits[i] = (float)g_rand_int_range(random, -20, 20);
    logits[17] = -INFINITY;
    for (int n = 0; n <= 300; n += n < 10 ? 1 : 29) {
        struct nawi_candidate best[300];
        nawi_best_candidates(logits, 300, best, n);
        for (int i = 1; i < n; i++)
            g_assert_true(
                best[i - 1].logit > best[i].logit ||
                (best[i - 1].logit == best[i].logit && best[i - 1].token < best[i].token));
        int n_better = 0;
        for (int i = 0; i < 300 && n > 0; i++)
            n_better += logits[i] > best[n - 1].logit ||
                        (logits[i] == best[n - 1].logit && i < best[n - 1].token);
        g_assert_cmpint(n_better, ==, MAX(n - 1, 0));
    }
    g_rand_free(random);
}

static void test_sum(void)
{
    const float large[] = {1000, 1000};
    const float none[] = {-INFINITY, -INFINITY};
    const float bad[] = {0, NAN};
    g_assert_cmpfloat_with_epsilon(nawi_log_sum_exp(large, 2), 1000 + log(2), 1e-9);
    g_assert_true(nawi_log_sum_exp(none, 2) == -INFINITY);
    g_assert_true(nawi_log_sum_exp(none, 0) == -INFINITY);
    g_assert_true(isnan(nawi_log_sum_exp(bad, 2)));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/sample/greedy", test_greedy);
    g_test_add_func("/sample/mask", test_mask);
    g_test_add_func("/sample/penalty", test_penalty);
    g_test_add_func("/sample/broken", test_broken);
    g_test_add_func("/sample/ranges", test_ranges);
    g_test_add_func("/sample/cuts", test_cuts);
    g_test_add_func("/sample/distribution", test_distribution);
    g_test_add_func("/sample/order", test_order);
    g_test_add_func("/sample/seed", test_seed);
    g_test_add_func("/sample/best", test_best);
    g_test_add_func("/sample/sum", test_sum);
    return harness_main();
}
