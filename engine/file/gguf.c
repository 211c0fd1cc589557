/* Reads GGUF headers. Everything in them is hostile: a reader walks from the first byte on and
 * never looks behind `n_bytes`; a count is compared with the bytes that are left before it is
 * believed. */
#include "engine/file/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum gguf_type {
    TYPE_U8,
    TYPE_I8,
    TYPE_U16,
    TYPE_I16,
    TYPE_U32,
    TYPE_I32,
    TYPE_F32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_U64,
    TYPE_I64,
    TYPE_F64,
    TYPE_COUNT
};

static const uint8_t type_bytes[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
static const char *const type_names[TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

/* Ids of dtypes that exist but have no row in the table, to be refused by name. */
static const struct {
    uint32_t id;
    const char *name;
} foreign_dtypes[] = {
    {4, "Q4_2 (removed from the format)"},
    {5, "Q4_3 (removed from the format)"},
    {9, "Q8_1"},
    {15, "Q8_K"},
    {24, "I8"},
    {25, "I16"},
    {27, "I64"},
    {28, "F64"},
    {31, "Q4_0_4_4 (removed from the format)"},
    {32, "Q4_0_4_8 (removed from the format)"},
    {33, "Q4_0_8_8 (removed from the format)"},
    {36, "IQ4_NL_4_4 (removed from the format)"},
    {37, "IQ4_NL_4_8 (removed from the format)"},
    {38, "IQ4_NL_8_8 (removed from the format)"},
    {40, "NVFP4"},
    {41, "Q1_0"},
    {42, "Q2_0"},
};

struct gguf {
    uint32_t version;
    GArray *tensors; /* struct gguf_tensor */
    GStringChunk *names;
    uint64_t n_trailing;
};

struct reader {
    const char *name; /* of the file */
    const uint8_t *base;
    uint64_t n_bytes, at;
    char *place;       /* what is being read: "key 'general.name'", for messages; or NULL */
    uint64_t unpacked; /* bytes of metadata so far */
    GError **error;
};

G_GNUC_PRINTF(3, 4)
static bool fail(struct reader *r, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(r->error, NAWI_ERROR, code, "%s: byte %" G_GUINT64_FORMAT "%s%s: %s", r->name,
                r->at, r->place ? ", " : "", r->place ? r->place : "", text);
    g_free(text);
    return false;
}

/* Takes n bytes, or says how many are missing of what. */
static bool take(struct reader *r, uint64_t n, const char *what, const uint8_t **bytes)
{
    const uint64_t left = r->n_bytes - r->at;
    *bytes = r->base + r->at;
    if (n > left)
        return fail(r, NAWI_ERROR_FORMAT,
                    "the file ends inside %s: expected %" G_GUINT64_FORMAT
                    " more bytes, found %" G_GUINT64_FORMAT,
                    what, n, left);
    r->at += n;
    return true;
}

static uint64_t little(const uint8_t *bytes, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static bool take_u32(struct reader *r, const char *what, uint32_t *value)
{
    const uint8_t *bytes;
    if (!take(r, 4, what, &bytes))
        return false;
    *value = (uint32_t)little(bytes, 4);
    return true;
}

static bool take_u64(struct reader *r, const char *what, uint64_t *value)
{
    const uint8_t *bytes;
    if (!take(r, 8, what, &bytes))
        return false;
    *value = little(bytes, 8);
    return true;
}

static bool take_string(struct reader *r, uint64_t most, const char *what, struct meta_string *out)
{
    const uint64_t start = r->at;
    uint64_t n = 0;
    const uint8_t *bytes;
    if (!take_u64(r, what, &n))
        return false;
    const uint64_t left = r->n_bytes - r->at;
    if (n > most || n > left) {
        r->at = start;
        return fail(r, NAWI_ERROR_FORMAT,
                    "%s: expected a length of at most %" G_GUINT64_FORMAT
                    " bytes (%" G_GUINT64_FORMAT " are left in the file), found %" G_GUINT64_FORMAT,
                    what, most, left, n);
    }
    take(r, n, what, &bytes);
    *out = (struct meta_string){(const char *)bytes, (uint32_t)n};
    return true;
}

/* A key or a tensor's name: not empty, no control characters, valid UTF-8. */
static bool take_name(struct reader *r, uint64_t most, const char *what, struct meta_string *out)
{
    const uint64_t start = r->at;
    if (!take_string(r, most, what, out))
        return false;
    bool good = out->n_bytes > 0 && g_utf8_validate(out->text, out->n_bytes, NULL);
    for (uint32_t i = 0; good && i < out->n_bytes; i++)
        good = (uint8_t)out->text[i] >= 0x20 && out->text[i] != 0x7F;
    if (good)
        return true;
    char *quoted = nawi_quote(out->text, out->n_bytes);
    r->at = start;
    fail(r, NAWI_ERROR_FORMAT, "%s: expected readable UTF-8, found %s", what, quoted);
    g_free(quoted);
    return false;
}

/* Says in messages that what follows belongs to kind 'name'. */
static void enter(struct reader *r, const char *kind, const struct meta_string *name)
{
    char *quoted = nawi_quote(name->text, name->n_bytes);
    g_free(r->place);
    r->place = g_strdup_printf("%s %s", kind, quoted);
    g_free(quoted);
}

static void leave(struct reader *r)
{
    g_free(r->place);
    r->place = NULL;
}

static bool take_header(struct reader *r, uint32_t *version, uint64_t *n_tensor, uint64_t *n_key)
{
    const uint8_t *magic;
    if (!take(r, 4, "the magic number", &magic))
        return false;
    if (memcmp(magic, "GGUF", 4) != 0) {
        char *quoted = nawi_quote((const char *)magic, 4);
        r->at = 0;
        fail(r, NAWI_ERROR_FORMAT, "not a GGUF file: expected 'GGUF', found %s", quoted);
        g_free(quoted);
        return false;
    }
    if (!take_u32(r, "the version", version))
        return false;
    r->at = 4;
    if (*version == 1)
        return fail(r, NAWI_ERROR_UNSUPPORTED,
                    "GGUF version 1 has another layout; expected version 2 or 3: convert the "
                    "file again");
    if (*version != 0 && (*version & 0xFFFF) == 0)
        return fail(r, NAWI_ERROR_UNSUPPORTED,
                    "a big-endian GGUF file (version bytes %08X); expected little endian",
                    *version);
    if (*version != 2 && *version != 3)
        return fail(r, NAWI_ERROR_UNSUPPORTED, "expected GGUF version 2 or 3, found %u", *version);
    r->at = 8;
    if (!take_u64(r, "the number of tensors", n_tensor) ||
        !take_u64(r, "the number of keys", n_key))
        return false;
    if (*n_tensor > GGUF_TENSORS_MOST) {
        r->at = 8;
        return fail(r, NAWI_ERROR_FORMAT, "expected at most %d tensors, found %" G_GUINT64_FORMAT,
                    GGUF_TENSORS_MOST, *n_tensor);
    }
    if (*n_key > GGUF_KEYS_MOST) {
        r->at = 16;
        return fail(r, NAWI_ERROR_FORMAT, "expected at most %d keys, found %" G_GUINT64_FORMAT,
                    GGUF_KEYS_MOST, *n_key);
    }
    return true;
}

static int64_t int_of(enum gguf_type type, const uint8_t *bytes)
{
    const uint64_t raw = little(bytes, type_bytes[type]);
    switch (type) {
    case TYPE_I8: return (int8_t)raw;
    case TYPE_I16: return (int16_t)raw;
    case TYPE_I32: return (int32_t)raw;
    default: return (int64_t)raw;
    }
}

static double float_of(enum gguf_type type, const uint8_t *bytes)
{
    if (type == TYPE_F64) {
        const uint64_t raw = little(bytes, 8);
        double value;
        memcpy(&value, &raw, sizeof value);
        return value;
    }
    const uint32_t raw = (uint32_t)little(bytes, 4);
    float value;
    memcpy(&value, &raw, sizeof value);
    return (double)value;
}

static bool is_float(enum gguf_type type) { return type == TYPE_F32 || type == TYPE_F64; }

static bool check_bool(struct reader *r, uint8_t byte, uint64_t at)
{
    if (byte <= 1)
        return true;
    r->at = at;
    return fail(r, NAWI_ERROR_FORMAT, "expected a truth value of 0 or 1, found %u", byte);
}

static bool spend(struct reader *r, uint64_t n_bytes)
{
    r->unpacked += n_bytes;
    if (r->unpacked <= GGUF_META_BYTES_MOST)
        return true;
    return fail(r, NAWI_ERROR_FORMAT, "expected metadata of at most %d bytes, found more",
                GGUF_META_BYTES_MOST);
}

static void *ask(struct reader *r, uint64_t n, size_t size)
{
    void *memory = g_try_malloc_n((gsize)MAX(n, 1), size);
    if (!memory)
        fail(r, NAWI_ERROR_MEMORY, "no memory for an array of %" G_GUINT64_FORMAT " elements", n);
    return memory;
}

static bool take_strings(struct reader *r, uint64_t n, struct meta_array *array)
{
    struct meta_string *strings = ask(r, n, sizeof *strings);
    if (!strings)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (!take_string(r, GGUF_ELEMENT_BYTES_MOST, "an element", &strings[i])) {
            g_free(strings);
            return false;
        }
    *array = (struct meta_array){.type = META_STRING, .n = n, .strings = strings};
    return true;
}

static bool take_floats(struct reader *r, enum gguf_type type, uint64_t n, struct meta_array *array)
{
    const uint8_t *bytes;
    if (!take(r, n * type_bytes[type], "an array", &bytes))
        return false;
    double *floats = ask(r, n, sizeof *floats);
    if (!floats)
        return false;
    for (uint64_t i = 0; i < n; i++)
        floats[i] = float_of(type, bytes + i * type_bytes[type]);
    *array = (struct meta_array){.type = META_FLOAT, .n = n, .floats = floats};
    return true;
}

static bool take_ints(struct reader *r, enum gguf_type type, uint64_t n, struct meta_array *array)
{
    const uint64_t start = r->at;
    const uint64_t size = type_bytes[type];
    const uint8_t *bytes;
    if (!take(r, n * size, "an array", &bytes))
        return false;
    int64_t *ints = ask(r, n, sizeof *ints);
    if (!ints)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        ints[i] = int_of(type, bytes + i * size);
        if (type == TYPE_BOOL && !check_bool(r, bytes[i], start + i)) {
            g_free(ints);
            return false;
        }
        if (type == TYPE_U64 && ints[i] < 0) {
            r->at = start + i * size;
            g_free(ints);
            return fail(r, NAWI_ERROR_FORMAT,
                        "expected an element below 2^63, found %" G_GUINT64_FORMAT,
                        little(bytes + i * size, 8));
        }
    }
    *array =
        (struct meta_array){.type = type == TYPE_BOOL ? META_BOOL : META_INT, .n = n, .ints = ints};
    return true;
}

/* The element type and the number of an array, both believable. */
static bool take_array_head(struct reader *r, enum gguf_type *type, uint64_t *n)
{
    const uint64_t start = r->at;
    uint32_t id = 0;
    if (!take_u32(r, "an array", &id) || !take_u64(r, "an array", n))
        return false;
    if (id >= TYPE_COUNT || id == TYPE_ARRAY) {
        r->at = start;
        if (id == TYPE_ARRAY)
            return fail(r, NAWI_ERROR_UNSUPPORTED, "an array of arrays; expected plain elements");
        return fail(r, NAWI_ERROR_FORMAT, "expected an element type from 0 to 12, found %u", id);
    }
    const uint64_t least = id == TYPE_STRING ? 8 : type_bytes[id];
    const uint64_t left = r->n_bytes - r->at;
    if (*n > GGUF_ELEMENTS_MOST || *n > left / least) {
        r->at = start + 4;
        return fail(r, NAWI_ERROR_FORMAT,
                    "expected at most %d elements of %s in the %" G_GUINT64_FORMAT
                    " bytes that are left, found %" G_GUINT64_FORMAT,
                    GGUF_ELEMENTS_MOST, type_names[id], left, *n);
    }
    *type = (enum gguf_type)id;
    return true;
}

static bool take_array(struct reader *r, const char *key, struct nawi_meta *meta)
{
    enum gguf_type type = TYPE_U8;
    uint64_t n = 0;
    struct meta_array array = {0};
    if (!take_array_head(r, &type, &n) ||
        !spend(r, n * (type == TYPE_STRING ? sizeof(struct meta_string) : sizeof(int64_t))))
        return false;
    const bool done = type == TYPE_STRING ? take_strings(r, n, &array)
                      : is_float(type)    ? take_floats(r, type, n, &array)
                                          : take_ints(r, type, n, &array);
    if (done)
        meta_set_array(meta, key, &array);
    return done;
}

/* A whole number above 2^63 is kept as the nearest float: no getter of whole numbers takes it. */
static bool take_scalar(struct reader *r, enum gguf_type type, const char *key,
                        struct nawi_meta *meta)
{
    const uint64_t start = r->at;
    const uint8_t *bytes;
    if (!take(r, type_bytes[type], "a value", &bytes))
        return false;
    if (type == TYPE_BOOL) {
        if (!check_bool(r, bytes[0], start))
            return false;
        meta_set_bool(meta, key, bytes[0] == 1);
    } else if (is_float(type)) {
        meta_set_float(meta, key, float_of(type, bytes));
    } else if (type == TYPE_U64 && int_of(type, bytes) < 0) {
        meta_set_float(meta, key, (double)little(bytes, 8));
    } else {
        meta_set_int(meta, key, int_of(type, bytes));
    }
    return true;
}

/* The name of a key, unpacked, and the type of its value. */
static bool take_key(struct reader *r, struct meta_string *name, enum gguf_type *type)
{
    uint32_t id = 0;
    if (!take_name(r, GGUF_KEY_BYTES_MOST, "a key", name))
        return false;
    enter(r, "key", name);
    if (!take_u32(r, "the type of a value", &id))
        return false;
    if (id >= TYPE_COUNT) {
        r->at -= 4;
        return fail(r, NAWI_ERROR_FORMAT, "expected a type from 0 to 12, found %u", id);
    }
    *type = (enum gguf_type)id;
    return true;
}

static bool take_pair(struct reader *r, struct nawi_meta *meta)
{
    struct meta_string name;
    struct meta_string text;
    enum gguf_type type = TYPE_U8;
    if (!take_key(r, &name, &type))
        return false;
    char *key = g_strndup(name.text, name.n_bytes);
    bool done = false;
    if (meta_has(meta, key))
        fail(r, NAWI_ERROR_FORMAT, "expected each key once, found it twice");
    else if (type == TYPE_ARRAY)
        done = take_array(r, key, meta);
    else if (type != TYPE_STRING)
        done = spend(r, 16) && take_scalar(r, type, key, meta);
    else if (take_string(r, GGUF_STRING_BYTES_MOST, "a string", &text) && spend(r, text.n_bytes)) {
        meta_set_string(meta, key, text.text, text.n_bytes);
        done = true;
    }
    g_free(key);
    leave(r);
    return done;
}

bool gguf_extent(enum nawi_dtype dtype, int n_dim, const int64_t ne[GGUF_DIMS_MOST],
                 uint64_t *n_bytes)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    int64_t total = info->block_bytes;
    for (int i = 0; i < n_dim; i++) {
        int64_t n = ne[i];
        if (n < 1 || (i == n_dim - 1 && n % info->block_len != 0))
            return false;
        if (i == n_dim - 1)
            n /= info->block_len;
        if (__builtin_mul_overflow(total, n, &total))
            return false;
    }
    /* The number of values has to fit too: four-bit values are more than their bytes. */
    int64_t n_value = 1;
    for (int i = 0; i < n_dim; i++)
        if (__builtin_mul_overflow(n_value, ne[i], &n_value))
            return false;
    *n_bytes = (uint64_t)total;
    return true;
}

static char *shape_text(int n_dim, const uint64_t dims[])
{
    GString *out = g_string_new("[");
    for (int i = n_dim - 1; i >= 0; i--)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", dims[i], i ? ", " : "]");
    return g_string_free(out, FALSE);
}

static bool take_dims(struct reader *r, struct gguf_tensor *tensor, uint64_t dims[])
{
    uint32_t n_dim = 0;
    if (!take_u32(r, "the number of dimensions", &n_dim))
        return false;
    if (n_dim < 1 || n_dim > GGUF_DIMS_MOST) {
        r->at -= 4;
        return fail(r, NAWI_ERROR_FORMAT, "expected 1 to %d dimensions, found %u", GGUF_DIMS_MOST,
                    n_dim);
    }
    tensor->n_dim = (int)n_dim;
    for (uint32_t i = 0; i < n_dim; i++) {
        if (!take_u64(r, "the dimensions", &dims[i]))
            return false;
        if (dims[i] < 1 || dims[i] > INT64_MAX) {
            r->at -= 8;
            return fail(r, NAWI_ERROR_FORMAT,
                        "dimension %u: expected 1 to 2^63 - 1, found %" G_GUINT64_FORMAT, i,
                        dims[i]);
        }
    }
    for (int i = 0; i < GGUF_DIMS_MOST; i++)
        tensor->ne[i] = i < tensor->n_dim ? (int64_t)dims[n_dim - 1 - (uint32_t)i] : 1;
    return true;
}

static bool take_dtype(struct reader *r, struct gguf_tensor *tensor)
{
    uint32_t id = 0;
    if (!take_u32(r, "the dtype", &id))
        return false;
    if (nawi_dtype_from_gguf(id, &tensor->dtype))
        return true;
    const char *name = "unknown";
    for (size_t i = 0; i < G_N_ELEMENTS(foreign_dtypes); i++)
        if (foreign_dtypes[i].id == id)
            name = foreign_dtypes[i].name;
    r->at -= 4;
    return fail(r, NAWI_ERROR_UNSUPPORTED,
                "expected a number format that this program reads, found type %u, %s", id, name);
}

/* Reads one tensor's record; its offset is still that from the start of the data. */
static bool take_tensor(struct reader *r, struct gguf *gguf)
{
    struct gguf_tensor tensor = {0};
    struct meta_string name;
    uint64_t dims[GGUF_DIMS_MOST];
    if (!take_name(r, GGUF_NAME_BYTES_MOST, "a tensor's name", &name))
        return false;
    enter(r, "tensor", &name);
    if (!take_dims(r, &tensor, dims) || !take_dtype(r, &tensor) ||
        !take_u64(r, "the offset", &tensor.offset))
        return false;
    if (!gguf_extent(tensor.dtype, tensor.n_dim, tensor.ne, &tensor.n_bytes)) {
        const struct nawi_dtype_info *info = nawi_dtype_get_info(tensor.dtype);
        char *shape = shape_text(tensor.n_dim, dims);
        fail(
            r, NAWI_ERROR_FORMAT,
            "expected rows of whole blocks of %d values (%s) and a size below 2^63, found shape %s",
            info->block_len, info->name, shape);
        g_free(shape);
        return false;
    }
    tensor.name = g_string_chunk_insert_len(gguf->names, name.text, name.n_bytes);
    g_array_append_val(gguf->tensors, tensor);
    leave(r);
    return true;
}

static bool is_unique(struct reader *r, const struct gguf *gguf)
{
    GHashTable *seen = g_hash_table_new(g_str_hash, g_str_equal);
    bool good = true;
    for (guint i = 0; good && i < gguf->tensors->len; i++) {
        const struct gguf_tensor *tensor = gguf_get(gguf, i);
        good = g_hash_table_add(seen, (gpointer)tensor->name);
        if (!good) {
            enter(r, "tensor", &(struct meta_string){tensor->name, (uint32_t)strlen(tensor->name)});
            fail(r, NAWI_ERROR_FORMAT, "expected each tensor once, found it twice");
        }
    }
    g_hash_table_destroy(seen);
    return good;
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a;
    const struct gguf_tensor *y = *(const struct gguf_tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Turns the offset into one of the file, checked. */
static bool place_tensor(struct reader *r, struct gguf_tensor *tensor, uint64_t start,
                         uint64_t alignment)
{
    if (tensor->offset % alignment != 0)
        return fail(r, NAWI_ERROR_FORMAT,
                    "expected an offset that is a multiple of %" G_GUINT64_FORMAT
                    ", found %" G_GUINT64_FORMAT,
                    alignment, tensor->offset);
    uint64_t end = 0;
    const uint64_t offset = tensor->offset;
    if (__builtin_add_overflow(start, offset, &tensor->offset) ||
        __builtin_add_overflow(tensor->offset, tensor->n_bytes, &end) || end > r->n_bytes)
        return fail(r, NAWI_ERROR_FORMAT,
                    "expected %" G_GUINT64_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                    " of the data, found only %" G_GUINT64_FORMAT " bytes of data in the file",
                    tensor->n_bytes, offset, r->n_bytes > start ? r->n_bytes - start : 0);
    return true;
}

/* Places all tensors, and checks that no two share a byte. */
static bool place_tensors(struct reader *r, struct gguf *gguf, uint64_t alignment)
{
    const uint64_t start = (r->at + alignment - 1) / alignment * alignment;
    const guint n = gguf->tensors->len;
    const struct gguf_tensor **sorted = g_new(const struct gguf_tensor *, MAX(n, 1));
    bool good = true;
    for (guint i = 0; good && i < n; i++) {
        struct gguf_tensor *tensor = &g_array_index(gguf->tensors, struct gguf_tensor, i);
        sorted[i] = tensor;
        enter(r, "tensor", &(struct meta_string){tensor->name, (uint32_t)strlen(tensor->name)});
        good = place_tensor(r, tensor, start, alignment);
    }
    uint64_t end = start;
    if (good)
        qsort(sorted, n, sizeof *sorted, by_offset);
    for (guint i = 0; good && i < n; i++) {
        if (sorted[i]->offset < end) {
            enter(r, "tensor",
                  &(struct meta_string){sorted[i]->name, (uint32_t)strlen(sorted[i]->name)});
            good = fail(r, NAWI_ERROR_FORMAT,
                        "expected bytes of its own, found that it begins at byte %" G_GUINT64_FORMAT
                        " inside tensor '%s', which ends at %" G_GUINT64_FORMAT,
                        sorted[i]->offset, sorted[i - 1]->name, end);
        }
        end = sorted[i]->offset + sorted[i]->n_bytes;
    }
    g_free(sorted);
    if (good) {
        const uint64_t padded = (end + alignment - 1) / alignment * alignment;
        gguf->n_trailing = r->n_bytes > padded ? r->n_bytes - padded : 0;
        leave(r);
    }
    return good;
}

static bool read_all(struct reader *r, struct gguf *gguf, struct nawi_meta *meta)
{
    uint64_t n_tensor = 0;
    uint64_t n_key = 0;
    if (!take_header(r, &gguf->version, &n_tensor, &n_key))
        return false;
    for (uint64_t i = 0; i < n_key; i++)
        if (!take_pair(r, meta))
            return false;
    for (uint64_t i = 0; i < n_tensor; i++)
        if (!take_tensor(r, gguf))
            return false;
    int64_t alignment = 32;
    if (!meta_get_int(meta, "general.alignment", 1, GGUF_ALIGNMENT_MOST, &alignment, r->error))
        return false;
    if ((alignment & (alignment - 1)) != 0)
        return fail(r, NAWI_ERROR_FORMAT,
                    "key 'general.alignment': expected a power of two, found %" G_GINT64_FORMAT,
                    alignment);
    return is_unique(r, gguf) && place_tensors(r, gguf, (uint64_t)alignment);
}

struct gguf *gguf_parse(const char *name, const void *base, uint64_t n_bytes,
                        struct nawi_meta *meta, GError **error)
{
    struct reader reader = {.name = name, .base = base, .n_bytes = n_bytes, .error = error};
    struct gguf *gguf = g_new0(struct gguf, 1);
    gguf->tensors = g_array_new(FALSE, FALSE, sizeof(struct gguf_tensor));
    gguf->names = g_string_chunk_new(4096);
    const bool good = read_all(&reader, gguf, meta);
    leave(&reader);
    if (good)
        return gguf;
    gguf_free(gguf);
    return NULL;
}

void gguf_free(struct gguf *gguf)
{
    if (!gguf)
        return;
    g_array_free(gguf->tensors, TRUE);
    g_string_chunk_free(gguf->names);
    g_free(gguf);
}

uint32_t gguf_get_version(const struct gguf *gguf) { return gguf->version; }
guint gguf_count(const struct gguf *gguf) { return gguf->tensors->len; }
uint64_t gguf_get_trailing(const struct gguf *gguf) { return gguf->n_trailing; }

const struct gguf_tensor *gguf_get(const struct gguf *gguf, guint index)
{
    return &g_array_index(gguf->tensors, struct gguf_tensor, index);
}

/* Walks over a value without keeping it. */
static bool skip_value(struct reader *r, enum gguf_type type)
{
    struct meta_string text;
    const uint8_t *bytes;
    uint64_t n = 0;
    if (type == TYPE_STRING)
        return take_string(r, GGUF_STRING_BYTES_MOST, "a string", &text);
    if (type != TYPE_ARRAY)
        return take(r, type_bytes[type], "a value", &bytes);
    if (!take_array_head(r, &type, &n))
        return false;
    if (type != TYPE_STRING)
        return take(r, n * type_bytes[type], "an array", &bytes);
    for (uint64_t i = 0; i < n; i++)
        if (!take_string(r, GGUF_ELEMENT_BYTES_MOST, "an element", &text))
            return false;
    return true;
}

char *gguf_peek(const void *base, uint64_t n_bytes, const char *key)
{
    struct reader r = {.name = "", .base = base, .n_bytes = n_bytes};
    uint32_t version = 0;
    uint64_t n_tensor = 0;
    uint64_t n_key = 0;
    char *found = NULL;
    bool good = take_header(&r, &version, &n_tensor, &n_key);
    for (uint64_t i = 0; good && !found && i < MIN(n_key, 64); i++) {
        struct meta_string name;
        struct meta_string text;
        enum gguf_type type = TYPE_U8;
        good = take_key(&r, &name, &type);
        if (good && type == TYPE_STRING && name.n_bytes == strlen(key) &&
            memcmp(name.text, key, name.n_bytes) == 0) {
            good = take_string(&r, GGUF_STRING_BYTES_MOST, "a string", &text);
            if (good && !memchr(text.text, '\0', text.n_bytes))
                found = g_strndup(text.text, text.n_bytes);
            break;
        }
        good = good && skip_value(&r, type);
    }
    leave(&r);
    return found;
}
