/* The vision tower against the reference: golden/vision/cases.json, from mmproj files and from
 * folders. */
#include "tests/golden/cases.h"
#include "tests/harness.h"

#include <jansson.h>

static void check(const char *source, const char *tiles, const char *output, const char *tier)
{
    GError *error = NULL;
    int n_dim;
    int64_t shape[4], n_row, n_embd;
    char *path = harness_golden(source);
    char *expected_path = harness_golden(output);
    float *expected = harness_npy(expected_path, "<f4", &n_dim, shape);
    struct nawi_model_params params = {.path = path, .cpu_tier = tier, .n_threads = 2};
    struct nawi_model *model = nawi_model_open_tower(&params, &error);
    g_assert_no_error(error);
    struct nawi_embedding *seen = golden_see(model, tiles);
    const float *rows = nawi_embedding_get_rows(seen, &n_row, &n_embd);
    g_assert_cmpint(n_row * n_embd, ==, shape[0] * shape[1]);
    double off = harness_relative_error(rows, expected, (size_t)(n_row * n_embd));
    g_test_message("%s %s %s: %.3g", source, tiles, tier, off);
    g_assert_cmpfloat(off, <=, 1e-4);
    nawi_embedding_unref(seen);
    nawi_model_close(model);
    g_free(expected);
    g_free(expected_path);
    g_free(path);
}

static void test_tower(const void *tier)
{
    json_error_t fault;
    char *path = harness_golden("vision/cases.json");
    json_t *root = json_load_file(path, 0, &fault);
    g_assert_nonnull(root);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(root, "cases"), i, c)
    {
        const char *tiles = json_string_value(json_object_get(c, "tiles"));
        const char *output = json_string_value(json_object_get(c, "output"));
        const char *mmproj = json_string_value(json_object_get(c, "mmproj"));
        const char *hf = json_string_value(json_object_get(c, "hf"));
        if (mmproj)
            check(mmproj, tiles, output, tier);
        if (hf)
            check(hf, tiles, output, tier);
    }
    json_decref(root);
    g_free(path);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_data_func("/tower/ref", "ref", test_tower);
    g_test_add_data_func("/tower/avx2", "avx2", test_tower);
    return harness_main();
}
