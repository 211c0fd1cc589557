/* The decoder's side: bytes that a container reader has prepared become upright sRGB pixels. */
#pragma once

#include "vision/container.h"
#include "vision/vision.h"

#include <stdbool.h>

bool picture_start(GError **error); /* once for the process; again is fine */
void picture_stop(void);

/* Fills out's sides, turn, note and rgb; kind and hash are the caller's. On failure out is zeroed.
 * Any thread. */
bool picture_decode(const struct container *container, const nawi_cancel *cancel,
                    struct nawi_picture *out, GError **error);

/* rgb [height_px, width_px, 3] as the bytes of a PNG, freed with g_free(). NULL on error. Any
 * thread. */
uint8_t *picture_encode_png(const uint8_t *rgb, int width_px, int height_px, size_t *n_bytes,
                            GError **error);
