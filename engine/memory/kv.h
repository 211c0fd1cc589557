/* Keys and values: which cells of the pool hold which positions of which session. Pure
 * book-keeping; the numbers themselves lie in state tensors [n_cell, n_kv_head, d_head] of each
 * layer.
 *
 * Two kinds of layers, two page tables for a session. Global layers keep every position: page p /
 * KV_PAGE_TOK of the table. Local layers see no further back than the border of the chunk, so their
 * table is a ring that holds one chunk and one micro-batch, whatever the context: page (p /
 * KV_PAGE_TOK) mod ring.
 *
 * One thread at a time. */
#pragma once

#include "engine/error.h"
#include "engine/graph/ops.h"

#include <stdint.h>

enum { KV_PAGE_TOK = GRAPH_PAGE_TOK };

struct kv_shape {
    int64_t chunk_tok; /* of local layers; 0: no chunks, local tables are as long as global ones */
    int64_t batch_tok; /* most rows that one session adds in one evaluation */
    int64_t context_tok; /* most positions of one session */
};

/* Pages of one session's tables. */
int64_t kv_count_global_pages(const struct kv_shape *shape);
int64_t kv_count_local_pages(const struct kv_shape *shape);

/* A pool of pages of one kind. */
struct kv_pool;
struct kv_pool *kv_pool_create(void);
void kv_pool_destroy(struct kv_pool *pool);
void kv_pool_grow(struct kv_pool *pool, int64_t n_page); /* adds pages n_page .. to the free ones */
int64_t kv_pool_get_size(const struct kv_pool *pool);
int64_t kv_pool_get_used(const struct kv_pool *pool);
/* True for every page that some table holds; [size], freed by the caller. */
bool *kv_pool_map_used(const struct kv_pool *pool);

/* One session's tables. */
struct kv_table {
    struct kv_shape shape;
    struct kv_pool *global_pool, *local_pool;
    int32_t *global, *local;   /* pages; -1: none yet */
    int64_t n_global, n_local; /* lengths of the tables */
    int64_t length;            /* positions [0, length) are stored in global layers */
    int64_t low;               /* positions [low, length) are stored in local layers */
};

/* The pools must have room for the table's pages: grow them by the counts above before. */
void kv_table_init(struct kv_table *table, const struct kv_shape *shape,
                   struct kv_pool *global_pool, struct kv_pool *local_pool);
void kv_table_finish(struct kv_table *table); /* gives the pages back; zeroed is fine */

/* Pages that kv_extend() by n would take from the pools. */
void kv_count_new_pages(const struct kv_table *table, int64_t n, int64_t *global, int64_t *local);

/* Takes pages for positions [length, length + n) and makes the table that long; n <= batch_tok and
 * length + n <= context_tok. */
void kv_extend(struct kv_table *table, int64_t n);

/* How many positions can stay when the next row is to be at position `length`: length itself, or,
 * when local layers have dropped what it would see, the start of its chunk. */
int64_t kv_keepable(const struct kv_table *table, int64_t length);

/* Shortens to length, which kv_keepable() gave. Pages that hold nothing any more go back to the
 * pool. */
void kv_rewind(struct kv_table *table, int64_t length);

/* First position that a query at `position` sees in local layers. */
static inline int64_t kv_chunk_start(const struct kv_shape *shape, int64_t position)
{
    return shape->chunk_tok > 0 ? position / shape->chunk_tok * shape->chunk_tok : 0;
}

static inline int64_t kv_global_cell(const struct kv_table *t, int64_t position)
{
    return (int64_t)t->global[position / KV_PAGE_TOK] * KV_PAGE_TOK + position % KV_PAGE_TOK;
}

static inline int64_t kv_local_cell(const struct kv_table *t, int64_t position)
{
    return (int64_t)t->local[position / KV_PAGE_TOK % t->n_local] * KV_PAGE_TOK +
           position % KV_PAGE_TOK;
}
