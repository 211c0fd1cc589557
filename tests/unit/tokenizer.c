/* Tokenizers made of plain arrays: what is refused and how, special tokens, both kinds of
 * merging, the stream. */
#include "engine/text/tokenizer.h"

#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <math.h>
#include <string.h>

/* A small sound set of arrays that cases spoil. */
struct sample {
    struct nawi_token_text tokens[8], merges[2];
    int64_t types[8];
    double scores[8];
    struct nawi_tokenizer_params params;
};

static struct nawi_token_text token(const char *text)
{
    return (struct nawi_token_text){text, (uint32_t)strlen(text)};
}

static void fill(struct sample *sample)
{
    static const char *const texts[] = {"a", "b", "c", "ab", "abc", "\xC4\xA0", "<|eot|>", "word"};
    static const int64_t types[] = {1, 1, 1, 1, 1, 1, 3, 4};
    for (int i = 0; i < 8; i++) {
        sample->tokens[i] = token(texts[i]);
        sample->types[i] = types[i];
        sample->scores[i] = -i;
    }
    sample->merges[0] = token("a b");
    sample->merges[1] = token("ab c");
    sample->params = nawi_tokenizer_defaults();
    sample->params.source = "sample.gguf";
    sample->params.model = "gpt2";
    sample->params.pre = "gpt-2";
    sample->params.tokens = sample->tokens;
    sample->params.n_token = 8;
    sample->params.types = sample->types;
    sample->params.n_type = 8;
    sample->params.merges = sample->merges;
    sample->params.n_merge = 2;
}

static void check_ids(const struct nawi_tokenizer *tokenizer, const char *text, const char *wanted)
{
    char *found = vocabulary_encode(tokenizer, text, strlen(text), NAWI_ENCODE_TEXT);
    g_assert_cmpstr(found, ==, wanted);
    g_free(found);
}

static void test_sound(void)
{
    struct sample sample;
    GError *error = NULL;
    size_t n_bytes;
    fill(&sample);
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&sample.params, &error);
    g_assert_no_error(error);
    check_ids(tokenizer, "abcab cab", "4 3 5 2 3");
    check_ids(tokenizer, "awordb", "0 7 1");
    g_assert_cmpint(nawi_tokenizer_find(tokenizer, "<|eot|>"), ==, 6);
    g_assert_cmpint(nawi_tokenizer_find(tokenizer, "<|eot|"), ==, NAWI_TOKEN_NONE);
    g_assert_cmpint(nawi_tokenizer_find(tokenizer, "<|eot|>x"), ==, NAWI_TOKEN_NONE);
    g_assert_cmpint(nawi_tokenizer_find(tokenizer, "ab"), ==, NAWI_TOKEN_NONE);
    g_assert_null(nawi_tokenizer_get_bytes(tokenizer, 8, &n_bytes));
    g_assert_null(nawi_tokenizer_get_bytes(tokenizer, -1, &n_bytes));
    g_assert_true(nawi_tokenizer_is_stop(tokenizer, 6));
    g_assert_false(nawi_tokenizer_is_control(tokenizer, 7));
    nawi_tokenizer_destroy(tokenizer);
}

/* Each spoils a sound sample in one way. */
static void spoil(struct sample *s, int way)
{
    static char longer[65536 + 1];
    memset(longer, 'a', sizeof longer - 1);
    switch (way) {
    case 0: s->params.n_token = 0; break;
    case 1: s->params.n_type = 7; break;
    case 2: s->params.n_type = 9; break;
    case 3: s->types[2] = 0; break;
    case 4: s->types[2] = 7; break;
    case 5: s->types[2] = INT64_MIN; break;
    case 6: s->tokens[2] = token(""); break;
    case 7: s->tokens[2] = token("a"); break;
    case 8: s->tokens[7] = token("<|eot|>"); break;
    case 9: s->tokens[7] = token("ab"); break;
    case 10: s->tokens[2] = (struct nawi_token_text){longer, 65536}; break;
    case 11: s->merges[1] = token("ab z"); break;
    case 12: s->merges[1] = token("z c"); break;
    case 13: s->merges[1] = token("c c"); break;
    case 14: s->merges[1] = token("abc"); break;
    case 15: s->merges[1] = token("ab "); break;
    case 16: s->merges[1] = token(" ab"); break;
    case 17: s->merges[1] = token(""); break;
    case 18: s->merges[1] = token("a b"); break;
    case 19: s->merges[1] = token("<|eot|> a"); break;
    case 20: s->params.n_merge = 0; break;
    case 21: s->params.bos_id = 8; break;
    case 22: s->params.eos_id = -2; break;
    case 23: s->params.eot_id = INT64_MAX; break;
    case 24: s->types[7] = NAWI_TOKEN_BYTE; break;
    case 25: s->params.n_token = UINT64_MAX; break;
    case 26: s->params.n_merge = UINT64_MAX; break;
    case 27: s->merges[1] = token("\xFF\xFE c"); break;
    default: g_assert_not_reached();
    }
}

static void test_hostile(void)
{
    static const char *const says[] = {"0 tokens",      "7 token types",
                                       "9 token types", "type",
                                       "type",          "type",
                                       "is empty",      "occurs twice",
                                       "occurs twice",  "occurs twice",
                                       "longer",        "on its right",
                                       "on its left",   "makes no token",
                                       "two tokens",    "two tokens",
                                       "two tokens",    "two tokens",
                                       "occurs twice",  "on its left",
                                       "0 merges",      "BOS",
                                       "EOS",           "EOT",
                                       "named like <0", "tokens",
                                       "merges",        "on its left"};
    for (int way = 0; way < (int)G_N_ELEMENTS(says); way++) {
        struct sample sample;
        GError *error = NULL;
        fill(&sample);
        spoil(&sample, way);
        struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&sample.params, &error);
        g_assert_null(tokenizer);
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        if (error &&
            (!strstr(error->message, says[way]) || !strstr(error->message, "sample.gguf"))) {
            g_test_message("way %d says: %s", way, error->message);
            g_test_fail();
        }
        g_clear_error(&error);
        nawi_tokenizer_destroy(tokenizer);
    }
}

static void test_unsupported(void)
{
    static const char *const models[] = {"bert", "", NULL, "GPT2"};
    for (size_t i = 0; i <= G_N_ELEMENTS(models); i++) {
        struct sample sample;
        GError *error = NULL;
        fill(&sample);
        if (i < G_N_ELEMENTS(models))
            sample.params.model = models[i];
        else
            sample.params.pre = "no such split";
        g_assert_null(nawi_tokenizer_create(&sample.params, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED);
        g_clear_error(&error);
    }
}

/* A normal token that is not of the alphabet is kept to be read; text never becomes it, and
 * other bytes go on. */
static void test_careless(void)
{
    struct sample sample;
    GError *error = NULL;
    fill(&sample);
    sample.tokens[2] = token("c c");
    sample.params.n_merge = 1;
    sample.tokens[4] = token("c");
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&sample.params, &error);
    g_assert_no_error(error);
    check_ids(tokenizer, "c c", "4 5 4");
    check_ids(tokenizer, "a!b", "0 1");
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    g_assert_false(nawi_tokenizer_encode(tokenizer, "!?", 2, NAWI_ENCODE_TEXT, ids, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
    g_assert_cmpuint(ids->len, ==, 0);
    g_clear_error(&error);
    g_array_free(ids, TRUE);
    nawi_tokenizer_destroy(tokenizer);
}

static const char *const specials[] = {"<|eot|>", "<|eot|>>", "<s>", "[X]", NULL};

static void test_specials(void)
{
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", specials);
    static const struct {
        const char *text, *plain, *special;
    } cases[] = {
        {"hello<|eot|>", "259 60 124 101 111 116 124 62", "259 260"},
        {"<|eot|>>", "60 124 101 111 116 124 62 62", "261"},
        {"<|eot|>x", "60 124 101 111 116 124 62 120", "260 120"},
        {"<|EOT|>", "60 124 69 79 84 124 62", "60 124 69 79 84 124 62"},
        {"<<s>", "60 60 115 62", "60 262"},
        {"<|eot", "60 124 101 111 116", "60 124 101 111 116"},
        {"[X][X]", "91 88 93 91 88 93", "263 263"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        size_t n = strlen(cases[i].text);
        char *plain = vocabulary_encode(tokenizer, cases[i].text, n, NAWI_ENCODE_TEXT);
        char *special = vocabulary_encode(tokenizer, cases[i].text, n, NAWI_ENCODE_SPECIALS);
        g_assert_cmpstr(plain, ==, cases[i].plain);
        g_assert_cmpstr(special, ==, cases[i].special);
        g_free(plain);
        g_free(special);
    }
    nawi_tokenizer_destroy(tokenizer);
}

static void test_stops(void)
{
    static const char *const names[] = {"<|end_of_text|>", "<|eom|>", "<|eot|>",   "<|im_end|>",
                                        "<|eot_id|>",      "</s>",    "<|image|>", NULL};
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", names);
    size_t n_stop;
    const int32_t *stops = nawi_tokenizer_get_stops(tokenizer, &n_stop);
    g_assert_cmpuint(n_stop, ==, 6);
    for (size_t i = 0; i < n_stop; i++)
        g_assert_cmpint(stops[i], ==, 260 + (int)i);
    g_assert_false(nawi_tokenizer_is_stop(tokenizer, 266));
    g_assert_true(nawi_tokenizer_is_control(tokenizer, 266));
    nawi_tokenizer_destroy(tokenizer);
}

/* A user-defined token that is named like a control token counts as one: a person's text does
 * not become it. */
static void test_disguised(void)
{
    struct sample sample;
    GError *error = NULL;
    fill(&sample);
    sample.types[6] = NAWI_TOKEN_USER_DEFINED;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&sample.params, &error);
    g_assert_no_error(error);
    g_assert_true(nawi_tokenizer_is_control(tokenizer, 6));
    check_ids(tokenizer, "a<|eot|>b", "0 1"); /* no tokens for the other bytes */
    nawi_tokenizer_destroy(tokenizer);
}

static void test_invalid(void)
{
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", specials);
    static const struct {
        const char *text, *replaced;
    } cases[] = {
        {"a\xFF"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xC3(", "\xEF\xBF\xBD("},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *a =
            vocabulary_encode(tokenizer, cases[i].text, strlen(cases[i].text), NAWI_ENCODE_TEXT);
        char *b = vocabulary_encode(tokenizer, cases[i].replaced, strlen(cases[i].replaced),
                                    NAWI_ENCODE_TEXT);
        g_assert_cmpstr(a, ==, b);
        g_free(a);
        g_free(b);
    }
    nawi_tokenizer_destroy(tokenizer);
}

/* A run of a million letters: were merging quadratic, this would not end. */
static void test_long(void)
{
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", specials);
    GString *text = g_string_new(NULL);
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GError *error = NULL;
    for (int i = 0; i < 1000000; i++)
        g_string_append_c(text, 'l');
    gint64 start = g_get_monotonic_time();
    nawi_tokenizer_encode(tokenizer, text->str, text->len, NAWI_ENCODE_TEXT, ids, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ids->len, ==, 500000);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
    g_array_free(ids, TRUE);
    g_string_free(text, TRUE);
    nawi_tokenizer_destroy(tokenizer);
}

static void test_decode(void)
{
    struct nawi_tokenizer *tokenizer = vocabulary_make("llama4", specials);
    GString *out = g_string_new("kept ");
    GError *error = NULL;
    const int32_t ids[] = {259, 260, 0xC3, 0xA9};
    const int32_t wrong[] = {259, 264};
    g_assert_true(nawi_tokenizer_decode(tokenizer, ids, 4, NAWI_ENCODE_TEXT, out, &error));
    g_assert_cmpstr(out->str, ==, "kept hello\xC3\xA9");
    g_assert_true(nawi_tokenizer_decode(tokenizer, ids, 2, NAWI_ENCODE_SPECIALS, out, &error));
    g_assert_cmpstr(out->str, ==, "kept hello\xC3\xA9hello<|eot|>");
    g_assert_false(nawi_tokenizer_decode(tokenizer, wrong, 2, NAWI_ENCODE_TEXT, out, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_assert_cmpstr(out->str, ==, "kept hello\xC3\xA9hello<|eot|>");
    g_clear_error(&error);
    g_string_free(out, TRUE);
    nawi_tokenizer_destroy(tokenizer);
}

/* ── SentencePiece ───────────────────────────────────────────────────────────────────────────── */

static struct nawi_tokenizer *make_spm(bool has_bytes, int64_t unknown, GError **error)
{
    static const char *const texts[] = {"<unk>", "<s>",     "</s>",   "\xE2\x96\x81", "a",     "b",
                                        "ab",    "\u2581a", "<0x21>", "<0xC3>",       "<0xA9>"};
    static const int64_t types[] = {2, 3, 3, 1, 1, 1, 1, 1, 6, 6, 6};
    static const double scores[] = {0, 0, 0, -5, -6, -7, -2, -1, 0, 0, 0};
    struct nawi_token_text tokens[11];
    struct nawi_tokenizer_params params = nawi_tokenizer_defaults();
    for (int i = 0; i < 11; i++)
        tokens[i] = token(texts[i]);
    params.source = "sample.gguf";
    params.model = "llama";
    params.tokens = tokens;
    params.n_token = params.n_type = params.n_score = has_bytes ? 11 : 8;
    params.types = types;
    params.scores = scores;
    params.unknown_id = unknown;
    return nawi_tokenizer_create(&params, error);
}

static void test_spm(void)
{
    GError *error = NULL;
    struct nawi_tokenizer *tokenizer = make_spm(true, 0, &error);
    g_assert_no_error(error);
    check_ids(tokenizer, "ab", "7 5"); /* the space in front and a have the better score */
    check_ids(tokenizer, "bab", "3 5 6");
    check_ids(tokenizer, "a!\xC3\xA9", "7 8 9 10");
    check_ids(tokenizer, "<s>", "3 0 0 0"); /* text, and no token covers it */
    check_ids(tokenizer, "<0x21>", "3 0 0 0 0 0 0");
    check_ids(tokenizer, "", "");
    GString *out = g_string_new(NULL);
    const int32_t ids[] = {1, 7, 5, 3, 8, 2};
    g_assert_true(nawi_tokenizer_decode(tokenizer, ids, 6, NAWI_ENCODE_TEXT, out, &error));
    g_assert_cmpstr(out->str, ==, "ab !");
    g_string_free(out, TRUE);
    char *found = vocabulary_encode(tokenizer, "<s>a</s>", 8, NAWI_ENCODE_SPECIALS);
    g_assert_cmpstr(found, ==, "1 7 2");
    g_free(found);
    found = vocabulary_encode(tokenizer, "a\0b", 3, NAWI_ENCODE_TEXT); /* NUL ends no text */
    g_assert_cmpstr(found, ==, "7 0 5");
    g_free(found);
    nawi_tokenizer_destroy(tokenizer);
    tokenizer = make_spm(false, NAWI_TOKEN_NONE, &error);
    g_assert_no_error(error);
    check_ids(tokenizer, "a!b", "7 0 5");
    nawi_tokenizer_destroy(tokenizer);
}

static void test_spm_hostile(void)
{
    static const char *const bytes[] = {"<0x2>",  "<0x2G>", "<0x021>", "0x21",
                                        "<0X21>", "<0x-1>", "<0x 1>"};
    for (size_t i = 0; i < G_N_ELEMENTS(bytes) + 3; i++) {
        struct sample sample;
        GError *error = NULL;
        fill(&sample);
        sample.params.model = "llama";
        sample.params.scores = sample.scores;
        sample.params.n_score = 8;
        if (i < G_N_ELEMENTS(bytes)) {
            sample.types[2] = NAWI_TOKEN_BYTE;
            sample.tokens[2] = token(bytes[i]);
        } else if (i == G_N_ELEMENTS(bytes))
            sample.params.n_score = 7;
        else if (i == G_N_ELEMENTS(bytes) + 1)
            sample.params.scores = NULL, sample.params.n_score = 0;
        else
            sample.scores[3] = NAN;
        g_assert_null(nawi_tokenizer_create(&sample.params, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT);
        g_clear_error(&error);
    }
}

/* ── The stream ──────────────────────────────────────────────────────────────────────────────── */

/* Whatever the cuts, the sum is the whole decoded with replacement, and every step is valid. */
static void test_stream(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    static const char *const parts[] = {"a",    "\xC3\xA9",     "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                        "\xFF", "\xE2\x82",     "\xF0\x9F",     "\x80",
                                        "\xC3", "\xED\xA0\x80", "\xF4\x90"};
    for (int round = 0; round < 500; round++) {
        GString *bytes = g_string_new(NULL);
        for (int n = g_rand_int_range(random, 0, 12); n > 0; n--)
            g_string_append(bytes, parts[g_rand_int_range(random, 0, G_N_ELEMENTS(parts))]);
        struct nawi_utf8_stream whole = {0};
        struct nawi_utf8_stream cut = {0};
        GString *a = g_string_new(NULL);
        GString *b = g_string_new(NULL);
        nawi_utf8_stream_push(&whole, bytes->str, bytes->len, a);
        nawi_utf8_stream_end(&whole, a);
        for (size_t at = 0; at < bytes->len;) {
            size_t n = (size_t)g_rand_int_range(random, 1, 4);
            n = MIN(n, bytes->len - at);
            nawi_utf8_stream_push(&cut, bytes->str + at, n, b);
            g_assert_true(g_utf8_validate(b->str, (gssize)b->len, NULL));
            at += n;
        }
        nawi_utf8_stream_end(&cut, b);
        g_assert_cmpstr(a->str, ==, b->str);
        if (g_utf8_validate(bytes->str, (gssize)bytes->len, NULL))
            g_assert_cmpstr(a->str, ==, bytes->str);
        g_string_free(a, TRUE);
        g_string_free(b, TRUE);
        g_string_free(bytes, TRUE);
    }
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/tokenizer/sound", test_sound);
    g_test_add_func("/tokenizer/hostile", test_hostile);
    g_test_add_func("/tokenizer/unsupported", test_unsupported);
    g_test_add_func("/tokenizer/careless", test_careless);
    g_test_add_func("/tokenizer/specials", test_specials);
    g_test_add_func("/tokenizer/stops", test_stops);
    g_test_add_func("/tokenizer/disguised", test_disguised);
    g_test_add_func("/tokenizer/invalid", test_invalid);
    g_test_add_func("/tokenizer/long", test_long);
    g_test_add_func("/tokenizer/decode", test_decode);
    g_test_add_func("/tokenizer/spm", test_spm);
    g_test_add_func("/tokenizer/spm-hostile", test_spm_hostile);
    g_test_add_func("/tokenizer/stream", test_stream);
    return harness_main();
}
