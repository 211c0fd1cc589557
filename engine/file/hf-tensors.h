/* The mapping of all tensors of a Hugging Face folder to weights. */
#pragma once

#include "engine/file/config.h"
#include "engine/file/safetensors.h"
#include "engine/file/weights-internal.h"

struct hf_source {
    int file; /* in weights */
    struct safetensors *reader;
};

struct hf_tensors {
    struct nawi_weights *weights;
    const struct config_facts *facts;
    GArray *sources;     /* struct hf_source */
    json_t *parts;       /* inside: GGUF name → names of the experts' own tensors by number */
    char *first_unknown; /* out: quoted name of a tensor that means nothing here; NULL; freed by
                            the caller */
    int64_t n_unknown;   /* out: how many of them */
    int64_t n_tower;     /* out: tensors of the vision tower */
    bool has_head;       /* out: an output matrix of its own stands in the files */
};

/* Adds every tensor of the sources. Experts in tensors of their own are joined: each must be there,
 * all of one type and shape. */
bool hf_tensors_add(struct hf_tensors *hf, GError **error);
