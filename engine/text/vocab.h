/* The checked vocabulary behind both kinds of tokenizer: what each token stands for, and from
 * bytes back to tokens.
 *
 * Immutable after creation: any thread. */
#pragma once

#include "engine/text/tokenizer.h"

enum {
    VOCAB_MAX_TOKENS = 1 << 24,
    VOCAB_MAX_TOKEN_BYTES = 65535,
};

struct vocab;

/* Takes tokens, types and scores of params. NULL on error. */
struct vocab *vocab_create(const struct nawi_tokenizer_params *params, GError **error);
void vocab_destroy(struct vocab *vocab); /* NULL is fine */

int32_t vocab_get_size(const struct vocab *vocab);
enum nawi_token_type vocab_get_type(const struct vocab *vocab, int32_t id);
double vocab_get_score(const struct vocab *vocab, int32_t id); /* 0 without scores */
/* Borrowed, not terminated. id is inside the vocabulary. */
const char *vocab_get_bytes(const struct vocab *vocab, int32_t id, size_t *n_bytes);

/* The token that text may become and that stands for exactly these bytes; NAWI_TOKEN_NONE
 * without one. Control, user-defined, unused, unknown and byte tokens are never found here. */
int32_t vocab_find(const struct vocab *vocab, const char *bytes, size_t n_bytes);
/* The token for a single byte: in "gpt2" the one of that length, in "llama" the one named
 * <0xNN>. */
int32_t vocab_find_byte(const struct vocab *vocab, unsigned char byte);
/* No token that vocab_find() knows is longer. */
size_t vocab_get_longest(const struct vocab *vocab);

/* Tokens found by their name as a whole, control or user-defined: the longest one that text
 * [n_bytes] begins with, and the one that it is. controls: control tokens as well, else
 * user-defined ones alone. */
int32_t vocab_find_prefix(const struct vocab *vocab, const char *text, size_t n_bytes,
                          bool controls);
int32_t vocab_find_name(const struct vocab *vocab, const char *name, size_t n_bytes);
/* True when some such token begins with this byte. */
bool vocab_may_begin(const struct vocab *vocab, unsigned char byte, bool controls);
bool vocab_is_control(const struct vocab *vocab, int32_t id);

/* Bytes of text written in GPT-2's alphabet appended to out; false when a character of it is not
 * of the alphabet. */
bool vocab_append_alphabet(GString *out, const char *text, size_t n_bytes);

/* Bytes of text written in SentencePiece's way appended to out: U+2581 becomes a space. */
void vocab_append_unescaped(GString *out, const char *text, size_t n_bytes);

/* A hash of bytes with the vocabulary's secret seeds, so that no file can be made to collide. */
uint64_t vocab_hash(const struct vocab *vocab, const char *bytes, size_t n_bytes);
uint64_t vocab_hash_pair(const struct vocab *vocab, int32_t left, int32_t right);
