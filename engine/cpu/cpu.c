/* The CPU backend: walks the nodes of a program and hands pieces of each to the thread team.
 *
 * How a node is cut into pieces never changes a number: every output value is computed whole, by
 * one call, in an order that the kernels fix. Multiplications want their activations in the tier's
 * form; a form once made is kept for the next node that multiplies the same tensor. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/nodes.h"
#include "engine/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct cpu_buffer {
    struct nawi_buffer base;
    char *data;
    bool imported;
};

/* ── Memory ──────────────────────────────────────────────────────────────────────────────────── */

static uint64_t read_available(void)
{
    char *text = NULL;
    uint64_t kib = 0;
    if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
        const char *at = strstr(text, "MemAvailable:");
        if (at)
            kib = g_ascii_strtoull(at + strlen("MemAvailable:"), NULL, 10);
    }
    g_free(text);
    return kib * 1024;
}

static struct nawi_buffer *alloc(struct nawi_backend *backend, uint64_t n_bytes, GError **error)
{
    uint64_t size = MAX(n_bytes, 1);
    void *data = size > SIZE_MAX / 2 ? MAP_FAILED
                                     : mmap(NULL, size, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "memory: needed %.1f MiB, available %.1f MiB", (double)n_bytes / 1048576.0,
                    (double)read_available() / 1048576.0);
        return NULL;
    }
    struct cpu_buffer *buffer = g_new0(struct cpu_buffer, 1);
    buffer->base = (struct nawi_buffer){backend, n_bytes};
    buffer->data = data;
    return &buffer->base;
}

static struct nawi_buffer *import(struct nawi_backend *backend, const void *host, uint64_t n_bytes,
                                  GError **error)
{
    (void)error;
    struct cpu_buffer *buffer = g_new0(struct cpu_buffer, 1);
    buffer->base = (struct nawi_buffer){backend, n_bytes};
    buffer->data = (char *)host; /* never written: weights are read-only tensors */
    buffer->imported = true;
    return &buffer->base;
}

static void free_buffer(struct nawi_buffer *base)
{
    struct cpu_buffer *buffer = (struct cpu_buffer *)base;
    if (!buffer)
        return;
    if (!buffer->imported)
        munmap(buffer->data, MAX(base->n_bytes, 1));
    g_free(buffer);
}

void *cpu_buffer_get_data(const struct nawi_buffer *buffer)
{
    return ((const struct cpu_buffer *)buffer)->data;
}

static bool upload(struct nawi_buffer *buffer, uint64_t offset, const void *from, uint64_t n_bytes,
                   GError **error)
{
    (void)error;
    g_assert(offset <= buffer->n_bytes && n_bytes <= buffer->n_bytes - offset);
    memcpy((char *)cpu_buffer_get_data(buffer) + offset, from, n_bytes);
    return true;
}

static bool download(const struct nawi_buffer *buffer, uint64_t offset, void *to, uint64_t n_bytes,
                     GError **error)
{
    (void)error;
    g_assert(offset <= buffer->n_bytes && n_bytes <= buffer->n_bytes - offset);
    memcpy(to, (const char *)cpu_buffer_get_data(buffer) + offset, n_bytes);
    return true;
}

/* ── Programs ────────────────────────────────────────────────────────────────────────────────── */

static bool can_run(const struct nawi_backend *backend, const struct graph_node *node)
{
    (void)backend;
    return node->op < GRAPH_OP_COUNT;
}

/* The largest activation forms and expert lists that any node of the program wants. */
static void measure(const struct cpu_backend *cpu, struct cpu_program *program)
{
    const struct graph_sizes *most = graph_get_most(program->base.graph);
    for (int i = 0; i < program->base.n; i++) {
        const struct graph_node *node =
            graph_get_node(program->base.graph, program->base.first + i);
        if (node->op == GRAPH_OP_MATMUL || node->op == GRAPH_OP_MOE_MATMUL) {
            const struct graph_tensor *w = node->in[0];
            int64_t k = w->ne[w->n_dim - 1];
            int64_t n = graph_rows(node->in[1], most) * graph_row_len(node->in[1]) / k;
            int64_t row_bytes = kernel_act_bytes(cpu->kernels->act[w->dtype], k);
            program->act_bytes = MAX(program->act_bytes, n * row_bytes);
        }
        if (node->op == GRAPH_OP_MOE_MATMUL) {
            program->n_slot =
                MAX(program->n_slot, graph_rows(node->in[2], most) * node->in[2]->ne[1]);
            program->n_expert = MAX(program->n_expert, node->in[0]->ne[0]);
        }
        if (node->op == GRAPH_OP_ATTEND_TILE)
            program->d_tile = MAX(program->d_tile, node->in[0]->ne[2]);
    }
}

static void destroy_program(struct backend_program *base)
{
    struct cpu_program *program = (struct cpu_program *)base;
    if (!program)
        return;
    if (program->memory)
        free_buffer(program->memory);
    g_free(program);
}

static struct backend_program *compile(struct nawi_backend *backend, const struct graph *graph,
                                       int first, int n, GError **error)
{
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    struct cpu_program *program = g_new0(struct cpu_program, 1);
    program->base =
        (struct backend_program){graph, first, n, n > 0 ? graph_get_node(graph, first)->device : 0};
    measure(cpu, program);
    int64_t tile_bytes =
        (int64_t)pool_get_size(cpu->pool) * 2 * CPU_TILE_QUERIES * program->d_tile * 4;
    int64_t list_bytes = program->n_slot * 8 + (program->n_expert + 1) * 4;
    int64_t act_bytes = (program->act_bytes + 63) & ~(int64_t)63;
    program->memory = alloc(
        backend, (uint64_t)(act_bytes + ((list_bytes + 63) & ~(int64_t)63) + tile_bytes), error);
    if (!program->memory) {
        destroy_program(&program->base);
        return NULL;
    }
    char *data = cpu_buffer_get_data(program->memory);
    program->act = data;
    program->x_rows = (int32_t *)(data + act_bytes);
    program->y_rows = program->x_rows + program->n_slot;
    program->starts = program->y_rows + program->n_slot;
    program->tile = (float *)(data + act_bytes + ((list_bytes + 63) & ~(int64_t)63));
    return &program->base;
}

static uint64_t run(struct nawi_backend *backend, struct backend_program *base,
                    const struct graph_sizes *sizes, const nawi_cancel *cancel, GError **error)
{
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    struct cpu_program *program = (struct cpu_program *)base;
    struct cpu_step step = {.cpu = cpu, .program = program, .sizes = sizes, .cancel = cancel};
    program->prepared = NULL;
    for (int i = 0; i < base->n; i++) {
        if (nawi_cancel_check(cancel, error))
            return 0;
        step.node = graph_get_node(base->graph, base->first + i);
        cpu_run_node(&step);
        cpu->counters.n_node++;
    }
    if (nawi_cancel_check(cancel, error)) /* the last node may have been cut short */
        return 0;
    return ++cpu->ticket;
}

static bool wait(struct nawi_backend *backend, uint64_t ticket, GError **error)
{
    (void)backend, (void)error;
    return ticket != 0;
}

static void count(const struct nawi_backend *backend, struct backend_counters *counters)
{
    *counters = ((const struct cpu_backend *)backend)->counters;
}

static void describe(const struct nawi_backend *backend, struct backend_description *description)
{
    const struct cpu_backend *cpu = (const struct cpu_backend *)backend;
    *description = (struct backend_description){cpu->name, read_available()};
}

static void close_backend(struct nawi_backend *backend)
{
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    pool_destroy(cpu->pool);
    g_free(cpu->name);
    g_free(cpu);
}

static const struct nawi_backend_ops cpu_ops = {
    .close = close_backend,
    .describe = describe,
    .alloc = alloc,
    .import = import,
    .free_buffer = free_buffer,
    .upload = upload,
    .download = download,
    .can_run = can_run,
    .compile = compile,
    .destroy_program = destroy_program,
    .run = run,
    .wait = wait,
    .count = count,
};

struct nawi_backend *cpu_open(enum kernel_tier most, int n_threads)
{
    struct cpu_backend *cpu = g_new0(struct cpu_backend, 1);
    cpu->base.ops = &cpu_ops;
    cpu->kernels = kernels_get(most);
    cpu->pool = pool_create(n_threads);
    cpu->name = g_strdup_printf("CPU %s, %d thread%s", cpu->kernels->name, n_threads,
                                n_threads == 1 ? "" : "s");
    return &cpu->base;
}
