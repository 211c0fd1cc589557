/* THE list of operations. A backend runs these and nothing else; ref.c is their truth.
 *
 * Row: name, inputs at least, inputs at most, outputs. Shapes, outermost first; n is a run-time
 * count of rows:
 *
 *  EMBED       table [v, d], ids i32 [n], given f32 [n, d] → [n, d]: row ids[r] of table, or, where
 *              ids[r] < 0, row -1 - ids[r] of given
 *  RMS_NORM    x [n, …, d] (, w [d]) → as x, over the last dimension; eps
 *  LAYER_NORM  x [n, d], w [d], b [d] → as x; eps
 *  MATMUL      w [m, k], x [n, …] of k values a row (, bias [m]) → [n, m], or [n, split, m / split]
 *  MOE_MATMUL  w [e, m, k], x [n, k] or [n, t, k], ids i32 [n, t] → [n, t, m]: expert ids[r, j] for
 *              slot j
 *  ROPE        x [n, h, d], turn f32 [n or p, n_rot / 2, 2] → as x: pairs turned by (cosine, sine);
 *              with a fixed table of p rows, row r takes r % p; half: pairs are (j, j + n_rot / 2),
 *              else (2j, 2j + 1)
 *  SCALE_ROWS  x [n, …], s f32 [n] → x * s[r]
 *  KV_STORE    k, v [n, h, d], keys, values [cells, h, d], cells i32 [n]: writes states
 *  ATTEND      q [n, hq, d], keys, values, pages i32 [any], spans i32 [n, 4] = (table, n_page,
 *              first, last) → [n, hq, d]: positions p = first .. last - 1, in cells
 *              pages[table + (p / P) % n_page] * P + p % P, P = GRAPH_PAGE_TOK; query head i uses
 *              key head i / (hq / h); scale
 *  ATTEND_TILE q, k, v [n, h, d] → as q: every `group` rows see each other; scale
 *  ADD         a, b → a + b
 *  SWIGLU      gate, up [n, …, m] (, gates [n, t]) → silu(s gate) (s up), s = gates[r, j] or 1
 *  GELU        x → x/2 (1 + erf(x / sqrt 2))
 *  ROUTE       logits [n, e] → ids i32 [n, t], gates f32 [n, t]: the t largest by falling logit,
 *              and their sigmoids
 *  JOIN        parts [n, t, m] (, base [n, m]) → base + sum over t
 *  PICK_ROWS   x [n, d], rows i32 [o] → [o, d]
 *  TILE_ROWS   x [n p, d], class [d], table [p + 1, d] → [n (p + 1), d]: after each tile's p rows
 *              the class row; plus the table
 *  SHUFFLE     x [n (g g + 1), d] → [n g g / (f f), f f d]: class row dropped, f x f patches of the
 *              g x g grid joined, row-major, channel (dy f + dx) d + c */
#pragma once

#define GRAPH_OPS(X)                                                                               \
    X(EMBED, 3, 3, 1)                                                                              \
    X(RMS_NORM, 1, 2, 1)                                                                           \
    X(LAYER_NORM, 3, 3, 1)                                                                         \
    X(MATMUL, 2, 3, 1)                                                                             \
    X(MOE_MATMUL, 3, 3, 1)                                                                         \
    X(ROPE, 2, 2, 1)                                                                               \
    X(SCALE_ROWS, 2, 2, 1)                                                                         \
    X(KV_STORE, 5, 5, 0)                                                                           \
    X(ATTEND, 5, 5, 1)                                                                             \
    X(ATTEND_TILE, 3, 3, 1)                                                                        \
    X(ADD, 2, 2, 1)                                                                                \
    X(SWIGLU, 2, 3, 1)                                                                             \
    X(GELU, 1, 1, 1)                                                                               \
    X(ROUTE, 1, 1, 2)                                                                              \
    X(JOIN, 1, 2, 1)                                                                               \
    X(PICK_ROWS, 2, 2, 1)                                                                          \
    X(TILE_ROWS, 3, 3, 1)                                                                          \
    X(SHUFFLE, 1, 1, 1)

enum graph_op {
#define X(name, least, most, outputs) GRAPH_OP_##name,
    GRAPH_OPS(X)
#undef X
        GRAPH_OP_COUNT
};

enum { GRAPH_MAX_INPUTS = 5, GRAPH_MAX_OUTPUTS = 2 };

enum { GRAPH_PAGE_TOK = 32 }; /* positions of a page of keys and values */
