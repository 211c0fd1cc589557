/* The canvas of a picture: how many tiles, and how large the picture lies on it. Pure arithmetic.
 */
#pragma once

#include "engine/media.h"

#include <stdbool.h>

struct tile_plan {
    int rows, cols;
    int resized_w_px, resized_h_px;
    int n_tile; /* with the global tile */
    int n_tok;  /* of <|image_start|> … <|image_end|> */
};

/* True when spec is one that tiles can be cut for: sides positive and within media.h's bounds, a
 * tile a whole number of patches, those a whole number of tokens. */
bool tile_spec_is_sound(const struct nawi_media_spec *spec);

/* Lays out a picture of width * height px, both at least 1, for a sound spec. Any thread; cannot
 * fail. Source: Llama 4 reference preprocessing (variable canvas, no distortion). */
struct tile_plan tile_lay_out(int width_px, int height_px, const struct nawi_media_spec *spec);
