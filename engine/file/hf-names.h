/* Names of Hugging Face tensors → what they are under GGUF names. Pure. */
#pragma once

#include "engine/file/config.h"

enum hf_role {
    HF_UNKNOWN, /* no name of ours */
    HF_PLAIN,   /* one weight, as it is */
    HF_GATE_UP, /* experts [n_expert, in, 2 out]: gate left, up right; name is the gate's */
    HF_DOWN,    /* experts [n_expert, in, out] */
    HF_PART,    /* one expert's matrix [out, in]; name is that of all of them */
    HF_SCALE,   /* of the weight that has the name without the ending */
    HF_HEAD,    /* the output matrix, which a tied model does not use */
};

struct hf_place {
    enum hf_role role;
    char name[64];    /* GGUF name; empty for UNKNOWN and SCALE */
    char up_name[64]; /* of GATE_UP: the other half */
    int64_t expert;   /* of PART */
};

/* Layers beyond those of facts, and names that belong to another family, are UNKNOWN. */
void hf_place_name(const struct config_facts *facts, const char *name, struct hf_place *place);

/* The name of the scale that belongs to a weight in 8 bits: "x.weight" has "x.weight_scale",
 * "x_proj" has "x_proj_scale". Freed by the caller. */
char *hf_scale_name(const char *weight_name);
