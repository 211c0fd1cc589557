/* Forms of numbers: a tier's dequantisers give the bits of the table of dtypes; prepared
 * activations stand for what went in, within half a step. */
#include "tests/check/check.h"

#include <math.h>
#include <string.h>

static void run_dequant(struct check *check)
{
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++) {
        enum nawi_dtype dtype = (enum nawi_dtype)i;
        const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
        if (!info->dequant) {
            g_assert_null(check->tier->dequant[dtype]);
            continue;
        }
        int64_t n = info->block_len * (int64_t)check_draw(check, 1, 9);
        float *wanted = g_new(float, n);
        struct check_memory src, dst;
        check_describe(check, "%s n %d", info->name, (int)n);
        check_memory_init(&src, (size_t)nawi_dtype_row_bytes(dtype, n));
        check_memory_init(&dst, (size_t)n * sizeof(float));
        check_weights(check, dtype, n, src.at);
        info->dequant(n, src.at, wanted);
        check->tier->dequant[dtype](n, src.at, (float *)dst.at);
        check_same(check, "dequant", dst.at, wanted, dst.n_bytes);
        check_memory_verify(check, &dst);
        check_memory_finish(&src);
        check_memory_finish(&dst);
        g_free(wanted);
    }
}

/* |meant - plain| <= half a step of the block's scale, and the sums agree with the bytes. */
static void compare_prepared(struct check *check, enum kernel_act act, int64_t n,
                             const float *plain, const char *prepared)
{
    int64_t len = act == KERNEL_ACT_Q8 ? 32 : act == KERNEL_ACT_Q8_K ? 256 : 1;
    float *meant = g_new(float, n);
    check_unprepare(act, n, prepared, meant);
    for (int64_t b = 0; b < n; b += len) {
        double most = 0;
        for (int64_t i = b; i < b + len; i++)
            most = fmax(most, fabs((double)plain[i]));
        double allowed = act == KERNEL_ACT_F32 ? 0 : fmax(most / 127 * 0.50003, 1e-30);
        for (int64_t i = b; i < b + len; i++)
            if (!check_near(check, "prepared", i, (double)meant[i], (double)plain[i], allowed))
                goto done;
    }
    for (int64_t i = 0; act == KERNEL_ACT_Q8 && i < n; i += 32) {
        const struct kernel_q8 *group = (const struct kernel_q8 *)prepared + i / 256;
        double sum = 0;
        for (int64_t j = i; j < i + 32; j++)
            sum += (double)meant[j];
        check_near(check, "sum", i, (double)group->s[i % 256 / 32], sum,
                   1e-5 * 32 * 127 * fabs((double)group->d[i % 256 / 32]));
    }
    for (int64_t i = 0; act == KERNEL_ACT_Q8_K && i < n; i += 16) {
        const struct kernel_q8_k *group = (const struct kernel_q8_k *)prepared + i / 256;
        double sum = 0;
        for (int64_t j = i; j < i + 16; j++)
            sum += (double)meant[j];
        check_near(check, "sum", i, (double)group->d * group->sums[i % 256 / 16], sum,
                   1e-5 * 16 * 127 * fabs((double)group->d));
    }
done:
    g_free(meant);
}

static void run_prepare(struct check *check)
{
    for (int act = 0; act < KERNEL_ACT_COUNT; act++) {
        for (int i = 0; check->tier->prepare[act] && i < 60; i++) {
            enum check_values values = (enum check_values)(i % CHECK_VALUES);
            int64_t step = act == KERNEL_ACT_Q8 ? 32 : act == KERNEL_ACT_Q8_K ? 256 : 1;
            int64_t n = step * check_draw(check, 1, 20);
            struct check_memory plain, prepared;
            check_describe(check, "form %d n %d values %d", act, (int)n, values);
            check_memory_init(&plain, (size_t)n * sizeof(float));
            check_memory_init(&prepared, (size_t)kernel_act_bytes((enum kernel_act)act, n));
            check_fill(check, n, values, (float *)plain.at);
            check->tier->prepare[act](n, (const float *)plain.at, prepared.at);
            compare_prepared(check, (enum kernel_act)act, n, (const float *)plain.at, prepared.at);
            check_memory_verify(check, &prepared);
            check_memory_finish(&plain);
            check_memory_finish(&prepared);
        }
    }
}

/* Each dtype's form is one that the tier can prepare. */
static void run_act(struct check *check)
{
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++)
        g_assert_true(check->tier->prepare[check->tier->act[i]] != NULL);
}

const struct check_case check_dtype_cases[] = {
    {CHECK_SLOT(act, run_act)},
    {CHECK_SLOT(prepare, run_prepare)},
    {CHECK_SLOT(dequant, run_dequant)},
    {0},
};
