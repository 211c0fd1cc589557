/* decode(encode(text)) is the text, for every vocabulary with a token for each byte, whatever
 * the text; and where text is cut does not matter at the border of a control token. */
#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <string.h>

static const char *const parts[] = {"a",
                                    " ",
                                    "  ",
                                    "\n",
                                    "\r\n",
                                    "The",
                                    " quick",
                                    "'s",
                                    "'LL",
                                    "123",
                                    "\t",
                                    "<|eot|>",
                                    "<|",
                                    "|>",
                                    "!",
                                    "/",
                                    "\xC3\xA9",
                                    "e\xCC\x81",
                                    "\xE0\xA4\xB9\xE0\xA4\xBF",
                                    "\xE0\xB9\x84\xE0\xB8\x97\xE0\xB8\xA2",
                                    "\xD8\xA7",
                                    "\xE4\xB8\xAD",
                                    "\xF0\x9F\x98\x80",
                                    "\xE2\x80\x8D",
                                    "\xC2\xA0",
                                    "\xEF\xBF\xBD",
                                    "\x01",
                                    "\xC2\x85"};

/* Of known parts and of any characters at all. */
static GString *make_text(GRand *random)
{
    GString *text = g_string_new(NULL);
    for (int n = g_rand_int_range(random, 0, 40); n > 0; n--) {
        gunichar c = (gunichar)g_rand_int_range(random, 1, 0x30000);
        if (g_rand_int_range(random, 0, 8) > 0)
            g_string_append(text, parts[g_rand_int_range(random, 0, G_N_ELEMENTS(parts))]);
        else if (c < 0xD800 || c > 0xDFFF)
            g_string_append_unichar(text, c);
    }
    return text;
}

static void check(const struct nawi_tokenizer *tokenizer, const GString *text, GArray *ids)
{
    GError *error = NULL;
    GString *back = g_string_new(NULL);
    g_array_set_size(ids, 0);
    nawi_tokenizer_encode(tokenizer, text->str, text->len, NAWI_ENCODE_TEXT, ids, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < ids->len; i++)
        g_assert_false(nawi_tokenizer_is_control(tokenizer, g_array_index(ids, int32_t, i)));
    nawi_tokenizer_decode(tokenizer, (int32_t *)(void *)ids->data, ids->len, NAWI_ENCODE_TEXT, back,
                          &error);
    g_assert_no_error(error);
    if (!g_string_equal(text, back))
        g_test_message("text: %s", text->str);
    g_assert_true(g_string_equal(text, back));
    g_string_free(back, TRUE);
}

/* The tokens of a, a control token and b are those of the three by themselves. */
static void check_border(const struct nawi_tokenizer *tokenizer, const GString *a, const GString *b)
{
    GString *whole = g_string_new(NULL);
    g_string_append_printf(whole, "%s<|step|>%s", a->str, b->str);
    char *left = vocabulary_encode(tokenizer, a->str, a->len, NAWI_ENCODE_SPECIALS);
    char *right = vocabulary_encode(tokenizer, b->str, b->len, NAWI_ENCODE_SPECIALS);
    char *wanted =
        g_strdup_printf("%s%s%d%s%s", left, *left ? " " : "",
                        nawi_tokenizer_find(tokenizer, "<|step|>"), *right ? " " : "", right);
    char *found = vocabulary_encode(tokenizer, whole->str, whole->len, NAWI_ENCODE_SPECIALS);
    g_assert_cmpstr(found, ==, wanted);
    g_free(left);
    g_free(right);
    g_free(wanted);
    g_free(found);
    g_string_free(whole, TRUE);
}

static void run(struct nawi_tokenizer *tokenizer)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GString *before = g_string_new(NULL);
    for (int i = 0; i < (harness_is_full() ? 50000 : 1000); i++) {
        GString *text = make_text(random);
        check(tokenizer, text, ids);
        check_border(tokenizer, before, text);
        g_string_free(before, TRUE);
        before = text;
    }
    g_string_free(before, TRUE);
    g_array_free(ids, TRUE);
    g_rand_free(random);
    nawi_tokenizer_destroy(tokenizer);
}

static void test_small(void)
{
    char *path = harness_golden("models/tiny-scout-F32.gguf");
    run(vocabulary_open(path, NULL));
    g_free(path);
}

static void test_cria(void)
{
    char *path = g_build_filename(harness_source(), "data", "cria-q8_0.gguf", NULL);
    run(vocabulary_open(path, NULL));
    g_free(path);
}

static void test_splits(void)
{
    static const char *const names[] = {"llama4", "llama-bpe", "qwen2", "smollm", "gpt-2"};
    static const char *const specials[] = {"<|step|>", "<|eot|>", NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        run(vocabulary_make(names[i], specials));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/text/small", test_small);
    g_test_add_func("/text/cria", test_cria);
    g_test_add_func("/text/splits", test_splits);
    return harness_main();
}
