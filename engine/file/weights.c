/* The table of weights: names, shapes and places in mapped files, and dequantisation along strides.
 *
 * Knows no file format: readers (weights-gguf.c, hf.c) fill it through weights-internal.h, which
 * checks here that no byte of a tensor lies outside its file. */
#include "engine/file/hf.h"
#include "engine/file/weights-internal.h"

#include <string.h>

static struct nawi_weights *create(const char *path)
{
    struct nawi_weights *weights = g_new0(struct nawi_weights, 1);
    weights->path = g_strdup(path);
    weights->meta = meta_create(path);
    weights->files = g_array_new(FALSE, FALSE, sizeof(struct mapping));
    weights->list = g_ptr_array_new();
    weights->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    weights->memory = g_ptr_array_new_with_free_func(g_free);
    weights->warnings = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(weights->warnings, NULL);
    return weights;
}

/* GGUF says so in its first bytes; safetensors has a JSON object behind the length of its header.
 * */
static bool is_safetensors(const char *path)
{
    struct mapping mapping;
    if (!mapping_open(&mapping, path, NULL))
        return false;
    const char *base = mapping.base;
    const bool found = mapping.n_bytes > 9 && memcmp(base, "GGUF", 4) != 0 && base[8] == '{';
    mapping_close(&mapping);
    return found;
}

struct nawi_weights *weights_open(const char *path, GError **error)
{
    struct nawi_weights *weights = create(path);
    const bool is_hf = g_file_test(path, G_FILE_TEST_IS_DIR) || is_safetensors(path);
    if (is_hf ? hf_open(weights, path, error) : weights_open_gguf(weights, path, error))
        return weights;
    weights_close(weights);
    return NULL;
}

void weights_close(struct nawi_weights *weights)
{
    if (!weights)
        return;
    meta_destroy(weights->meta);
    g_hash_table_destroy(weights->by_name);
    g_ptr_array_free(weights->list, TRUE);
    g_ptr_array_free(weights->memory, TRUE);
    g_ptr_array_free(weights->warnings, TRUE);
    for (guint i = 0; i < weights->files->len; i++)
        mapping_close(&g_array_index(weights->files, struct mapping, i));
    g_array_free(weights->files, TRUE);
    g_free(weights->format);
    g_free(weights->path);
    g_free(weights);
}

const char *weights_get_path(const struct nawi_weights *weights) { return weights->path; }
struct nawi_meta *weights_get_meta(struct nawi_weights *weights) { return weights->meta; }
const char *weights_get_format(const struct nawi_weights *weights) { return weights->format; }
guint weights_count(const struct nawi_weights *weights) { return weights->list->len; }
int weights_count_files(const struct nawi_weights *weights) { return (int)weights->files->len; }

const struct nawi_weight *weights_find(const struct nawi_weights *weights, const char *name)
{
    return g_hash_table_lookup(weights->by_name, name);
}

const struct nawi_weight *weights_get(const struct nawi_weights *weights, guint index)
{
    return g_ptr_array_index(weights->list, index);
}

void weights_get_file(const struct nawi_weights *weights, int index, const char **path,
                      const void **base, uint64_t *n_bytes)
{
    const struct mapping *mapping = &g_array_index(weights->files, struct mapping, index);
    if (path)
        *path = mapping->path;
    if (base)
        *base = mapping->base;
    if (n_bytes)
        *n_bytes = mapping->n_bytes;
}

const char *const *weights_get_warnings(const struct nawi_weights *weights)
{
    return (const char *const *)weights->warnings->pdata;
}

void weights_warn(struct nawi_weights *weights, char *sentence)
{
    g_ptr_array_insert(weights->warnings, (gint)weights->warnings->len - 1, sentence);
}

void *weights_keep(struct nawi_weights *weights, void *memory)
{
    g_ptr_array_add(weights->memory, memory);
    return memory;
}

int weights_add_file(struct nawi_weights *weights, const char *path, GError **error)
{
    for (guint i = 0; i < weights->files->len; i++)
        if (strcmp(g_array_index(weights->files, struct mapping, i).path, path) == 0)
            return (int)i;
    struct mapping mapping;
    if (!mapping_open(&mapping, path, error))
        return -1;
    g_array_append_val(weights->files, mapping);
    return (int)weights->files->len - 1;
}

void weights_set_plain(struct nawi_weight *weight)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(weight->dtype);
    int64_t stride = info->block_bytes;
    for (int i = weight->n_dim - 1; i >= 0; i--) {
        weight->stride_bytes[i] = stride;
        stride *= i == weight->n_dim - 1 ? weight->ne[i] / info->block_len : weight->ne[i];
    }
    for (int i = weight->n_dim; i < 4; i++) {
        weight->ne[i] = 1;
        weight->stride_bytes[i] = 0;
    }
}

/* Bytes from the first to behind the last that the strides reach. */
static bool reach(const struct nawi_weight *weight, uint64_t *n_bytes)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(weight->dtype);
    uint64_t end = (uint64_t)info->block_bytes;
    if (weight->n_dim < 1 || weight->n_dim > 4)
        return false;
    for (int i = 0; i < weight->n_dim; i++) {
        int64_t n = weight->ne[i];
        uint64_t part = 0;
        if (n < 1 || weight->stride_bytes[i] < 0)
            return false;
        if (i == weight->n_dim - 1) {
            if (n % info->block_len != 0)
                return false;
            n /= info->block_len;
        }
        if (__builtin_mul_overflow((uint64_t)(n - 1), (uint64_t)weight->stride_bytes[i], &part) ||
            __builtin_add_overflow(end, part, &end))
            return false;
    }
    *n_bytes = end;
    return true;
}

static bool register_name(struct nawi_weights *weights, const char *name,
                          const struct nawi_weight *weight, GError **error)
{
    if (g_hash_table_contains(weights->by_name, name)) {
        char *quoted = nawi_quote(name, strlen(name));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor %s: expected each tensor once, found it twice", weights->path,
                    quoted);
        g_free(quoted);
        return false;
    }
    char *copy = weights_keep(weights, g_strdup(name));
    g_hash_table_insert(weights->by_name, copy, (gpointer)weight);
    return true;
}

bool weights_add_alias(struct nawi_weights *weights, const char *name,
                       const struct nawi_weight *weight, GError **error)
{
    return register_name(weights, name, weight, error);
}

/* Sets data; false when the tensor does not lie in its file. */
static bool locate(const struct nawi_weights *weights, struct nawi_weight *weight)
{
    uint64_t n_bytes = 0;
    uint64_t end = 0;
    if (weight->parts) {
        weight->file = -1;
        weight->data = NULL;
        return weight->n_dim >= 1 && weight->n_dim <= 4;
    }
    if (!reach(weight, &n_bytes))
        return false;
    if (weight->file < 0)
        return weight->data != NULL;
    const struct mapping *mapping = &g_array_index(weights->files, struct mapping, weight->file);
    if (__builtin_add_overflow(weight->offset, n_bytes, &end) || end > mapping->n_bytes)
        return false;
    weight->data = (const char *)mapping->base + weight->offset;
    return true;
}

const struct nawi_weight *weights_add(struct nawi_weights *weights,
                                      const struct nawi_weight *weight, GError **error)
{
    struct nawi_weight *copy = weights_keep(weights, g_memdup2(weight, sizeof *weight));
    for (int i = MAX(copy->n_dim, 0); i < 4; i++)
        copy->ne[i] = 1;
    copy->name = NULL;
    if (!locate(weights, copy)) {
        const char *name = weight->name ? weight->name : "";
        char *quoted = nawi_quote(name, strlen(name));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor %s: expected whole rows inside the file, found %d dimensions from "
                    "byte %" G_GUINT64_FORMAT " on that reach beyond it",
                    weights->path, quoted, weight->n_dim, weight->offset);
        g_free(quoted);
        return NULL;
    }
    if (!weight->name)
        return copy;
    if (!register_name(weights, weight->name, copy, error))
        return NULL;
    gpointer key = NULL;
    g_hash_table_lookup_extended(weights->by_name, weight->name, &key, NULL);
    copy->name = key;
    g_ptr_array_add(weights->list, copy);
    return copy;
}

/* n values that stand stride bytes apart, block by block. */
static void dequant_row(const struct nawi_weight *weight, const char *data, float *out)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(weight->dtype);
    const int64_t n = weight->ne[weight->n_dim - 1];
    const int64_t stride = weight->stride_bytes[weight->n_dim - 1];
    if (weight->dtype == NAWI_DTYPE_I32) {
        for (int64_t i = 0; i < n; i++) {
            int32_t value;
            memcpy(&value, data + i * stride, sizeof value);
            out[i] = (float)value;
        }
    } else if (stride == info->block_bytes) {
        info->dequant(n, data, out);
    } else {
        for (int64_t i = 0; i < n / info->block_len; i++)
            info->dequant(info->block_len, data + i * stride, out + i * info->block_len);
    }
}

/* Row number `row` of all rows, counted in row-major order. */
static const char *row_at(const struct nawi_weight *weight, int64_t row)
{
    const char *data = weight->data;
    for (int i = weight->n_dim - 2; i >= 0; i--) {
        data += row % weight->ne[i] * weight->stride_bytes[i];
        row /= weight->ne[i];
    }
    return data;
}

/* Value number `index` of a scale tensor. */
static float scale_at(const struct nawi_weight *scale, int64_t index)
{
    const int last = scale->n_dim - 1;
    const char *row = row_at(scale, index / scale->ne[last]);
    float value;
    memcpy(&value, row + index % scale->ne[last] * scale->stride_bytes[last], sizeof value);
    return value;
}

void weights_dequant_row(const struct nawi_weight *weight, int64_t row, float *out)
{
    dequant_row(weight, row_at(weight, row), out);
    if (!weight->scale)
        return;
    const float scale = scale_at(weight->scale, row);
    for (int64_t i = 0; i < weight->ne[weight->n_dim - 1]; i++)
        out[i] *= scale;
}

void weights_dequant(const struct nawi_weight *weight, float *out)
{
    if (weight->parts) {
        const int64_t n = weight->ne[1] * weight->ne[2] * weight->ne[3];
        for (int64_t e = 0; e < weight->ne[0]; e++)
            weights_dequant(weight->parts[e], out + e * n);
        return;
    }
    const int64_t k = weight->ne[weight->n_dim - 1];
    int64_t n_row = 1;
    for (int i = 0; i < weight->n_dim - 1; i++)
        n_row *= weight->ne[i];
    for (int64_t row = 0; row < n_row; row++)
        weights_dequant_row(weight, row, out + row * k);
}
