/* tokenizer.json and its companions → the arrays and keys that GGUF has for them:
 * tokenizer.ggml.{model, pre, tokens, token_type, merges, scores, bos_token_id, eos_token_id,
 * padding_token_id, add_bos_token} and tokenizer.chat_template.
 *
 * Two kinds are read, both "BPE" in the file: byte-level, which becomes model "gpt2"; and with
 * byte_fallback over U+2581, which becomes model "llama", a merge's place in its list giving the
 * score of what it makes. How text is cut is told by exact comparison with the published
 * patterns; one that is not among them is refused by name. */
#pragma once

#include "engine/file/json.h"
#include "engine/file/meta.h"

struct hf_tokenizer_files {
    const char *file; /* of tokenizer.json, for messages */
    const json_t *root;
    const char *config_file; /* of tokenizer_config.json; config NULL: there is none */
    const json_t *config;    /* read with limits.reals */
    const char *chat; /* text of chat_template.jinja, terminated; NULL: the one in config, if any */
};

/* n_vocab: rows of the embedding; ids that the file leaves out up to there become unused tokens,
 * ids beyond are an error. Ids already in meta (from config.json) are checked against the
 * vocabulary; those that config names come first. */
bool hf_tokenizer_parse(const struct hf_tokenizer_files *files, int64_t n_vocab,
                        struct nawi_meta *meta, GError **error);
