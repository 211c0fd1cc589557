/* The error domain, the cancel check, and the quoting of foreign text. */
#include "engine/error.h"

#include <string.h>

G_DEFINE_QUARK(nawi - error, nawi_error)

bool nawi_cancel_check(const nawi_cancel *cancel, GError **error)
{
    if (!nawi_cancel_is_asked(cancel))
        return false;
    g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_CANCELLED, "stopped");
    return true;
}

/* Characters that would break a terminal line or turn its direction. */
static bool is_unsafe(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

char *nawi_quote(const char *text, size_t n_bytes)
{
    const size_t most = 80;
    bool cut = n_bytes > most;
    GString *out = g_string_new("'");
    size_t i = 0;
    size_t end = cut ? most : n_bytes;
    while (i < end) {
        gunichar c = g_utf8_get_char_validated(text + i, (gssize)(n_bytes - i));
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_printf(out, "\\x%02X", (unsigned char)text[i]);
            i += 1;
            continue;
        }
        size_t width = (size_t)(g_utf8_next_char(text + i) - (text + i));
        if (is_unsafe(c))
            for (size_t b = 0; b < width; b++)
                g_string_append_printf(out, "\\x%02X", (unsigned char)text[i + b]);
        else
            g_string_append_len(out, text + i, (gssize)width);
        i += width;
    }
    g_string_append(out, cut ? "…'" : "'");
    return g_string_free(out, FALSE);
}
