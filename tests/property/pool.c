/* The thread team: every chunk runs once, whatever the sizes; cancelling skips what has not begun.
 */
#include "engine/pool.h"
#include "tests/harness.h"

static void mark(void *context, int64_t chunk, int thread)
{
    (void)thread;
    atomic_fetch_add(&((atomic_int *)context)[chunk], 1);
}

static void test_each_once(void)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    static const int sizes[] = {1, 2, 3, 8};
    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
        struct pool *pool = pool_create(sizes[s]);
        for (int i = 0; i < 300; i++) {
            int n = g_rand_int_range(rand, 0, 200);
            atomic_int *seen = g_new0(atomic_int, MAX(n, 1));
            pool_run(pool, n, mark, seen, NULL);
            for (int c = 0; c < n; c++)
                g_assert_cmpint(atomic_load(&seen[c]), ==, 1);
            g_free(seen);
            if (i % 100 == 0)
                g_usleep(3000); /* let the team fall asleep */
        }
        pool_destroy(pool);
    }
    g_rand_free(rand);
}

struct stopper {
    nawi_cancel cancel;
    atomic_int n_run;
};

static void stop_soon(void *context, int64_t chunk, int thread)
{
    struct stopper *stopper = context;
    (void)thread;
    if (chunk == 5)
        nawi_cancel_ask(&stopper->cancel);
    atomic_fetch_add(&stopper->n_run, 1);
}

static void test_cancel(void)
{
    struct pool *pool = pool_create(3);
    struct stopper stopper = {0};
    pool_run(pool, 1000000, stop_soon, &stopper, &stopper.cancel);
    g_assert_cmpint(atomic_load(&stopper.n_run), <, 1000000);
    g_assert_cmpint(atomic_load(&stopper.n_run), >=, 6);
    pool_destroy(pool);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/pool/each-once", test_each_once);
    g_test_add_func("/pool/cancel", test_cancel);
    return harness_main();
}
