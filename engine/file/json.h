/* JSON from outside: size and depth are looked at before the parser runs, duplicate keys are
 * refused, and values are taken out with their type and range checked. Errors name file and
 * place.
 *
 * What is refused beyond wrong grammar: more bytes, brackets or values than the limits say, keys
 * that occur twice, invalid UTF-8 and lone surrogates, NUL in strings, whole numbers beyond 64
 * bits (unless limits.reals), numbers that no double holds.
 *
 * No global state; any thread, each its own values. */
#pragma once

#include "engine/error.h"

#include <jansson.h>
#include <stdint.h>

/* A zero field means the default. */
struct nawi_json_limits {
    size_t n_bytes; /* of the text: 16 MiB */
    int depth;      /* of brackets: 64; at most 1024 */
    size_t
        n_values; /* objects, arrays, strings, numbers: 4 million, which is some 400 MB of memory */
    bool reals;   /* read whole numbers as doubles too (tokenizer_config.json holds 10^30) */
};

/* name: how messages call the text. limits: NULL for the defaults. The text needs no terminator.
 * The root is an object or an array. The caller frees with json_decref(). */
json_t *nawi_json_parse(const char *name, const char *text, size_t n_bytes,
                        const struct nawi_json_limits *limits, GError **error);

/* The same of a regular file (a link to one is fine; a folder, pipe or device is an error and is
 * not waited for). */
json_t *nawi_json_read(const char *path, const struct nawi_json_limits *limits, GError **error);

/* A place in a document: an object, and how to call it in messages: file "config.json", path
 * "text_config" or "". Borrows all three. */
struct nawi_json_at {
    const char *file;
    const char *path;
    const json_t *object;
};

/* The root of a document. An error when it is an array. */
bool nawi_json_root(const char *file, const json_t *root, struct nawi_json_at *at, GError **error);

/* True when the key is there and not null. */
bool nawi_json_has(const struct nawi_json_at *at, const char *key);

/* Absent or null: *value keeps what it held and the result is true; with the _need_ form absence
 * is an error. A value of another type or outside [least, most] is an error. */
bool nawi_json_get_int(const struct nawi_json_at *at, const char *key, int64_t least, int64_t most,
                       int64_t *value, GError **error);
bool nawi_json_need_int(const struct nawi_json_at *at, const char *key, int64_t least, int64_t most,
                        int64_t *value, GError **error);
bool nawi_json_get_float(const struct nawi_json_at *at, const char *key, double least, double most,
                         double *value, GError **error);
bool nawi_json_get_bool(const struct nawi_json_at *at, const char *key, bool *value,
                        GError **error);
/* Borrowed from the document. */
bool nawi_json_get_string(const struct nawi_json_at *at, const char *key, const char **value,
                          GError **error);
/* *array NULL when absent or null. */
bool nawi_json_get_array(const struct nawi_json_at *at, const char *key, const json_t **array,
                         GError **error);
/* Absent or null: child->object is NULL. child->path is the key, which must outlive child. */
bool nawi_json_get_object(const struct nawi_json_at *at, const char *key,
                          struct nawi_json_at *child, GError **error);

/* Sets NAWI_ERROR_FORMAT: "FILE: PATH.KEY: " and the sentence. key NULL: "FILE: PATH: ". Returns
 * false. */
bool nawi_json_fault(const struct nawi_json_at *at, const char *key, GError **error,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);

/* The same as NAWI_ERROR_UNSUPPORTED: the file may be right, this program cannot use it. */
bool nawi_json_unsupported(const struct nawi_json_at *at, const char *key, GError **error,
                           const char *format, ...) G_GNUC_PRINTF(4, 5);

/* "an object", "true", "'text'", "12": what stands there, short and safe for a message. Freed by
 * the caller. */
char *nawi_json_describe(const json_t *value);
