/* Any JSON as a conversation, laid out in the format of Llama 4: what is let through gives ids
 * inside the vocabulary, and control tokens only from the layout: their number does not depend
 * on what the texts say. */
#include "engine/text/conversation.h"

#include "tests/vocabulary.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"<|begin_of_text|>",
                                    "<|header_start|>",
                                    "<|header_end|>",
                                    "<|eom|>",
                                    "<|eot|>",
                                    "<|python_start|>",
                                    "<|python_end|>",
                                    "<|image_start|>",
                                    "<|tile_x_separator|>",
                                    "<|tile_y_separator|>",
                                    "<|image|>",
                                    "<|image_end|>",
                                    "<|patch|>",
                                    NULL};

static const struct nawi_media_spec spec = {
    .tile_px = 28, .patch_px = 14, .shuffle = 2, .max_tiles = 4};

/* How many control tokens the layout itself has. */
static size_t count_controls(const struct nawi_chat *chat)
{
    size_t n = 3; /* BOS and the answer's header */
    for (size_t i = 0; i < chat->n_message; i++) {
        const struct nawi_chat_message *message = &chat->messages[i];
        n += 3;
        if (chat->tools && message->role == NAWI_CHAT_ASSISTANT && message->n_call > 0)
            n += 2;
        for (size_t p = 0; p < message->n_part; p++) {
            size_t n_tile = (size_t)message->parts[p].rows * (size_t)message->parts[p].cols;
            if (message->parts[p].kind == NAWI_CHAT_IMAGE)
                n += n_tile > 1 ? 4 + 2 * n_tile : 4;
        }
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nawi_tokenizer *tokenizer;
    static const struct nawi_chat_format *format;
    if (!tokenizer) {
        tokenizer = vocabulary_make("llama4", names);
        format = nawi_chat_format_find(NULL, tokenizer, NULL, NULL);
    }
    struct nawi_conversation conversation;
    GError *error = NULL;
    if (!nawi_conversation_parse("fuzz", (const char *)data, size, &conversation, &error)) {
        if (!error)
            abort();
        g_clear_error(&error);
        return 0;
    }
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    if (nawi_chat_encode(format, tokenizer, &conversation.chat, &spec, ids, &error)) {
        size_t n_control = 0;
        for (guint i = 0; i < ids->len; i++)
            n_control += nawi_tokenizer_is_control(tokenizer, g_array_index(ids, int32_t, i));
        if (n_control != count_controls(&conversation.chat))
            abort();
    } else if (!error || ids->len > 0)
        abort();
    g_clear_error(&error);
    g_array_free(ids, TRUE);
    nawi_conversation_finish(&conversation);
    return 0;
}
