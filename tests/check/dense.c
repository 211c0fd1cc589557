/* The multiplications: every dtype, odd sizes, awkward values; whole calls against split ones.
 *
 * Activations are prepared by the tier, taken back to floats by the form's own definition, and
 * multiplied by the truth: what remains is rounding, bounded by the sum of the products' sizes. */
#include "tests/check/check.h"

#include <math.h>
#include <string.h>

enum { MOST_WORK = 400000 }; /* products in one trial, since the truth is slow */

struct trial {
    struct check *check;
    enum nawi_dtype dtype;
    int64_t k, n_row, n_col;
    bool is_turned;
    struct check_memory w, x, y;
    float *plain; /* [n_col, k] what was prepared */
    float *meant; /* [n_col, k] what the prepared form stands for */
    float *scale, *bias;
    struct kernel_matmul args;
};

static void choose_sizes(struct trial *trial)
{
    static const int counts[] = {1, 1, 2, 3, 4, 7, 8, 31, 33, 65, 257};
    struct check *check = trial->check;
    int block = nawi_dtype_get_info(trial->dtype)->block_len;
    do {
        trial->n_row = check_pick(check, G_N_ELEMENTS(counts), counts);
        trial->n_col = check_pick(check, G_N_ELEMENTS(counts), counts);
        trial->k =
            block == 1 ? check_draw(check, 1, 1100) : block * check_draw(check, 1, 2600 / block);
    } while (trial->n_row * trial->n_col * trial->k > MOST_WORK);
}

static void place_weights(struct trial *trial)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(trial->dtype);
    int64_t row_bytes = trial->k / info->block_len * info->block_bytes;
    int64_t spare = check_draw(trial->check, 0, 3) * (int64_t)info->block_bytes;
    if (trial->is_turned) {
        trial->args.w_row_bytes = info->block_bytes;
        trial->args.w_block_bytes =
            trial->n_row * info->block_bytes + MAX(spare, info->block_bytes);
        check_memory_init(&trial->w, (size_t)((trial->k - 1) * trial->args.w_block_bytes +
                                              trial->n_row * info->block_bytes));
    } else {
        trial->args.w_row_bytes = row_bytes + spare;
        trial->args.w_block_bytes = info->block_bytes;
        check_memory_init(&trial->w,
                          (size_t)((trial->n_row - 1) * (row_bytes + spare) + row_bytes));
    }
    check_weights(trial->check, trial->dtype,
                  (int64_t)trial->w.n_bytes / info->block_bytes * info->block_len, trial->w.at);
    trial->args.w = trial->w.at;
}

static void place_activations(struct trial *trial, enum check_values values)
{
    struct check *check = trial->check;
    enum kernel_act act = check->tier->act[trial->dtype];
    int64_t bytes = kernel_act_bytes(act, trial->k);
    check_memory_init(&trial->x, (size_t)(bytes * trial->n_col));
    trial->plain = g_new(float, trial->n_col * trial->k);
    trial->meant = g_new(float, trial->n_col * trial->k);
    for (int64_t c = 0; c < trial->n_col; c++) {
        check_fill(check, trial->k, values, trial->plain + c * trial->k);
        check->tier->prepare[act](trial->k, trial->plain + c * trial->k, trial->x.at + c * bytes);
        check_unprepare(act, trial->k, trial->x.at + c * bytes, trial->meant + c * trial->k);
    }
    trial->args.x = trial->x.at;
    trial->args.x_row_bytes = bytes;
}

static void open_trial(struct trial *trial, struct check *check, enum nawi_dtype dtype,
                       enum check_values values, bool is_turned)
{
    *trial = (struct trial){.check = check, .dtype = dtype, .is_turned = is_turned};
    choose_sizes(trial);
    place_weights(trial);
    place_activations(trial, values);
    check_memory_init(&trial->y, (size_t)(trial->n_row * trial->n_col) * sizeof(float));
    trial->scale = g_new(float, trial->n_row);
    trial->bias = g_new(float, trial->n_row);
    check_fill(check, trial->n_row, CHECK_PLAIN, trial->scale);
    check_fill(check, trial->n_row, CHECK_PLAIN, trial->bias);
    trial->args.k = trial->k;
    trial->args.n_row = trial->n_row;
    trial->args.n_col = trial->n_col;
    trial->args.scale = check_draw(check, 0, 1) ? trial->scale : NULL;
    trial->args.bias = check_draw(check, 0, 1) ? trial->bias : NULL;
    trial->args.y = (float *)trial->y.at;
    trial->args.y_row_len = trial->n_row;
    check_describe(check, "%s rows %d columns %d k %d values %d%s%s%s",
                   nawi_dtype_get_info(dtype)->name, (int)trial->n_row, (int)trial->n_col,
                   (int)trial->k, values, is_turned ? " turned" : "",
                   trial->args.scale ? " scale" : "", trial->args.bias ? " bias" : "");
}

static void close_trial(struct trial *trial)
{
    check_memory_verify(trial->check, &trial->y);
    check_memory_finish(&trial->w);
    check_memory_finish(&trial->x);
    check_memory_finish(&trial->y);
    g_free(trial->plain);
    g_free(trial->meant);
    g_free(trial->scale);
    g_free(trial->bias);
}

/* Row r of the weights as numbers. */
static void read_row(const struct trial *trial, int64_t r, float *out)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(trial->dtype);
    for (int64_t i = 0; i < trial->k; i += info->block_len)
        info->dequant(info->block_len,
                      trial->args.w + r * trial->args.w_row_bytes +
                          i / info->block_len * trial->args.w_block_bytes,
                      out + i);
}

/* The least half unit of the largest weight, times the offset that some formats take off, is what
 * a tier may lose; 24 times the largest is above every offset. */
static void compare(const struct trial *trial)
{
    float *w = g_new(float, trial->k);
    for (int64_t r = 0; r < trial->n_row; r++) {
        double most = 0;
        read_row(trial, r, w);
        for (int64_t i = 0; i < trial->k; i++)
            most = fmax(most, fabs((double)w[i]));
        for (int64_t c = 0; c < trial->n_col; c++) {
            double sum = 0;
            double size = 0;
            for (int64_t i = 0; i < trial->k; i++) {
                double x = (double)trial->meant[c * trial->k + i];
                sum += (double)w[i] * x;
                size += most * fabs(x);
            }
            double scale = trial->args.scale ? (double)trial->scale[r] : 1;
            double bias = trial->args.bias ? (double)trial->bias[r] : 0;
            double allowed = 2e-6 * (size * fabs(scale) + fabs(bias)) + 1e-38;
            if (!check_near(trial->check, "y", c * trial->n_row + r,
                            (double)trial->args.y[c * trial->n_row + r], sum * scale + bias,
                            allowed))
                goto done;
        }
    }
done:
    g_free(w);
}

/* The same in pieces of rows and columns must give the same bits. */
static void split(const struct trial *trial)
{
    struct check *check = trial->check;
    struct check_memory again;
    check_memory_init(&again, trial->y.n_bytes);
    for (int64_t c = 0; c < trial->n_col;) {
        int64_t n_col = check_draw(check, 1, (int)MIN(5, trial->n_col - c));
        for (int64_t r = 0; r < trial->n_row;) {
            int64_t n_row = check_draw(check, 1, (int)(trial->n_row - r));
            struct kernel_matmul args = trial->args;
            args.n_row = n_row;
            args.n_col = n_col;
            args.w += r * args.w_row_bytes;
            args.scale = args.scale ? args.scale + r : NULL;
            args.bias = args.bias ? args.bias + r : NULL;
            args.x = (const char *)args.x + c * args.x_row_bytes;
            args.y = (float *)again.at + c * args.y_row_len + r;
            check->tier->matmul[trial->dtype](&args);
            r += n_row;
        }
        c += n_col;
    }
    check_same(check, "split", again.at, trial->y.at, trial->y.n_bytes);
    check_memory_finish(&again);
}

/* A column with a NaN or an infinity has no finite result; the others keep their bits. */
static void poison(const struct trial *trial)
{
    struct check *check = trial->check;
    enum kernel_act act = check->tier->act[trial->dtype];
    int64_t at = check_draw(check, 0, (int)trial->n_col - 1);
    float *x = trial->plain + at * trial->k;
    float *before = g_memdup2(trial->args.y, trial->y.n_bytes);
    x[check_draw(check, 0, (int)trial->k - 1)] = check_draw(check, 0, 1) ? NAN : INFINITY;
    check->tier->prepare[act](trial->k, x, trial->x.at + at * trial->args.x_row_bytes);
    check->tier->matmul[trial->dtype](&trial->args);
    int64_t n_finite = 0;
    for (int64_t r = 0; r < trial->n_row; r++) {
        n_finite += isfinite(trial->args.y[at * trial->n_row + r]) != 0;
        before[at * trial->n_row + r] = trial->args.y[at * trial->n_row + r];
    }
    check_near(check, "finite results of a NaN", at, (double)n_finite, 0, 0);
    check_same(check, "neighbours of a NaN", trial->args.y, before, trial->y.n_bytes);
    g_free(before);
}

static void run_trial(struct check *check, enum nawi_dtype dtype, enum check_values values,
                      bool is_turned)
{
    struct trial trial;
    open_trial(&trial, check, dtype, values, is_turned);
    check->tier->matmul[dtype](&trial.args);
    compare(&trial);
    split(&trial);
    if (values == CHECK_PLAIN)
        poison(&trial);
    close_trial(&trial);
}

static void run(struct check *check)
{
    int n = harness_is_full() ? 100 : 12;
    for (int dtype = 0; dtype < NAWI_DTYPE_COUNT; dtype++) {
        if (dtype == NAWI_DTYPE_I32) {
            g_assert_null(check->tier->matmul[dtype]);
            continue;
        }
        for (int i = 0; i < n; i++)
            run_trial(check, (enum nawi_dtype)dtype, CHECK_PLAIN, false);
        for (int values = 0; values < CHECK_VALUES; values++)
            run_trial(check, (enum nawi_dtype)dtype, (enum check_values)values, false);
        for (int i = 0; nawi_dtype_get_info((enum nawi_dtype)dtype)->block_len == 1 && i < n; i++)
            run_trial(check, (enum nawi_dtype)dtype,
                      i % 2 ? CHECK_PLAIN
                            : (enum check_values)check_draw(check, 0, CHECK_VALUES - 1),
                      true);
    }
}

const struct check_case check_dense_cases[] = {{CHECK_SLOT(matmul, run)}, {0}};
