/* Where keys and values lie: for each layer two state tensors on the layer's device, as many cells
 * as all sessions together may fill, committed by the backend as they are written. */
#include "engine/model.h"

#include <string.h>

static int64_t page_bytes(const struct nawi_model *model) /* of one layer's keys */
{
    return KV_PAGE_TOK * model->config.n_kv_head * model->config.d_head * (int64_t)sizeof(float);
}

static struct graph_tensor *find_state(const struct nawi_model *model, int index)
{
    char name[32];
    g_snprintf(name, sizeof name, "%s.%d", index % 2 ? "values" : "keys", index / 2);
    return graph_find(model->decoder.build.graph, name);
}

static int device_of(const struct nawi_model *model, const struct graph_tensor *state)
{
    int device = 0;
    while (!execute_uses(model->decoder.build.graph, state, device))
        device++;
    return device;
}

/* Copies the used pages of the old buffer into the new one. */
static bool copy_pages(struct nawi_buffer *from, struct nawi_buffer *to, const bool *used,
                       int64_t n_page, int64_t bytes, GError **error)
{
    bool fine = true;
    void *bounce = g_malloc((gsize)bytes);
    for (int64_t page = 0; fine && page < n_page; page++) {
        uint64_t at = (uint64_t)(page * bytes);
        fine = !used[page] ||
               (from->backend->ops->download(from, at, bounce, (uint64_t)bytes, error) &&
                to->backend->ops->upload(to, at, bounce, (uint64_t)bytes, error));
    }
    g_free(bounce);
    return fine;
}

static void free_buffers(GPtrArray *buffers)
{
    for (guint i = 0; buffers && i < buffers->len; i++) {
        struct nawi_buffer *buffer = g_ptr_array_index(buffers, i);
        buffer->backend->ops->free_buffer(buffer);
    }
    if (buffers)
        g_ptr_array_unref(buffers);
}

/* New buffers of n_page[local] pages for every state, holding what the old ones hold. */
static bool regrow(struct nawi_model *model, const int64_t n_page[2], GError **error)
{
    const int64_t bytes = page_bytes(model);
    bool *used[2] = {kv_pool_map_used(model->pools[0]), kv_pool_map_used(model->pools[1])};
    GPtrArray *made = g_ptr_array_new();
    bool fine = true;
    for (int i = 0; fine && i < model->config.n_layer * 2; i++) {
        const int local = model->config.layers[i / 2].local;
        struct nawi_backend *backend = model->backends[device_of(model, find_state(model, i))];
        struct nawi_buffer *old = model->states ? g_ptr_array_index(model->states, i) : NULL;
        struct nawi_buffer *buffer =
            backend->ops->alloc(backend, (uint64_t)(n_page[local] * bytes), error);
        if (buffer)
            g_ptr_array_add(made, buffer);
        fine = buffer && (!old || copy_pages(old, buffer, used[local],
                                             kv_pool_get_size(model->pools[local]), bytes, error));
    }
    for (int i = 0; fine && i < model->config.n_layer * 2; i++) {
        struct graph_tensor *state = find_state(model, i);
        state->place[device_of(model, state)] = (struct graph_place){g_ptr_array_index(made, i), 0};
    }
    g_free(used[0]);
    g_free(used[1]);
    free_buffers(fine ? model->states : made);
    model->states = fine ? made : model->states;
    return fine;
}

bool model_reserve_pages(struct nawi_model *model, const struct kv_shape *shape, GError **error)
{
    const int64_t wanted[2] = {kv_count_global_pages(shape), kv_count_local_pages(shape)};
    int64_t size[2];
    bool grows = false;
    for (int local = 0; local < 2; local++) {
        size[local] =
            MAX(kv_pool_get_size(model->pools[local]), model->reserved[local] + wanted[local]);
        grows |= size[local] > kv_pool_get_size(model->pools[local]);
        if (size[local] > INT32_MAX / KV_PAGE_TOK) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                        "contexts of all sessions together: expected at most %d tokens, found "
                        "%" G_GINT64_FORMAT,
                        INT32_MAX, size[local] * KV_PAGE_TOK);
            return false;
        }
    }
    if (grows && !regrow(model, size, error))
        return false;
    for (int local = 0; local < 2; local++) {
        kv_pool_grow(model->pools[local], size[local] - kv_pool_get_size(model->pools[local]));
        model->reserved[local] += wanted[local];
    }
    return true;
}

void model_release_pages(struct nawi_model *model, const struct kv_shape *shape)
{
    model->reserved[0] -= kv_count_global_pages(shape);
    model->reserved[1] -= kv_count_local_pages(shape);
}

void model_free_states(struct nawi_model *model) { free_buffers(model->states); }

uint64_t model_count_page_bytes(const struct nawi_model *model, int64_t n_global, int64_t n_local)
{
    int64_t n_local_layer = 0;
    for (int64_t i = 0; i < model->config.n_layer; i++)
        n_local_layer += model->config.layers[i].local;
    return (
        uint64_t)((n_local_layer * n_local + (model->config.n_layer - n_local_layer) * n_global) *
                  2 * page_bytes(model));
}
