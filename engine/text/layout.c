/* The pen that chat formats write with. Text is always tokenised without control tokens:
 * whatever a person, a tool or a model wrote, it cannot steer. */
#include "engine/text/layout.h"

#include "engine/text/utf8.h"

#include <string.h>

void layout_init(struct layout *layout, const struct nawi_tokenizer *tokenizer, bool is_joined,
                 GArray *ids)
{
    *layout = (struct layout){.tokenizer = tokenizer,
                              .ids = ids,
                              .n_before = ids->len,
                              .is_joined = is_joined,
                              .run = g_string_new(NULL)};
}

static void flush(struct layout *layout)
{
    if (!layout->error && layout->run->len > 0)
        nawi_tokenizer_encode(layout->tokenizer, layout->run->str, layout->run->len,
                              NAWI_ENCODE_TEXT, layout->ids, &layout->error);
    g_string_truncate(layout->run, 0);
}

bool layout_finish(struct layout *layout, GError **error)
{
    flush(layout);
    g_string_free(layout->run, TRUE);
    if (!layout->error)
        return true;
    g_array_set_size(layout->ids, layout->n_before);
    g_propagate_error(error, layout->error);
    return false;
}

void layout_fail(struct layout *layout, enum nawi_error_code code, const char *format, ...)
{
    if (layout->error)
        return;
    va_list args;
    va_start(args, format);
    layout->error = g_error_new_valist(NAWI_ERROR, (int)code, format, args);
    va_end(args);
}

void layout_id(struct layout *layout, int32_t id, int64_t count)
{
    flush(layout);
    for (int64_t i = 0; i < count && !layout->error; i++)
        g_array_append_val(layout->ids, id);
}

void layout_control(struct layout *layout, const char *name)
{
    int32_t id = nawi_tokenizer_find(layout->tokenizer, name);
    if (id == NAWI_TOKEN_NONE)
        layout_fail(layout, NAWI_ERROR_FORMAT,
                    "the vocabulary has no token %s, which the chat format needs", name);
    else
        layout_id(layout, id, 1);
}

void layout_text(struct layout *layout, const char *text, size_t n_bytes)
{
    g_string_append_len(layout->run, text, (gssize)n_bytes);
    if (!layout->is_joined)
        flush(layout);
}

void layout_words(struct layout *layout, const char *text)
{
    layout_text(layout, text, strlen(text));
}

static bool is_white(gunichar c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

const char *layout_trim(const char *text, size_t *n_bytes)
{
    const char *end = text + *n_bytes;
    size_t width;
    while (text < end && utf8_scan(text, (size_t)(end - text), &width) == UTF8_VALID &&
           is_white(g_utf8_get_char(text)))
        text += width;
    while (text < end) {
        const char *last = end - 1;
        while (last > text && ((unsigned char)*last & 0xC0) == 0x80)
            last--;
        if (utf8_scan(last, (size_t)(end - last), &width) != UTF8_VALID || last + width != end ||
            !is_white(g_utf8_get_char(last)))
            break;
        end = last;
    }
    *n_bytes = (size_t)(end - text);
    return text;
}

GString *layout_join(const struct nawi_chat_message *message)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < message->n_part; i++)
        if (message->parts[i].kind == NAWI_CHAT_TEXT)
            g_string_append_len(text, message->parts[i].text, (gssize)message->parts[i].n_bytes);
    return text;
}

void layout_image(struct layout *layout, const struct nawi_chat_part *part,
                  const struct nawi_media_spec *spec)
{
    int rows = part->rows;
    int cols = part->cols;
    if (!spec) {
        layout_fail(layout, NAWI_ERROR_UNSUPPORTED,
                    "the chat has a picture, and the model cannot see");
        return;
    }
    if (rows < 1 || cols < 1 || rows > NAWI_MEDIA_MAX_TILES || cols > NAWI_MEDIA_MAX_TILES ||
        rows * cols > NAWI_MEDIA_MAX_TILES) {
        layout_fail(layout, NAWI_ERROR_INPUT,
                    "a picture has %d x %d tiles, expected 1 to %d in all", rows, cols,
                    NAWI_MEDIA_MAX_TILES);
        return;
    }
    int32_t patch = nawi_chat_find_patch_token(layout->tokenizer);
    int n_patch = nawi_media_tile_tokens(spec);
    if (patch == NAWI_TOKEN_NONE)
        layout_fail(layout, NAWI_ERROR_FORMAT,
                    "the vocabulary has no token <|patch|>, which pictures need");
    layout_control(layout, "<|image_start|>");
    for (int row = 0; row < rows && rows * cols > 1; row++) {
        for (int col = 0; col < cols; col++) {
            layout_id(layout, patch, n_patch);
            layout_control(layout,
                           col + 1 < cols ? "<|tile_x_separator|>" : "<|tile_y_separator|>");
        }
    }
    layout_control(layout, "<|image|>");
    layout_id(layout, patch, n_patch);
    layout_control(layout, "<|image_end|>");
}
