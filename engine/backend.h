/* What a device must do to run graphs. A backend is a struct of functions; CPU and dummy today,
 * Vulkan next.
 *
 * Threads: one caller at a time per backend, except describe(), which any thread may call. */
#pragma once

#include "engine/error.h"
#include "engine/graph/graph.h"

/* Every buffer of every backend begins with this. */
struct nawi_buffer {
    const struct nawi_backend *backend;
    uint64_t n_bytes;
};

/* Every program begins with this: nodes [first, first + n) of a sealed graph, on one device. The
 * places of its tensors are read at each run, not at compile. */
struct backend_program {
    const struct graph *graph;
    int first, n;
    int device; /* index of the places that it reads and writes */
};

struct backend_description {
    const char *name;      /* "CPU avx2, 2 threads" */
    uint64_t memory_bytes; /* that may be allocated now */
};

/* What a backend counts as it runs; never reset. */
struct backend_counters {
    int64_t n_node;          /* nodes run */
    int64_t n_expert_matrix; /* (row, expert matrix) pairs multiplied */
};

struct nawi_backend_ops {
    void (*close)(struct nawi_backend *backend);
    void (*describe)(const struct nawi_backend *backend, struct backend_description *description);

    /* Zeroed memory. May be committed as it is touched. NULL on error (MEMORY: says needed and
     * available). */
    struct nawi_buffer *(*alloc)(struct nawi_backend *backend, uint64_t n_bytes, GError **error);
    /* Optional (NULL: weights are uploaded instead): read-only host memory used where it lies; it
     * must outlive the buffer. */
    struct nawi_buffer *(*import)(struct nawi_backend *backend, const void *host, uint64_t n_bytes,
                                  GError **error);
    void (*free_buffer)(struct nawi_buffer *buffer); /* NULL is fine */
    /* Ranges must lie inside the buffer. download waits for what was run before. */
    bool (*upload)(struct nawi_buffer *buffer, uint64_t offset, const void *from, uint64_t n_bytes,
                   GError **error);
    bool (*download)(const struct nawi_buffer *buffer, uint64_t offset, void *to, uint64_t n_bytes,
                     GError **error);

    /* Honest: planners split graphs by it. */
    bool (*can_run)(const struct nawi_backend *backend, const struct graph_node *node);
    struct backend_program *(*compile)(struct nawi_backend *backend, const struct graph *graph,
                                       int first, int n, GError **error);
    void (*destroy_program)(struct backend_program *program); /* NULL is fine */
    /* Begins a run and gives a ticket to wait for; 0 on error. Runs of one backend finish in order.
     */
    uint64_t (*run)(struct nawi_backend *backend, struct backend_program *program,
                    const struct graph_sizes *sizes, const nawi_cancel *cancel, GError **error);
    /* True when the run of the ticket is done; false with CANCELLED or DEVICE. */
    bool (*wait)(struct nawi_backend *backend, uint64_t ticket, GError **error);

    void (*count)(const struct nawi_backend *backend, struct backend_counters *counters);
};

struct nawi_backend {
    const struct nawi_backend_ops *ops;
};
