/* The table of number formats: block layouts, sizes, names, and exact conversion to float.
 *
 * A row of k values is k / block_len blocks of block_bytes each; a row never shares a block with
 * the next. Ids are those of GGUF. Layouts and formulas: GGUF specification and the published
 * reference quantisers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Row: name, GGUF id (-1: does not occur in GGUF), values per block, bytes per block. */
#define NAWI_DTYPES(X)                                                                             \
    X(F32, 0, 1, 4)                                                                                \
    X(F16, 1, 1, 2)                                                                                \
    X(Q4_0, 2, 32, 18)                                                                             \
    X(Q4_1, 3, 32, 20)                                                                             \
    X(Q5_0, 6, 32, 22)                                                                             \
    X(Q5_1, 7, 32, 24)                                                                             \
    X(Q8_0, 8, 32, 34)                                                                             \
    X(Q2_K, 10, 256, 84)                                                                           \
    X(Q3_K, 11, 256, 110)                                                                          \
    X(Q4_K, 12, 256, 144)                                                                          \
    X(Q5_K, 13, 256, 176)                                                                          \
    X(Q6_K, 14, 256, 210)                                                                          \
    X(IQ2_XXS, 16, 256, 66)                                                                        \
    X(IQ2_XS, 17, 256, 74)                                                                         \
    X(IQ3_XXS, 18, 256, 98)                                                                        \
    X(IQ1_S, 19, 256, 50)                                                                          \
    X(IQ4_NL, 20, 32, 18)                                                                          \
    X(IQ3_S, 21, 256, 110)                                                                         \
    X(IQ2_S, 22, 256, 82)                                                                          \
    X(IQ4_XS, 23, 256, 136)                                                                        \
    X(I32, 26, 1, 4)                                                                               \
    X(IQ1_M, 29, 256, 56)                                                                          \
    X(BF16, 30, 1, 2)                                                                              \
    X(TQ1_0, 34, 256, 54)                                                                          \
    X(TQ2_0, 35, 256, 66)                                                                          \
    X(MXFP4, 39, 32, 17)                                                                           \
    X(F8_E4M3, -1, 1, 1)

enum nawi_dtype {
#define X(name, id, len, bytes) NAWI_DTYPE_##name,
    NAWI_DTYPES(X)
#undef X
        NAWI_DTYPE_COUNT
};

/* Dequantises n values (a multiple of block_len) from src to dst. Exact: products in the order of
 * the published formulas, no fused multiply-add, denormals kept. src needs no alignment. */
typedef void (*nawi_dequant_fn)(int64_t n, const void *src, float *dst);

struct nawi_dtype_info {
    const char *name;        /* "Q4_K" */
    int gguf_id;             /* -1: none */
    int block_len;           /* values per block */
    int block_bytes;         /* bytes per block */
    nawi_dequant_fn dequant; /* NULL for I32 */
};

/* Any thread. dtype is in [0, NAWI_DTYPE_COUNT). */
const struct nawi_dtype_info *nawi_dtype_get_info(enum nawi_dtype dtype);

/* False when GGUF knows no such id or this program has no row for it. */
bool nawi_dtype_from_gguf(uint32_t id, enum nawi_dtype *dtype);
bool nawi_dtype_from_name(const char *name, enum nawi_dtype *dtype); /* exact, as in the table */

/* Bytes of a row of n values; n is a multiple of the block. */
static inline int64_t nawi_dtype_row_bytes(enum nawi_dtype dtype, int64_t n)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    return n / info->block_len * info->block_bytes;
}

/* IEEE half and bfloat16 to float and back, exact; back rounds to nearest even. */
float nawi_f16_to_f32(uint16_t h);
uint16_t nawi_f32_to_f16(float f);
float nawi_bf16_to_f32(uint16_t h);
uint16_t nawi_f32_to_bf16(float f);
