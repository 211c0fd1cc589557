/* Blocks of 32 times activations of eight bits. Eight blocks of a row are a group, block j in
 * lane j; a last group of fewer is filled up with blocks of zeros. */
#include "engine/cpu/avx2-tile.h"
#include "engine/file/dtype-blocks.h"

enum kind {
    KIND_FOUR,   /* bytes 0..15: all eight products add up in 16 bits; value d q + m */
    KIND_FIVE,   /* bytes 0..31: four add up */
    KIND_SIGNED, /* bytes -128..127; value d q */
};

/* ── Unpacking ───────────────────────────────────────────────────────────────────────────────── */

/* The 32-bit words at each block's offset, in lanes. */
AVX2_INLINE __m256i gather(const char *const *src, int offset)
{
    __m256i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si32(src[i] + offset)),
                                       _mm_loadu_si32(src[4 + i] + offset), 1);
    return _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(v[0], v[1]),
                                 _mm256_unpacklo_epi32(v[2], v[3]));
}

/* Two halves in each 32-bit lane: the low ones, the high ones. */
AVX2_INLINE __m256 halves_low(__m256i pairs)
{
    __m256i packed = _mm256_packus_epi32(_mm256_blend_epi16(pairs, _mm256_setzero_si256(), 0xaa),
                                         _mm256_setzero_si256());
    return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
}
AVX2_INLINE __m256 halves_high(__m256i pairs) { return halves_low(_mm256_srli_epi32(pairs, 16)); }

/* Sixteen bytes of each block: q[t] and q[4 + t] get low and high nibbles. */
AVX2_INLINE void unpack_nibbles(const char *const *src, int offset, __m256i q[8])
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i in[4];
    __m256i packed[4];
    for (int i = 0; i < 4; i++)
        in[i] = avx2_load_pair(src[i] + offset, src[4 + i] + offset);
    avx2_turn_4(in, packed);
    for (int i = 0; i < 4; i++) {
        q[i] = _mm256_and_si256(packed[i], low);
        q[4 + i] = _mm256_and_si256(_mm256_srli_epi16(packed[i], 4), low);
    }
}

/* Adds bit 4 from 32 bits of each block, bit i for value i. */
AVX2_INLINE void add_fifth(__m256i bits, __m256i q[8])
{
    const __m256i each = _mm256_set1_epi32(0x08040201);
    const __m256i sixteen = _mm256_set1_epi8(16);
    const __m256i one = _mm256_set1_epi8(1);
    for (int t = 0; t < 8; t++) {
        /* Byte t / 2 of the lane, four times; then its bits 0..3 or 4..7, one a byte. */
        const char b = (char)(t / 2);
        const __m256i pick =
            _mm256_add_epi8(_mm256_set1_epi8(b),
                            _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0,
                                             0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
        __m256i v = _mm256_shuffle_epi8(bits, pick);
        __m256i wanted = t % 2 ? _mm256_slli_epi32(each, 4) : each;
        v = _mm256_min_epu8(_mm256_and_si256(v, wanted), one);
        q[t] = _mm256_or_si256(q[t], _mm256_and_si256(_mm256_slli_epi16(v, 4), sixteen));
    }
}

AVX2_INLINE void unpack_q4_0(const char *const *src, struct panel *panel)
{
    unpack_nibbles(src, 2, panel->q);
    panel->d = halves_low(gather(src, 0));
    panel->m = _mm256_mul_ps(panel->d, _mm256_set1_ps(-8));
}

AVX2_INLINE void unpack_q4_1(const char *const *src, struct panel *panel)
{
    __m256i pairs = gather(src, 0);
    unpack_nibbles(src, 4, panel->q);
    panel->d = halves_low(pairs);
    panel->m = halves_high(pairs);
}

AVX2_INLINE void unpack_q5_0(const char *const *src, struct panel *panel)
{
    unpack_nibbles(src, 6, panel->q);
    add_fifth(gather(src, 2), panel->q);
    panel->d = halves_low(gather(src, 0));
    panel->m = _mm256_mul_ps(panel->d, _mm256_set1_ps(-16));
}

AVX2_INLINE void unpack_q5_1(const char *const *src, struct panel *panel)
{
    __m256i pairs = gather(src, 0);
    unpack_nibbles(src, 8, panel->q);
    add_fifth(gather(src, 4), panel->q);
    panel->d = halves_low(pairs);
    panel->m = halves_high(pairs);
}

AVX2_INLINE void unpack_q8_0(const char *const *src, struct panel *panel)
{
    for (int part = 0; part < 2; part++) {
        __m256i in[4];
        for (int i = 0; i < 4; i++)
            in[i] = avx2_load_pair(src[i] + 2 + 16 * part, src[4 + i] + 2 + 16 * part);
        avx2_turn_4(in, panel->q + 4 * part);
    }
    panel->d = halves_low(gather(src, 0));
}

AVX2_INLINE void look_up(const int8_t values[16], __m256i q[8])
{
    const __m256i table = _mm256_broadcastsi128_si256(avx2_load_half(values));
    for (int t = 0; t < 8; t++)
        q[t] = _mm256_shuffle_epi8(table, q[t]);
}

AVX2_INLINE void unpack_iq4_nl(const char *const *src, struct panel *panel)
{
    unpack_nibbles(src, 2, panel->q);
    look_up(dtype_values_iq4, panel->q);
    panel->d = halves_low(gather(src, 0));
}

/* Values -12..12 as bytes 0..24. */
AVX2_INLINE void unpack_mxfp4(const char *const *src, struct panel *panel)
{
    const __m256i least = _mm256_set1_epi8(12);
    __m256i e;
    unpack_nibbles(src, 1, panel->q);
    look_up(dtype_values_mxfp4, panel->q);
    for (int t = 0; t < 8; t++)
        panel->q[t] = _mm256_add_epi8(panel->q[t], least);
    e = _mm256_and_si256(gather(src, 0), _mm256_set1_epi32(255));
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    panel->d = _mm256_castsi256_ps(_mm256_blendv_epi8(denormal, normal, is_normal));
    panel->m = _mm256_mul_ps(panel->d, _mm256_set1_ps(-12));
}

/* ── Multiplying ─────────────────────────────────────────────────────────────────────────────── */

/* sum[r][c] plus the 16-bit sums, pair by pair. */
AVX2_INLINE void add_pairs(int n_row, int n_col, __m256i part[TILE_ROWS][TILE_COLS],
                           __m256i sum[TILE_ROWS][TILE_COLS])
{
    const __m256i one = _mm256_set1_epi16(1);
    for (int r = 0; r < n_row; r++)
        for (int c = 0; c < n_col; c++)
            sum[r][c] = _mm256_add_epi32(sum[r][c], _mm256_madd_epi16(part[r][c], one));
}

/* Runs 0, whose products are there, to 7. */
AVX2_INLINE void add_signed(int n_row, int n_col, const struct panel *const *panels,
                            const char *const *x, __m256i part[TILE_ROWS][TILE_COLS],
                            __m256i sum[TILE_ROWS][TILE_COLS])
{
    add_pairs(n_row, n_col, part, sum);
    for (int t = 1; t < 8; t++) {
        tile_start(n_row, n_col, panels, x, t, true, part);
        add_pairs(n_row, n_col, part, sum);
    }
}

AVX2_INLINE void dot(int n_row, int n_col, const struct panel *const *panels, const char *const *x,
                     enum kind kind, __m256 acc[TILE_ROWS][TILE_COLS])
{
    __m256i part[TILE_ROWS][TILE_COLS];
    __m256i sum[TILE_ROWS][TILE_COLS];
    for (int r = 0; r < n_row; r++)
        for (int c = 0; c < n_col; c++)
            sum[r][c] = _mm256_setzero_si256();
    tile_start(n_row, n_col, panels, x, 0, kind == KIND_SIGNED, part);
    if (kind == KIND_SIGNED) {
        add_signed(n_row, n_col, panels, x, part, sum);
    } else {
        tile_add_three(n_row, n_col, panels, x, 1, part);
        if (kind == KIND_FIVE) {
            add_pairs(n_row, n_col, part, sum);
            tile_start(n_row, n_col, panels, x, 4, false, part);
        } else {
            tile_add(n_row, n_col, panels, x, 4, part);
        }
        tile_add_three(n_row, n_col, panels, x, 5, part);
        add_pairs(n_row, n_col, part, sum);
    }
    for (int r = 0; r < n_row; r++) {
        const struct panel *panel = panels[r];
        for (int c = 0; c < n_col; c++) {
            const struct kernel_q8 *group = (const struct kernel_q8 *)x[c];
            acc[r][c] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][c]),
                                _mm256_mul_ps(panel->d, _mm256_loadu_ps(group->d)), acc[r][c]);
            if (kind != KIND_SIGNED)
                acc[r][c] = _mm256_fmadd_ps(panel->m, _mm256_loadu_ps(group->s), acc[r][c]);
        }
    }
}

/* Where the eight blocks of a group stand; those beyond the row are zeros. */
AVX2_INLINE void place(const char *at, int64_t n_block, int64_t bytes, const char *src[8])
{
    static const char zeros[48];
    for (int64_t j = 0; j < 8; j++)
        src[j] = n_block >= 8 || j < n_block ? at + j * bytes : zeros;
}

/* Row: format, function that unpacks a group, kind. */
#define FORMATS(X)                                                                                 \
    X(Q4_0, q4_0, KIND_FOUR)                                                                       \
    X(Q4_1, q4_1, KIND_FOUR)                                                                       \
    X(Q5_0, q5_0, KIND_FIVE)                                                                       \
    X(Q5_1, q5_1, KIND_FIVE)                                                                       \
    X(Q8_0, q8_0, KIND_SIGNED)                                                                     \
    X(IQ4_NL, iq4_nl, KIND_SIGNED)                                                                 \
    X(MXFP4, mxfp4, KIND_FIVE)

#define X(dtype, name, kind)                                                                       \
    AVX2_INLINE void unpack_group_##name(const char *row, int64_t group, int64_t n_block,          \
                                         struct panel *panel)                                      \
    {                                                                                              \
        const int64_t bytes = (int64_t)sizeof(struct block_##name);                                \
        const char *src[8];                                                                        \
        if (n_block - 8 * group >= 8)                                                              \
            place(row + 8 * group * bytes, 8, bytes, src);                                         \
        else                                                                                       \
            place(row + 8 * group * bytes, n_block - 8 * group, bytes, src);                       \
        unpack_##name(src, panel);                                                                 \
    }                                                                                              \
    AVX2_INLINE void dot_##name(int n_row, int n_col, const struct panel *const *panels,           \
                                const char *const *x, __m256 acc[TILE_ROWS][TILE_COLS])            \
    {                                                                                              \
        dot(n_row, n_col, panels, x, kind, acc);                                                   \
    }                                                                                              \
    static void multiply_##name(const struct kernel_matmul *args)                                  \
    {                                                                                              \
        avx2_multiply_panels(args, (struct panel_format){unpack_group_##name, dot_##name, 32,      \
                                                         (int)sizeof(struct block_##name)});       \
    }
FORMATS(X)
#undef X

/* ── Activations ─────────────────────────────────────────────────────────────────────────────── */

static void prepare(int64_t n, const float *x, void *y)
{
    struct kernel_q8 *group = y;
    for (int64_t g = 0; g < n; g += 256, group++) {
        if (n - g < 256)
            memset(group, 0, sizeof *group);
        for (int j = 0; j < 8 && g + 32 * j < n; j++) {
            const float *at = x + g + 32 * j;
            float inverse;
            int32_t q[8];
            avx2_choose_scale(32, at, &group->d[j], &inverse);
            _mm256_storeu_si256((__m256i *)q, avx2_round_32(at, inverse));
            for (int t = 0; t < 8; t++)
                memcpy(group->qs + 32 * t + 4 * j, q + t, sizeof q[t]);
            group->s[j] = group->d[j] * (float)avx2_sum_bytes(32, (const int8_t *)q);
        }
    }
}

void avx2_fill_blocks(struct kernels *table)
{
    table->prepare[KERNEL_ACT_Q8] = prepare;
#define X(dtype, name, kind)                                                                       \
    table->act[NAWI_DTYPE_##dtype] = KERNEL_ACT_Q8;                                                \
    table->matmul[NAWI_DTYPE_##dtype] = multiply_##name;
    FORMATS(X)
#undef X
}
