/* From JSON to the plain structs of a chat. Texts point into the tree of the document, which
 * stays alive beside them; what has to be written anew (arguments, descriptions of tools) is
 * kept in a list of strings. */
#include "engine/text/conversation.h"

#include "engine/text/literal.h"

#include <string.h>

enum { MAX_TILES_A_SIDE = 1000 }; /* sizes beyond are nonsense in any model */

struct memory {
    struct literal root;
    GPtrArray *texts;  /* char * */
    GPtrArray *arrays; /* of parts and calls, and the one of messages */
};

/* Where in the document something is wrong. */
struct reader {
    const char *name;
    size_t i_message; /* from 1; 0: outside the messages */
    struct memory *memory;
    GError **error;
};

static bool fail(const struct reader *reader, const char *what)
{
    if (reader->i_message > 0)
        g_set_error(reader->error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: message %zu: %s",
                    reader->name, reader->i_message, what);
    else
        g_set_error(reader->error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: %s", reader->name, what);
    return false;
}

/* A member that is there and not null. */
static const struct literal *get(const struct literal *object, const char *key)
{
    const struct literal *value = literal_get(object, key);
    return value && value->kind != LITERAL_NULL ? value : NULL;
}

/* Takes the place of value in names, NULL-terminated; -1 when it is none of them. */
static int find_name(const struct literal *value, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (literal_is(value, names[i]))
            return i;
    return -1;
}

static const char *keep_json(struct memory *memory, const struct literal *value)
{
    GString *text = g_string_new(NULL);
    literal_write(text, value, LITERAL_COMPACT);
    char *kept = g_string_free(text, FALSE);
    g_ptr_array_add(memory->texts, kept);
    return kept;
}

/* Room for n elements that lives as long as the conversation. */
static void *keep_array(struct memory *memory, size_t n, size_t size)
{
    void *kept = g_malloc0_n(MAX(n, 1), size);
    g_ptr_array_add(memory->arrays, kept);
    return kept;
}

static bool read_side(const struct reader *reader, const struct literal *image, const char *key,
                      int *side)
{
    const struct literal *value = get(image, key);
    guint64 number = 0;
    if (!value || value->kind != LITERAL_NUMBER ||
        !g_ascii_string_to_unsigned(value->text->str, 10, 1, MAX_TILES_A_SIDE, &number, NULL))
        return fail(reader, "the image needs \"rows\" and \"cols\", whole numbers from 1");
    *side = (int)number;
    return true;
}

static bool read_part(const struct reader *reader, const struct literal *value,
                      struct nawi_chat_part *part)
{
    const struct literal *text = get(value, "text");
    const struct literal *thinking = get(value, "thinking");
    const struct literal *image = get(value, "image");
    if (!!text + !!thinking + !!image != 1)
        return fail(reader,
                    "a part of the content needs one of \"text\", \"image\" and \"thinking\"");
    if (image) {
        part->kind = NAWI_CHAT_IMAGE;
        return read_side(reader, image, "rows", &part->rows) &&
               read_side(reader, image, "cols", &part->cols);
    }
    const struct literal *said = text ? text : thinking;
    if (said->kind != LITERAL_STRING)
        return fail(reader, "the text of a part is not a string");
    part->kind = text ? NAWI_CHAT_TEXT : NAWI_CHAT_THINKING;
    part->text = said->text->str;
    part->n_bytes = said->text->len;
    return true;
}

static bool read_content(const struct reader *reader, const struct literal *value,
                         struct nawi_chat_message *message)
{
    bool is_list = value && value->kind == LITERAL_LIST;
    size_t n = is_list ? value->n_item : value ? 1 : 0;
    struct nawi_chat_part *parts = keep_array(reader->memory, n, sizeof *parts);
    message->parts = parts;
    message->n_part = n;
    if (!value)
        return true;
    if (value->kind == LITERAL_STRING) {
        parts[0] = (struct nawi_chat_part){
            .kind = NAWI_CHAT_TEXT, .text = value->text->str, .n_bytes = value->text->len};
        return true;
    }
    if (!is_list)
        return fail(reader, "\"content\" is neither a string nor a list of parts");
    for (size_t i = 0; i < n; i++)
        if (!read_part(reader, &value->items[i], &parts[i]))
            return false;
    return true;
}

static bool read_call(const struct reader *reader, const struct literal *value,
                      struct nawi_chat_call *call)
{
    const struct literal *function = get(value, "function");
    const struct literal *from = function ? function : value;
    const struct literal *name = get(from, "name");
    const struct literal *arguments = get(from, "arguments");
    if (!name || name->kind != LITERAL_STRING || name->text->len == 0 ||
        strlen(name->text->str) != name->text->len)
        return fail(reader, "a call in \"tool_calls\" needs a \"name\"");
    call->name = name->text->str;
    if (!arguments)
        call->arguments = "{}";
    else if (arguments->kind == LITERAL_OBJECT)
        call->arguments = keep_json(reader->memory, arguments);
    else {
        struct literal inner = {0};
        bool ok = arguments->kind == LITERAL_STRING &&
                  literal_parse_json(arguments->text->str, arguments->text->len, &inner, NULL);
        if (ok && inner.kind == LITERAL_OBJECT)
            call->arguments = keep_json(reader->memory, &inner);
        if (ok)
            literal_finish(&inner);
        if (!call->arguments)
            return fail(reader, "the \"arguments\" of a call are not an object");
    }
    return true;
}

static bool read_calls(const struct reader *reader, const struct literal *value,
                       struct nawi_chat_message *message)
{
    if (!value)
        return true;
    if (value->kind != LITERAL_LIST)
        return fail(reader, "\"tool_calls\" is not a list");
    if (value->n_item > 0 && message->role != NAWI_CHAT_ASSISTANT)
        return fail(reader, "\"tool_calls\" of another than the assistant");
    struct nawi_chat_call *calls = keep_array(reader->memory, value->n_item, sizeof *calls);
    message->calls = calls;
    message->n_call = value->n_item;
    for (size_t i = 0; i < value->n_item; i++)
        if (!read_call(reader, &value->items[i], &calls[i]))
            return false;
    return true;
}

static bool read_message(const struct reader *reader, const struct literal *value,
                         struct nawi_chat_message *message)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool", "ipython", NULL};
    static const char *const stops[] = {"end_of_turn", "end_of_message", "out_of_tokens", NULL};
    const struct literal *role = get(value, "role");
    const struct literal *stop = get(value, "stop_reason");
    int i_role = role ? find_name(role, roles) : -1;
    int i_stop = stop ? find_name(stop, stops) : 0;
    if (value->kind != LITERAL_OBJECT)
        return fail(reader, "it is not an object");
    if (i_role < 0)
        return fail(reader, "\"role\" is not one of system, user, assistant and tool");
    if (i_stop < 0)
        return fail(reader,
                    "\"stop_reason\" is not one of end_of_turn, end_of_message and out_of_tokens");
    message->role = i_role == 4 ? NAWI_CHAT_TOOL : (enum nawi_chat_role)i_role;
    message->stop = i_stop == 1 ? NAWI_CHAT_END_OF_MESSAGE : NAWI_CHAT_END_OF_TURN;
    return read_content(reader, get(value, "content"), message) &&
           read_calls(reader, get(value, "tool_calls"), message);
}

static bool read_chat(struct reader *reader, const struct literal *root, struct nawi_chat *chat)
{
    static const char *const formats[] = {"json", "python_list", "function_tag", NULL};
    bool is_object = root->kind == LITERAL_OBJECT;
    const struct literal *messages = is_object ? get(root, "messages") : root;
    const struct literal *tools = is_object ? get(root, "tools") : NULL;
    const struct literal *format = is_object ? get(root, "tool_format") : NULL;
    int i_format = format ? find_name(format, formats) : 0;
    if (!messages || messages->kind != LITERAL_LIST)
        return fail(reader, "there is no list of \"messages\"");
    if (tools && tools->kind != LITERAL_LIST)
        return fail(reader, "\"tools\" is not a list");
    if (i_format < 0)
        return fail(reader, "\"tool_format\" is not one of json, python_list and function_tag");
    chat->tool_format = (enum nawi_chat_tool_format)i_format;
    if (tools && tools->n_item > 0)
        chat->tools = keep_json(reader->memory, tools);
    struct nawi_chat_message *list = keep_array(reader->memory, messages->n_item, sizeof *list);
    chat->messages = list;
    chat->n_message = messages->n_item;
    for (size_t i = 0; i < messages->n_item; i++) {
        reader->i_message = i + 1;
        if (!read_message(reader, &messages->items[i], &list[i]))
            return false;
    }
    return true;
}

bool nawi_conversation_parse(const char *name, const char *text, size_t n_bytes,
                             struct nawi_conversation *conversation, GError **error)
{
    struct memory *memory = g_new0(struct memory, 1);
    struct reader reader = {.name = name, .memory = memory, .error = error};
    const char *fault = NULL;
    *conversation = (struct nawi_conversation){.memory = memory};
    memory->texts = g_ptr_array_new_with_free_func(g_free);
    memory->arrays = g_ptr_array_new_with_free_func(g_free);
    bool ok = literal_parse_json(text, n_bytes, &memory->root, &fault);
    if (!ok)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s is not JSON: %s", name, fault);
    ok = ok && read_chat(&reader, &memory->root, &conversation->chat);
    if (!ok)
        nawi_conversation_finish(conversation);
    return ok;
}

void nawi_conversation_finish(struct nawi_conversation *conversation)
{
    struct memory *memory = conversation->memory;
    if (memory) {
        literal_finish(&memory->root);
        g_ptr_array_free(memory->texts, TRUE);
        g_ptr_array_free(memory->arrays, TRUE);
        g_free(memory);
    }
    *conversation = (struct nawi_conversation){0};
}
