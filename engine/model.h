/* Inside the engine's top floor: what a model holds, for model.c, see.c, evaluate.c and session.c.
 */
#pragma once

#include "engine/arch/arch.h"
#include "engine/engine.h"
#include "engine/execute.h"
#include "engine/memory/kv.h"

/* A graph with its executor and the buffers that its weights lie in. */
struct model_part {
    struct arch_build build; /* graph and sources */
    struct executor *executor;
    GPtrArray *buffers; /* of struct nawi_buffer *, owned: imported files and converted copies */
    GPtrArray *parts;   /* arrays of struct graph_place, owned */
};

/* Inputs of the decoder, looked up once; NULL where no node reads one. */
struct model_inputs {
    struct graph_tensor *ids, *given, *turn, *temper, *pages, *picked, *logits;
    struct graph_tensor *cells[2], *spans[2]; /* [local] */
};

struct nawi_model {
    struct nawi_model_info info;
    GPtrArray *strings;  /* that info borrows */
    GPtrArray *warnings; /* NULL-terminated */

    struct nawi_weights *weights, *tower_weights; /* the latter may be the former, or NULL */
    const struct arch_family *family, *tower_family;
    struct arch_config config;
    struct arch_tower tower;
    struct nawi_tokenizer *tokenizer;
    const struct nawi_chat_format *chat_format;
    int32_t patch_token;

    struct nawi_backend *backends[GRAPH_MAX_DEVICES];
    int n_backend;
    /* One evaluation at a time: model_enter() and model_leave(). */
    GMutex lock;
    GCond left;
    bool busy;

    struct model_part decoder, eyes;
    struct model_inputs inputs;
    int64_t n_tile_most; /* tiles of one run of the tower */
    int64_t n_out_most;  /* rows of one run whose logits are made */
    double *inv_freq;    /* [n_rot / 2], divisors applied */

    struct kv_pool *pools[2]; /* [local] */
    GPtrArray
        *states; /* of struct nawi_buffer *: keys and values of each layer in turn; NULL: none */
    int64_t reserved[2];                          /* pages that live sessions may take, [local] */
    struct nawi_buffer *pages[GRAPH_MAX_DEVICES]; /* input "pages" */
    /* Host side of the inputs, for n_batch rows. */
    int32_t *ids, *cells[2], *spans[2], *picked, *page_list;
    int64_t page_room;
    float *given, *turn, *temper;
};

struct nawi_embedding {
    gatomicrefcount n_ref;
    int64_t n_row, n_embd;
    float *rows;
    uint8_t key[NAWI_MEDIA_HASH_BYTES]; /* of pixels, tiling */
};

struct nawi_session {
    struct nawi_model *model;
    struct kv_table table;
    GArray *tokens;      /* int32_t, the timeline */
    GPtrArray *pictures; /* of struct nawi_embedding *, referenced, in the order of their rows */
    GArray *sources;     /* struct session_source, one per place */
    float *logits;       /* [n_vocab] of the last place */
    bool has_logits;
    struct nawi_session_stats stats;
};

/* What stands at a place of a timeline: a token (picture NULL), or a row of a picture. */
struct session_source {
    const struct nawi_embedding *picture;
    int64_t row;
};

/* model-text.c: from metadata alone. */
struct nawi_tokenizer *model_create_tokenizer(const struct nawi_meta *meta, GError **error);
const char *model_get_template(const struct nawi_meta *meta);

/* place.c: gives every leaf that a device reads a place there. */
bool model_place_weights(struct nawi_model *model, struct model_part *part,
                         const struct nawi_weights *weights, GError **error);
void model_part_clear(struct model_part *part);

/* frequencies.c: fills inv_freq. */
bool model_read_frequencies(struct nawi_model *model, GError **error);

/* states.c. Room in the pools for one more session's tables, and back. With the model held. */
bool model_reserve_pages(struct nawi_model *model, const struct kv_shape *shape, GError **error);
void model_release_pages(struct nawi_model *model, const struct kv_shape *shape);
void model_free_states(struct nawi_model *model);
/* Bytes of so many pages of every global and every local layer, keys and values. */
uint64_t model_count_page_bytes(const struct nawi_model *model, int64_t n_global, int64_t n_local);

/* model.c. Waits for the model; false with CANCELLED when cancel is asked meanwhile. Held for one
 * run at most, so that nobody waits for another's whole prompt. */
bool model_enter(struct nawi_model *model, const nawi_cancel *cancel, GError **error);
void model_leave(struct nawi_model *model);

/* see.c */
bool model_open_eyes(struct nawi_model *model, GError **error);

/* evaluate.c */
bool model_open_decoder(struct nawi_model *model, GError **error);
void model_close_decoder(struct nawi_model *model);
/* What an evaluation gives and tells; members may be NULL. As for nawi_model_evaluate(). */
struct model_results {
    float *logits;
    int32_t *routes;
    nawi_progress_fn progress;
    void *user;
};

/* As nawi_model_evaluate(), rows checked. */
bool model_evaluate(struct nawi_model *model, const struct nawi_row *rows, int64_t n_row,
                    const struct model_results *results, const nawi_cancel *cancel, GError **error);

/* session.c, with the model held: shortens a timeline to what can stay when length places are
 * wanted; returns the new length. */
int64_t session_rewind(struct nawi_session *session, int64_t length);
