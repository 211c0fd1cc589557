/* The front door of the engine: models, sessions, and what they answer.
 *
 *     open a model → see pictures → lay out a chat as tokens
 *     → sync a session to them → sample → add the token → sample …
 *
 * All types are opaque but plain values. Strings are UTF-8. Nothing here reads pictures, prints, or
 * knows of windows; pictures come as struct nawi_media (media.h), made by vision. Text doors:
 * text/tokenizer.h, text/chat.h, text/conversation.h, text/sample.h, text/prompts.h, text/tools.h,
 * included here. */
#pragma once

#include "engine/error.h"
#include "engine/media.h"
#include "engine/text/chat.h"
#include "engine/text/conversation.h"
#include "engine/text/prompts.h"
#include "engine/text/sample.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tools.h"

#include <stdint.h>

struct nawi_model;
struct nawi_session;
struct nawi_embedding;

/* Called on the caller's thread from inside a long call: done of total steps of the named stage. */
typedef void (*nawi_progress_fn)(const char *stage, int64_t done, int64_t total, void *user);

/* ── Models ──────────────────────────────────────────────────────────────────────────────────── */

struct nawi_model_params {
    const char *path;   /* a .gguf file or a Hugging Face folder */
    const char *mmproj; /* vision tower in a file of its own; NULL: looked for beside path */
    bool no_vision;     /* do not look for a tower */
    const char *const *overrides; /* "KEY=VALUE" for the metadata, NULL-terminated; NULL: none */
    int n_threads;                /* 0: one for each processor of this process */
    const char *cpu_tier;         /* "ref", "avx2": not above this; NULL: the best */
    int n_batch;                  /* rows of one evaluation at most (the micro-batch); 0: 512 */
};

struct nawi_model_info {
    const char *path, *mmproj_path; /* the latter NULL without a tower of its own file */
    const char *name, *arch, *format;
    const char *description; /* what the file says of itself, made safe for a terminal; or NULL */
    const char *licence_notice;  /* to be shown, e.g. "Built with Llama"; or NULL */
    const char *const *warnings; /* NULL-terminated */
    const char *cpu_tier;
    const char *dtypes; /* "Q4_K 288, F32 97": how many tensors of which type */
    int64_t n_param;
    int64_t weight_bytes; /* in the mapped files */
    int64_t n_layer, n_moe_layer, n_embd, n_vocab, n_head, n_kv_head, n_expert, n_expert_used;
    int64_t chunk_tok;   /* of local layers; 0: none */
    int64_t context_tok; /* most that the metadata allows */
    int n_threads, n_batch;
    bool has_vision;
};

/* Opens, checks and plans; weights stay in the mapped files. Any thread; nothing of params is kept.
 * NULL on error: IO, FORMAT (the file is wrong), UNSUPPORTED (we are), MEMORY, CANCELLED, INPUT
 * (params; an override that no part of the program reads). */
struct nawi_model *nawi_model_open(const struct nawi_model_params *params,
                                   const nawi_cancel *cancel, GError **error);
/* After its sessions; nobody else may use the model any more. NULL is fine. */
void nawi_model_close(struct nawi_model *model);

/* Borrowed from the model. Any thread. */
const struct nawi_model_info *nawi_model_get_info(const struct nawi_model *model);
const struct nawi_tokenizer *nawi_model_get_tokenizer(const struct nawi_model *model);
const struct nawi_chat_format *nawi_model_get_chat_format(const struct nawi_model *model);
const struct nawi_media_spec *nawi_model_get_media_spec(
    const struct nawi_model *model); /* NULL: it cannot see */

/* A model file's own shared parts without its weights, for `tokens` and `prompt`: a file with a
 * vocabulary alone will do. *format may be NULL. Freed with nawi_tokenizer_destroy(). media_spec is
 * filled with the file's tower's numbers or, without one, with those of 336/14/2/16. */
struct nawi_tokenizer *nawi_tokenizer_open(const char *path, const char *mmproj,
                                           const struct nawi_chat_format **format,
                                           struct nawi_media_spec *media_spec, GError **error);

/* A tower alone: path is an mmproj file (or a folder or file that holds a tower). Only
 * nawi_model_see(), nawi_model_get_info() and nawi_model_get_media_spec() may be used. */
struct nawi_model *nawi_model_open_tower(const struct nawi_model_params *params, GError **error);

/* ── Pictures ────────────────────────────────────────────────────────────────────────────────── */

/* The rows that stand at a picture's <|patch|> tokens: [n_row, n_embd] float, immutable, counted
 * references: any thread. nawi_model_see() may be called from several threads (they take turns);
 * progress comes as stage "see", in tiles. INPUT when media does not fit the tower. */
struct nawi_embedding *nawi_model_see(struct nawi_model *model, const struct nawi_media *media,
                                      nawi_progress_fn progress, void *user,
                                      const nawi_cancel *cancel, GError **error);
struct nawi_embedding *nawi_embedding_ref(struct nawi_embedding *embedding);
void nawi_embedding_unref(struct nawi_embedding *embedding); /* NULL is fine */
const float *nawi_embedding_get_rows(const struct nawi_embedding *embedding, int64_t *n_row,
                                     int64_t *n_embd);

/* ── Sessions ────────────────────────────────────────────────────────────────────────────────── */

/* What a session should have read: tokens, and at the k-th <|patch|> token row k of all pictures'
 * rows in order. The number of patch tokens must equal the number of rows. */
struct nawi_prompt {
    const int32_t *tokens;
    int64_t n_token;
    struct nawi_embedding *const *pictures;
    int64_t n_picture;
};

struct nawi_session_params {
    int64_t context_tok; /* 0: the smaller of the metadata and 8,192 */
};

/* One timeline: tokens and picture rows in order, and the keys and values computed for them. Owner
 * thread only, but several sessions of one model may be used from several threads (they take
 * turns). */
struct nawi_session *nawi_session_create(struct nawi_model *model,
                                         const struct nawi_session_params *params, GError **error);
void nawi_session_destroy(struct nawi_session *session);

/* Makes the timeline equal to prompt the cheapest way: keeps the common prefix, rewinds, evaluates
 * the rest. Then the logits of its last token can be read. A prompt longer than the context is an
 * INPUT error that says both numbers and leaves the timeline as it was. After CANCELLED the
 * timeline is a prefix of prompt and sound. */
bool nawi_session_sync(struct nawi_session *session, const struct nawi_prompt *prompt,
                       nawi_progress_fn progress, void *user, const nawi_cancel *cancel,
                       GError **error);

/* One more token; a <|patch|> token is then its own embedding, not a picture's row. Fails with
 * INPUT when the context is full. */
bool nawi_session_add(struct nawi_session *session, int32_t token, const nawi_cancel *cancel,
                      GError **error);

/* [n_vocab] of the last token of the timeline; valid until the next call on the session; NULL when
 * it is empty. */
const float *nawi_session_get_logits(const struct nawi_session *session);
int64_t nawi_session_get_length(const struct nawi_session *session);
int64_t nawi_session_get_context(const struct nawi_session *session);
/* The token at each place of the timeline, [length]; borrowed until the next call. */
const int32_t *nawi_session_get_tokens(const struct nawi_session *session);

struct nawi_session_stats {
    int64_t n_evaluated, n_reused; /* rows, since creation */
    int64_t n_expert_multiplied;   /* triples of gate, up and down, over all rows and layers */
    int64_t kv_bytes_local, kv_bytes_global; /* planned for the session */
    int64_t kv_bytes_used;                   /* of both, touched so far */
    int64_t scratch_bytes;
};
void nawi_session_get_stats(const struct nawi_session *session, struct nawi_session_stats *stats);

/* ── Many rows at once ───────────────────────────────────────────────────────────────────────── */

/* One row of an evaluation: a token or an embedding row, appended to its session's timeline. */
struct nawi_row {
    struct nawi_session *session;
    int32_t token; /* ≥ 0 */
    const struct nawi_embedding
        *picture; /* not NULL: row picture_row of it stands here instead of the token's own */
    int64_t picture_row;
    bool wants_logits;
};

/* Evaluates rows of one or several sessions of the same model, in order, together (split to the
 * model's n_batch). logits [number of rows that want them, n_vocab], NULL when none does; routes
 * [n_moe_layer, n_row, n_expert_used] or NULL. INPUT, with nothing evaluated, when a context has no
 * room for all its rows or a row does not fit. After another error (CANCELLED, MEMORY) each
 * timeline has got the rows of the batches that were done. The sessions' owner thread. */
bool nawi_model_evaluate(struct nawi_model *model, const struct nawi_row *rows, int64_t n_row,
                         float *logits, int32_t *routes, const nawi_cancel *cancel, GError **error);
