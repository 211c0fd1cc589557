/* Cutting a graph into programs, planning their scratch, copying between devices. Copies go through
 * host memory; the place where a faster way would enter is copy_tensor(). */
#include "engine/execute.h"

#include "engine/memory/scratch.h"

enum { ALIGN = 256 };

struct segment {
    int device;
    struct backend_program *program;
    GPtrArray *copies; /* tensors made on another device that this segment reads first */
};

struct executor {
    struct graph *graph;
    struct nawi_backend *backends[GRAPH_MAX_DEVICES];
    int n_backend;
    GArray *segments; /* of struct segment */
    struct nawi_buffer *scratch[GRAPH_MAX_DEVICES];
    struct nawi_buffer *inputs[GRAPH_MAX_DEVICES];
    uint64_t scratch_bytes;
    void *bounce; /* for copies */
    uint64_t bounce_bytes;
};

static bool reads(const struct graph_node *node, const struct graph_tensor *tensor)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] == tensor || node->in[i]->scale == tensor)
            return true;
    return false;
}

bool execute_uses(const struct graph *graph, const struct graph_tensor *tensor, int device)
{
    for (int i = 0; i < graph_count_nodes(graph); i++) {
        const struct graph_node *node = graph_get_node(graph, i);
        if (node->device == device && reads(node, tensor))
            return true;
    }
    return false;
}

static bool is_made(const struct graph_tensor *t)
{
    return t->role == GRAPH_ROLE_TEMP || t->role == GRAPH_ROLE_OUTPUT;
}

/* ── Scratch ─────────────────────────────────────────────────────────────────────────────────── */

/* The life of every made tensor on one device, by node index; items of tensors that are never there
 * have no bytes. */
static void find_lives(const struct executor *executor, int device, struct scratch_item *items)
{
    const struct graph *graph = executor->graph;
    int n_tensor = graph_count_tensors(graph);
    for (int i = 0; i < n_tensor; i++)
        items[i] = (struct scratch_item){.first = -1, .last = -1};
    for (int s = 0; s < (int)executor->segments->len; s++) {
        const struct segment *segment = &g_array_index(executor->segments, struct segment, s);
        for (guint c = 0; segment->device == device && c < segment->copies->len; c++) {
            const struct graph_tensor *t = g_ptr_array_index(segment->copies, c);
            if (items[t->index].first < 0)
                items[t->index].first = segment->program ? segment->program->first : 0;
        }
    }
    for (int i = 0; i < graph_count_nodes(graph); i++) {
        const struct graph_node *node = graph_get_node(graph, i);
        for (int o = 0; o < node->n_out && node->device == device; o++)
            items[node->out[o]->index].first = items[node->out[o]->index].last = i;
        for (int j = 0; j < node->n_in; j++)
            items[node->in[j]->index].last = MAX(items[node->in[j]->index].last, i);
    }
    for (int i = 0; i < n_tensor; i++) {
        const struct graph_tensor *t = graph_get_tensor(graph, i);
        if (!is_made(t) || items[i].first < 0)
            continue;
        if (t->role == GRAPH_ROLE_OUTPUT)
            items[i].last = graph_count_nodes(graph);
        items[i].n_bytes = (uint64_t)graph_bytes(t, graph_get_most(graph));
    }
}

static bool place_scratch(struct executor *executor, int device, GError **error)
{
    struct graph *graph = executor->graph;
    int n_tensor = graph_count_tensors(graph);
    struct scratch_item *items = g_new(struct scratch_item, MAX(n_tensor, 1));
    find_lives(executor, device, items);
    uint64_t n_bytes = scratch_plan(items, n_tensor, ALIGN);
    struct nawi_backend *backend = executor->backends[device];
    executor->scratch[device] = backend->ops->alloc(backend, n_bytes, error);
    executor->scratch_bytes += n_bytes;
    for (int i = 0; executor->scratch[device] && i < n_tensor; i++)
        if (items[i].n_bytes > 0)
            graph_get_tensor(graph, i)->place[device] =
                (struct graph_place){executor->scratch[device], items[i].offset};
    g_free(items);
    return executor->scratch[device] != NULL;
}

static bool place_inputs(struct executor *executor, int device, GError **error)
{
    struct graph *graph = executor->graph;
    struct nawi_backend *backend = executor->backends[device];
    uint64_t n_bytes = 0;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t at = 0;
        for (int i = 0; i < graph_count_tensors(graph); i++) {
            struct graph_tensor *t = graph_get_tensor(graph, i);
            bool here = t->role == GRAPH_ROLE_INPUT && execute_uses(graph, t, device);
            if (!here ||
                (t->place[device].buffer && t->place[device].buffer != executor->inputs[device]))
                continue;
            if (pass == 1)
                t->place[device] = (struct graph_place){executor->inputs[device], at};
            at += ((uint64_t)graph_bytes(t, graph_get_most(graph)) + ALIGN - 1) &
                  ~(uint64_t)(ALIGN - 1);
        }
        n_bytes = at;
        if (pass == 0 && !(executor->inputs[device] = backend->ops->alloc(backend, n_bytes, error)))
            return false;
    }
    executor->scratch_bytes += n_bytes;
    return true;
}

/* ── Segments ────────────────────────────────────────────────────────────────────────────────── */

static void add_copies(const struct graph *graph, const struct graph_node *node, bool *there,
                       GPtrArray *copies)
{
    for (int j = 0; j < node->n_in; j++) {
        struct graph_tensor *t = node->in[j];
        bool *is_there = &there[t->index * GRAPH_MAX_DEVICES + node->device];
        if (!is_made(t) || *is_there || graph_get_node(graph, t->producer)->device == node->device)
            continue;
        *is_there = true;
        g_ptr_array_add(copies, t);
    }
}

static bool cut(struct executor *executor, GError **error)
{
    struct graph *graph = executor->graph;
    int n_node = graph_count_nodes(graph);
    bool *there = g_new0(bool, MAX(graph_count_tensors(graph), 1) * GRAPH_MAX_DEVICES);
    bool fine = true;
    for (int i = 0; i < n_node && fine;) {
        struct segment segment = {.device = graph_get_node(graph, i)->device,
                                  .copies = g_ptr_array_new()};
        struct nawi_backend *backend = executor->backends[segment.device];
        int end = i;
        while (end < n_node && graph_get_node(graph, end)->device == segment.device) {
            g_assert(backend->ops->can_run(backend, graph_get_node(graph, end)));
            add_copies(graph, graph_get_node(graph, end++), there, segment.copies);
        }
        segment.program = backend->ops->compile(backend, graph, i, end - i, error);
        fine = segment.program != NULL;
        g_array_append_val(executor->segments, segment);
        i = end;
    }
    g_free(there);
    return fine;
}

struct executor *execute_create(struct graph *graph, struct nawi_backend *const *backends,
                                int n_backend, GError **error)
{
    g_assert(n_backend >= 1 && n_backend <= GRAPH_MAX_DEVICES);
    struct executor *executor = g_new0(struct executor, 1);
    executor->graph = graph;
    executor->n_backend = n_backend;
    executor->segments = g_array_new(FALSE, FALSE, sizeof(struct segment));
    for (int d = 0; d < n_backend; d++)
        executor->backends[d] = backends[d];
    bool fine = cut(executor, error);
    for (int d = 0; d < n_backend && fine; d++)
        fine = place_inputs(executor, d, error) && place_scratch(executor, d, error);
    if (!fine) {
        execute_destroy(executor);
        return NULL;
    }
    return executor;
}

void execute_destroy(struct executor *executor)
{
    if (!executor)
        return;
    for (guint s = 0; s < executor->segments->len; s++) {
        struct segment *segment = &g_array_index(executor->segments, struct segment, s);
        executor->backends[segment->device]->ops->destroy_program(segment->program);
        g_ptr_array_unref(segment->copies);
    }
    for (int d = 0; d < executor->n_backend; d++) {
        executor->backends[d]->ops->free_buffer(executor->scratch[d]);
        executor->backends[d]->ops->free_buffer(executor->inputs[d]);
    }
    g_array_unref(executor->segments);
    g_free(executor->bounce);
    g_free(executor);
}

/* ── Running ─────────────────────────────────────────────────────────────────────────────────── */

bool execute_set(struct executor *executor, struct graph_tensor *input, const void *data,
                 uint64_t n_bytes, GError **error)
{
    for (int d = 0; d < executor->n_backend; d++) {
        const struct graph_place *place = &input->place[d];
        if (place->buffer &&
            !executor->backends[d]->ops->upload(place->buffer, place->offset, data, n_bytes, error))
            return false;
    }
    return true;
}

bool execute_get(struct executor *executor, const struct graph_tensor *output, uint64_t offset,
                 void *data, uint64_t n_bytes, GError **error)
{
    int device = graph_get_node(executor->graph, output->producer)->device;
    const struct graph_place *place = &output->place[device];
    return executor->backends[device]->ops->download(place->buffer, place->offset + offset, data,
                                                     n_bytes, error);
}

static bool copy_tensor(struct executor *executor, struct graph_tensor *t, int to,
                        const struct graph_sizes *sizes, GError **error)
{
    uint64_t n_bytes = (uint64_t)graph_bytes(t, sizes);
    if (n_bytes > executor->bounce_bytes) {
        g_free(executor->bounce);
        executor->bounce = g_try_malloc(n_bytes);
        executor->bounce_bytes = executor->bounce ? n_bytes : 0;
        if (!executor->bounce) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                        "memory: needed %.1f MiB to copy between devices",
                        (double)n_bytes / 1048576.0);
            return false;
        }
    }
    return execute_get(executor, t, 0, executor->bounce, n_bytes, error) &&
           executor->backends[to]->ops->upload(t->place[to].buffer, t->place[to].offset,
                                               executor->bounce, n_bytes, error);
}

bool execute_run(struct executor *executor, const struct graph_sizes *sizes,
                 const nawi_cancel *cancel, GError **error)
{
    uint64_t tickets[GRAPH_MAX_DEVICES] = {0};
    struct graph_sizes counts = *sizes;
    bool fine = true;
    counts.n[GRAPH_COUNT_NONE] = 1;
    for (int c = 0; c < GRAPH_N_COUNT; c++)
        g_assert(counts.n[c] <= graph_get_most(executor->graph)->n[c]);
    for (guint s = 0; fine && s < executor->segments->len; s++) {
        const struct segment *segment = &g_array_index(executor->segments, struct segment, s);
        struct nawi_backend *backend = executor->backends[segment->device];
        for (guint c = 0; fine && c < segment->copies->len; c++)
            fine = copy_tensor(executor, g_ptr_array_index(segment->copies, c), segment->device,
                               &counts, error);
        uint64_t ticket =
            fine ? backend->ops->run(backend, segment->program, &counts, cancel, error) : 0;
        fine = ticket != 0;
        tickets[segment->device] = fine ? ticket : tickets[segment->device];
    }
    for (int d = 0; d < executor->n_backend; d++) /* after a failure too: memory may be reused */
        if (tickets[d] != 0 && !executor->backends[d]->ops->wait(executor->backends[d], tickets[d],
                                                                 fine ? error : NULL))
            fine = false;
    return fine;
}

uint64_t execute_get_scratch_bytes(const struct executor *executor)
{
    return executor->scratch_bytes;
}
