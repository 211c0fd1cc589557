/* Token ids as bare JSON arrays, in and out. */
#pragma once

#include "app/cli/terminal.h"

/* A new GArray of int32_t, NULL on error. path "-" is standard input. */
GArray *ids_read(const char *path, GError **error);
/* "[1, 2, 3]" and a newline. */
bool ids_write(struct terminal *terminal, const GArray *ids);
