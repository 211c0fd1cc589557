/* Runs a sealed graph over one or several backends.
 *
 * Each node says on which device it runs; runs of nodes on the same device become one program of
 * that backend. A temporary that another device reads is copied there when it is needed, so that
 * one graph may change devices anywhere, also inside a layer. Temporaries share one buffer per
 * device.
 *
 * One thread at a time. */
#pragma once

#include "engine/backend.h"

struct executor;

/* Weights must have a place on every device that uses them; states and inputs too before the first
 * run, and theirs may change between runs: places are read at each. Inputs without a place get one
 * here. Borrows graph and backends. NULL on error. */
struct executor *execute_create(struct graph *graph, struct nawi_backend *const *backends,
                                int n_backend, GError **error);
void execute_destroy(struct executor *executor);

/* Fills an input's first n_bytes on each device that reads it. */
bool execute_set(struct executor *executor, struct graph_tensor *input, const void *data,
                 uint64_t n_bytes, GError **error);
bool execute_run(struct executor *executor, const struct graph_sizes *sizes,
                 const nawi_cancel *cancel, GError **error);
/* Reads n_bytes from byte offset of a kept tensor. */
bool execute_get(struct executor *executor, const struct graph_tensor *output, uint64_t offset,
                 void *data, uint64_t n_bytes, GError **error);

uint64_t execute_get_scratch_bytes(const struct executor *executor);
/* True when some node of the graph on this device reads the tensor. */
bool execute_uses(const struct graph *graph, const struct graph_tensor *tensor, int device);
