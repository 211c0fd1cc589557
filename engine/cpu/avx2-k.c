/* Blocks of 256 times activations of eight bits. A block is a group; its scales of runs are
 * multiplied as integers. */
#include "engine/cpu/avx2-k.h"

/* ── Unpacking ───────────────────────────────────────────────────────────────────────────────── */

/* The twelve bytes of Q4_K and Q5_K: 8 scales, then 8 minima. */
AVX2_INLINE __m128i unpack_pairs(const uint8_t *at)
{
    uint32_t a = k_word(at);
    uint32_t b = k_word(at + 4);
    uint32_t c = k_word(at + 8);
    uint32_t scales = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030);
    uint32_t least = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
    return _mm_set_epi32((int)least, (int)(b & 0x3f3f3f3f), (int)scales, (int)(a & 0x3f3f3f3f));
}

/* Four runs of 32 bytes; low nibbles of run g are sub-block 2g, high ones 2g + 1. Nibbles in
 * place, not masked. */
AVX2_INLINE void turn_runs(const uint8_t *qs, __m256i out[4])
{
    const __m256i in[4] = {avx2_load(qs), avx2_load(qs + 64), avx2_load(qs + 32),
                           avx2_load(qs + 96)};
    avx2_turn_4(in, out);
}

AVX2_INLINE void unpack_q4_k(const char *src, struct panel *panel)
{
    const struct block_q4_k *block = (const struct block_q4_k *)src;
    const __m256i low = _mm256_set1_epi8(15);
    __m256i packed[4];
    turn_runs(block->qs, packed);
    for (int i = 0; i < 4; i++) {
        panel->q[i] = _mm256_and_si256(packed[i], low);
        panel->q[4 + i] = _mm256_and_si256(_mm256_srli_epi16(packed[i], 4), low);
    }
    k_spread_pairs(unpack_pairs(block->scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
    panel->m = _mm256_set1_ps(-k_half(block->dmin));
}

/* Value i of a vector of eight, 0..3 in every lane of the low half, 4 + i in the high half. */
AVX2_INLINE void repeat_4(__m256i v, __m256i out[4])
{
    out[0] = _mm256_shuffle_epi32(v, 0x00);
    out[1] = _mm256_shuffle_epi32(v, 0x55);
    out[2] = _mm256_shuffle_epi32(v, 0xaa);
    out[3] = _mm256_shuffle_epi32(v, 0xff);
}

AVX2_INLINE void unpack_q5_k(const char *src, struct panel *panel)
{
    const struct block_q5_k *block = (const struct block_q5_k *)src;
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i bit = _mm256_set1_epi8(16);
    /* Lanes are sub-blocks 0 4 2 6 of A; their bits 0 4 2 6 go to bit 4, those of B, one higher,
     * follow. */
    const __m256i left = _mm256_setr_epi32(4, 0, 2, 0, 4, 0, 2, 0);
    const __m256i right = _mm256_setr_epi32(0, 0, 0, 2, 0, 0, 0, 2);
    __m256i packed[4];
    __m256i high[4];
    turn_runs(block->qs, packed);
    repeat_4(avx2_load(block->qh), high);
    for (int i = 0; i < 4; i++) {
        __m256i h = _mm256_srlv_epi32(_mm256_sllv_epi32(high[i], left), right);
        __m256i a = _mm256_and_si256(packed[i], low);
        __m256i b = _mm256_and_si256(_mm256_srli_epi16(packed[i], 4), low);
        panel->q[i] = _mm256_or_si256(a, _mm256_and_si256(h, bit));
        panel->q[4 + i] = _mm256_or_si256(b, _mm256_and_si256(_mm256_srli_epi16(h, 1), bit));
    }
    k_spread_pairs(unpack_pairs(block->scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
    panel->m = _mm256_set1_ps(-k_half(block->dmin));
}

AVX2_INLINE void unpack_q6_k(const char *src, struct panel *panel)
{
    const struct block_q6_k *block = (const struct block_q6_k *)src;
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i bits = _mm256_set1_epi8(48);
    const __m256i left = _mm256_setr_epi32(4, 2, 4, 2, 4, 2, 4, 2);
    const __m256i right = _mm256_setr_epi32(0, 2, 0, 2, 0, 2, 0, 2);
    /* Low nibbles hold sub-blocks 0 1 4 5, high ones 2 3 6 7. */
    const __m256i in[4] = {avx2_load(block->ql), avx2_load(block->ql + 32),
                           avx2_load(block->ql + 64), avx2_load(block->ql + 96)};
    const __m256i h0 = avx2_load(block->qh);
    const __m256i h1 = avx2_load(block->qh + 32);
    const __m256i h01 = _mm256_unpacklo_epi32(h0, h1);
    const __m256i h23 = _mm256_unpackhi_epi32(h0, h1);
    const __m256i high[4] = {_mm256_shuffle_epi32(h01, 0x50), _mm256_shuffle_epi32(h01, 0xfa),
                             _mm256_shuffle_epi32(h23, 0x50), _mm256_shuffle_epi32(h23, 0xfa)};
    __m256i packed[4];
    avx2_turn_4(in, packed);
    for (int i = 0; i < 4; i++) {
        /* Bits 0-1 and 2-3 go up to 4-5, bits 4-5 and 6-7 down to them. */
        __m256i up = _mm256_and_si256(_mm256_sllv_epi32(high[i], left), bits);
        __m256i down = _mm256_and_si256(_mm256_srlv_epi32(high[i], right), bits);
        __m256i a = _mm256_or_si256(_mm256_and_si256(packed[i], low), up);
        __m256i b = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(packed[i], 4), low), down);
        __m256 af = _mm256_castsi256_ps(a);
        __m256 bf = _mm256_castsi256_ps(b);
        panel->q[i] = _mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0x88));     /* 0 4 2 6 */
        panel->q[4 + i] = _mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0xdd)); /* 1 5 3 7 */
    }
    k_spread_sixteen(avx2_load_half(block->scales), panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

/* Two bits of Q2_K and Q3_K: sub-block 4n + k is bits 2k of run n. */
AVX2_INLINE void unpack_two(const uint8_t *qs, __m256i out[8])
{
    const __m256i three = _mm256_set1_epi8(3);
    const __m256i shift = _mm256_setr_epi32(0, 0, 4, 4, 0, 0, 4, 4);
    const __m256i q0 = avx2_load(qs);
    const __m256i q1 = avx2_load(qs + 32);
    const __m256i q01 = _mm256_unpacklo_epi32(q0, q1);
    const __m256i q23 = _mm256_unpackhi_epi32(q0, q1);
    const __m256i packed[4] = {_mm256_shuffle_epi32(q01, 0x44), _mm256_shuffle_epi32(q01, 0xee),
                               _mm256_shuffle_epi32(q23, 0x44), _mm256_shuffle_epi32(q23, 0xee)};
    for (int i = 0; i < 4; i++) {
        __m256i v = _mm256_srlv_epi32(packed[i], shift);
        out[i] = _mm256_and_si256(v, three);
        out[4 + i] = _mm256_and_si256(_mm256_srli_epi16(v, 2), three);
    }
}

AVX2_INLINE void unpack_q2_k(const char *src, struct panel *panel)
{
    const struct block_q2_k *block = (const struct block_q2_k *)src;
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i both = avx2_load_half(block->scales);
    unpack_two(block->qs, panel->q);
    k_spread_sixteen(_mm_and_si128(both, nibble), panel);
    panel->least = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), nibble));
    panel->d = _mm256_set1_ps(k_half(block->d));
    panel->m = _mm256_set1_ps(-k_half(block->dmin));
}

AVX2_INLINE void unpack_q3_k(const char *src, struct panel *panel)
{
    const struct block_q3_k *block = (const struct block_q3_k *)src;
    const __m256i four = _mm256_set1_epi8(4);
    /* Sub-block j has its third bit at bit j: lanes 0 4 2 6 of A bring it to bit 2, B is one
     * higher. */
    const __m256i left = _mm256_setr_epi32(2, 0, 0, 0, 2, 0, 0, 0);
    const __m256i right = _mm256_setr_epi32(0, 2, 0, 4, 0, 2, 0, 4);
    __m256i high[4];
    unpack_two(block->qs, panel->q);
    repeat_4(avx2_load(block->hmask), high);
    for (int i = 0; i < 4; i++) {
        __m256i h = _mm256_srlv_epi32(_mm256_sllv_epi32(high[i], left), right);
        panel->q[i] = _mm256_or_si256(panel->q[i], _mm256_and_si256(h, four));
        panel->q[4 + i] =
            _mm256_or_si256(panel->q[4 + i], _mm256_and_si256(_mm256_srli_epi16(h, 1), four));
    }
    const uint32_t a = k_word(block->scales);
    const uint32_t b = k_word(block->scales + 4);
    const uint32_t c = k_word(block->scales + 8);
    const uint32_t nibble = 0x0f0f0f0f;
    const uint32_t top = 0x30303030;
    const __m128i scales = _mm_set_epi32(
        (int)((b >> 4 & nibble) | (c >> 2 & top)), (int)((a >> 4 & nibble) | (c & top)),
        (int)((b & nibble) | (c << 2 & top)), (int)((a & nibble) | (c << 4 & top)));
    k_spread_sixteen(_mm_sub_epi8(scales, _mm_set1_epi8(32)), panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

AVX2_INLINE void unpack_iq4_xs(const char *src, struct panel *panel)
{
    const struct block_iq4_xs *block = (const struct block_iq4_xs *)src;
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i values = _mm256_broadcastsi128_si256(avx2_load_half(dtype_values_iq4));
    const uint8_t *qs = block->qs;
    /* A's sub-blocks in the low half, B's in the high one. */
    const __m256i in[4] = {avx2_load_pair(qs, qs + 16), avx2_load_pair(qs + 64, qs + 80),
                           avx2_load_pair(qs + 32, qs + 48), avx2_load_pair(qs + 96, qs + 112)};
    __m256i packed[4];
    avx2_turn_4(in, packed);
    for (int i = 0; i < 4; i++) {
        __m256i a = _mm256_shuffle_epi8(values, _mm256_and_si256(packed[i], low));
        __m256i b =
            _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(packed[i], 4), low));
        panel->q[i] = _mm256_permute2x128_si256(a, b, 0x20);
        panel->q[4 + i] = _mm256_permute2x128_si256(a, b, 0x31);
    }
    uint64_t nibbles = _pdep_u64(k_word(block->scales_l), 0x0f0f0f0f0f0f0f0f);
    uint64_t tops = _pdep_u64(block_u16(block->scales_h), 0x3030303030303030);
    k_spread_pairs(_mm_sub_epi8(_mm_cvtsi64_si128((int64_t)(nibbles | tops)), _mm_set1_epi8(32)),
                   panel);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

AVX2_INLINE void unpack_tq2_0(const char *src, struct panel *panel)
{
    const struct block_tq2_0 *block = (const struct block_tq2_0 *)src;
    unpack_two(block->qs, panel->q);
    for (int i = 0; i < 8; i++)
        panel->q[i] = _mm256_sub_epi8(panel->q[i], _mm256_set1_epi8(1));
    panel->scales[0] = panel->scales[1] = _mm256_set1_epi16(1);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

/* The leading digit in base three of each byte times a power of three, less one. */
AVX2_INLINE __m256i digits(__m256i bytes, __m256i powers)
{
    const __m256i byte = _mm256_set1_epi16(255);
    const __m256i three = _mm256_set1_epi16(3);
    __m256i even = _mm256_and_si256(_mm256_mullo_epi16(bytes, powers), byte);
    __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(bytes, 8), powers);
    odd = _mm256_and_si256(odd, byte);
    even = _mm256_srli_epi16(_mm256_mullo_epi16(even, three), 8);
    odd = _mm256_andnot_si256(byte, _mm256_mullo_epi16(odd, three));
    return _mm256_sub_epi8(_mm256_or_si256(even, odd), _mm256_set1_epi8(1));
}

AVX2_INLINE void unpack_tq1_0(const char *src, struct panel *panel)
{
    const struct block_tq1_0 *block = (const struct block_tq1_0 *)src;
    const __m256i first = avx2_load(block->qs);
    const __m256i second = _mm256_broadcastsi128_si256(avx2_load_half(block->qs + 32));
    const __m256i last = _mm256_inserti128_si256(second, _mm_set1_epi32((int)k_word(block->qh)), 1);
    const __m256i runs[8] = {
        digits(first, _mm256_set1_epi16(1)),
        digits(first, _mm256_set1_epi16(3)),
        digits(first, _mm256_set1_epi16(9)),
        digits(first, _mm256_set1_epi16(27)),
        digits(first, _mm256_set1_epi16(81)),
        digits(second, _mm256_setr_epi16(1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3)),
        digits(second, _mm256_setr_epi16(9, 9, 9, 9, 9, 9, 9, 9, 27, 27, 27, 27, 27, 27, 27, 27)),
        digits(last, _mm256_setr_epi16(81, 81, 81, 81, 81, 81, 81, 81, 1, 1, 3, 3, 9, 9, 27, 27)),
    };
    k_turn_runs(runs, panel);
    panel->scales[0] = panel->scales[1] = _mm256_set1_epi16(1);
    panel->d = _mm256_set1_ps(k_half(block->d));
}

/* Row: format, function that unpacks a block, kind. */
#define FORMATS(X)                                                                                 \
    X(Q2_K, q2_k, K_KIND_LOW)                                                                      \
    X(Q3_K, q3_k, K_KIND_LOW_4)                                                                    \
    X(Q4_K, q4_k, K_KIND_LOW)                                                                      \
    X(Q5_K, q5_k, K_KIND_LOW)                                                                      \
    X(Q6_K, q6_k, K_KIND_SIX)                                                                      \
    X(IQ4_XS, iq4_xs, K_KIND_SIGNED)                                                               \
    X(TQ1_0, tq1_0, K_KIND_SIGNED)                                                                 \
    X(TQ2_0, tq2_0, K_KIND_SIGNED)

#define X AVX2_K_DEFINE
FORMATS(X)
#undef X

/* ── Activations ─────────────────────────────────────────────────────────────────────────────── */

static void prepare(int64_t n, const float *x, void *y)
{
    /* Sub-block of lane l of A, of lane l - 4 of B. */
    static const uint8_t places[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    struct kernel_q8_k *block = y;
    for (int64_t b = 0; b < n / 256; b++, block++, x += 256) {
        float id;
        int32_t q[64]; /* four values each, in natural order */
        memset(block->unused, 0, sizeof block->unused);
        avx2_choose_scale(256, x, &block->d, &id);
        for (int i = 0; i < 8; i++)
            _mm256_storeu_si256((__m256i *)(q + 8 * i), avx2_round_32(x + 32 * i, id));
        for (int i = 0; i < 16; i++)
            block->sums[i] = (int16_t)avx2_sum_bytes(16, (const int8_t *)(q + 4 * i));
        for (int set = 0; set < 2; set++)
            for (int i = 0; i < 4; i++)
                for (int lane = 0; lane < 8; lane++)
                    memcpy(block->qs + 128 * set + 32 * i + 4 * lane,
                           q + 8 * places[4 * set + lane % 4] + i + lane / 4 * 4, 4);
    }
}

void avx2_fill_k(struct kernels *table)
{
    table->prepare[KERNEL_ACT_Q8_K] = prepare;
#define X(dtype, name, kind)                                                                       \
    table->act[NAWI_DTYPE_##dtype] = KERNEL_ACT_Q8_K;                                              \
    table->matmul[NAWI_DTYPE_##dtype] = multiply_##name;
    FORMATS(X)
#undef X
}
