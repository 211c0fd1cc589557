/* Builders that families share. All take and return tensors of the graph under construction; NULL
 * in (after an error) gives NULL out. */
#pragma once

#include "engine/arch/arch.h"

/* A tensor of the file that must be there with this shape (outermost first); the _layer_ forms put
 * "blk.N." before. */
struct graph_tensor *block_weight(struct arch_build *build, const char *name, int n_dim,
                                  const int64_t *ne);
struct graph_tensor *block_layer_weight(struct arch_build *build, const char *part, int n_dim,
                                        const int64_t *ne);
/* The same as F32, whatever the file holds: norms, biases, tables; every value must be finite. */
struct graph_tensor *block_vector(struct arch_build *build, const char *name, int n_dim,
                                  const int64_t *ne);
/* The router's matrix [n_expert, n_embd], every value finite. */
struct graph_tensor *block_router(struct arch_build *build, int64_t n_expert, int64_t n_embd);
struct graph_tensor *block_layer_vector(struct arch_build *build, const char *part, int64_t n);

/* Any node, on the layer under construction. NULL after an error. */
struct graph_tensor *block_add_node(struct arch_build *build, struct graph_node spec);
struct graph_tensor *block_rms_norm(struct arch_build *build, struct graph_tensor *x,
                                    struct graph_tensor *w, double eps);
struct graph_tensor *block_layer_norm(struct arch_build *build, struct graph_tensor *x,
                                      const char *name, int64_t n, double eps);
/* bias may be absent (NULL). split > 0: each row comes out as that many heads. */
struct graph_tensor *block_matmul(struct arch_build *build, struct graph_tensor *w,
                                  struct graph_tensor *x, struct graph_tensor *bias, int64_t split);
struct graph_tensor *block_add(struct arch_build *build, struct graph_tensor *a,
                               struct graph_tensor *b);
struct graph_tensor *block_gelu(struct arch_build *build, struct graph_tensor *x);
struct graph_tensor *block_input(struct arch_build *build, const char *name, enum nawi_dtype dtype,
                                 enum graph_count count, int n_dim, const int64_t *ne);
/* down(silu(gate x) * (up x)) with the layer's tensors NAME_gate.weight … of width n_ff; suffix ""
 * or "_shexp". */
struct graph_tensor *block_swiglu(struct arch_build *build, struct graph_tensor *x,
                                  const char *suffix, int64_t n_embd, int64_t n_ff);

/* The decoder that Llama families have in common, told apart by the config alone. */
void block_decoder(struct arch_build *build, const struct arch_config *config);
/* Numbers that Llama families have in common, under the prefix of general.architecture. */
bool block_config(const struct nawi_weights *weights, struct arch_config *config, GError **error);
