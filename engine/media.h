/* The contract between seeing and thinking: what a model wants to see, and what it is handed.
 *
 * Plain values and one flat buffer, so that the side that decodes files can live in another
 * process. vision fills struct nawi_media; the engine reads it and knows nothing of files, colour
 * or compression. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    NAWI_MEDIA_MAX_TILES = 64,     /* no model asks for more tiles of one picture */
    NAWI_MEDIA_MAX_GRID = 128,     /* patches along a side of a tile */
    NAWI_MEDIA_MAX_TILE_PX = 2048, /* longest side of a tile that a spec may ask for */
    NAWI_MEDIA_HASH_BYTES = 32,    /* SHA-256 */
};

/* What a model wants to see. Comes from the model's metadata alone. */
struct nawi_media_spec {
    int tile_px;   /* side of a square tile, e.g. 336; a multiple of patch_px * shuffle */
    int patch_px;  /* side of a square patch, e.g. 14 */
    int shuffle;   /* pixel-shuffle factor: shuffle * shuffle patches become one token, e.g. 2 */
    int max_tiles; /* most tiles of a canvas, the global tile not counted, e.g. 16 */
    float mean[3]; /* normalised value = (v / 255 - mean) / std, by channel R, G, B */
    float std[3];
};

/* Patches along one side of a tile; patches of a tile; tokens of a tile. */
static inline int nawi_media_grid(const struct nawi_media_spec *s)
{
    return s->tile_px / s->patch_px;
}
static inline int nawi_media_patches(const struct nawi_media_spec *s)
{
    return nawi_media_grid(s) * nawi_media_grid(s);
}
static inline int nawi_media_tile_tokens(const struct nawi_media_spec *s)
{
    return nawi_media_patches(s) / (s->shuffle * s->shuffle);
}

/* One picture (or one frame of a clip) as the model sees it. */
struct nawi_media {
    int width_px, height_px;        /* of the upright picture */
    int turn;                       /* EXIF orientation that was applied, 1..8; 1 is none */
    int rows, cols;                 /* tiles of the canvas */
    int resized_w_px, resized_h_px; /* of the picture on the canvas */
    int n_tile; /* rows * cols, and one more (the global tile, last) when that is above 1 */
    int tile_px, patch_px;               /* as in the spec it was made for */
    double time_s;                       /* of a frame in its clip; negative for a still */
    uint8_t hash[NAWI_MEDIA_HASH_BYTES]; /* of the upright sRGB pixels and their size */
    float *patches; /* [n_tile, n_patch, 3 * patch_px * patch_px]: channel, row, column; patches
                       row-major; owned */
    uint8_t *tiles; /* [n_tile, tile_px, tile_px, 3] RGB, the same pixels before normalisation;
                       owned; may be NULL */
};

/* Frees what media owns (g_free) and zeroes it. NULL and zeroed media are fine. */
static inline void nawi_media_finish(struct nawi_media *media)
{
    if (!media)
        return;
    g_free(media->patches);
    g_free(media->tiles);
    *media = (struct nawi_media){0};
}
