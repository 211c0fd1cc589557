#include "tests/golden/cases.h"

#include "tests/harness.h"

#include <jansson.h>
#include <string.h>

static void *load(const char *relative, const char *dtype, int64_t *n)
{
    int n_dim;
    int64_t shape[4];
    char *path = harness_golden(relative);
    void *data = harness_npy(path, dtype, &n_dim, shape);
    *n = shape[0] * shape[1] * shape[2] * shape[3];
    g_free(path);
    return data;
}

static void free_case(gpointer data)
{
    struct golden_case *c = data;
    g_free((void *)c->tokens);
    g_free((void *)c->pictures);
    g_free((void *)c->logits);
    g_free((void *)c->routes);
    json_decref(c->origin);
    g_free(c);
}

static struct golden_case *load_case(json_t *object)
{
    struct golden_case *c = g_new0(struct golden_case, 1);
    c->origin = json_incref(object);
    int64_t n;
    c->name = json_string_value(json_object_get(object, "name"));
    c->gguf = json_string_value(json_array_get(json_object_get(object, "gguf"), 0));
    c->hf = json_string_value(json_object_get(object, "hf"));
    c->mmproj = json_string_value(json_object_get(object, "mmproj"));
    const json_t *tokens = json_object_get(object, "tokens");
    c->n_token = (int64_t)json_array_size(tokens);
    int32_t *ids = g_new(int32_t, c->n_token);
    for (int64_t i = 0; i < c->n_token; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(tokens, (size_t)i));
    c->tokens = ids;
    const json_t *pictures = json_object_get(object, "pictures");
    c->n_picture = (int64_t)json_array_size(pictures);
    const char **tiles = g_new0(const char *, c->n_picture + 1);
    for (int64_t i = 0; i < c->n_picture; i++)
        tiles[i] = json_string_value(json_object_get(json_array_get(pictures, (size_t)i), "tiles"));
    c->pictures = tiles;
    c->logits = load(json_string_value(json_object_get(object, "logits")), "<f4", &n);
    c->routes = load(json_string_value(json_object_get(object, "router")), "<i4", &c->n_route);
    return c;
}

GPtrArray *golden_load_cases(void)
{
    json_error_t fault;
    char *path = harness_golden("cases.json");
    json_t *root = json_load_file(path, 0, &fault);
    if (!root)
        g_error("%s: %s", path, fault.text);
    GPtrArray *cases = g_ptr_array_new_with_free_func(free_case);
    size_t i;
    json_t *object;
    json_array_foreach(json_object_get(root, "cases"), i, object)
        g_ptr_array_add(cases, load_case(object));
    json_decref(root);
    g_free(path);
    return cases;
}

struct nawi_media golden_media(const struct nawi_media_spec *spec, const char *tiles)
{
    int n_dim;
    int64_t shape[4];
    char *path = harness_golden(tiles);
    float *chw = harness_npy(path, "<f4", &n_dim, shape);
    int64_t side = shape[2];
    int64_t p = spec->patch_px;
    int64_t grid = side / p;
    g_assert_cmpint(side, ==, spec->tile_px);
    struct nawi_media media = {.n_tile = (int)shape[0],
                               .rows = 1,
                               .cols = 1,
                               .tile_px = spec->tile_px,
                               .patch_px = spec->patch_px,
                               .time_s = -1};
    media.patches = g_new(float, shape[0] * 3 * side * side);
    float *to = media.patches;
    for (int64_t t = 0; t < shape[0]; t++)
        for (int64_t n = 0; n < grid * grid; n++)
            for (int64_t c = 0; c < 3; c++)
                for (int64_t y = 0; y < p; y++, to += p)
                    memcpy(to, chw + ((t * 3 + c) * side + n / grid * p + y) * side + n % grid * p,
                           (size_t)p * sizeof(float));
    g_free(chw);
    g_free(path);
    return media;
}

struct nawi_embedding *golden_see(struct nawi_model *model, const char *tiles)
{
    GError *error = NULL;
    struct nawi_media media = golden_media(nawi_model_get_media_spec(model), tiles);
    struct nawi_embedding *embedding = nawi_model_see(model, &media, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    nawi_media_finish(&media);
    return embedding;
}
