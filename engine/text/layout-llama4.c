/* The chat format of Llama 4.
 *
 *   <|begin_of_text|>
 *   ( <|header_start|>ROLE<|header_end|>\n\n CONTENT END )*
 *   <|header_start|>assistant<|header_end|>\n\n
 *
 * Without tools it is written as Meta's own code does: header, newlines, every part of a content
 * and every call are tokenised apart; END is <|eot|>, but <|eom|> behind calls, behind results
 * of tools, and where an answer ended so. Where that code writes what no parser could read back
 * (quotes inside a Python string, two lists for two calls) it is written correctly instead.
 *
 * With tools it is written as the published template does: text between control tokens is
 * tokenised as one, descriptions go into the first turn of the user, calls stand behind
 * <|python_start|> CONTENT <|python_end|>, results are JSON strings, and END is <|eot|>
 * throughout. The template would lose pictures of that first turn and further parts of a system
 * message; here they stay, in their order.
 *
 * Thinking of past turns is left out in both. */
#include "engine/text/layout.h"
#include "engine/text/literal.h"

#include <string.h>

static const char *const role_names[] = {"system", "user", "assistant", "ipython"};

static void write_header(struct layout *layout, enum nawi_chat_role role)
{
    layout_control(layout, "<|header_start|>");
    layout_words(layout, role_names[role]);
    layout_control(layout, "<|header_end|>");
    layout_words(layout, "\n\n");
}

static void write_start(struct layout *layout)
{
    int32_t bos = nawi_tokenizer_find(layout->tokenizer, "<|begin_of_text|>");
    if (bos == NAWI_TOKEN_NONE)
        bos = nawi_tokenizer_get_bos(layout->tokenizer);
    if (bos == NAWI_TOKEN_NONE)
        layout_control(layout, "<|begin_of_text|>");
    else
        layout_id(layout, bos, 1);
}

static void write_part(struct layout *layout, const struct nawi_chat_part *part,
                       const struct nawi_media_spec *spec)
{
    if (part->kind == NAWI_CHAT_TEXT)
        layout_text(layout, part->text, part->n_bytes);
    else if (part->kind == NAWI_CHAT_IMAGE)
        layout_image(layout, part, spec);
}

static void write_parts(struct layout *layout, const struct nawi_chat_message *message,
                        const struct nawi_media_spec *spec)
{
    for (size_t i = 0; i < message->n_part; i++)
        write_part(layout, &message->parts[i], spec);
}

/* Arguments as a tree, from the text of an object; the caller finishes it. */
static bool read_arguments(struct layout *layout, const struct nawi_chat_call *call,
                           struct literal *arguments)
{
    const char *fault = NULL;
    char *quoted = nawi_quote(call->name, strlen(call->name));
    bool ok = literal_parse_json(call->arguments, strlen(call->arguments), arguments, &fault);
    if (ok && arguments->kind != LITERAL_OBJECT) {
        literal_finish(arguments);
        ok = false;
        fault = "not an object";
    }
    if (!ok)
        layout_fail(layout, NAWI_ERROR_INPUT,
                    "the arguments of a call of %s are not a JSON object: %s", quoted, fault);
    g_free(quoted);
    return ok;
}

/* name(key=value, …) */
static void write_python_call(GString *out, const char *name, const struct literal *arguments)
{
    g_string_append_printf(out, "%s(", name);
    for (size_t i = 0; i < arguments->n_item; i++) {
        const struct literal *item = &arguments->items[i];
        g_string_append(out, i > 0 ? ", " : "");
        g_string_append_len(out, item->key->str, (gssize)item->key->len);
        g_string_append_c(out, '=');
        literal_write(out, item, LITERAL_CALL);
    }
    g_string_append_c(out, ')');
}

/* The calls that Llama writes in ways of their own, whatever the format; false for any other
 * tool. */
static bool write_builtin(GString *out, const char *name, const struct literal *arguments)
{
    static const char *const searches[] = {"brave_search", "wolfram_alpha", "photogen"};
    const struct literal *code = literal_get(arguments, "code");
    const struct literal *query = literal_get(arguments, "query");
    if (strcmp(name, "code_interpreter") == 0 && code && code->kind == LITERAL_STRING) {
        g_string_append_len(out, code->text->str, (gssize)code->text->len);
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(searches); i++) {
        if (strcmp(name, searches[i]) != 0 || !query || query->kind != LITERAL_STRING)
            continue;
        g_string_append_printf(out, "%s.call(query=", name);
        literal_write(out, query, LITERAL_CALL);
        g_string_append_c(out, ')');
        return true;
    }
    return false;
}

static void write_json_call(GString *out, const char *head, const char *name,
                            const struct literal *arguments, enum literal_style style)
{
    g_string_append_printf(out, "{%s\"name\": ", head);
    literal_write_string(out, name, strlen(name), style);
    g_string_append(out, ", \"parameters\": ");
    literal_write(out, arguments, style);
    g_string_append_c(out, '}');
}

static void write_call(GString *out, const char *name, const struct literal *arguments,
                       enum nawi_chat_tool_format tool_format, bool is_first, bool is_last)
{
    bool is_of_list = tool_format == NAWI_CHAT_TOOL_PYTHON_LIST && !(is_first && is_last);
    if (!is_of_list && write_builtin(out, name, arguments))
        return;
    if (tool_format == NAWI_CHAT_TOOL_JSON)
        write_json_call(out, "\"type\": \"function\", ", name, arguments, LITERAL_ASCII);
    else if (tool_format == NAWI_CHAT_TOOL_FUNCTION_TAG) {
        g_string_append_printf(out, "<function=%s>", name);
        literal_write(out, arguments, LITERAL_ASCII);
        g_string_append(out, "</function>");
    } else {
        g_string_append(out, is_first ? "[" : ", ");
        write_python_call(out, name, arguments);
        g_string_append(out, is_last ? "]" : "");
    }
}

/* Each call is tokenised by itself, but for a Python list, which is one text. */
static void write_calls(struct layout *layout, const struct nawi_chat_message *message,
                        enum nawi_chat_tool_format tool_format)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < message->n_call; i++) {
        struct literal arguments;
        if (!read_arguments(layout, &message->calls[i], &arguments))
            break;
        write_call(out, message->calls[i].name, &arguments, tool_format, i == 0,
                   i + 1 == message->n_call);
        literal_finish(&arguments);
        if (tool_format == NAWI_CHAT_TOOL_PYTHON_LIST && i + 1 < message->n_call)
            continue;
        layout_text(layout, out->str, out->len);
        g_string_truncate(out, 0);
    }
    g_string_free(out, TRUE);
}

void layout_llama4(struct layout *layout, const struct nawi_chat *chat,
                   const struct nawi_media_spec *spec)
{
    write_start(layout);
    for (size_t i = 0; i < chat->n_message; i++) {
        const struct nawi_chat_message *message = &chat->messages[i];
        bool is_assistant = message->role == NAWI_CHAT_ASSISTANT;
        bool has_calls = is_assistant && message->n_call > 0;
        write_header(layout, message->role);
        write_parts(layout, message, spec);
        if (has_calls)
            write_calls(layout, message, chat->tool_format);
        bool is_eom = has_calls || message->role == NAWI_CHAT_TOOL ||
                      (is_assistant && message->stop == NAWI_CHAT_END_OF_MESSAGE);
        layout_control(layout, is_eom ? "<|eom|>" : "<|eot|>");
    }
    write_header(layout, NAWI_CHAT_ASSISTANT);
}

/* ── With tools ──────────────────────────────────────────────────────────────────────────────── */

static void write_system(struct layout *layout, const struct nawi_chat_message *message)
{
    GString *text = layout_join(message);
    size_t n_bytes = text->len;
    const char *trimmed = layout_trim(text->str, &n_bytes);
    write_header(layout, NAWI_CHAT_SYSTEM);
    layout_words(layout, "Environment: ipython\n");
    layout_text(layout, trimmed, n_bytes);
    layout_control(layout, "<|eot|>");
    g_string_free(text, TRUE);
}

static void write_tools(struct layout *layout, const char *tools)
{
    struct literal list;
    const char *fault = NULL;
    bool ok = literal_parse_json(tools, strlen(tools), &list, &fault);
    if (!ok || list.kind != LITERAL_LIST) {
        layout_fail(layout, NAWI_ERROR_INPUT, "the descriptions of tools are not a JSON array: %s",
                    ok ? "another kind of value" : fault);
        if (ok)
            literal_finish(&list);
        return;
    }
    GString *out = g_string_new(
        "Given the following functions, please respond with a JSON for a function call with "
        "its proper arguments that best answers the given prompt.\n\nRespond in the format "
        "{\"name\": function name, \"parameters\": dictionary of argument name and its "
        "value}.Do not use variables.\n\n");
    for (size_t i = 0; i < list.n_item; i++) {
        literal_write(out, &list.items[i], LITERAL_INDENTED);
        g_string_append(out, "\n\n");
    }
    layout_text(layout, out->str, out->len);
    g_string_free(out, TRUE);
    literal_finish(&list);
}

/* The first turn of the user, trimmed at its two ends. */
static void write_first_user(struct layout *layout, const struct nawi_chat *chat,
                             const struct nawi_chat_message *message,
                             const struct nawi_media_spec *spec)
{
    GString *text = layout_join(message);
    bool has_images = false;
    for (size_t i = 0; i < message->n_part; i++)
        has_images |= message->parts[i].kind == NAWI_CHAT_IMAGE;
    write_header(layout, NAWI_CHAT_USER);
    write_tools(layout, chat->tools);
    if (has_images)
        write_parts(layout, message, spec);
    else {
        size_t n_bytes = text->len;
        const char *trimmed = layout_trim(text->str, &n_bytes);
        layout_text(layout, trimmed, n_bytes);
    }
    layout_control(layout, "<|eot|>");
    g_string_free(text, TRUE);
}

static void write_template_calls(struct layout *layout, const struct nawi_chat_message *message)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < message->n_call; i++) {
        struct literal arguments;
        if (!read_arguments(layout, &message->calls[i], &arguments))
            break;
        write_json_call(out, "", message->calls[i].name, &arguments, LITERAL_COMPACT);
        literal_finish(&arguments);
    }
    layout_text(layout, out->str, out->len);
    g_string_free(out, TRUE);
}

static void write_result(struct layout *layout, const struct nawi_chat_message *message)
{
    GString *text = layout_join(message);
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < message->n_part; i++)
        if (message->parts[i].kind == NAWI_CHAT_IMAGE)
            layout_fail(layout, NAWI_ERROR_UNSUPPORTED,
                        "the result of a tool has a picture, for which the chat "
                        "format has no place where tools are described");
    literal_write_string(out, text->str, text->len, LITERAL_COMPACT);
    layout_text(layout, out->str, out->len);
    g_string_free(out, TRUE);
    g_string_free(text, TRUE);
}

static void write_template_message(struct layout *layout, const struct nawi_chat_message *message,
                                   const struct nawi_media_spec *spec)
{
    bool has_calls = message->role == NAWI_CHAT_ASSISTANT && message->n_call > 0;
    write_header(layout, message->role);
    if (message->role == NAWI_CHAT_TOOL)
        write_result(layout, message);
    else if (has_calls) {
        layout_control(layout, "<|python_start|>");
        write_parts(layout, message, spec);
        layout_control(layout, "<|python_end|>");
        write_template_calls(layout, message);
    } else
        write_parts(layout, message, spec);
    layout_control(layout, "<|eot|>");
}

void layout_llama4_tools(struct layout *layout, const struct nawi_chat *chat,
                         const struct nawi_media_spec *spec)
{
    size_t i = 0;
    write_start(layout);
    if (chat->n_message > 0 && chat->messages[0].role == NAWI_CHAT_SYSTEM)
        write_system(layout, &chat->messages[i++]);
    if (i == chat->n_message || chat->messages[i].role != NAWI_CHAT_USER) {
        layout_fail(layout, NAWI_ERROR_INPUT,
                    "with tools, the first message behind the system prompt must be the "
                    "user's: it takes the descriptions");
        return;
    }
    write_first_user(layout, chat, &chat->messages[i++], spec);
    for (; i < chat->n_message; i++)
        write_template_message(layout, &chat->messages[i], spec);
    write_header(layout, NAWI_CHAT_ASSISTANT);
}
