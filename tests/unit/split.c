/* The pre-tokenizer patterns: what they cut, and that no text is too long or too odd for them. */
#include "engine/text/split.h"

#include "tests/harness.h"

#include <string.h>

static bool collect(const char *piece, size_t n_bytes, void *user, GError **error)
{
    GString *out = user;
    (void)error;
    g_string_append_c(out, '[');
    g_string_append_len(out, piece, (gssize)n_bytes);
    g_string_append_c(out, ']');
    return true;
}

static void check(const char *name, const char *text, const char *wanted)
{
    GError *error = NULL;
    struct split *split = split_create(name, &error);
    g_assert_no_error(error);
    GString *out = g_string_new(NULL);
    split_each(split, text, strlen(text), collect, out, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(out->str, ==, wanted);
    g_string_free(out, TRUE);
    split_destroy(split);
}

static void test_patterns(void)
{
    check("llama4", "I'm HELLOworld 12345 a/b\n\n  x",
          "[I'm][ HELLOworld][ ][123][45][ a][/b][\n\n][ ][ x]");
    check("gpt-4o", "THEY'LL don't", "[THEY'LL][ don't]");
    check("llama-bpe", "I'm HELLOworld 12345 a/b\n\n  x",
          "[I]['m][ HELLOworld][ ][123][45][ a][/b][\n\n][ ][ x]");
    check("llama3", "!\n\nA", "[!\n\n][A]");
    check("qwen2", "don't 2024!!", "[don]['t][ ][2][0][2][4][!!]");
    check("gpt-2", "don't 2024!!\n\nA  b", "[don]['t][ 2024][!!][\n][\n][A][ ][ b]");
    check(NULL, "DON'T 12", "[DON]['][T][ 12]");
    check("smollm", "don't 2024 a1b", "[don]['t][ ][2][0][2][4][ a][1][b]");
    check("smollm", "a  1",
          "[a][  ][1]"); /* the digit is cut first, so both spaces end their text */
    check("gpt-2", "a  1", "[a][ ][ 1]");
}

static void test_unicode(void)
{
    /* Marks belong to words, digits of any script are digits, a long s ends a contraction. */
    check("llama4", "हिन्दी भाषा", "[हिन्दी][ भाषा]");
    check("llama4", "ภาษาไทย", "[ภาษาไทย]");
    check("llama4", "e\xCC\x81t\xC3\xA9", "[e\xCC\x81t\xC3\xA9]");
    check("llama4", "it'\xC5\xBF x", "[it'\xC5\xBF][ x]");
    check("llama4", "१२३४", "[१२३][४]");
    check("llama4",
          "a\xC2\x85\xC2\x85"
          "b",
          "[a][\xC2\x85][\xC2\x85"
          "b]");
    check("llama4", "", "");
}

static void test_unknown(void)
{
    static const char *const names[] = {"nonsense", "",       " ",       "llama4 gpt-4o",
                                        "llama",    "LLAMA4", "llama4\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        GError *error = NULL;
        g_assert_null(split_create(names[i], &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED);
        if (i == 0)
            g_assert_nonnull(strstr(error->message, "'nonsense'"));
        g_clear_error(&error);
    }
}

struct count {
    size_t n_piece, n_bytes;
};

static bool count_piece(const char *piece, size_t n_bytes, void *user, GError **error)
{
    struct count *count = user;
    (void)piece;
    (void)error;
    count->n_piece++;
    count->n_bytes += n_bytes;
    return true;
}

/* One unit, repeated to a quarter of a megabyte: pieces that no stack and no step limit may cut
 * short. */
static void test_long(void)
{
    static const char *const units[] = {"\xCC\x81",     "a", "A", " ",        "\n", "Aa",
                                        "\xE4\xB8\xAD", "1", "'", "\xCA\xB0", " \n"};
    static const char *const names[] = {"llama4", "llama-bpe", "qwen2", "smollm", "gpt-2"};
    for (size_t n = 0; n < G_N_ELEMENTS(names); n++) {
        GError *error = NULL;
        struct split *split = split_create(names[n], &error);
        g_assert_no_error(error);
        for (size_t u = 0; u < G_N_ELEMENTS(units); u++) {
            GString *text = g_string_new(NULL);
            struct count count = {0};
            while (text->len < 1 << 18)
                g_string_append(text, units[u]);
            split_each(split, text->str, text->len, count_piece, &count, &error);
            g_assert_no_error(error);
            g_assert_cmpuint(count.n_bytes, ==, text->len);
            g_string_free(text, TRUE);
        }
        split_destroy(split);
    }
}

/* 20,000 marks are one piece. */
static void test_marks(void)
{
    GError *error = NULL;
    struct split *split = split_create("llama4", &error);
    GString *text = g_string_new("a");
    struct count count = {0};
    for (int i = 0; i < 20000; i++)
        g_string_append(text, "\xCC\x81");
    split_each(split, text->str, text->len, count_piece, &count, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(count.n_piece, ==, 1);
    g_string_free(text, TRUE);
    split_destroy(split);
}

static bool stop_at_second(const char *piece, size_t n_bytes, void *user, GError **error)
{
    (void)piece;
    (void)n_bytes;
    if (++*(int *)user < 2)
        return true;
    g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_CANCELLED, "stop");
    return false;
}

static void test_stop(void)
{
    GError *error = NULL;
    int n = 0;
    struct split *split = split_create("smollm", &error);
    g_assert_false(split_each(split, "a b 1 c", 7, stop_at_second, &n, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_assert_cmpint(n, ==, 2);
    g_clear_error(&error);
    split_destroy(split);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/split/patterns", test_patterns);
    g_test_add_func("/split/unicode", test_unicode);
    g_test_add_func("/split/unknown", test_unknown);
    g_test_add_func("/split/long", test_long);
    g_test_add_func("/split/marks", test_marks);
    g_test_add_func("/split/stop", test_stop);
    return harness_main();
}
