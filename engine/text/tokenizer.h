/* Text to tokens and back, from plain arrays.
 *
 * Two kinds, told apart by the model's own word for itself: "gpt2" is byte-level BPE (Llama 3,
 * Llama 4, SmolLM: a split by a published pattern, then merges in the order of their list),
 * "llama" is SentencePiece with scores and byte fallback (Llama 2). Token texts are as GGUF has
 * them: normal tokens of "gpt2" in the GPT-2 byte alphabet, control and user-defined ones
 * literally; of "llama" with U+2581 for a space and <0xNN> for bytes.
 *
 * A tokenizer is immutable after creation: any thread. */
#pragma once

#include "engine/error.h"

#include <stdint.h>

struct nawi_tokenizer;

enum { NAWI_TOKEN_NONE = -1 };

/* Values of tokenizer.ggml.token_type. */
enum nawi_token_type {
    NAWI_TOKEN_NORMAL = 1,
    NAWI_TOKEN_UNKNOWN = 2,
    NAWI_TOKEN_CONTROL = 3,
    NAWI_TOKEN_USER_DEFINED = 4,
    NAWI_TOKEN_UNUSED = 5,
    NAWI_TOKEN_BYTE = 6,
};

struct nawi_token_text {
    const char *text; /* not terminated in general */
    uint32_t n_bytes;
};

/* Nothing is kept of what the pointers lead to. Start from nawi_tokenizer_defaults(). Without
 * unknown_id it is the first token of that type. */
struct nawi_tokenizer_params {
    const char *source; /* the file's name, for messages */
    const char *model;  /* "gpt2" or "llama" */
    const char *pre;    /* the split, tokenizer.ggml.pre, of "gpt2"; NULL: "default", GPT-2's */
    const struct nawi_token_text *tokens;
    uint64_t n_token;
    const int64_t *types; /* [n_type]; NULL: all normal */
    uint64_t n_type;
    const double *scores; /* [n_score], needed by "llama" */
    uint64_t n_score;
    const struct nawi_token_text *merges; /* "left right", needed by "gpt2" */
    uint64_t n_merge;
    int64_t bos_id, eos_id, eot_id, eom_id, unknown_id; /* NAWI_TOKEN_NONE: not said */
    bool add_bos;          /* what the file says; kept for the asker, encoding never adds one */
    bool add_space_prefix; /* "llama": a text gets a space in front */
};

/* Everything empty, no ids, add_space_prefix set. */
struct nawi_tokenizer_params nawi_tokenizer_defaults(void);

/* Checks every array: counts that disagree, empty or doubled tokens, unknown types, merges that
 * name no token, ids outside the vocabulary are FORMAT errors; an unknown model or split name is
 * UNSUPPORTED, by name. Splitting tables are built here: 202,048 tokens take about 0.1 s. NULL
 * on error. */
struct nawi_tokenizer *nawi_tokenizer_create(const struct nawi_tokenizer_params *params,
                                             GError **error);
void nawi_tokenizer_destroy(struct nawi_tokenizer *tokenizer); /* NULL is fine */

enum nawi_encode_mode {
    NAWI_ENCODE_TEXT,     /* names of control tokens are ordinary text */
    NAWI_ENCODE_SPECIALS, /* names of control tokens become those tokens: for templates */
};

/* Appends the tokens of text to ids (a GArray of int32_t). No BOS is added. Invalid UTF-8 is
 * replaced by U+FFFD, one for each maximal invalid part (Unicode, "maximal subpart"), before
 * anything else. A byte that the vocabulary has no token for is left out, as the published
 * tokenizers do (SmolLM2 has none for 21 bytes, six control characters among them). Fails with
 * INPUT when the text is longer than 1 GiB, with MEMORY, and with FORMAT when nothing of the
 * text is left; ids is then as it was. O(n log n) in the length of the text, whatever it holds. */
bool nawi_tokenizer_encode(const struct nawi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                           enum nawi_encode_mode mode, GArray *ids, GError **error);

int32_t nawi_tokenizer_get_size(const struct nawi_tokenizer *tokenizer);
/* What the token stands for, as bytes; a control token's name. Borrowed; not terminated; may be
 * empty and may be a part of a character. NULL when id is outside the vocabulary. */
const char *nawi_tokenizer_get_bytes(const struct nawi_tokenizer *tokenizer, int32_t id,
                                     size_t *n_bytes);
/* The same joined: appends to bytes. Control tokens are left out unless mode is
 * NAWI_ENCODE_SPECIALS. Fails with INPUT on an id outside the vocabulary. */
bool nawi_tokenizer_decode(const struct nawi_tokenizer *tokenizer, const int32_t *ids, size_t n_id,
                           enum nawi_encode_mode mode, GString *bytes, GError **error);

/* The control or user-defined token of exactly this name, NAWI_TOKEN_NONE without one. */
int32_t nawi_tokenizer_find(const struct nawi_tokenizer *tokenizer, const char *name);
enum nawi_token_type nawi_tokenizer_get_type(const struct nawi_tokenizer *tokenizer, int32_t id);
/* Control tokens are never shown: all of type CONTROL, and user-defined ones named like
 * <|this|>. */
bool nawi_tokenizer_is_control(const struct nawi_tokenizer *tokenizer, int32_t id);
/* An answer ends here: eos, eot and eom as the file says, and by name whatever the file says:
 * <|end_of_text|>, <|eom|>, <|eot|>, <|eom_id|>, <|eot_id|>, <|im_end|>, <|endoftext|>, </s>. */
bool nawi_tokenizer_is_stop(const struct nawi_tokenizer *tokenizer, int32_t id);
/* Borrowed; ascending. */
const int32_t *nawi_tokenizer_get_stops(const struct nawi_tokenizer *tokenizer, size_t *n_stop);
int32_t nawi_tokenizer_get_bos(const struct nawi_tokenizer *tokenizer); /* or NAWI_TOKEN_NONE */
bool nawi_tokenizer_adds_bos(const struct nawi_tokenizer *tokenizer);

/* ── Text that appears token by token ────────────────────────────────────────────────────────── */

/* Zeroed at the start. A character comes out with its last byte; bytes that can no longer become
 * one come out at once as U+FFFD, one for each maximal invalid part. */
struct nawi_utf8_stream {
    uint8_t held[4];
    int n_held;
};

/* Appends to out what may be shown now: always valid UTF-8. */
void nawi_utf8_stream_push(struct nawi_utf8_stream *stream, const char *bytes, size_t n_bytes,
                           GString *out);
/* Appends what is left when no more bytes come, and zeroes the stream. */
void nawi_utf8_stream_end(struct nawi_utf8_stream *stream, GString *out);
