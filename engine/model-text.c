/* The tokenizer and the template of a model, from its metadata alone. */
#include "engine/model.h"

#include <string.h>

/* The same values under the tokenizer's own type. */
static struct nawi_token_text *texts_of(const struct meta_array *array)
{
    if (!array || array->n > G_MAXSIZE / sizeof(struct nawi_token_text))
        return NULL;
    struct nawi_token_text *texts = g_try_new(struct nawi_token_text, MAX(array->n, 1));
    for (uint64_t i = 0; texts && i < array->n; i++)
        texts[i] = (struct nawi_token_text){array->strings[i].text, array->strings[i].n_bytes};
    return texts;
}

static bool read_ids(const struct nawi_meta *meta, struct nawi_tokenizer_params *p, GError **error)
{
    return meta_get_int(meta, "tokenizer.ggml.bos_token_id", 0, INT32_MAX, &p->bos_id, error) &&
           meta_get_int(meta, "tokenizer.ggml.eos_token_id", 0, INT32_MAX, &p->eos_id, error) &&
           meta_get_int(meta, "tokenizer.ggml.eot_token_id", 0, INT32_MAX, &p->eot_id, error) &&
           meta_get_int(meta, "tokenizer.ggml.eom_token_id", 0, INT32_MAX, &p->eom_id, error) &&
           meta_get_int(meta, "tokenizer.ggml.unknown_token_id", 0, INT32_MAX, &p->unknown_id,
                        error) &&
           meta_get_bool(meta, "tokenizer.ggml.add_bos_token", &p->add_bos, error) &&
           meta_get_bool(meta, "tokenizer.ggml.add_space_prefix", &p->add_space_prefix, error);
}

struct nawi_tokenizer *model_create_tokenizer(const struct nawi_meta *meta, GError **error)
{
    struct nawi_tokenizer_params p = nawi_tokenizer_defaults();
    const struct meta_array *tokens = NULL, *types = NULL, *merges = NULL, *scores = NULL;
    p.source = meta_get_source(meta);
    if (!meta_get_string(meta, "tokenizer.ggml.model", &p.model, error) ||
        !meta_get_string(meta, "tokenizer.ggml.pre", &p.pre, error) ||
        !meta_get_array(meta, "tokenizer.ggml.tokens", META_STRING, &tokens, error) ||
        !meta_get_array(meta, "tokenizer.ggml.merges", META_STRING, &merges, error) ||
        !meta_get_array(meta, "tokenizer.ggml.token_type", META_INT, &types, error) ||
        !meta_get_array(meta, "tokenizer.ggml.scores", META_FLOAT, &scores, error) ||
        !read_ids(meta, &p, error))
        return NULL;
    if (!tokens || !p.model) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: no vocabulary: %s is missing",
                    p.source, tokens ? "tokenizer.ggml.model" : "tokenizer.ggml.tokens");
        return NULL;
    }
    struct nawi_token_text *token_texts = texts_of(tokens);
    struct nawi_token_text *merge_texts = texts_of(merges);
    p.tokens = token_texts;
    p.n_token = token_texts ? tokens->n : 0;
    p.merges = merge_texts;
    p.n_merge = merge_texts ? merges->n : 0;
    p.types = types ? types->ints : NULL;
    p.n_type = types ? types->n : 0;
    p.scores = scores ? scores->floats : NULL;
    p.n_score = scores ? scores->n : 0;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&p, error);
    g_free(token_texts);
    g_free(merge_texts);
    return tokenizer;
}

const char *model_get_template(const struct nawi_meta *meta)
{
    const char *text = NULL;
    meta_get_string(meta, "tokenizer.chat_template", &text, NULL);
    return text;
}

struct nawi_tokenizer *nawi_tokenizer_open(const char *path, const char *mmproj,
                                           const struct nawi_chat_format **format,
                                           struct nawi_media_spec *media_spec, GError **error)
{
    const struct arch_family *family = NULL;
    struct arch_tower tower;
    struct nawi_weights *weights = weights_open(path, error);
    struct nawi_weights *eyes = weights && mmproj ? weights_open(mmproj, error) : NULL;
    struct nawi_tokenizer *tokenizer = NULL;
    if (weights && (eyes || !mmproj))
        tokenizer = model_create_tokenizer(weights_get_meta(weights), error);
    if (tokenizer && format)
        *format = nawi_chat_format_find(model_get_template(weights_get_meta(weights)), tokenizer,
                                        NULL, NULL);
    if (tokenizer && media_spec) {
        const struct nawi_weights *source = eyes ? eyes : weights;
        *media_spec =
            (struct nawi_media_spec){336, 14, 2, 16, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
        if (arch_has_tower(source, &family) && !family->tower_config(source, &tower, error))
            g_clear_pointer(&tokenizer, nawi_tokenizer_destroy);
        else if (family)
            *media_spec = tower.spec;
    }
    weights_close(eyes);
    weights_close(weights);
    return tokenizer;
}
