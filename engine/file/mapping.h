/* A regular file mapped for reading.
 *
 * Only regular files: a folder, pipe, device or socket is refused at once, without waiting for its
 * other end and without reading from it. The map is private and read-only; a file that shrinks
 * while it is mapped is the system's to punish. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

struct mapping {
    char *path;       /* as given */
    const void *base; /* page aligned */
    uint64_t n_bytes; /* above 0 */
};

/* Errors are IO (not there, not readable) or FORMAT (not a regular file, empty) and name the path.
 * On failure mapping is zeroed. Any thread. */
bool mapping_open(struct mapping *mapping, const char *path, GError **error);
void mapping_close(struct mapping *mapping); /* a zeroed one is fine */
