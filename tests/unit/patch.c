/* Order and normalisation of patches, for sides and constants that no golden file has. */
#include "tests/harness.h"
#include "vision/patch.h"

#include <math.h>
#include <string.h>

/* The place of a value in its tile's patches, from the definition. */
static size_t place(const struct nawi_media_spec *spec, int c, int y, int x)
{
    int p = spec->patch_px;
    int grid = spec->tile_px / p;
    int patch = y / p * grid + x / p;
    return (size_t)((patch * 3 + c) * p + y % p) * (size_t)p + (size_t)(x % p);
}

static void check(const struct nawi_media_spec *spec, int n_tile)
{
    int side = spec->tile_px;
    size_t n = (size_t)n_tile * (size_t)side * (size_t)side * 3;
    size_t n_of_tile = n / (size_t)n_tile;
    uint8_t *tiles = g_malloc(n);
    float *patches = g_new(float, n);
    float *chw = g_new(float, n);
    float *again = g_new(float, n);
    for (size_t i = 0; i < n; i++)
        tiles[i] = (uint8_t)(i * 7 + i / 251);
    patch_from_tiles(spec, n_tile, tiles, patches);
    for (int t = 0; t < n_tile; t++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                for (int c = 0; c < 3; c++) {
                    uint8_t v = tiles[((t * side + y) * side + x) * 3 + c];
                    float found = patches[(size_t)t * n_of_tile + place(spec, c, y, x)];
                    float wanted = ((float)v / 255.0f - spec->mean[c]) / spec->std[c];
                    g_assert_cmpfloat_with_epsilon(found, wanted, 1e-6f);
                    chw[((t * 3 + c) * side + y) * side + x] = found;
                }
    patch_from_chw(spec, n_tile, chw, again);
    g_assert_cmpint(memcmp(again, patches, n * sizeof *again), ==, 0);
    g_free(tiles);
    g_free(patches);
    g_free(chw);
    g_free(again);
}

static void test_order(void)
{
    struct nawi_media_spec half = {.tile_px = 28,
                                   .patch_px = 7,
                                   .shuffle = 2,
                                   .max_tiles = 1,
                                   .mean = {.5f, .5f, .5f},
                                   .std = {.5f, .5f, .5f}};
    struct nawi_media_spec other = {.tile_px = 6,
                                    .patch_px = 3,
                                    .shuffle = 1,
                                    .max_tiles = 1,
                                    .mean = {.48f, .45f, .4f},
                                    .std = {.26f, .27f, .28f}};
    struct nawi_media_spec whole = {.tile_px = 5,
                                    .patch_px = 5,
                                    .shuffle = 1,
                                    .max_tiles = 1,
                                    .mean = {0, 0, 0},
                                    .std = {1, 1, 1}};
    check(&half, 3);
    check(&other, 2);
    check(&whole, 1);
}

/* Black is -1 and white is 1, exactly. */
static void test_ends(void)
{
    struct nawi_media_spec spec = {.tile_px = 1,
                                   .patch_px = 1,
                                   .shuffle = 1,
                                   .max_tiles = 1,
                                   .mean = {.5f, .5f, .5f},
                                   .std = {.5f, .5f, .5f}};
    uint8_t tile[3] = {0, 255, 51};
    float patch[3];
    patch_from_tiles(&spec, 1, tile, patch);
    g_assert_cmpfloat(patch[0], ==, -1.0f);
    g_assert_cmpfloat(patch[1], ==, 1.0f);
    g_assert_cmpfloat(patch[2], ==, 51.0f / 127.5f - 1.0f);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/order", test_order);
    g_test_add_func("/ends", test_ends);
    return harness_main();
}
