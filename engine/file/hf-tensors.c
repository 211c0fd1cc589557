/* The tensors of the files under GGUF names, with the strides that their layout asks for.
 * Nothing is turned round or copied, but for the scales of 8-bit weights that do not lie as one
 * float a row: those are a few thousand floats.
 *
 * Layouts that differ from GGUF's [rows out, columns in]:
 *   experts.gate_up_proj     [n_expert, in, 2 out]   gate is the left half of the columns, up the
 *                                                    right half
 *   experts.down_proj        [n_expert, in, out]
 *   experts.N.x_proj.weight  [out, in], one tensor an expert
 * Scales of 8-bit floats, one an output row: gate_up_proj_scale [n_expert, 1, 2 out],
 * down_proj_scale [n_expert, out, 1], x.weight_scale [out, 1], [out], or a single value. */
#include "engine/file/hf-tensors.h"

#include "engine/file/hf-names.h"

#include <string.h>

/* A tensor of a file under the name it has there. */
struct found {
    int file;
    const struct safetensors_tensor *tensor;
};

static bool G_GNUC_PRINTF(4, 5) fault(const struct hf_tensors *hf, const struct found *f,
                                      GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *sentence = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *quoted = nawi_quote(f->tensor->name, strlen(f->tensor->name));
    const struct mapping *map = &g_array_index(hf->weights->files, struct mapping, f->file);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: tensor %s: %s", map->path, quoted,
                sentence);
    return false;
}

static bool find_tensor(const struct hf_tensors *hf, const char *name, struct found *f)
{
    for (guint i = 0; i < hf->sources->len; i++) {
        const struct hf_source *s = &g_array_index(hf->sources, struct hf_source, i);
        *f = (struct found){.file = s->file, .tensor = safetensors_find(s->reader, name)};
        if (f->tensor)
            return true;
    }
    return false;
}

/* Whether its numbers are of a kind that weights can have. */
static bool is_readable(const struct safetensors_tensor *t)
{
    return t->known && t->dtype != NAWI_DTYPE_I32 && t->n_dim <= 4;
}

static bool check_readable(const struct hf_tensors *hf, const struct found *f, int n_dim,
                           GError **error)
{
    const struct safetensors_tensor *t = f->tensor;
    if (!is_readable(t)) {
        fault(hf, f, error,
              "expected F32, F16, BF16 or F8_E4M3 in at most 4 dimensions, found %s in %d",
              t->dtype_name, t->n_dim);
        if (error && *error)
            (*error)->code = NAWI_ERROR_UNSUPPORTED;
        return false;
    }
    if (n_dim > 0 && t->n_dim != n_dim)
        return fault(hf, f, error, "expected %d dimensions, found %d", n_dim, t->n_dim);
    for (int i = 0; i < t->n_dim; i++)
        if (t->ne[i] == 0)
            return fault(hf, f, error, "dimension %d: expected at least 1, found 0", i);
    return true;
}

static int64_t element_bytes(const struct safetensors_tensor *t)
{
    return nawi_dtype_get_info(t->dtype)->block_bytes;
}

/* The tensor as it lies. A single value becomes a vector of one. */
static struct nawi_weight as_it_lies(const struct found *f)
{
    struct nawi_weight w = {.dtype = f->tensor->dtype,
                            .n_dim = MAX(f->tensor->n_dim, 1),
                            .file = f->file,
                            .offset = f->tensor->begin};
    for (int i = 0; i < 4; i++)
        w.ne[i] = f->tensor->ne[i];
    weights_set_plain(&w);
    return w;
}

/* Value i of a tensor, which may be of any float type, anywhere. */
static float read_value(const struct hf_tensors *hf, const struct found *f, int64_t i)
{
    const struct mapping *map = &g_array_index(hf->weights->files, struct mapping, f->file);
    float value;
    const struct nawi_dtype_info *info = nawi_dtype_get_info(f->tensor->dtype);
    info->dequant(1, (const char *)map->base + f->tensor->begin + i * info->block_bytes, &value);
    return value;
}

/* Room for n floats of our own, kept with weights. */
static float *new_floats(struct hf_tensors *hf, int64_t n, GError **error)
{
    float *values = g_try_new(float, (gsize)n);
    if (values)
        return weights_keep(hf->weights, values);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "%s: no memory for %" G_GINT64_FORMAT " scales", hf->weights->path, n);
    return NULL;
}

/* n values of f, step apart 0 or 1, as floats of our own. */
static float *copy_values(struct hf_tensors *hf, const struct found *f, int64_t n, int64_t step,
                          GError **error)
{
    float *values = new_floats(hf, n, error);
    for (int64_t i = 0; values && i < n; i++)
        values[i] = read_value(hf, f, i * step);
    return values;
}

/* Whether floats can be used where they lie; the format does not promise that. */
static bool is_aligned(const struct safetensors_tensor *t)
{
    return t->dtype == NAWI_DTYPE_F32 && t->begin % sizeof(float) == 0;
}

/* "blk.3.attn_q.weight" → "blk.3.attn_q.scale". NULL stays NULL. Freed by the caller. */
static char *name_scale(const char *name)
{
    const char *end = ".weight";
    if (!name)
        return NULL;
    size_t n = strlen(name) - (g_str_has_suffix(name, end) ? strlen(end) : 0);
    return g_strdup_printf("%.*s.scale", (int)n, name);
}

/* Rows of floats in memory of our own, as a scale called after the weight. */
static const struct nawi_weight *add_own_scale(struct hf_tensors *hf, const char *name, int n_dim,
                                               int64_t n, int64_t n_row, const float *values,
                                               GError **error)
{
    g_autofree char *scale_name = name_scale(name);
    struct nawi_weight w = {.name = scale_name,
                            .dtype = NAWI_DTYPE_F32,
                            .n_dim = n_dim,
                            .ne = {n_dim == 2 ? n : n_row, n_dim == 2 ? n_row : 1, 1, 1},
                            .file = -1,
                            .data = values};
    weights_set_plain(&w);
    return weights_add(hf->weights, &w, error);
}

/* Where the scale of f must be; false with error when it is not there. */
static bool find_scale(const struct hf_tensors *hf, const struct found *f, struct found *scale,
                       GError **error)
{
    g_autofree char *name = hf_scale_name(f->tensor->name);
    if (!find_tensor(hf, name, scale)) {
        g_autofree char *quoted = nawi_quote(name, strlen(name));
        return fault(hf, f, error, "expected its scale %s beside its 8-bit values, found none",
                     quoted);
    }
    if (!check_readable(hf, scale, 0, error))
        return false;
    if (scale->tensor->dtype == NAWI_DTYPE_F8_E4M3)
        return fault(hf, scale, error, "expected a scale in F32, F16 or BF16, found %s",
                     scale->tensor->dtype_name);
    return true;
}

/* The scale of a matrix [rows, columns], called after name, in *scale; NULL when its type has
 * none. */
static bool scale_matrix(struct hf_tensors *hf, const struct found *f, const char *name,
                         const struct nawi_weight **scale, GError **error)
{
    struct found s;
    *scale = NULL;
    if (f->tensor->dtype != NAWI_DTYPE_F8_E4M3)
        return true;
    if (!find_scale(hf, f, &s, error))
        return false;
    int64_t n_row = f->tensor->n_dim > 1 ? f->tensor->ne[0] : 1;
    const struct safetensors_tensor *t = s.tensor;
    int64_t n = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    if (n != 1 && (n != n_row || t->ne[0] != n_row))
        return fault(hf, &s, error, "expected one value, or [%" G_GINT64_FORMAT ", 1]", n_row);
    if (is_aligned(t) && n == n_row) {
        g_autofree char *scale_name = name_scale(name);
        struct nawi_weight w = as_it_lies(&s);
        w.name = scale_name;
        w.n_dim = 1;
        w.ne[0] = n_row;
        weights_set_plain(&w);
        *scale = weights_add(hf->weights, &w, error);
        return *scale != NULL;
    }
    const float *values = copy_values(hf, &s, n_row, n == 1 ? 0 : 1, error);
    *scale = values ? add_own_scale(hf, name, 1, 1, n_row, values, error) : NULL;
    return *scale != NULL;
}

/* Which columns of [n_expert, in, columns] make a weight, and which of the three dimensions of the
 * scale holds them. */
struct columns {
    const char *name;
    int64_t first, n;
    int scale_dim;
};

/* The scales of experts. Half of a row of scales is a view with a wider step between experts. */
static bool scale_experts(struct hf_tensors *hf, const struct found *f, const struct columns *part,
                          const struct nawi_weight **scale, GError **error)
{
    struct found s;
    *scale = NULL;
    if (f->tensor->dtype != NAWI_DTYPE_F8_E4M3)
        return true;
    if (!find_scale(hf, f, &s, error))
        return false;
    const int64_t n_expert = f->tensor->ne[0];
    const int64_t n = f->tensor->ne[2];
    const int dim = part->scale_dim;
    const struct safetensors_tensor *t = s.tensor;
    if (t->n_dim != 3 || t->ne[0] != n_expert || t->ne[dim] != n || t->ne[3 - dim] != 1)
        return fault(hf, &s, error,
                     "expected [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]",
                     n_expert, dim == 1 ? n : 1, dim == 2 ? n : 1);
    g_autofree char *scale_name = name_scale(part->name);
    struct nawi_weight w = as_it_lies(&s);
    w.name = scale_name;
    w.offset += (uint64_t)part->first * sizeof(float);
    if (!is_aligned(t)) {
        const float *values = copy_values(hf, &s, n_expert * n, 1, error);
        if (!values)
            return false;
        w.dtype = NAWI_DTYPE_F32;
        w.file = -1;
        w.offset = 0;
        w.data = values + part->first;
    }
    w.n_dim = 2;
    w.ne[1] = part->n;
    w.stride_bytes[0] = n * (int64_t)sizeof(float);
    w.stride_bytes[1] = sizeof(float);
    *scale = weights_add(hf->weights, &w, error);
    return *scale != NULL;
}

/* Columns of [n_expert, in, columns] seen as rows: [n_expert, n, in]. */
static bool add_transposed(struct hf_tensors *hf, const struct found *f, const struct columns *part,
                           GError **error)
{
    const struct safetensors_tensor *t = f->tensor;
    const int64_t element = element_bytes(t);
    struct nawi_weight w = {.name = part->name,
                            .dtype = t->dtype,
                            .n_dim = 3,
                            .ne = {t->ne[0], part->n, t->ne[1], 1},
                            .file = f->file,
                            .offset = t->begin + (uint64_t)(part->first * element)};
    w.stride_bytes[0] = t->ne[1] * t->ne[2] * element;
    w.stride_bytes[1] = element;
    w.stride_bytes[2] = t->ne[2] * element;
    return scale_experts(hf, f, part, &w.scale, error) && weights_add(hf->weights, &w, error);
}

/* The tensor in the layout of the file, found under its own name and not listed. 8-bit experts are
 * not: their scales belong to columns. */
static bool add_as_file(struct hf_tensors *hf, const struct found *f, GError **error)
{
    if (f->tensor->dtype == NAWI_DTYPE_F8_E4M3)
        return true;
    const struct nawi_weight w = as_it_lies(f);
    const struct nawi_weight *added = weights_add(hf->weights, &w, error);
    return added && weights_add_alias(hf->weights, f->tensor->name, added, error);
}

static bool add_gate_up(struct hf_tensors *hf, const struct found *f, const struct hf_place *place,
                        GError **error)
{
    if (!check_readable(hf, f, 3, error))
        return false;
    if (f->tensor->ne[2] % 2 != 0)
        return fault(hf, f, error,
                     "expected an even number of columns, gate and up, found %" G_GINT64_FORMAT,
                     f->tensor->ne[2]);
    int64_t half = f->tensor->ne[2] / 2;
    const struct columns gate = {place->name, 0, half, 2};
    const struct columns up = {place->up_name, half, half, 2};
    return add_transposed(hf, f, &gate, error) && add_transposed(hf, f, &up, error) &&
           add_as_file(hf, f, error);
}

static bool add_down(struct hf_tensors *hf, const struct found *f, const struct hf_place *place,
                     GError **error)
{
    const struct columns all = {place->name, 0, f->tensor->ne[2], 1};
    return check_readable(hf, f, 3, error) && add_transposed(hf, f, &all, error) &&
           add_as_file(hf, f, error);
}

/* Vectors and the table of positions are added to and multiplied with as floats, where they lie;
 * those that lie between the places of floats are copied. Matrices are read byte by byte. */
static bool align_vector(struct hf_tensors *hf, const struct found *f, struct nawi_weight *w,
                         GError **error)
{
    const struct safetensors_tensor *t = f->tensor;
    bool is_vector = w->n_dim == 1 || strcmp(w->name, "v.position_embd.weight") == 0;
    if (t->dtype != NAWI_DTYPE_F32 || is_aligned(t) || !is_vector)
        return true;
    w->file = -1;
    w->offset = 0;
    w->data = copy_values(hf, f, w->ne[0] * w->ne[1] * w->ne[2] * w->ne[3], 1, error);
    return w->data != NULL;
}

/* Found under the name of the file as well. */
static bool add_plain(struct hf_tensors *hf, const struct found *f, const char *name,
                      GError **error)
{
    if (!check_readable(hf, f, 0, error))
        return false;
    struct nawi_weight w = as_it_lies(f);
    w.name = name;
    if (!scale_matrix(hf, f, name, &w.scale, error) || !align_vector(hf, f, &w, error))
        return false;
    const struct nawi_weight *added = weights_add(hf->weights, &w, error);
    return added && (strcmp(name, f->tensor->name) == 0 ||
                     weights_add_alias(hf->weights, f->tensor->name, added, error));
}

/* Remembers one expert's tensor; add_parts() joins them when all are known. */
static void remember_part(struct hf_tensors *hf, const struct found *f,
                          const struct hf_place *place)
{
    json_t *experts = json_object_get(hf->parts, place->name);
    if (!experts) {
        experts = json_object();
        json_object_set_new(hf->parts, place->name, experts);
    }
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, place->expert);
    json_object_set_new(experts, number, json_string(f->tensor->name));
}

static const struct nawi_weight *add_part(struct hf_tensors *hf, const struct found *f,
                                          const struct nawi_weight *like, GError **error)
{
    if (!check_readable(hf, f, 2, error))
        return NULL;
    struct nawi_weight w = as_it_lies(f);
    if (like && (w.dtype != like->dtype || w.ne[0] != like->ne[0] || w.ne[1] != like->ne[1])) {
        fault(hf, f, error,
              "expected %s [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
              "] as the expert before it, found %s "
              "[%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]",
              nawi_dtype_get_info(like->dtype)->name, like->ne[0], like->ne[1],
              f->tensor->dtype_name, w.ne[0], w.ne[1]);
        return NULL;
    }
    if (!scale_matrix(hf, f, NULL, &w.scale, error))
        return NULL;
    const struct nawi_weight *added = weights_add(hf->weights, &w, error);
    if (!added || !weights_add_alias(hf->weights, f->tensor->name, added, error))
        return NULL;
    return added;
}

/* The scales of all experts in one dense array beside those of each part: [n_expert, rows]. */
static bool join_scales(struct hf_tensors *hf, struct nawi_weight *w, GError **error)
{
    if (!w->parts[0]->scale)
        return true;
    float *values = new_floats(hf, w->ne[0] * w->ne[1], error);
    if (!values)
        return false;
    for (int64_t e = 0; e < w->ne[0]; e++)
        weights_dequant(w->parts[e]->scale, values + e * w->ne[1]);
    w->scale = add_own_scale(hf, w->name, 2, w->ne[0], w->ne[1], values, error);
    return w->scale != NULL;
}

static bool join_parts(struct hf_tensors *hf, const char *name, const json_t *experts,
                       GError **error)
{
    int64_t n_expert = (int64_t)json_object_size(experts);
    if (!meta_get_int(hf->weights->meta, "llama4.expert_count", 1, INT32_MAX, &n_expert, error))
        return false;
    if (json_object_size(experts) != (size_t)n_expert) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the tensors of %s: expected %" G_GINT64_FORMAT " experts, found %zu",
                    hf->weights->path, name, n_expert, json_object_size(experts));
        return false;
    }
    const struct nawi_weight **parts = g_new(const struct nawi_weight *, (gsize)n_expert);
    weights_keep(hf->weights, parts);
    for (int64_t e = 0; e < n_expert; e++) {
        g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, e);
        const char *tensor = json_string_value(json_object_get(experts, number));
        struct found f;
        if (!tensor || !find_tensor(hf, tensor, &f)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: the tensors of %s: expected experts 0..%" G_GINT64_FORMAT
                        ", found none with number %s",
                        hf->weights->path, name, n_expert - 1, number);
            return false;
        }
        parts[e] = add_part(hf, &f, e > 0 ? parts[0] : NULL, error);
        if (!parts[e])
            return false;
    }
    struct nawi_weight w = {.name = name,
                            .dtype = parts[0]->dtype,
                            .n_dim = 3,
                            .parts = parts,
                            .ne = {n_expert, parts[0]->ne[0], parts[0]->ne[1], 1}};
    return join_scales(hf, &w, error) && weights_add(hf->weights, &w, error) != NULL;
}

static bool add_parts(struct hf_tensors *hf, GError **error)
{
    const char *name;
    json_t *experts;
    json_object_foreach(hf->parts, name,
                        experts) if (!join_parts(hf, name, experts, error)) return false;
    return true;
}

/* Under its own name where its numbers can be shown. */
static bool add_unknown(struct hf_tensors *hf, const struct found *f, GError **error)
{
    if (hf->n_unknown++ == 0)
        hf->first_unknown = nawi_quote(f->tensor->name, strlen(f->tensor->name));
    bool is_whole = is_readable(f->tensor) && f->tensor->dtype != NAWI_DTYPE_F8_E4M3;
    for (int i = 0; i < f->tensor->n_dim; i++)
        is_whole = is_whole && f->tensor->ne[i] > 0;
    return !is_whole || add_plain(hf, f, f->tensor->name, error);
}

/* A scale belongs to a weight of 8 bits; beside another it would be lost in silence. */
static bool check_scale(const struct hf_tensors *hf, const struct found *f, GError **error)
{
    struct found owner;
    g_autofree char *name = g_strndup(f->tensor->name, strlen(f->tensor->name) - strlen("_scale"));
    if (!find_tensor(hf, name, &owner))
        return fault(hf, f, error, "expected the weight that it scales, found none");
    if (owner.tensor->known && owner.tensor->dtype == NAWI_DTYPE_F8_E4M3)
        return true;
    return fault(hf, &owner, error, "expected F8_E4M3 beside a scale, found %s",
                 owner.tensor->dtype_name);
}

static bool add_tensor(struct hf_tensors *hf, const struct found *f, GError **error)
{
    struct hf_place place;
    hf_place_name(hf->facts, f->tensor->name, &place);
    switch (place.role) {
    case HF_PLAIN:
        hf->n_tower += place.name[0] == 'v' || place.name[0] == 'm';
        return add_plain(hf, f, place.name, error);
    case HF_HEAD:
        hf->has_head = true;
        return hf->facts->is_tied || add_plain(hf, f, place.name, error);
    case HF_GATE_UP: return add_gate_up(hf, f, &place, error);
    case HF_DOWN: return add_down(hf, f, &place, error);
    case HF_PART: remember_part(hf, f, &place); return true;
    case HF_SCALE: return check_scale(hf, f, error);
    default: return add_unknown(hf, f, error);
    }
}

static bool add_source(struct hf_tensors *hf, const struct hf_source *source, GError **error)
{
    for (guint i = 0; i < safetensors_count(source->reader); i++) {
        const struct found f = {.file = source->file, .tensor = safetensors_get(source->reader, i)};
        if (!add_tensor(hf, &f, error))
            return false;
    }
    return true;
}

bool hf_tensors_add(struct hf_tensors *hf, GError **error)
{
    bool ok = true;
    hf->parts = json_object();
    for (guint i = 0; ok && i < hf->sources->len; i++)
        ok = add_source(hf, &g_array_index(hf->sources, struct hf_source, i), error);
    ok = ok && add_parts(hf, error);
    json_decref(hf->parts);
    hf->parts = NULL;
    return ok;
}
