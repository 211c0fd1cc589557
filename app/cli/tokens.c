/* nawi tokens: text on standard input to ids, or ids to text; exact to the byte, nothing added. */
#include "app/cli/commands.h"
#include "app/cli/ids.h"
#include "app/cli/input.h"
#include "app/cli/terminal.h"
#include "engine/engine.h"

static bool decode(const struct nawi_tokenizer *tokenizer, enum nawi_encode_mode mode,
                   struct terminal *terminal, GError **error)
{
    GArray *ids = ids_read("-", error);
    if (!ids)
        return false;
    GString *bytes = g_string_new(NULL);
    bool done = nawi_tokenizer_decode(tokenizer, (const int32_t *)(const void *)ids->data, ids->len,
                                      mode, bytes, error);
    if (done)
        terminal_write(terminal, bytes->str, bytes->len);
    g_string_free(bytes, TRUE);
    g_array_unref(ids);
    return done;
}

static bool encode(const struct nawi_tokenizer *tokenizer, enum nawi_encode_mode mode,
                   struct terminal *terminal, GError **error)
{
    size_t n_bytes = 0;
    char *text = input_read("-", (size_t)1 << 30, &n_bytes, error);
    if (!text)
        return false;
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    bool done = nawi_tokenizer_encode(tokenizer, text, n_bytes, mode, ids, error);
    if (done)
        ids_write(terminal, ids);
    g_array_unref(ids);
    g_free(text);
    return done;
}

static int run(const struct options *options, struct terminal *terminal)
{
    GError *error = NULL;
    struct nawi_media_spec spec;
    const char *path = g_ptr_array_index(options->arguments, 0);
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_open(path, NULL, NULL, &spec, &error);
    if (!tokenizer)
        return terminal_fail(terminal, error);
    enum nawi_encode_mode mode = options->control ? NAWI_ENCODE_SPECIALS : NAWI_ENCODE_TEXT;
    bool done = options->decode ? decode(tokenizer, mode, terminal, &error)
                                : encode(tokenizer, mode, terminal, &error);
    nawi_tokenizer_destroy(tokenizer);
    return done ? terminal_finish(terminal) : terminal_fail(terminal, error);
}

const struct command command_tokens = {
    .name = "tokens",
    .arguments = "MODEL",
    .summary = "Turn text into a model's token ids, or ids into text.",
    .examples = "  printf 'Hello' | nawi tokens scout.gguf\n"
                "  printf '[19873]' | nawi tokens --decode scout.gguf\n",
    .details = "Text is read from standard input to the last byte; ids are a bare JSON array (with "
               "--json and without). No begin-of-text token and no newline is added. Invalid UTF-8 "
               "counts as U+FFFD. Without --control the names of control tokens are text like any "
               "other, and --decode leaves control tokens out. MODEL may hold a vocabulary alone.",
    .groups = OPTIONS_TOKENS | OPTIONS_JSON,
    .least = 1,
    .most = 1,
    .run = run,
};
