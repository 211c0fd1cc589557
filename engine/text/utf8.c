/* One scanner for everything that reads bytes as UTF-8: the encoder's repair, the stream of an
 * answer, literals. It says for each place whether a character stands there, whether one may
 * still come, or how many bytes are lost. */
#include "engine/text/utf8.h"

#include "engine/text/tokenizer.h"

#include <string.h>

enum utf8_kind utf8_scan(const char *bytes, size_t n_bytes, size_t *width)
{
    const unsigned char *p = (const unsigned char *)bytes;
    unsigned char lead = p[0];
    unsigned char least = 0x80; /* range of the second byte; the others are 80..BF */
    unsigned char most = 0xBF;
    size_t wanted;
    *width = 1;
    if (lead < 0x80)
        return UTF8_VALID;
    if (lead >= 0xC2 && lead <= 0xDF)
        wanted = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        wanted = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        wanted = 4;
    else
        return UTF8_INVALID;
    if (lead == 0xE0)
        least = 0xA0; /* shorter forms exist */
    else if (lead == 0xED)
        most = 0x9F; /* surrogates */
    else if (lead == 0xF0)
        least = 0x90;
    else if (lead == 0xF4)
        most = 0x8F; /* beyond U+10FFFF */
    for (size_t i = 1; i < wanted; i++) {
        if (i == n_bytes)
            return UTF8_PARTIAL;
        if (p[i] < least || p[i] > most)
            return UTF8_INVALID;
        *width = i + 1;
        least = 0x80;
        most = 0xBF;
    }
    return UTF8_VALID;
}

/* Bytes of ASCII at the start, eight at a time. */
static size_t skip_ascii(const char *text, size_t n_bytes)
{
    size_t i = 0;
    for (; i + 8 <= n_bytes; i += 8) {
        guint64 word;
        memcpy(&word, text + i, 8);
        if (word & G_GUINT64_CONSTANT(0x8080808080808080))
            break;
    }
    while (i < n_bytes && (unsigned char)text[i] < 0x80)
        i++;
    return i;
}

/* Bytes of valid text at the start. */
static size_t skip_valid(const char *text, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes) {
        size_t width;
        if ((unsigned char)text[i] < 0x80) {
            i += skip_ascii(text + i, n_bytes - i);
            continue;
        }
        if (utf8_scan(text + i, n_bytes - i, &width) != UTF8_VALID)
            break;
        i += width;
    }
    return i;
}

bool utf8_is_valid(const char *text, size_t n_bytes)
{
    return skip_valid(text, n_bytes) == n_bytes;
}

void utf8_append_repaired(GString *out, const char *text, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes) {
        size_t valid = skip_valid(text + i, n_bytes - i);
        size_t width;
        g_string_append_len(out, text + i, (gssize)valid);
        i += valid;
        if (i == n_bytes)
            break;
        utf8_scan(text + i, n_bytes - i, &width);
        g_string_append(out, UTF8_REPLACEMENT);
        i += width;
    }
}

void nawi_utf8_stream_push(struct nawi_utf8_stream *stream, const char *bytes, size_t n_bytes,
                           GString *out)
{
    for (size_t i = 0; i < n_bytes; i++) {
        stream->held[stream->n_held++] = (uint8_t)bytes[i];
        while (stream->n_held > 0) {
            size_t width;
            enum utf8_kind kind =
                utf8_scan((const char *)stream->held, (size_t)stream->n_held, &width);
            if (kind == UTF8_PARTIAL)
                break;
            if (kind == UTF8_VALID)
                g_string_append_len(out, (const char *)stream->held, (gssize)width);
            else
                g_string_append(out, UTF8_REPLACEMENT);
            stream->n_held -= (int)width;
            memmove(stream->held, stream->held + width, (size_t)stream->n_held);
        }
    }
}

void nawi_utf8_stream_end(struct nawi_utf8_stream *stream, GString *out)
{
    if (stream->n_held > 0)
        g_string_append(out, UTF8_REPLACEMENT);
    *stream = (struct nawi_utf8_stream){0};
}
