/* Scratch planning, pure: lifetimes of temporaries in a sealed graph → offsets in one buffer.
 *
 * No two tensors that live at the same time overlap. Source of the method: largest first, lowest
 * place that is free during its life (best fit decreasing), as in tensor memory planners. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct scratch_item {
    uint64_t n_bytes;
    int first, last; /* steps in which it is alive, both included */
    uint64_t offset; /* out: a multiple of align */
};

/* Fills the offsets; returns the bytes that the buffer needs. align is a power of two. Items of 0
 * bytes get offset 0. */
uint64_t scratch_plan(struct scratch_item *items, int n, uint64_t align);
