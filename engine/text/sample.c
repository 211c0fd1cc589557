/* Sampling. The random numbers are xoshiro256** (Blackman and Vigna, 2018) seeded by splitmix64,
 * all in integers, and a draw compares doubles summed in a fixed order, so a seed means the same
 * everywhere that exp() is accurate.
 *
 * The order of the steps and the meaning of each follow common use: penalty by Keskar et al.
 * (CTRL, 2019), top-p by Holtzman et al. (2020), min-p by Nguyen et al. (2024). Cuts are made on
 * the probabilities after temperature. */
#include "engine/text/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_REPEAT_TOK = 64, MAX_REPEAT_TOK = 1 << 20 };

struct nawi_sampler {
    struct nawi_sampler_params params;
    uint64_t state[4];
    int32_t *seen; /* ring [params.repeat_tok] of the last tokens */
    int64_t n_seen, next_seen;
    struct nawi_candidate *kept; /* [kept_size] */
    double *weights;             /* [kept_size] */
    int64_t kept_size;
};

/* ── Random numbers ──────────────────────────────────────────────────────────────────────────── */

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void seed_state(uint64_t state[4], uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = seed;
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        state[i] = z ^ z >> 31;
    }
}

static uint64_t draw_bits(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* In [0, 1), 53 bits. */
static double draw(uint64_t s[4]) { return (double)(draw_bits(s) >> 11) * 0x1p-53; }

/* ── Life ────────────────────────────────────────────────────────────────────────────────────── */

static bool check(const char *what, double value, double most, GError **error)
{
    if (value >= 0 && value <= most)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "%s is %g, expected 0 to %g", what, value,
                most);
    return false;
}

struct nawi_sampler *nawi_sampler_create(const struct nawi_sampler_params *params, GError **error)
{
    if (!check("the temperature", params->temperature, 100, error) ||
        !check("top-k", (double)params->top_k, INT32_MAX, error) ||
        !check("top-p", params->top_p, 1, error) || !check("min-p", params->min_p, 1, error) ||
        !check("the repetition penalty", params->repeat_penalty, 100, error) ||
        !check("the reach of the repetition penalty", (double)params->repeat_tok, MAX_REPEAT_TOK,
               error))
        return NULL;
    struct nawi_sampler *sampler = g_new0(struct nawi_sampler, 1);
    sampler->params = *params;
    if (params->repeat_tok == 0)
        sampler->params.repeat_tok = DEFAULT_REPEAT_TOK;
    if (params->repeat_penalty == 0)
        sampler->params.repeat_penalty = 1;
    sampler->seen = g_new(int32_t, sampler->params.repeat_tok);
    nawi_sampler_reset(sampler);
    return sampler;
}

void nawi_sampler_destroy(struct nawi_sampler *sampler)
{
    if (!sampler)
        return;
    g_free(sampler->seen);
    g_free(sampler->kept);
    g_free(sampler->weights);
    g_free(sampler);
}

void nawi_sampler_reset(struct nawi_sampler *sampler)
{
    seed_state(sampler->state, sampler->params.seed);
    sampler->n_seen = 0;
    sampler->next_seen = 0;
}

void nawi_sampler_accept(struct nawi_sampler *sampler, int32_t token)
{
    sampler->seen[sampler->next_seen] = token;
    sampler->next_seen = (sampler->next_seen + 1) % sampler->params.repeat_tok;
    sampler->n_seen = MIN(sampler->n_seen + 1, sampler->params.repeat_tok);
}

/* ── Choosing ────────────────────────────────────────────────────────────────────────────────── */

static bool is_allowed(const struct nawi_token_mask *mask, int32_t token)
{
    return !mask || (token >= 0 && token / 64 < mask->n_word &&
                     (mask->words[token / 64] >> (token % 64) & 1));
}

/* A bit for each remainder of the tokens seen, so that most look-ups end at once. */
enum { FILTER_BITS = 4096 };

static void fill_filter(const struct nawi_sampler *sampler, uint64_t filter[FILTER_BITS / 64])
{
    memset(filter, 0, FILTER_BITS / 8);
    for (int64_t i = 0; i < sampler->n_seen; i++) {
        uint32_t bit = (uint32_t)sampler->seen[i] % FILTER_BITS;
        filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static bool is_seen(const struct nawi_sampler *sampler, const uint64_t *filter, int32_t token)
{
    uint32_t bit = (uint32_t)token % FILTER_BITS;
    if (!(filter[bit / 64] >> bit % 64 & 1))
        return false;
    for (int64_t i = 0; i < sampler->n_seen; i++)
        if (sampler->seen[i] == token)
            return true;
    return false;
}

static float penalise(float logit, double penalty)
{
    return (float)(logit > 0 ? (double)logit / penalty : (double)logit * penalty);
}

/* Best first; among equals the lower token, so that the result does not depend on the order of
 * the candidates. */
static int compare_candidates(const void *a, const void *b)
{
    const struct nawi_candidate *left = a;
    const struct nawi_candidate *right = b;
    if (left->logit != right->logit)
        return left->logit > right->logit ? -1 : 1;
    return (left->token > right->token) - (left->token < right->token);
}

static bool reserve(struct nawi_sampler *sampler, int64_t n, GError **error)
{
    if (n <= sampler->kept_size)
        return true;
    g_free(sampler->kept);
    g_free(sampler->weights);
    sampler->kept = g_try_new(struct nawi_candidate, (gsize)n);
    sampler->weights = g_try_new(double, (gsize)n);
    sampler->kept_size = sampler->kept && sampler->weights ? n : 0;
    if (sampler->kept_size == 0)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "no memory to choose among %" PRId64 " tokens", n);
    return sampler->kept_size > 0;
}

/* Copies what may be chosen to kept, penalised; returns how many, or -1. */
static int64_t collect(struct nawi_sampler *sampler, const struct nawi_candidate *candidates,
                       int64_t n_candidate, const struct nawi_token_mask *mask, GError **error)
{
    bool has_penalty = sampler->params.repeat_penalty != 1;
    uint64_t filter[FILTER_BITS / 64];
    int64_t n = 0;
    fill_filter(sampler, filter);
    if (!reserve(sampler, MAX(n_candidate, 1), error))
        return -1;
    for (int64_t i = 0; i < n_candidate; i++) {
        struct nawi_candidate candidate = candidates[i];
        if (isnan(candidate.logit) || candidate.logit == INFINITY) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "the logit of token %d is %s: the model or its file is "
                        "broken",
                        candidate.token, isnan(candidate.logit) ? "not a number" : "infinite");
            return -1;
        }
        if (candidate.logit == -INFINITY || !is_allowed(mask, candidate.token))
            continue;
        if (has_penalty && is_seen(sampler, filter, candidate.token))
            candidate.logit = penalise(candidate.logit, sampler->params.repeat_penalty);
        sampler->kept[n++] = candidate;
    }
    if (n == 0) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "none of the tokens may be chosen");
        return -1;
    }
    return n;
}

static int64_t find_best(const struct nawi_candidate *kept, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (compare_candidates(&kept[i], &kept[best]) < 0)
            best = i;
    return best;
}

/* best is a heap whose worst stands first, until it is sorted. */
static void sift(struct nawi_candidate *heap, int64_t n, int64_t i)
{
    struct nawi_candidate moved = heap[i];
    for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && compare_candidates(&heap[child + 1], &heap[child]) > 0)
            child++;
        if (compare_candidates(&heap[child], &moved) <= 0)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

/* Moves the n_best best of all to the front, sorted. */
static void sort_best(struct nawi_candidate *all, int64_t n_all, int64_t n_best)
{
    for (int64_t i = n_best / 2; i-- > 0 && n_best < n_all;)
        sift(all, n_best, i);
    for (int64_t i = n_best; i < n_all; i++) {
        if (compare_candidates(&all[i], &all[0]) >= 0)
            continue;
        struct nawi_candidate better = all[i];
        all[i] = all[0];
        all[0] = better;
        sift(all, n_best, 0);
    }
    qsort(all, (size_t)n_best, sizeof *all, compare_candidates);
}

static void weigh(struct nawi_sampler *sampler, double most, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sampler->weights[i] =
            exp(((double)sampler->kept[i].logit - most) / sampler->params.temperature);
}

static double add_up(const double *weights, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += weights[i];
    return sum;
}

/* Cuts a list whose first n_sorted of n are in order and finds the place that chance, in [0, 1),
 * falls on; -1 when the unsorted rest would matter. total is the weight of all n. */
static int64_t place_chance(const struct nawi_sampler *sampler, int64_t n_sorted, int64_t n,
                            double total, double chance)
{
    const struct nawi_sampler_params *params = &sampler->params;
    const double *weights = sampler->weights;
    bool is_whole = n_sorted == n; /* nothing outside the sorted part counts */
    int64_t n_kept = n_sorted;
    if (params->top_p > 0 && params->top_p < 1) {
        double wanted = params->top_p * total;
        double sum = weights[0];
        n_kept = 1;
        while (n_kept < n_sorted && sum < wanted)
            sum += weights[n_kept++];
        if (sum < wanted && !is_whole)
            return -1;
        total = sum;
        is_whole = true;
    }
    if (params->min_p > 0) {
        double sum = 0;
        int64_t n_likely = 0;
        while (n_likely < n_kept && weights[n_likely] >= params->min_p) /* the best weighs 1 */
            sum += weights[n_likely++];
        if (n_likely == n_kept && !is_whole)
            return -1;
        n_kept = n_likely;
        total = sum;
        is_whole = true;
    }
    double left = chance * total;
    for (int64_t i = 0; i < n_kept; i++) {
        if (left < weights[i])
            return i;
        left -= weights[i];
    }
    return is_whole ? n_kept - 1 : -1;
}

/* Returns the place of what was drawn. Sorting 200,000 candidates takes longer than a small model's
 * step, and nearly always the best few decide: more are sorted only when those do not. */
static int64_t draw_one(struct nawi_sampler *sampler, int64_t n)
{
    const int64_t n_few = 256;
    const int64_t growth = 16;
    double chance = draw(sampler->state);
    double most = (double)sampler->kept[find_best(sampler->kept, n)].logit;
    if (sampler->params.top_k > 0 && sampler->params.top_k < n) {
        sort_best(sampler->kept, n, sampler->params.top_k);
        n = sampler->params.top_k;
        weigh(sampler, most, n);
        return place_chance(sampler, n, n, add_up(sampler->weights, n), chance);
    }
    weigh(sampler, most, n);
    double total = add_up(sampler->weights, n);
    for (int64_t n_sorted = MIN(n_few, n);; n_sorted = MIN(n_sorted * growth, n)) {
        sort_best(sampler->kept, n, n_sorted);
        weigh(sampler, most, n_sorted);
        int64_t place = place_chance(sampler, n_sorted, n, total, chance);
        if (place >= 0)
            return place;
    }
}

/* The logit as it was given, which the penalty may have changed in kept. */
static float find_logit(const struct nawi_candidate *candidates, int64_t n_candidate, int32_t token)
{
    for (int64_t i = 0; i < n_candidate; i++)
        if (candidates[i].token == token)
            return candidates[i].logit;
    return -INFINITY;
}

bool nawi_sampler_choose(struct nawi_sampler *sampler, const struct nawi_candidate *candidates,
                         int64_t n_candidate, double log_sum_exp,
                         const struct nawi_token_mask *mask, struct nawi_choice *choice,
                         GError **error)
{
    if (!isfinite(log_sum_exp)) {
        g_set_error_literal(
            error, NAWI_ERROR, NAWI_ERROR_INPUT,
            "the logits do not sum to a finite number: the model or its file is broken");
        return false;
    }
    int64_t n = collect(sampler, candidates, n_candidate, mask, error);
    if (n < 0)
        return false;
    int64_t place;
    if (sampler->params.temperature == 0)
        place = find_best(sampler->kept, n);
    else
        place = draw_one(sampler, n);
    choice->token = sampler->kept[place].token;
    choice->logit = find_logit(candidates, n_candidate, choice->token);
    choice->log_probability = (float)((double)choice->logit - log_sum_exp);
    return true;
}

bool nawi_sampler_choose_from(struct nawi_sampler *sampler, const float *logits, int64_t n_vocab,
                              const struct nawi_token_mask *mask, struct nawi_choice *choice,
                              GError **error)
{
    struct nawi_candidate *candidates = g_try_new(struct nawi_candidate, (gsize)MAX(n_vocab, 1));
    if (!candidates) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "no memory to choose among %" PRId64 " tokens", n_vocab);
        return false;
    }
    for (int64_t i = 0; i < n_vocab; i++)
        candidates[i] = (struct nawi_candidate){(int32_t)i, logits[i]};
    bool ok = nawi_sampler_choose(sampler, candidates, n_vocab, nawi_log_sum_exp(logits, n_vocab),
                                  mask, choice, error);
    g_free(candidates);
    return ok;
}

double nawi_log_sum_exp(const float *logits, int64_t n)
{
    double most = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(logits[i]) || logits[i] == INFINITY)
            return NAN;
        most = MAX(most, (double)logits[i]);
    }
    if (most == -INFINITY)
        return most;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

void nawi_best_candidates(const float *logits, int64_t n_vocab, struct nawi_candidate *best,
                          int64_t n)
{
    if (n == 0)
        return;
    for (int64_t i = 0; i < n; i++)
        best[i] = (struct nawi_candidate){(int32_t)i, logits[i]};
    sort_best(best, n, n);
    for (int64_t i = n; i < n_vocab; i++) {
        struct nawi_candidate candidate = {(int32_t)i, logits[i]};
        int64_t at = n - 1;
        if (compare_candidates(&candidate, &best[at]) >= 0)
            continue;
        for (; at > 0 && compare_candidates(&candidate, &best[at - 1]) < 0; at--)
            best[at] = best[at - 1];
        best[at] = candidate;
    }
}
