/* The door of chats: looks at what a chat holds, refuses what its format has no place for, and
 * lets the format write. */
#include "engine/text/chat.h"

#include "engine/text/layout.h"
#include "engine/text/template.h"

int32_t nawi_chat_find_patch_token(const struct nawi_tokenizer *tokenizer)
{
    return nawi_tokenizer_find(tokenizer, "<|patch|>");
}

/* What only llama4 writes. */
static void check_plain(struct layout *layout, const struct nawi_chat_format *format,
                        const struct nawi_chat *chat)
{
    const char *what = chat->tools ? "descriptions of tools" : NULL;
    for (size_t i = 0; i < chat->n_message; i++) {
        const struct nawi_chat_message *message = &chat->messages[i];
        if (message->n_call > 0 || message->role == NAWI_CHAT_TOOL)
            what = "calls of tools";
        for (size_t p = 0; p < message->n_part; p++)
            if (message->parts[p].kind == NAWI_CHAT_IMAGE)
                what = "a picture";
    }
    if (what)
        layout_fail(layout, NAWI_ERROR_UNSUPPORTED,
                    "the chat has %s, for which the chat format %s has no place", what,
                    format->name);
}

bool nawi_chat_encode(const struct nawi_chat_format *format, const struct nawi_tokenizer *tokenizer,
                      const struct nawi_chat *chat, const struct nawi_media_spec *spec, GArray *ids,
                      GError **error)
{
    struct layout layout;
    bool is_meta = format->layout == TEMPLATE_LLAMA4 && !chat->tools;
    layout_init(&layout, tokenizer, !is_meta, ids);
    if (format->layout != TEMPLATE_LLAMA4)
        check_plain(&layout, format, chat);
    switch (format->layout) {
    case TEMPLATE_LLAMA4:
        if (is_meta)
            layout_llama4(&layout, chat, spec);
        else
            layout_llama4_tools(&layout, chat, spec);
        break;
    case TEMPLATE_LLAMA3: layout_llama3(&layout, format, chat); break;
    case TEMPLATE_LLAMA2: layout_llama2(&layout, chat); break;
    case TEMPLATE_CHATML: layout_chatml(&layout, format, chat); break;
    }
    return layout_finish(&layout, error);
}
