/* Dequantisers of the K formats: 256 values, whose groups of 16 or 32 have small scales of their
 * own under one half. */
#include "engine/file/dtype-blocks.h"

void dtype_dequant_Q2_K(int64_t n, const void *src, float *dst)
{
    const struct block_q2_k *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        const float dmin = block_half(block->dmin);
        for (int s = 0; s < 16; s++) {
            const uint8_t *qs = block->qs + 32 * (s / 8) + 16 * (s % 2);
            const int shift = s % 8 / 2 * 2;
            const float scale = d * (float)(block->scales[s] & 15);
            const float least = dmin * (float)(block->scales[s] >> 4);
            for (int l = 0; l < 16; l++)
                *dst++ = scale * (float)(qs[l] >> shift & 3) - least;
        }
    }
}

void dtype_dequant_Q3_K(int64_t n, const void *src, float *dst)
{
    const struct block_q3_k *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int s = 0; s < 16; s++) {
            const uint8_t *qs = block->qs + 32 * (s / 8) + 16 * (s % 2);
            const uint8_t *hmask = block->hmask + 16 * (s % 2);
            const int quarter = s % 8 / 2;
            const int bit = 4 * (s / 8) + quarter;
            const float scale = d * (float)block_scale_q3_k(block->scales, s);
            for (int l = 0; l < 16; l++)
                *dst++ =
                    scale * (float)((qs[l] >> (2 * quarter) & 3) - (hmask[l] >> bit & 1 ? 0 : 4));
        }
    }
}

void dtype_dequant_Q4_K(int64_t n, const void *src, float *dst)
{
    const struct block_q4_k *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        const float dmin = block_half(block->dmin);
        for (int s = 0; s < 8; s++) {
            const uint8_t *qs = block->qs + 32 * (s / 2);
            const int shift = 4 * (s % 2);
            uint8_t sc, mn;
            block_pair_k(block->scales, s, &sc, &mn);
            const float scale = d * (float)sc;
            const float least = dmin * (float)mn;
            for (int l = 0; l < 32; l++)
                *dst++ = scale * (float)(qs[l] >> shift & 15) - least;
        }
    }
}

void dtype_dequant_Q5_K(int64_t n, const void *src, float *dst)
{
    const struct block_q5_k *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        const float dmin = block_half(block->dmin);
        for (int s = 0; s < 8; s++) {
            const uint8_t *qs = block->qs + 32 * (s / 2);
            const int shift = 4 * (s % 2);
            uint8_t sc, mn;
            block_pair_k(block->scales, s, &sc, &mn);
            const float scale = d * (float)sc;
            const float least = dmin * (float)mn;
            for (int l = 0; l < 32; l++)
                *dst++ =
                    scale * (float)((qs[l] >> shift & 15) + 16 * (block->qh[l] >> s & 1)) - least;
        }
    }
}

void dtype_dequant_Q6_K(int64_t n, const void *src, float *dst)
{
    const struct block_q6_k *block = src;
    for (int64_t i = 0; i < n / 256; i++, block++) {
        const float d = block_half(block->d);
        for (int s = 0; s < 16; s++) {
            const int quarter = s % 8 / 2;
            const int l0 = 16 * (s % 2);
            const uint8_t *ql = block->ql + 64 * (s / 8) + 32 * (quarter % 2) + l0;
            const uint8_t *qh = block->qh + 32 * (s / 8) + l0;
            const float scale = d * (float)block->scales[s];
            for (int l = 0; l < 16; l++)
                *dst++ = scale * (float)((ql[l] >> (4 * (quarter / 2)) & 15) +
                                         16 * (qh[l] >> (2 * quarter) & 3) - 32);
        }
    }
}
