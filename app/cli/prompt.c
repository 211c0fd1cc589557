/* nawi prompt: a conversation laid out as a model's tokens; and a model's output read as calls of
 * tools.
 *
 * A conversation is an object with "messages" (or the bare array of them), as chat programs
 * write it: "role" system, user, assistant or tool; "content" a string or a list of parts
 * {"text"}, {"image": {"rows", "cols"}}, {"thinking"}; of the assistant also "tool_calls" and
 * "stop_reason". Beside "messages" may stand "tools" and "tool_format" (json, python_list,
 * function_tag). Pictures stand here by their number of tiles alone. */
#include "app/cli/commands.h"
#include "app/cli/ids.h"
#include "app/cli/input.h"
#include "app/cli/span.h"
#include "app/cli/terminal.h"
#include "engine/engine.h"
#include "engine/file/json.h"

#include <string.h>

/* A conversation read from JSON. Texts point into the JSON or are in owned. */
struct reading {
    const char *file;
    const char *text; /* of the whole document */
    GPtrArray *owned; /* g_free */
    GArray *messages; /* struct nawi_chat_message */
    enum nawi_chat_tool_format tool_format;
    const char *tools;
};

static void reading_finish(struct reading *reading)
{
    g_ptr_array_unref(reading->owned);
    g_array_unref(reading->messages);
}

static gpointer keep(struct reading *reading, gpointer memory)
{
    g_ptr_array_add(reading->owned, memory);
    return memory;
}

/* The text of the value at `at` as it was written; NULL stays NULL. */
static const char *copy(struct reading *reading, const char *at)
{
    return at ? keep(reading, g_strndup(at, (gsize)(span_get_end(at) - at))) : NULL;
}

static bool read_image(const struct nawi_json_at *at, struct nawi_chat_part *part, GError **error)
{
    struct nawi_json_at image;
    int64_t rows = 0, cols = 0;
    if (!nawi_json_get_object(at, "image", &image, error) ||
        !nawi_json_need_int(&image, "rows", 1, NAWI_MEDIA_MAX_TILES, &rows, error) ||
        !nawi_json_need_int(&image, "cols", 1, NAWI_MEDIA_MAX_TILES, &cols, error))
        return false;
    *part = (struct nawi_chat_part){.kind = NAWI_CHAT_IMAGE, .rows = (int)rows, .cols = (int)cols};
    return true;
}

static bool read_part(const struct nawi_json_at *at, struct nawi_chat_part *part, GError **error)
{
    const char *text = NULL;
    if (nawi_json_has(at, "image"))
        return read_image(at, part, error);
    bool thinks = nawi_json_has(at, "thinking");
    if (!nawi_json_get_string(at, thinks ? "thinking" : "text", &text, error))
        return false;
    if (!text)
        return nawi_json_fault(at, NULL, error, "wanted text, image or thinking");
    *part = (struct nawi_chat_part){.kind = thinks ? NAWI_CHAT_THINKING : NAWI_CHAT_TEXT,
                                    .text = text,
                                    .n_bytes = strlen(text)};
    return true;
}

static bool read_content(struct reading *reading, const struct nawi_json_at *at,
                         struct nawi_chat_message *message, GError **error)
{
    const json_t *content = json_object_get(at->object, "content");
    if (!content || json_is_null(content))
        return true;
    if (json_is_string(content)) {
        struct nawi_chat_part *part = keep(reading, g_new0(struct nawi_chat_part, 1));
        *part = (struct nawi_chat_part){.text = json_string_value(content),
                                        .n_bytes = json_string_length(content)};
        message->parts = part;
        message->n_part = 1;
        return true;
    }
    if (!json_is_array(content))
        return nawi_json_fault(at, "content", error, "wanted a string or a list of parts");
    size_t n = json_array_size(content);
    struct nawi_chat_part *parts = keep(reading, g_new0(struct nawi_chat_part, MAX(n, 1)));
    for (size_t i = 0; i < n; i++) {
        char *path = keep(reading, g_strdup_printf("%s.content[%zu]", at->path, i));
        struct nawi_json_at part = {
            .file = at->file, .path = path, .object = json_array_get(content, i)};
        if (!json_is_object(part.object))
            return nawi_json_fault(&part, NULL, error, "wanted an object");
        if (!read_part(&part, &parts[i], error))
            return false;
    }
    message->parts = parts;
    message->n_part = n;
    return true;
}

/* {"name", "arguments"}, alone or, as chat programs write it, inside "function"; arguments an
 * object or its text. written: the call in the document's text. */
static bool read_call(struct reading *reading, const struct nawi_json_at *at, const char *written,
                      struct nawi_chat_call *call, GError **error)
{
    struct nawi_json_at function;
    if (!nawi_json_get_object(at, "function", &function, error))
        return false;
    const struct nawi_json_at *from = function.object ? &function : at;
    const json_t *arguments = json_object_get(from->object, "arguments");
    if (!nawi_json_get_string(from, "name", &call->name, error))
        return false;
    if (!call->name)
        return nawi_json_fault(from, "name", error, "is missing");
    if (function.object && written)
        written = span_find_member(written, "function");
    if (json_is_string(arguments))
        call->arguments = json_string_value(arguments);
    else if (json_is_object(arguments))
        call->arguments = copy(reading, written ? span_find_member(written, "arguments") : NULL);
    else
        call->arguments = "{}";
    if (!call->arguments)
        return nawi_json_fault(from, "arguments", error,
                               "is written with an escape in a key, which is not supported");
    if (arguments && !json_is_object(arguments) && !json_is_string(arguments) &&
        !json_is_null(arguments))
        return nawi_json_fault(from, "arguments", error, "wanted an object");
    return true;
}

static bool read_calls(struct reading *reading, const struct nawi_json_at *at, const char *written,
                       struct nawi_chat_message *message, GError **error)
{
    const json_t *list = NULL;
    if (!nawi_json_get_array(at, "tool_calls", &list, error))
        return false;
    size_t n = list ? json_array_size(list) : 0;
    if (n == 0)
        return true;
    struct nawi_chat_call *calls = keep(reading, g_new0(struct nawi_chat_call, n));
    const char *written_list = written ? span_find_member(written, "tool_calls") : NULL;
    for (size_t i = 0; i < n; i++) {
        char *path = keep(reading, g_strdup_printf("%s.tool_calls[%zu]", at->path, i));
        struct nawi_json_at call = {
            .file = at->file, .path = path, .object = json_array_get(list, i)};
        if (!json_is_object(call.object))
            return nawi_json_fault(&call, NULL, error, "wanted an object");
        const char *written_call = written_list ? span_find_element(written_list, i) : NULL;
        if (!read_call(reading, &call, written_call, &calls[i], error))
            return false;
    }
    message->calls = calls;
    message->n_call = n;
    return true;
}

/* Which of names value is, or -1 with an error; fallback where there is no such key. */
static int choose(const struct nawi_json_at *at, const char *key, const char *const *names,
                  int fallback, GError **error)
{
    const char *value = NULL;
    if (!nawi_json_get_string(at, key, &value, error))
        return -1;
    if (!value)
        return fallback;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    char *all = g_strjoinv(", ", (char **)names);
    char *shown = nawi_quote(value, strlen(value));
    nawi_json_fault(at, key, error, "wanted one of %s, found %s", all, shown);
    g_free(shown);
    g_free(all);
    return -1;
}

static bool read_message(struct reading *reading, const struct nawi_json_at *at,
                         const char *written, GError **error)
{
    static const char *const role_names[] = {"system", "user",    "assistant",
                                             "tool",   "ipython", NULL};
    static const enum nawi_chat_role roles[] = {
        NAWI_CHAT_SYSTEM, NAWI_CHAT_USER, NAWI_CHAT_ASSISTANT, NAWI_CHAT_TOOL, NAWI_CHAT_TOOL};
    static const char *const stop_names[] = {"end_of_turn", "end_of_message", "out_of_tokens",
                                             NULL};
    struct nawi_chat_message message = {0};
    if (!nawi_json_has(at, "role"))
        return nawi_json_fault(at, "role", error, "is missing");
    int role = choose(at, "role", role_names, 0, error);
    int stop = role >= 0 ? choose(at, "stop_reason", stop_names, 0, error) : -1;
    if (stop < 0 || !read_content(reading, at, &message, error) ||
        !read_calls(reading, at, written, &message, error))
        return false;
    message.role = roles[role];
    message.stop = stop == 1 ? NAWI_CHAT_END_OF_MESSAGE : NAWI_CHAT_END_OF_TURN;
    g_array_append_val(reading->messages, message);
    return true;
}

static bool read_conversation(struct reading *reading, json_t *root, GError **error)
{
    static const char *const formats[] = {"json", "python_list", "function_tag", NULL};
    const json_t *messages = root;
    const char *written = reading->text;
    if (json_is_object(root)) {
        struct nawi_json_at at;
        const json_t *tools = NULL;
        if (!nawi_json_root(reading->file, root, &at, error) ||
            !nawi_json_get_array(&at, "messages", &messages, error) ||
            !nawi_json_get_array(&at, "tools", &tools, error))
            return false;
        if (!messages)
            return nawi_json_fault(&at, "messages", error, "is missing");
        int format = choose(&at, "tool_format", formats, 0, error);
        if (format < 0)
            return false;
        reading->tool_format = (enum nawi_chat_tool_format)format;
        if (tools && json_array_size(tools) > 0)
            reading->tools = copy(reading, span_find_member(reading->text, "tools"));
        written = span_find_member(reading->text, "messages");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        char *path = keep(reading, g_strdup_printf("messages[%zu]", i));
        struct nawi_json_at at = {
            .file = reading->file, .path = path, .object = json_array_get(messages, i)};
        if (!json_is_object(at.object))
            return nawi_json_fault(&at, NULL, error, "wanted an object");
        if (!read_message(reading, &at, written ? span_find_element(written, i) : NULL, error))
            return false;
    }
    return true;
}

static bool encode(const struct options *options, const struct nawi_tokenizer *tokenizer,
                   const struct nawi_chat_format *format, const struct nawi_media_spec *spec,
                   GArray *ids, GError **error)
{
    const char *path = g_ptr_array_index(options->arguments, 1);
    size_t n_bytes = 0;
    char *text = input_read(path, (size_t)16 << 20, &n_bytes, error);
    if (!text)
        return false;
    char *name = input_name(path);
    json_t *root = nawi_json_parse(name, text, n_bytes, NULL, error);
    if (!root) {
        g_free(name);
        g_free(text);
        return false;
    }
    struct reading reading = {
        .file = name,
        .text = text,
        .owned = g_ptr_array_new_with_free_func(g_free),
        .messages = g_array_new(FALSE, FALSE, sizeof(struct nawi_chat_message)),
    };
    bool done = read_conversation(&reading, root, error);
    if (done) {
        struct nawi_chat chat = {
            .messages = (const struct nawi_chat_message *)(const void *)reading.messages->data,
            .n_message = reading.messages->len,
            .tools = reading.tools,
            .tool_format = reading.tool_format,
        };
        done = nawi_chat_encode(format, tokenizer, &chat, spec, ids, error);
    }
    reading_finish(&reading);
    json_decref(root);
    g_free(name);
    g_free(text);
    return done;
}

static int parse_output(struct terminal *terminal)
{
    GError *error = NULL;
    size_t n_bytes = 0;
    char *output = input_read("-", (size_t)64 << 20, &n_bytes, &error);
    if (!output)
        return terminal_fail(terminal, error);
    struct nawi_tools tools = {0};
    nawi_tools_parse(output, n_bytes, &tools);
    char *json = nawi_tools_to_json(&tools);
    terminal_print(terminal, "%s\n", json);
    g_free(json);
    nawi_tools_finish(&tools);
    g_free(output);
    return terminal_finish(terminal);
}

static int run(const struct options *options, struct terminal *terminal)
{
    if (options->parse && options->arguments->len > 0) {
        terminal_say(terminal, "prompt: --parse reads standard input and takes no arguments");
        return EXIT_USAGE;
    }
    if (options->parse)
        return parse_output(terminal);
    if (options->arguments->len < 2) {
        terminal_say(terminal, "prompt needs MODEL CONVERSATION.json, or --parse");
        return EXIT_USAGE;
    }
    GError *error = NULL;
    const struct nawi_chat_format *format = NULL;
    struct nawi_media_spec spec;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_open(g_ptr_array_index(options->arguments, 0),
                                                           options->mmproj, &format, &spec, &error);
    if (!tokenizer)
        return terminal_fail(terminal, error);
    if (!format) {
        nawi_tokenizer_destroy(tokenizer);
        terminal_say(terminal, "prompt: this model has no chat layout that is known");
        return EXIT_FAILED;
    }
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    bool done = encode(options, tokenizer, format, &spec, ids, &error);
    if (done)
        ids_write(terminal, ids);
    g_array_unref(ids);
    nawi_tokenizer_destroy(tokenizer);
    return done ? terminal_finish(terminal) : terminal_fail(terminal, error);
}

const struct command command_prompt = {
    .name = "prompt",
    .arguments = "MODEL CONVERSATION.json",
    .summary = "Lay a conversation out as a model's tokens, or read calls of tools.",
    .examples =
        "  nawi prompt scout.gguf talk.json\n"
        "  echo '[{\"role\": \"user\", \"content\": \"Hello\"}]' | nawi prompt scout.gguf -\n"
        "  echo '[get_tide(harbour=\"Brest\")]' | nawi prompt --parse\n",
    .details =
        "Prints token ids as a bare JSON array, ready for the model to answer. A message has "
        "\"role\" and \"content\": a string, or a list of {\"text\"}, {\"image\": {\"rows\", "
        "\"cols\"}} and {\"thinking\"}; also \"tool_calls\" and \"stop_reason\". Where the "
        "model has no vision tower, a tile counts 144 patches. --parse prints an array of "
        "{\"name\", \"arguments\"}, empty when the output is plain text. '-' is standard "
        "input.",
    .groups = OPTIONS_PROMPT | OPTIONS_TOWER,
    .least = 0,
    .most = 2,
    .run = run,
};
