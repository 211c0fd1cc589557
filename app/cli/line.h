/* Lines from the person: edited on a terminal (with a history of this run), plain from a pipe.
 * Owner thread only. */
#pragma once

#include "app/cli/terminal.h"

struct line;

struct line *line_open(struct terminal *terminal);
void line_close(struct line *line);
bool line_is_edited(const struct line *line);

/* The next line without its end, freed by the caller. NULL at the end, or when Ctrl-C came: then
 * *interrupted is true and on a terminal another line may be asked for. */
char *line_read(struct line *line, const char *prompt, bool *interrupted);
