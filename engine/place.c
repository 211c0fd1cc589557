/* Where weights lie: in the mapped file wherever the backend can use them there, else in a
 * converted copy that is counted. Copies are small by design: norms, biases, tables, scales that
 * are not dense 32-bit floats in the file. */
#include "engine/model.h"

static struct nawi_buffer *keep_buffer(struct model_part *part, struct nawi_buffer *buffer)
{
    if (buffer)
        g_ptr_array_add(part->buffers, buffer);
    return buffer;
}

/* One buffer for each mapped file; files that no weight of the part needs get none. */
static bool import_files(struct nawi_model *model, struct model_part *part,
                         const struct nawi_weights *weights, struct nawi_buffer **files,
                         GError **error)
{
    struct nawi_backend *cpu = model->backends[0];
    for (int f = 0; f < weights_count_files(weights); f++) {
        const char *path;
        const void *base;
        uint64_t n_bytes;
        weights_get_file(weights, f, &path, &base, &n_bytes);
        files[f] = keep_buffer(part, cpu->ops->import(cpu, base, n_bytes, error));
        if (!files[f])
            return false;
    }
    return true;
}

static bool is_dense(const struct nawi_weight *w)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(w->dtype);
    int64_t bytes = info->block_bytes;
    for (int i = w->n_dim - 1; i >= 0; i--) {
        if (w->stride_bytes[i] != bytes && w->ne[i] > 1)
            return false;
        bytes *= i == w->n_dim - 1 ? w->ne[i] / info->block_len : w->ne[i];
    }
    return !w->parts;
}

static bool place_copy(struct nawi_model *model, struct model_part *part, struct graph_tensor *t,
                       const struct nawi_weight *weight, GError **error)
{
    struct graph_sizes one = {{1, 1, 1, 1}};
    uint64_t n_bytes = (uint64_t)graph_bytes(t, &one);
    struct nawi_backend *cpu = model->backends[0];
    float *values = g_try_malloc(n_bytes);
    struct nawi_buffer *buffer =
        values ? keep_buffer(part, cpu->ops->alloc(cpu, n_bytes, error)) : NULL;
    if (!values)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "memory: needed %.1f MiB for %s",
                    (double)n_bytes / 1048576.0, weight->name);
    bool fine = buffer != NULL;
    if (fine) {
        weights_dequant(weight, values);
        fine = cpu->ops->upload(buffer, 0, values, n_bytes, error);
        t->place[0] = (struct graph_place){buffer, 0};
        part->copied_bytes += n_bytes;
    }
    g_free(values);
    return fine;
}

static void place_parts(struct model_part *part, struct graph_tensor *t,
                        const struct nawi_weight *weight, struct nawi_buffer *const *files)
{
    struct graph_place *places = g_new(struct graph_place, weight->ne[0]);
    for (int64_t e = 0; e < weight->ne[0]; e++)
        places[e] = (struct graph_place){files[weight->parts[e]->file], weight->parts[e]->offset};
    g_ptr_array_add(part->parts, places);
    t->parts = places;
    t->place[0] = places[0];
}

bool model_place_weights(struct nawi_model *model, struct model_part *part,
                         const struct nawi_weights *weights, GError **error)
{
    part->buffers = g_ptr_array_new();
    part->parts = g_ptr_array_new_with_free_func(g_free);
    struct nawi_buffer **files = g_new0(struct nawi_buffer *, MAX(weights_count_files(weights), 1));
    bool fine = import_files(model, part, weights, files, error);
    for (int i = 0; fine && i < graph_count_tensors(part->build.graph); i++) {
        struct graph_tensor *t = graph_get_tensor(part->build.graph, i);
        const struct nawi_weight *weight = g_hash_table_lookup(part->build.sources, t);
        if (!weight)
            continue;
        if (weight->parts)
            place_parts(part, t, weight, files);
        else if (weight->file < 0 || weight->dtype != t->dtype ||
                 (t->dtype == NAWI_DTYPE_F32 && t->n_dim == 1 && !is_dense(weight)))
            fine = place_copy(model, part, t, weight, error);
        else
            t->place[0] = (struct graph_place){files[weight->file], weight->offset};
    }
    g_free(files);
    return fine;
}

void model_part_clear(struct nawi_model *model, struct model_part *part)
{
    execute_destroy(part->executor);
    for (guint i = 0; part->buffers && i < part->buffers->len; i++)
        model->backends[0]->ops->free_buffer(g_ptr_array_index(part->buffers, i));
    g_clear_pointer(&part->buffers, g_ptr_array_unref);
    g_clear_pointer(&part->parts, g_ptr_array_unref);
    arch_build_clear(&part->build);
    part->executor = NULL;
}
