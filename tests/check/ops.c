/* Every operation of graph/ops.h on the CPU backend, at every tier, against its formula written out
 * in double here: odd sizes, several rows, the bytes around each result untouched. An operation
 * without a case fails. */
#include "engine/cpu/cpu.h"
#include "engine/execute.h"
#include "tests/harness.h"

#include <math.h>
#include <string.h>

/* One node under test: leaves in the order of its inputs, and what its first output should be. */
struct trial {
    GRand *rand;
    struct graph *graph;
    struct graph_node spec;
    int64_t n_row;
    float *data[GRAPH_MAX_INPUTS]; /* of each input; int32_t for ids */
    int64_t n_value[GRAPH_MAX_INPUTS];
    double *wanted;
    int64_t n_wanted;
    bool checks_state; /* what is compared is input 2, written by the node */
};

static int draw(struct trial *t, int least, int most)
{
    return g_rand_int_range(t->rand, least, most + 1);
}

/* Adds input number i: a leaf of random values. Counted leaves have ne[0] per row. */
static float *add_floats(struct trial *t, int i, enum graph_role role, enum graph_count count,
                         int n_dim, const int64_t *ne)
{
    char name[8];
    g_snprintf(name, sizeof name, "in%d", i);
    t->spec.in[i] = graph_add_leaf(t->graph, role, name, NAWI_DTYPE_F32, count, n_dim, ne);
    int64_t n = count == GRAPH_COUNT_NONE ? 1 : t->n_row;
    for (int d = 0; d < n_dim; d++)
        n *= ne[d];
    t->data[i] = g_new(float, n);
    t->n_value[i] = n;
    for (int64_t v = 0; v < n; v++)
        t->data[i][v] = (float)g_rand_double_range(t->rand, -2, 2);
    return t->data[i];
}

static float *add_rows(struct trial *t, int i, int n_dim, const int64_t *ne)
{
    return add_floats(t, i, GRAPH_ROLE_INPUT, GRAPH_COUNT_ROW, n_dim, ne);
}

static float *add_fixed(struct trial *t, int i, int n_dim, const int64_t *ne)
{
    return add_floats(t, i, GRAPH_ROLE_INPUT, GRAPH_COUNT_NONE, n_dim, ne);
}

static int32_t *add_ints(struct trial *t, int i, enum graph_count count, int n_dim,
                         const int64_t *ne)
{
    float *data = add_floats(t, i, GRAPH_ROLE_INPUT, count, n_dim, ne);
    t->spec.in[i]->dtype = NAWI_DTYPE_I32;
    return (int32_t *)(void *)data;
}

static double *want(struct trial *t, int64_t n)
{
    t->n_wanted = n;
    return t->wanted = g_new0(double, n);
}

static void case_embed(struct trial *t)
{
    int64_t v = draw(t, 1, 40), d = draw(t, 1, 70);
    float *table = add_fixed(t, 0, 2, (int64_t[]){v, d});
    int32_t *ids = add_ints(t, 1, GRAPH_COUNT_ROW, 1, (int64_t[]){1});
    float *given = add_rows(t, 2, 2, (int64_t[]){1, d});
    double *y = want(t, t->n_row * d);
    for (int64_t r = 0; r < t->n_row; r++) {
        ids[r] = draw(t, 0, 1) ? draw(t, 0, (int)v - 1) : -1 - draw(t, 0, (int)t->n_row - 1);
        for (int64_t i = 0; i < d; i++)
            y[r * d + i] = ids[r] >= 0 ? table[ids[r] * d + i] : given[(-1 - ids[r]) * d + i];
    }
}

static void case_rms_norm(struct trial *t)
{
    int64_t h = draw(t, 1, 5), d = draw(t, 1, 90);
    float *x = add_rows(t, 0, 3, (int64_t[]){1, h, d});
    float *w = draw(t, 0, 1) ? add_fixed(t, 1, 1, &d) : NULL;
    double *y = want(t, t->n_row * h * d);
    t->spec.eps = 1e-5f;
    for (int64_t r = 0; r < t->n_row * h; r++) {
        double sum = 0;
        for (int64_t i = 0; i < d; i++)
            sum += (double)x[r * d + i] * x[r * d + i];
        for (int64_t i = 0; i < d; i++)
            y[r * d + i] = x[r * d + i] / sqrt(sum / (double)d + 1e-5) * (w ? w[i] : 1);
    }
}

static void case_layer_norm(struct trial *t)
{
    int64_t d = draw(t, 2, 90);
    float *x = add_rows(t, 0, 2, (int64_t[]){1, d});
    float *w = add_fixed(t, 1, 1, &d), *b = add_fixed(t, 2, 1, &d);
    double *y = want(t, t->n_row * d);
    t->spec.eps = 1e-5f;
    for (int64_t r = 0; r < t->n_row; r++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; i < d; i++)
            mean += x[r * d + i] / (double)d;
        for (int64_t i = 0; i < d; i++)
            var += (x[r * d + i] - mean) * (x[r * d + i] - mean) / (double)d;
        for (int64_t i = 0; i < d; i++)
            y[r * d + i] = (x[r * d + i] - mean) / sqrt(var + 1e-5) * w[i] + b[i];
    }
}

static void case_matmul(struct trial *t)
{
    int64_t k = draw(t, 1, 130), split = draw(t, 0, 3), m = draw(t, 1, 40) * MAX(split, 1);
    float *w = add_fixed(t, 0, 2, (int64_t[]){m, k});
    float *x = add_rows(t, 1, 2, (int64_t[]){1, k});
    float *b = draw(t, 0, 1) ? add_fixed(t, 2, 1, &m) : NULL;
    double *y = want(t, t->n_row * m);
    t->spec.split = split;
    for (int64_t r = 0; r < t->n_row; r++)
        for (int64_t i = 0; i < m; i++) {
            double sum = b ? b[i] : 0;
            for (int64_t j = 0; j < k; j++)
                sum += (double)w[i * k + j] * x[r * k + j];
            y[r * m + i] = sum;
        }
}

static void case_moe_matmul(struct trial *t)
{
    int64_t e = draw(t, 1, 9), k = draw(t, 1, 70), m = draw(t, 1, 50),
            n = draw(t, 1, (int)MIN(e, 3));
    bool has_slots = draw(t, 0, 1);
    float *w = add_fixed(t, 0, 3, (int64_t[]){e, m, k});
    float *x =
        has_slots ? add_rows(t, 1, 3, (int64_t[]){1, n, k}) : add_rows(t, 1, 2, (int64_t[]){1, k});
    int32_t *ids = add_ints(t, 2, GRAPH_COUNT_ROW, 2, (int64_t[]){1, n});
    double *y = want(t, t->n_row * n * m);
    for (int64_t s = 0; s < t->n_row * n; s++) {
        ids[s] = draw(t, 0, (int)e - 1);
        const float *row = x + (has_slots ? s : s / n) * k;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < k; j++)
                y[s * m + i] += (double)w[(ids[s] * m + i) * k + j] * row[j];
    }
}

static void case_rope(struct trial *t)
{
    int64_t h = draw(t, 1, 4), d = draw(t, 1, 30) * 2, n_pair = draw(t, 1, (int)d / 2);
    int64_t p = draw(t, 0, 1) ? draw(t, 1, 5) : 0; /* a fixed table, or one row each */
    float *x = add_rows(t, 0, 3, (int64_t[]){1, h, d});
    float *turn = p ? add_fixed(t, 1, 3, (int64_t[]){p, n_pair, 2})
                    : add_rows(t, 1, 3, (int64_t[]){1, n_pair, 2});
    bool half = t->spec.half = draw(t, 0, 1);
    double *y = want(t, t->n_row * h * d);
    for (int64_t i = 0; i < t->n_row * h * d; i++)
        y[i] = x[i];
    for (int64_t v = 0; v < t->n_row * h; v++)
        for (int64_t j = 0; j < n_pair; j++) {
            const float *cs = turn + ((p ? v / h % p : v / h) * n_pair + j) * 2;
            int64_t a = v * d + (half ? j : 2 * j), b = v * d + (half ? j + n_pair : 2 * j + 1);
            y[a] = (double)x[a] * cs[0] - (double)x[b] * cs[1];
            y[b] = (double)x[a] * cs[1] + (double)x[b] * cs[0];
        }
}

static void case_scale_rows(struct trial *t)
{
    int64_t d = draw(t, 1, 99);
    float *x = add_rows(t, 0, 2, (int64_t[]){1, d});
    float *s = add_rows(t, 1, 1, (int64_t[]){1});
    double *y = want(t, t->n_row * d);
    for (int64_t i = 0; i < t->n_row * d; i++)
        y[i] = (double)x[i] * s[i / d];
}

static void case_kv_store(struct trial *t)
{
    int64_t h = draw(t, 1, 3), d = draw(t, 1, 20), n_cell = t->n_row + draw(t, 0, 9);
    float *k = add_rows(t, 0, 3, (int64_t[]){1, h, d});
    add_rows(t, 1, 3, (int64_t[]){1, h, d});
    float *keys = add_fixed(t, 2, 3, (int64_t[]){n_cell, h, d});
    add_fixed(t, 3, 3, (int64_t[]){n_cell, h, d});
    int32_t *cells = add_ints(t, 4, GRAPH_COUNT_ROW, 1, (int64_t[]){1});
    double *y = want(t, n_cell * h * d);
    t->checks_state = true;
    for (int64_t i = 0; i < n_cell * h * d; i++)
        y[i] = keys[i];
    for (int64_t r = 0; r < t->n_row; r++) {
        cells[r] = (int32_t)(n_cell - 1 - r);
        for (int64_t i = 0; i < h * d; i++)
            y[cells[r] * h * d + i] = k[r * h * d + i];
    }
}

/* y [d] = softmax over the rows of k listed in cells, strided by stride, of v. */
static void attend(const float *q, const float *k, const float *v, const int64_t *cells, int64_t n,
                   int64_t stride, int64_t d, double scale, double *y)
{
    double most = -INFINITY, sum = 0;
    double *score = g_new0(double, n);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++)
            score[i] += (double)q[j] * k[cells[i] * stride + j] * scale;
        most = MAX(most, score[i]);
    }
    for (int64_t i = 0; i < n; i++)
        sum += score[i] = exp(score[i] - most);
    for (int64_t j = 0; j < d; j++) {
        y[j] = 0;
        for (int64_t i = 0; i < n; i++)
            y[j] += score[i] / sum * v[cells[i] * stride + j];
    }
    g_free(score);
}

static void case_attend(struct trial *t)
{
    enum { P = GRAPH_PAGE_TOK };
    int64_t h = draw(t, 1, 3), group = draw(t, 1, 3), d = draw(t, 1, 40), n_page = draw(t, 1, 5);
    float *q = add_rows(t, 0, 3, (int64_t[]){1, h * group, d});
    float *keys = add_fixed(t, 1, 3, (int64_t[]){n_page * P, h, d});
    float *values = add_fixed(t, 2, 3, (int64_t[]){n_page * P, h, d});
    int32_t *pages = add_ints(t, 3, GRAPH_COUNT_NONE, 1, (int64_t[]){n_page + 2});
    int32_t *spans = add_ints(t, 4, GRAPH_COUNT_ROW, 2, (int64_t[]){1, 4});
    double *y = want(t, t->n_row * h * group * d);
    int64_t cells[5 * P];
    t->spec.scale = 0.3f;
    pages[0] = pages[1] = 0;
    for (int64_t i = 0; i < n_page; i++)
        pages[i + 2] = (int32_t)((i + 1) % n_page);
    for (int64_t r = 0; r < t->n_row; r++) {
        int32_t first = draw(t, 0, 300);
        int32_t last = first + draw(t, 1, (int)((n_page - 1) * P + 1));
        memcpy(spans + r * 4, (int32_t[]){2, (int32_t)n_page, first, last}, 16);
        for (int64_t p = first; p < last; p++)
            cells[p - first] = pages[2 + p / P % n_page] * P + p % P;
        for (int64_t i = 0; i < h * group; i++)
            attend(q + (r * h * group + i) * d, keys + i / group * d, values + i / group * d, cells,
                   last - first, h * d, d, 0.3f, y + (r * h * group + i) * d);
    }
}

static void case_attend_tile(struct trial *t)
{
    int64_t h = draw(t, 1, 3), d = draw(t, 1, 40), group = draw(t, 1, 40);
    int64_t ne[] = {group, h, d};
    int64_t cells[40];
    float *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = add_rows(t, i, 3, ne);
    double *y = want(t, t->n_row * group * h * d);
    t->spec.scale = 0.4f;
    t->spec.group = group;
    for (int64_t r = 0; r < t->n_row * group; r++) {
        for (int64_t i = 0; i < group; i++)
            cells[i] = r / group * group + i;
        for (int64_t i = 0; i < h; i++)
            attend(x[0] + (r * h + i) * d, x[1] + i * d, x[2] + i * d, cells, group, h * d, d, 0.4f,
                   y + (r * h + i) * d);
    }
}

static void case_add(struct trial *t)
{
    int64_t d = draw(t, 1, 99);
    float *a = add_rows(t, 0, 2, (int64_t[]){1, d}), *b = add_rows(t, 1, 2, (int64_t[]){1, d});
    double *y = want(t, t->n_row * d);
    for (int64_t i = 0; i < t->n_row * d; i++)
        y[i] = (double)a[i] + b[i];
}

static double silu(double x) { return x / (1 + exp(-x)); }

static void case_swiglu(struct trial *t)
{
    int64_t n = draw(t, 1, 3), d = draw(t, 1, 60);
    int64_t ne[] = {1, n, d};
    float *gate = add_rows(t, 0, 3, ne), *up = add_rows(t, 1, 3, ne);
    float *s = draw(t, 0, 1) ? add_rows(t, 2, 2, (int64_t[]){1, n}) : NULL;
    double *y = want(t, t->n_row * n * d);
    for (int64_t i = 0; i < t->n_row * n * d; i++) {
        double f = s ? s[i / d] : 1;
        y[i] = silu(f * gate[i]) * f * up[i];
    }
}

static void case_gelu(struct trial *t)
{
    int64_t d = draw(t, 1, 99);
    float *x = add_rows(t, 0, 2, (int64_t[]){1, d});
    double *y = want(t, t->n_row * d);
    for (int64_t i = 0; i < t->n_row * d; i++)
        y[i] = 0.5 * x[i] * (1 + erf(x[i] / sqrt(2.0)));
}

static void case_route(struct trial *t)
{
    int64_t e = draw(t, 1, 140), k = draw(t, 1, (int)MIN(e, 4));
    float *x = add_rows(t, 0, 2, (int64_t[]){1, e});
    double *y = want(t, t->n_row * k); /* ids */
    t->spec.n_used = k;
    for (int64_t r = 0; r < t->n_row; r++)
        for (int64_t i = 0; i < e; i++) {
            int64_t rank = 0;
            for (int64_t j = 0; j < e; j++)
                rank += x[r * e + j] > x[r * e + i] || (x[r * e + j] == x[r * e + i] && j < i);
            if (rank < k)
                y[r * k + rank] = (double)i;
        }
}

static void case_join(struct trial *t)
{
    int64_t n = draw(t, 1, 4), d = draw(t, 1, 60);
    float *parts = add_rows(t, 0, 3, (int64_t[]){1, n, d});
    float *base = draw(t, 0, 1) ? add_rows(t, 1, 2, (int64_t[]){1, d}) : NULL;
    double *y = want(t, t->n_row * d);
    for (int64_t i = 0; i < t->n_row * d; i++) {
        y[i] = base ? base[i] : 0;
        for (int64_t s = 0; s < n; s++)
            y[i] += parts[(i / d * n + s) * d + i % d];
    }
}

static void case_pick_rows(struct trial *t)
{
    int64_t n = draw(t, 1, 20), d = draw(t, 1, 60);
    float *x = add_fixed(t, 0, 2, (int64_t[]){n, d});
    int32_t *rows = add_ints(t, 1, GRAPH_COUNT_ROW, 1, (int64_t[]){1});
    double *y = want(t, t->n_row * d);
    for (int64_t r = 0; r < t->n_row; r++) {
        rows[r] = draw(t, 0, (int)n - 1);
        for (int64_t i = 0; i < d; i++)
            y[r * d + i] = x[rows[r] * d + i];
    }
}

static void case_tile_rows(struct trial *t)
{
    int64_t p = draw(t, 1, 20), d = draw(t, 1, 30);
    float *x = add_rows(t, 0, 2, (int64_t[]){p, d});
    float *class_row = add_fixed(t, 1, 1, &d);
    float *table = add_fixed(t, 2, 2, (int64_t[]){p + 1, d});
    double *y = want(t, t->n_row * (p + 1) * d);
    for (int64_t r = 0; r < t->n_row * (p + 1); r++)
        for (int64_t i = 0; i < d; i++) {
            int64_t at = r % (p + 1);
            double v = at == p ? class_row[i] : x[(r / (p + 1) * p + at) * d + i];
            y[r * d + i] = v + table[at * d + i];
        }
}

static void case_shuffle(struct trial *t)
{
    int64_t f = draw(t, 1, 3), side = draw(t, 1, 4), grid = f * side, d = draw(t, 1, 12);
    float *x = add_rows(t, 0, 2, (int64_t[]){grid * grid + 1, d});
    double *y = want(t, t->n_row * grid * grid * d);
    t->spec.group = grid;
    t->spec.factor = f;
    for (int64_t r = 0; r < t->n_row * side * side; r++)
        for (int64_t c = 0; c < f * f * d; c++) {
            int64_t Y = r / side % side, X = r % side, dy = c / d / f, dx = c / d % f;
            int64_t from = r / (side * side) * (grid * grid + 1) + (Y * f + dy) * grid + X * f + dx;
            y[r * f * f * d + c] = x[from * d + c % d];
        }
}

static void (*const cases[GRAPH_OP_COUNT])(struct trial *t) = {
    [GRAPH_OP_EMBED] = case_embed,
    [GRAPH_OP_RMS_NORM] = case_rms_norm,
    [GRAPH_OP_LAYER_NORM] = case_layer_norm,
    [GRAPH_OP_MATMUL] = case_matmul,
    [GRAPH_OP_MOE_MATMUL] = case_moe_matmul,
    [GRAPH_OP_ROPE] = case_rope,
    [GRAPH_OP_SCALE_ROWS] = case_scale_rows,
    [GRAPH_OP_KV_STORE] = case_kv_store,
    [GRAPH_OP_ATTEND] = case_attend,
    [GRAPH_OP_ATTEND_TILE] = case_attend_tile,
    [GRAPH_OP_ADD] = case_add,
    [GRAPH_OP_SWIGLU] = case_swiglu,
    [GRAPH_OP_GELU] = case_gelu,
    [GRAPH_OP_ROUTE] = case_route,
    [GRAPH_OP_JOIN] = case_join,
    [GRAPH_OP_PICK_ROWS] = case_pick_rows,
    [GRAPH_OP_TILE_ROWS] = case_tile_rows,
    [GRAPH_OP_SHUFFLE] = case_shuffle,
};

static void compare(const struct trial *t, const char *got, enum nawi_dtype dtype, const char *tier)
{
    double worst = 0, size = 0;
    for (int64_t i = 0; i < t->n_wanted; i++) {
        double v = dtype == NAWI_DTYPE_I32 ? ((const int32_t *)(const void *)got)[i]
                                           : (double)((const float *)(const void *)got)[i];
        worst += (v - t->wanted[i]) * (v - t->wanted[i]);
        size += t->wanted[i] * t->wanted[i];
    }
    if (!(sqrt(worst) <= 1e-5 * sqrt(size) + 1e-6)) {
        g_test_message("%s on %s, %" G_GINT64_FORMAT " rows: relative error %.3g",
                       graph_op_name(t->spec.op), tier, t->n_row, sqrt(worst / size));
        char *node = graph_print(t->graph);
        g_test_message("%s", node);
        g_free(node);
        g_test_fail();
    }
}

static void run_trial(struct trial *t, enum kernel_tier tier)
{
    GError *error = NULL;
    struct nawi_backend *backend = cpu_open(tier, 2);
    struct graph_tensor *out = graph_get_node(t->graph, 0)->out[0];
    struct graph_sizes sizes = {{1, t->n_row, 0, 0}};
    struct executor *executor = execute_create(t->graph, &backend, 1, &error);
    g_assert_no_error(error);
    for (int i = 0; i < GRAPH_MAX_INPUTS && t->spec.in[i]; i++)
        execute_set(executor, t->spec.in[i], t->data[i], (uint64_t)t->n_value[i] * 4, &error);
    g_assert_true(execute_run(executor, &sizes, NULL, &error));
    const struct graph_tensor *looked_at = t->checks_state ? t->spec.in[2] : out;
    const struct graph_place *place = &looked_at->place[0];
    compare(t, (char *)cpu_buffer_get_data(place->buffer) + place->offset, looked_at->dtype,
            kernels_get(tier)->name);
    execute_destroy(executor);
    for (int i = 0; i < graph_count_tensors(t->graph); i++)
        graph_get_tensor(t->graph, i)->place[0] = (struct graph_place){NULL, 0};
    backend->ops->close(backend);
}

static void test_op(const void *data)
{
    enum graph_op op = (enum graph_op)GPOINTER_TO_INT(data);
    GRand *rand = g_rand_new_with_seed(harness_seed());
    if (!cases[op]) {
        g_test_message("%s has no case", graph_op_name(op));
        g_test_fail();
        return;
    }
    for (int i = 0; i < (harness_is_full() ? 400 : 40); i++) {
        struct trial t = {.rand = rand, .graph = graph_create(), .spec = {.op = op}};
        static const int rows[] = {1, 2, 7, 31, 33};
        t.n_row = rows[g_rand_int_range(rand, 0, G_N_ELEMENTS(rows))];
        cases[op](&t);
        struct graph_tensor *out = graph_add(t.graph, &t.spec);
        if (out)
            graph_keep(t.graph, out, "out");
        graph_seal(t.graph, &(struct graph_sizes){{1, t.n_row, 0, 0}});
        for (int tier = 0; tier < KERNEL_TIER_COUNT; tier++)
            run_trial(&t, (enum kernel_tier)tier);
        for (int k = 0; k < GRAPH_MAX_INPUTS; k++)
            g_free(t.data[k]);
        g_free(t.wanted);
        graph_destroy(t.graph);
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (int op = 0; op < GRAPH_OP_COUNT; op++) {
        char *name = g_strdup_printf("/ops/%s", graph_op_name((enum graph_op)op));
        g_test_add_data_func(name, GINT_TO_POINTER(op), test_op);
        g_free(name);
    }
    return harness_main();
}
