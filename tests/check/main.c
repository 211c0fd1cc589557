/* Checks every slot of struct kernels at every tier that this processor runs; with --bench, prints
 * their speeds instead.
 *
 *     check-kernels [GTest options] [--bench [NAME]] */
#include "tests/check/check.h"

#include <string.h>

static const struct check_case *const tables[] = {
    check_attend_cases, check_dense_cases, check_dtype_cases, check_moe_cases,
    check_norm_cases,   check_rope_cases,  check_small_cases,
};

struct job {
    const struct check_case *row;
    enum kernel_tier tier;
};

static void run_job(const void *data)
{
    const struct job *job = data;
    struct check check = {
        .tier = kernels_get(job->tier),
        .ref = kernels_get(KERNEL_TIER_REF),
        .rand = g_rand_new_with_seed(harness_seed()),
    };
    job->row->run(&check);
    g_rand_free(check.rand);
    g_free(check.what);
}

static bool is_covered(size_t offset)
{
    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++)
        for (const struct check_case *row = tables[t]; row->name; row++)
            if (offset >= row->offset && offset < row->offset + row->n_bytes)
                return true;
    return false;
}

/* A slot that was added without a case lies in nobody's range. */
static void test_every_slot(void)
{
    for (size_t offset = sizeof(char *); offset < sizeof(struct kernels); offset += sizeof(void *))
        if (!is_covered(offset))
            g_error("the slot at byte %zu of struct kernels has no case", offset);
}

static void test_names(void)
{
    enum kernel_tier tier;
    g_assert_false(kernels_tier_from_name("sse", &tier));
    g_assert_false(kernels_tier_from_name("", &tier));
    g_assert_true(kernels_tier_from_name("ref", &tier));
    g_assert_cmpint(tier, ==, KERNEL_TIER_REF);
    g_assert_cmpstr(kernels_get(tier)->name, ==, "ref");
    g_assert_true(kernels_tier_from_name("avx2", &tier));
    g_assert_cmpint(tier, ==, KERNEL_TIER_AVX2);
}

/* Runs before g_test_init, which would refuse it. */
static bool wants_bench(int argc, char **argv, const char **filter)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0) {
            *filter = i + 1 < argc ? argv[i + 1] : NULL;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    static struct job jobs[KERNEL_TIER_COUNT * 64];
    const char *filter;
    size_t n = 0;
    if (wants_bench(argc, argv, &filter)) {
        check_bench(filter);
        return 0;
    }
    harness_init(&argc, &argv);
    g_test_add_func("/check/every-slot", test_every_slot);
    g_test_add_func("/check/names", test_names);
    for (int tier = 0; tier < KERNEL_TIER_COUNT; tier++) {
        const struct kernels *kernels = kernels_get((enum kernel_tier)tier);
        if (tier > 0 && kernels == kernels_get((enum kernel_tier)(tier - 1)))
            continue; /* this processor does not run it */
        for (size_t t = 0; t < G_N_ELEMENTS(tables); t++) {
            for (const struct check_case *row = tables[t]; row->name; row++) {
                char *path = g_strdup_printf("/check/%s/%s%s", kernels->name, row->name,
                                             tables[t] == check_moe_cases ? "/chosen-rows" : "");
                g_assert_cmpint(n, <, G_N_ELEMENTS(jobs));
                jobs[n] = (struct job){row, (enum kernel_tier)tier};
                g_test_add_data_func(path, &jobs[n++], run_job);
                g_free(path);
            }
        }
    }
    return harness_main();
}
