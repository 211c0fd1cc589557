/* nawi prompt: a conversation laid out as a model's tokens; and a model's output read as calls of
 * tools. */
#include "app/cli/commands.h"
#include "app/cli/ids.h"
#include "app/cli/input.h"
#include "app/cli/terminal.h"
#include "engine/engine.h"

static bool read_conversation(const char *path, struct nawi_conversation *conversation,
                              GError **error)
{
    size_t n_bytes = 0;
    char *text = input_read(path, (size_t)16 << 20, &n_bytes, error);
    if (!text)
        return false;
    char *name = input_name(path);
    bool done = nawi_conversation_parse(name, text, n_bytes, conversation, error);
    g_free(name);
    g_free(text);
    return done;
}

static bool encode(const struct options *options, GArray *ids, GError **error)
{
    const struct nawi_chat_format *format = NULL;
    struct nawi_media_spec spec;
    struct nawi_conversation conversation = {0};
    const char *model = g_ptr_array_index(options->arguments, 0);
    struct nawi_tokenizer *tokenizer =
        nawi_tokenizer_open(model, options->mmproj, &format, &spec, error);
    if (!tokenizer)
        return false;
    if (!format) {
        char *name = terminal_name(model);
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s: neither its template nor its control tokens tell a known chat layout",
                    name);
        g_free(name);
        nawi_tokenizer_destroy(tokenizer);
        return false;
    }
    bool done = read_conversation(g_ptr_array_index(options->arguments, 1), &conversation, error) &&
                nawi_chat_encode(format, tokenizer, &conversation.chat, &spec, ids, error);
    nawi_conversation_finish(&conversation);
    nawi_tokenizer_destroy(tokenizer);
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
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    bool done = encode(options, ids, &error);
    if (done)
        ids_write(terminal, ids);
    g_array_unref(ids);
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
        "\"cols\"}} and {\"thinking\"}; also \"tool_calls\" and \"stop_reason\". Where the model "
        "has no vision tower, a tile counts 144 patches. --parse prints an array of {\"name\", "
        "\"arguments\"}, empty when the output is plain text. '-' is standard input.",
    .groups = OPTIONS_PROMPT | OPTIONS_TOWER,
    .least = 0,
    .most = 2,
    .run = run,
};
