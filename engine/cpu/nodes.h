/* Inside the CPU backend: what running one node needs. */
#pragma once

#include "engine/cpu/cpu.h"
#include "engine/pool.h"

enum { CPU_TILE_QUERIES = 16 }; /* rows of a tile that one attention call takes together */

struct cpu_backend {
    struct nawi_backend base;
    const struct kernels *kernels;
    struct pool *pool;
    struct backend_counters counters;
    uint64_t ticket;
    char *name;
};

struct cpu_program {
    struct backend_program base;
    struct nawi_buffer *memory; /* holds the arrays below, sized for the largest run */
    int64_t act_bytes, n_slot, n_expert, d_tile;
    char *act;                           /* activations in the tier's form */
    const struct graph_tensor *prepared; /* whose they are; NULL: nobody's */
    enum kernel_act prepared_act;
    int32_t *x_rows, *y_rows; /* [n_slot], slots sorted by expert */
    int32_t *starts;          /* [n_expert + 1]: first slot of each expert */
    float *tile;              /* [threads, 2, CPU_TILE_QUERIES, d_tile] */
};

struct cpu_step {
    struct cpu_backend *cpu;
    struct cpu_program *program;
    const struct graph_node *node;
    const struct graph_sizes *sizes;
    const nawi_cancel *cancel;
};

void cpu_run_node(struct cpu_step *step);

/* The multiplications, in matmul.c. */
void cpu_run_matmul(struct cpu_step *step);
void cpu_run_moe_matmul(struct cpu_step *step);

/* A tensor's bytes on the step's device. */
static inline char *cpu_data(const struct cpu_step *step, const struct graph_tensor *t)
{
    const struct graph_place *place = &t->place[step->program->base.device];
    return (char *)cpu_buffer_get_data(place->buffer) + place->offset;
}
