/* The byte layouts behind the rows of dtype.h, one struct a block type, fields in file order.
 *
 * Every field is made of single bytes, so a block may stand at any address. Half floats are
 * uint8_t[2], little endian; block_half() reads one. */
#pragma once

#include "engine/file/dtype.h"

#include <assert.h>

/* clang-format off */
struct block_q4_0 { uint8_t d[2], qs[16]; };
struct block_q4_1 { uint8_t d[2], m[2], qs[16]; };
struct block_q5_0 { uint8_t d[2], qh[4], qs[16]; };
struct block_q5_1 { uint8_t d[2], m[2], qh[4], qs[16]; };
struct block_q8_0 { uint8_t d[2]; int8_t qs[32]; };
struct block_q2_k { uint8_t scales[16], qs[64], d[2], dmin[2]; };
struct block_q3_k { uint8_t hmask[32], qs[64], scales[12], d[2]; };
struct block_q4_k { uint8_t d[2], dmin[2], scales[12], qs[128]; };
struct block_q5_k { uint8_t d[2], dmin[2], scales[12], qh[32], qs[128]; };
struct block_q6_k { uint8_t ql[128], qh[64]; int8_t scales[16]; uint8_t d[2]; };
struct block_iq2_xxs { uint8_t d[2], qs[64]; }; /* 8 x (4 grid bytes, u32 signs and scale) */
struct block_iq2_xs { uint8_t d[2], qs[64], scales[8]; }; /* 32 x u16 (grid 9 bits, signs 7) */
struct block_iq2_s { uint8_t d[2], qs[32], signs[32], qh[8], scales[8]; };
struct block_iq3_xxs { uint8_t d[2], qs[64], tail[32]; }; /* tail: 8 x u32 signs and scale */
struct block_iq3_s { uint8_t d[2], qs[64], qh[8], signs[32], scales[4]; };
struct block_iq1_s { uint8_t d[2], qs[32], qh[16]; }; /* qh: 8 x u16 */
struct block_iq1_m { uint8_t qs[32], qh[16], scales[8]; }; /* scales: 4 x u16, d in top nibbles */
struct block_iq4_nl { uint8_t d[2], qs[16]; };
struct block_iq4_xs { uint8_t d[2], scales_h[2], scales_l[4], qs[128]; };
struct block_tq1_0 { uint8_t qs[48], qh[4], d[2]; };
struct block_tq2_0 { uint8_t qs[64], d[2]; };
struct block_mxfp4 { uint8_t e, qs[16]; };
/* clang-format on */

static_assert(sizeof(struct block_q4_0) == 18, "Q4_0");
static_assert(sizeof(struct block_q4_1) == 20, "Q4_1");
static_assert(sizeof(struct block_q5_0) == 22, "Q5_0");
static_assert(sizeof(struct block_q5_1) == 24, "Q5_1");
static_assert(sizeof(struct block_q8_0) == 34, "Q8_0");
static_assert(sizeof(struct block_q2_k) == 84, "Q2_K");
static_assert(sizeof(struct block_q3_k) == 110, "Q3_K");
static_assert(sizeof(struct block_q4_k) == 144, "Q4_K");
static_assert(sizeof(struct block_q5_k) == 176, "Q5_K");
static_assert(sizeof(struct block_q6_k) == 210, "Q6_K");
static_assert(sizeof(struct block_iq2_xxs) == 66, "IQ2_XXS");
static_assert(sizeof(struct block_iq2_xs) == 74, "IQ2_XS");
static_assert(sizeof(struct block_iq2_s) == 82, "IQ2_S");
static_assert(sizeof(struct block_iq3_xxs) == 98, "IQ3_XXS");
static_assert(sizeof(struct block_iq3_s) == 110, "IQ3_S");
static_assert(sizeof(struct block_iq1_s) == 50, "IQ1_S");
static_assert(sizeof(struct block_iq1_m) == 56, "IQ1_M");
static_assert(sizeof(struct block_iq4_nl) == 18, "IQ4_NL");
static_assert(sizeof(struct block_iq4_xs) == 136, "IQ4_XS");
static_assert(sizeof(struct block_tq1_0) == 54, "TQ1_0");
static_assert(sizeof(struct block_tq2_0) == 66, "TQ2_0");
static_assert(sizeof(struct block_mxfp4) == 17, "MXFP4");

/* The sixteen values of IQ4_NL and IQ4_XS, and of MXFP4 (doubled E2M1). */
extern const int8_t dtype_values_iq4[16];
extern const int8_t dtype_values_mxfp4[16];

static inline uint16_t block_u16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint32_t block_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static inline float block_half(const uint8_t *at) { return nawi_f16_to_f32(block_u16(at)); }

/* The six-bit scale and minimum of pair j, 0..7, of Q4_K and Q5_K. */
static inline void block_pair_k(const uint8_t scales[12], int j, uint8_t *scale, uint8_t *least)
{
    if (j < 4) {
        *scale = scales[j] & 63;
        *least = scales[j + 4] & 63;
    } else {
        *scale = (uint8_t)((scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4);
        *least = (uint8_t)((scales[j + 4] >> 4) | (scales[j] >> 6) << 4);
    }
}

/* The scale of sixteen t, 0..15, of Q3_K: -32..31. */
static inline int block_scale_q3_k(const uint8_t scales[12], int t)
{
    int low = t < 8 ? scales[t] & 15 : scales[t - 8] >> 4;
    int high = (scales[8 + t % 4] >> (2 * (t / 4))) & 3;
    return (low | high << 4) - 32;
}

/* The scale of MXFP4: 2 to the power of e - 128, which for e < 2 is a float's denormal. */
static inline float block_scale_mxfp4(uint8_t e)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = e < 2 ? (uint32_t)0x00200000 << e : (uint32_t)(e - 1) << 23};
    return u.value;
}

/* Eight sign bits from the seven that IQ2 and IQ3_XXS store: the eighth makes their number even. */
static inline uint8_t block_signs(uint32_t seven)
{
    uint32_t parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return (uint8_t)(seven | (parity & 1) << 7);
}

/* The dequantisers, dtype_dequant_Q4_K and so on, one a row: dtype.c, dtype-legacy.c, dtype-k.c,
 * dtype-iq.c. */
#define X(row, id, len, bytes) void dtype_dequant_##row(int64_t n, const void *src, float *dst);
NAWI_DTYPES(X)
#undef X
