/* Where weights lie: in the mapped file wherever a backend can use them there, else in a copy on
 * the device. Vectors that the file does not hold as aligned, dense 32-bit floats (norms, biases,
 * tables, scales of 8-bit floats) are converted: small by design. */
#include "engine/model.h"

struct placing {
    struct nawi_model *model;
    struct model_part *part;
    const struct nawi_weights *weights;
    int device;
    struct nawi_backend *backend;
    struct nawi_buffer **files; /* one per mapped file; NULL where the backend cannot import */
};

static struct nawi_buffer *keep_buffer(struct model_part *part, struct nawi_buffer *buffer)
{
    if (buffer)
        g_ptr_array_add(part->buffers, buffer);
    return buffer;
}

static bool import_files(struct placing *p, GError **error)
{
    for (int f = 0; p->backend->ops->import && f < weights_count_files(p->weights); f++) {
        const char *path;
        const void *base;
        uint64_t n_bytes;
        weights_get_file(p->weights, f, &path, &base, &n_bytes);
        p->files[f] =
            keep_buffer(p->part, p->backend->ops->import(p->backend, base, n_bytes, error));
        if (!p->files[f])
            return false;
    }
    return true;
}

/* Bytes from a weight's first to past its last, in the file. */
static uint64_t span_bytes(const struct nawi_weight *w)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(w->dtype);
    uint64_t n = (uint64_t)info->block_bytes;
    for (int i = 0; i < w->n_dim; i++) {
        int64_t steps = i == w->n_dim - 1 ? w->ne[i] / info->block_len : w->ne[i];
        n += (uint64_t)((steps - 1) * w->stride_bytes[i]);
    }
    return n;
}

/* The bytes of the file, where they lie or uploaded as they are: strides stay. */
static bool place_bytes(struct placing *p, const struct nawi_weight *weight,
                        struct graph_place *place, GError **error)
{
    if (weight->file >= 0 && p->files[weight->file]) {
        *place = (struct graph_place){p->files[weight->file], weight->offset};
        return true;
    }
    uint64_t n_bytes = span_bytes(weight);
    struct nawi_buffer *buffer =
        keep_buffer(p->part, p->backend->ops->alloc(p->backend, n_bytes, error));
    *place = (struct graph_place){buffer, 0};
    return buffer && p->backend->ops->upload(buffer, 0, weight->data, n_bytes, error);
}

/* As dense floats, row by row. */
static bool place_floats(struct placing *p, struct graph_tensor *t,
                         const struct nawi_weight *weight, GError **error)
{
    const struct graph_sizes one = {{1, 1, 1, 1}};
    const int64_t k = weight->ne[weight->n_dim - 1];
    const int64_t n_row = graph_bytes(t, &one) / (k * (int64_t)sizeof(float));
    const uint64_t row_bytes = (uint64_t)k * sizeof(float);
    float *values = g_try_malloc(row_bytes);
    if (!values) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "memory: needed %.1f MiB for %s",
                    (double)row_bytes / 1048576.0, t->name);
        return false;
    }
    struct nawi_buffer *buffer = keep_buffer(
        p->part, p->backend->ops->alloc(p->backend, (uint64_t)n_row * row_bytes, error));
    bool fine = buffer != NULL;
    for (int64_t row = 0; fine && row < n_row; row++) {
        weights_dequant_row(weight, row, values);
        fine = p->backend->ops->upload(buffer, (uint64_t)row * row_bytes, values, row_bytes, error);
    }
    t->place[p->device] = (struct graph_place){buffer, 0};
    g_free(values);
    return fine;
}

static bool place_parts(struct placing *p, struct graph_tensor *t, const struct nawi_weight *weight,
                        GError **error)
{
    struct graph_place *places = g_new0(struct graph_place, weight->ne[0]);
    g_ptr_array_add(p->part->parts, places);
    for (int64_t e = 0; e < weight->ne[0]; e++)
        if (!place_bytes(p, weight->parts[e], &places[e], error))
            return false;
    t->parts[p->device] = places;
    t->place[p->device] = places[0];
    return true;
}

static bool is_dense(const struct nawi_weight *w)
{
    int64_t bytes = (int64_t)sizeof(float);
    for (int i = w->n_dim - 1; i >= 0; i--) {
        if (w->stride_bytes[i] != bytes && w->ne[i] > 1)
            return false;
        bytes *= w->ne[i];
    }
    return true;
}

static bool place_weight(struct placing *p, struct graph_tensor *t,
                         const struct nawi_weight *weight, GError **error)
{
    if (weight->parts)
        return place_parts(p, t, weight, error);
    bool is_vector = g_hash_table_contains(p->part->build.vectors, t);
    if (is_vector && (weight->file < 0 || weight->dtype != NAWI_DTYPE_F32 || !is_dense(weight) ||
                      weight->offset % sizeof(float) != 0))
        return place_floats(p, t, weight, error);
    return place_bytes(p, weight, &t->place[p->device], error);
}

bool model_place_weights(struct nawi_model *model, struct model_part *part,
                         const struct nawi_weights *weights, GError **error)
{
    bool fine = true;
    part->buffers = g_ptr_array_new();
    part->parts = g_ptr_array_new_with_free_func(g_free);
    for (int d = 0; fine && d < model->n_backend; d++) {
        struct placing p = {model, part, weights, d, model->backends[d], NULL};
        p.files = g_new0(struct nawi_buffer *, MAX(weights_count_files(weights), 1));
        fine = import_files(&p, error);
        for (int i = 0; fine && i < graph_count_tensors(part->build.graph); i++) {
            struct graph_tensor *t = graph_get_tensor(part->build.graph, i);
            const struct nawi_weight *weight = g_hash_table_lookup(part->build.sources, t);
            if (weight && execute_uses(part->build.graph, t, d))
                fine = place_weight(&p, t, weight, error);
        }
        g_free(p.files);
    }
    return fine;
}

void model_part_clear(struct model_part *part)
{
    execute_destroy(part->executor);
    for (guint i = 0; part->buffers && i < part->buffers->len; i++) {
        struct nawi_buffer *buffer = g_ptr_array_index(part->buffers, i);
        buffer->backend->ops->free_buffer(buffer);
    }
    g_clear_pointer(&part->buffers, g_ptr_array_unref);
    g_clear_pointer(&part->parts, g_ptr_array_unref);
    arch_build_clear(&part->build);
    part->executor = NULL;
}
