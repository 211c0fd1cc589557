/* Reader of the safetensors container, and of the index that spreads a model over several of
 * them.
 *
 * A file is, in this order:
 *   1. 8 bytes: length n of the header, little endian, at most 100,000,000
 *   2. n bytes: a JSON object, first byte '{', spaces allowed behind it:
 *        "__metadata__"  optional, an object of strings, ignored here
 *        any other key   a tensor: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}
 *   3. the data: offsets count from here; the tensors cover it without gap and overlap up to the
 *      last byte of the file
 *
 * Source: README of the safetensors project, section "Format". */
#pragma once

#include "engine/error.h"
#include "engine/file/dtype.h"
#include "engine/file/json.h"

#include <stdint.h>

enum { SAFETENSORS_DIM_MOST = 8 };

struct safetensors_tensor {
    const char *name;       /* owned by the reader */
    const char *dtype_name; /* as the file says, static */
    bool known; /* dtype is one of ours; else dtype means nothing and the data cannot be read */
    enum nawi_dtype dtype;
    int n_dim;                        /* 0: a single value */
    int64_t ne[SAFETENSORS_DIM_MOST]; /* outermost first; beyond n_dim: 1 */
    uint64_t begin, end;              /* bytes of the file, from its first */
};

struct safetensors;

/* name: of the file, for messages. bytes: the whole file, needed only during the call. NULL on
 * error. */
struct safetensors *safetensors_parse(const char *name, const void *bytes, uint64_t n_bytes,
                                      GError **error);
void safetensors_destroy(struct safetensors *reader);

/* In the order of their data. */
guint safetensors_count(const struct safetensors *reader);
const struct safetensors_tensor *safetensors_get(const struct safetensors *reader, guint index);
const struct safetensors_tensor *safetensors_find(const struct safetensors *reader,
                                                  const char *name);

/* What model.safetensors.index.json says: the names of the files, sorted, each once, and for
 * every tensor the file that must hold it. File names are plain: no folder, no "..", ending in
 * .safetensors. */
struct safetensors_index {
    GPtrArray *files;  /* char * */
    json_t *root;      /* the document, which owns the next */
    const json_t *map; /* tensor name → file name, strings all */
};

bool safetensors_index_read(const char *path, struct safetensors_index *index, GError **error);
void safetensors_index_finish(
    struct safetensors_index *index); /* of one that was read, or all zero */

/* Every tensor of the index that belongs to file number i stands in its reader, and the reader
 * holds none that the index gives to another file. */
bool safetensors_index_check(const struct safetensors_index *index, const char *path, guint i,
                             const struct safetensors *reader, GError **error);
