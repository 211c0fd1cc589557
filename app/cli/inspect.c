/* nawi inspect: what a model file is, what is in it, and whether Nawi can run it.
 *
 * The listing needs a sound container alone, so that it also serves for files that cannot be
 * run; then the model is opened as any command would open it, which is the check. Nothing of the
 * weights is read but what that opens. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"
#include "engine/file/npy.h"
#include "engine/file/weights.h"

#include <string.h>

enum model_kind { KIND_MODEL, KIND_TOWER, KIND_VOCABULARY };

static const char *const kind_names[] = {"model", "vision tower", "vocabulary"};

struct inspection {
    const struct options *options;
    struct terminal *terminal;
    struct work_model found;
    struct nawi_weights *weights;
    enum model_kind kind;
    struct nawi_model *model;         /* NULL: it is none, or cannot be run */
    struct nawi_tokenizer *tokenizer; /* of a vocabulary alone */
    GError *fault;                    /* why it cannot be run */
};

static int64_t count_values(const struct nawi_weight *weight)
{
    int64_t n = 1;
    for (int i = 0; i < weight->n_dim; i++)
        n *= weight->ne[i];
    return n;
}

static int64_t count_bytes(const struct nawi_weight *weight)
{
    int64_t n_row = 1;
    for (int i = 0; i < weight->n_dim - 1; i++)
        n_row *= weight->ne[i];
    return n_row * nawi_dtype_row_bytes(weight->dtype, weight->ne[weight->n_dim - 1]);
}

/* A name or text of a file on one line: as it is where harmless, else quoted. */
static char *harmless(const char *text) { return terminal_name(text); }

/* ── One tensor ──────────────────────────────────────────────────────────────────────────────── */

/* Part of weight: n of its outermost dimension from first on. n and first are multiples of the
 * block in a vector. */
static struct nawi_weight slice(const struct nawi_weight *weight, int64_t first, int64_t n,
                                struct nawi_weight *scale)
{
    struct nawi_weight part = *weight;
    int64_t step =
        weight->n_dim == 1 ? first / nawi_dtype_get_info(weight->dtype)->block_len : first;
    part.ne[0] = n;
    if (weight->parts)
        part.parts = weight->parts + first;
    else
        part.data = (const char *)weight->data + step * weight->stride_bytes[0];
    if (weight->scale) {
        *scale = *weight->scale;
        scale->ne[0] = n;
        scale->data = (const char *)scale->data + first * scale->stride_bytes[0];
        part.scale = scale;
    }
    return part;
}

/* Dequantises in pieces of the outermost dimension, so that a large tensor needs no memory of
 * its size. */
static bool write_values(const struct inspection *inspection, const struct nawi_weight *weight,
                         struct nawi_npy_writer *writer, GError **error)
{
    int64_t inner = weight->n_dim > 1 ? count_values(weight) / MAX(weight->ne[0], 1) : 1;
    int64_t step = MAX(((int64_t)4 << 20) / MAX(inner, 1), 1);
    if (weight->n_dim == 1)
        step = (int64_t)4 << 20; /* a multiple of every block */
    step = MIN(step, weight->ne[0]);
    float *values = g_try_malloc_n((gsize)step, (gsize)inner * sizeof(float));
    if (!values) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "%s: no memory for %" G_GINT64_FORMAT " values of the tensor at once",
                    weight->name, step * inner);
        return false;
    }
    bool sound = true;
    for (int64_t first = 0; sound && first < weight->ne[0]; first += step) {
        struct nawi_weight scale;
        int64_t n = MIN(step, weight->ne[0] - first);
        struct nawi_weight part = slice(weight, first, n, &scale);
        weights_dequant(&part, values);
        sound = !nawi_cancel_check(inspection->terminal->cancel, error) &&
                nawi_npy_append(writer, values, n * inner, error);
    }
    g_free(values);
    return sound;
}

static bool take_tensor(const struct inspection *inspection, GError **error)
{
    const char *name = inspection->options->tensor;
    const struct nawi_weight *weight = weights_find(inspection->weights, name);
    if (!weight) {
        guint n = weights_count(inspection->weights);
        const char **names = g_new(const char *, MAX(n, 1));
        for (guint i = 0; i < n; i++)
            names[i] = weights_get(inspection->weights, i)->name;
        const char *near = options_nearest(name, names, n);
        char *shown = nawi_quote(name, strlen(name));
        char *hint = near ? nawi_quote(near, strlen(near)) : NULL;
        char *path = terminal_name(inspection->found.params.path);
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "%s: no tensor %s%s%s%s", path, shown,
                    hint ? "; did you mean " : "", hint ? hint : "", hint ? "?" : "");
        g_free(path);
        g_free(hint);
        g_free(shown);
        g_free(names);
        return false;
    }
    struct nawi_npy_writer *writer =
        nawi_npy_begin(inspection->options->out, NAWI_NPY_F32, weight->n_dim, weight->ne, error);
    if (!writer)
        return false;
    bool sound = write_values(inspection, weight, writer, error);
    return nawi_npy_end(writer, sound ? error : NULL) && sound;
}

/* ── The listing ─────────────────────────────────────────────────────────────────────────────── */

static char *shape_text(const struct nawi_weight *weight)
{
    GString *text = g_string_new("[");
    for (int i = 0; i < weight->n_dim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", weight->ne[i]);
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

static void list_tensors(const struct inspection *inspection, GString *out)
{
    guint n = weights_count(inspection->weights);
    g_string_append_printf(out, "\ntensors: %u (shapes outermost first)\n", n);
    for (guint i = 0; i < n; i++) {
        const struct nawi_weight *weight = weights_get(inspection->weights, i);
        char *name = harmless(weight->name);
        char *shape = shape_text(weight);
        g_string_append_printf(out, "  %-36s %-8s %-24s %14" G_GINT64_FORMAT "\n", name,
                               nawi_dtype_get_info(weight->dtype)->name, shape,
                               count_bytes(weight));
        g_free(shape);
        g_free(name);
    }
}

static void list_meta(const struct inspection *inspection, GString *out)
{
    const struct nawi_meta *meta = weights_get_meta(inspection->weights);
    guint n = meta_count(meta);
    g_string_append_printf(out, "\nmetadata: %u keys\n", n);
    for (guint i = 0; i < n; i++) {
        char *value = NULL;
        char *key = harmless(meta_get_key(meta, i, &value));
        g_string_append_printf(out, "  %-44s %s\n", key, value);
        g_free(key);
        g_free(value);
    }
}

static void list_number(GString *out, const char *what, int64_t n)
{
    if (n > 0)
        g_string_append_printf(out, "  %-18s%" G_GINT64_FORMAT "\n", what, n);
}

static void list_model(const struct inspection *inspection, GString *out)
{
    const struct nawi_model_info *info = nawi_model_get_info(inspection->model);
    if (info->name)
        g_string_append_printf(out, "name      %s\n", info->name);
    if (info->description)
        g_string_append_printf(out, "says      %s\n", info->description);
    if (info->licence_notice)
        g_string_append_printf(out, "licence   %s\n", info->licence_notice);
    if (info->mmproj_path) {
        char *path = harmless(info->mmproj_path);
        g_string_append_printf(out, "tower     %s\n", path);
        g_free(path);
    }
    g_string_append_printf(
        out, "weights   %" G_GINT64_FORMAT " bytes, %" G_GINT64_FORMAT " numbers (%s)\n\nnumbers\n",
        info->weight_bytes, info->n_param, info->dtypes);
    list_number(out, "layers", info->n_layer);
    list_number(out, "with experts", info->n_moe_layer);
    list_number(out, "width", info->n_embd);
    list_number(out, "heads", info->n_head);
    list_number(out, "key/value heads", info->n_kv_head);
    list_number(out, "experts", info->n_expert);
    list_number(out, "used a token", info->n_expert_used);
    list_number(out, "vocabulary", info->n_vocab);
    list_number(out, "context", info->context_tok);
    list_number(out, "chunk", info->chunk_tok);
    const struct nawi_media_spec *spec = nawi_model_get_media_spec(inspection->model);
    if (spec)
        g_string_append_printf(out, "  %-18stiles of %d px, at most %d, %d tokens each\n",
                               "pictures", spec->tile_px, spec->max_tiles,
                               nawi_media_tile_tokens(spec));
}

static void list_checks(const struct inspection *inspection, GString *out)
{
    g_string_append_printf(out, "\nchecks\n  container sound: every tensor lies inside its file\n");
    if (inspection->fault) {
        g_string_append_printf(out, "  cannot be run: %s\n", inspection->fault->message);
        return;
    }
    if (inspection->kind == KIND_VOCABULARY) {
        g_string_append_printf(out, "  vocabulary sound: %d tokens\n",
                               nawi_tokenizer_get_size(inspection->tokenizer));
        return;
    }
    g_string_append(out, "  can be run: numbers, shapes and types fit together\n");
    const struct nawi_model_info *info = nawi_model_get_info(inspection->model);
    for (size_t i = 0; info->warnings && info->warnings[i]; i++)
        g_string_append_printf(out, "  warning: %s\n", info->warnings[i]);
    if (inspection->kind == KIND_MODEL && !info->has_vision)
        g_string_append(out, "  cannot see pictures: no vision tower in it or beside it\n");
}

static char *get_arch(const struct inspection *inspection)
{
    const char *arch = NULL;
    if (!meta_get_string(weights_get_meta(inspection->weights), "general.architecture", &arch,
                         NULL) ||
        !arch)
        return g_strdup("not said");
    return harmless(arch);
}

static void print_text(const struct inspection *inspection)
{
    GString *out = g_string_new(NULL);
    char *path = harmless(inspection->found.params.path);
    char *arch = get_arch(inspection);
    g_string_append_printf(out, "file      %s\nformat    %s\nkind      %s, architecture %s\n", path,
                           weights_get_format(inspection->weights), kind_names[inspection->kind],
                           arch);
    g_free(arch);
    g_free(path);
    if (inspection->model)
        list_model(inspection, out);
    list_checks(inspection, out);
    list_tensors(inspection, out);
    list_meta(inspection, out);
    terminal_write(inspection->terminal, out->str, out->len);
    g_string_free(out, TRUE);
}

static json_t *numbers_to_json(const struct nawi_model_info *info)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "parameters",
                     (json_int_t)info->n_param, "weight_bytes", (json_int_t)info->weight_bytes,
                     "layers", (json_int_t)info->n_layer, "moe_layers",
                     (json_int_t)info->n_moe_layer, "width", (json_int_t)info->n_embd, "heads",
                     (json_int_t)info->n_head, "kv_heads", (json_int_t)info->n_kv_head, "experts",
                     (json_int_t)info->n_expert, "experts_used", (json_int_t)info->n_expert_used,
                     "vocabulary", (json_int_t)info->n_vocab, "context",
                     (json_int_t)info->context_tok, "chunk", (json_int_t)info->chunk_tok);
}

static json_t *tensors_to_json(const struct nawi_weights *weights)
{
    json_t *tensors = json_array();
    for (guint i = 0; i < weights_count(weights); i++) {
        const struct nawi_weight *weight = weights_get(weights, i);
        json_t *shape = json_array();
        for (int k = 0; k < weight->n_dim; k++)
            json_array_append_new(shape, json_integer(weight->ne[k]));
        json_t *object = json_object();
        json_object_set_new(object, "name", job_json_string(weight->name));
        json_object_set_new(object, "dtype", json_string(nawi_dtype_get_info(weight->dtype)->name));
        json_object_set_new(object, "shape", shape);
        json_object_set_new(object, "bytes", json_integer(count_bytes(weight)));
        json_array_append_new(tensors, object);
    }
    return tensors;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text ? job_json_string(text) : json_null());
}

static void print_json(const struct inspection *inspection)
{
    json_t *object = json_object();
    json_t *warnings = json_array();
    char *arch = get_arch(inspection);
    set_text(object, "file", inspection->found.params.path);
    set_text(object, "format", weights_get_format(inspection->weights));
    set_text(object, "kind", kind_names[inspection->kind]);
    set_text(object, "arch", arch);
    g_free(arch);
    if (inspection->model) {
        const struct nawi_model_info *info = nawi_model_get_info(inspection->model);
        set_text(object, "name", info->name);
        set_text(object, "description", info->description);
        set_text(object, "licence_notice", info->licence_notice);
        set_text(object, "mmproj", info->mmproj_path);
        set_text(object, "dtypes", info->dtypes);
        json_object_set_new(object, "sees", json_boolean(info->has_vision));
        json_object_set_new(object, "numbers", numbers_to_json(info));
        for (size_t i = 0; info->warnings && info->warnings[i]; i++)
            json_array_append_new(warnings, job_json_string(info->warnings[i]));
    }
    json_object_set_new(object, "warnings", warnings);
    json_object_set_new(object, "runs", json_boolean(inspection->model != NULL));
    set_text(object, "fault", inspection->fault ? inspection->fault->message : NULL);
    json_object_set_new(object, "tensors", tensors_to_json(inspection->weights));
    const struct nawi_meta *meta = weights_get_meta(inspection->weights);
    json_t *keys = json_object();
    for (guint i = 0; i < meta_count(meta); i++) {
        char *value = NULL;
        char *key = g_utf8_make_valid(meta_get_key(meta, i, &value), -1);
        json_object_set_new(keys, key, job_json_string(value));
        g_free(key);
        g_free(value);
    }
    json_object_set_new(object, "metadata", keys);
    terminal_write_json(inspection->terminal, object);
    json_decref(object);
}

/* ── The command ─────────────────────────────────────────────────────────────────────────────── */

/* Tells the kind, and opens it as such; a failure of that goes to inspection->fault. */
static void check(struct inspection *inspection)
{
    const struct nawi_model_params *params = &inspection->found.params;
    const struct nawi_meta *meta = weights_get_meta(inspection->weights);
    const char *arch = NULL;
    if (!meta_get_string(meta, "general.architecture", &arch, NULL))
        arch = NULL;
    if (arch && strcmp(arch, "clip") == 0) {
        inspection->kind = KIND_TOWER;
        inspection->model = nawi_model_open_tower(params, &inspection->fault);
    } else if (weights_count(inspection->weights) == 0 && meta_has(meta, "tokenizer.ggml.tokens")) {
        struct nawi_media_spec spec;
        inspection->kind = KIND_VOCABULARY;
        inspection->tokenizer =
            nawi_tokenizer_open(params->path, NULL, NULL, &spec, &inspection->fault);
    } else {
        inspection->kind = KIND_MODEL;
        inspection->model =
            nawi_model_open(params, inspection->terminal->cancel, &inspection->fault);
    }
}

static int inspect(struct inspection *inspection)
{
    GError *error = NULL;
    inspection->weights = weights_open(inspection->found.params.path, &error);
    if (!inspection->weights)
        return terminal_fail(inspection->terminal, error);
    if (inspection->options->tensor)
        return take_tensor(inspection, &error) ? EXIT_DONE
                                               : terminal_fail(inspection->terminal, error);
    check(inspection);
    if (inspection->options->json)
        print_json(inspection);
    else
        print_text(inspection);
    int code = terminal_finish(inspection->terminal);
    if (inspection->fault)
        return terminal_fail(inspection->terminal, g_steal_pointer(&inspection->fault));
    return code;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct inspection inspection = {.options = options, .terminal = terminal};
    GError *error = NULL;
    if (!options->tensor != !options->out) {
        terminal_say(terminal, "inspect: --tensor and --out go together");
        return EXIT_USAGE;
    }
    if (!work_find_model(options, g_ptr_array_index(options->arguments, 0), &inspection.found,
                         &error))
        return terminal_fail(terminal, error);
    int code = inspect(&inspection);
    nawi_model_close(inspection.model);
    nawi_tokenizer_destroy(inspection.tokenizer);
    weights_close(inspection.weights);
    work_model_finish(&inspection.found);
    return code;
}

const struct command command_inspect = {
    .name = "inspect",
    .arguments = "[MODEL]",
    .summary = "Tell what a model file is and holds, and whether it can be run.",
    .examples = "  nawi inspect scout.gguf\n"
                "  nawi inspect --json mmproj-scout.gguf\n"
                "  nawi inspect scout.gguf --tensor output_norm.weight --out norm.npy\n",
    .details =
        "MODEL is a .gguf file, a Hugging Face folder or a vision tower. A file that is whole "
        "but cannot be run is listed, and the program ends with 1. --tensor needs a whole "
        "file only.",
    .groups = OPTIONS_MODEL | OPTIONS_INSPECT | OPTIONS_JSON,
    .least = 0,
    .most = 1,
    .run = run,
};
