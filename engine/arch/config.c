/* The numbers that Llama families share, under the prefix of general.architecture. */
#include "engine/arch/blocks.h"

#include <string.h>

/* "llama4.block_count" from "block_count"; the buffer is the caller's. */
static const char *key_of(const struct nawi_meta *meta, const char *rest, char buffer[128])
{
    const char *arch = "";
    meta_get_string(meta, "general.architecture", &arch, NULL);
    g_snprintf(buffer, 128, "%s.%s", arch, rest);
    return buffer;
}

static bool get_int(const struct nawi_meta *meta, const char *rest, int64_t most, int64_t *value,
                    GError **error)
{
    char key[128];
    return meta_get_int(meta, key_of(meta, rest, key), 1, most, value, error);
}

static bool need_int(const struct nawi_meta *meta, const char *rest, int64_t most, int64_t *value,
                     GError **error)
{
    char key[128];
    return meta_need_int(meta, key_of(meta, rest, key), 1, most, value, error);
}

static bool get_float(const struct nawi_meta *meta, const char *rest, double least, double most,
                      double *value, GError **error)
{
    char key[128];
    return meta_get_float(meta, key_of(meta, rest, key), least, most, value, error);
}

static bool read_vocab(const struct nawi_weights *weights, struct arch_config *c, GError **error)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    const struct nawi_weight *table = weights_find(weights, "token_embd.weight");
    const struct meta_array *tokens = NULL;
    if (!table) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: tensor token_embd.weight is missing",
                    weights_get_path(weights));
        return false;
    }
    c->n_vocab = table->ne[0];
    int64_t said = c->n_vocab;
    if (!get_int(meta, "vocab_size", ARCH_MAX_VOCAB, &said, error) ||
        !meta_get_array(meta, "tokenizer.ggml.tokens", META_STRING, &tokens, error))
        return false;
    if (c->n_vocab > ARCH_MAX_VOCAB || said != c->n_vocab ||
        (tokens && (int64_t)tokens->n != c->n_vocab)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: vocabulary: token_embd.weight has %" G_GINT64_FORMAT
                    " rows, vocab_size is %" G_GINT64_FORMAT
                    ", tokenizer.ggml.tokens has %" G_GINT64_FORMAT,
                    weights_get_path(weights), c->n_vocab, said,
                    tokens ? (int64_t)tokens->n : said);
        return false;
    }
    return true;
}

static bool read_heads(const struct nawi_meta *meta, struct arch_config *c, GError **error)
{
    if (!need_int(meta, "attention.head_count", ARCH_MAX_HEADS, &c->n_head, error))
        return false;
    c->n_kv_head = c->n_head;
    if (!get_int(meta, "attention.head_count_kv", ARCH_MAX_HEADS, &c->n_kv_head, error))
        return false;
    c->d_head = c->n_embd / c->n_head;
    if (!get_int(meta, "attention.head_dim", 1024, &c->d_head, error) ||
        !get_int(meta, "attention.key_length", 1024, &c->d_head, error))
        return false;
    int64_t d_value = c->d_head;
    c->n_rot = c->d_head;
    if (!get_int(meta, "attention.value_length", 1024, &d_value, error) ||
        !get_int(meta, "rope.dimension_count", 1024, &c->n_rot, error))
        return false;
    const char *fault =
        c->d_head < 1 ? "heads are wider than the model"
        : c->n_head % c->n_kv_head != 0
            ? "attention.head_count is no multiple of attention.head_count_kv"
        : d_value != c->d_head ? "attention.value_length differs from attention.key_length"
        : c->n_rot > c->d_head ? "rope.dimension_count is above attention.key_length"
        : c->n_rot % 2 != 0    ? "rope.dimension_count is odd"
                               : NULL;
    if (fault)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: %s (heads %" G_GINT64_FORMAT ", key/value heads %" G_GINT64_FORMAT
                    ", length %" G_GINT64_FORMAT ", turned %" G_GINT64_FORMAT ")",
                    meta_get_source(meta), fault, c->n_head, c->n_kv_head, c->d_head, c->n_rot);
    return !fault;
}

static bool read_rope(const struct nawi_meta *meta, struct arch_config *c, GError **error)
{
    char key[128];
    c->rope_base = 10000.0;
    return get_float(meta, "rope.freq_base", 1.0, 1e12, &c->rope_base, error) &&
           meta_get_bool(meta, key_of(meta, "rope.half", key), &c->rope_half, error);
}

static bool read_experts(const struct nawi_meta *meta, struct arch_config *c, GError **error)
{
    char key[128];
    if (!meta_get_int(meta, key_of(meta, "expert_count", key), 0, ARCH_MAX_EXPERTS, &c->n_expert,
                      error))
        return false;
    if (c->n_expert == 0)
        return true;
    c->n_expert_used = 1;
    c->n_ff_expert = c->n_ff;
    if (!get_int(meta, "expert_used_count", ARCH_MAX_EXPERTS, &c->n_expert_used, error) ||
        !get_int(meta, "expert_feed_forward_length", 1048576, &c->n_ff_expert, error))
        return false;
    if (c->n_expert_used <= c->n_expert)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: expert_used_count: expected 1..%" G_GINT64_FORMAT
                " (expert_count), found %" G_GINT64_FORMAT,
                meta_get_source(meta), c->n_expert, c->n_expert_used);
    return false;
}

bool block_config(const struct nawi_weights *weights, struct arch_config *c, GError **error)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    c->eps = 1e-5;
    c->temper_length = 1; /* no layer is tempered */
    c->context_tok = 8192;
    if (!need_int(meta, "block_count", ARCH_MAX_LAYERS, &c->n_layer, error) ||
        !need_int(meta, "embedding_length", ARCH_MAX_WIDTH, &c->n_embd, error) ||
        !need_int(meta, "feed_forward_length", 1048576, &c->n_ff, error) ||
        !get_int(meta, "context_length", ARCH_MAX_CONTEXT, &c->context_tok, error) ||
        !get_float(meta, "attention.layer_norm_rms_epsilon", 0.0, 1.0, &c->eps, error) ||
        !read_heads(meta, c, error) || !read_rope(meta, c, error) ||
        !read_experts(meta, c, error) || !read_vocab(weights, c, error))
        return false;
    for (int i = 0; i < c->n_layer; i++)
        c->layers[i] = (struct arch_layer){.rope = true};
    return true;
}
