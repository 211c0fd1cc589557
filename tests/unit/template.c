/* Which chat format a template and a vocabulary make, and how Llama 3, Llama 2 and ChatML are
 * laid out. */
#include "engine/text/chat.h"

#include "engine/text/conversation.h"
#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <string.h>

static const char *const llama4_tokens[] = {
    "<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", NULL};
static const char *const llama3_tokens[] = {"<|begin_of_text|>", "<|start_header_id|>",
                                            "<|end_header_id|>", "<|eot_id|>", NULL};
static const char *const chatml_tokens[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
static const char *const llama2_tokens[] = {"<s>", "</s>", NULL};
static const char *const no_tokens[] = {"<|other|>", NULL};

static const char llama3_template[] =
    "{% for message in loop_messages %}{% set content = '<|start_header_id|>' + ...";
static const char llama31_template[] = "{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}"
                                       "{{- \"Cutting Knowledge Date: December 2023\\n\" }}";
static const char smollm_template[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif "
    "%}...";
static const char chatml_template[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' ...";
static const char other_chatml_template[] =
    "{{ '<|im_start|>system\\nYou are Zog.<|im_end|>\\n' }}";
static const char llama2_template[] =
    "{% set content = '<<SYS>>\\n' + system_message ... '[INST] ' ...";

static void test_find(void)
{
    static const struct {
        const char *template_text;
        const char *const *tokens;
        const char *name; /* NULL: unsupported */
        bool warns;
    } cases[] = {
        {NULL, llama4_tokens, "llama4", false},
        {"{{ '<|header_start|>' }}", llama4_tokens, "llama4", false},
        {"{{ 'something else' }}", llama4_tokens, "llama4", true},
        {"{{ '<|im_start|>' }}", llama4_tokens, "llama4", true}, /* its tokens are not there */
        {llama3_template, llama3_tokens, "llama3", false},
        {llama31_template, llama3_tokens, "llama3", false},
        {NULL, llama3_tokens, "llama3", false},
        {smollm_template, chatml_tokens, "chatml", false},
        {chatml_template, chatml_tokens, "chatml", false},
        {other_chatml_template, chatml_tokens, "chatml", true},
        {NULL, chatml_tokens, "chatml", false},
        {llama2_template, llama2_tokens, "llama2", false},
        {NULL, llama2_tokens, "llama2", false},
        {"", llama4_tokens, "llama4", true},
        {NULL, no_tokens, NULL, false},
        {"{{ '<|header_start|>' }}", no_tokens, NULL, false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", cases[i].tokens);
        char *warning = NULL;
        GError *error = NULL;
        const struct nawi_chat_format *format =
            nawi_chat_format_find(cases[i].template_text, tokenizer, &warning, &error);
        if (cases[i].name) {
            g_assert_no_error(error);
            g_assert_cmpstr(nawi_chat_format_get_name(format), ==, cases[i].name);
        } else {
            g_assert_null(format);
            g_assert_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED);
        }
        if (cases[i].warns != (warning != NULL)) {
            g_test_message("case %zu warns: %s", i, warning ? warning : "(nothing)");
            g_test_fail();
        }
        g_clear_error(&error);
        g_free(warning);
        nawi_tokenizer_destroy(tokenizer);
    }
}

/* The chat written out with the names of control tokens, or the message of the error. */
static char *lay_out(const char *template_text, const char *const *tokens, const char *conversation,
                     int *n_control)
{
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", tokens);
    struct nawi_conversation parsed;
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GString *out = g_string_new(NULL);
    GError *error = NULL;
    const struct nawi_chat_format *format =
        nawi_chat_format_find(template_text, tokenizer, NULL, &error);
    g_assert_no_error(error);
    nawi_conversation_parse("test", conversation, strlen(conversation), &parsed, &error);
    g_assert_no_error(error);
    *n_control = 0;
    if (nawi_chat_encode(format, tokenizer, &parsed.chat, NULL, ids, &error)) {
        for (guint i = 0; i < ids->len; i++)
            *n_control += nawi_tokenizer_is_control(tokenizer, g_array_index(ids, int32_t, i));
        nawi_tokenizer_decode(tokenizer, (int32_t *)(void *)ids->data, ids->len,
                              NAWI_ENCODE_SPECIALS, out, NULL);
    } else {
        g_assert_cmpuint(ids->len, ==, 0);
        g_string_assign(out, error->message);
    }
    g_clear_error(&error);
    nawi_conversation_finish(&parsed);
    g_array_free(ids, TRUE);
    nawi_tokenizer_destroy(tokenizer);
    return g_string_free(out, FALSE);
}

static void check(const char *template_text, const char *const *tokens, const char *conversation,
                  const char *wanted, int n_control)
{
    int found_controls;
    char *found = lay_out(template_text, tokens, conversation, &found_controls);
    g_assert_cmpstr(found, ==, wanted);
    g_assert_cmpint(found_controls, ==, n_control);
    g_free(found);
}

static void check_refused(const char *template_text, const char *const *tokens,
                          const char *conversation, const char *part)
{
    int n_control;
    char *found = lay_out(template_text, tokens, conversation, &n_control);
    if (!strstr(found, part)) {
        g_test_message("wanted '%s' in: %s", part, found);
        g_test_fail();
    }
    g_assert_cmpint(n_control, ==, 0);
    g_free(found);
}

#define USER   "{\"role\": \"user\", \"content\": \"Hi\"}"
#define SYSTEM "{\"role\": \"system\", \"content\": \" Be brief. \"}"

static void test_llama3(void)
{
    check(llama3_template, llama3_tokens, "[" SYSTEM ", " USER "]",
          "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
          "<|start_header_id|>user<|end_header_id|>\n\n"
          "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
          9);
    check(llama31_template, llama3_tokens, "[" USER "]",
          "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: "
          "December 2023\n"
          "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
          "Hi<|eot_id|>"
          "<|start_header_id|>assistant<|end_header_id|>\n\n",
          9);
    check(llama3_template, llama3_tokens,
          "[{\"role\": \"user\", \"content\": [{\"text\": \"\\n a<|eot_id|>\"}, {\"text\": "
          "\"b\\u3000\"}]}]",
          "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>b<|eot_id|>"
          "<|start_header_id|>assistant<|end_header_id|>\n\n",
          6);
}

static void test_chatml(void)
{
    check(chatml_template, chatml_tokens, "[" USER "]",
          "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", 3);
    check(smollm_template, chatml_tokens, "[" USER "]",
          "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
          "Face<|im_end|>\n"
          "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
          5);
    check(smollm_template, chatml_tokens,
          "[" SYSTEM ", " USER ", {\"role\": \"assistant\", \"content\": [{\"thinking\": \"hm\"}, "
          "{\"text\": \"Ho\"}]}, " USER "]",
          "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
          "<|im_start|>assistant\nHo<|im_end|>\n"
          "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
          9);
    check(smollm_template, chatml_tokens, "[]", "<|im_start|>assistant\n", 1);
}

static void test_llama2(void)
{
    check(llama2_template, llama2_tokens, "[" USER "]", "<s>[INST] Hi [/INST]", 1);
    check(llama2_template, llama2_tokens,
          "[" SYSTEM ", " USER ", {\"role\": \"assistant\", \"content\": \" Ho \"}, " USER "]",
          "<s>[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\nHi [/INST] Ho </s><s>[INST] Hi [/INST]", 3);
    check_refused(llama2_template, llama2_tokens, "[" USER ", " USER "]", "take turns");
    check_refused(llama2_template, llama2_tokens,
                  "[" USER ", {\"role\": \"assistant\", \"content\": \"x\"}]",
                  "must be the user's");
    check_refused(llama2_template, llama2_tokens, "[]", "must be the user's");
}

static void test_refused(void)
{
    static const char picture[] =
        "[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 1, \"cols\": 1}}]}]";
    static const char result[] = "[{\"role\": \"tool\", \"content\": \"4\"}]";
    static const char tools[] = "{\"messages\": [" USER "], \"tools\": [{\"name\": \"f\"}]}";
    check_refused(chatml_template, chatml_tokens, picture,
                  "a picture, for which the chat format chatml");
    check_refused(llama3_template, llama3_tokens, result, "calls of tools");
    check_refused(llama3_template, llama3_tokens, tools, "descriptions of tools");
    check_refused(NULL, llama4_tokens, picture, "the model cannot see");
    check_refused(NULL, llama4_tokens, "{\"messages\": [], \"tools\": [{}]}", "must be the user's");
    check_refused(NULL, llama4_tokens,
                  "{\"messages\": [" USER ", {\"role\": \"assistant\", \"tool_calls\": [{\"name\": "
                  "\"f\"}]}], \"tools\": [{}]}",
                  "<|python_start|>");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/template/find", test_find);
    g_test_add_func("/template/llama3", test_llama3);
    g_test_add_func("/template/chatml", test_chatml);
    g_test_add_func("/template/llama2", test_llama2);
    g_test_add_func("/template/refused", test_refused);
    return harness_main();
}
