/* A graph: tensors and the nodes that make them, in an order that can be run from first to last.
 *
 * Built by an arch, sealed once, then immutable but for the places of its tensors, which belong to
 * the planner. Shapes are inferred and checked as nodes are added: a graph that does not fit
 * together is the builder's fault (g_error); whether a file's tensors have the right shapes is
 * checked before, by the arch.
 *
 * Owner thread while building; any thread may read a sealed graph. */
#pragma once

#include "engine/graph/ops.h"
#include "engine/graph/tensor.h"

#include <glib.h>

struct graph_node {
    enum graph_op op;
    int index;
    int device; /* where it runs; 0 until placed */
    int layer;  /* for people and planners; -1: none */
    int n_in, n_out;
    struct graph_tensor *in[GRAPH_MAX_INPUTS];
    struct graph_tensor *out[GRAPH_MAX_OUTPUTS];
    float eps;      /* norms */
    float scale;    /* attention */
    int64_t n_used; /* ROUTE */
    int64_t group;  /* ATTEND_TILE: rows of a tile; SHUFFLE: side of the grid */
    int64_t factor; /* SHUFFLE */
    int64_t split;  /* MATMUL: the result is [n, split, m / split]; 0: [n, m] */
    bool half;      /* ROPE */
};

struct graph;

struct graph *graph_create(void);
void graph_destroy(struct graph *graph);

/* Leaves. name is copied. ne [n_dim]. */
struct graph_tensor *graph_add_leaf(struct graph *graph, enum graph_role role, const char *name,
                                    enum nawi_dtype dtype, enum graph_count count, int n_dim,
                                    const int64_t *ne);

/* Adds a node; the operation's parameters are fields of spec, whose in[] and op are set by the
 * caller and whose other book-keeping is filled here. Returns the first output, or NULL for an
 * operation without one; the second by graph_get_node(…)->out[1]. */
struct graph_tensor *graph_add(struct graph *graph, const struct graph_node *spec);

/* Keeps a tensor to the end of a run: its role becomes OUTPUT. */
void graph_keep(struct graph *graph, struct graph_tensor *tensor, const char *name);

/* most: the largest run that will be asked for. */
void graph_seal(struct graph *graph, const struct graph_sizes *most);

int graph_count_nodes(const struct graph *graph);
int graph_count_tensors(const struct graph *graph);
struct graph_node *graph_get_node(const struct graph *graph, int index);
struct graph_tensor *graph_get_tensor(const struct graph *graph, int index);
const struct graph_sizes *graph_get_most(const struct graph *graph);
struct graph_tensor *graph_find(const struct graph *graph,
                                const char *name); /* a leaf or kept tensor; or NULL */

const char *graph_op_name(enum graph_op op);
/* One line per node, for people. Freed by the caller. */
char *graph_print(const struct graph *graph);
