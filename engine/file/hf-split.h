/* "pre_tokenizer" of tokenizer.json → tokenizer.ggml.pre. */
#pragma once

#include "engine/file/json.h"
#include "engine/file/meta.h"

/* top: the root of tokenizer.json. UNSUPPORTED names the pattern or step that is not known. */
bool hf_split_parse(const struct nawi_json_at *top, struct nawi_meta *meta, GError **error);
