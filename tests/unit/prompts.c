/* The table of prompts: twelve languages, in order, and Cria's own wordings. */
#include "engine/text/prompts.h"

#include "tests/harness.h"

#include <jansson.h>
#include <string.h>

static void test_table(void)
{
    const struct nawi_prompts *all = nawi_prompts_get_all();
    for (int i = 0; i < NAWI_PROMPTS_COUNT; i++) {
        g_assert_cmpuint(strlen(all[i].code), ==, 2);
        g_assert_true(i == 0 || strcmp(all[i - 1].code, all[i].code) < 0);
        g_assert_true(nawi_prompts_find(all[i].code) == &all[i]);
        const char *const texts[] = {all[i].english_name, all[i].own_name, all[i].caption,
                                     all[i].describe};
        for (size_t k = 0; k < G_N_ELEMENTS(texts); k++)
            g_assert_true(texts[k] && *texts[k] && g_utf8_validate(texts[k], -1, NULL));
        g_assert_cmpuint(strlen(all[i].describe), >, strlen(all[i].caption));
    }
    g_assert_null(nawi_prompts_find("xx"));
    g_assert_null(nawi_prompts_find("EN"));
    g_assert_null(nawi_prompts_find(""));
}

static void test_cria(void)
{
    char *path = harness_golden("cria/show.json");
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    const char *code;
    json_t *value;
    g_assert_nonnull(root);
    g_assert_cmpuint(json_object_size(root), ==, NAWI_PROMPTS_COUNT);
    json_object_foreach(root, code, value)
    {
        const struct nawi_prompts *prompts = nawi_prompts_find(code);
        g_assert_nonnull(prompts);
        g_assert_cmpstr(prompts->caption, ==,
                        json_string_value(json_object_get(value, "question")));
    }
    json_decref(root);
    g_free(path);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/prompts/table", test_table);
    g_test_add_func("/prompts/cria", test_cria);
    return harness_main();
}
