/* Page tables over two pools. The ring of local layers is long enough for all that a micro-batch
 * can see: the rest of a chunk before it and the batch itself; one page more where chunks do not
 * begin on pages. */
#include "engine/memory/kv.h"

#include <string.h>

struct kv_pool {
    GArray *free; /* int32_t, last in first out: pages that were touched are used again first */
    int64_t n_page;
};

static int64_t pages_of(int64_t n_tok) { return (n_tok + KV_PAGE_TOK - 1) / KV_PAGE_TOK; }

int64_t kv_count_global_pages(const struct kv_shape *shape) { return pages_of(shape->context_tok); }

int64_t kv_count_local_pages(const struct kv_shape *shape)
{
    int64_t whole = kv_count_global_pages(shape);
    if (shape->chunk_tok == 0 || shape->chunk_tok >= shape->context_tok)
        return whole;
    int64_t ring =
        pages_of(shape->chunk_tok + shape->batch_tok) + (shape->chunk_tok % KV_PAGE_TOK != 0);
    return MIN(ring, whole);
}

struct kv_pool *kv_pool_create(void)
{
    struct kv_pool *pool = g_new0(struct kv_pool, 1);
    pool->free = g_array_new(FALSE, FALSE, sizeof(int32_t));
    return pool;
}

void kv_pool_destroy(struct kv_pool *pool)
{
    if (!pool)
        return;
    g_array_unref(pool->free);
    g_free(pool);
}

void kv_pool_grow(struct kv_pool *pool, int64_t n_page)
{
    for (int64_t i = n_page - 1; i >= 0; i--) { /* the lowest is taken first */
        int32_t page = (int32_t)(pool->n_page + i);
        g_array_append_val(pool->free, page);
    }
    pool->n_page += n_page;
}

int64_t kv_pool_get_size(const struct kv_pool *pool) { return pool->n_page; }
int64_t kv_pool_get_used(const struct kv_pool *pool)
{
    return pool->n_page - (int64_t)pool->free->len;
}

bool *kv_pool_map_used(const struct kv_pool *pool)
{
    bool *used = g_new(bool, MAX(pool->n_page, 1));
    for (int64_t i = 0; i < pool->n_page; i++)
        used[i] = true;
    for (guint i = 0; i < pool->free->len; i++)
        used[g_array_index(pool->free, int32_t, i)] = false;
    return used;
}

static int32_t take_page(struct kv_pool *pool)
{
    g_assert(pool->free->len > 0);
    int32_t page = g_array_index(pool->free, int32_t, pool->free->len - 1);
    g_array_set_size(pool->free, pool->free->len - 1);
    return page;
}

static void give_page(struct kv_pool *pool, int32_t *page)
{
    if (*page >= 0)
        g_array_append_val(pool->free, *page);
    *page = -1;
}

void kv_table_init(struct kv_table *table, const struct kv_shape *shape,
                   struct kv_pool *global_pool, struct kv_pool *local_pool)
{
    *table =
        (struct kv_table){.shape = *shape, .global_pool = global_pool, .local_pool = local_pool};
    table->n_global = kv_count_global_pages(shape);
    table->n_local = kv_count_local_pages(shape);
    table->global = g_new(int32_t, table->n_global);
    table->local = g_new(int32_t, table->n_local);
    memset(table->global, 0xFF, (size_t)table->n_global * sizeof(int32_t));
    memset(table->local, 0xFF, (size_t)table->n_local * sizeof(int32_t));
}

void kv_table_finish(struct kv_table *table)
{
    for (int64_t i = 0; i < table->n_global; i++)
        give_page(table->global_pool, &table->global[i]);
    for (int64_t i = 0; i < table->n_local; i++)
        give_page(table->local_pool, &table->local[i]);
    g_free(table->global);
    g_free(table->local);
    *table = (struct kv_table){0};
}

void kv_count_new_pages(const struct kv_table *table, int64_t n, int64_t *global, int64_t *local)
{
    *global = *local = 0;
    for (int64_t page = table->length / KV_PAGE_TOK; page < pages_of(table->length + n); page++) {
        *global += table->global[page] < 0;
        *local += table->local[page % table->n_local] < 0;
    }
}

void kv_extend(struct kv_table *table, int64_t n)
{
    int64_t end = table->length + n;
    g_assert(n >= 0 && n <= table->shape.batch_tok && end <= table->shape.context_tok);
    for (int64_t page = table->length / KV_PAGE_TOK; page < pages_of(end); page++) {
        int32_t *global = &table->global[page];
        int32_t *local = &table->local[page % table->n_local];
        if (*global < 0)
            *global = take_page(table->global_pool);
        if (*local < 0)
            *local = take_page(table->local_pool);
    }
    table->length = end;
    table->low = MAX(table->low, (pages_of(end) - table->n_local) * KV_PAGE_TOK);
}

int64_t kv_keepable(const struct kv_table *table, int64_t length)
{
    int64_t start = kv_chunk_start(&table->shape, length);
    return table->low <= start || length == start ? length : start;
}

void kv_rewind(struct kv_table *table, int64_t length)
{
    g_assert(length >= 0 && length <= table->length);
    for (int64_t page = pages_of(length); page < pages_of(table->length); page++)
        give_page(table->global_pool, &table->global[page]);
    if (length <= table->low) { /* nothing of the ring is left */
        for (int64_t i = 0; i < table->n_local; i++)
            give_page(table->local_pool, &table->local[i]);
        table->low = length;
    }
    table->length = length;
}
