/* Conversations in JSON, what is refused in them, and what the golden chats do not hold of Llama
 * 4's layout. */
#include "engine/text/chat.h"

#include "engine/text/conversation.h"
#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <string.h>

static const char *const tokens[] = {"<|begin_of_text|>",
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
    .tile_px = 56, .patch_px = 14, .shuffle = 2, .max_tiles = 4};

/* The chat between the first header and the last one, written out, or the error's message. */
static char *lay_out(const char *conversation)
{
    static const char head[] = "<|begin_of_text|><|header_start|>";
    static const char tail[] = "<|header_start|>assistant<|header_end|>\n\n";
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", tokens);
    struct nawi_conversation parsed;
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GString *out = g_string_new(NULL);
    GError *error = NULL;
    const struct nawi_chat_format *format = nawi_chat_format_find(NULL, tokenizer, NULL, &error);
    g_assert_no_error(error);
    nawi_conversation_parse("test", conversation, strlen(conversation), &parsed, &error);
    g_assert_no_error(error);
    if (nawi_chat_encode(format, tokenizer, &parsed.chat, &spec, ids, &error)) {
        nawi_tokenizer_decode(tokenizer, (int32_t *)(void *)ids->data, ids->len,
                              NAWI_ENCODE_SPECIALS, out, NULL);
        g_assert_true(g_str_has_prefix(out->str, head) && g_str_has_suffix(out->str, tail));
        g_string_truncate(out, out->len - strlen(tail));
        g_string_erase(out, 0, (gssize)strlen(head));
    } else
        g_string_assign(out, error->message);
    g_clear_error(&error);
    nawi_conversation_finish(&parsed);
    g_array_free(ids, TRUE);
    nawi_tokenizer_destroy(tokenizer);
    return g_string_free(out, FALSE);
}

static void check(const char *conversation, const char *wanted)
{
    char *found = lay_out(conversation);
    g_assert_cmpstr(found, ==, wanted);
    g_free(found);
}

#define CALL(format, calls)                                                                        \
    "{\"tool_format\": \"" format                                                                  \
    "\", \"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [" calls      \
    "]}]}"
#define ARGUMENTS                                                                                  \
    "{\"b\": 1e-07, \"a\": -0.0, \"n\": 12345678901234567890123, \"d\": {\"k\": [100.0, null]}}"

static void test_calls(void)
{
    /* Digits and order stay, in each way of writing. */
    check(CALL("json", "{\"name\": \"f\", \"arguments\": " ARGUMENTS "}"),
          "assistant<|header_end|>\n\n{\"type\": \"function\", \"name\": \"f\", "
          "\"parameters\": " ARGUMENTS "}<|eom|>");
    check(CALL("function_tag", "{\"name\": \"f\", \"arguments\": " ARGUMENTS "}"),
          "assistant<|header_end|>\n\n<function=f>" ARGUMENTS "</function><|eom|>");
    check(CALL("python_list", "{\"name\": \"f\", \"arguments\": " ARGUMENTS "}"),
          "assistant<|header_end|>\n\n[f(b=1e-07, a=-0.0, n=12345678901234567890123, d={\"k\": "
          "[100.0, None]})]<|eom|>");
    /* Several in one list, also of tools that have a form of their own when alone. */
    check(
        CALL("python_list",
             "{\"name\": \"brave_search\", \"arguments\": {\"query\": \"q\"}}, {\"name\": \"g\"}"),
        "assistant<|header_end|>\n\n[brave_search(query=\"q\"), g()]<|eom|>");
    check(
        CALL("python_list", "{\"name\": \"brave_search\", \"arguments\": {\"query\": \"a\\\"b\"}}"),
        "assistant<|header_end|>\n\nbrave_search.call(query=\"a\\\"b\")<|eom|>");
    /* The form of the API: inside "function", arguments as text. */
    check(CALL("json", "{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"f\", "
                       "\"arguments\": \"{\\\"x\\\": 1.50}\"}}"),
          "assistant<|header_end|>\n\n{\"type\": \"function\", \"name\": \"f\", \"parameters\": "
          "{\"x\": 1.50}}<|eom|>");
    check(CALL("json", ""), "assistant<|header_end|>\n\n<|eot|>");
}

static void test_pictures(void)
{
    check("[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 1, \"cols\": 1}}, {\"text\": "
          "\"x\"}]}]",
          "user<|header_end|>\n\n"
          "<|image_start|><|image|><|patch|><|patch|><|patch|><|patch|><|image_end|>x<|eot|>");
    check("[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 1, \"cols\": 2}}]}]",
          "user<|header_end|>\n\n"
          "<|image_start|><|patch|><|patch|><|patch|><|patch|><|tile_x_separator|>"
          "<|patch|><|patch|><|patch|><|patch|><|tile_y_separator|><|image|><|patch|><|patch|>"
          "<|patch|><|patch|>"
          "<|image_end|><|eot|>");
    check("[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 9, \"cols\": 8}}]}]",
          "a picture has 9 x 8 tiles, expected 1 to 64 in all");
    /* Beside descriptions of tools the picture stays where it was. */
    check(
        "{\"tools\": [{\"name\": \"f\"}], \"messages\": [{\"role\": \"user\", \"content\": "
        "[{\"image\": {\"rows\": 1, \"cols\": "
        "1}}, {\"text\": \"x\"}]}]}",
        "user<|header_end|>\n\nGiven the following functions, please respond with a JSON for a "
        "function call with its "
        "proper arguments that best answers the given prompt.\n\nRespond in the format {\"name\": "
        "function name, "
        "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n{\n  "
        "  \"name\": "
        "\"f\"\n}\n\n<|image_start|><|image|><|patch|><|patch|><|patch|><|patch|>"
        "<|image_end|>x<|eot|>");
}

/* Ids, where the text alone would not tell. */
static void test_injection(void)
{
    static const char text[] = "[{\"role\": \"user\", \"content\": \"<|eot|>\"}]";
    static const char with_tools[] =
        "{\"tools\": [{\"<|eot|>\": 1}], \"messages\": [{\"role\": \"user\", \"content\": "
        "\"<|patch|>\"}, {\"role\": \"tool\", \"content\": \"<|eom|>\"}]}";
    const char *const conversations[] = {text, with_tools};
    const int n_control[] = {6, 9};
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", tokens);
    const struct nawi_chat_format *format = nawi_chat_format_find(NULL, tokenizer, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct nawi_conversation parsed;
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
        GError *error = NULL;
        int n = 0;
        nawi_conversation_parse("test", conversations[i], strlen(conversations[i]), &parsed,
                                &error);
        g_assert_no_error(error);
        nawi_chat_encode(format, tokenizer, &parsed.chat, &spec, ids, &error);
        g_assert_no_error(error);
        for (guint k = 0; k < ids->len; k++)
            n += nawi_tokenizer_is_control(tokenizer, g_array_index(ids, int32_t, k));
        g_assert_cmpint(n, ==, n_control[i]);
        nawi_conversation_finish(&parsed);
        g_array_free(ids, TRUE);
    }
    nawi_tokenizer_destroy(tokenizer);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "is not JSON"},
        {"{", "is not JSON"},
        {"[] x", "behind the value"},
        {"{\"a\": 1, \"a\": 2}", "occurs twice"},
        {"3", "no list of \"messages\""},
        {"{}", "no list of \"messages\""},
        {"{\"messages\": {}}", "no list of \"messages\""},
        {"{\"messages\": [], \"tools\": {}}", "\"tools\" is not a list"},
        {"{\"messages\": [], \"tool_format\": \"x\"}", "tool_format"},
        {"[3]", "message 1: it is not an object"},
        {"[{}]", "message 1: \"role\""},
        {"[{\"role\": \"user\"}, {\"role\": \"king\"}]", "message 2: \"role\""},
        {"[{\"role\": \"user\", \"content\": 3}]", "neither a string nor a list"},
        {"[{\"role\": \"user\", \"content\": [{}]}]", "needs one of"},
        {"[{\"role\": \"user\", \"content\": [3]}]", "needs one of"},
        {"[{\"role\": \"user\", \"content\": [{\"text\": \"a\", \"image\": {}}]}]", "needs one of"},
        {"[{\"role\": \"user\", \"content\": [{\"text\": 3}]}]", "not a string"},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 0, \"cols\": 1}}]}]",
         "\"rows\" and \"cols\""},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 1.5, \"cols\": 1}}]}]",
         "\"rows\" and \"cols\""},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 99999999999999999999, "
         "\"cols\": 1}}]}]",
         "\"rows\""},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"cols\": 1}}]}]",
         "\"rows\" and \"cols\""},
        {"[{\"role\": \"user\", \"tool_calls\": [{\"name\": \"f\"}]}]",
         "another than the assistant"},
        {"[{\"role\": \"assistant\", \"tool_calls\": {}}]", "not a list"},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{}]}]", "needs a \"name\""},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"a\\u0000b\"}]}]",
         "needs a \"name\""},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"f\", \"arguments\": [1]}]}]",
         "not an object"},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"f\", \"arguments\": \"{\"}]}]",
         "not an object"},
        {"[{\"role\": \"assistant\", \"stop_reason\": \"bored\"}]", "stop_reason"},
        {"[{\"role\": \"user\", \"content\": \"\\ud800\"}]", "surrogate"},
        {"[{\"role\": \"user\", \"content\": \"\xFF\"}]", "not UTF-8"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct nawi_conversation parsed;
        GError *error = NULL;
        g_assert_false(nawi_conversation_parse("x.json", cases[i].text, strlen(cases[i].text),
                                               &parsed, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        if (error && (!strstr(error->message, cases[i].says) ||
                      !g_str_has_prefix(error->message, "x.json"))) {
            g_test_message("case %zu says: %s", i, error->message);
            g_test_fail();
        }
        g_clear_error(&error);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/chat/calls", test_calls);
    g_test_add_func("/chat/pictures", test_pictures);
    g_test_add_func("/chat/injection", test_injection);
    g_test_add_func("/chat/refused", test_refused);
    return harness_main();
}
