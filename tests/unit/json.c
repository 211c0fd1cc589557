/* Guarded JSON: what is refused before and by the parser, and what getters say about types and
 * ranges. */
#include "engine/file/json.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static void expect(GError *error, int code, const char *part)
{
    g_assert_error(error, NAWI_ERROR, code);
    if (error && !strstr(error->message, part)) {
        g_test_message("expected '%s' in: %s", part, error->message);
        g_test_fail();
    }
    g_clear_error(&error);
}

static void refuses(const char *text, size_t n, const struct nawi_json_limits *limits,
                    const char *part)
{
    GError *error = NULL;
    json_t *root = nawi_json_parse("t.json", text, n, limits, &error);
    g_assert_null(root);
    expect(error, NAWI_ERROR_FORMAT, part);
    json_decref(root);
}

static void test_grammar(void)
{
    const struct {
        const char *text, *part;
    } cases[] = {
        {"", "found nothing"},
        {"{", "the text ends in the middle"},
        {"{}{}", "more text after the value"},
        {"{\"a\":1,\"a\":2}", "a key occurs twice"},
        {"{\"a\":1 \"b\":2}", "line 1, column"},
        {"[1,]", "this is not JSON"},
        {"[01]", "this is not JSON"},
        {"[1e999]", "a number is too large"},
        {"[9223372036854775808]", "a number is too large"},
        {"[\"\xff\"]", "not UTF-8"},
        {"[\"\\ud800\"]", "this is not JSON"},
        {"[\"\\u0000\"]", "the character NUL"},
        {"[NaN]", "this is not JSON"},
        {"[\"\x01\"]", "this is not JSON"},
        {"\"text\"", "this is not JSON"},
        {"\xef\xbb\xbf{}", "this is not JSON"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        refuses(cases[i].text, strlen(cases[i].text), NULL, cases[i].part);
    refuses("[\"a\0b\"]", 7, NULL, "t.json: line 1");
}

/* A message repeats bytes of the text, made harmless. */
static void test_quoting(void)
{
    GError *error = NULL;
    const char *text = "[\x1b[31m]";
    g_assert_null(nawi_json_parse("t.json", text, strlen(text), NULL, &error));
    g_assert_nonnull(strstr(error->message, "\\x1B"));
    g_assert_null(strchr(error->message, '\x1b'));
    g_clear_error(&error);
}

static void test_limits(void)
{
    g_autofree char *deep = g_strnfill(400000, '[');
    refuses(deep, 400000, NULL, "byte 64: brackets nested more than 64 deep");
    const struct nawi_json_limits shallow = {.depth = 2};
    refuses("[[[]]]", 6, &shallow, "byte 2: brackets nested more than 2 deep");
    const struct nawi_json_limits few = {.n_values = 4};
    refuses("[1,2,3,4,5]", 11, &few, "more than 4 values");
    const struct nawi_json_limits small = {.n_bytes = 10};
    refuses("[1,2,3,4,5]", 11, &small, "at most 10 bytes");

    GError *error = NULL;
    const char *brackets = "{\"a\": \"[[[[\\\"[[[[{{{{,,,,::::\"}";
    const struct nawi_json_limits tight = {.depth = 1, .n_values = 3};
    json_t *root = nawi_json_parse("t.json", brackets, strlen(brackets), &tight, &error);
    g_assert_no_error(error);
    g_assert_nonnull(root);
    json_decref(root);
    const struct nawi_json_limits reals = {.reals = true};
    const char *huge = "{\"model_max_length\": 1000000000000000019884624838656}";
    root = nawi_json_parse("t.json", huge, strlen(huge), &reals, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(json_number_value(json_object_get(root, "model_max_length")), ==, 1e30);
    json_decref(root);
}

static json_t *sample(struct nawi_json_at *at)
{
    GError *error = NULL;
    const char *text =
        "{\"n\": 7, \"big\": 9223372036854775807, \"x\": 0.5, \"b\": true, \"s\": \"word\","
        " \"z\": null, \"list\": [1, 2], \"inner\": {\"k\": -3}}";
    json_t *root = nawi_json_parse("t.json", text, strlen(text), NULL, &error);
    g_assert_no_error(error);
    g_assert_true(nawi_json_root("t.json", root, at, &error));
    return root;
}

static void test_getters(void)
{
    struct nawi_json_at at, inner;
    json_t *root = sample(&at);
    GError *error = NULL;
    int64_t n = -1;
    double x = -1;
    bool b = false;
    const char *s = NULL;
    const json_t *list;
    g_assert_true(nawi_json_get_int(&at, "n", 7, 7, &n, &error));
    g_assert_cmpint(n, ==, 7);
    g_assert_true(nawi_json_get_int(&at, "big", 0, INT64_MAX, &n, &error));
    g_assert_cmpint(n, ==, INT64_MAX);
    g_assert_true(nawi_json_get_float(&at, "n", 0, 10, &x, &error));
    g_assert_cmpfloat(x, ==, 7);
    g_assert_true(nawi_json_get_bool(&at, "b", &b, &error) && b);
    g_assert_true(nawi_json_get_string(&at, "s", &s, &error));
    g_assert_cmpstr(s, ==, "word");
    g_assert_true(nawi_json_get_array(&at, "list", &list, &error));
    g_assert_cmpuint(json_array_size(list), ==, 2);
    g_assert_true(nawi_json_get_object(&at, "inner", &inner, &error));
    g_assert_true(nawi_json_need_int(&inner, "k", -3, -3, &n, &error));
    n = 42;
    g_assert_true(nawi_json_get_int(&at, "z", 0, 1, &n, &error));
    g_assert_true(nawi_json_get_int(&at, "absent", 0, 1, &n, &error));
    g_assert_cmpint(n, ==, 42);
    g_assert_false(nawi_json_has(&at, "z"));
    g_assert_true(nawi_json_get_object(&at, "absent", &inner, &error));
    g_assert_null(inner.object);
    g_assert_no_error(error);
    json_decref(root);
}

static void test_refusals(void)
{
    struct nawi_json_at at, inner;
    json_t *root = sample(&at);
    GError *error = NULL;
    int64_t n = 0;
    double x;
    bool b;
    const char *s;
    const json_t *list;
    g_assert_false(nawi_json_get_int(&at, "n", 8, 9, &n, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT,
           "t.json: n: expected a whole number 8..9, found 7");
    g_assert_false(nawi_json_get_int(&at, "x", 0, 9, &n, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "found 0.5");
    g_assert_false(nawi_json_need_int(&at, "z", 0, 9, &n, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT,
           "t.json: z: expected a whole number 0..9, found nothing");
    g_assert_false(nawi_json_get_float(&at, "x", 1, 2, &x, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "expected a number 1..2, found 0.5");
    g_assert_false(nawi_json_get_bool(&at, "n", &b, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "expected true or false, found 7");
    g_assert_false(nawi_json_get_string(&at, "list", &s, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "expected a string, found an array of 2");
    g_assert_false(nawi_json_get_array(&at, "inner", &list, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "expected an array, found an object");
    g_assert_false(nawi_json_get_object(&at, "s", &inner, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "expected an object, found 'word'");
    g_assert_true(nawi_json_get_object(&at, "inner", &inner, &error));
    g_assert_false(nawi_json_get_int(&inner, "k", 0, 9, &n, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "t.json: inner.k: expected");
    json_t *array = json_array();
    g_assert_false(nawi_json_root("t.json", array, &at, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "t.json: expected an object");
    json_decref(array);
    json_decref(root);
}

static void test_files(void)
{
    GError *error = NULL;
    g_autofree char *path = g_build_filename(harness_scratch(), "a.json", NULL);
    g_autofree char *pipe = g_build_filename(harness_scratch(), "pipe", NULL);
    g_assert_true(g_file_set_contents(path, "{\"a\": [1]}", -1, NULL));
    json_t *root = nawi_json_read(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(root);
    json_decref(root);
    const struct nawi_json_limits small = {.n_bytes = 4};
    g_assert_null(nawi_json_read(path, &small, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_FORMAT, "a.json: expected at most 4 bytes");
    g_assert_null(nawi_json_read(harness_scratch(), NULL, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_IO, "found a folder");
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_null(nawi_json_read(pipe, NULL, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_IO, "device or pipe");
    g_assert_null(nawi_json_read("/dev/zero", NULL, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_IO, "device or pipe");
    g_assert_null(nawi_json_read("/nowhere/at.json", NULL, &error));
    expect(g_steal_pointer(&error), NAWI_ERROR_IO, "/nowhere/at.json");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/json/grammar", test_grammar);
    g_test_add_func("/json/quoting", test_quoting);
    g_test_add_func("/json/limits", test_limits);
    g_test_add_func("/json/getters", test_getters);
    g_test_add_func("/json/refusals", test_refusals);
    g_test_add_func("/json/files", test_files);
    return harness_main();
}
