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

static gint by_offset(gconstpointer a, gconstpointer b)
{
    const struct scratch_item *x = *(struct scratch_item *const *)a;
    const struct scratch_item *y = *(struct scratch_item *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool lives_with(const struct scratch_item *a, const struct scratch_item *b)
{
    return a->first <= b->last && b->first <= a->last;
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
        g_ptr_array_add(placed, item);
        g_ptr_array_sort(placed, by_offset);
    }
    g_ptr_array_unref(order);
    g_ptr_array_unref(placed);
    return total;
}
