/* Reads without checks: the files it is given are those of the repository. */
#include "tests/hostile/gguf-build.h"

#include <string.h>

static const uint8_t sizes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct cursor {
    const guint8 *bytes;
    gsize at;
};

static uint64_t take(struct cursor *cursor, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)cursor->bytes[cursor->at++] << (8 * i);
    return value;
}

static GByteArray *take_bytes(struct cursor *cursor, gsize n)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, cursor->bytes + cursor->at, (guint)n);
    cursor->at += n;
    return out;
}

static void skip_value(struct cursor *cursor, uint32_t type)
{
    if (type == BUILD_STRING) {
        const uint64_t n = take(cursor, 8);
        cursor->at += n;
    } else if (type == BUILD_ARRAY) {
        const uint32_t element = (uint32_t)take(cursor, 4);
        const uint64_t n = take(cursor, 8);
        for (uint64_t i = 0; i < n; i++)
            skip_value(cursor, element);
    } else {
        cursor->at += sizes[type];
    }
}

void build_put(GByteArray *out, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) {
        const guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(out, &byte, 1);
    }
}

static void free_key(gpointer data)
{
    struct build_key *key = data;
    g_byte_array_free(key->name, TRUE);
    g_byte_array_free(key->value, TRUE);
    g_free(key);
}

static void free_tensor(gpointer data)
{
    struct build_tensor *tensor = data;
    g_byte_array_free(tensor->name, TRUE);
    g_free(tensor);
}

static struct build *create(void)
{
    struct build *build = g_new0(struct build, 1);
    memcpy(build->magic, "GGUF", 4);
    build->keys = g_ptr_array_new_with_free_func(free_key);
    build->tensors = g_ptr_array_new_with_free_func(free_tensor);
    build->data = g_byte_array_new();
    build->places = g_array_new(FALSE, FALSE, sizeof(guint));
    return build;
}

struct build *build_read(const char *path)
{
    char *bytes = NULL;
    gsize n = 0;
    if (!g_file_get_contents(path, &bytes, &n, NULL))
        g_error("cannot read %s", path);
    struct cursor cursor = {(const guint8 *)bytes, 4};
    struct build *build = create();
    build->version = (uint32_t)take(&cursor, 4);
    build->n_tensor = take(&cursor, 8);
    build->n_key = take(&cursor, 8);
    for (uint64_t i = 0; i < build->n_key; i++) {
        struct build_key *key = g_new0(struct build_key, 1);
        key->n_name = take(&cursor, 8);
        key->name = take_bytes(&cursor, key->n_name);
        key->type = (uint32_t)take(&cursor, 4);
        struct cursor end = cursor;
        skip_value(&end, key->type);
        key->value = take_bytes(&cursor, end.at - cursor.at);
        g_ptr_array_add(build->keys, key);
    }
    for (uint64_t i = 0; i < build->n_tensor; i++) {
        struct build_tensor *tensor = g_new0(struct build_tensor, 1);
        tensor->n_name = take(&cursor, 8);
        tensor->name = take_bytes(&cursor, tensor->n_name);
        tensor->n_dim = (uint32_t)take(&cursor, 4);
        for (uint32_t d = 0; d < tensor->n_dim; d++)
            tensor->dims[d] = take(&cursor, 8);
        tensor->type = (uint32_t)take(&cursor, 4);
        tensor->offset = take(&cursor, 8);
        g_ptr_array_add(build->tensors, tensor);
    }
    cursor.at = (cursor.at + 31) / 32 * 32;
    g_byte_array_append(build->data, cursor.bytes + cursor.at, (guint)(n - cursor.at));
    g_free(bytes);
    return build;
}

static GByteArray *copy_bytes(const GByteArray *bytes)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, bytes->data, bytes->len);
    return out;
}

struct build *build_copy(const struct build *build)
{
    struct build *copy = create();
    copy->version = build->version;
    copy->n_tensor = build->n_tensor;
    copy->n_key = build->n_key;
    for (guint i = 0; i < build->keys->len; i++) {
        struct build_key *key = g_memdup2(build->keys->pdata[i], sizeof *key);
        key->name = copy_bytes(key->name);
        key->value = copy_bytes(key->value);
        g_ptr_array_add(copy->keys, key);
    }
    for (guint i = 0; i < build->tensors->len; i++) {
        struct build_tensor *tensor = g_memdup2(build->tensors->pdata[i], sizeof *tensor);
        tensor->name = copy_bytes(tensor->name);
        g_ptr_array_add(copy->tensors, tensor);
    }
    g_byte_array_append(copy->data, build->data->data, build->data->len);
    return copy;
}

void build_free(struct build *build)
{
    g_ptr_array_free(build->keys, TRUE);
    g_ptr_array_free(build->tensors, TRUE);
    g_byte_array_free(build->data, TRUE);
    g_array_free(build->places, TRUE);
    g_free(build);
}

/* Remembers that a piece begins here. */
static void mark(struct build *build, const GByteArray *out)
{
    g_array_append_val(build->places, out->len);
}

GByteArray *build_bytes(struct build *build)
{
    GByteArray *out = g_byte_array_new();
    g_array_set_size(build->places, 0);
    mark(build, out);
    g_byte_array_append(out, (const guint8 *)build->magic, 4);
    mark(build, out);
    build_put(out, build->version, 4);
    mark(build, out);
    build_put(out, build->n_tensor, 8);
    mark(build, out);
    build_put(out, build->n_key, 8);
    for (guint i = 0; i < build->keys->len; i++) {
        const struct build_key *key = build->keys->pdata[i];
        mark(build, out);
        build_put(out, key->n_name, 8);
        mark(build, out);
        g_byte_array_append(out, key->name->data, key->name->len);
        mark(build, out);
        build_put(out, key->type, 4);
        mark(build, out);
        g_byte_array_append(out, key->value->data, key->value->len);
    }
    for (guint i = 0; i < build->tensors->len; i++) {
        const struct build_tensor *tensor = build->tensors->pdata[i];
        mark(build, out);
        build_put(out, tensor->n_name, 8);
        g_byte_array_append(out, tensor->name->data, tensor->name->len);
        mark(build, out);
        build_put(out, tensor->n_dim, 4);
        for (uint32_t d = 0; d < MIN(tensor->n_dim, 8); d++)
            build_put(out, tensor->dims[d], 8);
        mark(build, out);
        build_put(out, tensor->type, 4);
        build_put(out, tensor->offset, 8);
    }
    mark(build, out);
    while (out->len % 32 != 0)
        build_put(out, 0, 1);
    mark(build, out);
    g_byte_array_append(out, build->data->data, build->data->len);
    for (guint i = 0; i < build->n_trailing; i++)
        build_put(out, 0x55, 1);
    return out;
}

static bool is_named(const GByteArray *name, const char *text)
{
    return name->len == strlen(text) && memcmp(name->data, text, name->len) == 0;
}

struct build_key *build_find_key(const struct build *build, const char *name)
{
    for (guint i = 0; i < build->keys->len; i++)
        if (is_named(((struct build_key *)build->keys->pdata[i])->name, name))
            return build->keys->pdata[i];
    return NULL;
}

struct build_tensor *build_find_tensor(const struct build *build, const char *name)
{
    for (guint i = 0; i < build->tensors->len; i++)
        if (is_named(((struct build_tensor *)build->tensors->pdata[i])->name, name))
            return build->tensors->pdata[i];
    return NULL;
}

void build_drop_key(struct build *build, const char *name)
{
    g_ptr_array_remove(build->keys, build_find_key(build, name));
    build->n_key = build->keys->len;
}

void build_drop_tensor(struct build *build, const char *name)
{
    g_ptr_array_remove(build->tensors, build_find_tensor(build, name));
    build->n_tensor = build->tensors->len;
}

static GByteArray *name_of(const char *text)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
    return out;
}

struct build_key *build_set(struct build *build, const char *name, uint32_t type, const void *value,
                            guint n_bytes)
{
    struct build_key *key = build_find_key(build, name);
    if (!key) {
        key = g_new0(struct build_key, 1);
        key->name = name_of(name);
        key->n_name = key->name->len;
        key->value = g_byte_array_new();
        g_ptr_array_add(build->keys, key);
        build->n_key = build->keys->len;
    }
    key->type = type;
    g_byte_array_set_size(key->value, 0);
    g_byte_array_append(key->value, value, n_bytes);
    return key;
}

void build_set_number(struct build *build, const char *name, uint32_t type, uint64_t value)
{
    GByteArray *bytes = g_byte_array_new();
    build_put(bytes, value, sizes[type]);
    build_set(build, name, type, bytes->data, bytes->len);
    g_byte_array_free(bytes, TRUE);
}

void build_set_float(struct build *build, const char *name, float value)
{
    build_set(build, name, BUILD_F32, &value, sizeof value);
}

void build_set_text(struct build *build, const char *name, const char *text, gsize n_bytes)
{
    GByteArray *bytes = g_byte_array_new();
    build_put(bytes, n_bytes, 8);
    g_byte_array_append(bytes, (const guint8 *)text, (guint)n_bytes);
    build_set(build, name, BUILD_STRING, bytes->data, bytes->len);
    g_byte_array_free(bytes, TRUE);
}

struct build_tensor *build_add_tensor(struct build *build, const char *name, uint32_t type,
                                      uint64_t dim, uint64_t offset)
{
    struct build_tensor *tensor = g_new0(struct build_tensor, 1);
    tensor->name = name_of(name);
    tensor->n_name = tensor->name->len;
    tensor->n_dim = 1;
    tensor->dims[0] = dim;
    tensor->type = type;
    tensor->offset = offset;
    g_ptr_array_add(build->tensors, tensor);
    build->n_tensor = build->tensors->len;
    return tensor;
}
