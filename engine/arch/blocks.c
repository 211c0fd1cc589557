/* Leaves with their checks, and the small builders. A wrong tensor is reported once, where it is
 * known: file, name, expected shape, found shape. */
#include "engine/arch/blocks.h"

#include <math.h>
#include <string.h>

void arch_begin(struct arch_build *build, const struct nawi_weights *weights)
{
    *build = (struct arch_build){.graph = graph_create(), .weights = weights, .layer = -1};
    build->sources = g_hash_table_new(NULL, NULL);
    build->vectors = g_hash_table_new(NULL, NULL);
}

void arch_build_clear(struct arch_build *build)
{
    graph_destroy(build->graph);
    g_clear_pointer(&build->sources, g_hash_table_unref);
    g_clear_pointer(&build->vectors, g_hash_table_unref);
    g_clear_error(&build->error);
    build->graph = NULL;
}

bool arch_finish(struct arch_build *build, const struct graph_sizes *most, GError **error)
{
    if (build->error) {
        g_propagate_error(error, g_steal_pointer(&build->error));
        arch_build_clear(build);
        return false;
    }
    graph_seal(build->graph, most);
    return true;
}

/* ── Leaves ──────────────────────────────────────────────────────────────────────────────────── */

static char *shape_text(int n_dim, const int64_t *ne)
{
    GString *text = g_string_new("[");
    for (int i = 0; i < n_dim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", ne[i]);
    return g_string_free(g_string_append_c(text, ']'), FALSE);
}

static const struct nawi_weight *find_weight(struct arch_build *build, const char *name, int n_dim,
                                             const int64_t *ne)
{
    if (build->error)
        return NULL;
    const struct nawi_weight *weight = weights_find(build->weights, name);
    const char *path = weights_get_path(build->weights);
    char *wanted = shape_text(n_dim, ne);
    bool fits = weight && weight->n_dim <= n_dim;
    for (int i = 0; fits && i < n_dim; i++) /* GGUF drops outer extents of 1 */
        fits = ne[i] == (i < n_dim - weight->n_dim ? 1 : weight->ne[i - (n_dim - weight->n_dim)]);
    if (!weight) {
        g_set_error(&build->error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor %s is missing: wanted %s", path, name, wanted);
    } else if (!fits) {
        char *found = shape_text(weight->n_dim, weight->ne);
        g_set_error(&build->error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor %s: wanted %s, found %s", path, name, wanted, found);
        g_free(found);
    } else if (weight->dtype == NAWI_DTYPE_I32) {
        g_set_error(&build->error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor %s: wanted numbers, found integers (I32)", path, name);
    }
    g_free(wanted);
    return build->error ? NULL : weight;
}

static struct graph_tensor *add_source(struct arch_build *build, const struct nawi_weight *weight,
                                       enum nawi_dtype dtype, int n_dim, const int64_t *ne)
{
    struct graph_tensor *t = graph_add_leaf(build->graph, GRAPH_ROLE_WEIGHT, weight->name, dtype,
                                            GRAPH_COUNT_NONE, n_dim, ne);
    g_hash_table_insert(build->sources, t, (void *)weight);
    return t;
}

struct graph_tensor *block_weight(struct arch_build *build, const char *name, int n_dim,
                                  const int64_t *ne)
{
    const struct nawi_weight *weight = find_weight(build, name, n_dim, ne);
    if (!weight)
        return NULL;
    struct graph_tensor *t = add_source(build, weight, weight->dtype, n_dim, ne);
    const struct nawi_weight *plain = weight->parts ? weight->parts[0] : weight;
    int skipped = n_dim - plain->n_dim;
    for (int i = skipped; i < n_dim; i++)
        t->stride_bytes[i] = plain->stride_bytes[i - skipped];
    if (weight->scale) {
        int64_t n = 1;
        for (int i = 0; i < n_dim - 1; i++)
            n *= ne[i];
        struct graph_tensor *scale = add_source(build, weight->scale, NAWI_DTYPE_F32, 1, &n);
        g_hash_table_add(build->vectors, scale);
        t->scale = scale;
    }
    return t;
}

/* Row by row: what a file claims to hold is never allocated whole. */
static void check_finite(struct arch_build *build, const struct nawi_weight *weight)
{
    const int64_t k = weight->ne[weight->n_dim - 1];
    int64_t n_row = 1;
    for (int i = 0; i < weight->n_dim - 1; i++)
        n_row *= weight->ne[i];
    float *values = g_try_new(float, k);
    if (!values)
        g_set_error(&build->error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "%s: tensor %s: needed %.1f MiB for a row", weights_get_path(build->weights),
                    weight->name, (double)k * 4 / 1048576.0);
    for (int64_t row = 0; row < n_row && !build->error; row++) {
        weights_dequant_row(weight, row, values);
        for (int64_t i = 0; i < k && !build->error; i++)
            if (!isfinite(values[i]))
                g_set_error(&build->error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                            "%s: tensor %s: expected finite numbers, found %g at [%" G_GINT64_FORMAT
                            ", %" G_GINT64_FORMAT "]",
                            weights_get_path(build->weights), weight->name, (double)values[i], row,
                            i);
    }
    g_free(values);
}

struct graph_tensor *block_vector(struct arch_build *build, const char *name, int n_dim,
                                  const int64_t *ne)
{
    const struct nawi_weight *weight = find_weight(build, name, n_dim, ne);
    if (weight)
        check_finite(build, weight);
    if (build->error)
        return NULL;
    struct graph_tensor *t = add_source(build, weight, NAWI_DTYPE_F32, n_dim, ne);
    g_hash_table_add(build->vectors, t);
    return t;
}

struct graph_tensor *block_router(struct arch_build *build, int64_t n_expert, int64_t n_embd)
{
    int64_t ne[] = {n_expert, n_embd};
    struct graph_tensor *t = block_layer_weight(build, "ffn_gate_inp.weight", 2, ne);
    if (t)
        check_finite(build, g_hash_table_lookup(build->sources, t));
    return build->error ? NULL : t;
}

struct graph_tensor *block_layer_weight(struct arch_build *build, const char *part, int n_dim,
                                        const int64_t *ne)
{
    char name[128];
    g_snprintf(name, sizeof name, "blk.%d.%s", build->layer, part);
    return block_weight(build, name, n_dim, ne);
}

struct graph_tensor *block_layer_vector(struct arch_build *build, const char *part, int64_t n)
{
    char name[128];
    g_snprintf(name, sizeof name, "blk.%d.%s", build->layer, part);
    return block_vector(build, name, 1, &n);
}

struct graph_tensor *block_input(struct arch_build *build, const char *name, enum nawi_dtype dtype,
                                 enum graph_count count, int n_dim, const int64_t *ne)
{
    return graph_add_leaf(build->graph, GRAPH_ROLE_INPUT, name, dtype, count, n_dim, ne);
}

/* ── Small builders ──────────────────────────────────────────────────────────────────────────── */

struct graph_tensor *block_add_node(struct arch_build *build, struct graph_node spec)
{
    if (build->error)
        return NULL;
    spec.layer = build->layer;
    return graph_add(build->graph, &spec);
}

struct graph_tensor *block_rms_norm(struct arch_build *build, struct graph_tensor *x,
                                    struct graph_tensor *w, double eps)
{
    return block_add_node(
        build, (struct graph_node){.op = GRAPH_OP_RMS_NORM, .in = {x, w}, .eps = (float)eps});
}

struct graph_tensor *block_layer_norm(struct arch_build *build, struct graph_tensor *x,
                                      const char *name, int64_t n, double eps)
{
    char full[128];
    g_snprintf(full, sizeof full, "%s.weight", name);
    struct graph_tensor *w = block_vector(build, full, 1, &n);
    g_snprintf(full, sizeof full, "%s.bias", name);
    struct graph_tensor *b = block_vector(build, full, 1, &n);
    return block_add_node(
        build, (struct graph_node){.op = GRAPH_OP_LAYER_NORM, .in = {x, w, b}, .eps = (float)eps});
}

struct graph_tensor *block_matmul(struct arch_build *build, struct graph_tensor *w,
                                  struct graph_tensor *x, struct graph_tensor *bias, int64_t split)
{
    return block_add_node(
        build, (struct graph_node){.op = GRAPH_OP_MATMUL, .in = {w, x, bias}, .split = split});
}

struct graph_tensor *block_add(struct arch_build *build, struct graph_tensor *a,
                               struct graph_tensor *b)
{
    return block_add_node(build, (struct graph_node){.op = GRAPH_OP_ADD, .in = {a, b}});
}

struct graph_tensor *block_gelu(struct arch_build *build, struct graph_tensor *x)
{
    return block_add_node(build, (struct graph_node){.op = GRAPH_OP_GELU, .in = {x}});
}

struct graph_tensor *block_swiglu(struct arch_build *build, struct graph_tensor *x,
                                  const char *suffix, int64_t n_embd, int64_t n_ff)
{
    char part[64];
    g_snprintf(part, sizeof part, "ffn_gate%s.weight", suffix);
    struct graph_tensor *gate = block_layer_weight(build, part, 2, (int64_t[]){n_ff, n_embd});
    g_snprintf(part, sizeof part, "ffn_up%s.weight", suffix);
    struct graph_tensor *up = block_layer_weight(build, part, 2, (int64_t[]){n_ff, n_embd});
    g_snprintf(part, sizeof part, "ffn_down%s.weight", suffix);
    struct graph_tensor *down = block_layer_weight(build, part, 2, (int64_t[]){n_embd, n_ff});
    struct graph_tensor *a = block_matmul(build, gate, x, NULL, 0);
    struct graph_tensor *b = block_matmul(build, up, x, NULL, 0);
    struct graph_tensor *h =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_SWIGLU, .in = {a, b}});
    return block_matmul(build, down, h, NULL, 0);
}
