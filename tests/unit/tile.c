/* The canvas planner beyond the golden rows: its bounds, for any side and any sound spec. */
#include "tests/harness.h"
#include "vision/tile.h"

#include <math.h>

static struct nawi_media_spec spec_of(int tile_px, int patch_px, int shuffle, int max_tiles)
{
    return (struct nawi_media_spec){.tile_px = tile_px,
                                    .patch_px = patch_px,
                                    .shuffle = shuffle,
                                    .max_tiles = max_tiles,
                                    .mean = {.5f, .5f, .5f},
                                    .std = {.5f, .5f, .5f}};
}

static void test_spec(void)
{
    struct nawi_media_spec spec = spec_of(336, 14, 2, 16);
    g_assert_true(tile_spec_is_sound(&spec));
    static const int unsound[][4] = {
        {0, 14, 2, 16},          {336, 0, 2, 16},   {336, 14, 0, 16},  {336, 14, 2, 0},
        {337, 14, 2, 16},        {336, 14, 5, 16},  {2072, 14, 2, 16}, {336, 14, 2, 65},
        {-336, 14, 2, 16},       {336, -14, 2, 16}, {14, 14, 2, 16},   {336, 2000000000, 2, 1},
        {336, 14, 2000000000, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(unsound); i++) {
        spec = spec_of(unsound[i][0], unsound[i][1], unsound[i][2], unsound[i][3]);
        g_assert_false(tile_spec_is_sound(&spec));
    }
    spec = spec_of(336, 14, 2, 16);
    spec.std[1] = 0;
    g_assert_false(tile_spec_is_sound(&spec));
    spec.std[1] = NAN;
    g_assert_false(tile_spec_is_sound(&spec));
    spec.std[1] = .5f;
    spec.mean[2] = INFINITY;
    g_assert_false(tile_spec_is_sound(&spec));
}

static void check_plan(int w, int h, const struct nawi_media_spec *spec)
{
    struct tile_plan plan = tile_lay_out(w, h, spec);
    int side = spec->tile_px;
    int n = plan.rows * plan.cols;
    g_assert_true(plan.rows >= 1 && plan.cols >= 1 && n <= spec->max_tiles);
    g_assert_true(plan.resized_w_px >= 1 && plan.resized_w_px <= plan.cols * side);
    g_assert_true(plan.resized_h_px >= 1 && plan.resized_h_px <= plan.rows * side);
    g_assert_cmpint(plan.n_tile, ==, n > 1 ? n + 1 : 1);
    /* One side of the picture reaches the end of what it was fitted to, and it is not enlarged
     * beyond a tile. */
    g_assert_true(plan.resized_w_px <= MAX(w, side) && plan.resized_h_px <= MAX(h, side));
    int n_tile_tok = nawi_media_tile_tokens(spec);
    g_assert_cmpint(plan.n_tok, ==, n > 1 ? 3 + n + (n + 1) * n_tile_tok : 3 + n_tile_tok);
}

static void test_plans(void)
{
    static const int sides[] = {1, 2, 3, 13, 335, 336, 337, 1000, 5375, 5376, 5377, 32768};
    static const int specs[][4] = {
        {336, 14, 2, 16}, {336, 14, 2, 1}, {56, 14, 2, 16}, {2048, 16, 2, 64}, {1, 1, 1, 7}};
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (size_t s = 0; s < G_N_ELEMENTS(specs); s++) {
        struct nawi_media_spec spec = spec_of(specs[s][0], specs[s][1], specs[s][2], specs[s][3]);
        for (size_t i = 0; i < G_N_ELEMENTS(sides); i++)
            for (size_t k = 0; k < G_N_ELEMENTS(sides); k++)
                check_plan(sides[i], sides[k], &spec);
        for (int i = 0; i < 2000; i++)
            check_plan(g_rand_int_range(random, 1, 32769), g_rand_int_range(random, 1, 32769),
                       &spec);
    }
    g_rand_free(random);
}

/* The worked examples of the model's description. */
static void test_examples(void)
{
    static const int rows[][7] = {
        {300, 200, 1, 1, 336, 224, 147},      {336, 337, 2, 1, 336, 337, 437},
        {800, 600, 2, 3, 800, 600, 1017},     {1920, 1080, 3, 5, 1680, 945, 2322},
        {4000, 3000, 3, 4, 1344, 1008, 1887}, {3000, 100, 1, 9, 3000, 100, 1452},
    };
    struct nawi_media_spec spec = spec_of(336, 14, 2, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct tile_plan plan = tile_lay_out(rows[i][0], rows[i][1], &spec);
        g_assert_cmpint(plan.rows, ==, rows[i][2]);
        g_assert_cmpint(plan.cols, ==, rows[i][3]);
        g_assert_cmpint(plan.resized_w_px, ==, rows[i][4]);
        g_assert_cmpint(plan.resized_h_px, ==, rows[i][5]);
        g_assert_cmpint(plan.n_tok, ==, rows[i][6]);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/spec", test_spec);
    g_test_add_func("/plans", test_plans);
    g_test_add_func("/examples", test_examples);
    return harness_main();
}
