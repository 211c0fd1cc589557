/* Page tables against a plain model: after any mix of additions and rewinds over several sessions,
 * every position that a row may see is in a cell that holds exactly that position of that session.
 */
#include "engine/memory/kv.h"
#include "tests/harness.h"

enum { N_SESSION = 3 };

struct world {
    struct kv_pool *pools[2];
    struct kv_table tables[N_SESSION];
    GArray *cells[2]; /* int64_t: session << 32 | position that was written last */
};

static void write_row(struct world *w, int s, int64_t position)
{
    int64_t mark = (int64_t)s << 32 | position;
    g_array_index(w->cells[0], int64_t, kv_global_cell(&w->tables[s], position)) = mark;
    g_array_index(w->cells[1], int64_t, kv_local_cell(&w->tables[s], position)) = mark;
}

static void check_row(const struct world *w, int s, int64_t position)
{
    const struct kv_table *t = &w->tables[s];
    for (int64_t p = 0; p <= position; p++)
        g_assert_cmpint(g_array_index(w->cells[0], int64_t, kv_global_cell(t, p)), ==,
                        (int64_t)s << 32 | p);
    for (int64_t p = kv_chunk_start(&t->shape, position); p <= position; p++)
        g_assert_cmpint(g_array_index(w->cells[1], int64_t, kv_local_cell(t, p)), ==,
                        (int64_t)s << 32 | p);
}

/* As a session does it: all keys of a batch are stored before its rows look. */
static void add_rows(struct world *w, int s, int64_t n)
{
    int64_t first = w->tables[s].length;
    kv_extend(&w->tables[s], n);
    for (int64_t i = 0; i < n; i++)
        write_row(w, s, first + i);
    for (int64_t i = 0; i < n; i++)
        check_row(w, s, first + i);
}

static void rewind_rows(struct world *w, int s, int64_t wanted)
{
    int64_t kept = kv_keepable(&w->tables[s], wanted);
    g_assert_cmpint(kept, <=, wanted);
    g_assert_true(kept == wanted || kept == kv_chunk_start(&w->tables[s].shape, wanted));
    kv_rewind(&w->tables[s], kept);
    while (w->tables[s].length < wanted) /* what was dropped is evaluated again */
        add_rows(w, s, MIN(w->tables[s].shape.batch_tok, wanted - w->tables[s].length));
}

static void check_world(GRand *rand)
{
    struct kv_shape shape = {
        .chunk_tok = g_rand_int_range(rand, 0, 3) ? g_rand_int_range(rand, 1, 150) : 0,
        .batch_tok = g_rand_int_range(rand, 1, 70),
        .context_tok = g_rand_int_range(rand, 1, 700),
    };
    struct world w = {.pools = {kv_pool_create(), kv_pool_create()}};
    for (int s = 0; s < N_SESSION; s++) {
        kv_pool_grow(w.pools[0], kv_count_global_pages(&shape));
        kv_pool_grow(w.pools[1], kv_count_local_pages(&shape));
        kv_table_init(&w.tables[s], &shape, w.pools[0], w.pools[1]);
    }
    for (int k = 0; k < 2; k++) {
        w.cells[k] = g_array_new(FALSE, TRUE, sizeof(int64_t));
        g_array_set_size(w.cells[k], (guint)(kv_pool_get_size(w.pools[k]) * KV_PAGE_TOK));
    }
    for (int i = 0; i < 60; i++) {
        int s = g_rand_int_range(rand, 0, N_SESSION);
        int64_t room = shape.context_tok - w.tables[s].length;
        int64_t wanted = g_rand_int_range(rand, 1, (int)shape.batch_tok + 1);
        if (room > 0 && g_rand_int_range(rand, 0, 4))
            add_rows(&w, s, MIN(room, wanted));
        else if (w.tables[s].length > 0)
            rewind_rows(&w, s, g_rand_int_range(rand, 0, (int)w.tables[s].length + 1));
    }
    for (int s = 0; s < N_SESSION; s++)
        kv_table_finish(&w.tables[s]);
    for (int k = 0; k < 2; k++) {
        g_assert_cmpint(kv_pool_get_used(w.pools[k]), ==, 0);
        kv_pool_destroy(w.pools[k]);
        g_array_unref(w.cells[k]);
    }
}

static void test_random(void)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    for (int i = 0; i < (harness_is_full() ? 3000 : 150); i++)
        check_world(rand);
    g_rand_free(rand);
}

/* A long context costs local layers one chunk and one batch. */
static void test_local_size(void)
{
    struct kv_shape shape = {.chunk_tok = 8192, .batch_tok = 512, .context_tok = 81920};
    g_assert_cmpint(kv_count_local_pages(&shape) * KV_PAGE_TOK, ==, 8192 + 512);
    g_assert_cmpint(kv_count_global_pages(&shape) * KV_PAGE_TOK, ==, 81920);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/kv/random", test_random);
    g_test_add_func("/kv/local-size", test_local_size);
    return harness_main();
}
