/* Any JSON as tokenizer.json beside itself as tokenizer_config.json: what is let through has as
 * many tokens as types, none of them empty, and merges of two parts. */
#include "engine/file/hf-tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_VOCAB = 512 };

static const struct meta_array *get(const struct nawi_meta *meta, const char *key,
                                    enum meta_type type)
{
    const struct meta_array *array = NULL;
    if (!meta_get_array(meta, key, type, &array, NULL))
        abort();
    return array;
}

static void check(const struct nawi_meta *meta)
{
    const struct meta_array *tokens = get(meta, "tokenizer.ggml.tokens", META_STRING);
    const struct meta_array *types = get(meta, "tokenizer.ggml.token_type", META_INT);
    const struct meta_array *merges = get(meta, "tokenizer.ggml.merges", META_STRING);
    const struct meta_array *scores = get(meta, "tokenizer.ggml.scores", META_FLOAT);
    if (!tokens || !types || tokens->n != N_VOCAB || types->n != N_VOCAB || (!merges && !scores))
        abort();
    for (uint64_t i = 0; i < tokens->n; i++)
        if (tokens->strings[i].n_bytes == 0 || types->ints[i] < 1 || types->ints[i] > 6)
            abort();
    for (uint64_t i = 0; merges && i < merges->n; i++) {
        const char *text = merges->strings[i].text;
        const uint32_t n = merges->strings[i].n_bytes;
        const char *space = memchr(text, ' ', n);
        if (!space || space == text || space == text + n - 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = nawi_json_parse("fuzz.json", (const char *)data, size, NULL, NULL);
    if (!root)
        return 0;
    GError *error = NULL;
    const struct hf_tokenizer_files files = {
        .file = "fuzz.json", .root = root, .config_file = "fuzz.json", .config = root};
    struct nawi_meta *meta = meta_create("fuzz.json");
    if (hf_tokenizer_parse(&files, N_VOCAB, meta, &error))
        check(meta);
    else if (!error)
        abort();
    g_clear_error(&error);
    meta_destroy(meta);
    json_decref(root);
    return 0;
}
