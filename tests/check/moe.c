/* The multiplications with rows chosen by number, as experts use them: columns read rows of x and
 * write rows of y in any order, and nothing else is touched. */
#include "tests/check/check.h"

#include <string.h>

enum { X_ROWS = 9, Y_ROWS = 13, COLUMNS = 7, ROWS = 10 };

static void shuffle(struct check *check, int32_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        ids[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = check_draw(check, 0, i);
        int32_t id = ids[i];
        ids[i] = ids[j];
        ids[j] = id;
    }
}

static void run_dtype(struct check *check, enum nawi_dtype dtype)
{
    const struct kernels *tier = check->tier;
    const int64_t k = nawi_dtype_get_info(dtype)->block_len == 1 ? 96 : 512;
    const enum kernel_act act = tier->act[dtype];
    const int64_t x_bytes = kernel_act_bytes(act, k);
    const int64_t row_len = ROWS + check_draw(check, 0, 5);
    int32_t x_rows[COLUMNS];
    int32_t y_rows[Y_ROWS];
    float plain[512];
    struct check_memory w, x, y, apart;
    check_memory_init(&w, (size_t)(ROWS * nawi_dtype_row_bytes(dtype, k)));
    check_memory_init(&x, (size_t)(X_ROWS * x_bytes));
    check_memory_init(&y, (size_t)(Y_ROWS * row_len) * sizeof(float));
    check_memory_init(&apart, ROWS * sizeof(float));
    check_weights(check, dtype, ROWS * k, w.at);
    for (int i = 0; i < X_ROWS; i++) {
        check_fill(check, k, CHECK_PLAIN, plain);
        tier->prepare[act](k, plain, x.at + i * x_bytes);
    }
    for (int c = 0; c < COLUMNS; c++)
        x_rows[c] = check_draw(check, 0, X_ROWS - 1);
    shuffle(check, y_rows, Y_ROWS);
    for (int n_col = 1; n_col <= COLUMNS; n_col++) {
        check_describe(check, "%s chosen rows, columns %d", nawi_dtype_get_info(dtype)->name,
                       n_col);
        struct kernel_matmul args = {
            .k = k,
            .n_row = ROWS,
            .n_col = n_col,
            .w = w.at,
            .w_row_bytes = nawi_dtype_row_bytes(dtype, k),
            .w_block_bytes = nawi_dtype_get_info(dtype)->block_bytes,
            .x = x.at,
            .x_row_bytes = x_bytes,
            .x_rows = x_rows,
            .y_rows = y_rows,
            .y = (float *)y.at,
            .y_row_len = row_len,
        };
        char *wanted = g_memdup2(y.at, y.n_bytes);
        tier->matmul[dtype](&args);
        args.x_rows = args.y_rows = NULL;
        args.n_col = 1;
        args.y = (float *)apart.at;
        for (int c = 0; c < n_col; c++) {
            args.x = x.at + x_rows[c] * x_bytes;
            tier->matmul[dtype](&args);
            memcpy(wanted + (size_t)(y_rows[c] * row_len) * sizeof(float), apart.at, apart.n_bytes);
        }
        check_same(check, "y", y.at, wanted, y.n_bytes);
        check_memory_verify(check, &y);
        g_free(wanted);
    }
    check_memory_finish(&w);
    check_memory_finish(&x);
    check_memory_finish(&y);
    check_memory_finish(&apart);
}

static void run(struct check *check)
{
    for (int dtype = 0; dtype < NAWI_DTYPE_COUNT; dtype++)
        if (dtype != NAWI_DTYPE_I32)
            run_dtype(check, (enum nawi_dtype)dtype);
}

const struct check_case check_moe_cases[] = {{CHECK_SLOT(matmul, run)}, {0}};
