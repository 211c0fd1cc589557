/* The formats whose values are looked up in grids, IQ1 IQ2 IQ3: 256-blocks like those of
 * avx2-k.c.
 *
 * A grid's entry packs its values as codes of two or four bits; they are spread to bytes, looked
 * up together, and given their signs. Scales are odd numbers: what a format writes as d (0.5 +
 * s) / 4 is d / 8 (2 s + 1). */
#include "engine/cpu/avx2-k.h"
#include "engine/file/dtype-grids.h"

/* ── Pieces ──────────────────────────────────────────────────────────────────────────────────── */

/* Eight codes of two bits, or twice four of four, each in a byte. */
AVX2_INLINE uint64_t spread_two(uint16_t entry) { return _pdep_u64(entry, 0x0303030303030303); }
AVX2_INLINE uint64_t spread_four(uint16_t low, uint16_t high)
{
    return _pdep_u64(low | (uint64_t)high << 16, 0x0f0f0f0f0f0f0f0f);
}

AVX2_INLINE __m256i join(const uint64_t eights[4])
{
    return _mm256_set_epi64x((int64_t)eights[3], (int64_t)eights[2], (int64_t)eights[1],
                             (int64_t)eights[0]);
}

/* Each code's level. */
AVX2_INLINE __m256i look_up(const int8_t levels[16], __m256i codes)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(avx2_load_half(levels)), codes);
}

/* Bit i makes value i negative. */
AVX2_INLINE __m256i give_signs(__m256i values, uint32_t signs)
{
    const __m256i bytes =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)signs), bytes);
    __m256i is_negative = _mm256_cmpeq_epi8(_mm256_and_si256(v, bits), bits);
    return _mm256_sub_epi8(_mm256_xor_si256(values, is_negative), is_negative);
}

/* Four sevens of sign bits to four bytes; the eighth bit makes their number even. */
AVX2_INLINE uint32_t complete_signs(uint32_t sevens)
{
    uint32_t bytes = (uint32_t)_pdep_u64(sevens, 0x7f7f7f7f);
    uint32_t parity = bytes ^ bytes >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return bytes | (parity & 0x01010101) << 7;
}

/* Sixteen scales from as many nibbles, low ones first: 2 s + 1. */
AVX2_INLINE __m128i odd_nibbles(const uint8_t at[8])
{
    __m128i both = _mm_loadl_epi64((const __m128i *)at);
    __m128i nibbles = _mm_unpacklo_epi8(both, _mm_srli_epi16(both, 4));
    nibbles = _mm_and_si128(nibbles, _mm_set1_epi8(15));
    return _mm_add_epi8(_mm_add_epi8(nibbles, nibbles), _mm_set1_epi8(1));
}

/* Eight scales from bytes: 2 s + 1. */
AVX2_INLINE __m128i odd_bytes(uint64_t bytes)
{
    return _mm_cvtsi64_si128((int64_t)(2 * bytes + 0x0101010101010101));
}

/* ── Formats ─────────────────────────────────────────────────────────────────────────────────── */

static const int8_t levels_iq2[16] = {8, 25, 43};
static const int8_t levels_iq3_xxs[16] = {4, 12, 20, 28, 36, 44, 52, 62};
static const int8_t levels_iq3_s[16] = {1, 3, 5, 7, 9, 11, 13, 15};
/* Eighths: -1 0 1 and a difference of plus, from code 4 on minus, an eighth. */
static const int8_t levels_iq1[16] = {-7, 1, 9, 0, -9, -1, 7, 0};

AVX2_INLINE void unpack_iq2_xxs(const char *src, struct panel *panel)
{
    const struct block_iq2_xxs *block = (const struct block_iq2_xxs *)src;
    __m256i runs[8];
    uint64_t scales = 0;
    for (int b = 0; b < 8; b++) {
        const uint8_t *at = block->qs + 8 * b;
        uint32_t rest = k_word(at + 4);
        uint64_t eights[4];
        for (int l = 0; l < 4; l++)
            eights[l] = spread_two(dtype_grid_iq2xxs[at[l]]);
        runs[b] = give_signs(look_up(levels_iq2, join(eights)), complete_signs(rest & 0x0fffffff));
        scales |= (uint64_t)(rest >> 28) << (8 * b);
    }
    k_turn_runs(runs, panel);
    k_spread_pairs(odd_bytes(scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d) * 0.125f);
}

AVX2_INLINE void unpack_iq2_xs(const char *src, struct panel *panel)
{
    const struct block_iq2_xs *block = (const struct block_iq2_xs *)src;
    __m256i runs[8];
    for (int b = 0; b < 8; b++) {
        uint64_t eights[4];
        uint32_t sevens = 0;
        for (int l = 0; l < 4; l++) {
            uint16_t q = block_u16(block->qs + 8 * b + 2 * l);
            eights[l] = spread_two(dtype_grid_iq2xs[q & 511]);
            sevens |= (uint32_t)(q >> 9) << (7 * l);
        }
        runs[b] = give_signs(look_up(levels_iq2, join(eights)), complete_signs(sevens));
    }
    k_turn_runs(runs, panel);
    k_spread_sixteen(odd_nibbles(block->scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d) * 0.125f);
}

AVX2_INLINE void unpack_iq2_s(const char *src, struct panel *panel)
{
    const struct block_iq2_s *block = (const struct block_iq2_s *)src;
    __m256i runs[8];
    for (int b = 0; b < 8; b++) {
        uint64_t eights[4];
        for (int l = 0; l < 4; l++)
            eights[l] = spread_two(
                dtype_grid_iq2s[block->qs[4 * b + l] | (block->qh[b] >> (2 * l) & 3) << 8]);
        runs[b] = give_signs(look_up(levels_iq2, join(eights)), k_word(block->signs + 4 * b));
    }
    k_turn_runs(runs, panel);
    k_spread_sixteen(odd_nibbles(block->scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d) * 0.125f);
}

AVX2_INLINE void unpack_iq3_xxs(const char *src, struct panel *panel)
{
    const struct block_iq3_xxs *block = (const struct block_iq3_xxs *)src;
    __m256i runs[8];
    uint64_t scales = 0;
    for (int b = 0; b < 8; b++) {
        const uint8_t *at = block->qs + 8 * b;
        uint32_t rest = k_word(block->tail + 4 * b);
        uint64_t eights[4];
        for (int l = 0; l < 4; l++)
            eights[l] = spread_four(dtype_grid_iq3xxs[at[2 * l]], dtype_grid_iq3xxs[at[2 * l + 1]]);
        runs[b] =
            give_signs(look_up(levels_iq3_xxs, join(eights)), complete_signs(rest & 0x0fffffff));
        scales |= (uint64_t)(rest >> 28) << (8 * b);
    }
    k_turn_runs(runs, panel);
    k_spread_pairs(odd_bytes(scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d) * 0.25f);
}

AVX2_INLINE void unpack_iq3_s(const char *src, struct panel *panel)
{
    const struct block_iq3_s *block = (const struct block_iq3_s *)src;
    __m256i runs[8];
    for (int b = 0; b < 8; b++) {
        const uint8_t *at = block->qs + 8 * b;
        uint32_t high = (uint32_t)block->qh[b] << 8; /* bit i of it belongs to entry i, as bit 8 */
        uint64_t eights[4];
        for (int l = 0; l < 4; l++)
            eights[l] = spread_four(dtype_grid_iq3s[at[2 * l] | (high >> (2 * l) & 256)],
                                    dtype_grid_iq3s[at[2 * l + 1] | (high >> (2 * l + 1) & 256)]);
        runs[b] = give_signs(look_up(levels_iq3_s, join(eights)), k_word(block->signs + 4 * b));
    }
    k_turn_runs(runs, panel);
    k_spread_pairs(odd_bytes(_pdep_u64(k_word(block->scales), 0x0f0f0f0f0f0f0f0f)), panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

AVX2_INLINE void unpack_iq1_s(const char *src, struct panel *panel)
{
    const struct block_iq1_s *block = (const struct block_iq1_s *)src;
    __m256i runs[8];
    uint64_t scales = 0;
    for (int b = 0; b < 8; b++) {
        uint32_t high = block_u16(block->qh + 2 * b);
        uint64_t eights[4];
        for (int l = 0; l < 4; l++)
            eights[l] =
                spread_two(dtype_grid_iq1s[block->qs[4 * b + l] | (high >> (3 * l) & 7) << 8]);
        __m256i codes = _mm256_or_si256(join(eights), _mm256_set1_epi8((char)(high >> 15 << 2)));
        runs[b] = look_up(levels_iq1, codes);
        scales |= (uint64_t)(high >> 12 & 7) << (8 * b);
    }
    k_turn_runs(runs, panel);
    k_spread_pairs(odd_bytes(scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d) * 0.125f);
}

AVX2_INLINE void unpack_iq1_m(const char *src, struct panel *panel)
{
    const struct block_iq1_m *block = (const struct block_iq1_m *)src;
    __m256i runs[8];
    for (int b = 0; b < 8; b++) {
        uint64_t eights[4];
        for (int l = 0; l < 4; l++) {
            uint32_t high = (uint32_t)block->qh[2 * b + l / 2] >> (4 * (l % 2));
            eights[l] = spread_two(dtype_grid_iq1s[block->qs[4 * b + l] | (high & 7) << 8]) |
                        (high >> 3 & 1) * 0x0404040404040404;
        }
        runs[b] = look_up(levels_iq1, join(eights));
    }
    k_turn_runs(runs, panel);
    /* Four words, each with four scales of three bits and four bits of the half on top. */
    uint64_t words = (uint64_t)k_word(block->scales + 4) << 32 | k_word(block->scales);
    uint64_t threes = _pext_u64(words, 0x0fff0fff0fff0fff);
    uint64_t half = _pext_u64(words, 0xf000f000f000f000);
    uint64_t low = _pdep_u64(threes & 0xffffff, 0x0707070707070707);
    uint64_t top = _pdep_u64(threes >> 24, 0x0707070707070707);
    k_spread_sixteen(_mm_unpacklo_epi64(odd_bytes(low), odd_bytes(top)), panel);
    panel->d = _mm256_set1_ps(_cvtsh_ss((uint16_t)half) * 0.125f);
}

#define FORMATS(X)                                                                                 \
    X(IQ1_S, iq1_s, K_KIND_SIGNED)                                                                 \
    X(IQ1_M, iq1_m, K_KIND_SIGNED)                                                                 \
    X(IQ2_XXS, iq2_xxs, K_KIND_SIGNED)                                                             \
    X(IQ2_XS, iq2_xs, K_KIND_SIGNED)                                                               \
    X(IQ2_S, iq2_s, K_KIND_SIGNED)                                                                 \
    X(IQ3_XXS, iq3_xxs, K_KIND_SIGNED)                                                             \
    X(IQ3_S, iq3_s, K_KIND_SIGNED)

#define X AVX2_K_DEFINE
FORMATS(X)
#undef X

void avx2_fill_grid(struct kernels *table)
{
#define X(dtype, name, kind)                                                                       \
    table->act[NAWI_DTYPE_##dtype] = KERNEL_ACT_Q8_K;                                              \
    table->matmul[NAWI_DTYPE_##dtype] = multiply_##name;
    FORMATS(X)
#undef X
}
