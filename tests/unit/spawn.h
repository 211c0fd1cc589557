/* Runs the built program and takes what it says. */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct spawn {
    int code;  /* of exit; 128 + n after signal n */
    char *out; /* all of standard output, terminated; may hold NULs */
    size_t n_out;
    char *err;
};

/* What stands around a run; zeroed: an empty standard input, the environment of the test with
 * LC_ALL=C, standard output kept. */
struct spawn_params {
    const char *in;                 /* standard input */
    size_t n_in;                    /* 0: in is terminated */
    const char *const *environment; /* "NAME=value" beyond, NULL-terminated */
    const char *folder;             /* to run in */
    const char *out_path;           /* where standard output goes instead */
    int interrupt_ms;               /* above 0: standard input stays open, and SIGINT comes then */
    int out_fd;                     /* above 0: standard output goes there */
    int terminal_fd;                /* above 0: standard input and error are there */
};

/* arguments: those of nawi, NULL-terminated. params may be NULL. */
void spawn_run(const char *const *arguments, const struct spawn_params *params,
               struct spawn *result);
void spawn_finish(struct spawn *result);

/* Standard output as JSON; a failure of the test when it is none. The caller frees. */
json_t *spawn_get_json(const struct spawn *result);

#define SPAWN(result, params, ...)                                                                 \
    spawn_run((const char *const[]){__VA_ARGS__, NULL}, params, result)
