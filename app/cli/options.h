/* Command lines: one table of all options, which command takes which, and the help that is made of
 * both.
 *
 * Options may stand anywhere before "--"; "--name VALUE" and "--name=VALUE" are the same; a
 * value that an option needs is taken as it is, even when it begins with a dash. Nothing is
 * abbreviated: an option that is not known is a usage error that names the nearest one. */
#pragma once

#include "engine/error.h"

#include <stdint.h>
#include <stdio.h>

/* What a program ends with. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* what was asked for was not done */
    EXIT_USAGE = 2,  /* the command line makes no sense */
    EXIT_PARTLY = 3, /* some files of a batch failed */
    EXIT_INTERRUPTED = 130,
};

/* Groups of options; a command names those that it takes. */
enum option_group {
    OPTIONS_MODEL = 1 << 0,  /* --model and what runs it */
    OPTIONS_ENGINE = 1 << 1, /* what runs a model that is an argument */
    OPTIONS_ANSWER = 1 << 2,
    OPTIONS_RECEIPT = 1 << 3,
    OPTIONS_JSON = 1 << 4,
    OPTIONS_CAPTION = 1 << 5,
    OPTIONS_INSPECT = 1 << 6,
    OPTIONS_LOOK = 1 << 7,
    OPTIONS_TOKENS = 1 << 8,
    OPTIONS_PROMPT = 1 << 9,
    OPTIONS_EVAL = 1 << 10,
    OPTIONS_SYNTH = 1 << 11,
    OPTIONS_CHAT = 1 << 12,
    OPTIONS_TOWER = 1 << 13, /* --mmproj */
    OPTIONS_BENCH = 1 << 14,
};

/* Everything that can be said on a command line. What was not said is NULL, false, NaN or
 * negative. Strings are borrowed from argv. */
struct options {
    GPtrArray *arguments; /* const char *, what is not an option; NULL-terminated */

    const char *model, *mmproj, *cpu_tier;
    int64_t n_threads, context_tok;
    GPtrArray *overrides; /* const char *, "KEY=VALUE" */

    double temperature, top_p, min_p, repetition_penalty;
    int64_t top_k, seed, max_tokens;
    const char *system;

    bool receipt, json, help;
    const char *languages;
    bool drop_oldest;

    const char *tensor, *out;
    int64_t tile_px, max_tiles;
    bool control, decode, parse;

    const char *tokens, *text, *logits, *embeddings, *routes;
    GPtrArray *pictures, *tiles; /* const char * */
    int64_t n_batch;

    const char *shape, *type;
    int64_t n_layer;

    int64_t n_prompt, n_generate;
    const char *depths, *picture;
};

struct terminal;

/* A command of the program. */
struct command {
    const char *name;
    const char *arguments; /* "FILE… \"question\"" */
    const char *summary;   /* one line, for the list */
    const char *examples;  /* lines "  nawi …" */
    const char *details;   /* one paragraph */
    unsigned groups;       /* of option_group */
    int least, most;       /* arguments; most negative: any number */
    int (*run)(const struct options *options, struct terminal *terminal);
};

/* Reads argv[2…] of a command. False on a usage error, with a sentence in *error. Ended by
 * options_finish() in either case. */
bool options_read(const struct command *command, int argc, char **argv, struct options *options,
                  GError **error);
void options_finish(struct options *options);

/* The help of a command. */
void options_print_help(const struct command *command, FILE *to);

/* The nearest of n names, or NULL when none is near. */
const char *options_nearest(const char *wanted, const char *const *names, size_t n);

/* "12", "8k" (times 1,024): whole, within [least, most]. name: the option or argument, for the
 * message. */
bool options_parse_int(const char *name, const char *text, int64_t least, int64_t most,
                       int64_t *value, GError **error);
