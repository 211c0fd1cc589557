/* Bilinear resampling with antialiasing, in integer arithmetic that gives the same bytes on every
 * machine. */
#pragma once

#include "engine/error.h"

#include <stdbool.h>
#include <stdint.h>

/* An RGB picture of 8 bits a channel: [height_px, width_px, 3], rows without gaps. */
struct resize_rgb {
    int width_px, height_px;
    uint8_t *rgb;
};

/* Resamples from into to, whose sides are set and whose rgb has room for them; may not overlap.
 * Sides are at least 1, and width * height * 3 of each fits in memory. Columns first, rounded to
 * bytes, then rows; a pass whose lengths are equal is left out.
 *
 * Any thread. cancel may be NULL. Errors: MEMORY (what lies between the passes), CANCELLED.
 * Source: the triangle filter of Pillow 12.3.0 on 8-bit data. */
bool resize_picture(const struct resize_rgb *from, const struct resize_rgb *to,
                    const nawi_cancel *cancel, GError **error);
