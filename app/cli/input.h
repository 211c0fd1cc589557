/* Whole inputs of a command line: standard input, or a file (or pipe) that the person named. */
#pragma once

#include "engine/error.h"

/* Reads all of path, "-" being standard input. More than `most` bytes is an INPUT error. The
 * result is terminated, may hold NUL bytes before that, and is freed by the caller; NULL on
 * error. */
char *input_read(const char *path, size_t most, size_t *n_bytes, GError **error);

/* How messages call it: "standard input", or the name, quoted where it would be harmful. The
 * caller frees. */
char *input_name(const char *path);
