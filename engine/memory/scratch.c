/* Greedy placement of lifetimes, largest first. Quadratic in the number of tensors, which is some
 * thousands at most. */
#include "engine/memory/scratch.h"

#include <glib.h>

static gint by_size(gconstpointer a, gconstpointer b)
{
    const struct scratch_item *x = *(struct scratch_item *const *)a;
    const struct scratch_item *y = *(struct scratch_item *const *)b;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes > y->n_bytes ? -1 : 1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x < y ? -1 : 1);
}

static bool lives_with(const struct scratch_item *a, const struct scratch_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Where an item of this offset belongs in placed: the first index with a larger one. */
static guint find_place(const GPtrArray *placed, uint64_t offset)
{
    guint low = 0;
    guint high = placed->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        const struct scratch_item *item = g_ptr_array_index(placed, middle);
        if (item->offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t scratch_plan(struct scratch_item *items, int n, uint64_t align)
{
    GPtrArray *order = g_ptr_array_sized_new((guint)n);
    GPtrArray *placed = g_ptr_array_new(); /* by rising offset */
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        g_ptr_array_add(order, &items[i]);
    g_ptr_array_sort(order, by_size);
    for (int i = 0; i < n; i++) {
        struct scratch_item *item = g_ptr_array_index(order, i);
        uint64_t at = 0;
        item->offset = 0;
        if (item->n_bytes == 0)
            continue;
        for (guint j = 0; j < placed->len; j++) {
            const struct scratch_item *other = g_ptr_array_index(placed, j);
            if (!lives_with(item, other))
                continue;
            if (other->offset >= at + item->n_bytes)
                break;
            at = MAX(at, (other->offset + other->n_bytes + align - 1) & ~(align - 1));
        }
        item->offset = at;
        total = MAX(total, at + item->n_bytes);
        g_ptr_array_insert(placed, (gint)find_place(placed, item->offset), item);
    }
    g_ptr_array_unref(order);
    g_ptr_array_unref(placed);
    return total;
}
