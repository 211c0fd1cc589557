/* Collects the header in memory, writes it once, and then lets the bytes of the tensors through,
 * each padded to the alignment of 32. */
#include "engine/file/gguf-write.h"

#include "engine/file/gguf.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 32 };

struct gguf_writer {
    GByteArray *keys, *tensors;
    uint64_t n_key, n_tensor;
    GArray *sizes;    /* uint64_t: bytes of each tensor */
    uint64_t n_bytes; /* of all data, padded */
    char *path;
    FILE *file;
    guint current;     /* tensor that is being written */
    uint64_t n_done;   /* of its bytes */
    uint64_t n_before; /* bytes of the file before the data */
    bool failed, has_hole;
};

static void put(GByteArray *out, const void *bytes, size_t n)
{
    g_byte_array_append(out, bytes, (guint)n);
}

static void put_number(GByteArray *out, uint64_t value, int n_bytes)
{
    uint8_t bytes[8];
    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put(out, bytes, (size_t)n_bytes);
}

static void put_string(GByteArray *out, const char *text, size_t n)
{
    put_number(out, n, 8);
    put(out, text, n);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A key and the id of its type, as in gguf.h. */
static void put_key(struct gguf_writer *writer, const char *key, uint32_t type)
{
    put_string(writer->keys, key, strlen(key));
    put_number(writer->keys, type, 4);
    writer->n_key++;
}

static void put_array(struct gguf_writer *writer, const char *key, uint32_t type, uint64_t n)
{
    put_key(writer, key, 9);
    put_number(writer->keys, type, 4);
    put_number(writer->keys, n, 8);
}

struct gguf_writer *gguf_write_create(void)
{
    struct gguf_writer *writer = g_new0(struct gguf_writer, 1);
    writer->keys = g_byte_array_new();
    writer->tensors = g_byte_array_new();
    writer->sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    return writer;
}

void gguf_write_u16(struct gguf_writer *writer, const char *key, uint16_t value)
{
    put_key(writer, key, 2);
    put_number(writer->keys, value, 2);
}

void gguf_write_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    put_key(writer, key, 4);
    put_number(writer->keys, value, 4);
}

void gguf_write_i32(struct gguf_writer *writer, const char *key, int32_t value)
{
    put_key(writer, key, 5);
    put_number(writer->keys, (uint32_t)value, 4);
}

void gguf_write_f32(struct gguf_writer *writer, const char *key, float value)
{
    put_key(writer, key, 6);
    put_number(writer->keys, bits_of(value), 4);
}

void gguf_write_bool(struct gguf_writer *writer, const char *key, bool value)
{
    put_key(writer, key, 7);
    put_number(writer->keys, value, 1);
}

void gguf_write_string(struct gguf_writer *writer, const char *key, const char *text)
{
    put_key(writer, key, 8);
    put_string(writer->keys, text, strlen(text));
}

void gguf_write_strings(struct gguf_writer *writer, const char *key,
                        const struct meta_string *strings, uint64_t n)
{
    put_array(writer, key, 8, n);
    for (uint64_t i = 0; i < n; i++)
        put_string(writer->keys, strings[i].text, strings[i].n_bytes);
}

void gguf_write_i32s(struct gguf_writer *writer, const char *key, const int32_t *values, uint64_t n)
{
    put_array(writer, key, 5, n);
    for (uint64_t i = 0; i < n; i++)
        put_number(writer->keys, (uint32_t)values[i], 4);
}

void gguf_write_f32s(struct gguf_writer *writer, const char *key, const float *values, uint64_t n)
{
    put_array(writer, key, 6, n);
    for (uint64_t i = 0; i < n; i++)
        put_number(writer->keys, bits_of(values[i]), 4);
}

static uint64_t padding_of(uint64_t n_bytes)
{
    return (ALIGNMENT - n_bytes % ALIGNMENT) % ALIGNMENT;
}

void gguf_write_tensor(struct gguf_writer *writer, const char *name, enum nawi_dtype dtype,
                       int n_dim, const int64_t *ne)
{
    uint64_t n_bytes = 0;
    int64_t dims[GGUF_DIMS_MOST] = {1, 1, 1, 1};
    memcpy(dims, ne, (size_t)n_dim * sizeof *ne);
    const bool good = gguf_extent(dtype, n_dim, dims, &n_bytes);
    g_assert(good);
    put_string(writer->tensors, name, strlen(name));
    put_number(writer->tensors, (uint64_t)n_dim, 4);
    for (int i = n_dim - 1; i >= 0; i--)
        put_number(writer->tensors, (uint64_t)ne[i], 8);
    put_number(writer->tensors, (uint64_t)nawi_dtype_get_info(dtype)->gguf_id, 4);
    put_number(writer->tensors, writer->n_bytes, 8);
    g_array_append_val(writer->sizes, n_bytes);
    writer->n_bytes += n_bytes + padding_of(n_bytes);
    writer->n_tensor++;
}

uint64_t gguf_write_size(const struct gguf_writer *writer) { return writer->n_bytes; }

static bool fail(struct gguf_writer *writer, GError **error)
{
    writer->failed = true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", writer->path, g_strerror(errno));
    return false;
}

static bool write_bytes(struct gguf_writer *writer, const void *bytes, uint64_t n, GError **error)
{
    if (n > 0 && fwrite(bytes, 1, (size_t)n, writer->file) != (size_t)n)
        return fail(writer, error);
    return true;
}

static bool write_padding(struct gguf_writer *writer, uint64_t n_bytes, GError **error)
{
    static const uint8_t zeros[ALIGNMENT];
    return write_bytes(writer, zeros, padding_of(n_bytes), error);
}

bool gguf_write_open(struct gguf_writer *writer, const char *path, GError **error)
{
    writer->path = g_strdup(path);
    writer->file = g_fopen(path, "wbe");
    if (!writer->file)
        return fail(writer, error);
    GByteArray *head = g_byte_array_new();
    put(head, "GGUF", 4);
    put_number(head, 3, 4);
    put_number(head, writer->n_tensor, 8);
    put_number(head, writer->n_key, 8);
    const uint64_t n_bytes = (uint64_t)head->len + writer->keys->len + writer->tensors->len;
    writer->n_before = n_bytes + padding_of(n_bytes);
    const bool done = write_bytes(writer, head->data, head->len, error) &&
                      write_bytes(writer, writer->keys->data, writer->keys->len, error) &&
                      write_bytes(writer, writer->tensors->data, writer->tensors->len, error) &&
                      write_padding(writer, n_bytes, error);
    g_byte_array_free(head, TRUE);
    return done;
}

bool gguf_write_data(struct gguf_writer *writer, const void *bytes, uint64_t n, GError **error)
{
    g_assert(writer->current < writer->sizes->len);
    const uint64_t size = g_array_index(writer->sizes, uint64_t, writer->current);
    g_assert(n <= size - writer->n_done);
    if (!write_bytes(writer, bytes, n, error))
        return false;
    writer->n_done += n;
    if (writer->n_done < size)
        return true;
    writer->current++;
    writer->n_done = 0;
    return write_padding(writer, size, error);
}

bool gguf_write_hole(struct gguf_writer *writer, GError **error)
{
    writer->has_hole = true;
    if (fflush(writer->file) != 0 ||
        ftruncate(fileno(writer->file), (off_t)(writer->n_before + writer->n_bytes)) != 0)
        return fail(writer, error);
    return true;
}

bool gguf_write_close(struct gguf_writer *writer, GError **error)
{
    if (!writer)
        return true;
    bool done = writer->file && !writer->failed;
    if (done && !writer->has_hole && writer->current < writer->sizes->len) {
        done = false;
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "%s: bytes of %u tensors are missing",
                    writer->path, writer->sizes->len - writer->current);
    } else if (!done) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: not written",
                    writer->path ? writer->path : "GGUF");
    }
    if (writer->file && fclose(writer->file) != 0 && done)
        done = fail(writer, error);
    if (writer->file && !done)
        g_unlink(writer->path);
    g_byte_array_free(writer->keys, TRUE);
    g_byte_array_free(writer->tensors, TRUE);
    g_array_free(writer->sizes, TRUE);
    g_free(writer->path);
    g_free(writer);
    return done;
}
