/* Reads and writes .npy files. The header is Python's text: a small exact parser takes what NumPy
 * writes, with keys in any order, and nothing else. */
#include "engine/file/npy.h"

#include "engine/file/mapping.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_BYTES_MOST = 65536 };

static const struct {
    const char *descr;
    int n_bytes;
} types[] = {[NAWI_NPY_F32] = {"<f4", 4}, [NAWI_NPY_I32] = {"<i4", 4}, [NAWI_NPY_U8] = {"|u1", 1}};

static bool fail(const char *name, GError **error, const char *expected, const char *found,
                 size_t n_bytes)
{
    char *quoted = nawi_quote(found, n_bytes);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: expected %s, found %s", name, expected,
                quoted);
    g_free(quoted);
    return false;
}

/* ── The header's text ───────────────────────────────────────────────────────────────────────── */

struct text {
    const char *at, *end;
};

static void skip_spaces(struct text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
        text->at++;
}

/* Takes one character after spaces, when it is there. */
static bool take_char(struct text *text, char c)
{
    skip_spaces(text);
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static bool take_word(struct text *text, const char *word)
{
    const size_t n = strlen(word);
    skip_spaces(text);
    if ((size_t)(text->end - text->at) < n || memcmp(text->at, word, n) != 0)
        return false;
    text->at += n;
    return true;
}

/* A string in either quotes that is exactly word. */
static bool take_quoted(struct text *text, const char *word)
{
    const char *start = text->at;
    for (const char *quote = "'\""; *quote; quote++) {
        if (take_char(text, *quote) && (size_t)(text->end - text->at) > strlen(word) &&
            memcmp(text->at, word, strlen(word)) == 0 && text->at[strlen(word)] == *quote) {
            text->at += strlen(word) + 1;
            return true;
        }
        text->at = start;
    }
    return false;
}

static bool take_descr(struct text *text, enum nawi_npy_type *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (take_quoted(text, types[i].descr)) {
            *type = (enum nawi_npy_type)i;
            return true;
        }
    return false;
}

static bool take_number(struct text *text, int64_t *value)
{
    skip_spaces(text);
    const char *start = text->at;
    *value = 0;
    while (text->at < text->end && g_ascii_isdigit(*text->at)) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, *text->at - '0', value))
            return false;
        text->at++;
    }
    return text->at > start;
}

/* "(3, 4)", "(3,)"; not "(3)", which is no tuple, and not "()". */
static bool take_shape(struct text *text, struct nawi_npy *npy)
{
    bool comma = false;
    npy->n_dim = 0;
    npy->n = 1;
    if (!take_char(text, '('))
        return false;
    while (!take_char(text, ')')) {
        int64_t n = 0;
        if (npy->n_dim == NAWI_NPY_DIMS_MOST || (npy->n_dim > 0 && !comma) ||
            !take_number(text, &n) || n < 1 || __builtin_mul_overflow(npy->n, n, &npy->n))
            return false;
        npy->ne[npy->n_dim++] = n;
        comma = take_char(text, ',');
    }
    return npy->n_dim > 1 || (npy->n_dim == 1 && comma);
}

/* Reads the dictionary; *expected says what was wanted where it failed. */
static bool take_header(struct text *text, struct nawi_npy *npy, const char **expected)
{
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    *expected = "a dictionary";
    if (!take_char(text, '{'))
        return false;
    while (!take_char(text, '}')) {
        *expected = "one of the keys descr, fortran_order, shape, each once";
        if (!has_descr && take_quoted(text, "descr")) {
            *expected = "'descr': '<f4', '<i4' or '|u1'";
            has_descr = take_char(text, ':') && take_descr(text, &npy->type);
            if (!has_descr)
                return false;
        } else if (!has_order && take_quoted(text, "fortran_order")) {
            *expected = "'fortran_order': False";
            has_order = take_char(text, ':') && take_word(text, "False");
            if (!has_order)
                return false;
        } else if (!has_shape && take_quoted(text, "shape")) {
            *expected = "'shape': a tuple of 1 to 8 numbers above 0 whose product fits 63 bits";
            has_shape = take_char(text, ':') && take_shape(text, npy);
            if (!has_shape)
                return false;
        } else {
            return false;
        }
        *expected = "a comma or the end of the dictionary";
        if (!take_char(text, ',') && (skip_spaces(text), text->at == text->end || *text->at != '}'))
            return false;
    }
    *expected = "the keys descr, fortran_order and shape";
    if (!has_descr || !has_order || !has_shape)
        return false;
    *expected = "spaces and a newline behind the dictionary";
    skip_spaces(text);
    return text->end - text->at == 1 && *text->at == '\n';
}

/* ── Reading ─────────────────────────────────────────────────────────────────────────────────── */

/* Bytes before the data, and the header's text. */
static bool take_preamble(const char *name, const uint8_t *bytes, uint64_t n_bytes,
                          struct text *text, GError **error)
{
    const size_t n_seen = (size_t)MIN(n_bytes, 8);
    if (n_bytes < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return fail(name, error, "a .npy file that begins with \\x93NUMPY", (const char *)bytes,
                    n_seen);
    if ((bytes[6] != 1 && bytes[6] != 2) || bytes[7] != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s: expected .npy version 1.0 or 2.0, found %u.%u", name, bytes[6], bytes[7]);
        return false;
    }
    const uint64_t n_length = bytes[6] == 1 ? 2 : 4;
    uint64_t n_header = bytes[8] | (uint64_t)bytes[9] << 8;
    if (n_length == 4 && n_bytes >= 12)
        n_header |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (n_bytes < 8 + n_length || n_header > n_bytes - 8 - n_length ||
        n_header > HEADER_BYTES_MOST) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: byte 8: expected a header of at most %d bytes inside the file of "
                    "%" G_GUINT64_FORMAT ", found a length of %" G_GUINT64_FORMAT,
                    name, HEADER_BYTES_MOST, n_bytes, n_header);
        return false;
    }
    text->at = (const char *)bytes + 8 + n_length;
    text->end = text->at + n_header;
    return true;
}

bool nawi_npy_parse(const char *name, const void *bytes, uint64_t n_bytes, struct nawi_npy *npy,
                    GError **error)
{
    struct text text = {0};
    const char *expected = NULL;
    *npy = (struct nawi_npy){0};
    if (!take_preamble(name, bytes, n_bytes, &text, error))
        return false;
    struct nawi_npy found = {0};
    if (!take_header(&text, &found, &expected))
        return fail(name, error, expected, text.at, (size_t)(text.end - text.at));
    const uint64_t n_left = n_bytes - (uint64_t)(text.end - (const char *)bytes);
    int64_t n_data = 0;
    if (__builtin_mul_overflow(found.n, types[found.type].n_bytes, &n_data) ||
        (uint64_t)n_data != n_left) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected %" G_GINT64_FORMAT
                    " numbers of %d bytes behind the header, found %" G_GUINT64_FORMAT " bytes",
                    name, found.n, types[found.type].n_bytes, n_left);
        return false;
    }
    found.data = g_try_malloc((gsize)n_data);
    if (!found.data) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "%s: no memory for %" G_GINT64_FORMAT " bytes", name, n_data);
        return false;
    }
    memcpy(found.data, text.end, (size_t)n_data);
    for (int i = found.n_dim; i < NAWI_NPY_DIMS_MOST; i++)
        found.ne[i] = 1;
    *npy = found;
    return true;
}

bool nawi_npy_read(const char *path, struct nawi_npy *npy, GError **error)
{
    struct mapping mapping;
    *npy = (struct nawi_npy){0};
    if (!mapping_open(&mapping, path, error))
        return false;
    const bool done = nawi_npy_parse(path, mapping.base, mapping.n_bytes, npy, error);
    mapping_close(&mapping);
    return done;
}

void nawi_npy_finish(struct nawi_npy *npy)
{
    if (!npy)
        return;
    g_free(npy->data);
    *npy = (struct nawi_npy){0};
}

/* ── Writing ─────────────────────────────────────────────────────────────────────────────────── */

struct nawi_npy_writer {
    char *path;
    FILE *file;
    enum nawi_npy_type type;
    int64_t n_left;
    bool failed;
};

static bool fail_write(struct nawi_npy_writer *writer, GError **error)
{
    writer->failed = true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", writer->path, g_strerror(errno));
    return false;
}

/* The header up to the data, padded to a multiple of 64 bytes. */
static GString *header_of(enum nawi_npy_type type, int n_dim, const int64_t *ne)
{
    GString *out = g_string_new_len("\x93NUMPY\x01\x00\x00\x00", 10);
    g_string_append_printf(out, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                           types[type].descr);
    for (int i = 0; i < n_dim; i++)
        g_string_append_printf(out, "%s%" G_GINT64_FORMAT, i ? ", " : "", ne[i]);
    g_string_append(out, n_dim == 1 ? ",), }" : "), }");
    while (out->len % 64 != 63)
        g_string_append_c(out, ' ');
    g_string_append_c(out, '\n');
    out->str[8] = (char)((out->len - 10) & 0xFF);
    out->str[9] = (char)((out->len - 10) >> 8);
    return out;
}

struct nawi_npy_writer *nawi_npy_begin(const char *path, enum nawi_npy_type type, int n_dim,
                                       const int64_t *ne, GError **error)
{
    struct nawi_npy_writer *writer = g_new0(struct nawi_npy_writer, 1);
    writer->path = g_strdup(path);
    writer->type = type;
    writer->n_left = 1;
    for (int i = 0; i < n_dim; i++)
        writer->n_left *= ne[i];
    writer->file = g_fopen(path, "wbe");
    GString *header = header_of(type, n_dim, ne);
    if (!writer->file || fwrite(header->str, 1, header->len, writer->file) != header->len) {
        fail_write(writer, error);
        nawi_npy_end(writer, NULL);
        writer = NULL;
    }
    g_string_free(header, TRUE);
    return writer;
}

bool nawi_npy_append(struct nawi_npy_writer *writer, const void *data, int64_t n, GError **error)
{
    g_assert(n >= 0 && n <= writer->n_left);
    const size_t size = (size_t)types[writer->type].n_bytes;
    if (n > 0 && fwrite(data, size, (size_t)n, writer->file) != (size_t)n)
        return fail_write(writer, error);
    writer->n_left -= n;
    return true;
}

bool nawi_npy_end(struct nawi_npy_writer *writer, GError **error)
{
    bool done = !writer->failed;
    if (!done) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: not written", writer->path);
    } else if (writer->n_left > 0) {
        done = false;
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "%s: %" G_GINT64_FORMAT " numbers are missing", writer->path, writer->n_left);
    }
    if (writer->file && fclose(writer->file) != 0 && done)
        done = fail_write(writer, error);
    if (writer->file && !done)
        g_unlink(writer->path);
    g_free(writer->path);
    g_free(writer);
    return done;
}

bool nawi_npy_write(const char *path, enum nawi_npy_type type, int n_dim, const int64_t *ne,
                    const void *data, GError **error)
{
    struct nawi_npy_writer *writer = nawi_npy_begin(path, type, n_dim, ne, error);
    if (!writer)
        return false;
    if (nawi_npy_append(writer, data, writer->n_left, error))
        return nawi_npy_end(writer, error);
    nawi_npy_end(writer, NULL);
    return false;
}
