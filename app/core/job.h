/* The one way in which commands, and later the service and its clients, have a model do something.
 *
 *   worker = job_open_local(…)        a model, here in this process (a remote one: the same doors)
 *   picture = job_see(worker, file)   looked at once, then held by whoever wants to ask about it
 *   job_answer(worker, request)       messages in, text as it comes, a receipt at the end
 *
 * A worker keeps one timeline: whatever of a request it has read already is not read again, so that
 * several questions about one picture, and the turns of a chat, cost only what is new.
 *
 * A worker belongs to one thread at a time; events come on the caller's thread. Strings are
 * UTF-8 but for file names, which are bytes. */
#pragma once

#include "engine/engine.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct job_worker;

/* ── Opening ─────────────────────────────────────────────────────────────────────────────────── */

struct job_params {
    struct nawi_model_params model;
    int64_t context_tok; /* 0: the smaller of the metadata and 8,192 */
};

/* NULL on error. */
struct job_worker *job_open_local(const struct job_params *params, const nawi_cancel *cancel,
                                  GError **error);
void job_close(struct job_worker *worker); /* after its pictures; NULL is fine */
const struct nawi_model_info *job_get_model(const struct job_worker *worker);
int64_t job_get_context(const struct job_worker *worker);

/* ── What happens meanwhile ──────────────────────────────────────────────────────────────────── */

enum job_text_kind { JOB_TEXT_ANSWER, JOB_TEXT_THINKING };

/* Members may be NULL. */
struct job_events {
    nawi_progress_fn progress; /* stages "seeing", "reading" */
    /* Whole characters, as they come; not terminated. False stops the answer, as a cancel does. */
    bool (*text)(enum job_text_kind kind, const char *text, size_t n_bytes, void *user);
    void (*note)(const char *sentence, void *user); /* something the person should know */
    void *user;
};

/* ── Pictures ────────────────────────────────────────────────────────────────────────────────── */

struct job_picture; /* counted references */

struct job_picture_info {
    char *file;
    int width_px, height_px; /* upright */
    int turn;                /* EXIF orientation that was applied; 1: none */
    int rows, cols, n_tile;
    int64_t n_tok;       /* with begin, end and separators */
    int64_t n_patch_tok; /* rows of the tower's output */
    uint8_t hash[NAWI_MEDIA_HASH_BYTES];
    double decode_s, see_s;
    bool known; /* the same pixels had been seen before, and were not looked at again */
};

/* Decodes and looks at a file. Errors of the file name it; UNSUPPORTED when the model cannot
 * see. */
struct job_picture *job_see(struct job_worker *worker, const char *file,
                            const struct job_events *events, const nawi_cancel *cancel,
                            GError **error);
struct job_picture *job_picture_ref(struct job_picture *picture);
void job_picture_unref(struct job_picture *picture); /* NULL is fine */
const struct job_picture_info *job_picture_get_info(const struct job_picture *picture);

/* ── Answers ─────────────────────────────────────────────────────────────────────────────────── */

/* Text (terminated) or, where it is not NULL, a picture. */
struct job_part {
    const char *text;
    struct job_picture *picture;
};

struct job_message {
    enum nawi_chat_role role;
    const struct job_part *parts;
    size_t n_part;
};

struct job_request {
    const struct job_message *messages; /* the last is the person's */
    size_t n_message;
    struct nawi_sampler_params sampler;
    int64_t max_tok; /* of the answer; 0: as far as the context goes */
    /* When the context is full, leave out the oldest turns (never a system prompt), with a note. */
    bool drop_oldest;
};

enum job_end { JOB_END_STOP, JOB_END_LENGTH, JOB_END_CONTEXT, JOB_END_CANCELLED };

struct job_receipt {
    char *text; /* all of the answer */
    enum job_end end;
    GPtrArray *pictures; /* struct job_picture *, in the order in which the model read them */
    int64_t n_prompt_tok, n_picture_tok, n_answer_tok;
    int64_t n_reused, n_evaluated; /* rows of the prompt that were kept, and that were computed */
    int64_t n_dropped;             /* messages left out at the front */
    double load_s, decode_s,
        see_s; /* of the model, once; of the pictures that were looked at for this answer */
    double prompt_s, first_s, generate_s; /* first_s: from asking to the first token */
};

/* Fills *receipt, on failure too (finish it). Refuses with INPUT when the request holds pictures
 * but none of them reaches the model. After a cancel it fails with CANCELLED, and receipt->text
 * is what had come. */
bool job_answer(struct job_worker *worker, const struct job_request *request,
                const struct job_events *events, const nawi_cancel *cancel,
                struct job_receipt *receipt, GError **error);
void job_receipt_finish(struct job_receipt *receipt);

/* The receipt as JSON: a new object. */
json_t *job_receipt_to_json(const struct job_receipt *receipt, const struct nawi_model_info *model);
/* A string for JSON from bytes that may not be UTF-8: what is not becomes U+FFFD. New reference. */
json_t *job_json_string(const char *bytes);
/* The same for people: lines, each ended. The caller frees. */
char *job_receipt_to_text(const struct job_receipt *receipt, const struct nawi_model_info *model);

/* ── For whoever brings a worker ─────────────────────────────────────────────────────────────── */

/* The functions above call these. A worker's own struct begins with struct job_worker, a
 * picture's with struct job_picture. */
struct job_worker_ops {
    const struct nawi_model_info *(*get_model)(const struct job_worker *worker);
    int64_t (*get_context)(const struct job_worker *worker);
    struct job_picture *(*see)(struct job_worker *worker, const char *file,
                               const struct job_events *events, const nawi_cancel *cancel,
                               GError **error);
    bool (*answer)(struct job_worker *worker, const struct job_request *request,
                   const struct job_events *events, const nawi_cancel *cancel,
                   struct job_receipt *receipt, GError **error);
    void (*close)(struct job_worker *worker);
};

struct job_worker {
    const struct job_worker_ops *ops;
};

struct job_picture {
    int n_ref;
    void (*free)(struct job_picture *picture);
    struct job_picture_info info;
};
