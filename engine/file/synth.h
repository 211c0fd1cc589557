/* Model files of true width with random weights: for speed, memory and loaders, never for words.
 *
 * The blocks are drawn directly in the wanted format, with scales that keep activations finite and
 * about 1. The files carry a whole metadata block, a synthetic vocabulary of the model's size with
 * Llama 4's control tokens, and a chat template, so other programs open them too. Equal parameters
 * give equal files. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

struct nawi_synth_params {
    const char *path;
    const char *shape; /* "scout", "maverick", "behemoth", "mini-scout", "tower" (an mmproj) */
    int n_layer;       /* 0: all of the shape */
    /* Number format of the matrices by name: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K to Q6_K. A
     * matrix whose rows are not whole blocks of it becomes Q8_0, or F16. */
    const char *type;
    uint64_t seed;
    const nawi_cancel *cancel;                             /* NULL: none */
    void (*progress)(int64_t done, int64_t total, void *); /* bytes; NULL: none */
    void *user;
};

/* Writes the file, or replaces it. On failure, or when cancelled, nothing is left of it. INPUT: an
 * unknown shape or type, or too many layers; IO: the disk. Any thread. */
bool nawi_synth(const struct nawi_synth_params *params, GError **error);
