/* The two ends of the program: answers on standard output, everything else on standard error; and
 * Ctrl-C.
 *
 * Standard output gets what was asked for and nothing else, and is flushed as it comes. Progress
 * is shown only where standard error is a terminal. Owner thread only. */
#pragma once

#include "app/cli/options.h"
#include "engine/error.h"

#include <jansson.h>

struct terminal {
    nawi_cancel *cancel;  /* asked by Ctrl-C */
    bool shows_progress;  /* standard error is a terminal */
    bool colours;         /* and NO_COLOR is not set */
    int progress_columns; /* of a progress line that stands there now */
    int64_t progress_us;  /* when it was drawn */
    int write_error;      /* errno of the first failure of standard output; 0: none */
    int n_elements;       /* of a JSON array that is being written */
};

/* Installs the handler of Ctrl-C: once asks to stop, twice ends the program. */
void terminal_init(struct terminal *terminal);

/* Ctrl-C from here on counts anew. */
void terminal_reset_cancel(struct terminal *terminal);

/* Writes to standard output and flushes. False once it has failed: nobody reads any more, or the
 * disk is full. */
bool terminal_write(struct terminal *terminal, const char *text, size_t n_bytes);
bool terminal_print(struct terminal *terminal, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* json and a newline. */
bool terminal_write_json(struct terminal *terminal, const json_t *json);
/* A JSON array, element by element, so that what is done is there when the program is stopped.
 * Takes element over. */
void terminal_begin_array(struct terminal *terminal);
bool terminal_add_to_array(struct terminal *terminal, json_t *element);
bool terminal_end_array(struct terminal *terminal);

/* A line on standard error: "nawi: " and the sentence. */
void terminal_say(struct terminal *terminal, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Lines on standard error, as they are. */
void terminal_note(struct terminal *terminal, const char *text);
/* A nawi_progress_fn; user is the terminal. */
void terminal_progress(const char *stage, int64_t done, int64_t total, void *user);
/* Takes a progress line away. */
void terminal_clear(struct terminal *terminal);

/* Says the error, frees it, and returns the code to end with. */
int terminal_fail(struct terminal *terminal, GError *error);
/* The code to end with when all else went well: EXIT_FAILED when standard output failed. */
int terminal_finish(struct terminal *terminal);

/* A name for a line of text: as it is where it is harmless, else quoted. The caller frees. */
char *terminal_name(const char *file);
