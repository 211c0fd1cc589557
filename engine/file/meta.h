/* A model's metadata: one table of typed values by key, whatever file it came from.
 *
 * GGUF keys are the one vocabulary: what comes from config.json is translated to them
 * (file/config), and so is `--set KEY=VALUE`. Getters check type and range, and name key and file
 * in their errors.
 *
 * Built by one thread, then read by any. Owned by whoever created it. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

enum meta_type { META_INT, META_FLOAT, META_BOOL, META_STRING, META_ARRAY };

/* An array keeps its elements unpacked in one of these; the others are NULL. A string may hold NUL
 * bytes. */
struct meta_string {
    const char *text; /* not terminated in general */
    uint32_t n_bytes;
};
struct meta_array {
    enum meta_type type; /* of the elements: INT, FLOAT, BOOL (as ints) or STRING */
    uint64_t n;
    const int64_t *ints;
    const double *floats;
    const struct meta_string *strings;
};

struct nawi_meta;

/* source: the file's name, for messages; copied. */
struct nawi_meta *meta_create(const char *source);
void meta_destroy(struct nawi_meta *meta);
const char *meta_get_source(const struct nawi_meta *meta);

/* Setters replace. Keys and strings are copied; arrays are taken over (allocated with g_malloc;
 * strings of an array point into memory that lives as long as the meta: hand it over with
 * meta_keep()). */
void meta_set_int(struct nawi_meta *meta, const char *key, int64_t value);
void meta_set_float(struct nawi_meta *meta, const char *key, double value);
void meta_set_bool(struct nawi_meta *meta, const char *key, bool value);
void meta_set_string(struct nawi_meta *meta, const char *key, const char *text, size_t n_bytes);
void meta_set_array(struct nawi_meta *meta, const char *key, const struct meta_array *array);
void meta_keep(struct nawi_meta *meta, void *memory, GDestroyNotify destroy);
void meta_remove(struct nawi_meta *meta, const char *key);

/* "KEY=VALUE": the type is that of the value it replaces, else told from the text (true/false,
 * integer, number, else a string). */
bool meta_set_text(struct nawi_meta *meta, const char *assignment, GError **error);

bool meta_has(const struct nawi_meta *meta, const char *key);
/* True when a getter has looked at this value since it was set. */
bool meta_was_read(const struct nawi_meta *meta, const char *key);

/* Scalars. Absent: *value keeps what it held and the result is true, so set the default first; with
 * the _need_ forms absence is an error. A value of the wrong type or outside [least, most] (NaN
 * always) is an error. */
bool meta_get_int(const struct nawi_meta *meta, const char *key, int64_t least, int64_t most,
                  int64_t *value, GError **error);
bool meta_need_int(const struct nawi_meta *meta, const char *key, int64_t least, int64_t most,
                   int64_t *value, GError **error);
bool meta_get_float(const struct nawi_meta *meta, const char *key, double least, double most,
                    double *value, GError **error);
bool meta_get_bool(const struct nawi_meta *meta, const char *key, bool *value, GError **error);
/* Terminated, borrowed; a string with a NUL inside is an error. */
bool meta_get_string(const struct nawi_meta *meta, const char *key, const char **value,
                     GError **error);
/* *array is NULL when absent. */
bool meta_get_array(const struct nawi_meta *meta, const char *key, enum meta_type type,
                    const struct meta_array **array, GError **error);

/* In file order. value_text: a short printable form, freed by the caller. */
guint meta_count(const struct nawi_meta *meta);
const char *meta_get_key(const struct nawi_meta *meta, guint index, char **value_text);
