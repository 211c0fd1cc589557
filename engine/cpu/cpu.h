/* The CPU backend: runs graphs by the kernels of a tier on a team of threads.
 *
 * Buffers are anonymous memory, committed as it is touched, or imported maps. A run is done when
 * run() returns. */
#pragma once

#include "engine/backend.h"
#include "engine/cpu/kernels.h"

struct nawi_backend *cpu_open(enum kernel_tier most, int n_threads);

/* Where a CPU buffer's bytes lie; for tests and for hosts that fill inputs in place. */
void *cpu_buffer_get_data(const struct nawi_buffer *buffer);
