/* Reads named inputs to the last byte. A pipe is waited for, since the person named it (`<(…)`
 * of a shell is one); Ctrl-C ends the wait. */
#include "app/cli/input.h"

#include "app/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? g_strdup("standard input") : terminal_name(path);
}

static bool fail(const char *path, const char *what, GError **error)
{
    char *name = input_name(path);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", name, what);
    g_free(name);
    return false;
}

/* Appends all of fd to text. */
static bool read_all(int fd, const char *path, size_t most, GString *text, GError **error)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR) {
            g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_CANCELLED, "stopped");
            return false;
        }
        if (n < 0)
            return fail(path, g_strerror(errno), error);
        if (text->len + (size_t)n > most) {
            char *name = input_name(path);
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "%s: more than %zu bytes", name, most);
            g_free(name);
            return false;
        }
        g_string_append_len(text, piece, n);
    }
}

char *input_read(const char *path, size_t most, size_t *n_bytes, GError **error)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        fail(path, g_strerror(errno), error);
        return NULL;
    }
    GString *text = g_string_new(NULL);
    bool done = read_all(fd, path, most, text, error);
    if (!is_stdin)
        close(fd);
    *n_bytes = text->len;
    return g_string_free(text, !done);
}
