/* What a family of models provides: its numbers from the metadata, and its graphs from those
 * numbers and the tensors of the file. A family is one file and one row of table.c.
 *
 * Everything a file says is checked here: ranges, contradictions, and the shape of each tensor.
 * After that, kernels need no checks. Owner thread only. */
#pragma once

#include "engine/error.h"
#include "engine/file/weights.h"
#include "engine/graph/graph.h"
#include "engine/media.h"

enum {
    ARCH_MAX_LAYERS = 512,
    ARCH_MAX_WIDTH = 65536,
    ARCH_MAX_HEADS = 1024,
    ARCH_MAX_EXPERTS = 1024,
    ARCH_MAX_VOCAB = 2097152,
    ARCH_MAX_CONTEXT = 16777216,
};

/* How one decoder layer differs from its neighbours. */
struct arch_layer {
    bool moe;      /* experts instead of a dense feed-forward */
    bool rope;     /* positions by rotation */
    bool local;    /* sees its own chunk only */
    bool tempered; /* queries are scaled by position */
};

struct arch_tower {
    int64_t n_layer, n_embd, n_head, d_head, n_ff;
    int64_t n_patch; /* of a tile */
    int64_t n_shuffled, n_adapter[2],
        n_out; /* widths after the shuffle, of the adapter, of the projector */
    double eps, rope_base;
    struct nawi_media_spec spec;
};

struct arch_config {
    int64_t n_layer, n_embd, n_head, n_kv_head, d_head, n_vocab, context_tok;
    int64_t n_ff, n_ff_expert, n_expert, n_expert_used; /* n_ff: of dense layers */
    double eps, rope_base;
    int64_t n_rot;  /* values of a head that turn */
    bool rope_half; /* pairs (j, j + n_rot / 2) instead of (2j, 2j + 1) */
    bool qk_norm;
    int64_t chunk_tok;     /* of local layers; 0: none */
    int64_t temper_length; /* floor_scale */
    double temper_scale;   /* attn_scale */
    struct arch_layer layers[ARCH_MAX_LAYERS];
};

/* A graph under construction with the file it takes its tensors from. The first error sticks: after
 * it every call is harmless, and arch_finish() reports it. */
struct arch_build {
    struct graph *graph;
    const struct nawi_weights *weights;
    GHashTable *sources; /* leaf (struct graph_tensor *) → struct nawi_weight *: what to place */
    GHashTable *vectors; /* leaves that kernels read as floats: to be placed aligned and dense */
    int layer;
    GError *error;
};

/* The text decoder's leaves and results, found by name with graph_find(): inputs "ids" i32 [row],
 * "given" f32 [row, n_embd], "turn" f32 [row, n_rot / 2, 2], "temper" f32 [row], "cells.local",
 * "cells.global" i32 [row], "spans.local", "spans.global" i32 [row, 4], "pages" i32 [any], "picked"
 * i32 [out]; states "keys.N", "values.N" [cells, n_kv_head, d_head], whose cells are counted when
 * the pool is made; results "logits" [out, n_vocab] and, for layers with experts, "route.N" i32
 * [row, n_expert_used]. A leaf that no node reads is absent. The tower's: "patches" f32 [tile *
 * n_patch, 3 p p], "turn" [n_patch + 1, d_head / 2, 2]; result "rows". */
struct arch_family {
    const char *name; /* general.architecture */
    /* Fills config from the metadata. */
    bool (*config)(const struct nawi_weights *weights, struct arch_config *config, GError **error);
    void (*decoder)(struct arch_build *build, const struct arch_config *config);
    /* A tower of this family: whether the file holds one, its numbers, its graph. NULL: it cannot
     * see. */
    bool (*has_tower)(const struct nawi_weights *weights);
    bool (*tower_config)(const struct nawi_weights *weights, struct arch_tower *tower,
                         GError **error);
    void (*tower)(struct arch_build *build, const struct arch_tower *tower);
    const char *licence_notice; /* shown where the file's licence or name asks for it; or NULL */
};

/* UNSUPPORTED, with the names that are known, when there is none. */
const struct arch_family *arch_find(const struct nawi_weights *weights, GError **error);
/* True when the file holds a vision tower that some family builds; *family is that family. */
bool arch_has_tower(const struct nawi_weights *weights, const struct arch_family **family);

void arch_begin(struct arch_build *build, const struct nawi_weights *weights);
/* Seals; false, and nothing to free, when something was missing or did not fit. */
bool arch_finish(struct arch_build *build, const struct graph_sizes *most, GError **error);
void arch_build_clear(struct arch_build *build); /* frees the graph and the table of sources */
