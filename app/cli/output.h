/* Arrays written to .npy files piece by piece, so that large ones need no memory of their size. */
#pragma once

#include "engine/error.h"

#include <stdint.h>
#include <stdio.h>

struct output_npy {
    char *path;
    FILE *file;
    int64_t n_left; /* elements that are still to come */
};

/* dtype: "<f4" or "<i4". Writes the header of an array of shape [n_dim], outermost first, at most
 * four dimensions. An existing file is written over. Errors name the file. */
bool output_npy_open(struct output_npy *npy, const char *path, const char *dtype, int n_dim,
                     const int64_t *shape, GError **error);
/* The next n elements, of four bytes each. */
bool output_npy_write(struct output_npy *npy, const void *elements, int64_t n, GError **error);
/* Closes it. Where it is not sound, or closing fails, the file is removed; *error is set by a
 * failure of closing alone. */
bool output_npy_close(struct output_npy *npy, bool sound, GError **error);
