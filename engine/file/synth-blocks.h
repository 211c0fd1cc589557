/* Random blocks of any format that nawi_synth() offers, drawn without quantising anything. */
#pragma once

#include "engine/file/dtype.h"

#include <stdint.h>

/* xorshift64*: fast, and good enough for weights that mean nothing. Never 0. */
struct synth_random {
    uint64_t state;
};

static inline uint64_t synth_next(struct synth_random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * 0x2545F4914F6CDD1Du;
}

/* True for the formats below that synth_fill() knows. */
bool synth_can(enum nawi_dtype dtype);

/* Fills n values' blocks at out; values have a mean near 0 and a root mean square near rms. */
void synth_fill(struct synth_random *random, enum nawi_dtype dtype, float rms, int64_t n,
                void *out);
