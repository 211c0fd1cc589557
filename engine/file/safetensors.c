/* Container of Hugging Face weights: header, checks, lookup, shard index. Owns names and
 * numbers, never data; refuses to know what the names mean (hf.c does). */
#include "engine/file/safetensors.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_MOST 100000000u

struct safetensors {
    GArray *tensors;                           /* struct safetensors_tensor, sorted by begin */
    const struct safetensors_tensor **by_name; /* sorted by name */
    GStringChunk *names;
};

/* The types of the format. bits per value; those without a row of ours are only measured. */
static const struct type {
    const char *name;
    unsigned bits;
    bool known;
    enum nawi_dtype dtype;
} types[] = {
    {"BF16", 16, true, NAWI_DTYPE_BF16},     {"BOOL", 8, false, NAWI_DTYPE_COUNT},
    {"C64", 64, false, NAWI_DTYPE_COUNT},    {"F16", 16, true, NAWI_DTYPE_F16},
    {"F32", 32, true, NAWI_DTYPE_F32},       {"F4", 4, false, NAWI_DTYPE_COUNT},
    {"F64", 64, false, NAWI_DTYPE_COUNT},    {"F6_E2M3", 6, false, NAWI_DTYPE_COUNT},
    {"F6_E3M2", 6, false, NAWI_DTYPE_COUNT}, {"F8_E4M3", 8, true, NAWI_DTYPE_F8_E4M3},
    {"F8_E5M2", 8, false, NAWI_DTYPE_COUNT}, {"F8_E8M0", 8, false, NAWI_DTYPE_COUNT},
    {"I16", 16, false, NAWI_DTYPE_COUNT},    {"I32", 32, true, NAWI_DTYPE_I32},
    {"I64", 64, false, NAWI_DTYPE_COUNT},    {"I8", 8, false, NAWI_DTYPE_COUNT},
    {"U16", 16, false, NAWI_DTYPE_COUNT},    {"U32", 32, false, NAWI_DTYPE_COUNT},
    {"U64", 64, false, NAWI_DTYPE_COUNT},    {"U8", 8, false, NAWI_DTYPE_COUNT},
};

/* Sets a FORMAT error about one tensor. */
static bool G_GNUC_PRINTF(4, 5)
    fault(const char *file, const char *tensor, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *sentence = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *quoted = nawi_quote(tensor, strlen(tensor));
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: tensor %s: %s", file, quoted, sentence);
    return false;
}

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

static bool read_type(const char *file, const char *name, const json_t *value,
                      struct safetensors_tensor *t, unsigned *bits, GError **error)
{
    const struct type *type = json_is_string(value) ? find_type(json_string_value(value)) : NULL;
    if (!type) {
        g_autofree char *found = nawi_json_describe(value);
        return fault(file, name, error,
                     "dtype: expected a type of the format such as 'F32' or 'BF16', found %s",
                     found);
    }
    t->dtype_name = type->name;
    t->known = type->known;
    t->dtype = type->dtype;
    *bits = type->bits;
    return true;
}

/* The shape, and its product times the width of a value in *n_bytes. */
static bool read_shape(const char *file, const char *name, const json_t *value, unsigned bits,
                       struct safetensors_tensor *t, uint64_t *n_bytes, GError **error)
{
    if (!json_is_array(value) || json_array_size(value) > SAFETENSORS_DIM_MOST) {
        g_autofree char *found = nawi_json_describe(value);
        return fault(file, name, error, "shape: expected an array of at most %d, found %s",
                     SAFETENSORS_DIM_MOST, found);
    }
    t->n_dim = (int)json_array_size(value);
    uint64_t n_bits = bits;
    bool empty = false;
    for (int i = 0; i < SAFETENSORS_DIM_MOST; i++)
        t->ne[i] = 1;
    for (int i = 0; i < t->n_dim; i++) {
        const json_t *dim = json_array_get(value, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            g_autofree char *found = nawi_json_describe(dim);
            return fault(file, name, error,
                         "shape[%d]: expected a whole number from 0 on, found %s", i, found);
        }
        t->ne[i] = json_integer_value(dim);
        empty |= t->ne[i] == 0;
        if (t->ne[i] != 0 && __builtin_mul_overflow(n_bits, (uint64_t)t->ne[i], &n_bits))
            return fault(file, name, error, "shape: its product does not fit 64 bits");
    }
    if (n_bits % 8 != 0)
        return fault(file, name, error, "shape: its values do not fill whole bytes");
    *n_bytes = empty ? 0 : n_bits / 8;
    return true;
}

static bool read_offsets(const char *file, const char *name, const json_t *value,
                         uint64_t data_bytes, struct safetensors_tensor *t, GError **error)
{
    const json_t *begin = json_array_get(value, 0);
    const json_t *end = json_array_get(value, 1);
    if (!json_is_array(value) || json_array_size(value) != 2 || !json_is_integer(begin) ||
        !json_is_integer(end)) {
        g_autofree char *found = nawi_json_describe(value);
        return fault(file, name, error,
                     "data_offsets: expected an array of two whole numbers, found %s", found);
    }
    int64_t b = json_integer_value(begin);
    int64_t e = json_integer_value(end);
    if (b < 0 || e < b || (uint64_t)e > data_bytes)
        return fault(file, name, error,
                     "data_offsets: expected 0 <= begin <= end <= %" G_GUINT64_FORMAT
                     ", found [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]",
                     data_bytes, b, e);
    t->begin = (uint64_t)b;
    t->end = (uint64_t)e;
    return true;
}

static bool read_tensor(const char *file, const char *name, const json_t *info, uint64_t data_bytes,
                        struct safetensors_tensor *t, GError **error)
{
    if (!json_is_object(info)) {
        g_autofree char *found = nawi_json_describe(info);
        return fault(file, name, error, "expected an object, found %s", found);
    }
    unsigned bits = 0;
    uint64_t n_bytes = 0;
    if (!read_type(file, name, json_object_get(info, "dtype"), t, &bits, error) ||
        !read_shape(file, name, json_object_get(info, "shape"), bits, t, &n_bytes, error) ||
        !read_offsets(file, name, json_object_get(info, "data_offsets"), data_bytes, t, error))
        return false;
    if (t->end - t->begin != n_bytes)
        return fault(file, name, error,
                     "data_offsets: expected %" G_GUINT64_FORMAT
                     " bytes for its shape and type %s, found "
                     "%" G_GUINT64_FORMAT,
                     n_bytes, t->dtype_name, t->end - t->begin);
    return true;
}

static bool check_metadata(const char *file, const json_t *value, GError **error)
{
    const char *key;
    json_t *entry;
    bool ok = json_is_object(value);
    if (ok)
        json_object_foreach((json_t *)value, key, entry) ok = ok && json_is_string(entry);
    if (!ok)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: __metadata__: expected an object of strings", file);
    return ok;
}

/* By place; of two at the same place the empty one first. */
static int compare_places(gconstpointer a, gconstpointer b)
{
    const struct safetensors_tensor *x = a;
    const struct safetensors_tensor *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* No gap, no overlap, nothing behind the last. */
static bool check_cover(const char *file, const GArray *tensors, uint64_t data_bytes,
                        GError **error)
{
    uint64_t at = 0;
    for (guint i = 0; i < tensors->len; i++) {
        const struct safetensors_tensor *t = &g_array_index(tensors, struct safetensors_tensor, i);
        if (t->begin != at)
            return fault(file, t->name, error,
                         "data_offsets: expected to begin at %" G_GUINT64_FORMAT
                         ", where the tensor before it ends, "
                         "found %" G_GUINT64_FORMAT,
                         at, t->begin);
        at = t->end;
    }
    if (at == data_bytes)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: expected %" G_GUINT64_FORMAT " bytes of data, found %" G_GUINT64_FORMAT, file,
                at, data_bytes);
    return false;
}

static int compare_names(const void *a, const void *b)
{
    const struct safetensors_tensor *const *x = a;
    const struct safetensors_tensor *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Sorted, not hashed: names come from outside, and a table of them could be made to clash. */
static void sort_names(struct safetensors *reader)
{
    guint n = reader->tensors->len;
    reader->by_name = g_new(const struct safetensors_tensor *, MAX(n, 1));
    for (guint i = 0; i < n; i++)
        reader->by_name[i] = safetensors_get(reader, i);
    qsort(reader->by_name, n, sizeof(*reader->by_name), compare_names);
}

static bool fill(struct safetensors *reader, const char *file, const json_t *root,
                 uint64_t data_start, uint64_t data_bytes, GError **error)
{
    const char *key;
    json_t *info;
    json_object_foreach((json_t *)root, key, info)
    {
        if (strcmp(key, "__metadata__") == 0) {
            if (!check_metadata(file, info, error))
                return false;
            continue;
        }
        struct safetensors_tensor t = {.name = g_string_chunk_insert(reader->names, key)};
        if (!read_tensor(file, key, info, data_bytes, &t, error))
            return false;
        g_array_append_val(reader->tensors, t);
    }
    g_array_sort(reader->tensors, compare_places);
    if (!check_cover(file, reader->tensors, data_bytes, error))
        return false;
    for (guint i = 0; i < reader->tensors->len; i++) {
        struct safetensors_tensor *t =
            &g_array_index(reader->tensors, struct safetensors_tensor, i);
        t->begin += data_start;
        t->end += data_start;
    }
    sort_names(reader);
    return true;
}

struct safetensors *safetensors_parse(const char *name, const void *bytes, uint64_t n_bytes,
                                      GError **error)
{
    const unsigned char *b = bytes;
    uint64_t n_header = 0;
    if (n_bytes < 8) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected 8 bytes of header length, found a file of %" G_GUINT64_FORMAT
                    " bytes",
                    name, n_bytes);
        return NULL;
    }
    for (int i = 0; i < 8; i++)
        n_header |= (uint64_t)b[i] << (8 * i);
    uint64_t most = MIN(n_bytes - 8, HEADER_MOST);
    if (n_header < 2 || n_header > most) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: header length: expected 2..%" G_GUINT64_FORMAT
                    ", found %" G_GUINT64_FORMAT,
                    name, most, n_header);
        return NULL;
    }
    if (b[8] != '{') {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: byte 8: expected '{', found 0x%02X",
                    name, b[8]);
        return NULL;
    }
    const struct nawi_json_limits limits = {.n_bytes = HEADER_MOST, .depth = 8};
    json_t *root = nawi_json_parse(name, (const char *)b + 8, (size_t)n_header, &limits, error);
    if (!root)
        return NULL;
    struct safetensors *reader = g_new0(struct safetensors, 1);
    reader->tensors = g_array_new(FALSE, TRUE, sizeof(struct safetensors_tensor));
    reader->names = g_string_chunk_new(4096);
    bool ok = fill(reader, name, root, 8 + n_header, n_bytes - 8 - n_header, error);
    json_decref(root);
    if (ok)
        return reader;
    safetensors_destroy(reader);
    return NULL;
}

void safetensors_destroy(struct safetensors *reader)
{
    if (!reader)
        return;
    g_array_unref(reader->tensors);
    g_free(reader->by_name);
    g_string_chunk_free(reader->names);
    g_free(reader);
}

guint safetensors_count(const struct safetensors *reader) { return reader->tensors->len; }

const struct safetensors_tensor *safetensors_get(const struct safetensors *reader, guint index)
{
    return &g_array_index(reader->tensors, struct safetensors_tensor, index);
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *reader,
                                                  const char *name)
{
    const struct safetensors_tensor key = {.name = name};
    const struct safetensors_tensor *wanted = &key;
    const struct safetensors_tensor **found = bsearch(
        &wanted, reader->by_name, reader->tensors->len, sizeof(*reader->by_name), compare_names);
    return found ? *found : NULL;
}

/* A name of an entry of the same folder, nothing else. */
static bool is_plain(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 255 || name[0] == '.' || !g_str_has_suffix(name, ".safetensors"))
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] == '/' || name[i] == '\\' || g_ascii_iscntrl(name[i]))
            return false;
    return true;
}

static int compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The distinct file names, sorted. */
static bool collect_files(const struct nawi_json_at *map, GPtrArray *files, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map->object, key, value)
    {
        if (!json_is_string(value) || !is_plain(json_string_value(value))) {
            g_autofree char *tensor = nawi_quote(key, strlen(key));
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(
                map, NULL, error,
                "tensor %s: expected the plain name of a .safetensors file in this folder, "
                "found %s",
                tensor, found);
        }
        g_ptr_array_add(all, (gpointer)json_string_value(value));
    }
    g_ptr_array_sort(all, compare_strings);
    for (guint i = 0; i < all->len; i++)
        if (i == 0 || strcmp(all->pdata[i], all->pdata[i - 1]) != 0)
            g_ptr_array_add(files, g_strdup(all->pdata[i]));
    if (files->len == 0)
        return nawi_json_fault(map, NULL, error, "expected at least one tensor, found none");
    return true;
}

bool safetensors_index_read(const char *path, struct safetensors_index *index, GError **error)
{
    *index = (struct safetensors_index){0};
    const struct nawi_json_limits limits = {.n_bytes = HEADER_MOST, .depth = 16};
    index->root = nawi_json_read(path, &limits, error);
    if (!index->root)
        return false;
    index->files = g_ptr_array_new_with_free_func(g_free);
    struct nawi_json_at top, map;
    bool ok = nawi_json_root(path, index->root, &top, error) &&
              nawi_json_get_object(&top, "weight_map", &map, error);
    if (ok && !map.object)
        ok = nawi_json_fault(&top, "weight_map", error, "expected an object, found nothing");
    ok = ok && collect_files(&map, index->files, error);
    if (ok)
        index->map = map.object;
    else
        safetensors_index_finish(index);
    return ok;
}

void safetensors_index_finish(struct safetensors_index *index)
{
    g_clear_pointer(&index->files, g_ptr_array_unref);
    g_clear_pointer(&index->root, json_decref);
    index->map = NULL;
}

bool safetensors_index_check(const struct safetensors_index *index, const char *path, guint i,
                             const struct safetensors *reader, GError **error)
{
    const char *file = index->files->pdata[i];
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)index->map, name, value)
    {
        const char *place = json_string_value(value);
        bool here = strcmp(place, file) == 0;
        bool there = safetensors_find(reader, name) != NULL;
        if (here == there)
            continue;
        g_autofree char *quoted = nawi_quote(name, strlen(name));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: tensor %s: expected in %s, found %s",
                    path, quoted, place, here ? "no such tensor there" : file);
        return false;
    }
    return true;
}
