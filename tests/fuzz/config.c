/* Any JSON as config.json, and as its neighbours: what is let through is within the ranges that the
 * metadata promises. */
#include "engine/file/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nawi_meta *meta, const struct config_facts *facts)
{
    int64_t n = 0;
    float divisors[CONFIG_HEAD_MOST / 2];
    g_autofree char *key = g_strdup_printf("%s.block_count", facts->arch);
    if (!meta_need_int(meta, key, 1, CONFIG_LAYER_MOST, &n, NULL) || n != facts->n_layer)
        abort();
    if (facts->d_head < 2 || facts->d_head > CONFIG_HEAD_MOST || facts->d_head % 2 != 0)
        abort();
    config_divide_rope(&facts->rope, facts->d_head, divisors);
    for (int64_t j = 0; j < facts->d_head / 2; j++)
        if (!(divisors[j] >= 1.0f && divisors[j] <= 1e6f))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = nawi_json_parse("fuzz.json", (const char *)data, size, NULL, NULL);
    if (!root)
        return 0;
    GError *error = NULL;
    struct config_facts facts;
    struct nawi_meta *meta = meta_create("fuzz.json");
    if (config_parse("fuzz.json", root, meta, &facts, &error))
        check(meta, &facts);
    else if (!error)
        abort();
    g_clear_error(&error);
    facts = (struct config_facts){.arch = "llama4", .has_vision = true, .image_px = 56};
    if (!config_parse_processor("fuzz.json", root, &facts, meta, &error) && !error)
        abort();
    g_clear_error(&error);
    if (!config_parse_generation("fuzz.json", root, meta, &error) && !error)
        abort();
    g_clear_error(&error);
    meta_destroy(meta);
    json_decref(root);
    return 0;
}
