/* One function per operation of graph/ops.h (multiplications are in matmul.c). Rows are
 * independent, so most cut their rows into pieces; small ones run on the caller's thread. */
#include "engine/cpu/nodes.h"

#include <string.h>

enum { SMALL_VALUES = 8192 }; /* below this many values, handing out costs more than it saves */

typedef void (*row_fn)(const struct cpu_step *step, int64_t row, int thread);

struct row_job {
    const struct cpu_step *step;
    row_fn fn;
    int64_t n_row, rows_each;
};

static void run_piece(void *context, int64_t chunk, int thread)
{
    const struct row_job *job = context;
    int64_t end = MIN((chunk + 1) * job->rows_each, job->n_row);
    for (int64_t row = chunk * job->rows_each; row < end; row++)
        job->fn(job->step, row, thread);
}

/* values: work of one row, in values touched. */
static void each_row(const struct cpu_step *step, int64_t n_row, int64_t values, row_fn fn)
{
    struct row_job job = {step, fn, n_row, MAX(1, SMALL_VALUES / MAX(values, 1))};
    pool_run(step->cpu->pool, (n_row + job.rows_each - 1) / job.rows_each, run_piece, &job,
             step->cancel);
}

static const float *floats(const struct cpu_step *step, int input)
{
    return (const float *)cpu_data(step, step->node->in[input]);
}

static const int32_t *ints(const struct cpu_step *step, int input)
{
    return (const int32_t *)cpu_data(step, step->node->in[input]);
}

static float *result(const struct cpu_step *step)
{
    return (float *)cpu_data(step, step->node->out[0]);
}

/* ── Rows of the residual stream ─────────────────────────────────────────────────────────────── */

static void embed(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_tensor *table = step->node->in[0];
    int64_t d = table->ne[1];
    int32_t id = ints(step, 1)[row];
    float *y = result(step) + row * d;
    if (id >= 0)
        step->cpu->kernels->dequant[table->dtype](
            d, cpu_data(step, table) + id * table->stride_bytes[0], y);
    else
        memcpy(y, floats(step, 2) + (int64_t)(-1 - id) * d, (size_t)d * sizeof(float));
}

/* Norms run over the last dimension: a row here is one such vector. */
static void rms_norm(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_node *node = step->node;
    int64_t d = node->in[0]->ne[node->in[0]->n_dim - 1];
    step->cpu->kernels->rms_norm(d, node->eps, floats(step, 0) + row * d,
                                 node->n_in > 1 ? floats(step, 1) : NULL, result(step) + row * d);
}

static void layer_norm(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t d = step->node->in[0]->ne[1];
    step->cpu->kernels->layer_norm(d, step->node->eps, floats(step, 0) + row * d, floats(step, 1),
                                   floats(step, 2), result(step) + row * d);
}

static void rope(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_tensor *x = step->node->in[0];
    const struct graph_tensor *turn = step->node->in[1];
    int64_t n = graph_row_len(x);
    int64_t from = turn->count == GRAPH_COUNT_NONE ? row % turn->ne[0] : row;
    float *y = result(step) + row * n;
    memcpy(y, floats(step, 0) + row * n, (size_t)n * sizeof(float));
    step->cpu->kernels->rope(x->ne[1], x->ne[2], turn->ne[1] * 2, step->node->half,
                             floats(step, 1) + from * turn->ne[1] * 2, y);
}

static void scale_rows(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t n = graph_row_len(step->node->in[0]);
    step->cpu->kernels->scale(n, floats(step, 1)[row], floats(step, 0) + row * n,
                              result(step) + row * n);
}

static void add(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t n = graph_row_len(step->node->in[0]);
    step->cpu->kernels->add(n, floats(step, 0) + row * n, floats(step, 1) + row * n,
                            result(step) + row * n);
}

static void gelu(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t n = graph_row_len(step->node->in[0]);
    step->cpu->kernels->gelu(n, floats(step, 0) + row * n, result(step) + row * n);
}

static void pick_rows(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t n = step->node->in[0]->ne[1];
    memcpy(result(step) + row * n, floats(step, 0) + (int64_t)ints(step, 1)[row] * n,
           (size_t)n * sizeof(float));
}

/* ── Experts ─────────────────────────────────────────────────────────────────────────────────── */

static void swiglu(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_node *node = step->node;
    bool gated = node->n_in > 2;
    int64_t n_slot = gated ? node->in[0]->ne[1] : 1;
    int64_t n = graph_row_len(node->in[0]) / n_slot;
    for (int64_t s = row * n_slot; s < (row + 1) * n_slot; s++)
        step->cpu->kernels->swiglu(n, gated ? floats(step, 2)[s] : 1.0f, floats(step, 0) + s * n,
                                   floats(step, 1) + s * n, result(step) + s * n);
}

static void route(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_node *node = step->node;
    int64_t n = node->in[0]->ne[1];
    int64_t k = node->n_used;
    step->cpu->kernels->route(n, k, floats(step, 0) + row * n,
                              (int32_t *)cpu_data(step, node->out[0]) + row * k,
                              (float *)cpu_data(step, node->out[1]) + row * k);
}

static void join(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_node *node = step->node;
    int64_t n_slot = node->in[0]->ne[1];
    int64_t n = node->in[0]->ne[2];
    const float *parts = floats(step, 0) + row * n_slot * n;
    float *y = result(step) + row * n;
    int64_t slot = 0;
    const float *base = node->n_in > 1 ? floats(step, 1) + row * n : parts + n * slot++;
    memcpy(y, base, (size_t)n * sizeof(float));
    for (; slot < n_slot; slot++)
        step->cpu->kernels->add(n, y, parts + slot * n, y);
}

/* ── Attention ───────────────────────────────────────────────────────────────────────────────── */

static void store_values(const struct graph_tensor *state, const float *from, char *to, int64_t n)
{
    if (state->dtype == NAWI_DTYPE_F32) {
        memcpy(to, from, (size_t)n * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        ((uint16_t *)to)[i] = nawi_f32_to_f16(from[i]);
}

static void kv_store(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    struct graph_tensor *const *in = step->node->in;
    int64_t cell = ints(step, 4)[row];
    for (int i = 0; i < 2; i++) {
        int64_t n = graph_row_len(in[i]);
        store_values(in[2 + i], floats(step, i) + row * n,
                     cpu_data(step, in[2 + i]) + cell * in[2 + i]->stride_bytes[0], n);
    }
}

/* A row here is one key head of one token: the query heads that share it. */
static void attend(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_node *node = step->node;
    const struct graph_tensor *q = node->in[0];
    const struct graph_tensor *keys = node->in[1];
    const struct graph_tensor *values = node->in[2];
    int64_t n_kv = keys->ne[1];
    int64_t token = row / n_kv;
    int64_t head = row % n_kv;
    int64_t n_q = q->ne[1] / n_kv;
    const int32_t *span = ints(step, 4) + token * 4;
    int64_t at = (token * q->ne[1] + head * n_q) * q->ne[2];
    struct kernel_attend args = {
        .n_q = (int)n_q,
        .d = q->ne[2],
        .q = floats(step, 0) + at,
        .y = result(step) + at,
        .scale = node->scale,
        .first = span[2],
        .last = span[3],
        .k = cpu_data(step, keys) + head * keys->stride_bytes[1],
        .v = cpu_data(step, values) + head * values->stride_bytes[1],
        .cell_bytes = keys->stride_bytes[0],
        .kv_dtype = keys->dtype,
        .pages = ints(step, 3) + span[0],
        .n_page = span[1],
        .page_tok = GRAPH_PAGE_TOK,
    };
    step->cpu->kernels->attend(&args);
}

/* A row here is a block of queries of one head of one tile; their vectors are gathered, since they
 * lie a row apart. */
static void attend_tile(const struct cpu_step *step, int64_t row, int thread)
{
    const struct graph_node *node = step->node;
    const struct graph_tensor *q = node->in[0];
    int64_t d = q->ne[2];
    int64_t row_len = q->ne[1] * d;
    int64_t n_block = (node->group + CPU_TILE_QUERIES - 1) / CPU_TILE_QUERIES;
    int64_t block = row % n_block;
    int64_t head = row / n_block % q->ne[1];
    int64_t first = row / n_block / q->ne[1] * node->group;
    int64_t n_q = MIN(CPU_TILE_QUERIES, node->group - block * CPU_TILE_QUERIES);
    float *gathered = step->program->tile + (int64_t)thread * 2 * CPU_TILE_QUERIES * d;
    float *made = gathered + CPU_TILE_QUERIES * d;
    int64_t at = (first + block * CPU_TILE_QUERIES) * row_len + head * d;
    for (int64_t i = 0; i < n_q; i++)
        memcpy(gathered + i * d, floats(step, 0) + at + i * row_len, (size_t)d * sizeof(float));
    struct kernel_attend args = {
        .n_q = (int)n_q,
        .d = d,
        .q = gathered,
        .y = made,
        .scale = node->scale,
        .first = 0,
        .last = node->group,
        .k = (const char *)(floats(step, 1) + first * row_len + head * d),
        .v = (const char *)(floats(step, 2) + first * row_len + head * d),
        .cell_bytes = row_len * (int64_t)sizeof(float),
        .kv_dtype = NAWI_DTYPE_F32,
    };
    step->cpu->kernels->attend(&args);
    for (int64_t i = 0; i < n_q; i++)
        memcpy(result(step) + at + i * row_len, made + i * d, (size_t)d * sizeof(float));
}

static void run_attend(const struct cpu_step *step)
{
    const struct graph_tensor *q = step->node->in[0];
    const int32_t *spans = ints(step, 4);
    int64_t n = graph_rows(q, step->sizes);
    int64_t seen = 0;
    for (int64_t i = 0; i < n; i++)
        seen += spans[i * 4 + 3] - spans[i * 4 + 2];
    int64_t n_kv = step->node->in[1]->ne[1];
    each_row(step, n * n_kv, n > 0 ? seen / n * q->ne[2] * (q->ne[1] / n_kv) * 2 : 1, attend);
}

static void run_attend_tile(const struct cpu_step *step)
{
    const struct graph_node *node = step->node;
    const struct graph_tensor *q = node->in[0];
    int64_t n_block = (node->group + CPU_TILE_QUERIES - 1) / CPU_TILE_QUERIES;
    int64_t n_tile = graph_rows(q, step->sizes) / node->group;
    each_row(step, n_tile * q->ne[1] * n_block, CPU_TILE_QUERIES * node->group * q->ne[2] * 2,
             attend_tile);
}

/* ── The tower ───────────────────────────────────────────────────────────────────────────────── */

static void tile_rows(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    const struct graph_tensor *table = step->node->in[2];
    int64_t d = table->ne[1];
    int64_t p = table->ne[0] - 1;
    int64_t tile = row / (p + 1);
    int64_t at = row % (p + 1);
    const float *x = at < p ? floats(step, 0) + (tile * p + at) * d : floats(step, 1);
    step->cpu->kernels->add(d, x, floats(step, 2) + at * d, result(step) + row * d);
}

static void shuffle(const struct cpu_step *step, int64_t row, int thread)
{
    (void)thread;
    int64_t grid = step->node->group;
    int64_t f = step->node->factor;
    int64_t side = grid / f;
    int64_t d = step->node->in[0]->ne[1];
    int64_t tile = row / (side * side);
    int64_t y = row / side % side;
    int64_t x = row % side;
    float *to = result(step) + row * f * f * d;
    for (int64_t dy = 0; dy < f; dy++)
        for (int64_t dx = 0; dx < f; dx++) {
            int64_t from = tile * (grid * grid + 1) + (y * f + dy) * grid + x * f + dx;
            memcpy(to + (dy * f + dx) * d, floats(step, 0) + from * d, (size_t)d * sizeof(float));
        }
}

void cpu_run_node(struct cpu_step *step)
{
    const struct graph_node *node = step->node;
    const struct graph_tensor *x = node->in[0];
    const struct graph_tensor *y = node->out[0];
    int64_t n = y ? graph_rows(y, step->sizes) : graph_rows(x, step->sizes);
    int64_t len = graph_row_len(y ? y : x);
    int64_t d = x->ne[x->n_dim - 1];
    switch (node->op) {
    case GRAPH_OP_EMBED: each_row(step, n, len, embed); break;
    case GRAPH_OP_RMS_NORM: each_row(step, n * len / d, d, rms_norm); break;
    case GRAPH_OP_LAYER_NORM: each_row(step, n, len, layer_norm); break;
    case GRAPH_OP_MATMUL: cpu_run_matmul(step); break;
    case GRAPH_OP_MOE_MATMUL: cpu_run_moe_matmul(step); break;
    case GRAPH_OP_ROPE: each_row(step, n, len, rope); break;
    case GRAPH_OP_SCALE_ROWS: each_row(step, n, len, scale_rows); break;
    case GRAPH_OP_KV_STORE: each_row(step, n, len, kv_store); break;
    case GRAPH_OP_ATTEND: run_attend(step); break;
    case GRAPH_OP_ATTEND_TILE: run_attend_tile(step); break;
    case GRAPH_OP_ADD: each_row(step, n, len, add); break;
    case GRAPH_OP_SWIGLU: each_row(step, n, len * 4, swiglu); break;
    case GRAPH_OP_GELU: each_row(step, n, len * 4, gelu); break;
    case GRAPH_OP_ROUTE: each_row(step, n, x->ne[1], route); break;
    case GRAPH_OP_JOIN: each_row(step, n, len * x->ne[1], join); break;
    case GRAPH_OP_PICK_ROWS: each_row(step, n, len, pick_rows); break;
    case GRAPH_OP_TILE_ROWS: each_row(step, n, len, tile_rows); break;
    case GRAPH_OP_SHUFFLE: each_row(step, n, len, shuffle); break;
    case GRAPH_OP_COUNT: g_assert_not_reached();
    }
}
