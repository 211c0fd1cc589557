/* A tensor of a graph: what it is (dtype, shape) and, once planned, where it lies on each device.
 *
 * Shapes are outermost first. The outermost extent may be a run-time count: ne[0] * sizes[count]
 * rows in a run that has those sizes. Nothing here is a host pointer: a place is (buffer, offset),
 * and only the buffer's own backend can look inside. */
#pragma once

#include "engine/file/dtype.h"

#include <stdbool.h>

enum { GRAPH_MAX_DEVICES = 4, GRAPH_MAX_DIMS = 4 };

/* What a run decides; everything else is fixed when a graph is sealed. */
enum graph_count {
    GRAPH_COUNT_NONE, /* a fixed extent */
    GRAPH_COUNT_ROW,  /* rows of the evaluation */
    GRAPH_COUNT_OUT,  /* rows whose logits are wanted */
    GRAPH_COUNT_TILE, /* tiles in the tower */
    GRAPH_N_COUNT
};

struct graph_sizes {
    int64_t n[GRAPH_N_COUNT]; /* n[GRAPH_COUNT_NONE] is 1 */
};

enum graph_role {
    GRAPH_ROLE_WEIGHT, /* read-only, placed when the model is loaded */
    GRAPH_ROLE_INPUT,  /* filled by the host before each run */
    GRAPH_ROLE_STATE,  /* outlives runs: keys and values */
    GRAPH_ROLE_TEMP,   /* made and used within a run */
    GRAPH_ROLE_OUTPUT, /* made in a run, kept until the next */
};

struct nawi_buffer; /* of a backend: backend.h */

struct graph_place {
    struct nawi_buffer *buffer; /* NULL: not on this device */
    uint64_t offset;
};

struct graph_tensor {
    const char *name; /* borrowed from the graph */
    int index;        /* in the graph */
    enum nawi_dtype dtype;
    enum graph_role role;
    enum graph_count count;
    int n_dim;
    int64_t ne[GRAPH_MAX_DIMS];           /* outermost first; 1 beyond n_dim */
    int64_t stride_bytes[GRAPH_MAX_DIMS]; /* outermost first; innermost: one block */
    struct graph_place place[GRAPH_MAX_DEVICES];
    const struct graph_tensor *scale; /* of a weight: one F32 per output row; or NULL */
    /* Of experts that are tensors of their own, on each device: [ne[0]]; NULL: none. */
    const struct graph_place *parts[GRAPH_MAX_DEVICES];
    int producer; /* node that makes it; -1: none */
};

/* Extent of the outermost dimension in a run. */
static inline int64_t graph_rows(const struct graph_tensor *t, const struct graph_sizes *sizes)
{
    return t->ne[0] * sizes->n[t->count];
}

/* Values of one outermost row. */
static inline int64_t graph_row_len(const struct graph_tensor *t)
{
    return t->ne[1] * t->ne[2] * t->ne[3];
}

/* Bytes of a dense tensor in a run of these sizes. */
static inline int64_t graph_bytes(const struct graph_tensor *t, const struct graph_sizes *sizes)
{
    return graph_rows(t, sizes) * nawi_dtype_row_bytes(t->dtype, graph_row_len(t));
}
