/* Dequantisers of the formats with one small rule: 32 values under one or two halves, MXFP4, and
 * the ternary two. */
#include "engine/file/dtype-blocks.h"

const int8_t dtype_values_mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void dtype_dequant_Q4_0(int64_t n, const void *src, float *dst)
{
    const struct block_q4_0 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((block->qs[j] & 15) - 8);
            dst[j + 16] = d * (float)((block->qs[j] >> 4) - 8);
        }
    }
}

void dtype_dequant_Q4_1(int64_t n, const void *src, float *dst)
{
    const struct block_q4_1 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        const float m = block_half(block->m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)(block->qs[j] & 15) + m;
            dst[j + 16] = d * (float)(block->qs[j] >> 4) + m;
        }
    }
}

void dtype_dequant_Q5_0(int64_t n, const void *src, float *dst)
{
    const struct block_q5_0 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        const uint32_t high = block_u32(block->qh);
        for (int j = 0; j < 16; j++) {
            const uint32_t a = (block->qs[j] & 15u) | (high >> j & 1) << 4;
            const uint32_t b = (uint32_t)block->qs[j] >> 4 | (high >> (j + 16) & 1) << 4;
            dst[j] = d * (float)((int)a - 16);
            dst[j + 16] = d * (float)((int)b - 16);
        }
    }
}

void dtype_dequant_Q5_1(int64_t n, const void *src, float *dst)
{
    const struct block_q5_1 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        const float m = block_half(block->m);
        const uint32_t high = block_u32(block->qh);
        for (int j = 0; j < 16; j++) {
            const uint32_t a = (block->qs[j] & 15u) | (high >> j & 1) << 4;
            const uint32_t b = (uint32_t)block->qs[j] >> 4 | (high >> (j + 16) & 1) << 4;
            dst[j] = d * (float)a + m;
            dst[j + 16] = d * (float)b + m;
        }
    }
}

void dtype_dequant_Q8_0(int64_t n, const void *src, float *dst)
{
    const struct block_q8_0 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_half(block->d);
        for (int j = 0; j < 32; j++)
            dst[j] = d * (float)block->qs[j];
    }
}

void dtype_dequant_MXFP4(int64_t n, const void *src, float *dst)
{
    const struct block_mxfp4 *block = src;
    for (int64_t i = 0; i < n / 32; i++, block++, dst += 32) {
        const float d = block_scale_mxfp4(block->e);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)dtype_values_mxfp4[block->qs[j] & 15];
            dst[j + 16] = d * (float)dtype_values_mxfp4[block->qs[j] >> 4];
        }
    }
}

/* A byte holds five ternary digits as a fraction of 256: multiplied by 3^digit modulo 256, its top
 * digit in base 3 is the one wanted. */
static float ternary(uint8_t byte, uint8_t power)
{
    const uint8_t shifted = (uint8_t)(byte * power);
    return (float)((shifted * 3 >> 8) - 1);
}

void dtype_dequant_TQ1_0(int64_t n, const void *src, float *dst)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const struct block_tq1_0 *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int t = 0; t < 5; t++)
            for (int j = 0; j < 32; j++)
                *dst++ = d * ternary(block->qs[j], powers[t]);
        for (int t = 0; t < 5; t++)
            for (int j = 32; j < 48; j++)
                *dst++ = d * ternary(block->qs[j], powers[t]);
        for (int t = 0; t < 4; t++)
            for (int j = 0; j < 4; j++)
                *dst++ = d * ternary(block->qh[j], powers[t]);
    }
}

void dtype_dequant_TQ2_0(int64_t n, const void *src, float *dst)
{
    const struct block_tq2_0 *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int half = 0; half < 64; half += 32)
            for (int t = 0; t < 4; t++)
                for (int j = 0; j < 32; j++)
                    *dst++ = d * (float)((block->qs[half + j] >> (2 * t) & 3) - 1);
    }
}
