/* config.json of the text model: which class it is, its numbers under GGUF keys, and what
 * contradicts what.
 *
 * Traps of this file:
 *   no_rope_layers   says 1 for a layer that has rotation and 0 for one that has none; [] means the
 *                    default
 *   attn_temperature_tuning   is a truth value that the first releases wrote as 4
 *   intermediate_size   is an expert's width in llama4; the dense width is intermediate_size_mlp
 *   moe_layers       comes before interleave_moe_layer_step; [] means that no layer has experts */
#include "engine/file/config.h"

#include <string.h>

enum {
    HEAD_COUNT_MOST = 4096,
    EXPERT_MOST = 4096,
    WIDTH_MOST = 1 << 20,
    VOCAB_MOST = 1 << 23,
};
#define CONTEXT_MOST 2147483647

struct text {
    int64_t n_layer, n_ctx, width, n_ff, n_ff_expert, n_head, n_head_kv, d_head, n_vocab;
    int64_t n_expert, n_used, step;
    double eps;
};

/* Names are told by literal prefix, so that a search for a key finds it. */
static void set_int(struct nawi_meta *meta, const char *arch, const char *key, int64_t value)
{
    g_autofree char *full = g_strdup_printf("%s.%s", arch, key);
    meta_set_int(meta, full, value);
}

static void set_float(struct nawi_meta *meta, const char *arch, const char *key, double value)
{
    g_autofree char *full = g_strdup_printf("%s.%s", arch, key);
    meta_set_float(meta, full, value);
}

static void set_ints(struct nawi_meta *meta, const char *key, GArray *values)
{
    const struct meta_array array = {
        .type = META_INT, .n = values->len, .ints = (int64_t *)(void *)values->data};
    g_array_free(values, FALSE);
    meta_set_array(meta, key, &array);
}

/* null means "as it follows from the others"; what is absent has the class's default. */
static bool is_null(const struct nawi_json_at *at, const char *key)
{
    return json_is_null(json_object_get(at->object, key));
}

/* Numbers that both families have, under the names that both use. n_head_kv and d_head 0: they
 * follow from the others. */
static bool parse_sizes(const struct nawi_json_at *at, struct text *t, GError **error)
{
    if (!nawi_json_get_int(at, "num_hidden_layers", 1, CONFIG_LAYER_MOST, &t->n_layer, error) ||
        !nawi_json_get_int(at, "max_position_embeddings", 1, CONTEXT_MOST, &t->n_ctx, error) ||
        !nawi_json_get_int(at, "hidden_size", 1, WIDTH_MOST, &t->width, error) ||
        !nawi_json_get_int(at, "num_attention_heads", 1, HEAD_COUNT_MOST, &t->n_head, error) ||
        !nawi_json_get_int(at, "vocab_size", 1, VOCAB_MOST, &t->n_vocab, error) ||
        !nawi_json_get_float(at, "rms_norm_eps", 1e-12, 1.0, &t->eps, error))
        return false;
    if (is_null(at, "num_key_value_heads") || t->n_head_kv == 0)
        t->n_head_kv = t->n_head;
    if (!nawi_json_get_int(at, "num_key_value_heads", 1, HEAD_COUNT_MOST, &t->n_head_kv, error))
        return false;
    if (t->n_head % t->n_head_kv != 0)
        return nawi_json_fault(at, "num_key_value_heads", error,
                               "expected a divisor of num_attention_heads %" G_GINT64_FORMAT
                               ", found %" G_GINT64_FORMAT,
                               t->n_head, t->n_head_kv);
    if (is_null(at, "head_dim") || (t->d_head == 0 && !nawi_json_has(at, "head_dim"))) {
        if (t->width % t->n_head != 0)
            return nawi_json_fault(at, "hidden_size", error,
                                   "expected a multiple of num_attention_heads %" G_GINT64_FORMAT
                                   ", found %" G_GINT64_FORMAT,
                                   t->n_head, t->width);
        t->d_head = t->width / t->n_head;
    }
    if (!nawi_json_get_int(at, "head_dim", 2, CONFIG_HEAD_MOST, &t->d_head, error))
        return false;
    if (t->d_head % 2 != 0 || t->d_head > CONFIG_HEAD_MOST)
        return nawi_json_fault(at, "head_dim", error,
                               "expected an even number 2..%d, found %" G_GINT64_FORMAT,
                               CONFIG_HEAD_MOST, t->d_head);
    return true;
}

static void set_sizes(struct nawi_meta *meta, const char *arch, const struct text *t,
                      const struct config_rope *rope)
{
    set_int(meta, arch, "block_count", t->n_layer);
    set_int(meta, arch, "context_length", t->n_ctx);
    set_int(meta, arch, "embedding_length", t->width);
    set_int(meta, arch, "feed_forward_length", t->n_ff);
    set_int(meta, arch, "attention.head_count", t->n_head);
    set_int(meta, arch, "attention.head_count_kv", t->n_head_kv);
    set_int(meta, arch, "attention.key_length", t->d_head);
    set_int(meta, arch, "attention.value_length", t->d_head);
    set_int(meta, arch, "rope.dimension_count", t->d_head);
    set_int(meta, arch, "vocab_size", t->n_vocab);
    set_float(meta, arch, "attention.layer_norm_rms_epsilon", t->eps);
    set_float(meta, arch, "rope.freq_base", rope->theta);
}

/* Habits that the arithmetic takes for granted. bias: the key of a bias that must be off. */
static bool check_habits(const struct nawi_json_at *at, const char *bias, GError **error)
{
    const char *act = "silu";
    bool has_bias = false;
    if (!nawi_json_get_string(at, "hidden_act", &act, error) ||
        !nawi_json_get_bool(at, bias, &has_bias, error))
        return false;
    if (strcmp(act, "silu") != 0) {
        g_autofree char *quoted = nawi_quote(act, strlen(act));
        return nawi_json_unsupported(at, "hidden_act", error, "expected 'silu', found %s", quoted);
    }
    if (has_bias)
        return nawi_json_unsupported(at, bias, error, "expected false, found true");
    return true;
}

static bool parse_experts(const struct nawi_json_at *at, struct text *t, GError **error)
{
    if (!nawi_json_get_int(at, "intermediate_size", 1, WIDTH_MOST, &t->n_ff_expert, error) ||
        !nawi_json_get_int(at, "intermediate_size_mlp", 1, WIDTH_MOST, &t->n_ff, error) ||
        !nawi_json_get_int(at, "num_local_experts", 0, EXPERT_MOST, &t->n_expert, error) ||
        !nawi_json_get_int(at, "num_experts_per_tok", 0, EXPERT_MOST, &t->n_used, error) ||
        !nawi_json_get_int(at, "interleave_moe_layer_step", 0, CONFIG_LAYER_MOST, &t->step, error))
        return false;
    if (t->n_expert > 0 && (t->n_used < 1 || t->n_used > t->n_expert))
        return nawi_json_fault(at, "num_experts_per_tok", error,
                               "expected 1..%" G_GINT64_FORMAT
                               ", the num_local_experts, found %" G_GINT64_FORMAT,
                               t->n_expert, t->n_used);
    return true;
}

static int compare_ints(gconstpointer a, gconstpointer b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The layers with experts, as a list where the file has one. Without experts no layer can have
 * any. */
static bool parse_moe_layers(const struct nawi_json_at *at, const struct text *t,
                             struct nawi_meta *meta, GError **error)
{
    const json_t *list;
    if (!nawi_json_get_array(at, "moe_layers", &list, error))
        return false;
    if (!list && t->n_expert > 0) {
        if (t->step == 0)
            return nawi_json_fault(at, "interleave_moe_layer_step", error,
                                   "expected at least 1, found 0");
        meta_set_int(meta, "llama4.interleave_moe_layer_step", t->step);
        return true;
    }
    if (json_array_size(list) > 0 && t->n_expert == 0)
        return nawi_json_fault(at, "moe_layers", error,
                               "expected none where num_local_experts is 0, found %zu",
                               json_array_size(list));
    g_autoptr(GArray) layers = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        int64_t layer = json_integer_value(value);
        if (!json_is_integer(value) || layer < 0 || layer >= t->n_layer) {
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(at, "moe_layers", error,
                                   "value %zu: expected a layer 0..%" G_GINT64_FORMAT ", found %s",
                                   i, t->n_layer - 1, found);
        }
        g_array_append_val(layers, layer);
    }
    g_array_sort(layers, compare_ints);
    for (guint i = 1; i < layers->len; i++)
        if (g_array_index(layers, int64_t, i) == g_array_index(layers, int64_t, i - 1))
            return nawi_json_fault(at, "moe_layers", error,
                                   "layer %" G_GINT64_FORMAT " occurs twice",
                                   g_array_index(layers, int64_t, i));
    meta_set_int(meta, "llama4.interleave_moe_layer_step", MAX(t->step, 1));
    set_ints(meta, "llama4.moe_layers", g_steal_pointer(&layers));
    return true;
}

/* has_rope [n_layer]: from no_rope_layers, or by period. */
static bool parse_nope_layers(const struct nawi_json_at *at, int64_t n_layer, bool *has_rope,
                              struct nawi_meta *meta, GError **error)
{
    const json_t *list;
    int64_t period = 4;
    if (!nawi_json_get_array(at, "no_rope_layers", &list, error) ||
        !nawi_json_get_int(at, "no_rope_layer_interval", 1, CONTEXT_MOST, &period, error))
        return false;
    if (json_array_size(list) == 0) {
        for (int64_t i = 0; i < n_layer; i++)
            has_rope[i] = (i + 1) % period != 0;
        meta_set_int(meta, "llama4.rope.nope_period", period);
        return true;
    }
    if (json_array_size(list) != (size_t)n_layer)
        return nawi_json_fault(at, "no_rope_layers", error,
                               "expected one value for each of %" G_GINT64_FORMAT
                               " layers, found %zu",
                               n_layer, json_array_size(list));
    g_autoptr(GArray) layers = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (int64_t i = 0; i < n_layer; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        if (!json_is_integer(value) ||
            (json_integer_value(value) != 0 && json_integer_value(value) != 1)) {
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(at, "no_rope_layers", error,
                                   "value %" G_GINT64_FORMAT ": expected 0 or 1, found %s", i,
                                   found);
        }
        has_rope[i] = json_integer_value(value) == 1;
        if (!has_rope[i])
            g_array_append_val(layers, i);
    }
    set_ints(meta, "llama4.rope.nope_layers", g_steal_pointer(&layers));
    return true;
}

/* layer_types repeats which layers are local; here local and rotated are one thing. */
static bool check_layer_types(const struct nawi_json_at *at, int64_t n_layer, const bool *has_rope,
                              GError **error)
{
    const json_t *list;
    if (!nawi_json_get_array(at, "layer_types", &list, error))
        return false;
    if (!list)
        return true;
    if (json_array_size(list) != (size_t)n_layer)
        return nawi_json_fault(at, "layer_types", error,
                               "expected one value for each of %" G_GINT64_FORMAT
                               " layers, found %zu",
                               n_layer, json_array_size(list));
    for (int64_t i = 0; i < n_layer; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        const char *expected = has_rope[i] ? "chunked_attention" : "full_attention";
        if (!json_is_string(value) || strcmp(json_string_value(value), expected) != 0) {
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(at, "layer_types", error,
                                   "layer %" G_GINT64_FORMAT
                                   ": expected '%s', as no_rope_layers has it, found %s",
                                   i, expected, found);
        }
    }
    return true;
}

/* A truth value, or a number that stands for one. */
static bool parse_temperature(const struct nawi_json_at *at, struct nawi_meta *meta, GError **error)
{
    bool on = true;
    double length = 8192;
    double scale = 0.1;
    const json_t *tuning = json_object_get(at->object, "attn_temperature_tuning");
    if (json_is_integer(tuning))
        on = json_integer_value(tuning) != 0;
    else if (!nawi_json_get_bool(at, "attn_temperature_tuning", &on, error))
        return false;
    if (!nawi_json_get_float(at, "floor_scale", 1, CONTEXT_MOST, &length, error) ||
        !nawi_json_get_float(at, "attn_scale", 0.0, 1000.0, &scale, error))
        return false;
    if (length != (double)(int64_t)length)
        return nawi_json_fault(at, "floor_scale", error, "expected a whole number, found %g",
                               length);
    meta_set_bool(meta, "llama4.attention.temperature", on);
    meta_set_int(meta, "llama4.attention.temperature_length", (int64_t)length);
    meta_set_float(meta, "llama4.attention.temperature_scale", scale);
    return true;
}

static bool parse_layers(const struct nawi_json_at *at, const struct text *t,
                         struct nawi_meta *meta, GError **error)
{
    bool has_rope[CONFIG_LAYER_MOST];
    return parse_moe_layers(at, t, meta, error) &&
           parse_nope_layers(at, t->n_layer, has_rope, meta, error) &&
           check_layer_types(at, t->n_layer, has_rope, error);
}

/* Ids of the ends and the beginning are rows of the embedding. */
static bool check_ids(const struct nawi_json_at *at, const struct nawi_meta *meta, int64_t n_vocab,
                      GError **error)
{
    const struct meta_array *ends;
    int64_t id = 0;
    if (!meta_get_int(meta, "tokenizer.ggml.bos_token_id", 0, INT64_MAX, &id, error) ||
        !meta_get_array(meta, "tokenizer.ggml.eos_token_ids", META_INT, &ends, error))
        return false;
    const char *key = id < n_vocab ? "eos_token_id" : "bos_token_id";
    for (uint64_t i = 0; ends && id < n_vocab && i < ends->n; i++)
        id = ends->ints[i];
    if (id < n_vocab)
        return true;
    return nawi_json_fault(
        at, key, error,
        "expected ids below vocab_size %" G_GINT64_FORMAT ", found %" G_GINT64_FORMAT, n_vocab, id);
}

static bool parse_llama4(const struct nawi_json_at *at, struct nawi_meta *meta,
                         struct config_facts *facts, int64_t *width, GError **error)
{
    struct text t = {.n_layer = 48,
                     .n_ctx = 131072,
                     .width = 5120,
                     .n_ff = 16384,
                     .n_ff_expert = 8192,
                     .n_head = 40,
                     .n_head_kv = 8,
                     .d_head = 128,
                     .n_vocab = 202048,
                     .n_expert = 16,
                     .n_used = 1,
                     .step = 1,
                     .eps = 1e-5};
    int64_t chunk = 8192;
    bool norm = true;
    if (!parse_sizes(at, &t, error) || !parse_experts(at, &t, error) ||
        !check_habits(at, "attention_bias", error) ||
        !config_parse_rope(at, 500000.0, &facts->rope, error) ||
        !parse_layers(at, &t, meta, error) || !parse_temperature(at, meta, error) ||
        !nawi_json_get_int(at, "attention_chunk_size", 1, CONTEXT_MOST, &chunk, error) ||
        !nawi_json_get_bool(at, "use_qk_norm", &norm, error))
        return false;
    if (!check_ids(at, meta, t.n_vocab, error))
        return false;
    set_sizes(meta, "llama4", &t, &facts->rope);
    meta_set_int(meta, "llama4.expert_feed_forward_length", t.n_ff_expert);
    meta_set_int(meta, "llama4.expert_count", t.n_expert);
    meta_set_int(meta, "llama4.expert_used_count", t.n_expert ? t.n_used : 0);
    meta_set_int(meta, "llama4.attention.chunk_size", chunk);
    meta_set_bool(meta, "llama4.use_qk_norm", norm);
    facts->n_layer = t.n_layer;
    facts->d_head = t.d_head;
    *width = t.width;
    return true;
}

static bool parse_llama(const struct nawi_json_at *at, struct nawi_meta *meta,
                        struct config_facts *facts, GError **error)
{
    struct text t = {.n_layer = 32,
                     .n_ctx = 2048,
                     .width = 4096,
                     .n_ff = 11008,
                     .n_head = 32,
                     .n_vocab = 32000,
                     .eps = 1e-6};
    if (!parse_sizes(at, &t, error) ||
        !nawi_json_get_int(at, "intermediate_size", 1, WIDTH_MOST, &t.n_ff, error) ||
        !check_habits(at, "attention_bias", error) || !check_habits(at, "mlp_bias", error) ||
        !config_parse_rope(at, 10000.0, &facts->rope, error))
        return false;
    if (!check_ids(at, meta, t.n_vocab, error))
        return false;
    set_sizes(meta, "llama", &t, &facts->rope);
    meta_set_bool(meta, "llama.rope.half", true);
    facts->n_layer = t.n_layer;
    facts->d_head = t.d_head;
    return true;
}

/* Weights packed in ways that are not numbers of the format are refused by name. */
static bool parse_quantisation(const struct nawi_json_at *at, struct config_facts *facts,
                               GError **error)
{
    struct nawi_json_at child;
    const char *method = NULL;
    const char *format = NULL;
    if (!nawi_json_get_object(at, "quantization_config", &child, error))
        return false;
    if (!child.object)
        return true;
    if (!nawi_json_get_string(&child, "quant_method", &method, error) ||
        !nawi_json_get_string(&child, "format", &format, error))
        return false;
    if (method && strcmp(method, "fbgemm_fp8") == 0) {
        facts->quantised = "fbgemm_fp8";
        return true;
    }
    if (method && strcmp(method, "compressed-tensors") == 0) {
        if (format && strcmp(format, "float-quantized") != 0 &&
            strcmp(format, "naive-quantized") != 0 && strcmp(format, "dense") != 0) {
            g_autofree char *quoted = nawi_quote(format, strlen(format));
            return nawi_json_unsupported(&child, "format", error,
                                         "expected float-quantized, found %s", quoted);
        }
        facts->quantised = "compressed-tensors";
        return true;
    }
    g_autofree char *quoted = nawi_quote(method ? method : "", method ? strlen(method) : 0);
    return nawi_json_unsupported(&child, "quant_method", error,
                                 "expected fbgemm_fp8 or compressed-tensors, found %s", quoted);
}

enum class { CLASS_CONDITIONAL, CLASS_CAUSAL, CLASS_LLAMA };

static const struct {
    const char *architecture, *model_type;
    enum class kind;
} classes[] = {
    {"Llama4ForConditionalGeneration", "llama4", CLASS_CONDITIONAL},
    {"Llama4ForCausalLM", "llama4_text", CLASS_CAUSAL},
    {"LlamaForCausalLM", "llama", CLASS_LLAMA},
};

/* From architectures[0]; where there is none, from model_type. When both stand there they must
 * agree. */
static bool parse_class(const struct nawi_json_at *at, enum class *kind, GError **error)
{
    const json_t *list;
    const char *type = NULL;
    if (!nawi_json_get_array(at, "architectures", &list, error) ||
        !nawi_json_get_string(at, "model_type", &type, error))
        return false;
    const json_t *first = json_array_get(list, 0);
    const char *name = json_string_value(first);
    if (first && !name) {
        g_autofree char *found = nawi_json_describe(first);
        return nawi_json_fault(at, "architectures", error, "expected a string, found %s", found);
    }
    if (!name && !type)
        return nawi_json_fault(at, "architectures", error,
                               "expected the name of a class, found nothing");
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (name ? strcmp(name, classes[i].architecture) != 0
                 : strcmp(type, classes[i].model_type) != 0)
            continue;
        *kind = classes[i].kind;
        if (!type || strcmp(type, classes[i].model_type) == 0)
            return true;
        g_autofree char *quoted = nawi_quote(type, strlen(type));
        return nawi_json_fault(at, "model_type", error, "expected '%s' for %s, found %s",
                               classes[i].model_type, classes[i].architecture, quoted);
    }
    g_autofree char *quoted = nawi_quote(name ? name : type, strlen(name ? name : type));
    return nawi_json_unsupported(
        at, name ? "architectures" : "model_type", error,
        "this program runs Llama4ForConditionalGeneration, Llama4ForCausalLM and "
        "LlamaForCausalLM, not %s",
        quoted);
}

/* text may be the same place as top. */
static bool parse_tie(const struct nawi_json_at *top, const struct nawi_json_at *text,
                      bool *is_tied, GError **error)
{
    bool outer = false;
    bool inner = false;
    if (!nawi_json_get_bool(top, "tie_word_embeddings", &outer, error) ||
        !nawi_json_get_bool(text, "tie_word_embeddings", &inner, error))
        return false;
    bool has_outer = nawi_json_has(top, "tie_word_embeddings");
    bool has_inner = nawi_json_has(text, "tie_word_embeddings");
    if (has_outer && has_inner && outer != inner)
        return nawi_json_fault(text, "tie_word_embeddings", error,
                               "%s contradicts the %s beside text_config", inner ? "true" : "false",
                               outer ? "true" : "false");
    *is_tied = has_inner ? inner : outer;
    return true;
}

/* "bos_token_id" and its kin. The end may be a number or a list; all of it goes to
 * eos_token_ids, the first to eos_token_id, which the tokenizer's own name for it may replace
 * later. */
static bool parse_ends(const struct nawi_json_at *at, struct nawi_meta *meta, GError **error)
{
    int64_t id = -1;
    if (!nawi_json_get_int(at, "bos_token_id", 0, VOCAB_MOST - 1, &id, error))
        return false;
    if (id >= 0)
        meta_set_int(meta, "tokenizer.ggml.bos_token_id", id);
    const json_t *value = json_object_get(at->object, "eos_token_id");
    if (!value || json_is_null(value))
        return true;
    bool is_list = json_is_array(value);
    size_t n = is_list ? json_array_size(value) : 1;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = is_list ? json_array_get(value, i) : value;
        id = json_integer_value(entry);
        if (!json_is_integer(entry) || id < 0 || id >= VOCAB_MOST || n > 256) {
            g_autofree char *found = nawi_json_describe(n > 256 ? value : entry);
            return nawi_json_fault(at, "eos_token_id", error,
                                   "expected at most 256 ids 0..%d, found %s", VOCAB_MOST - 1,
                                   found);
        }
        g_array_append_val(ids, id);
    }
    if (ids->len == 0)
        return true;
    meta_set_int(meta, "tokenizer.ggml.eos_token_id", g_array_index(ids, int64_t, 0));
    set_ints(meta, "tokenizer.ggml.eos_token_ids", g_steal_pointer(&ids));
    return true;
}

static bool parse_special(const struct nawi_json_at *at, struct nawi_meta *meta, GError **error)
{
    int64_t id = -1;
    if (!parse_ends(at, meta, error) ||
        !nawi_json_get_int(at, "pad_token_id", -1, VOCAB_MOST - 1, &id, error))
        return false;
    if (id >= 0)
        meta_set_int(meta, "tokenizer.ggml.padding_token_id", id);
    return true;
}

bool config_parse(const char *file, const json_t *root, struct nawi_meta *meta,
                  struct config_facts *facts, GError **error)
{
    *facts = (struct config_facts){0};
    struct nawi_json_at top, text, vision = {0};
    enum class kind = CLASS_LLAMA;
    int64_t width = 0;
    if (!nawi_json_root(file, root, &top, error) || !parse_class(&top, &kind, error) ||
        !parse_quantisation(&top, facts, error))
        return false;
    facts->arch = kind == CLASS_LLAMA ? "llama" : "llama4";
    text = top;
    if (kind == CLASS_CONDITIONAL) {
        if (!nawi_json_get_object(&top, "text_config", &text, error) ||
            !nawi_json_get_object(&top, "vision_config", &vision, error))
            return false;
        if (!text.object)
            return nawi_json_fault(&top, "text_config", error, "expected an object, found nothing");
    }
    meta_set_string(meta, "general.architecture", facts->arch, strlen(facts->arch));
    meta_set_string(meta, "general.type", "model", 5);
    if (!parse_tie(&top, &text, &facts->is_tied, error) || !parse_special(&text, meta, error))
        return false;
    bool ok = kind == CLASS_LLAMA ? parse_llama(&text, meta, facts, error)
                                  : parse_llama4(&text, meta, facts, &width, error);
    if (ok && vision.object)
        ok = config_parse_vision(&vision, width, meta, facts, error);
    return ok;
}

bool config_parse_generation(const char *file, const json_t *root, struct nawi_meta *meta,
                             GError **error)
{
    struct nawi_json_at at;
    return nawi_json_root(file, root, &at, error) && parse_ends(&at, meta, error);
}
