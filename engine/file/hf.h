/* A Hugging Face folder as weights: safetensors under GGUF names, config.json and its companions
 * as GGUF keys (config.h tells which are ours alone).
 *
 * Read are config.json and model.safetensors.index.json with its shards, or model.safetensors;
 * where they are there: generation_config.json, preprocessor_config.json or
 * processor_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja. Every one
 * is an entry of the folder; a link is followed inside the folder, and to the "blobs" of a
 * download cache beside "snapshots", nowhere else.
 *
 * The scale of a weight x.weight in 8 bits is listed as x.scale, [rows] or [n_expert, rows].
 *
 * A tensor whose name says nothing to this program is listed under that name, and a warning says
 * so. */
#pragma once

#include "engine/file/weights-internal.h"

/* Fills weights from a folder, or from a .safetensors file alone, which has no keys. On failure
 * what was built so far stays in weights, for weights_close(). */
bool hf_open(struct nawi_weights *weights, const char *path, GError **error);
