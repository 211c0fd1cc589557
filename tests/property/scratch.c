/* Scratch plans over random lifetimes: what lives together never overlaps, everything is aligned
 * and inside, and the buffer is no larger than one where nothing is shared. */
#include "engine/memory/scratch.h"
#include "tests/harness.h"

static void check_plan(GRand *rand)
{
    int n = g_rand_int_range(rand, 0, 80);
    int n_step = g_rand_int_range(rand, 1, 60);
    struct scratch_item *items = g_new0(struct scratch_item, MAX(n, 1));
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        items[i].first = g_rand_int_range(rand, 0, n_step);
        items[i].last = g_rand_int_range(rand, items[i].first, n_step);
        items[i].n_bytes =
            g_rand_int_range(rand, 0, 4) == 0 ? 0 : (uint64_t)g_rand_int_range(rand, 1, 100000);
        sum += (items[i].n_bytes + 255) & ~(uint64_t)255;
    }
    uint64_t total = scratch_plan(items, n, 256);
    uint64_t least = 0;
    for (int step = 0; step < n_step; step++) {
        uint64_t live = 0;
        for (int i = 0; i < n; i++)
            if (items[i].first <= step && step <= items[i].last)
                live += items[i].n_bytes;
        least = MAX(least, live);
    }
    g_assert_cmpuint(total, >=, least);
    g_assert_cmpuint(total, <=, sum);
    for (int i = 0; i < n; i++) {
        g_assert_cmpuint(items[i].offset % 256, ==, 0);
        g_assert_cmpuint(items[i].offset + items[i].n_bytes, <=, total);
        for (int j = 0; j < i; j++) {
            bool together = items[i].first <= items[j].last && items[j].first <= items[i].last;
            bool apart = items[i].offset + items[i].n_bytes <= items[j].offset ||
                         items[j].offset + items[j].n_bytes <= items[i].offset;
            if (together && items[i].n_bytes > 0 && items[j].n_bytes > 0)
                g_assert_true(apart);
        }
    }
    g_free(items);
}

static void test_random(void)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    for (int i = 0; i < (harness_is_full() ? 20000 : 1000); i++)
        check_plan(rand);
    g_rand_free(rand);
}

/* A chain in which each tensor dies when the next is made needs two places, not n. */
static void test_chain_shares(void)
{
    struct scratch_item items[64];
    for (int i = 0; i < 64; i++)
        items[i] = (struct scratch_item){.n_bytes = 1024, .first = i, .last = i + 1};
    g_assert_cmpuint(scratch_plan(items, 64, 256), ==, 2048);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/scratch/random", test_random);
    g_test_add_func("/scratch/chain-shares", test_chain_shares);
    return harness_main();
}
