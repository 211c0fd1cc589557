/* Canvases, resized pixels and tiles against golden/tiles; tiles of the small vision models as the
 * tower gets them, where golden/vision is. */
#include "tests/harness.h"
#include "vision/vision.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

static json_t *load(const char *relative)
{
    json_error_t fault;
    char *path = harness_golden(relative);
    json_t *root = json_load_file(path, 0, &fault);
    if (!root)
        g_error("%s: %s", path, fault.text);
    g_free(path);
    return root;
}

static int64_t integer(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static struct nawi_media_spec spec_of(int side, int max_tiles)
{
    return (struct nawi_media_spec){.tile_px = side,
                                    .patch_px = 14,
                                    .shuffle = 2,
                                    .max_tiles = max_tiles,
                                    .mean = {0.5f, 0.5f, 0.5f},
                                    .std = {0.5f, 0.5f, 0.5f}};
}

/* One row: w, h, rows, cols, resized_w, resized_h, n_tokens, layout. */
static void check_row(const json_t *row, const struct nawi_media_spec *spec)
{
    struct nawi_vision_plan plan;
    GError *error = NULL;
    int64_t v[7];
    for (size_t i = 0; i < G_N_ELEMENTS(v); i++)
        v[i] = json_integer_value(json_array_get(row, i));
    g_assert_true(nawi_vision_plan((int)v[0], (int)v[1], spec, &plan, &error));
    g_assert_no_error(error);
    bool same = plan.rows == v[2] && plan.cols == v[3] && plan.resized_w_px == v[4] &&
                plan.resized_h_px == v[5] && plan.n_tok == v[6];
    if (!same)
        g_test_message("%d x %d at %d: %d x %d tiles, %d x %d px, %d tokens", (int)v[0], (int)v[1],
                       spec->tile_px, plan.rows, plan.cols, plan.resized_w_px, plan.resized_h_px,
                       plan.n_tok);
    g_assert_true(same);
}

static void test_plans(void)
{
    json_t *root = load("tiles/plan.json");
    size_t i = 0;
    json_t *group = NULL;
    int n_row = 0;
    json_array_foreach(json_object_get(root, "groups"), i, group)
    {
        struct nawi_media_spec spec =
            spec_of((int)integer(group, "side"), (int)integer(group, "max_tiles"));
        g_assert_cmpint(nawi_media_tile_tokens(&spec), ==, integer(group, "patches_per_tile"));
        size_t k = 0;
        json_t *row = NULL;
        json_array_foreach(json_object_get(group, "cases"), k, row)
        {
            check_row(row, &spec);
            n_row += 1;
        }
    }
    g_assert_cmpint(n_row, ==, 1220);
    json_decref(root);
}

static void assert_sha256(const uint8_t *bytes, size_t n, const char *expected)
{
    char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, n);
    g_assert_cmpstr(sum, ==, expected);
    g_free(sum);
}

static struct nawi_picture open_png(const char *relative)
{
    struct nawi_picture picture;
    GError *error = NULL;
    char *path = harness_golden(relative);
    int fd = nawi_vision_open_file(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(nawi_vision_open(fd, path, NULL, NULL, &picture, &error));
    close(fd);
    g_free(path);
    return picture;
}

static void check_side(const struct nawi_picture *picture, const json_t *side)
{
    struct nawi_media_spec spec = spec_of((int)integer(side, "side"), 16);
    struct nawi_media media;
    GError *error = NULL;
    g_assert_true(nawi_vision_tile(picture, &spec, NULL, &media, &error));
    g_assert_cmpint(media.rows, ==, integer(side, "rows"));
    g_assert_cmpint(media.cols, ==, integer(side, "cols"));
    g_assert_cmpint(media.resized_w_px, ==, integer(side, "resized_w"));
    g_assert_cmpint(media.resized_h_px, ==, integer(side, "resized_h"));
    g_assert_cmpint(media.n_tile, ==, integer(side, "n_tiles"));
    g_assert_cmpmem(media.hash, sizeof media.hash, picture->hash, sizeof picture->hash);
    g_assert_true(media.time_s < 0);
    size_t tile = (size_t)spec.tile_px * (size_t)spec.tile_px * 3;
    size_t i = 0;
    json_t *sum = NULL;
    json_array_foreach(json_object_get(side, "tile_sha256"), i, sum)
        assert_sha256(media.tiles + i * tile, tile, json_string_value(sum));
    assert_sha256(media.tiles, tile * (size_t)media.n_tile,
                  json_string_value(json_object_get(side, "sha256")));
    nawi_media_finish(&media);
}

static void test_pixels(void)
{
    json_t *root = load("tiles/pixels.json");
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(root, "pictures"), i, row)
    {
        const char *png = json_string_value(json_object_get(row, "png"));
        struct nawi_picture picture = open_png(png);
        g_test_message("%s", png);
        assert_sha256(picture.rgb, (size_t)picture.width_px * (size_t)picture.height_px * 3,
                      json_string_value(json_object_get(row, "rgb_sha256")));
        size_t k = 0;
        json_t *side = NULL;
        json_array_foreach(json_object_get(row, "sides"), k, side) check_side(&picture, side);
        nawi_picture_finish(&picture);
    }
    g_assert_cmpint(i, ==, 13);
    json_decref(root);
}

/* The tower's input of a picture, bit for bit: tiles of side 56 of a PNG against the floats that
 * the reference was fed with, both put into patches. */
static void check_tower_input(const char *png, const char *npy)
{
    char *path = harness_golden(npy);
    struct nawi_media_spec spec = spec_of(56, 16);
    struct nawi_picture picture = open_png(png);
    struct nawi_media media;
    GError *error = NULL;
    g_assert_true(nawi_vision_tile(&picture, &spec, NULL, &media, &error));
    int n_dim = 0;
    int64_t shape[4];
    float *chw = harness_npy(path, "<f4", &n_dim, shape);
    g_assert_cmpint(shape[0], ==, media.n_tile);
    g_assert_cmpint(shape[2], ==, 56);
    size_t n = (size_t)media.n_tile * 3 * 56 * 56;
    float *patches = g_new(float, n);
    nawi_vision_patches_from_chw(&spec, media.n_tile, chw, patches);
    g_assert_cmpint(memcmp(patches, media.patches, n * sizeof *patches), ==, 0);
    g_free(patches);
    g_free(chw);
    nawi_media_finish(&media);
    nawi_picture_finish(&picture);
    g_free(path);
}

static void test_tower_input(void)
{
    static const char *const names[] = {"noise-200x150", "pair-90x50", "tall-90x700", "tiny-5x3"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        char *png = g_strdup_printf("tiles/pixels/%s.png", names[i]);
        char *npy = g_strdup_printf("vision/tiny-scout-%s.tiles.npy", names[i]);
        check_tower_input(png, npy);
        g_free(npy);
        g_free(png);
    }
}

/* golden/vision/index.json: places of a coded picture of 28 x 28 in its patches. */
static void test_patch_order(void)
{
    json_t *root = load("vision/index.json");
    const json_t *order = json_object_get(root, "patch_order");
    struct nawi_media_spec spec = spec_of(28, 1);
    float chw[3 * 28 * 28];
    float patches[3 * 28 * 28];
    g_assert_cmpint(integer(order, "side"), ==, 28);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 28; y++)
            for (int x = 0; x < 28; x++)
                chw[(c * 28 + y) * 28 + x] = (float)(10000 * c + 100 * y + x);
    nawi_vision_patches_from_chw(&spec, 1, chw, patches);
    size_t p = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(order, "patches"), p, row)
    {
        size_t i = 0;
        json_t *at = NULL;
        json_array_foreach(json_object_get(order, "at"), i, at)
            g_assert_cmpfloat(patches[p * 588 + (size_t)json_integer_value(at)], ==,
                              (float)json_integer_value(json_array_get(row, i)));
    }
    g_assert_cmpint(p, ==, 4);
    json_decref(root);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    harness_init(&argc, &argv);
    if (!nawi_vision_init(&error))
        g_error("%s", error->message);
    g_test_add_func("/plans", test_plans);
    g_test_add_func("/pixels", test_pixels);
    g_test_add_func("/tower-input", test_tower_input);
    g_test_add_func("/patch-order", test_patch_order);
    int rc = harness_main();
    nawi_vision_finish();
    return rc;
}
