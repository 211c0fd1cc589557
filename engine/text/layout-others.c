/* The chat formats of Llama 3, Llama 2 and ChatML, as their published templates write them: text
 * between control tokens is tokenised as one. None of them has pictures, and tools are not
 * written in them: a chat that has either is refused before it comes here. */
#include "engine/text/layout.h"

#include <string.h>

static void write_trimmed(struct layout *layout, const GString *text)
{
    size_t n_bytes = text->len;
    const char *trimmed = layout_trim(text->str, &n_bytes);
    layout_text(layout, trimmed, n_bytes);
}

static const char *get_role_name(enum nawi_chat_role role)
{
    return role == NAWI_CHAT_SYSTEM ? "system" : role == NAWI_CHAT_USER ? "user" : "assistant";
}

/* ── Llama 3: <|start_header_id|>ROLE<|end_header_id|>\n\nCONTENT<|eot_id|> ──────────────────── */

static void write_header3(struct layout *layout, enum nawi_chat_role role)
{
    layout_control(layout, "<|start_header_id|>");
    layout_words(layout, get_role_name(role));
    layout_control(layout, "<|end_header_id|>");
    layout_words(layout, "\n\n");
}

static void write_message3(struct layout *layout, enum nawi_chat_role role, const char *preface,
                           const GString *text)
{
    write_header3(layout, role);
    layout_words(layout, preface ? preface : "");
    write_trimmed(layout, text);
    layout_control(layout, "<|eot_id|>");
}

void layout_llama3(struct layout *layout, const struct nawi_chat_format *format,
                   const struct nawi_chat *chat)
{
    bool has_system = chat->n_message > 0 && chat->messages[0].role == NAWI_CHAT_SYSTEM;
    layout_control(layout, "<|begin_of_text|>");
    if (!has_system && format->default_system) {
        GString *text = g_string_new(format->default_system);
        write_message3(layout, NAWI_CHAT_SYSTEM, format->system_preface, text);
        g_string_free(text, TRUE);
    }
    for (size_t i = 0; i < chat->n_message; i++) {
        const struct nawi_chat_message *message = &chat->messages[i];
        bool is_first_system = i == 0 && message->role == NAWI_CHAT_SYSTEM;
        GString *text = layout_join(message);
        write_message3(layout, message->role, is_first_system ? format->system_preface : NULL,
                       text);
        g_string_free(text, TRUE);
    }
    write_header3(layout, NAWI_CHAT_ASSISTANT);
}

/* ── Llama 2: <s>[INST] <<SYS>>\nSYSTEM\n<</SYS>>\n\nQUESTION [/INST] ANSWER </s> ────────────── */

void layout_llama2(struct layout *layout, const struct nawi_chat *chat)
{
    bool has_system = chat->n_message > 0 && chat->messages[0].role == NAWI_CHAT_SYSTEM;
    size_t first = has_system ? 1 : 0;
    for (size_t i = first; i < chat->n_message; i++) {
        const struct nawi_chat_message *message = &chat->messages[i];
        bool is_user = (i - first) % 2 == 0;
        if (message->role != (is_user ? NAWI_CHAT_USER : NAWI_CHAT_ASSISTANT)) {
            layout_fail(
                layout, NAWI_ERROR_INPUT,
                "message %zu is the %s's, but in the chat format llama2 user and assistant take "
                "turns",
                i + 1, get_role_name(message->role));
            return;
        }
        GString *text = layout_join(message);
        if (is_user) {
            layout_control(layout, "<s>");
            layout_words(layout, "[INST] ");
            if (has_system && i == first) {
                GString *system = layout_join(&chat->messages[0]);
                g_string_prepend(system, "<<SYS>>\n");
                g_string_append(system, "\n<</SYS>>\n\n");
                g_string_prepend_len(text, system->str, (gssize)system->len);
                g_string_free(system, TRUE);
            }
            write_trimmed(layout, text);
            layout_words(layout, " [/INST]");
        } else {
            layout_words(layout, " ");
            write_trimmed(layout, text);
            layout_words(layout, " ");
            layout_control(layout, "</s>");
        }
        g_string_free(text, TRUE);
    }
    if (chat->n_message == first || chat->messages[chat->n_message - 1].role != NAWI_CHAT_USER)
        layout_fail(layout, NAWI_ERROR_INPUT,
                    "in the chat format llama2 the last message must be the user's");
}

/* ── ChatML: <|im_start|>ROLE\nCONTENT<|im_end|>\n ───────────────────────────────────────────── */

static void write_message_ml(struct layout *layout, enum nawi_chat_role role, const GString *text)
{
    layout_control(layout, "<|im_start|>");
    layout_words(layout, get_role_name(role));
    layout_words(layout, "\n");
    layout_text(layout, text->str, text->len);
    layout_control(layout, "<|im_end|>");
    layout_words(layout, "\n");
}

void layout_chatml(struct layout *layout, const struct nawi_chat_format *format,
                   const struct nawi_chat *chat)
{
    bool has_system = chat->n_message > 0 && chat->messages[0].role == NAWI_CHAT_SYSTEM;
    if (!has_system && chat->n_message > 0 && format->default_system) {
        GString *text = g_string_new(format->default_system);
        write_message_ml(layout, NAWI_CHAT_SYSTEM, text);
        g_string_free(text, TRUE);
    }
    for (size_t i = 0; i < chat->n_message; i++) {
        GString *text = layout_join(&chat->messages[i]);
        write_message_ml(layout, chat->messages[i].role, text);
        g_string_free(text, TRUE);
    }
    layout_control(layout, "<|im_start|>");
    layout_words(layout, "assistant\n");
}
