/* Tiles to the rows that a vision tower multiplies: normalised, patch by patch. */
#pragma once

#include "engine/media.h"

#include <stdint.h>

/* tiles [n_tile, tile_px, tile_px, 3] of bytes to patches [n_tile, n_patch, 3 * patch_px *
 * patch_px]; within a patch channel, row, column; patches row by row. value = (v / 255 - mean) /
 * std, in float32; where mean and std are one half it is computed as v / 127.5 - 1. Any thread;
 * cannot fail. */
void patch_from_tiles(const struct nawi_media_spec *spec, int n_tile, const uint8_t *tiles,
                      float *patches);

/* The same order from tiles that are normalised already: chw [n_tile, 3, tile_px, tile_px]. */
void patch_from_chw(const struct nawi_media_spec *spec, int n_tile, const float *chw,
                    float *patches);
