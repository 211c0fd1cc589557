/* The metadata table: what setters keep and getters allow, and what their messages say. */
#include "engine/file/meta.h"
#include "tests/harness.h"

#include <math.h>
#include <string.h>

static struct nawi_meta *sample(void)
{
    struct nawi_meta *meta = meta_create("sample.gguf");
    meta_set_int(meta, "a.count", 48);
    meta_set_float(meta, "a.eps", 1e-5);
    meta_set_bool(meta, "a.flag", true);
    meta_set_string(meta, "a.name", "Cria", 4);
    meta_set_string(meta, "a.nul", "x\0y", 3);
    return meta;
}

static void assert_error(GError **error, int code, const char *part)
{
    g_assert_error(*error, NAWI_ERROR, code);
    if (*error && !strstr((*error)->message, part)) {
        g_test_message("expected '%s' in: %s", part, (*error)->message);
        g_test_fail();
    }
    g_clear_error(error);
}

static void test_ints(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    int64_t value = -7;
    g_assert_true(meta_get_int(meta, "absent", 0, 1, &value, &error));
    g_assert_cmpint(value, ==, -7);
    g_assert_true(meta_get_int(meta, "a.count", 48, 48, &value, &error));
    g_assert_cmpint(value, ==, 48);
    value = -7;
    g_assert_false(meta_get_int(meta, "a.count", 1, 47, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT,
                 "sample.gguf: key 'a.count': expected a whole number from 1 to 47, found 48");
    g_assert_false(meta_get_int(meta, "a.count", 49, 100, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found 48");
    g_assert_false(meta_get_int(meta, "a.eps", 0, 100, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found the float 1e-05");
    g_assert_false(meta_get_int(meta, "a.flag", 0, 100, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found true");
    g_assert_false(meta_get_int(meta, "a.name", 0, 100, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found the string 'Cria'");
    g_assert_false(meta_need_int(meta, "absent", 0, 100, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "sample.gguf: key 'absent': expected");
    g_assert_true(meta_need_int(meta, "a.count", 0, 100, &value, &error));
    g_assert_cmpint(value, ==, 48);
    meta_destroy(meta);
}

static void test_floats(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    double value = 0.5;
    g_assert_true(meta_get_float(meta, "absent", 0, 1, &value, &error));
    g_assert_true(value == 0.5);
    g_assert_true(meta_get_float(meta, "a.eps", 0, 1, &value, &error));
    g_assert_true(value == 1e-5);
    g_assert_true(meta_get_float(meta, "a.count", 0, 100, &value, &error));
    g_assert_true(value == 48);
    g_assert_false(meta_get_float(meta, "a.eps", 1e-4, 1, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "a number from 0.0001 to 1, found the float 1e-05");
    meta_set_float(meta, "a.eps", NAN);
    g_assert_false(meta_get_float(meta, "a.eps", -HUGE_VAL, HUGE_VAL, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "nan");
    g_assert_false(meta_get_float(meta, "a.flag", 0, 1, &value, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found true");
    meta_destroy(meta);
}

static void test_others(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    bool flag = false;
    const char *text = "default";
    g_assert_true(meta_get_bool(meta, "a.flag", &flag, &error) && flag);
    g_assert_false(meta_get_bool(meta, "a.count", &flag, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "expected true or false, found 48");
    g_assert_true(meta_get_string(meta, "absent", &text, &error));
    g_assert_cmpstr(text, ==, "default");
    g_assert_true(meta_get_string(meta, "a.name", &text, &error));
    g_assert_cmpstr(text, ==, "Cria");
    g_assert_false(meta_get_string(meta, "a.nul", &text, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "zero bytes");
    g_assert_false(meta_get_string(meta, "a.count", &text, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "expected a string");
    meta_destroy(meta);
}

static void test_arrays(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    const struct meta_array *array = NULL;
    int64_t *ints = g_new(int64_t, 2);
    ints[0] = 7;
    ints[1] = -9;
    meta_set_array(meta, "b.ints", &(struct meta_array){.type = META_INT, .n = 2, .ints = ints});
    char *words = g_memdup2("ab\0c", 4);
    struct meta_string *strings = g_new(struct meta_string, 2);
    strings[0] = (struct meta_string){words, 2};
    strings[1] = (struct meta_string){words + 2, 2};
    meta_set_array(meta, "b.words",
                   &(struct meta_array){.type = META_STRING, .n = 2, .strings = strings});
    meta_keep(meta, words, g_free);

    g_assert_true(meta_get_array(meta, "absent", META_INT, &array, &error));
    g_assert_null(array);
    g_assert_true(meta_get_array(meta, "b.ints", META_INT, &array, &error));
    g_assert_cmpint(array->ints[1], ==, -9);
    g_assert_true(meta_get_array(meta, "b.words", META_STRING, &array, &error));
    g_assert_cmpuint(array->strings[1].n_bytes, ==, 2);
    g_assert_false(meta_get_array(meta, "b.ints", META_STRING, &array, &error));
    assert_error(&error, NAWI_ERROR_FORMAT,
                 "expected an array of strings, found an array of 2 whole numbers: 7, -9");
    g_assert_false(meta_get_array(meta, "a.name", META_STRING, &array, &error));
    assert_error(&error, NAWI_ERROR_FORMAT, "found the string 'Cria'");
    meta_set_array(meta, "b.none", &(struct meta_array){.type = META_INT});
    g_assert_true(meta_get_array(meta, "b.none", META_STRING, &array, &error));
    g_assert_cmpuint(array->n, ==, 0);

    char *text = NULL;
    g_assert_cmpuint(meta_count(meta), ==, 8);
    g_assert_cmpstr(meta_get_key(meta, 6, &text), ==, "b.words");
    g_assert_cmpstr(text, ==, "2 strings: 'ab', '\\x00c'");
    g_free(text);
    meta_destroy(meta);
}

static void test_replace(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    int64_t value = 0;
    meta_set_string(meta, "a.count", "many", 4);
    g_assert_cmpuint(meta_count(meta), ==, 5);
    g_assert_cmpstr(meta_get_key(meta, 0, NULL), ==, "a.count");
    meta_set_int(meta, "a.count", 3);
    g_assert_true(meta_need_int(meta, "a.count", 3, 3, &value, &error));
    meta_remove(meta, "a.count");
    meta_remove(meta, "a.count");
    g_assert_false(meta_has(meta, "a.count"));
    g_assert_cmpuint(meta_count(meta), ==, 4);
    g_assert_cmpstr(meta_get_key(meta, 0, NULL), ==, "a.eps");
    meta_destroy(meta);
}

static void test_text(void)
{
    struct nawi_meta *meta = sample();
    GError *error = NULL;
    static const struct {
        const char *assignment, *key, *value;
    } good[] = {
        {"a.count=12", "a.count", "12"},
        {"a.eps=1", "a.eps", "1"},
        {"a.eps=1e-6", "a.eps", "1e-06"},
        {"a.flag=false", "a.flag", "false"},
        {"a.name=12", "a.name", "'12'"},
        {"a.name=", "a.name", "''"},
        {"a.name=x=y", "a.name", "'x=y'"},
        {"n.int=-5", "n.int", "-5"},
        {"n.big=9223372036854775807", "n.big", "9223372036854775807"},
        {"n.bigger=9223372036854775808", "n.bigger", "9.22337204e+18"},
        {"n.float=0.25", "n.float", "0.25"},
        {"n.bool=true", "n.bool", "true"},
        {"n.text=truely", "n.text", "'truely'"},
        {"n.hex=0x10", "n.hex", "'0x10'"},
        {"n.nan=nan", "n.nan", "'nan'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(meta_set_text(meta, good[i].assignment, &error));
        g_assert_no_error(error);
        bool found = false;
        for (guint k = 0; k < meta_count(meta); k++) {
            char *text = NULL;
            if (strcmp(meta_get_key(meta, k, &text), good[i].key) == 0) {
                g_assert_cmpstr(text, ==, good[i].value);
                found = true;
            }
            g_free(text);
        }
        g_assert_true(found);
    }
    static const char *const bad[] = {"",          "=5",           "a.count",      "a.count=1.5",
                                      "a.count=",  "a.count=12x",  "a.count= 12",  "a.eps=inf",
                                      "a.eps=1,5", "a.eps=1e9999", "a.eps=0x1p-3", "a.flag=1"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(meta_set_text(meta, bad[i], &error));
        assert_error(&error, NAWI_ERROR_INPUT, "expected");
    }
    meta_set_array(meta, "b", &(struct meta_array){.type = META_INT});
    g_assert_false(meta_set_text(meta, "b=1", &error));
    assert_error(&error, NAWI_ERROR_INPUT, "array");
    meta_destroy(meta);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/meta/ints", test_ints);
    g_test_add_func("/meta/floats", test_floats);
    g_test_add_func("/meta/others", test_others);
    g_test_add_func("/meta/arrays", test_arrays);
    g_test_add_func("/meta/replace", test_replace);
    g_test_add_func("/meta/text", test_text);
    return harness_main();
}
