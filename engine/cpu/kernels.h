/* The table of hot routines of the CPU backend: one struct of function pointers, filled from ref
 * upward.
 *
 * ref.c is the truth of every routine: plain C, float activations, sums in double. A tier
 * (avx2.c) replaces what it does faster. Every routine computes each output value by itself, in
 * an order that depends on nothing but the shapes: results do not change with the number of
 * threads or with the neighbours in a batch.
 *
 * All pointers are to dense row-major arrays unless a stride is given; no alignment is assumed;
 * outputs do not overlap inputs unless said. Any thread; nothing can fail. */
#pragma once

#include "engine/file/dtype.h"

/* The form in which a tier wants activations beside weights of a dtype. A row is prepared whole. */
enum kernel_act {
    KERNEL_ACT_F32,  /* as they are */
    KERNEL_ACT_Q8,   /* a scale for each 32: groups of 8 blocks, the last filled up with zeros */
    KERNEL_ACT_Q8_K, /* a scale for each 256 */
    KERNEL_ACT_COUNT
};

/* Value i of block j is d[j] * qs[32 * (i / 4) + 4 * j + i % 4]: run t of 32 bytes holds the
 * t-th four values of each block. A block with a NaN or an infinity has a NaN scale. */
struct kernel_q8 {
    int8_t qs[256];
    float d[8];
    float s[8]; /* d times the sum of the block's qs */
};
/* Run t of 32 bytes, as eight groups of four values, holds for t < 4 the t-th four of blocks of
 * 32 number 0 4 2 6, then the t+4-th four of the same blocks; runs 4..7 do so for 1 5 3 7. */
struct kernel_q8_k {
    int8_t qs[256];
    int16_t sums[16]; /* of each 16 values, in natural order */
    float d;
    float unused[7]; /* keeps rows on cache lines */
};

/* y[c, r] = sum over k of w[r, k] * x[c, k] (* scale[r]) (+ bias[r]) for r in [0, n_row), c in
 * [0, n_col).
 *
 * w       n_row rows, w_row_bytes apart; in a row blocks stand w_block_bytes apart (block_bytes, or
 *         more in a transposed view, where block_len is 1 and w_row_bytes the element size; there
 *         few columns are fastest over long runs of rows, 512 and more)
 * x       prepared by prepare[act[dtype]], rows x_row_bytes apart
 * x_rows  [n_col] which row of x belongs to column c; NULL: row c
 * y_rows  [n_col] which row of y; NULL: row c; value r of a row stands at y[row * y_row_len + r]
 * k is a multiple of the block (of 256 for act Q8_K, of 32 for Q8). */
struct kernel_matmul {
    int64_t k, n_row, n_col;
    const char *w;
    int64_t w_row_bytes, w_block_bytes;
    const float *scale, *bias; /* [n_row] or NULL */
    const void *x;
    int64_t x_row_bytes;
    const int32_t *x_rows, *y_rows;
    float *y;
    int64_t y_row_len;
};

/* Attention of the n_q query heads that share one key/value head, of one row (one token), over
 * the cells of positions first .. last - 1 in rising order (last > first):
 *   y[h] = sum over p of softmax_p(scale * q[h] . k[p]) v[p]
 * The cell of position p is p when pages is NULL, else pages[(p / page_tok) % n_page] * page_tok
 * + p % page_tok. k and v of a cell stand cell * cell_bytes after k and v, d values of kv_dtype
 * (F32 or F16). Online softmax over blocks of positions aligned to multiples of 32: memory does
 * not grow with last. */
struct kernel_attend {
    int n_q;
    int64_t d;
    const float *q; /* [n_q, d] */
    float *y;       /* [n_q, d] */
    float scale;
    int64_t first, last;
    const char *k, *v;
    int64_t cell_bytes;
    enum nawi_dtype kv_dtype;
    const int32_t *pages;
    int64_t n_page;
    int page_tok;
};

static inline int64_t kernel_attend_cell(const struct kernel_attend *args, int64_t position)
{
    if (!args->pages)
        return position;
    return (int64_t)args->pages[position / args->page_tok % args->n_page] * args->page_tok +
           position % args->page_tok;
}

struct kernels {
    const char *name; /* "ref", "avx2" */
    enum kernel_act act[NAWI_DTYPE_COUNT];

    /* Bytes of n activations in a form; and n activations into it. n is a multiple of 32 (Q8) or
     * 256 (Q8_K). */
    void (*prepare[KERNEL_ACT_COUNT])(int64_t n, const float *x, void *y);
    void (*matmul[NAWI_DTYPE_COUNT])(const struct kernel_matmul *args); /* every dtype but I32 */
    nawi_dequant_fn dequant[NAWI_DTYPE_COUNT];

    /* w may be NULL; y may be x. */
    void (*rms_norm)(int64_t n, float eps, const float *x, const float *w, float *y);
    void (*layer_norm)(int64_t n, float eps, const float *x, const float *w, const float *b,
                       float *y);
    /* Turns n_head heads of d values in place. turn [n_rot / 2, 2]: cosine and sine of each
     * pair. Pairs are adjacent (2j, 2j + 1), or, with half, (j, j + n_rot / 2). Values from
     * n_rot on stay. */
    void (*rope)(int64_t n_head, int64_t d, int64_t n_rot, bool half, const float *turn, float *x);
    /* silu(s gate) (s up) */
    void (*swiglu)(int64_t n, float s, const float *gate, const float *up, float *y);
    void (*gelu)(int64_t n, const float *x, float *y); /* exact, with erf; y may be x */
    void (*add)(int64_t n, const float *a, const float *b, float *y); /* y may be a or b */
    void (*scale)(int64_t n, float s, const float *x, float *y);      /* y may be x */
    void (*attend)(const struct kernel_attend *args);
    /* The k largest of n logits: ids by falling logit (equal: lower id first), gates =
     * sigmoid(logit). NaN counts as least. */
    void (*route)(int64_t n, int64_t k, const float *logits, int32_t *ids, float *gates);
};

/* Bytes that n activations take in a form. */
static inline int64_t kernel_act_bytes(enum kernel_act act, int64_t n)
{
    switch (act) {
    case KERNEL_ACT_Q8: return (n + 255) / 256 * (int64_t)sizeof(struct kernel_q8);
    case KERNEL_ACT_Q8_K: return n / 256 * (int64_t)sizeof(struct kernel_q8_k);
    default: return n * (int64_t)sizeof(float);
    }
}

enum kernel_tier { KERNEL_TIER_REF, KERNEL_TIER_AVX2, KERNEL_TIER_COUNT };

/* The best table that this processor runs, not above most. Any thread. */
const struct kernels *kernels_get(enum kernel_tier most);
/* False for an unknown name. "ref", "avx2". */
bool kernels_tier_from_name(const char *name, enum kernel_tier *tier);

/* detect.c fills a table by calling these from the lowest tier up. */
void kernels_fill_ref(struct kernels *table);
void kernels_fill_avx2(struct kernels *table); /* only where the build has x86-64 */
