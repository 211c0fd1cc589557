/* The table of names. A Hugging Face name is: a prefix that some classes have
 * ("language_model."), a place ("model.layers.3."), and the name inside it, which is looked up
 * in the table of its family.
 *
 * Source: modules of Llama4ForConditionalGeneration, Llama4ForCausalLM, LlamaForCausalLM; names
 * of the GGUF converters. */
#include "engine/file/hf-names.h"

#include <string.h>

struct row {
    const char *hf, *gguf;
};

static const struct row outer_rows[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
};

/* Inside a layer, both families. */
static const struct row layer_rows[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
};

static const struct row llama_rows[] = {
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
};

static const struct row llama4_rows[] = {
    {"feed_forward.down_proj.weight", "ffn_down.weight"},
    {"feed_forward.gate_proj.weight", "ffn_gate.weight"},
    {"feed_forward.router.weight", "ffn_gate_inp.weight"},
    {"feed_forward.shared_expert.down_proj.weight", "ffn_down_shexp.weight"},
    {"feed_forward.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"feed_forward.shared_expert.up_proj.weight", "ffn_up_shexp.weight"},
    {"feed_forward.up_proj.weight", "ffn_up.weight"},
};

/* Behind "feed_forward.experts.N.". */
static const struct row part_rows[] = {
    {"down_proj.weight", "ffn_down_exps.weight"},
    {"gate_proj.weight", "ffn_gate_exps.weight"},
    {"up_proj.weight", "ffn_up_exps.weight"},
};

static const struct row tower_rows[] = {
    {"multi_modal_projector.linear_1.weight", "mm.model.fc.weight"},
    {"vision_model.class_embedding", "v.class_embd"},
    {"vision_model.class_embedding.weight", "v.class_embd"},
    {"vision_model.layernorm_post.bias", "v.post_ln.bias"},
    {"vision_model.layernorm_post.weight", "v.post_ln.weight"},
    {"vision_model.layernorm_pre.bias", "v.pre_ln.bias"},
    {"vision_model.layernorm_pre.weight", "v.pre_ln.weight"},
    {"vision_model.patch_embedding.linear.weight", "v.patch_embd.weight"},
    {"vision_model.positional_embedding_vlm", "v.position_embd.weight"},
    {"vision_model.positional_embedding_vlm.weight", "v.position_embd.weight"},
    {"vision_model.vision_adapter.mlp.fc1.weight", "mm.model.mlp.1.weight"},
    {"vision_model.vision_adapter.mlp.fc2.weight", "mm.model.mlp.2.weight"},
};

static const struct row tower_layer_rows[] = {
    {"input_layernorm.bias", "ln1.bias"},
    {"input_layernorm.weight", "ln1.weight"},
    {"mlp.fc1.bias", "ffn_up.bias"},
    {"mlp.fc1.weight", "ffn_up.weight"},
    {"mlp.fc2.bias", "ffn_down.bias"},
    {"mlp.fc2.weight", "ffn_down.weight"},
    {"post_attention_layernorm.bias", "ln2.bias"},
    {"post_attention_layernorm.weight", "ln2.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.o_proj.bias", "attn_out.bias"},
    {"self_attn.o_proj.weight", "attn_out.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
};

#define FIND(rows, name) find_row(rows, G_N_ELEMENTS(rows), name)

static const char *find_row(const struct row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].hf, name) == 0)
            return rows[i].gguf;
    return NULL;
}

/* "12." in front of the rest: the number, as people write it, below limit. NULL when it is not
 * so. */
static const char *skip_number(const char *text, int64_t limit, int64_t *number)
{
    int64_t n = 0;
    const char *at = text;
    if (*at == '0' && at[1] != '.')
        return NULL;
    for (; g_ascii_isdigit(*at); at++) {
        n = n * 10 + (*at - '0');
        if (n >= limit)
            return NULL;
    }
    *number = n;
    return at > text && *at == '.' ? at + 1 : NULL;
}

static void set_plain(struct hf_place *place, const char *name)
{
    place->role = HF_PLAIN;
    g_strlcpy(place->name, name, sizeof(place->name));
}

static void set_layered(struct hf_place *place, enum hf_role role, const char *prefix,
                        int64_t layer, const char *name)
{
    place->role = role;
    g_snprintf(place->name, sizeof(place->name), "%sblk.%" G_GINT64_FORMAT ".%s", prefix, layer,
               name);
}

/* The experts of a layer, together or one by one. rest stands behind "feed_forward.experts.". */
static void place_experts(const char *rest, int64_t layer, struct hf_place *place)
{
    if (strcmp(rest, "gate_up_proj") == 0 || strcmp(rest, "gate_up_proj.weight") == 0) {
        set_layered(place, HF_GATE_UP, "", layer, "ffn_gate_exps.weight");
        g_snprintf(place->up_name, sizeof(place->up_name),
                   "blk.%" G_GINT64_FORMAT ".ffn_up_exps.weight", layer);
    } else if (strcmp(rest, "down_proj") == 0 || strcmp(rest, "down_proj.weight") == 0) {
        set_layered(place, HF_DOWN, "", layer, "ffn_down_exps.weight");
    } else {
        const char *inner = skip_number(rest, G_MAXINT32, &place->expert);
        const char *name = inner ? FIND(part_rows, inner) : NULL;
        if (name)
            set_layered(place, HF_PART, "", layer, name);
    }
}

static void place_layer(const struct config_facts *facts, const char *rest, int64_t layer,
                        struct hf_place *place)
{
    bool is_llama4 = strcmp(facts->arch, "llama4") == 0;
    const char *experts = "feed_forward.experts.";
    if (is_llama4 && g_str_has_prefix(rest, experts)) {
        place_experts(rest + strlen(experts), layer, place);
        return;
    }
    const char *name = FIND(layer_rows, rest);
    if (!name)
        name = is_llama4 ? FIND(llama4_rows, rest) : FIND(llama_rows, rest);
    if (name)
        set_layered(place, HF_PLAIN, "", layer, name);
}

static void place_tower(const struct config_facts *facts, const char *name, struct hf_place *place)
{
    const char *layers = "vision_model.model.layers.";
    if (g_str_has_prefix(name, layers)) {
        int64_t layer;
        const char *rest = skip_number(name + strlen(layers), facts->n_vision_layer, &layer);
        const char *inner = rest ? FIND(tower_layer_rows, rest) : NULL;
        if (inner)
            set_layered(place, HF_PLAIN, "v.", layer, inner);
        return;
    }
    const char *known = FIND(tower_rows, name);
    if (known)
        set_plain(place, known);
}

static void place_weight(const struct config_facts *facts, const char *name, struct hf_place *place)
{
    const char *layers = "model.layers.";
    const char *prefix = "language_model.";
    if (strcmp(facts->arch, "llama4") == 0) {
        if (facts->has_vision)
            place_tower(facts, name, place);
        if (place->role != HF_UNKNOWN)
            return;
        if (g_str_has_prefix(name, prefix))
            name += strlen(prefix);
    }
    if (strcmp(name, "lm_head.weight") == 0) {
        set_plain(place, "output.weight");
        place->role = HF_HEAD;
        return;
    }
    if (g_str_has_prefix(name, layers)) {
        int64_t layer;
        const char *rest = skip_number(name + strlen(layers), facts->n_layer, &layer);
        if (rest)
            place_layer(facts, rest, layer, place);
        return;
    }
    const char *known = FIND(outer_rows, name);
    if (known)
        set_plain(place, known);
}

/* The name of the weight whose scale this could be; NULL: no ending of a scale. Freed by the
 * caller. */
static char *strip_scale(const char *name)
{
    if (!g_str_has_suffix(name, "_scale"))
        return NULL;
    return g_strndup(name, strlen(name) - strlen("_scale"));
}

void hf_place_name(const struct config_facts *facts, const char *name, struct hf_place *place)
{
    *place = (struct hf_place){.role = HF_UNKNOWN};
    place_weight(facts, name, place);
    if (place->role != HF_UNKNOWN)
        return;
    g_autofree char *base = strip_scale(name);
    if (!base)
        return;
    place_weight(facts, base, place);
    *place = (struct hf_place){.role = place->role != HF_UNKNOWN ? HF_SCALE : HF_UNKNOWN};
}

char *hf_scale_name(const char *weight_name) { return g_strconcat(weight_name, "_scale", NULL); }
