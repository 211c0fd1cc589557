/* Decoded rows of any depth to opaque RGB of 8 bits: on white, in exact integer arithmetic. */
#pragma once

#include "vision/tone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flatten_space {
    FLATTEN_GREY,
    FLATTEN_RGB,
    FLATTEN_CMYK, /* 0 is no ink; without a profile: light = (1 - ink)(1 - black) */
};

enum flatten_depth {
    FLATTEN_U8,
    FLATTEN_U16,
    FLATTEN_F32, /* 0..1, of light; needs a tone */
    FLATTEN_F64,
};

struct flatten_format {
    enum flatten_space space;
    enum flatten_depth depth;
    int n_band; /* of a pixel, as it lies in the row: colours, alpha, and what is not looked at */
    bool has_alpha;          /* the band behind the colours */
    bool is_premultiplied;   /* by alpha */
    const struct tone *tone; /* NULL: values are on sRGB's curve */
};

/* in [n, n_band] to rgb [n, 3]. Any thread; cannot fail. in is aligned as its numbers want.
 * 8 bits: t = p * a + 255 * (255 - a) + 128; (t + (t >> 8)) >> 8. 16 bits: the same idea in 16
 * bits, then v / 257 rounded. */
void flatten_row(const struct flatten_format *format, const void *in, size_t n, uint8_t *rgb);
