/* Opening a model: files → numbers → graphs → places. Nothing is read twice and nothing is copied
 * that can be used in the mapped file. */
#include "engine/model.h"

#include "engine/cpu/cpu.h"

#include <sched.h>
#include <string.h>

enum { DEFAULT_BATCH = 512, MAX_BATCH = 4096, MAX_THREADS = 512 };

static const char *keep(struct nawi_model *model, char *text)
{
    g_ptr_array_add(model->strings, text);
    return text;
}

static int count_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return MAX(CPU_COUNT(&set), 1);
}

static bool open_backend(struct nawi_model *model, const struct nawi_model_params *params,
                         GError **error)
{
    enum kernel_tier tier = KERNEL_TIER_COUNT - 1;
    int n_threads =
        params->n_threads > 0 ? params->n_threads : MIN(count_processors(), MAX_THREADS);
    if (n_threads > MAX_THREADS || params->n_batch < 0 || params->n_batch > MAX_BATCH) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "threads: expected 1..%d, found %d; batch: expected 1..%d, found %d",
                    MAX_THREADS, n_threads, MAX_BATCH, params->n_batch);
        return false;
    }
    if (params->cpu_tier && !kernels_tier_from_name(params->cpu_tier, &tier)) {
        char *quoted = nawi_quote(params->cpu_tier, strlen(params->cpu_tier));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "CPU tier: expected ref or avx2, found %s",
                    quoted);
        g_free(quoted);
        return false;
    }
    model->backends[0] = cpu_open(tier, n_threads);
    model->n_backend = 1;
    model->info.n_threads = n_threads;
    model->info.n_batch = params->n_batch;
    if (params->n_batch == 0) { /* a batch above the chunk would make the local ring longer */
        int64_t chunk = model->config.chunk_tok;
        model->info.n_batch =
            chunk > 0 ? (int)CLAMP(chunk, KV_PAGE_TOK, DEFAULT_BATCH) : DEFAULT_BATCH;
    }
    model->info.cpu_tier = kernels_get(tier)->name;
    return true;
}

static bool apply_overrides(struct nawi_weights *weights, const char *const *overrides, bool tower,
                            GError **error)
{
    for (int i = 0; overrides && overrides[i]; i++)
        if (g_str_has_prefix(overrides[i], "clip.") == tower &&
            !meta_set_text(weights_get_meta(weights), overrides[i], error))
            return false;
    return true;
}

/* An override that nothing has looked at is a slip of the pen. */
static bool check_overrides(const struct nawi_model *model, const char *const *overrides,
                            GError **error)
{
    for (int i = 0; overrides && overrides[i]; i++) {
        const char *end = strchr(overrides[i], '=');
        char *key = g_strndup(overrides[i], (gsize)(end - overrides[i]));
        const struct nawi_weights *weights =
            g_str_has_prefix(key, "clip.") ? model->tower_weights : model->weights;
        bool was_read =
            weights && meta_was_read(weights_get_meta((struct nawi_weights *)weights), key);
        if (!was_read) {
            char *quoted = nawi_quote(key, strlen(key));
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "%s: set to a value, but nothing reads it in %s", quoted, model->info.path);
            g_free(quoted);
        }
        g_free(key);
        if (!was_read)
            return false;
    }
    return true;
}

/* The tower: in a file that was named, in the model's own files, or in an mmproj beside them. */
static bool find_tower(struct nawi_model *model, const struct nawi_model_params *params,
                       GError **error)
{
    if (params->no_vision)
        return true;
    if (!params->mmproj && arch_has_tower(model->weights, &model->tower_family)) {
        model->tower_weights = model->weights;
    } else {
        char *path = params->mmproj ? g_strdup(params->mmproj) : weights_find_mmproj(params->path);
        if (!path) {
            char *why = weights_explain_mmproj(params->path);
            if (why)
                g_ptr_array_add(model->warnings, why);
            return true;
        }
        model->info.mmproj_path = keep(model, path);
        model->tower_weights = weights_open(path, error);
        if (!model->tower_weights)
            return false;
        if (!arch_has_tower(model->tower_weights, &model->tower_family)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: expected a vision tower (clip.vision.* keys), found none", path);
            return false;
        }
    }
    return apply_overrides(model->tower_weights, params->overrides, true, error) &&
           model->tower_family->tower_config(model->tower_weights, &model->tower, error);
}

static bool check_tower_fits(struct nawi_model *model, GError **error)
{
    if (!model->tower_weights)
        return true;
    if (model->tower.n_out != model->config.n_embd) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the tower gives rows of %" G_GINT64_FORMAT
                    " values, the model %s has %" G_GINT64_FORMAT ": they do not belong together",
                    weights_get_path(model->tower_weights), model->tower.n_out, model->info.path,
                    model->config.n_embd);
        return false;
    }
    if (model->tokenizer && model->patch_token < 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the vocabulary has no token <|patch|> for pictures", model->info.path);
        return false;
    }
    return true;
}

static bool open_text(struct nawi_model *model, GError **error)
{
    char *warning = NULL;
    const struct nawi_meta *meta = weights_get_meta(model->weights);
    model->patch_token = -1;
    model->tokenizer = model_create_tokenizer(meta, error);
    if (!model->tokenizer)
        return false;
    model->patch_token = nawi_chat_find_patch_token(model->tokenizer);
    GError *unknown = NULL; /* a base model has no layout: it still evaluates */
    model->chat_format =
        nawi_chat_format_find(model_get_template(meta), model->tokenizer, &warning, &unknown);
    if (warning)
        g_ptr_array_add(model->warnings, warning);
    if (unknown)
        g_ptr_array_add(model->warnings, g_strdup(unknown->message));
    g_clear_error(&unknown);
    return true;
}

/* ── What people are told ────────────────────────────────────────────────────────────────────── */

static const char *safe_string(struct nawi_model *model, const struct nawi_meta *meta,
                               const char *key)
{
    const char *text = NULL;
    if (!meta_get_string(meta, key, &text, NULL) || !text)
        return NULL;
    char *quoted = nawi_quote(text, strlen(text));
    size_t n = strlen(quoted);
    memmove(quoted, quoted + 1, n - 1); /* without the quotes */
    quoted[n - 2] = '\0';
    return keep(model, quoted);
}

static const char *list_dtypes(struct nawi_model *model, const struct nawi_weights *weights)
{
    int counts[NAWI_DTYPE_COUNT] = {0};
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < weights_count(weights); i++)
        counts[weights_get(weights, i)->dtype]++;
    for (int d = 0; d < NAWI_DTYPE_COUNT; d++)
        if (counts[d] > 0)
            g_string_append_printf(text, "%s%s %d", text->len ? ", " : "",
                                   nawi_dtype_get_info((enum nawi_dtype)d)->name, counts[d]);
    return keep(model, g_string_free(text, FALSE));
}

static void count_weights(struct nawi_model *model, const struct nawi_weights *weights)
{
    for (guint i = 0; i < weights_count(weights); i++) {
        const struct nawi_weight *w = weights_get(weights, i);
        model->info.n_param += w->ne[0] * w->ne[1] * w->ne[2] * w->ne[3];
    }
    for (int f = 0; f < weights_count_files(weights); f++) {
        const char *path;
        const void *base;
        uint64_t n_bytes;
        weights_get_file(weights, f, &path, &base, &n_bytes);
        model->info.weight_bytes += (int64_t)n_bytes;
    }
}

static void pass_warnings(struct nawi_model *model, const struct nawi_weights *weights)
{
    for (const char *const *text = weights_get_warnings(weights); text && *text; text++)
        g_ptr_array_add(model->warnings, g_strdup(*text));
}

static void describe_licence(struct nawi_model *model, const struct nawi_meta *meta)
{
    static const char *const keys[] = {"general.license", "general.license.name",
                                       "general.license.link"};
    const struct arch_family *family = model->family ? model->family : model->tower_family;
    for (guint i = 0; i < G_N_ELEMENTS(keys) && family->licence_notice; i++) {
        const char *text = NULL;
        meta_get_string(meta, keys[i], &text, NULL);
        char *lower = text ? g_ascii_strdown(text, -1) : NULL;
        if (lower && strstr(lower, "llama"))
            model->info.licence_notice = family->licence_notice;
        g_free(lower);
    }
}

static void describe(struct nawi_model *model, const struct nawi_weights *weights)
{
    struct nawi_model_info *info = &model->info;
    const struct arch_config *c = &model->config;
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    info->name = safe_string(model, meta, "general.name");
    info->description = safe_string(model, meta, "general.description");
    info->arch = model->family ? model->family->name : "clip";
    info->format = weights_get_format(weights);
    info->dtypes = list_dtypes(model, weights);
    count_weights(model, weights);
    if (model->tower_weights && model->tower_weights != weights)
        count_weights(model, model->tower_weights);
    describe_licence(model, meta);
    info->n_layer = c->n_layer;
    for (int64_t i = 0; i < c->n_layer; i++)
        info->n_moe_layer += c->layers[i].moe;
    info->n_embd = model->family ? c->n_embd : model->tower.n_out;
    info->n_vocab = c->n_vocab;
    info->n_head = c->n_head;
    info->n_kv_head = c->n_kv_head;
    info->n_expert = c->n_expert;
    info->n_expert_used = c->n_expert_used;
    info->chunk_tok = c->chunk_tok;
    info->context_tok = c->context_tok;
    info->has_vision = model->tower_weights != NULL;
    pass_warnings(model, weights);
    if (model->tower_weights && model->tower_weights != weights)
        pass_warnings(model, model->tower_weights);
    g_ptr_array_add(model->warnings, NULL);
    info->warnings = (const char *const *)model->warnings->pdata;
}

/* ── Turns ───────────────────────────────────────────────────────────────────────────────────── */

bool model_enter(struct nawi_model *model, const nawi_cancel *cancel, GError **error)
{
    const gint64 look_us = 20000; /* how often a waiting caller looks at its cancel */
    bool entered = false;
    g_mutex_lock(&model->lock);
    while (model->busy && !nawi_cancel_is_asked(cancel))
        g_cond_wait_until(&model->left, &model->lock, g_get_monotonic_time() + look_us);
    if (!nawi_cancel_check(model->busy ? cancel : NULL, error))
        entered = model->busy = true;
    g_mutex_unlock(&model->lock);
    return entered;
}

void model_leave(struct nawi_model *model)
{
    g_mutex_lock(&model->lock);
    model->busy = false;
    g_cond_signal(&model->left);
    g_mutex_unlock(&model->lock);
}

/* ── The doors ───────────────────────────────────────────────────────────────────────────────── */

static struct nawi_model *create(const char *path)
{
    struct nawi_model *model = g_new0(struct nawi_model, 1);
    model->strings = g_ptr_array_new_with_free_func(g_free);
    model->warnings = g_ptr_array_new_with_free_func(g_free);
    model->info.path = keep(model, g_strdup(path));
    model->patch_token = -1;
    g_mutex_init(&model->lock);
    g_cond_init(&model->left);
    return model;
}

static bool open_all(struct nawi_model *model, const struct nawi_model_params *params,
                     const nawi_cancel *cancel, GError **error)
{
    model->weights = weights_open(params->path, error);
    return model->weights && apply_overrides(model->weights, params->overrides, false, error) &&
           (model->family = arch_find(model->weights, error)) &&
           model->family->config(model->weights, &model->config, error) &&
           open_text(model, error) && find_tower(model, params, error) &&
           check_tower_fits(model, error) && !nawi_cancel_check(cancel, error) &&
           open_backend(model, params, error) && model_open_decoder(model, error) &&
           (!model->tower_weights || model_open_eyes(model, error)) &&
           check_overrides(model, params->overrides, error);
}

struct nawi_model *nawi_model_open(const struct nawi_model_params *params,
                                   const nawi_cancel *cancel, GError **error)
{
    struct nawi_model *model = create(params->path);
    if (!open_all(model, params, cancel, error)) {
        nawi_model_close(model);
        return NULL;
    }
    describe(model, model->weights);
    return model;
}

struct nawi_model *nawi_model_open_tower(const struct nawi_model_params *params, GError **error)
{
    const char *path = params->mmproj ? params->mmproj : params->path;
    struct nawi_model *model = create(path);
    struct nawi_model_params here = *params;
    here.path = here.mmproj = path;
    here.no_vision = false;
    if (!find_tower(model, &here, error) || !open_backend(model, params, error) ||
        !model_open_eyes(model, error)) {
        nawi_model_close(model);
        return NULL;
    }
    describe(model, model->tower_weights);
    return model;
}

void nawi_model_close(struct nawi_model *model)
{
    if (!model)
        return;
    if (model->n_backend > 0) {
        model_part_clear(&model->eyes);
        model_close_decoder(model);
    }
    for (int d = 0; d < model->n_backend; d++)
        model->backends[d]->ops->close(model->backends[d]);
    nawi_tokenizer_destroy(model->tokenizer);
    if (model->tower_weights != model->weights)
        weights_close(model->tower_weights);
    weights_close(model->weights);
    g_ptr_array_unref(model->strings);
    g_ptr_array_unref(model->warnings);
    g_mutex_clear(&model->lock);
    g_cond_clear(&model->left);
    g_free(model);
}

const struct nawi_model_info *nawi_model_get_info(const struct nawi_model *model)
{
    return &model->info;
}
const struct nawi_tokenizer *nawi_model_get_tokenizer(const struct nawi_model *model)
{
    return model->tokenizer;
}

const struct nawi_chat_format *nawi_model_get_chat_format(const struct nawi_model *model)
{
    return model->chat_format;
}

const struct nawi_media_spec *nawi_model_get_media_spec(const struct nawi_model *model)
{
    return model->tower_weights ? &model->tower.spec : NULL;
}
