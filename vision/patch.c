/* The order of values within patches, and the normalisation. A byte has 256 values, so that the
 * normalised ones are looked up: each is computed once, by the formula of the reference and in its
 * order. */
#include "vision/patch.h"

#include <stdbool.h>
#include <string.h>

static void fill_table(const struct nawi_media_spec *spec, int channel, float table[256])
{
    float mean = spec->mean[channel];
    float std = spec->std[channel];
    bool half = mean == 0.5f && std == 0.5f;
    for (int v = 0; v < 256; v++)
        table[v] = half ? (float)v / 127.5f - 1.0f : ((float)v / 255.0f - mean) / std;
}

void patch_from_tiles(const struct nawi_media_spec *spec, int n_tile, const uint8_t *tiles,
                      float *patches)
{
    size_t side = (size_t)spec->tile_px;
    size_t p = (size_t)spec->patch_px;
    size_t grid = side / p;
    float table[3][256];
    for (int c = 0; c < 3; c++)
        fill_table(spec, c, table[c]);
    for (size_t t = 0; t < (size_t)n_tile; t++)
        for (size_t y = 0; y < side; y++) {
            const uint8_t *row = tiles + (t * side + y) * side * 3;
            for (size_t g = 0; g < grid; g++) {
                float *patch = patches + ((t * grid + y / p) * grid + g) * 3 * p * p + y % p * p;
                for (size_t x = 0; x < p; x++, row += 3) {
                    patch[x] = table[0][row[0]];
                    patch[p * p + x] = table[1][row[1]];
                    patch[2 * p * p + x] = table[2][row[2]];
                }
            }
        }
}

void patch_from_chw(const struct nawi_media_spec *spec, int n_tile, const float *chw,
                    float *patches)
{
    size_t side = (size_t)spec->tile_px;
    size_t p = (size_t)spec->patch_px;
    size_t grid = side / p;
    for (size_t t = 0; t < (size_t)n_tile; t++)
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < side; y++) {
                const float *row = chw + ((t * 3 + c) * side + y) * side;
                for (size_t g = 0; g < grid; g++) {
                    float *patch = patches + ((t * grid + y / p) * grid + g) * 3 * p * p;
                    memcpy(patch + (c * p + y % p) * p, row + g * p, p * sizeof *row);
                }
            }
}
