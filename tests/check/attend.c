/* Attention: odd heads and lengths, pages in any order, both cache dtypes; queries together and
 * apart give the same bits. The truth is written out here in double, for ref is a candidate too. */
#include "tests/check/check.h"

#include <math.h>
#include <string.h>

struct trial {
    struct kernel_attend args;
    int32_t pages[16];
    struct check_memory cells, q, y;
    int64_t n_cell;
};

static void put(const struct trial *trial, char *at, int64_t i, double value)
{
    float number = (float)value;
    uint16_t half = nawi_f32_to_f16(number);
    if (trial->args.kv_dtype == NAWI_DTYPE_F16)
        memcpy(at + i * 2, &half, sizeof half);
    else
        memcpy(at + i * 4, &number, sizeof number);
}

static double get(const struct trial *trial, const char *at, int64_t i)
{
    float number;
    uint16_t half;
    if (trial->args.kv_dtype == NAWI_DTYPE_F16) {
        memcpy(&half, at + i * 2, sizeof half);
        return (double)nawi_f16_to_f32(half);
    }
    memcpy(&number, at + i * 4, sizeof number);
    return (double)number;
}

static void open_trial(struct check *check, struct trial *trial, double q_size)
{
    static const int heads[] = {1, 2, 3, 4, 5, 8, 15, 17, 33};
    static const int widths[] = {1, 7, 8, 16, 24, 31, 64, 88, 128, 130};
    struct kernel_attend *args = &trial->args;
    *trial = (struct trial){0};
    args->n_q = check_pick(check, G_N_ELEMENTS(heads), heads);
    args->d = check_pick(check, G_N_ELEMENTS(widths), widths);
    args->kv_dtype = check_draw(check, 0, 1) ? NAWI_DTYPE_F16 : NAWI_DTYPE_F32;
    args->scale = (float)(1 / sqrt((double)args->d));
    args->first = check_draw(check, 0, 1) ? check_draw(check, 0, 200) : 0;
    args->last = args->first + check_draw(check, 1, check_draw(check, 0, 1) ? 4 : 150);
    trial->n_cell = args->last;
    if (check_draw(check, 0, 1)) {
        args->page_tok = 1 << check_draw(check, 3, 6);
        args->n_page = args->last / args->page_tok + 1;
        if (args->n_page > 16 || check_draw(check, 0, 1)) /* a ring that just holds the window */
            args->n_page = (args->last - args->first) / args->page_tok + 2;
        args->n_page = MIN(args->n_page, 16);
        if (args->n_page * args->page_tok < args->last - args->first + args->page_tok)
            args->first = MIN(args->last - 1,
                              MAX(args->last - (args->n_page - 1) * args->page_tok, args->first));
        for (int i = 0; i < 16; i++)
            trial->pages[i] = (int32_t)((i * 5 + 3) % 16);
        args->pages = trial->pages;
        trial->n_cell = 16 * (int64_t)args->page_tok;
    }
    int64_t bytes = args->kv_dtype == NAWI_DTYPE_F16 ? 2 : 4;
    args->cell_bytes = 2 * args->d * bytes;
    check_memory_init(&trial->cells, (size_t)(trial->n_cell * args->cell_bytes));
    check_memory_init(&trial->q, (size_t)(args->n_q * args->d) * sizeof(float));
    check_memory_init(&trial->y, (size_t)(args->n_q * args->d) * sizeof(float));
    args->k = trial->cells.at;
    args->v = trial->cells.at + args->d * bytes;
    args->q = (const float *)trial->q.at;
    args->y = (float *)trial->y.at;
    for (int64_t i = 0; i < trial->n_cell * 2 * args->d; i++)
        put(trial, trial->cells.at, i, g_rand_double_range(check->rand, -1, 1));
    for (int64_t i = 0; i < args->n_q * args->d; i++)
        ((float *)trial->q.at)[i] = (float)(q_size * g_rand_double_range(check->rand, -1, 1));
    check_describe(check, "queries %d d %d positions %d..%d %s page %d of %d size %g", args->n_q,
                   (int)args->d, (int)args->first, (int)args->last,
                   nawi_dtype_get_info(args->kv_dtype)->name, args->page_tok, (int)args->n_page,
                   q_size);
}

static void close_trial(struct check *check, struct trial *trial)
{
    check_memory_verify(check, &trial->y);
    check_memory_finish(&trial->cells);
    check_memory_finish(&trial->q);
    check_memory_finish(&trial->y);
}

static int64_t find_cell(const struct trial *trial, int64_t position)
{
    const struct kernel_attend *args = &trial->args;
    if (!args->pages)
        return position;
    int64_t page = position / args->page_tok;
    return args->pages[page % args->n_page] * (int64_t)args->page_tok + position -
           page * args->page_tok;
}

static void compare(const struct check *check, const struct trial *trial, double allowed)
{
    const struct kernel_attend *args = &trial->args;
    int64_t n = args->last - args->first;
    double *p = g_new(double, n);
    for (int h = 0; h < args->n_q; h++) {
        double most = -INFINITY;
        double total = 0;
        for (int64_t i = 0; i < n; i++) {
            const char *k = args->k + find_cell(trial, args->first + i) * args->cell_bytes;
            p[i] = 0;
            for (int64_t j = 0; j < args->d; j++)
                p[i] += (double)args->q[h * args->d + j] * get(trial, k, j) * (double)args->scale;
            most = fmax(most, p[i]);
        }
        for (int64_t i = 0; i < n; i++)
            total += p[i] = exp(p[i] - most);
        for (int64_t j = 0; j < args->d; j++) {
            double wanted = 0;
            for (int64_t i = 0; i < n; i++) {
                const char *v = args->v + find_cell(trial, args->first + i) * args->cell_bytes;
                wanted += p[i] / total * get(trial, v, j);
            }
            if (!check_near(check, "y", h * args->d + j, (double)args->y[h * args->d + j], wanted,
                            allowed))
                goto done;
        }
    }
done:
    g_free(p);
}

static void check_apart(struct check *check, const struct trial *trial)
{
    struct check_memory again;
    check_memory_init(&again, trial->y.n_bytes);
    for (int h = 0; h < trial->args.n_q;) {
        struct kernel_attend args = trial->args;
        args.n_q = check_draw(check, 1, trial->args.n_q - h);
        args.q += h * args.d;
        args.y = (float *)again.at + h * args.d;
        check->tier->attend(&args);
        h += args.n_q;
    }
    check_same(check, "queries apart", again.at, trial->y.at, trial->y.n_bytes);
    check_memory_finish(&again);
}

/* One query with a NaN: its result is NaN, the others keep their bits. */
static void poison(struct check *check, const struct trial *trial)
{
    struct kernel_attend args = trial->args;
    int at = check_draw(check, 0, args.n_q - 1);
    float *before = g_memdup2(args.y, trial->y.n_bytes);
    ((float *)trial->q.at)[at * args.d] = NAN;
    args.kv_dtype = trial->args.kv_dtype;
    check->tier->attend(&args);
    for (int64_t j = 0; j < args.d; j++) {
        check_near(check, "NaN", j, (double)args.y[at * args.d + j], NAN, 0);
        before[at * args.d + j] = args.y[at * args.d + j];
    }
    check_same(check, "neighbours of a NaN", args.y, before, trial->y.n_bytes);
    g_free(before);
}

static void run(struct check *check)
{
    static const double sizes[] = {1, 0, 1e-30, 20, 1e6};
    for (int i = 0; i < (harness_is_full() ? 400 : 60); i++) {
        struct trial trial;
        double size = sizes[i % 5];
        open_trial(check, &trial, size);
        check->tier->attend(&trial.args);
        /* A score is off by its size times the rounding of its sum, a weight by as much again. */
        if (size <= 20)
            compare(check, &trial, 1e-6 * (3 + size * sqrt((double)trial.args.d)));
        for (int64_t j = 0; j < trial.args.n_q * trial.args.d; j++)
            check_near(check, "size", j, fmax(fabs((double)trial.args.y[j]), 1), 1, 1e-5);
        check_apart(check, &trial);
        poison(check, &trial);
        close_trial(check, &trial);
    }
}

const struct check_case check_attend_cases[] = {{CHECK_SLOT(attend, run)}, {0}};
