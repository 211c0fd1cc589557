/* Two tables, of tensor names and of keys. Only names that the usual spelling does not know are
 * touched, so a file in the usual spelling passes unchanged. */
#include "engine/file/ollama.h"

#include <math.h>
#include <string.h>

struct pair {
    const char *theirs, *ours;
};

/* Behind "v.blk.N.", before ".weight" or ".bias". */
static const struct pair block_names[] = {
    {"attn_norm", "ln1"},  {"attn_output", "attn_out"}, {"ffn_norm", "ln2"},
    {"mlp.fc1", "ffn_up"}, {"mlp.fc2", "ffn_down"},
};

/* Whole names, before ".weight" or ".bias". */
static const struct pair tower_names[] = {
    {"v.patch_embedding", "v.patch_embd"},
    {"v.patch_embedding.linear", "v.patch_embd"},
    {"v.layernorm_pre", "v.pre_ln"},
    {"v.layernorm_post", "v.post_ln"},
    {"v.vision_adapter.mlp.fc1", "mm.model.mlp.1"},
    {"v.vision_adapter.mlp.fc2", "mm.model.mlp.2"},
    {"mm.linear_1", "mm.model.fc"},
};

/* Whole names. */
static const struct pair whole_names[] = {
    {"v.class_embedding", "v.class_embd"},
    {"v.class_embedding.weight", "v.class_embd"},
    {"v.positional_embedding_vlm", "v.position_embd.weight"},
    {"v.positional_embedding_vlm.weight", "v.position_embd.weight"},
};

static const struct pair int_keys[] = {
    {"llama4.vision.block_count", "clip.vision.block_count"},
    {"llama4.vision.embedding_length", "clip.vision.embedding_length"},
    {"llama4.vision.feed_forward_length", "clip.vision.feed_forward_length"},
    {"llama4.vision.attention.head_count", "clip.vision.attention.head_count"},
    {"llama4.vision.image_size", "clip.vision.image_size"},
    {"llama4.vision.patch_size", "clip.vision.patch_size"},
    {"llama4.attention.head_dim", "llama4.attention.key_length"},
    {"llama4.attention.head_dim", "llama4.attention.value_length"},
    {"llama4.intermediate_size_moe", "llama4.expert_feed_forward_length"},
};

static const struct pair float_keys[] = {
    {"llama4.vision.layer_norm_epsilon", "clip.vision.attention.layer_norm_epsilon"},
    {"llama4.vision.rope.freq_base", "clip.vision.rope.freq_base"},
};

/* Length of name up to a last ".weight" or ".bias". */
static size_t stem_bytes(const char *name)
{
    const size_t n = strlen(name);
    if (g_str_has_suffix(name, ".weight"))
        return n - strlen(".weight");
    return g_str_has_suffix(name, ".bias") ? n - strlen(".bias") : n;
}

static const char *look_up(const struct pair *pairs, size_t n_pair, const char *text,
                           size_t n_bytes)
{
    for (size_t i = 0; i < n_pair; i++)
        if (strlen(pairs[i].theirs) == n_bytes && memcmp(pairs[i].theirs, text, n_bytes) == 0)
            return pairs[i].ours;
    return NULL;
}

char *ollama_rename(const char *name)
{
    const size_t n_stem = stem_bytes(name);
    const char *ours = look_up(whole_names, G_N_ELEMENTS(whole_names), name, strlen(name));
    if (ours)
        return g_strdup(ours);
    ours = look_up(tower_names, G_N_ELEMENTS(tower_names), name, n_stem);
    if (ours)
        return g_strconcat(ours, name + n_stem, NULL);
    const size_t n_prefix = strlen("v.blk.");
    if (strncmp(name, "v.blk.", n_prefix) != 0)
        return NULL;
    const size_t n_digit = strspn(name + n_prefix, "0123456789");
    const char *rest = name + n_prefix + n_digit;
    if (n_digit == 0 || rest[0] != '.' || rest + 1 >= name + n_stem)
        return NULL;
    rest += 1;
    ours = look_up(block_names, G_N_ELEMENTS(block_names), rest, n_stem - (size_t)(rest - name));
    if (!ours)
        return NULL;
    return g_strdup_printf("%.*s%s%s", (int)(rest - name), name, ours, name + n_stem);
}

/* Copies a whole number. A value of another type is copied as text, so that whoever wants a number
 * refuses it. */
static void copy_int(struct nawi_meta *meta, const char *from, const char *to)
{
    int64_t value = 0;
    if (meta_has(meta, from) && !meta_has(meta, to)) {
        if (meta_get_int(meta, from, INT64_MIN, INT64_MAX, &value, NULL))
            meta_set_int(meta, to, value);
        else
            meta_set_string(meta, to, from, strlen(from));
    }
}

static void copy_float(struct nawi_meta *meta, const char *from, const char *to)
{
    double value = 0;
    if (meta_has(meta, from) && !meta_has(meta, to)) {
        if (meta_get_float(meta, from, -HUGE_VAL, HUGE_VAL, &value, NULL))
            meta_set_float(meta, to, value);
        else
            meta_set_string(meta, to, from, strlen(from));
    }
}

void ollama_translate(struct nawi_meta *meta)
{
    int64_t dense = 0;
    double ratio = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(int_keys); i++)
        copy_int(meta, int_keys[i].theirs, int_keys[i].ours);
    for (size_t i = 0; i < G_N_ELEMENTS(float_keys); i++)
        copy_float(meta, float_keys[i].theirs, float_keys[i].ours);
    /* Their feed_forward_length is that of an expert. */
    if (meta_has(meta, "llama4.intermediate_size") &&
        meta_get_int(meta, "llama4.intermediate_size", 1, INT32_MAX, &dense, NULL))
        meta_set_int(meta, "llama4.feed_forward_length", dense);
    if (!meta_has(meta, "llama4.vision.block_count"))
        return;
    /* The ratio is the inverse of the factor: 0.5 shrinks two to one. */
    if (meta_has(meta, "llama4.vision.pixel_shuffle_ratio") &&
        !meta_has(meta, "clip.vision.projector.scale_factor") &&
        meta_get_float(meta, "llama4.vision.pixel_shuffle_ratio", 1.0 / 64, 1, &ratio, NULL) &&
        ratio > 0 && fabs(1 / ratio - round(1 / ratio)) < 1e-3)
        meta_set_int(meta, "clip.vision.projector.scale_factor", (int64_t)round(1 / ratio));
    copy_int(meta, "llama4.embedding_length", "clip.vision.projection_dim");
    if (!meta_has(meta, "clip.has_vision_encoder"))
        meta_set_bool(meta, "clip.has_vision_encoder", true);
    if (!meta_has(meta, "clip.projector_type"))
        meta_set_string(meta, "clip.projector_type", "llama4", strlen("llama4"));
    if (!meta_has(meta, "clip.use_gelu"))
        meta_set_bool(meta, "clip.use_gelu", true);
}
