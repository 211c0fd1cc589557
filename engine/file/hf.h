/* A Hugging Face folder as weights: safetensors under GGUF names, config.json and its companions as
 * GGUF keys. */
#pragma once

#include "engine/file/weights-internal.h"

/* Fills weights from folder. On failure what was built so far stays in weights, for
 * weights_close(). */
bool hf_open(struct nawi_weights *weights, const char *folder, GError **error);
