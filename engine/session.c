/* The timeline: what a session has read, kept on the host so that any backend could replay it, and
 * the cheapest way from it to what is wanted. */
#include "engine/model.h"

#include <string.h>

enum { DEFAULT_CONTEXT = 8192 };

/* ── Life ────────────────────────────────────────────────────────────────────────────────────── */

struct nawi_session *nawi_session_create(struct nawi_model *model,
                                         const struct nawi_session_params *params, GError **error)
{
    int64_t most = model->config.context_tok;
    int64_t context =
        params && params->context_tok > 0 ? params->context_tok : MIN(most, DEFAULT_CONTEXT);
    if (!model->decoder.executor || context > most) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "context of %" G_GINT64_FORMAT " tokens: the model allows 1..%" G_GINT64_FORMAT,
                    context, most);
        return NULL;
    }
    struct kv_shape shape = {model->config.chunk_tok, model->info.n_batch, context};
    model_enter(model, NULL, NULL);
    bool fine = model_reserve_pages(model, &shape, error);
    model_leave(model);
    if (!fine)
        return NULL;
    struct nawi_session *session = g_new0(struct nawi_session, 1);
    session->model = model;
    kv_table_init(&session->table, &shape, model->pools[0], model->pools[1]);
    session->tokens = g_array_new(FALSE, FALSE, sizeof(int32_t));
    session->sources = g_array_new(FALSE, FALSE, sizeof(struct session_source));
    session->pictures = g_ptr_array_new_with_free_func((GDestroyNotify)nawi_embedding_unref);
    session->logits = g_new0(float, model->config.n_vocab);
    return session;
}

void nawi_session_destroy(struct nawi_session *session)
{
    if (!session)
        return;
    const struct kv_shape shape = session->table.shape;
    model_enter(session->model, NULL, NULL);
    kv_table_finish(&session->table);
    model_release_pages(session->model, &shape);
    model_leave(session->model);
    g_array_unref(session->tokens);
    g_array_unref(session->sources);
    g_ptr_array_unref(session->pictures);
    g_free(session->logits);
    g_free(session);
}

/* ── Timeline ────────────────────────────────────────────────────────────────────────────────── */

static const struct session_source *source_at(const struct nawi_session *session, int64_t place)
{
    return &g_array_index(session->sources, struct session_source, place);
}

/* Pictures that no place shows any more are let go, from the end. */
static void release_pictures(struct nawi_session *session)
{
    const struct nawi_embedding *last = NULL;
    for (int64_t i = (int64_t)session->sources->len - 1; i >= 0 && !last; i--)
        last = source_at(session, i)->picture;
    while (session->pictures->len > 0 &&
           g_ptr_array_index(session->pictures, session->pictures->len - 1) != last)
        g_ptr_array_set_size(session->pictures, (gint)session->pictures->len - 1);
}

int64_t session_rewind(struct nawi_session *session, int64_t length)
{
    int64_t kept = kv_keepable(&session->table, length);
    kv_rewind(&session->table, kept);
    if (kept < (int64_t)session->tokens->len) {
        g_array_set_size(session->tokens, (guint)kept);
        g_array_set_size(session->sources, (guint)kept);
        release_pictures(session);
        session->has_logits = false;
    }
    return kept;
}

/* The rows that a prompt stands for. */
static bool list_rows(struct nawi_session *session, const struct nawi_prompt *prompt,
                      struct nawi_row *rows, GError **error)
{
    const struct nawi_model *model = session->model;
    int64_t n_patch = 0;
    int64_t n_row = 0;
    for (int64_t i = 0; i < prompt->n_picture; i++)
        n_row += prompt->pictures[i]->n_row;
    for (int64_t i = 0; i < prompt->n_token; i++)
        n_patch += prompt->tokens[i] == model->patch_token && model->patch_token >= 0;
    if (n_patch != n_row) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "the prompt has %" G_GINT64_FORMAT
                    " places for rows of pictures, the pictures have %" G_GINT64_FORMAT " rows",
                    n_patch, n_row);
        return false;
    }
    int64_t picture = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < prompt->n_token; i++) {
        rows[i] = (struct nawi_row){.session = session, .token = prompt->tokens[i]};
        if (prompt->tokens[i] != model->patch_token || model->patch_token < 0)
            continue;
        while (at >= prompt->pictures[picture]->n_row) {
            picture++;
            at = 0;
        }
        rows[i].picture = prompt->pictures[picture];
        rows[i].picture_row = at++;
    }
    return true;
}

static bool same_place(const struct nawi_session *session, int64_t place,
                       const struct nawi_row *row)
{
    const struct session_source *have = source_at(session, place);
    if (!have->picture || !row->picture)
        return !have->picture && !row->picture &&
               g_array_index(session->tokens, int32_t, place) == row->token;
    return have->row == row->picture_row &&
           (have->picture == row->picture ||
            memcmp(have->picture->key, row->picture->key, sizeof row->picture->key) == 0);
}

static bool check_rows(const struct nawi_model *model, const struct nawi_row *rows, int64_t n,
                       GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        const struct nawi_embedding *picture = rows[i].picture;
        if (rows[i].session->model != model) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "row %" G_GINT64_FORMAT " belongs to another model", i);
            return false;
        }
        if (picture && (picture->n_embd != model->config.n_embd || rows[i].picture_row < 0 ||
                        rows[i].picture_row >= picture->n_row)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "row %" G_GINT64_FORMAT ": row %" G_GINT64_FORMAT
                        " of a picture of %" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT
                        " values, in a model of width %" G_GINT64_FORMAT,
                        i, rows[i].picture_row, picture->n_row, picture->n_embd,
                        model->config.n_embd);
            return false;
        }
        if (!picture && (rows[i].token < 0 || rows[i].token >= model->config.n_vocab)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "token %d at place %" G_GINT64_FORMAT ": expected 0..%" G_GINT64_FORMAT,
                        rows[i].token, i, model->config.n_vocab - 1);
            return false;
        }
    }
    return true;
}

static bool sync_rows(struct nawi_session *session, struct nawi_row *rows, int64_t n,
                      const struct model_results *results, const nawi_cancel *cancel,
                      GError **error)
{
    int64_t same = 0;
    int64_t most = MIN(n, (int64_t)session->tokens->len);
    while (same < most && same_place(session, same, &rows[same]))
        same++;
    if (same == n && same == (int64_t)session->tokens->len && session->has_logits) {
        session->stats.n_reused += n;
        return true;
    }
    if (!model_enter(session->model, cancel, error))
        return false;
    int64_t kept = session_rewind(session, MIN(same, n - 1)); /* the last for its logits */
    model_leave(session->model);
    session->stats.n_reused += kept;
    rows[n - 1].wants_logits = true;
    return model_evaluate(session->model, rows + kept, n - kept, results, cancel, error);
}

bool nawi_session_sync(struct nawi_session *session, const struct nawi_prompt *prompt,
                       nawi_progress_fn progress, void *user, const nawi_cancel *cancel,
                       GError **error)
{
    struct nawi_model *model = session->model;
    int64_t n = prompt->n_token;
    if (n < 1 || n > session->table.shape.context_tok) {
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_INPUT,
            n < 1 ? "the prompt is empty (%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tokens)"
                  : "the prompt has %" G_GINT64_FORMAT " tokens, the context %" G_GINT64_FORMAT,
            n, session->table.shape.context_tok);
        return false;
    }
    struct nawi_row *rows = g_try_new(struct nawi_row, n);
    if (!rows) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "memory: needed %.1f MiB for a prompt of %" G_GINT64_FORMAT " tokens",
                    (double)n * (double)sizeof *rows / 1048576.0, n);
        return false;
    }
    bool fine = list_rows(session, prompt, rows, error) && check_rows(model, rows, n, error);
    const struct model_results results = {session->logits, NULL, progress, user};
    fine = fine && sync_rows(session, rows, n, &results, cancel, error);
    g_free(rows);
    return fine;
}

bool nawi_session_add(struct nawi_session *session, int32_t token, const nawi_cancel *cancel,
                      GError **error)
{
    struct nawi_row row = {.session = session, .token = token, .wants_logits = true};
    return nawi_model_evaluate(session->model, &row, 1, session->logits, NULL, cancel, error);
}

bool nawi_model_evaluate(struct nawi_model *model, const struct nawi_row *rows, int64_t n_row,
                         float *logits, int32_t *routes, const nawi_cancel *cancel, GError **error)
{
    if (!check_rows(model, rows, n_row, error))
        return false;
    const struct model_results results = {logits, routes, NULL, NULL};
    bool fine = model_evaluate(model, rows, n_row, &results, cancel, error);
    for (int64_t i = 0; i < n_row; i++) /* logits went to the caller, but for nawi_session_add() */
        if (logits != rows[i].session->logits)
            rows[i].session->has_logits = false;
    return fine;
}

/* ── Reading ─────────────────────────────────────────────────────────────────────────────────── */

const float *nawi_session_get_logits(const struct nawi_session *session)
{
    return session->has_logits ? session->logits : NULL;
}

int64_t nawi_session_get_length(const struct nawi_session *session)
{
    return (int64_t)session->tokens->len;
}

int64_t nawi_session_get_context(const struct nawi_session *session)
{
    return session->table.shape.context_tok;
}

const int32_t *nawi_session_get_tokens(const struct nawi_session *session)
{
    return (const int32_t *)(void *)session->tokens->data;
}

void nawi_session_get_stats(const struct nawi_session *session, struct nawi_session_stats *stats)
{
    const struct nawi_model *model = session->model;
    const struct arch_config *c = &model->config;
    const struct kv_table *t = &session->table;
    int64_t page = KV_PAGE_TOK * c->n_kv_head * c->d_head * (int64_t)sizeof(float) * 2;
    int64_t n_local = 0;
    int64_t used[2] = {0};
    for (int64_t i = 0; i < c->n_layer; i++)
        n_local += c->layers[i].local;
    for (int64_t i = 0; i < t->n_global; i++)
        used[0] += t->global[i] >= 0;
    for (int64_t i = 0; i < t->n_local; i++)
        used[1] += t->local[i] >= 0;
    *stats = session->stats;
    stats->kv_bytes_local = n_local * t->n_local * page;
    stats->kv_bytes_global = (c->n_layer - n_local) * t->n_global * page;
    stats->kv_bytes_used = (n_local * used[1] + (c->n_layer - n_local) * used[0]) * page;
    stats->scratch_bytes = (int64_t)execute_get_scratch_bytes(model->decoder.executor);
}
