/* From logits to the next token.
 *
 * A sampler takes candidates and the log-sum-exp of all logits, so that a backend may hand over
 * its best few instead of the whole vocabulary. Order of the steps: mask, repetition penalty,
 * then greedy at temperature 0; else temperature, top-k, top-p, min-p, and a draw. Equal seeds
 * give equal draws on every machine.
 *
 * One sampler belongs to one thread at a time. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

struct nawi_sampler;

/* Zeroed: greedy. */
struct nawi_sampler_params {
    double temperature; /* 0: always the best */
    int64_t top_k;      /* keep this many of the best; 0: all */
    double
        top_p; /* keep the smallest set of the best whose probabilities reach this; 0 or 1: all */
    double min_p; /* drop what is less likely than this times the best; 0: none */
    double
        repeat_penalty; /* logits of seen tokens are divided by it, below 0 multiplied; 0: none */
    int64_t repeat_tok; /* how many of the last tokens count as seen; 0: 64 */
    uint64_t seed;
};

/* Fails with INPUT on a value outside its range (temperature and penalty 0..100, top_p and min_p
 * 0..1). */
struct nawi_sampler *nawi_sampler_create(const struct nawi_sampler_params *params, GError **error);
void nawi_sampler_destroy(struct nawi_sampler *sampler); /* NULL is fine */

struct nawi_candidate {
    int32_t token;
    float logit;
};

struct nawi_choice {
    int32_t token;
    float logit;           /* as given */
    float log_probability; /* logit - log_sum_exp: before penalty, temperature and cuts */
};

/* Which tokens may be chosen: bit (token % 64) of word token / 64. Tokens outside are not
 * allowed. */
struct nawi_token_mask {
    const uint64_t *words;
    int64_t n_word;
};

/* Chooses one of the candidates [n_candidate], in any order, each token at most once. mask may
 * be NULL. The choice is remembered for the repetition penalty only by nawi_sampler_accept().
 * Fails with INPUT when a logit or the sum is not finite (a logit of minus infinity is one that
 * cannot be chosen) or no candidate is allowed. */
bool nawi_sampler_choose(struct nawi_sampler *sampler, const struct nawi_candidate *candidates,
                         int64_t n_candidate, double log_sum_exp,
                         const struct nawi_token_mask *mask, struct nawi_choice *choice,
                         GError **error);
/* The same over a whole vocabulary: logits [n_vocab]. */
bool nawi_sampler_choose_from(struct nawi_sampler *sampler, const float *logits, int64_t n_vocab,
                              const struct nawi_token_mask *mask, struct nawi_choice *choice,
                              GError **error);

/* A token that has been said (prompt or answer): counts as seen from now on. */
void nawi_sampler_accept(struct nawi_sampler *sampler, int32_t token);
/* Back to the seed and nothing seen. */
void nawi_sampler_reset(struct nawi_sampler *sampler);

/* log of the sum of exp(logits[i]) in double; NaN when a logit is NaN or plus infinity. Any
 * thread. */
double nawi_log_sum_exp(const float *logits, int64_t n);
/* The n best of logits [n_vocab], best first, ties by lower token; n is at most n_vocab. Any
 * thread. */
void nawi_best_candidates(const float *logits, int64_t n_vocab, struct nawi_candidate *best,
                          int64_t n);
