/* Malformed GGUF files, some two thousand, made from small sound ones: every class of damage that a
 * file can carry, each with what must become of it. */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum hostile_verdict {
    HOSTILE_REFUSED,  /* by the reader of the container already */
    HOSTILE_NO_MODEL, /* a sound container that makes no model: refused when that is built */
    HOSTILE_EITHER,   /* may work or be refused */
    HOSTILE_SOUND,    /* must work */
};

enum hostile_kind { HOSTILE_TEXT, HOSTILE_TOWER };

struct hostile_file {
    const char *class; /* "header", "dims" … */
    const char *name;  /* what was done */
    enum hostile_verdict verdict;
    enum hostile_kind kind;
    const char *says; /* part of the message of a refusal; NULL: any */
    const char *path; /* to be opened */
};

/* Makes each file in a folder of its own below the scratch folder, shows it, and removes it again.
 * Returns how many there were. The random ones follow harness_seed(). */
int hostile_gguf_each(void (*visit)(const struct hostile_file *file, void *user), void *user);
