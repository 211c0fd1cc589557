/* A GGUF file taken apart, for tests that put it together wrongly. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum build_type {
    BUILD_U8,
    BUILD_I8,
    BUILD_U16,
    BUILD_I16,
    BUILD_U32,
    BUILD_I32,
    BUILD_F32,
    BUILD_BOOL,
    BUILD_STRING,
    BUILD_ARRAY,
    BUILD_U64,
    BUILD_I64,
    BUILD_F64,
};

struct build_key {
    GByteArray *name;
    uint64_t n_name; /* length as written */
    uint32_t type;
    GByteArray *value; /* everything behind the type */
};

struct build_tensor {
    GByteArray *name;
    uint64_t n_name;
    uint32_t n_dim; /* as written; as many of dims are */
    uint64_t dims[8];
    uint32_t type;
    uint64_t offset;
};

struct build {
    char magic[4];
    uint32_t version;
    uint64_t n_tensor, n_key; /* as written */
    GPtrArray *keys;          /* struct build_key */
    GPtrArray *tensors;       /* struct build_tensor */
    GByteArray *data;
    guint n_trailing; /* bytes behind the data */
    GArray *places;   /* guint: where build_bytes() began each piece */
};

/* Takes a sound file apart; aborts on another. */
struct build *build_read(const char *path);
struct build *build_copy(const struct build *build);
void build_free(struct build *build);
GByteArray *build_bytes(struct build *build);

/* NULL when absent. */
struct build_key *build_find_key(const struct build *build, const char *name);
struct build_tensor *build_find_tensor(const struct build *build, const char *name);
void build_drop_key(struct build *build, const char *name);
void build_drop_tensor(struct build *build, const char *name); /* its bytes stay */

/* Adds a key, or changes its type and value; n_key follows. */
struct build_key *build_set(struct build *build, const char *name, uint32_t type, const void *value,
                            guint n_bytes);
void build_set_number(struct build *build, const char *name, uint32_t type, uint64_t value);
void build_set_float(struct build *build, const char *name, float value);
void build_set_text(struct build *build, const char *name, const char *text, gsize n_bytes);
struct build_tensor *build_add_tensor(struct build *build, const char *name, uint32_t type,
                                      uint64_t dim, uint64_t offset);

void build_put(GByteArray *out, uint64_t value, int n_bytes); /* little endian */
