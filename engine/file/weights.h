/* One view of a model on disk: metadata, and name → dtype, shape, place in a mapped file.
 *
 * Opens a GGUF file (and its shards), or a Hugging Face folder (safetensors with or without index,
 * config.json, tokenizer.json, preprocessor_config.json). Names and keys are always those of GGUF:
 * a Hugging Face tensor appears under the GGUF name, with strides where its layout is another
 * (experts are input-major, gate and up share a tensor). Nothing is copied: data points into
 * read-only maps that live as long as the weights. A file that shrinks while it is mapped is the
 * system's to punish.
 *
 * Any thread may read after open. */
#pragma once

#include "engine/error.h"
#include "engine/file/dtype.h"
#include "engine/file/meta.h"

/* Shapes are outermost first: a matrix is [m, k], experts are [n_expert, m, k]; y[m] = sum over k
 * of w[m, k] x[k]. stride_bytes[i] steps dimension i; in the innermost dimension it steps one
 * block. In a plain tensor it is block_bytes innermost and row bytes before; in a transposed view
 * (only dtypes with block_len 1) the innermost stride is the larger one. */
struct nawi_weight {
    const char *name;
    enum nawi_dtype dtype;
    int n_dim;               /* 1..4 */
    int64_t ne[4];           /* outermost first; beyond n_dim: 1 */
    int64_t stride_bytes[4]; /* outermost first */
    int file;                /* index of the mapped file */
    uint64_t offset;         /* of the first element in that file */
    const void *data;        /* the same as a pointer */
    /* F32, one per output row: [m] or [n_expert, m]; NULL: none (FP8 has one). */
    const struct nawi_weight *scale;
    /* [ne[0]]: each expert is a tensor of its own [m, k]; else NULL. */
    const struct nawi_weight *const *parts;
};

struct nawi_weights;

/* path: a .gguf file (any shard), or a folder. NULL on error. */
struct nawi_weights *weights_open(const char *path, GError **error);
void weights_close(struct nawi_weights *weights);

const char *weights_get_path(const struct nawi_weights *weights);
/* May be changed before the model is built. */
struct nawi_meta *weights_get_meta(struct nawi_weights *weights);

/* NULL when there is none of that name. */
const struct nawi_weight *weights_find(const struct nawi_weights *weights, const char *name);
/* In file order. */
guint weights_count(const struct nawi_weights *weights);
const struct nawi_weight *weights_get(const struct nawi_weights *weights, guint index);

/* The mapped files: base address and length, page aligned at the base. */
int weights_count_files(const struct nawi_weights *weights);
void weights_get_file(const struct nawi_weights *weights, int index, const char **path,
                      const void **base, uint64_t *n_bytes);

/* For people: "GGUF 3, 2 shards", "safetensors, 2 files". Owned by weights. */
const char *weights_get_format(const struct nawi_weights *weights);

/* What is odd about the files but does not stop the model: sentences, NULL-terminated. Owned by
 * weights; valid until it is closed. */
const char *const *weights_get_warnings(const struct nawi_weights *weights);

/* Path of the vision tower that lies beside the text model at path (a GGUF file) and belongs to it;
 * NULL when there is none or no single one. Looks only at names and headers of .gguf files in the
 * same folder. Freed by the caller. explain says in a sentence why NULL, when several towers fit
 * equally well; else NULL. */
char *weights_find_mmproj(const char *path);
char *weights_explain_mmproj(const char *path);

/* Dequantises one row, counted over all outer dimensions, of a tensor without parts. */
void weights_dequant_row(const struct nawi_weight *weight, int64_t row, float *out);

/* Dequantises one whole tensor of the container to out [product of ne], dense, following strides
 * and scale. */
void weights_dequant(const struct nawi_weight *weight, float *out);
