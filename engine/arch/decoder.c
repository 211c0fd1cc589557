/* The decoder of the Llama families, one builder for all: what differs between layers and between
 * models is in the config. Order of operations and formulas (Llama 4 reference model):
 *
 *     a = rms(x) w;  q, k, v = W a
 *     local layers turn q and k, then norm each head; global ones scale q by position
 *     x = x + Wo attend(q, k, v);  f = rms(x) w
 *     dense layers:  x = x + down(silu(gate f) * (up f))
 *     with experts:  x = x + shared(f) + sum over the chosen e of
 *                        down_e(silu(s_e gate_e f) * (s_e up_e f))
 *
 * The router's sigmoid s_e scales the expert's input. gate_e and up_e are linear, so it is applied
 * to their results: exact in real arithmetic, and the input is prepared once for all experts. */
#include "engine/arch/blocks.h"

#include <math.h>

struct decoder {
    struct arch_build *build;
    const struct arch_config *config;
    struct graph_tensor *turn, *temper, *pages;
    struct graph_tensor *cells[2], *spans[2]; /* [local] */
};

static struct graph_tensor *lazy_input(struct arch_build *build, struct graph_tensor **slot,
                                       const char *name, enum nawi_dtype dtype, int n_dim,
                                       const int64_t *ne)
{
    if (!*slot)
        *slot = block_input(build, name, dtype, GRAPH_COUNT_ROW, n_dim, ne);
    return *slot;
}

static struct graph_tensor *add_state(struct decoder *d, const char *kind)
{
    char name[32];
    const struct arch_config *c = d->config;
    g_snprintf(name, sizeof name, "%s.%d", kind, d->build->layer);
    /* Cells are counted when the pool is made; the extent here is that of one. */
    return graph_add_leaf(d->build->graph, GRAPH_ROLE_STATE, name, NAWI_DTYPE_F32, GRAPH_COUNT_NONE,
                          3, (int64_t[]){1, c->n_kv_head, c->d_head});
}

/* Turned and normed as the layer has it. x [n, heads, d_head]. */
static struct graph_tensor *positioned(struct decoder *d, struct graph_tensor *x,
                                       const struct arch_layer *layer)
{
    struct arch_build *build = d->build;
    const struct arch_config *c = d->config;
    if (!layer->rope || build->error)
        return x;
    struct graph_tensor *turn =
        lazy_input(build, &d->turn, "turn", NAWI_DTYPE_F32, 3, (int64_t[]){1, c->n_rot / 2, 2});
    x = block_add_node(
        build, (struct graph_node){.op = GRAPH_OP_ROPE, .in = {x, turn}, .half = c->rope_half});
    return c->qk_norm ? block_rms_norm(build, x, NULL, c->eps) : x;
}

static struct graph_tensor *attention(struct decoder *d, struct graph_tensor *x,
                                      const struct arch_layer *layer)
{
    struct arch_build *build = d->build;
    const struct arch_config *c = d->config;
    int64_t n_q = c->n_head * c->d_head;
    int64_t n_kv = c->n_kv_head * c->d_head;
    struct graph_tensor *wq =
        block_layer_weight(build, "attn_q.weight", 2, (int64_t[]){n_q, c->n_embd});
    struct graph_tensor *wk =
        block_layer_weight(build, "attn_k.weight", 2, (int64_t[]){n_kv, c->n_embd});
    struct graph_tensor *wv =
        block_layer_weight(build, "attn_v.weight", 2, (int64_t[]){n_kv, c->n_embd});
    struct graph_tensor *wo =
        block_layer_weight(build, "attn_output.weight", 2, (int64_t[]){c->n_embd, n_q});
    struct graph_tensor *q = positioned(d, block_matmul(build, wq, x, NULL, c->n_head), layer);
    struct graph_tensor *k = positioned(d, block_matmul(build, wk, x, NULL, c->n_kv_head), layer);
    struct graph_tensor *v = block_matmul(build, wv, x, NULL, c->n_kv_head);
    if (build->error)
        return NULL;
    if (layer->tempered) {
        struct graph_tensor *s =
            lazy_input(build, &d->temper, "temper", NAWI_DTYPE_F32, 1, (int64_t[]){1});
        q = block_add_node(build, (struct graph_node){.op = GRAPH_OP_SCALE_ROWS, .in = {q, s}});
    }
    bool local = layer->local;
    struct graph_tensor *keys = add_state(d, "keys");
    struct graph_tensor *values = add_state(d, "values");
    struct graph_tensor *cells =
        lazy_input(build, &d->cells[local], local ? "cells.local" : "cells.global", NAWI_DTYPE_I32,
                   1, (int64_t[]){1});
    struct graph_tensor *spans =
        lazy_input(build, &d->spans[local], local ? "spans.local" : "spans.global", NAWI_DTYPE_I32,
                   2, (int64_t[]){1, 4});
    if (!d->pages)
        d->pages = block_input(build, "pages", NAWI_DTYPE_I32, GRAPH_COUNT_NONE, 1, (int64_t[]){1});
    block_add_node(build,
                   (struct graph_node){.op = GRAPH_OP_KV_STORE, .in = {k, v, keys, values, cells}});
    struct graph_tensor *o =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_ATTEND,
                                                  .in = {q, keys, values, d->pages, spans},
                                                  .scale = (float)(1.0 / sqrt((double)c->d_head))});
    return block_matmul(build, wo, o, NULL, 0);
}

static struct graph_tensor *experts(struct decoder *d, struct graph_tensor *f)
{
    struct arch_build *build = d->build;
    const struct arch_config *c = d->config;
    int64_t e = c->n_expert;
    int64_t in_shape[] = {e, c->n_ff_expert, c->n_embd};
    struct graph_tensor *shared = block_swiglu(build, f, "_shexp", c->n_embd, c->n_ff_expert);
    struct graph_tensor *router = block_router(build, e, c->n_embd);
    struct graph_tensor *gate = block_layer_weight(build, "ffn_gate_exps.weight", 3, in_shape);
    struct graph_tensor *up = block_layer_weight(build, "ffn_up_exps.weight", 3, in_shape);
    struct graph_tensor *down = block_layer_weight(build, "ffn_down_exps.weight", 3,
                                                   (int64_t[]){e, c->n_embd, c->n_ff_expert});
    struct graph_tensor *logits = block_matmul(build, router, f, NULL, 0);
    if (build->error)
        return NULL;
    struct graph_tensor *ids = block_add_node(
        build,
        (struct graph_node){.op = GRAPH_OP_ROUTE, .in = {logits}, .n_used = c->n_expert_used});
    struct graph_tensor *gates = graph_get_node(build->graph, ids->producer)->out[1];
    struct graph_tensor *a =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_MOE_MATMUL, .in = {gate, f, ids}});
    struct graph_tensor *b =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_MOE_MATMUL, .in = {up, f, ids}});
    struct graph_tensor *h =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_SWIGLU, .in = {a, b, gates}});
    struct graph_tensor *y =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_MOE_MATMUL, .in = {down, h, ids}});
    char name[32];
    g_snprintf(name, sizeof name, "route.%d", build->layer);
    graph_keep(build->graph, ids, name);
    return block_add_node(build, (struct graph_node){.op = GRAPH_OP_JOIN, .in = {y, shared}});
}

static struct graph_tensor *layer_graph(struct decoder *d, struct graph_tensor *x,
                                        const struct arch_layer *layer)
{
    struct arch_build *build = d->build;
    const struct arch_config *c = d->config;
    struct graph_tensor *a =
        block_rms_norm(build, x, block_layer_vector(build, "attn_norm.weight", c->n_embd), c->eps);
    x = block_add(build, x, attention(d, a, layer));
    struct graph_tensor *f =
        block_rms_norm(build, x, block_layer_vector(build, "ffn_norm.weight", c->n_embd), c->eps);
    return block_add(build, x,
                     layer->moe ? experts(d, f) : block_swiglu(build, f, "", c->n_embd, c->n_ff));
}

void block_decoder(struct arch_build *build, const struct arch_config *config)
{
    struct decoder d = {.build = build, .config = config};
    int64_t d_embd = config->n_embd;
    build->layer = -1;
    struct graph_tensor *table =
        block_weight(build, "token_embd.weight", 2, (int64_t[]){config->n_vocab, d_embd});
    struct graph_tensor *ids =
        block_input(build, "ids", NAWI_DTYPE_I32, GRAPH_COUNT_ROW, 1, (int64_t[]){1});
    struct graph_tensor *given =
        block_input(build, "given", NAWI_DTYPE_F32, GRAPH_COUNT_ROW, 2, (int64_t[]){1, d_embd});
    struct graph_tensor *x =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_EMBED, .in = {table, ids, given}});
    for (int i = 0; i < config->n_layer && !build->error; i++) {
        build->layer = i;
        x = layer_graph(&d, x, &config->layers[i]);
    }
    build->layer = -1;
    struct graph_tensor *picked =
        block_input(build, "picked", NAWI_DTYPE_I32, GRAPH_COUNT_OUT, 1, (int64_t[]){1});
    struct graph_tensor *norm = block_vector(build, "output_norm.weight", 1, &d_embd);
    bool tied = !weights_find(build->weights, "output.weight");
    struct graph_tensor *head = block_weight(build, tied ? "token_embd.weight" : "output.weight", 2,
                                             (int64_t[]){config->n_vocab, d_embd});
    if (build->error)
        return;
    x = block_add_node(build, (struct graph_node){.op = GRAPH_OP_PICK_ROWS, .in = {x, picked}});
    x = block_matmul(build, head, block_rms_norm(build, x, norm, config->eps), NULL, 0);
    graph_keep(build->graph, x, "logits");
}
