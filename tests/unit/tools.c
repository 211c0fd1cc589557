/* Reading calls, beyond the golden outputs, and the reader and writer of values below. */
#include "engine/text/tools.h"

#include "engine/text/literal.h"
#include "tests/harness.h"

#include <string.h>

static void check(const char *output, const char *wanted)
{
    struct nawi_tools tools;
    nawi_tools_parse(output, strlen(output), &tools);
    char *found = nawi_tools_to_json(&tools);
    if (strcmp(found, wanted) != 0)
        g_test_message("output: %s", output);
    g_assert_cmpstr(found, ==, wanted);
    g_free(found);
    nawi_tools_finish(&tools);
}

static void test_digits(void)
{
    check("[f(a=1e-07, b=-0.0, c=100.0, d=.5, e=5., f=+4, g=123456789012345678901234567890)]",
          "[{\"name\": \"f\", \"arguments\": {\"a\": 1e-07, \"b\": -0.0, \"c\": 100.0, \"d\": 0.5, "
          "\"e\": 5.0, \"f\": 4, "
          "\"g\": 123456789012345678901234567890}}]");
    check("{\"name\": \"f\", \"parameters\": {\"z\": 1E+2, \"a\": [1.50, -0]}}",
          "[{\"name\": \"f\", \"arguments\": {\"z\": 1E+2, \"a\": [1.50, -0]}}]");
    check("{\"name\": \"f\", \"parameters\": {\"z\": .5}}", "[]");
    check("{\"name\": \"f\", \"parameters\": {\"z\": +5}}", "[]");
    check("[f(a=1e)]", "[]");
    check("[f(a=-)]", "[]");
    check("[f(a=1.2.3)]", "[]");
}

static void test_strings(void)
{
    check("[f(a='\\x41\\u00e9\\U0001F600\\n\\\\\\d')]",
          "[{\"name\": \"f\", \"arguments\": {\"a\": \"A\xC3\xA9\xF0\x9F\x98\x80\\n\\\\\\\\d\"}}]");
    check("{\"name\": \"f\", \"parameters\": {\"s\": \"\\u0000\\ud83d\\ude00\"}}",
          "[{\"name\": \"f\", \"arguments\": {\"s\": \"\\u0000\xF0\x9F\x98\x80\"}}]");
    check("[f(a='\\ud83d')]", "[]");
    check("[f(a='\\ud83dx')]", "[]");
    check("[f(a='\\ud83d\\u0041')]", "[]");
    check("[f(a='\\x4')]", "[]");
    check("[f(a='\\U00110000')]", "[]");
    check("[f(a='\xFF')]", "[]");
    check("[f(a='\\", "[]");
    check("{\"name\": \"f\", \"parameters\": {'a': 1}}", "[]");
}

static void test_forms(void)
{
    check("<function=f>{\"a\": 1}</function> <function=g>{}</function>",
          "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]");
    check("<function=f>{\"a\": 1}</function> done", "[]");
    check("<function=f>[1]</function>", "[]");
    check("<function=a b>{}</function>", "[]");
    check("a.call(query=\"x\", n=1)", "[]");
    check("a.call(query=1)", "[]");
    check("a.call(query='x') ok", "[]");
    check("{\"name\": \"f\", \"parameters\": {}};{\"name\": \"g\", \"parameters\": {}}",
          "[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {}}]");
    check("{\"name\": \"f\", \"parameters\": {}};;{\"name\": \"g\", \"parameters\": {}}", "[]");
    check("{\"name\": \"f\", \"parameters\": {}};", "[]");
    check("{\"name\": \"f\", \"parameters\": {}} {\"name\": \"g\"}",
          "[]"); /* one bad call, no calls */
    check("[f(a=1), g(b=)]", "[]");
    check("[f(a={'k': 1, 'k': 2})]", "[]");
    check("[f(a={'k': True, 'l': [None, false,],})]",
          "[{\"name\": \"f\", \"arguments\": {\"a\": {\"k\": true, \"l\": [null, false]}}}]");
    check("[f(a=Truex)]", "[]");
    check("\t[f ( a = 1 , ) , ]\n", "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]");
}

/* Depth: 100 levels are read, one more is not, and 200,000 do no harm. */
static void test_depth(void)
{
    static const int depths[] = {98, 99, 100, 101, 200000};
    for (size_t i = 0; i < G_N_ELEMENTS(depths); i++) {
        GString *output = g_string_new("[f(a=");
        struct nawi_tools tools;
        for (int k = 0; k < depths[i]; k++)
            g_string_append_c(output, '[');
        for (int k = 0; k < depths[i]; k++)
            g_string_append_c(output, ']');
        g_string_append(output, ")]");
        nawi_tools_parse(output->str, output->len, &tools);
        g_assert_cmpuint(tools.n_call, ==, depths[i] <= LITERAL_MAX_DEPTH ? 1 : 0);
        nawi_tools_finish(&tools);
        g_string_free(output, TRUE);
    }
}

/* JSON read and written is the same text, in each style. */
static void test_styles(void)
{
    static const char text[] =
        "{\"k\": [1, -2.50e3, \"\xC3\xA9\xF0\x9F\x98\x80\\\"\\\\\\u0001\\u007f\", true, false, "
        "null, [], {}]}";
    static const struct {
        enum literal_style style;
        const char *wanted;
    } cases[] = {
        {LITERAL_COMPACT,
         "{\"k\": [1, -2.50e3, \"\xC3\xA9\xF0\x9F\x98\x80\\\"\\\\\\u0001\x7F\", true, false, "
         "null, [], {}]}"},
        {LITERAL_ASCII,
         "{\"k\": [1, -2.50e3, \"\\u00e9\\ud83d\\ude00\\\"\\\\\\u0001\\u007f\", true, false, "
         "null, [], {}]}"},
        {LITERAL_CALL,
         "{\"k\": [1, -2.50e3, \"\xC3\xA9\xF0\x9F\x98\x80\\\"\\\\\\u0001\x7F\", True, False, "
         "None, [], {}]}"},
        {LITERAL_INDENTED,
         "{\n    \"k\": [\n        1,\n        -2.50e3,\n        "
         "\"\xC3\xA9\xF0\x9F\x98\x80\\\"\\\\\\u0001\x7F\",\n"
         "        true,\n        false,\n        null,\n        [],\n        {}\n    ]\n}"},
    };
    struct literal value;
    g_assert_true(literal_parse_json(text, strlen(text), &value, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *out = g_string_new(NULL);
        literal_write(out, &value, cases[i].style);
        g_assert_cmpstr(out->str, ==, cases[i].wanted);
        g_string_free(out, TRUE);
    }
    literal_finish(&value);
}

/* What is written as a Python call is read back as the same. */
static void test_back(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (int round = 0; round < 300; round++) {
        GString *said = g_string_new(NULL);
        for (int n = g_rand_int_range(random, 0, 20); n > 0; n--)
            g_string_append_unichar(said,
                                    (gunichar)g_rand_int_range(random, 1, n % 3 ? 0x80 : 0xD800));
        GString *call = g_string_new("[f(a=");
        GString *wanted = g_string_new("[{\"name\": \"f\", \"arguments\": {\"a\": ");
        literal_write_string(call, said->str, said->len, LITERAL_CALL);
        literal_write_string(wanted, said->str, said->len, LITERAL_COMPACT);
        g_string_append(call, ")]");
        g_string_append(wanted, "}}]");
        check(call->str, wanted->str);
        g_string_free(said, TRUE);
        g_string_free(call, TRUE);
        g_string_free(wanted, TRUE);
    }
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/tools/digits", test_digits);
    g_test_add_func("/tools/strings", test_strings);
    g_test_add_func("/tools/forms", test_forms);
    g_test_add_func("/tools/depth", test_depth);
    g_test_add_func("/tools/styles", test_styles);
    g_test_add_func("/tools/back", test_back);
    return harness_main();
}
