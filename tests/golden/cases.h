/* The cases of golden/cases.json with their arrays, for tests of whole models. */
#pragma once

#include "engine/engine.h"

struct golden_case {
    const char *name;
    const char *gguf, *hf, *mmproj; /* relative to golden; NULL: none */
    const int32_t *tokens;
    int64_t n_token;
    const char *const *pictures; /* .npy of tiles, relative to golden */
    int64_t n_picture;
    const float *logits;   /* [n_token, n_vocab] */
    const int32_t *routes; /* [n_moe_layer, n_token, n_used] */
    int64_t n_route;
    struct json_t *origin; /* owns the strings above */
};

GPtrArray *golden_load_cases(void); /* of struct golden_case *, which it owns */

/* Tiles of a .npy [n, 3, side, side] as media for the model's tower. */
struct nawi_media golden_media(const struct nawi_media_spec *spec, const char *tiles);
struct nawi_embedding *golden_see(struct nawi_model *model, const char *tiles);
