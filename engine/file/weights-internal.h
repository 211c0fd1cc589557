/* How the readers of file formats build a struct nawi_weights. For weights.c, hf.c and their tests
 * alone.
 *
 * A reader maps its files, adds tensors, and puts keys into the metadata, which exists from the
 * start. Nothing has to be undone on failure: weights_open() closes what was built. */
#pragma once

#include "engine/file/mapping.h"
#include "engine/file/weights.h"

struct nawi_weights {
    char *path;   /* as given to weights_open() */
    char *format; /* for people; set by the reader */
    struct nawi_meta *meta;
    GArray *files;       /* struct mapping */
    GPtrArray *list;     /* struct nawi_weight *, listed ones in file order */
    GHashTable *by_name; /* name → struct nawi_weight * */
    GPtrArray *memory;   /* what lives as long: see weights_keep() */
    GPtrArray *warnings; /* char *, for weights_get_warnings() */
};

/* Maps a file (again, if it was mapped before). Its index, or -1 with error. */
int weights_add_file(struct nawi_weights *weights, const char *path, GError **error);

/* Adds a copy of weight and returns it; it stays where it is as long as weights lives. Of weight
 * are read: name (copied; NULL: neither listed nor found, only reachable through other weights'
 * scale or parts), dtype, n_dim, ne, stride_bytes, file, offset, scale, parts. data follows from
 * file and offset; with parts it is NULL and file, offset and strides mean nothing. file -1: the
 * tensor was computed and lies at data, in memory handed to weights_keep(); offset is 0. NULL with
 * error when the name is taken or a byte would lie outside the file. */
const struct nawi_weight *weights_add(struct nawi_weights *weights,
                                      const struct nawi_weight *weight, GError **error);

/* Another name under which weights_find() finds weight; it is not listed. */
bool weights_add_alias(struct nawi_weights *weights, const char *name,
                       const struct nawi_weight *weight, GError **error);

/* Fills stride_bytes of a plain tensor from dtype, n_dim and ne (checked by the caller: positive,
 * whole blocks). */
void weights_set_plain(struct nawi_weight *weight);

/* Memory from g_malloc() that is freed with weights; returns it. */
void *weights_keep(struct nawi_weights *weights, void *memory);

/* A sentence for the person about something odd that does not stop the model; taken over
 * (g_malloc). */
void weights_warn(struct nawi_weights *weights, char *sentence);

/* The reader of GGUF files and their shards: weights-gguf.c. Contract as hf_open(). */
bool weights_open_gguf(struct nawi_weights *weights, const char *path, GError **error);
