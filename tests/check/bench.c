/* Speeds of the kernels on all processors together, each on its own share of rows, weights far
 * larger than the caches; beside them what the machine reads per second. */
#include "tests/check/check.h"

#include <stdio.h>
#include <string.h>

enum { K = 4096, ROWS = 4096, COLUMNS = 64, WEIGHTS = 64 << 20, MOST_THREADS = 64 };

struct share {
    const struct kernels *kernels;
    struct kernel_matmul args;
    enum nawi_dtype dtype;
    int n_repeat;
    const uint64_t *words;
    size_t n_word;
    uint64_t sum;
};

static double now(void) { return (double)g_get_monotonic_time() * 1e-6; }

/* Runs a function of each share on a thread of its own; seconds of the best of three. */
static double run_shares(GThreadFunc function, struct share *shares, int n)
{
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        GThread *threads[MOST_THREADS];
        double start = now();
        for (int t = 0; t < n; t++)
            threads[t] = g_thread_new("bench", function, &shares[t]);
        for (int t = 0; t < n; t++)
            g_thread_join(threads[t]);
        best = MIN(best, now() - start);
    }
    return best;
}

static gpointer read_words(gpointer data)
{
    struct share *share = data;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= share->n_word; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += share->words[i + j];
    for (size_t j = 0; j < 8; j++)
        share->sum += sum[j];
    return NULL;
}

static gpointer multiply(gpointer data)
{
    struct share *share = data;
    for (int i = 0; i < share->n_repeat; i++)
        share->kernels->matmul[share->dtype](&share->args);
    return NULL;
}

static double measure_reading(const char *weights, int n_thread)
{
    struct share shares[MOST_THREADS] = {0};
    size_t n_word = WEIGHTS / 8 / (size_t)n_thread;
    for (int t = 0; t < n_thread; t++) {
        shares[t].words = (const uint64_t *)(const void *)weights + n_word * (size_t)t;
        shares[t].n_word = n_word;
    }
    return (double)WEIGHTS / run_shares(read_words, shares, n_thread);
}

struct bench {
    struct check check;
    char *weights;
    float *x, *y;
    char *prepared;
    int n_thread;
    double reading; /* bytes per second */
};

static void fill_weights(struct bench *bench, enum nawi_dtype dtype, int64_t *n_row)
{
    int64_t row_bytes = nawi_dtype_row_bytes(dtype, K);
    *n_row = MIN(WEIGHTS / row_bytes, 1 << 15);
    check_weights(&bench->check, dtype, K * 16, bench->weights);
    for (int64_t r = 16; r < *n_row; r += 16)
        memcpy(bench->weights + r * row_bytes, bench->weights,
               (size_t)(MIN(16, *n_row - r) * row_bytes));
}

/* Seconds of the rows times n_col columns, and what they were shared as. */
static double time_columns(struct bench *bench, enum nawi_dtype dtype, int64_t n_row, int64_t n_col)
{
    struct share shares[MOST_THREADS] = {0};
    const struct kernels *tier = bench->check.tier;
    for (int t = 0; t < bench->n_thread; t++) {
        int64_t first = n_row * t / bench->n_thread;
        int64_t end = n_row * (t + 1) / bench->n_thread;
        shares[t] = (struct share){.kernels = tier, .dtype = dtype, .n_repeat = 1};
        shares[t].args = (struct kernel_matmul){
            .k = K,
            .n_row = end - first,
            .n_col = n_col,
            .w = bench->weights + first * nawi_dtype_row_bytes(dtype, K),
            .w_row_bytes = nawi_dtype_row_bytes(dtype, K),
            .w_block_bytes = nawi_dtype_get_info(dtype)->block_bytes,
            .x = bench->prepared,
            .x_row_bytes = kernel_act_bytes(tier->act[dtype], K),
            .y = bench->y + first,
            .y_row_len = n_row,
        };
    }
    return run_shares(multiply, shares, bench->n_thread);
}

static void bench_dtype(struct bench *bench, enum nawi_dtype dtype)
{
    const struct kernels *tier = bench->check.tier;
    const enum kernel_act act = tier->act[dtype];
    int64_t n_row;
    fill_weights(bench, dtype, &n_row);
    for (int c = 0; c < COLUMNS; c++)
        tier->prepare[act](K, bench->x + c * K, bench->prepared + c * kernel_act_bytes(act, K));
    double bytes = (double)(n_row * nawi_dtype_row_bytes(dtype, K));
    double one = time_columns(bench, dtype, n_row, 1);
    int64_t n_many = MIN(n_row, 2048);
    double many = time_columns(bench, dtype, n_many, COLUMNS);
    printf("%-6s %-8s %7.2f GB/s %4.0f %% of reading %7.1f Gop/s   %d columns %7.1f Gop/s\n",
           tier->name, nawi_dtype_get_info(dtype)->name, bytes / one * 1e-9,
           100 * bytes / one / bench->reading, 2e-9 * K * (double)n_row / one, COLUMNS,
           2e-9 * K * COLUMNS * (double)n_many / many);
    fflush(stdout);
}

/* Nanoseconds a value of what works along a row of 5120. */
static void bench_rows(struct bench *bench)
{
    enum { N = 5120, REPEATS = 200 };
    const struct kernels *tier = bench->check.tier;
    float *y = bench->y;
    double start;
    double each = 1e9 / N / REPEATS;
#define TIME(label, call)                                                                          \
    do {                                                                                           \
        start = now();                                                                             \
        for (int i = 0; i < REPEATS; i++)                                                          \
            call;                                                                                  \
        printf("%-6s %-10s %7.3f ns a value\n", tier->name, label, (now() - start) * each);        \
    } while (0)
    TIME("rms_norm", tier->rms_norm(N, 1e-5f, bench->x, bench->x, y));
    TIME("layer_norm", tier->layer_norm(N, 1e-5f, bench->x, bench->x, bench->x, y));
    TIME("rope", tier->rope(N / 128, 128, 128, false, bench->x, y));
    TIME("swiglu", tier->swiglu(N, 1, bench->x, bench->x, y));
    TIME("gelu", tier->gelu(N, bench->x, y));
    TIME("add", tier->add(N, bench->x, bench->x, y));
    for (int act = 0; act < KERNEL_ACT_COUNT; act++)
        if (tier->prepare[act])
            TIME("prepare", tier->prepare[act](N, bench->x, bench->prepared));
#undef TIME
}

/* Five queries of 128 values over 1024 positions: products of scores and values. */
static void bench_attend(struct bench *bench)
{
    enum { LENGTH = 1024, QUERIES = 5, D = 128 };
    for (int is_half = 0; is_half < 2; is_half++) {
        int64_t bytes = is_half ? 2 : 4;
        struct kernel_attend args = {
            .n_q = QUERIES,
            .d = D,
            .q = bench->x,
            .y = bench->y,
            .scale = 0.1f,
            .last = LENGTH,
            .k = bench->weights,
            .v = bench->weights + D * bytes,
            .cell_bytes = 2 * D * bytes,
            .kv_dtype = is_half ? NAWI_DTYPE_F16 : NAWI_DTYPE_F32,
        };
        check_weights(&bench->check, args.kv_dtype, LENGTH * 2 * D, bench->weights);
        double start = now();
        for (int i = 0; i < 20; i++)
            bench->check.tier->attend(&args);
        double seconds = (now() - start) / 20;
        printf("%-6s attend %s %7.1f GFLOP/s, one thread\n", bench->check.tier->name,
               is_half ? "F16" : "F32", 4e-9 * LENGTH * QUERIES * D / seconds);
    }
}

void check_bench(const char *filter)
{
    struct bench bench = {0};
    bench.n_thread = (int)MIN(g_get_num_processors(), MOST_THREADS);
    bench.check.rand = g_rand_new_with_seed(1);
    bench.weights = g_malloc0(WEIGHTS + 4096);
    bench.x = g_new(float, COLUMNS *K);
    bench.y = g_new(float, COLUMNS * (1 << 15));
    bench.prepared = g_malloc(COLUMNS * K * sizeof(float));
    check_fill(&bench.check, COLUMNS * K, CHECK_PLAIN, bench.x);
    memset(bench.weights, 1, WEIGHTS);
    bench.reading = measure_reading(bench.weights, bench.n_thread);
    printf("%d threads, reading %.1f GB/s\n", bench.n_thread, bench.reading * 1e-9);
    for (int tier = KERNEL_TIER_COUNT - 1; tier > KERNEL_TIER_REF; tier--) {
        bench.check.tier = kernels_get((enum kernel_tier)tier);
        for (int dtype = 0; dtype < NAWI_DTYPE_COUNT; dtype++)
            if (dtype != NAWI_DTYPE_I32 &&
                (!filter || strcmp(filter, nawi_dtype_get_info((enum nawi_dtype)dtype)->name) == 0))
                bench_dtype(&bench, (enum nawi_dtype)dtype);
        if (!filter) {
            bench_rows(&bench);
            bench_attend(&bench);
        }
    }
    g_rand_free(bench.check.rand);
    g_free(bench.weights);
    g_free(bench.x);
    g_free(bench.y);
    g_free(bench.prepared);
}
