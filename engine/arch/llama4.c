/* Llama 4 text decoder: Scout, Maverick, Behemoth, and every other size that the metadata tells.
 *
 * Layer i is global when i + 1 is a multiple of the NoPE period (4): no rotation, no norm of heads,
 * sees everything, its queries scaled by 1 + attn_scale ln(1 + floor((p + 1) / floor_scale)). All
 * others are local: rotated, heads normed without a weight (after the rotation) where the model has
 * QK-norm, and seeing only their own chunk of positions [p / chunk * chunk, p]. Positions are
 * absolute; chunks are no sliding window. Layers with (i + 1) % interleave == 0 have experts:
 * sigmoid of the chosen logits on the expert's input, no renormalisation, one shared expert always.
 *
 * Not stored in published files, so assumed and each overridable by a key: period 4, chunk 8192,
 * floor_scale 8192, attn_scale 0.1, QK-norm unless there are 128 experts. attention.sliding_window
 * = 0 turns chunks, NoPE and temperature off. Traps: rotation pairs are adjacent and nothing is
 * permuted; feed_forward_length is that of dense layers, expert_feed_forward_length that of experts
 * and of the shared one. Sources: Llama 4 reference model code; published GGUF converter and
 * loader. */
#include "engine/arch/blocks.h"
#include "engine/arch/families.h"

static bool read_attention(const struct nawi_meta *meta, struct arch_config *c, int64_t *period,
                           bool *temper, GError **error)
{
    int64_t window = -1;
    c->qk_norm = c->n_expert != 128;
    c->chunk_tok = 8192;
    c->temper_length = 8192;
    c->temper_scale = 0.1;
    *period = 4;
    *temper = true;
    if (!meta_get_int(meta, "llama4.attention.sliding_window", 0, INT32_MAX, &window, error))
        return false;
    if (window == 0) {
        c->chunk_tok = 0;
        *period = 0;
        *temper = false;
    }
    return meta_get_bool(meta, "llama4.use_qk_norm", &c->qk_norm, error) &&
           meta_get_int(meta, "llama4.attention.chunk_size", 0, ARCH_MAX_CONTEXT, &c->chunk_tok,
                        error) &&
           meta_get_int(meta, "llama4.attention.temperature_length", 1, ARCH_MAX_CONTEXT,
                        &c->temper_length, error) &&
           meta_get_float(meta, "llama4.attention.temperature_scale", 0.0, 100.0, &c->temper_scale,
                          error) &&
           meta_get_bool(meta, "llama4.attention.temperature", temper, error) &&
           meta_get_int(meta, "llama4.rope.nope_period", 0, ARCH_MAX_LAYERS, period, error);
}

/* Layers named by an array of their numbers; *present is false when there is none. */
static bool read_layers(const struct nawi_meta *meta, const char *key, const struct arch_config *c,
                        bool *named, bool *present, GError **error)
{
    const struct meta_array *array = NULL;
    if (!meta_get_array(meta, key, META_INT, &array, error))
        return false;
    *present = array != NULL;
    for (uint64_t i = 0; array && i < array->n; i++) {
        if (array->ints[i] < 0 || array->ints[i] >= c->n_layer) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: %s: expected layers 0..%" G_GINT64_FORMAT ", found %" G_GINT64_FORMAT,
                        meta_get_source(meta), key, c->n_layer - 1, array->ints[i]);
            return false;
        }
        named[array->ints[i]] = true;
    }
    return true;
}

static bool config(const struct nawi_weights *weights, struct arch_config *c, GError **error)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    int64_t period;
    int64_t interleave = 1;
    bool temper;
    if (!block_config(weights, c, error) || !read_attention(meta, c, &period, &temper, error) ||
        !meta_get_int(meta, "llama4.interleave_moe_layer_step", 1, ARCH_MAX_LAYERS, &interleave,
                      error))
        return false;
    bool nope[ARCH_MAX_LAYERS] = {false};
    bool moe[ARCH_MAX_LAYERS] = {false};
    bool nope_named, moe_named;
    if (!read_layers(meta, "llama4.rope.nope_layers", c, nope, &nope_named, error) ||
        !read_layers(meta, "llama4.moe_layers", c, moe, &moe_named, error))
        return false;
    for (int i = 0; i < c->n_layer; i++) {
        bool global = nope_named ? nope[i] : period > 0 && (i + 1) % period == 0;
        bool experts = moe_named ? moe[i] : (i + 1) % interleave == 0;
        c->layers[i] = (struct arch_layer){
            .moe = experts && c->n_expert > 0,
            .rope = !global,
            .local = !global && c->chunk_tok > 0,
            .tempered = global && temper,
        };
    }
    return true;
}

const struct arch_family arch_llama4 = {
    .name = "llama4",
    .config = config,
    .decoder = block_decoder,
    .has_tower = llama4_has_tower,
    .tower_config = llama4_tower_config,
    .tower = llama4_tower,
    .licence_notice = "Built with Llama",
};
