/* From the light that a PNG or a float picture states to sRGB's curve and primaries. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    TONE_STEPS = 65536,
};

struct tone {
    bool has_matrix;
    float matrix[9];              /* linear light to linear light of sRGB, row by row */
    float linear[TONE_STEPS];     /* stored value of 16 bits → light, 0..1 */
    uint16_t encoded[TONE_STEPS]; /* light of 16 bits → value on sRGB's curve, of 16 bits */
};

/* For values that are light already. NULL when there is no memory; freed with g_free(). */
struct tone *tone_linear(void);

/* For stored = light ^ gamma in the given primaries: x, y of white, red, green, blue; white x 0:
 * sRGB's own. NULL when that is sRGB as nearly as no one sees, when the numbers make no sense, or
 * when there is no memory. */
struct tone *tone_for_gamma(double gamma, const double primaries[8]);

/* One colour of 16 bits a channel, in place. */
void tone_apply(const struct tone *tone, uint16_t rgb[3]);
