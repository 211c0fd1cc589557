/* config.json and its neighbours → metadata under GGUF keys, so that one vocabulary describes a
 * model whatever it came from: llama4.*, llama.*, clip.*. Values that a Hugging Face file leaves
 * out are those of the class's defaults (they are left out exactly when they equal them).
 *
 * Keys that GGUF does not have and that this program reads beside it:
 *
 *   llama4.moe_layers             ints   layers with experts; before interleave_moe_layer_step
 *   llama4.rope.nope_layers       ints   layers without rotation; before rope.nope_period
 *   llama4.rope.nope_period       int    every n-th layer has no rotation [4]
 *   llama4.attention.temperature  bool   whether layers without rotation scale their queries [true]
 *   llama.rope.half               bool   pairs are (j, j + d/2), as Hugging Face has them [false]
 *   clip.vision.rope.freq_base    float  of the tower's rotation [10000]
 *   clip.vision.preproc_max_tiles int    most tiles of a picture [16]
 *   tokenizer.ggml.eos_token_ids  ints   every token that ends an answer
 *
 * Sources: the configuration classes of Hugging Face transformers (Llama4, Llama), GGUF
 * specification. */
#pragma once

#include "engine/file/json.h"
#include "engine/file/meta.h"

enum {
    CONFIG_HEAD_MOST = 1024,  /* longest head */
    CONFIG_LAYER_MOST = 1024, /* most layers */
};

/* How the rotation is stretched. kind NONE: not at all. */
struct config_rope {
    enum { CONFIG_ROPE_NONE, CONFIG_ROPE_LINEAR, CONFIG_ROPE_LLAMA3 } kind;
    double theta;
    double factor, low, high; /* of LLAMA3: low <= high; LINEAR: factor alone */
    double original;          /* context before stretching, in tokens */
};

/* What the mapping of tensors needs to know beside the metadata. */
struct config_facts {
    const char *arch; /* "llama4", "llama": static */
    bool is_tied;     /* the head is the embedding */
    bool has_vision;  /* config.json describes a tower */
    int64_t n_layer, n_vision_layer;
    int64_t d_head;
    int64_t image_px; /* tile side, when has_vision */
    struct config_rope rope;
    const char *quantised; /* "fbgemm_fp8", "compressed-tensors"; NULL: plain; static */
};

/* root: config.json. file: how messages call it. */
bool config_parse(const char *file, const json_t *root, struct nawi_meta *meta,
                  struct config_facts *facts, GError **error);

/* preprocessor_config.json, or the object image_processor of processor_config.json. Only with
 * facts->has_vision. */
bool config_parse_processor(const char *file, const json_t *root, const struct config_facts *facts,
                            struct nawi_meta *meta, GError **error);

/* generation_config.json: which tokens end an answer. */
bool config_parse_generation(const char *file, const json_t *root, struct nawi_meta *meta,
                             GError **error);

/* divisors [d_head / 2]: angle of pair j = position * theta^(-2j / d_head) / divisors[j]. True
 * when any is not 1. With low == high the change is a step and nothing is divided by their
 * difference. */
bool config_divide_rope(const struct config_rope *rope, int64_t d_head, float *divisors);

/* Between the files of this module. Reads rope_theta with rope_scaling, or rope_parameters. */
bool config_parse_rope(const struct nawi_json_at *at, double default_theta,
                       struct config_rope *rope, GError **error);
bool config_parse_vision(const struct nawi_json_at *at, int64_t n_embd, struct nawi_meta *meta,
                         struct config_facts *facts, GError **error);
