/* A team of threads for kernels: one deterministic parallel-for at a time.
 *
 * Chunks are handed out one by one, so a thread that the system holds up delays one chunk, not its
 * share. What a chunk computes must not depend on who runs it. Idle threads spin briefly, then
 * sleep. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

struct pool;

/* chunk in [0, n_chunk); thread in [0, pool_get_size()). */
typedef void (*pool_fn)(void *context, int64_t chunk, int thread);

struct pool *pool_create(int n_threads); /* n_threads >= 1, the caller's own included */
void pool_destroy(struct pool *pool);
int pool_get_size(const struct pool *pool);

/* Runs fn for every chunk and returns when all are done. When cancel is asked, chunks not yet begun
 * are skipped. One caller at a time; not from inside fn. */
void pool_run(struct pool *pool, int64_t n_chunk, pool_fn fn, void *context,
              const nawi_cancel *cancel);
