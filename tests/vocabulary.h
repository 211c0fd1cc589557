/* Tokenizers for tests: of model files, and small ones made up here. */
#pragma once

#include "engine/text/tokenizer.h"

/* The vocabulary of a GGUF file; aborts on any error. *chat_template (may be NULL) gets its
 * template or NULL, freed by the caller. */
struct nawi_tokenizer *vocabulary_open(const char *path, char **chat_template);

/* "gpt2" with the 256 bytes at ids 0..255, the merges "l l", "h e", "he ll", "hell o" behind
 * them (256..259), and the control tokens of specials, NULL-terminated, from 260 on. pre: the
 * split. */
struct nawi_tokenizer *vocabulary_make(const char *pre, const char *const *specials);

/* Ids of text as "1 2 3", freed by the caller. */
char *vocabulary_encode(const struct nawi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        enum nawi_encode_mode mode);
char *vocabulary_join(const GArray *ids);
