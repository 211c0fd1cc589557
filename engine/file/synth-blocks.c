/* All bytes of a block are drawn at random; then the few that decide its size are set: the half
 * scales, from a table of sixteen about the wanted one, and in formats with a minimum the scales of
 * the groups, so that minimum and scale fit each other and the values are spread about 0. */
#include "engine/file/synth-blocks.h"

#include "engine/file/dtype-blocks.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { N_SCALE = 16 };

struct scales {
    uint16_t d[N_SCALE], m[N_SCALE]; /* halves; m is the minimum that belongs to d */
};

/* Root mean square of a value whose d is 1, and the minimum for a d of 1. */
static bool measure_of(enum nawi_dtype dtype, double *size, double *least)
{
    *least = 0;
    switch (dtype) {
    case NAWI_DTYPE_Q4_0: *size = 4.64; return true;                /* -8..7 */
    case NAWI_DTYPE_Q4_1: *size = 4.61, *least = -7.5; return true; /* 0..15 */
    case NAWI_DTYPE_Q5_0: *size = 9.25; return true;
    case NAWI_DTYPE_Q5_1: *size = 9.23, *least = -15.5; return true;
    case NAWI_DTYPE_Q8_0: *size = 73.9; return true;
    case NAWI_DTYPE_Q2_K: *size = 1.118 * 11.73, *least = 1.5; return true; /* scales 8..15 */
    case NAWI_DTYPE_Q3_K: *size = 2.345 * 18.48; return true;               /* scales -32..31 */
    case NAWI_DTYPE_Q4_K: *size = 4.61 * 24.0, *least = 7.5; return true;   /* scales 16..31 */
    case NAWI_DTYPE_Q5_K: *size = 9.23 * 24.0, *least = 15.5; return true;
    case NAWI_DTYPE_Q6_K: *size = 18.48 * 18.48; return true; /* scales -32..31 */
    default: return false;
    }
}

bool synth_can(enum nawi_dtype dtype)
{
    double size, least;
    return measure_of(dtype, &size, &least) || dtype == NAWI_DTYPE_F32 || dtype == NAWI_DTYPE_F16 ||
           dtype == NAWI_DTYPE_BF16;
}

static void fill_random(struct synth_random *random, uint8_t *out, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t word = synth_next(random);
        memcpy(out + i, &word, 8);
    }
    const uint64_t last = synth_next(random);
    memcpy(out + i, &last, n - i);
}

static void put_half(uint8_t at[2], uint16_t half)
{
    at[0] = (uint8_t)half;
    at[1] = (uint8_t)(half >> 8);
}

/* Scales of eight groups, each 16..31 and with an equal minimum, packed as in Q4_K and Q5_K: six
 * bits for groups 0 to 3, for the others four bits apart from the two that stand above those. */
static void set_pairs(uint8_t scales[12])
{
    for (int j = 0; j < 4; j++) {
        const uint8_t low = 16 | (scales[j] & 15);
        const uint8_t high = scales[j + 8] & 15;
        scales[j] = (uint8_t)(low | 1 << 6); /* bit 6 is bit 4 of group j + 4 */
        scales[j + 4] = (uint8_t)(low | 1 << 6);
        scales[j + 8] = (uint8_t)(high | high << 4);
    }
}

static void set_block(enum nawi_dtype dtype, void *at, uint16_t d, uint16_t m)
{
    switch (dtype) {
    case NAWI_DTYPE_Q4_0: put_half(((struct block_q4_0 *)at)->d, d); break;
    case NAWI_DTYPE_Q5_0: put_half(((struct block_q5_0 *)at)->d, d); break;
    case NAWI_DTYPE_Q8_0: put_half(((struct block_q8_0 *)at)->d, d); break;
    case NAWI_DTYPE_Q3_K: put_half(((struct block_q3_k *)at)->d, d); break;
    case NAWI_DTYPE_Q4_1:
        put_half(((struct block_q4_1 *)at)->d, d);
        put_half(((struct block_q4_1 *)at)->m, m);
        break;
    case NAWI_DTYPE_Q5_1:
        put_half(((struct block_q5_1 *)at)->d, d);
        put_half(((struct block_q5_1 *)at)->m, m);
        break;
    case NAWI_DTYPE_Q2_K: {
        struct block_q2_k *block = at;
        for (int i = 0; i < 16; i++)
            block->scales[i] = (uint8_t)((8 | (block->scales[i] & 7)) * 17);
        put_half(block->d, d);
        put_half(block->dmin, m);
        break;
    }
    case NAWI_DTYPE_Q4_K: {
        struct block_q4_k *block = at;
        set_pairs(block->scales);
        put_half(block->d, d);
        put_half(block->dmin, m);
        break;
    }
    case NAWI_DTYPE_Q5_K: {
        struct block_q5_k *block = at;
        set_pairs(block->scales);
        put_half(block->d, d);
        put_half(block->dmin, m);
        break;
    }
    case NAWI_DTYPE_Q6_K: {
        struct block_q6_k *block = at;
        for (int i = 0; i < 16; i++)
            block->scales[i] = (int8_t)((block->scales[i] & 63) - 32);
        put_half(block->d, d);
        break;
    }
    default: break;
    }
}

static struct scales scales_for(double d, double least)
{
    struct scales scales;
    for (int i = 0; i < N_SCALE; i++) {
        const float one = (float)(d * (0.75 + 0.5 * i / (N_SCALE - 1)));
        scales.d[i] = nawi_f32_to_f16(one);
        scales.m[i] = nawi_f32_to_f16((float)(nawi_f16_to_f32(scales.d[i]) * least));
    }
    return scales;
}

/* Floats of a random sign and mantissa and one exponent: ±[1, 2) 2^e, root mean square 1.53 2^e. */
static void fill_floats(struct synth_random *random, enum nawi_dtype dtype, float rms, int64_t n,
                        void *out)
{
    const int e = (int)lrint(log2((double)rms / 1.5275));
    const size_t size = (size_t)nawi_dtype_get_info(dtype)->block_bytes;
    fill_random(random, out, (size_t)n * size);
    uint16_t *halves = out;
    uint32_t *words = out;
    for (int64_t i = 0; i < n; i++) {
        if (dtype == NAWI_DTYPE_F32)
            words[i] = (words[i] & 0x807FFFFF) | (uint32_t)(e + 127) << 23;
        else if (dtype == NAWI_DTYPE_F16)
            halves[i] = (uint16_t)((halves[i] & 0x83FF) | (MAX(e + 15, 1)) << 10);
        else
            halves[i] = (uint16_t)((halves[i] & 0x807F) | (e + 127) << 7);
    }
}

void synth_fill(struct synth_random *random, enum nawi_dtype dtype, float rms, int64_t n, void *out)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    double size, least;
    if (!measure_of(dtype, &size, &least)) {
        fill_floats(random, dtype, rms, n, out);
        return;
    }
    const struct scales scales = scales_for((double)rms / size, least);
    const int64_t n_block = n / info->block_len;
    uint8_t *at = out;
    fill_random(random, at, (size_t)(n_block * info->block_bytes));
    for (int64_t i = 0; i < n_block; i++, at += info->block_bytes) {
        const int pick = at[info->block_bytes / 2] & (N_SCALE - 1);
        set_block(dtype, at, scales.d[pick], scales.m[pick]);
    }
}
