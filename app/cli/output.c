/* The .npy format, version 1.0: "\x93NUMPY", version, u16 length of the header, the header (a
 * Python dictionary padded with spaces so that data begins at a multiple of 64, ended by a
 * newline), then elements, little endian, last dimension fastest. */
#include "app/cli/output.h"

#include "app/cli/terminal.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

static bool fail(const struct output_npy *npy, int code, GError **error)
{
    char *name = terminal_name(npy->path);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: cannot be written: %s", name,
                g_strerror(code ? code : EIO));
    g_free(name);
    return false;
}

static GString *make_header(const char *dtype, int n_dim, const int64_t *shape)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "{'descr': '%s', 'fortran_order': False, 'shape': (", dtype);
    for (int i = 0; i < n_dim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", shape[i]);
    g_string_append(text, n_dim == 1 ? ",), }" : "), }");
    while ((10 + text->len + 1) % 64 != 0)
        g_string_append_c(text, ' ');
    g_string_append_c(text, '\n');

    GString *header = g_string_new_len("\x93NUMPY\x01\x00", 8);
    g_string_append_c(header, (char)(text->len & 0xFF));
    g_string_append_c(header, (char)(text->len >> 8));
    g_string_append_len(header, text->str, (gssize)text->len);
    g_string_free(text, TRUE);
    return header;
}

bool output_npy_open(struct output_npy *npy, const char *path, const char *dtype, int n_dim,
                     const int64_t *shape, GError **error)
{
    *npy = (struct output_npy){.path = g_strdup(path), .n_left = 1};
    for (int i = 0; i < n_dim; i++)
        npy->n_left *= shape[i];
    errno = 0;
    npy->file = fopen(path, "wbe");
    if (!npy->file) {
        fail(npy, errno, error);
        g_free(npy->path);
        return false;
    }
    GString *header = make_header(dtype, n_dim, shape);
    bool done = fwrite(header->str, 1, header->len, npy->file) == header->len;
    int code = errno;
    g_string_free(header, TRUE);
    if (done)
        return true;
    fail(npy, code, error);
    output_npy_close(npy, false, NULL);
    return false;
}

bool output_npy_write(struct output_npy *npy, const void *elements, int64_t n, GError **error)
{
    g_assert(n <= npy->n_left);
    npy->n_left -= n;
    errno = 0;
    if (fwrite(elements, 4, (size_t)n, npy->file) == (size_t)n)
        return true;
    return fail(npy, errno, error);
}

bool output_npy_close(struct output_npy *npy, bool sound, GError **error)
{
    GStatBuf status;
    bool is_regular = fstat(fileno(npy->file), &status) == 0 && S_ISREG(status.st_mode);
    errno = 0;
    bool closed = fclose(npy->file) == 0;
    int code = errno;
    if (sound && !closed)
        fail(npy, code, error);
    if (is_regular && !(sound && closed))
        g_remove(npy->path);
    g_free(npy->path);
    return sound && closed;
}
