/* Dense and expert multiplications: activations are brought to the tier's form once, then pieces of
 * (rows of w) x (columns) go to the threads. Columns of a piece are few enough for their
 * activations to stay in the second-level cache, so that every row of w is unpacked once for many
 * columns. */
#include "engine/cpu/nodes.h"

#include <string.h>

enum {
    CACHE_BYTES = 256 * 1024,  /* of activations beside a piece */
    PREPARE_VALUES = 4096,     /* that one piece of preparing takes */
    PIECE_PRODUCTS = 16 << 20, /* of one piece: the plain tier takes some 40 ms for them */
};

/* ── Activations ─────────────────────────────────────────────────────────────────────────────── */

struct prepare_job {
    const struct kernels *kernels;
    enum kernel_act act;
    const float *x;
    char *y;
    int64_t k, n_row, rows_each;
};

static void prepare_rows(void *context, int64_t chunk, int thread)
{
    (void)thread;
    const struct prepare_job *job = context;
    int64_t end = MIN((chunk + 1) * job->rows_each, job->n_row);
    int64_t row_bytes = kernel_act_bytes(job->act, job->k);
    for (int64_t r = chunk * job->rows_each; r < end; r++)
        job->kernels->prepare[job->act](job->k, job->x + r * job->k, job->y + r * row_bytes);
}

/* x [n_row, k] in the form that the weight's dtype wants. */
static const char *prepare(struct cpu_step *step, const struct graph_tensor *x,
                           enum nawi_dtype dtype, int64_t k)
{
    struct cpu_program *program = step->program;
    enum kernel_act act = step->cpu->kernels->act[dtype];
    const float *data = (const float *)cpu_data(step, x);
    if (act == KERNEL_ACT_F32)
        return (const char *)data;
    if (program->prepared == x && program->prepared_act == act)
        return program->act;
    int64_t n_row = graph_rows(x, step->sizes) * graph_row_len(x) / k;
    int64_t rows_each = MAX(1, PREPARE_VALUES / k);
    struct prepare_job job = {step->cpu->kernels, act, data, program->act, k, n_row, rows_each};
    pool_run(step->cpu->pool, (n_row + rows_each - 1) / rows_each, prepare_rows, &job,
             step->cancel);
    program->prepared = x;
    program->prepared_act = act;
    return program->act;
}

/* ── Dense ───────────────────────────────────────────────────────────────────────────────────── */

struct dense_job {
    void (*matmul)(const struct kernel_matmul *args);
    struct kernel_matmul whole;
    int64_t rows_each, cols_each, n_row_piece;
};

static void dense_piece(void *context, int64_t chunk, int thread)
{
    (void)thread;
    const struct dense_job *job = context;
    int64_t row = chunk % job->n_row_piece * job->rows_each;
    int64_t col = chunk / job->n_row_piece * job->cols_each;
    struct kernel_matmul args = job->whole;
    args.n_row = MIN(job->rows_each, args.n_row - row);
    args.n_col = MIN(job->cols_each, args.n_col - col);
    args.w += row * args.w_row_bytes;
    args.scale = args.scale ? args.scale + row : NULL;
    args.bias = args.bias ? args.bias + row : NULL;
    args.x = (const char *)args.x + col * args.x_row_bytes;
    args.y += col * args.y_row_len + row;
    job->matmul(&args);
}

static int64_t columns_each(int64_t act_row_bytes, int64_t n_col)
{
    int64_t fit = CACHE_BYTES / MAX(act_row_bytes, 1);
    return MIN(MAX(fit, 24), MAX(n_col, 1));
}

/* Enough pieces for the threads to share evenly, each long enough to be worth handing out. In a
 * transposed view a row's values lie apart, and long runs of rows read whole lines of memory. */
static int64_t rows_each(const struct cpu_step *step, const struct kernel_matmul *whole,
                         int64_t n_col)
{
    const bool transposed = whole->w_block_bytes > whole->w_row_bytes;
    const int64_t n_thread = pool_get_size(step->cpu->pool);
    int64_t fair = whole->n_row / (n_thread * 8);
    int64_t worth =
        transposed ? MIN(512, whole->n_row / n_thread) : 65536 / MAX(whole->k * MIN(n_col, 8), 1);
    int64_t most = MAX(PIECE_PRODUCTS / MAX(whole->k * n_col, 1), 8);
    int64_t rows = MIN(MAX(MAX(fair, worth), 8), MIN(most, transposed ? 512 : 128));
    return (rows + 7) & ~(int64_t)7;
}

void cpu_run_matmul(struct cpu_step *step)
{
    const struct graph_node *node = step->node;
    const struct graph_tensor *w = node->in[0];
    int64_t k = w->ne[1];
    struct dense_job job = {.matmul = step->cpu->kernels->matmul[w->dtype]};
    job.whole = (struct kernel_matmul){
        .k = k,
        .n_row = w->ne[0],
        .n_col = graph_rows(node->in[1], step->sizes),
        .w = cpu_data(step, w),
        .w_row_bytes = w->stride_bytes[0],
        .w_block_bytes = w->stride_bytes[1],
        .scale = w->scale ? (const float *)cpu_data(step, w->scale) : NULL,
        .bias = node->n_in > 2 ? (const float *)cpu_data(step, node->in[2]) : NULL,
        .x = prepare(step, node->in[1], w->dtype, k),
        .x_row_bytes = kernel_act_bytes(step->cpu->kernels->act[w->dtype], k),
        .y = (float *)cpu_data(step, node->out[0]),
        .y_row_len = w->ne[0],
    };
    job.cols_each = columns_each(job.whole.x_row_bytes, job.whole.n_col);
    job.rows_each = rows_each(step, &job.whole, job.cols_each);
    job.n_row_piece = (job.whole.n_row + job.rows_each - 1) / job.rows_each;
    int64_t n_col_piece = (job.whole.n_col + job.cols_each - 1) / job.cols_each;
    pool_run(step->cpu->pool, job.n_row_piece * n_col_piece, dense_piece, &job, step->cancel);
}

/* ── Experts ─────────────────────────────────────────────────────────────────────────────────── */

struct moe_job {
    const struct cpu_step *step;
    const struct graph_tensor *w;
    struct kernel_matmul whole; /* w, scale, x_rows, y_rows are set for each expert */
    int64_t rows_each, n_row_piece;
};

static const char *expert_data(const struct cpu_step *step, const struct graph_tensor *w,
                               int64_t expert)
{
    const struct graph_place *parts = w->parts[step->program->base.device];
    if (!parts)
        return cpu_data(step, w) + expert * w->stride_bytes[0];
    return (const char *)cpu_buffer_get_data(parts[expert].buffer) + parts[expert].offset;
}

static void moe_piece(void *context, int64_t chunk, int thread)
{
    (void)thread;
    const struct moe_job *job = context;
    const struct cpu_program *program = job->step->program;
    int64_t expert = chunk / job->n_row_piece;
    int64_t row = chunk % job->n_row_piece * job->rows_each;
    int32_t first = program->starts[expert];
    int32_t n_col = program->starts[expert + 1] - first;
    if (n_col == 0)
        return;
    struct kernel_matmul args = job->whole;
    args.n_row = MIN(job->rows_each, args.n_row - row);
    args.w = expert_data(job->step, job->w, expert) + row * args.w_row_bytes;
    args.scale = args.scale ? args.scale + expert * job->whole.n_row + row : NULL;
    args.y += row;
    int64_t each = columns_each(args.x_row_bytes, n_col);
    for (int64_t col = 0; col < n_col && !nawi_cancel_is_asked(job->step->cancel); col += each) {
        args.n_col = MIN(each, n_col - col);
        args.x_rows = program->x_rows + first + col;
        args.y_rows = program->y_rows + first + col;
        job->step->cpu->kernels->matmul[job->w->dtype](&args);
    }
}

/* Slots [n, t] sorted by expert, in rising order within one; returns the number of slots. */
static int64_t sort_slots(const struct cpu_step *step, bool x_has_slots)
{
    struct cpu_program *program = step->program;
    const struct graph_tensor *ids = step->node->in[2];
    const int32_t *id = (const int32_t *)cpu_data(step, ids);
    int64_t n_used = ids->ne[1];
    int64_t n_slot = graph_rows(ids, step->sizes) * n_used;
    int64_t n_expert = step->node->in[0]->ne[0];
    memset(program->starts, 0, (size_t)(n_expert + 1) * sizeof(int32_t));
    for (int64_t s = 0; s < n_slot; s++)
        program->starts[id[s] + 1]++;
    for (int64_t e = 0; e < n_expert; e++)
        program->starts[e + 1] += program->starts[e];
    for (int64_t s = 0; s < n_slot; s++) {
        int32_t at = program->starts[id[s]]++;
        program->x_rows[at] = (int32_t)(x_has_slots ? s : s / n_used);
        program->y_rows[at] = (int32_t)s;
    }
    for (int64_t e = n_expert; e > 0; e--) /* each start moved to the next one's place */
        program->starts[e] = program->starts[e - 1];
    program->starts[0] = 0;
    return n_slot;
}

void cpu_run_moe_matmul(struct cpu_step *step)
{
    const struct graph_node *node = step->node;
    const struct graph_tensor *w = node->in[0];
    int64_t k = w->ne[2];
    struct moe_job job = {.step = step, .w = w};
    int64_t n_slot = sort_slots(step, node->in[1]->n_dim == 3);
    job.whole = (struct kernel_matmul){
        .k = k,
        .n_row = w->ne[1],
        .w_row_bytes = w->stride_bytes[1],
        .w_block_bytes = w->stride_bytes[2],
        .scale = w->scale ? (const float *)cpu_data(step, w->scale) : NULL,
        .x = prepare(step, node->in[1], w->dtype, k),
        .x_row_bytes = kernel_act_bytes(step->cpu->kernels->act[w->dtype], k),
        .y = (float *)cpu_data(step, node->out[0]),
        .y_row_len = w->ne[1],
    };
    int64_t usual = MAX(n_slot / w->ne[0], 1);
    job.rows_each = rows_each(step, &job.whole, columns_each(job.whole.x_row_bytes, usual));
    job.n_row_piece = (job.whole.n_row + job.rows_each - 1) / job.rows_each;
    step->cpu->counters.n_expert_matrix += n_slot;
    pool_run(step->cpu->pool, job.n_row_piece * w->ne[0], moe_piece, &job, step->cancel);
}
