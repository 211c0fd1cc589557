/* Building graphs: nodes are appended, outputs get their shapes from one rule per operation. */
#include "engine/graph/graph.h"

#include <string.h>

struct graph {
    GPtrArray *tensors; /* of struct graph_tensor, owned */
    GPtrArray *nodes;   /* of struct graph_node, owned */
    GStringChunk *names;
    struct graph_sizes most;
    bool sealed;
};

static const struct {
    const char *name;
    int least, most, outputs;
} ops[GRAPH_OP_COUNT] = {
#define X(name, least, most, outputs) {#name, least, most, outputs},
    GRAPH_OPS(X)
#undef X
};

const char *graph_op_name(enum graph_op op) { return ops[op].name; }

struct graph *graph_create(void)
{
    struct graph *graph = g_new0(struct graph, 1);
    graph->tensors = g_ptr_array_new_with_free_func(g_free);
    graph->nodes = g_ptr_array_new_with_free_func(g_free);
    graph->names = g_string_chunk_new(4096);
    return graph;
}

void graph_destroy(struct graph *graph)
{
    if (!graph)
        return;
    g_ptr_array_unref(graph->tensors);
    g_ptr_array_unref(graph->nodes);
    g_string_chunk_free(graph->names);
    g_free(graph);
}

static void set_dense_strides(struct graph_tensor *t)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(t->dtype);
    int64_t bytes = info->block_bytes;
    t->stride_bytes[t->n_dim - 1] = bytes;
    bytes = t->ne[t->n_dim - 1] / info->block_len * bytes;
    for (int i = t->n_dim - 2; i >= 0; i--) {
        t->stride_bytes[i] = bytes;
        bytes *= t->ne[i];
    }
}

static struct graph_tensor *add_tensor(struct graph *graph, enum nawi_dtype dtype,
                                       enum graph_count count, int n_dim, const int64_t *ne)
{
    g_assert(!graph->sealed && n_dim >= 1 && n_dim <= GRAPH_MAX_DIMS);
    struct graph_tensor *t = g_new0(struct graph_tensor, 1);
    t->name = "";
    t->index = (int)graph->tensors->len;
    t->dtype = dtype;
    t->role = GRAPH_ROLE_TEMP;
    t->count = count;
    t->n_dim = n_dim;
    t->producer = -1;
    for (int i = 0; i < GRAPH_MAX_DIMS; i++)
        t->ne[i] = i < n_dim ? ne[i] : 1;
    set_dense_strides(t);
    g_ptr_array_add(graph->tensors, t);
    return t;
}

struct graph_tensor *graph_add_leaf(struct graph *graph, enum graph_role role, const char *name,
                                    enum nawi_dtype dtype, enum graph_count count, int n_dim,
                                    const int64_t *ne)
{
    struct graph_tensor *t = add_tensor(graph, dtype, count, n_dim, ne);
    t->role = role;
    t->name = g_string_chunk_insert(graph->names, name);
    return t;
}

/* ── Shape rules ─────────────────────────────────────────────────────────────────────────────── */

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            g_error("graph: %s does not fit: %s", ops[node->op].name, #condition);                 \
    } while (0)

static bool same_shape(const struct graph_tensor *a, const struct graph_tensor *b)
{
    return a->count == b->count && a->n_dim == b->n_dim && memcmp(a->ne, b->ne, sizeof a->ne) == 0;
}

static int64_t last_extent(const struct graph_tensor *t) { return t->ne[t->n_dim - 1]; }

static struct graph_tensor *like(struct graph *graph, const struct graph_tensor *t)
{
    return add_tensor(graph, NAWI_DTYPE_F32, t->count, t->n_dim, t->ne);
}

static struct graph_tensor *rows_of(struct graph *graph, const struct graph_tensor *x, int64_t m)
{
    return add_tensor(graph, NAWI_DTYPE_F32, x->count, 2, (int64_t[]){x->ne[0], m});
}

static void infer_dense(struct graph *graph, struct graph_node *node)
{
    struct graph_tensor *const *in = node->in;
    switch (node->op) {
    case GRAPH_OP_EMBED:
        NEED(in[1]->dtype == NAWI_DTYPE_I32 && in[0]->ne[1] == in[2]->ne[1]);
        node->out[0] = rows_of(graph, in[1], in[0]->ne[1]);
        break;
    case GRAPH_OP_RMS_NORM:
        NEED(node->n_in == 1 || in[1]->ne[0] == last_extent(in[0]));
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_LAYER_NORM:
        NEED(in[1]->ne[0] == last_extent(in[0]) && in[2]->ne[0] == in[1]->ne[0]);
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_MATMUL:
        NEED(in[0]->n_dim == 2 && in[0]->ne[1] == graph_row_len(in[1]));
        NEED(node->n_in == 2 || in[2]->ne[0] == in[0]->ne[0]);
        NEED(node->split == 0 || in[0]->ne[0] % node->split == 0);
        node->out[0] =
            node->split == 0
                ? rows_of(graph, in[1], in[0]->ne[0])
                : add_tensor(graph, NAWI_DTYPE_F32, in[1]->count, 3,
                             (int64_t[]){in[1]->ne[0], node->split, in[0]->ne[0] / node->split});
        break;
    case GRAPH_OP_ADD:
        NEED(same_shape(in[0], in[1]));
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_GELU: node->out[0] = like(graph, in[0]); break;
    case GRAPH_OP_SWIGLU:
        NEED(same_shape(in[0], in[1]));
        NEED(node->n_in == 2 || (in[0]->n_dim == 3 && in[2]->ne[1] == in[0]->ne[1]));
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_SCALE_ROWS:
        NEED(in[1]->count == in[0]->count && in[1]->ne[0] == in[0]->ne[0]);
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_PICK_ROWS:
        NEED(in[1]->dtype == NAWI_DTYPE_I32 && in[0]->n_dim == 2);
        node->out[0] = rows_of(graph, in[1], in[0]->ne[1]);
        break;
    default: g_assert_not_reached();
    }
}

static void infer_attention(struct graph *graph, struct graph_node *node)
{
    struct graph_tensor *const *in = node->in;
    switch (node->op) {
    case GRAPH_OP_ROPE:
        NEED(in[0]->n_dim == 3 && in[1]->n_dim == 3 && in[1]->ne[2] == 2 &&
             in[1]->ne[1] * 2 <= in[0]->ne[2]);
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_KV_STORE:
        NEED(graph_row_len(in[0]) == graph_row_len(in[2]) &&
             graph_row_len(in[1]) == graph_row_len(in[3]));
        NEED(in[4]->dtype == NAWI_DTYPE_I32);
        break;
    case GRAPH_OP_ATTEND:
        NEED(in[0]->n_dim == 3 && in[1]->n_dim == 3 && in[0]->ne[1] % in[1]->ne[1] == 0);
        NEED(in[0]->ne[2] == in[1]->ne[2] && in[2]->ne[2] == in[1]->ne[2]);
        NEED(in[3]->dtype == NAWI_DTYPE_I32 && in[4]->ne[1] == 4);
        node->out[0] = like(graph, in[0]);
        break;
    case GRAPH_OP_ATTEND_TILE:
        NEED(same_shape(in[0], in[1]) && same_shape(in[0], in[2]) && in[0]->n_dim == 3 &&
             node->group > 0);
        node->out[0] = like(graph, in[0]);
        break;
    default: g_assert_not_reached();
    }
}

static void infer_experts(struct graph *graph, struct graph_node *node)
{
    struct graph_tensor *const *in = node->in;
    const struct graph_tensor *x = in[0];
    switch (node->op) {
    case GRAPH_OP_MOE_MATMUL:
        NEED(in[0]->n_dim == 3 && last_extent(in[1]) == in[0]->ne[2] &&
             in[2]->dtype == NAWI_DTYPE_I32);
        NEED(in[1]->n_dim == 2 || in[1]->ne[1] == in[2]->ne[1]);
        node->out[0] = add_tensor(graph, NAWI_DTYPE_F32, in[2]->count, 3,
                                  (int64_t[]){in[2]->ne[0], in[2]->ne[1], in[0]->ne[1]});
        break;
    case GRAPH_OP_ROUTE:
        NEED(node->n_used >= 1 && node->n_used <= x->ne[1]);
        node->out[0] =
            add_tensor(graph, NAWI_DTYPE_I32, x->count, 2, (int64_t[]){x->ne[0], node->n_used});
        node->out[1] =
            add_tensor(graph, NAWI_DTYPE_F32, x->count, 2, (int64_t[]){x->ne[0], node->n_used});
        break;
    case GRAPH_OP_JOIN:
        NEED(x->n_dim == 3 && (node->n_in == 1 || in[1]->ne[1] == x->ne[2]));
        node->out[0] = rows_of(graph, x, x->ne[2]);
        break;
    default: g_assert_not_reached();
    }
}

static void infer_tower(struct graph *graph, struct graph_node *node)
{
    struct graph_tensor *const *in = node->in;
    const struct graph_tensor *x = in[0];
    int64_t grid = node->group;
    int64_t factor = node->factor;
    switch (node->op) {
    case GRAPH_OP_TILE_ROWS:
        NEED(in[1]->ne[0] == x->ne[1] && in[2]->ne[1] == x->ne[1] && in[2]->ne[0] == x->ne[0] + 1);
        node->out[0] =
            add_tensor(graph, NAWI_DTYPE_F32, x->count, 2, (int64_t[]){x->ne[0] + 1, x->ne[1]});
        break;
    case GRAPH_OP_SHUFFLE:
        NEED(grid > 0 && factor > 0 && grid % factor == 0 && x->ne[0] == grid * grid + 1);
        node->out[0] =
            add_tensor(graph, NAWI_DTYPE_F32, x->count, 2,
                       (int64_t[]){grid * grid / (factor * factor), x->ne[1] * factor * factor});
        break;
    default: g_assert_not_reached();
    }
}

static void infer(struct graph *graph, struct graph_node *node)
{
    switch (node->op) {
    case GRAPH_OP_ROPE:
    case GRAPH_OP_KV_STORE:
    case GRAPH_OP_ATTEND:
    case GRAPH_OP_ATTEND_TILE: infer_attention(graph, node); break;
    case GRAPH_OP_MOE_MATMUL:
    case GRAPH_OP_ROUTE:
    case GRAPH_OP_JOIN: infer_experts(graph, node); break;
    case GRAPH_OP_TILE_ROWS:
    case GRAPH_OP_SHUFFLE: infer_tower(graph, node); break;
    default: infer_dense(graph, node);
    }
}

struct graph_tensor *graph_add(struct graph *graph, const struct graph_node *spec)
{
    struct graph_node *node = g_memdup2(spec, sizeof *spec);
    node->index = (int)graph->nodes->len;
    node->n_in = 0;
    while (node->n_in < GRAPH_MAX_INPUTS && node->in[node->n_in])
        node->n_in++;
    node->n_out = ops[node->op].outputs;
    g_assert(!graph->sealed && node->n_in >= ops[node->op].least &&
             node->n_in <= ops[node->op].most);
    infer(graph, node);
    for (int i = 0; i < node->n_out; i++)
        node->out[i]->producer = node->index;
    g_ptr_array_add(graph->nodes, node);
    return node->out[0];
}

void graph_keep(struct graph *graph, struct graph_tensor *tensor, const char *name)
{
    g_assert(!graph->sealed && tensor->role == GRAPH_ROLE_TEMP);
    tensor->role = GRAPH_ROLE_OUTPUT;
    tensor->name = g_string_chunk_insert(graph->names, name);
}

void graph_seal(struct graph *graph, const struct graph_sizes *most)
{
    graph->most = *most;
    graph->most.n[GRAPH_COUNT_NONE] = 1;
    graph->sealed = true;
}

int graph_count_nodes(const struct graph *graph) { return (int)graph->nodes->len; }
int graph_count_tensors(const struct graph *graph) { return (int)graph->tensors->len; }
const struct graph_sizes *graph_get_most(const struct graph *graph) { return &graph->most; }

struct graph_node *graph_get_node(const struct graph *graph, int index)
{
    return g_ptr_array_index(graph->nodes, index);
}

struct graph_tensor *graph_get_tensor(const struct graph *graph, int index)
{
    return g_ptr_array_index(graph->tensors, index);
}

struct graph_tensor *graph_find(const struct graph *graph, const char *name)
{
    for (guint i = 0; i < graph->tensors->len; i++) {
        struct graph_tensor *t = g_ptr_array_index(graph->tensors, i);
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

static void print_tensor(GString *text, const struct graph_tensor *t)
{
    static const char *const counts[] = {"", "row*", "out*", "tile*"};
    g_string_append_printf(text, " %s%%%d %s[%s", t->name, t->index,
                           nawi_dtype_get_info(t->dtype)->name, counts[t->count]);
    for (int i = 0; i < t->n_dim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", t->ne[i]);
    g_string_append_c(text, ']');
}

char *graph_print(const struct graph *graph)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < graph->nodes->len; i++) {
        const struct graph_node *node = g_ptr_array_index(graph->nodes, i);
        g_string_append_printf(text, "%u @%d layer %d %s", i, node->device, node->layer,
                               ops[node->op].name);
        for (int j = 0; j < node->n_in; j++)
            print_tensor(text, node->in[j]);
        g_string_append(text, " →");
        for (int j = 0; j < node->n_out; j++)
            print_tensor(text, node->out[j]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
