/* Dequantisers of the IQ formats: values looked up eight or four at a time in the grids, signs
 * apart, and the two formats of four bits whose sixteen levels are not evenly spaced. */
#include "engine/file/dtype-blocks.h"
#include "engine/file/dtype-grids.h"

const int8_t dtype_values_iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

static const float levels_iq2[4] = {8, 25, 43, 0};
static const float levels_iq3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float levels_iq3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Eight values of an IQ2 grid entry. */
static void put_iq2(float *dst, float scale, uint16_t entry, uint8_t signs)
{
    for (int j = 0; j < 8; j++) {
        const float value = scale * levels_iq2[entry >> (2 * j) & 3];
        dst[j] = signs >> j & 1 ? -value : value;
    }
}

/* Eight values of two IQ3 grid entries. */
static void put_iq3(float *dst, float scale, const float levels[8], const uint16_t entries[2],
                    uint8_t signs)
{
    for (int j = 0; j < 8; j++) {
        const float value = scale * levels[entries[j / 4] >> (4 * (j % 4)) & 7];
        dst[j] = signs >> j & 1 ? -value : value;
    }
}

/* Eight values of an IQ1 grid entry. */
static void put_iq1(float *dst, float scale, uint16_t entry, float delta)
{
    for (int j = 0; j < 8; j++)
        dst[j] = scale * ((float)((entry >> (2 * j) & 3) - 1) + delta);
}

void dtype_dequant_IQ2_XXS(int64_t n, const void *src, float *dst)
{
    const struct block_iq2_xxs *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int b = 0; b < 8; b++) {
            const uint8_t *at = block->qs + 8 * b;
            const uint32_t word = block_u32(at + 4);
            const float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++, dst += 8)
                put_iq2(dst, scale, dtype_grid_iq2xxs[at[l]], block_signs(word >> (7 * l) & 127));
        }
    }
}

void dtype_dequant_IQ2_XS(int64_t n, const void *src, float *dst)
{
    const struct block_iq2_xs *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int g = 0; g < 32; g++, dst += 8) {
            const uint16_t q = block_u16(block->qs + 2 * g);
            const int nibble = block->scales[g / 4] >> (g % 4 / 2 * 4) & 15;
            const float scale = d * (0.5f + (float)nibble) * 0.25f;
            put_iq2(dst, scale, dtype_grid_iq2xs[q & 511], block_signs(q >> 9));
        }
    }
}

void dtype_dequant_IQ2_S(int64_t n, const void *src, float *dst)
{
    const struct block_iq2_s *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int g = 0; g < 32; g++, dst += 8) {
            const int entry = block->qs[g] | (block->qh[g / 4] >> (2 * (g % 4)) & 3) << 8;
            const int nibble = block->scales[g / 4] >> (g % 4 / 2 * 4) & 15;
            const float scale = d * (0.5f + (float)nibble) * 0.25f;
            put_iq2(dst, scale, dtype_grid_iq2s[entry], block->signs[g]);
        }
    }
}

void dtype_dequant_IQ3_XXS(int64_t n, const void *src, float *dst)
{
    const struct block_iq3_xxs *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int g = 0; g < 32; g++, dst += 8) {
            const uint32_t word = block_u32(block->tail + 4 * (g / 4));
            const float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            const uint16_t entries[2] = {
                dtype_grid_iq3xxs[block->qs[2 * g]],
                dtype_grid_iq3xxs[block->qs[2 * g + 1]],
            };
            put_iq3(dst, scale, levels_iq3_xxs, entries, block_signs(word >> (7 * (g % 4)) & 127));
        }
    }
}

void dtype_dequant_IQ3_S(int64_t n, const void *src, float *dst)
{
    const struct block_iq3_s *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int g = 0; g < 32; g++, dst += 8) {
            const int high = block->qh[g / 4] >> (2 * (g % 4));
            const int nibble = block->scales[g / 8] >> (g % 8 / 4 * 4) & 15;
            const float scale = d * (float)(1 + 2 * nibble);
            const uint16_t entries[2] = {
                dtype_grid_iq3s[block->qs[2 * g] | (high & 1) << 8],
                dtype_grid_iq3s[block->qs[2 * g + 1] | (high >> 1 & 1) << 8],
            };
            put_iq3(dst, scale, levels_iq3_s, entries, block->signs[g]);
        }
    }
}

void dtype_dequant_IQ1_S(int64_t n, const void *src, float *dst)
{
    const struct block_iq1_s *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int g = 0; g < 32; g++, dst += 8) {
            const uint16_t high = block_u16(block->qh + 2 * (g / 4));
            const float scale = d * (float)(2 * (high >> 12 & 7) + 1);
            const float delta = high & 0x8000 ? -0.125f : 0.125f;
            put_iq1(dst, scale, dtype_grid_iq1s[block->qs[g] | (high >> (3 * (g % 4)) & 7) << 8],
                    delta);
        }
    }
}

void dtype_dequant_IQ1_M(int64_t n, const void *src, float *dst)
{
    const struct block_iq1_m *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        uint16_t half = 0;
        for (int w = 0; w < 4; w++)
            half = (uint16_t)(half | block_u16(block->scales + 2 * w) >> 12 << (4 * w));
        const float d = nawi_f16_to_f32(half);
        for (int g = 0; g < 32; g++, dst += 8) {
            const int sixteen = g / 2;
            const int three =
                block_u16(block->scales + 2 * (sixteen / 4)) >> (3 * (sixteen % 4)) & 7;
            const int high = block->qh[g / 2] >> (4 * (g % 2));
            const float delta = high & 8 ? -0.125f : 0.125f;
            put_iq1(dst, d * (float)(2 * three + 1),
                    dtype_grid_iq1s[block->qs[g] | (high & 7) << 8], delta);
        }
    }
}

void dtype_dequant_IQ4_NL(int64_t n, const void *src, float *dst)
{
    const struct block_iq4_nl *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)dtype_values_iq4[block->qs[j] & 15];
            dst[j + 16] = d * (float)dtype_values_iq4[block->qs[j] >> 4];
        }
    }
}

void dtype_dequant_IQ4_XS(int64_t n, const void *src, float *dst)
{
    const struct block_iq4_xs *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        const uint16_t high = block_u16(block->scales_h);
        for (int b = 0; b < 8; b++, dst += 32) {
            const int low = block->scales_l[b / 2] >> (4 * (b % 2)) & 15;
            const float scale = d * (float)((low | (high >> (2 * b) & 3) << 4) - 32);
            const uint8_t *qs = block->qs + 16 * b;
            for (int j = 0; j < 16; j++) {
                dst[j] = scale * (float)dtype_values_iq4[qs[j] & 15];
                dst[j + 16] = scale * (float)dtype_values_iq4[qs[j] >> 4];
            }
        }
    }
}
