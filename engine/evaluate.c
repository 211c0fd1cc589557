/* Rows to logits: the decoder's graph and the inputs of one run.
 *
 * Rows of several sessions go together. For each row the host says where its key goes (a cell) and
 * what it sees (a span of positions through a page table); positions and lengths are values of a
 * run, never shapes of the graph. */
#include "engine/model.h"

#include <math.h>
#include <string.h>

enum {
    LOGIT_BYTES = 64 << 20,    /* of one run: vocabularies are wide, rows that want logits few */
    MEMORY_RESERVE = 64 << 20, /* left to the system when keys and values grow */
    FIRST_PAGES = 1024,        /* room in the list of page tables, to begin with */
};

/* ── Opening ─────────────────────────────────────────────────────────────────────────────────── */

static void find_inputs(struct nawi_model *model)
{
    const struct graph *graph = model->decoder.build.graph;
    model->inputs = (struct model_inputs){
        .ids = graph_find(graph, "ids"),
        .given = graph_find(graph, "given"),
        .turn = graph_find(graph, "turn"),
        .temper = graph_find(graph, "temper"),
        .pages = graph_find(graph, "pages"),
        .picked = graph_find(graph, "picked"),
        .logits = graph_find(graph, "logits"),
        .cells = {graph_find(graph, "cells.global"), graph_find(graph, "cells.local")},
        .spans = {graph_find(graph, "spans.global"), graph_find(graph, "spans.local")},
    };
}

static bool allocate_host_inputs(struct nawi_model *model, GError **error)
{
    const struct arch_config *c = &model->config;
    const int64_t n = model->info.n_batch;
    model->ids = g_new0(int32_t, n);
    model->picked = g_new0(int32_t, n);
    for (int local = 0; local < 2; local++) {
        model->cells[local] = g_new0(int32_t, n);
        model->spans[local] = g_new0(int32_t, n * 4);
    }
    model->temper = g_new0(float, n);
    model->turn = g_try_new0(float, n * c->n_rot);
    model->given = g_try_new0(float, n * c->n_embd);
    if (model->turn && model->given)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "memory: needed %.1f MiB for a batch",
                (double)(n * (c->n_embd + c->n_rot)) * 4 / 1048576.0);
    return false;
}

/* Room for the page tables of a run, on the host and on every device that reads them. */
static bool make_page_room(struct nawi_model *model, int64_t room, GError **error)
{
    int32_t *list = g_try_renew(int32_t, model->page_list, room);
    if (!list) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "memory: needed %.1f MiB for page tables",
                    (double)room * 4 / 1048576.0);
        return false;
    }
    model->page_list = list;
    for (int d = 0; d < model->n_backend; d++) {
        struct nawi_backend *backend = model->backends[d];
        if (!execute_uses(model->decoder.build.graph, model->inputs.pages, d))
            continue;
        struct nawi_buffer *buffer = backend->ops->alloc(backend, (uint64_t)room * 4, error);
        if (!buffer)
            return false;
        backend->ops->free_buffer(model->pages[d]);
        model->pages[d] = buffer;
        model->inputs.pages->place[d] = (struct graph_place){buffer, 0};
    }
    model->page_room = room;
    return true;
}

bool model_open_decoder(struct nawi_model *model, GError **error)
{
    struct model_part *part = &model->decoder;
    const int64_t n = model->info.n_batch;
    model->n_out_most = CLAMP(LOGIT_BYTES / 4 / model->config.n_vocab, 1, n);
    struct graph_sizes most = {{1, n, model->n_out_most, 0}};
    if (!model_read_frequencies(model, error))
        return false;
    arch_begin(&part->build, model->weights);
    model->family->decoder(&part->build, &model->config);
    if (!arch_finish(&part->build, &most, error) ||
        !model_place_weights(model, part, model->weights, error))
        return false;
    find_inputs(model);
    for (int local = 0; local < 2; local++)
        model->pools[local] = kv_pool_create();
    if (!allocate_host_inputs(model, error) || !make_page_room(model, FIRST_PAGES, error))
        return false;
    part->executor = execute_create(part->build.graph, model->backends, model->n_backend, error);
    return part->executor != NULL;
}

void model_close_decoder(struct nawi_model *model)
{
    model_part_clear(&model->decoder);
    model_free_states(model);
    for (int d = 0; d < model->n_backend; d++)
        model->backends[d]->ops->free_buffer(model->pages[d]);
    for (int local = 0; local < 2; local++) {
        kv_pool_destroy(model->pools[local]);
        g_free(model->cells[local]);
        g_free(model->spans[local]);
    }
    g_free(model->ids);
    g_free(model->picked);
    g_free(model->page_list);
    g_free(model->given);
    g_free(model->turn);
    g_free(model->temper);
    g_free(model->inv_freq);
}

/* ── One run ─────────────────────────────────────────────────────────────────────────────────── */

struct visitor { /* a session in this run */
    struct nawi_session *session;
    int64_t length_before;
    int64_t n_row;
    int32_t table[2]; /* where its page tables begin in the list, [local] */
};

static struct visitor *find_visitor(GArray *visitors, struct nawi_session *session)
{
    for (guint i = 0; i < visitors->len; i++)
        if (g_array_index(visitors, struct visitor, i).session == session)
            return &g_array_index(visitors, struct visitor, i);
    struct visitor visitor = {.session = session, .length_before = session->table.length};
    g_array_append_val(visitors, visitor);
    return &g_array_index(visitors, struct visitor, visitors->len - 1);
}

/* Before anything is evaluated: every session has room for all its rows. */
static bool check_context(GArray *visitors, GError **error)
{
    for (guint i = 0; i < visitors->len; i++) {
        const struct visitor *v = &g_array_index(visitors, struct visitor, i);
        const struct kv_table *table = &v->session->table;
        if (table->length + v->n_row <= table->shape.context_tok)
            continue;
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "the context is full: %" G_GINT64_FORMAT " tokens are in it, %" G_GINT64_FORMAT
                    " more are wanted, %" G_GINT64_FORMAT " fit",
                    table->length, v->n_row, table->shape.context_tok);
        return false;
    }
    return true;
}

/* Pages are committed when they are first written: refuse before the system has to kill. */
static bool check_memory(const struct nawi_model *model, GArray *visitors, GError **error)
{
    uint64_t needed = 0;
    int64_t length = 0;
    for (guint i = 0; i < visitors->len; i++) {
        const struct visitor *v = &g_array_index(visitors, struct visitor, i);
        int64_t global, local;
        kv_count_new_pages(&v->session->table, v->n_row, &global, &local);
        needed += model_count_page_bytes(model, global, local);
        length += v->session->table.length;
    }
    if (needed == 0)
        return true;
    struct backend_description description;
    model->backends[0]->ops->describe(model->backends[0], &description);
    if (description.memory_bytes == 0 || needed + MEMORY_RESERVE <= description.memory_bytes)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "memory for the context ran out at %" G_GINT64_FORMAT
                " tokens: needed %.0f MiB more, available %.0f MiB",
                length, (double)(needed + MEMORY_RESERVE) / 1048576.0,
                (double)description.memory_bytes / 1048576.0);
    return false;
}

static GArray *list_visitors(const struct nawi_row *rows, int64_t n)
{
    GArray *visitors = g_array_new(FALSE, FALSE, sizeof(struct visitor));
    for (int64_t i = 0; i < n; i++)
        find_visitor(visitors, rows[i].session)->n_row++;
    return visitors;
}

/* The rows' places are taken; that they are in the context was seen before the first run. */
static bool admit(struct nawi_model *model, GArray *visitors, GError **error)
{
    if (!check_memory(model, visitors, error))
        return false;
    for (guint i = 0; i < visitors->len; i++) {
        struct visitor *v = &g_array_index(visitors, struct visitor, i);
        kv_extend(&v->session->table, v->n_row);
    }
    return true;
}

/* Page tables of all visitors, one after the other. */
static bool list_pages(struct nawi_model *model, GArray *visitors, GError **error)
{
    int64_t n = 0;
    for (guint i = 0; i < visitors->len; i++) {
        struct visitor *v = &g_array_index(visitors, struct visitor, i);
        const struct kv_table *t = &v->session->table;
        int64_t n_global = (t->length + KV_PAGE_TOK - 1) / KV_PAGE_TOK;
        if (n + n_global + t->n_local > model->page_room &&
            !make_page_room(model, (n + n_global + t->n_local) * 2, error))
            return false;
        v->table[0] = (int32_t)n;
        memcpy(model->page_list + n, t->global, (size_t)n_global * sizeof(int32_t));
        v->table[1] = (int32_t)(n + n_global);
        memcpy(model->page_list + n + n_global, t->local, (size_t)t->n_local * sizeof(int32_t));
        n += n_global + t->n_local;
    }
    return execute_set(model->decoder.executor, model->inputs.pages, model->page_list,
                       (uint64_t)n * 4, error);
}

static void fill_position(struct nawi_model *model, const struct visitor *v, int64_t row,
                          int64_t position)
{
    const struct arch_config *c = &model->config;
    const struct kv_table *t = &v->session->table;
    float *turn = model->turn + row * c->n_rot;
    for (int64_t j = 0; j < c->n_rot / 2; j++) {
        double angle = (double)position * model->inv_freq[j];
        turn[j * 2] = (float)cos(angle);
        turn[j * 2 + 1] = (float)sin(angle);
    }
    double steps = (double)((position + 1) / c->temper_length);
    model->temper[row] = (float)(1.0 + c->temper_scale * log1p(steps));
    model->cells[0][row] = (int32_t)kv_global_cell(t, position);
    model->cells[1][row] = (int32_t)kv_local_cell(t, position);
    int32_t global[4] = {v->table[0], (int32_t)((t->length + KV_PAGE_TOK - 1) / KV_PAGE_TOK), 0,
                         (int32_t)(position + 1)};
    int32_t local[4] = {v->table[1], (int32_t)t->n_local,
                        (int32_t)kv_chunk_start(&t->shape, position), (int32_t)(position + 1)};
    memcpy(model->spans[0] + row * 4, global, sizeof global);
    memcpy(model->spans[1] + row * 4, local, sizeof local);
}

/* Fills the host's inputs. *n_out: rows that want logits; *n_given: rows of pictures. */
static void fill_rows(struct nawi_model *model, GArray *visitors, const struct nawi_row *rows,
                      int64_t n, int64_t *n_out, int64_t *n_given)
{
    int64_t n_embd = model->config.n_embd;
    *n_out = *n_given = 0;
    for (guint i = 0; i < visitors->len; i++)
        g_array_index(visitors, struct visitor, i).n_row = 0;
    for (int64_t i = 0; i < n; i++) {
        struct visitor *v = find_visitor(visitors, rows[i].session);
        fill_position(model, v, i, v->length_before + v->n_row++);
        if (rows[i].picture) {
            memcpy(model->given + *n_given * n_embd,
                   rows[i].picture->rows + rows[i].picture_row * n_embd,
                   (size_t)n_embd * sizeof(float));
            model->ids[i] = (int32_t)(-1 - (*n_given)++);
        } else {
            model->ids[i] = rows[i].token;
        }
        if (rows[i].wants_logits)
            model->picked[(*n_out)++] = (int32_t)i;
    }
}

static bool set_input(struct nawi_model *model, struct graph_tensor *input, const void *data,
                      const struct graph_sizes *sizes, GError **error)
{
    return !input || execute_set(model->decoder.executor, input, data,
                                 (uint64_t)graph_bytes(input, sizes), error);
}

/* Of the input "given" only the rows that there are. */
static bool set_inputs(struct nawi_model *model, const struct graph_sizes *sizes, int64_t n_given,
                       GError **error)
{
    const struct model_inputs *in = &model->inputs;
    const struct graph_sizes given = {{1, n_given, 0, 0}};
    return set_input(model, in->ids, model->ids, sizes, error) &&
           set_input(model, in->given, model->given, &given, error) &&
           set_input(model, in->turn, model->turn, sizes, error) &&
           set_input(model, in->temper, model->temper, sizes, error) &&
           set_input(model, in->picked, model->picked, sizes, error) &&
           set_input(model, in->cells[0], model->cells[0], sizes, error) &&
           set_input(model, in->cells[1], model->cells[1], sizes, error) &&
           set_input(model, in->spans[0], model->spans[0], sizes, error) &&
           set_input(model, in->spans[1], model->spans[1], sizes, error);
}

/* routes [n_moe_layer, n_total, k]: this run's rows go to columns first .. */
static bool get_routes(struct nawi_model *model, int64_t n, int32_t *routes, int64_t first,
                       int64_t n_total, GError **error)
{
    int64_t k = model->config.n_expert_used;
    int64_t layer = 0;
    for (int i = 0; i < model->config.n_layer; i++) {
        if (!model->config.layers[i].moe)
            continue;
        char name[32];
        g_snprintf(name, sizeof name, "route.%d", i);
        const struct graph_tensor *route = graph_find(model->decoder.build.graph, name);
        if (!execute_get(model->decoder.executor, route, 0, routes + (layer * n_total + first) * k,
                         (uint64_t)(n * k) * sizeof(int32_t), error))
            return false;
        layer++;
    }
    return true;
}

static void record(struct nawi_model *model, const struct nawi_row *row, bool last)
{
    struct nawi_session *session = row->session;
    struct session_source source = {row->picture, row->picture_row};
    if (row->picture &&
        (session->pictures->len == 0 ||
         g_ptr_array_index(session->pictures, session->pictures->len - 1) != row->picture))
        g_ptr_array_add(session->pictures,
                        nawi_embedding_ref((struct nawi_embedding *)row->picture));
    int32_t token = row->picture ? model->patch_token : row->token;
    g_array_append_val(session->tokens, token);
    g_array_append_val(session->sources, source);
    session->has_logits = last;
    session->stats.n_evaluated++;
}

static bool run_rows(struct nawi_model *model, GArray *visitors, const struct nawi_row *rows,
                     int64_t n, float *logits, int64_t *n_out, const nawi_cancel *cancel,
                     GError **error)
{
    if (!admit(model, visitors, error))
        return false;
    bool fine = list_pages(model, visitors, error);
    if (fine) {
        int64_t n_given;
        fill_rows(model, visitors, rows, n, n_out, &n_given);
        struct graph_sizes sizes = {{1, n, *n_out, 0}};
        fine = set_inputs(model, &sizes, n_given, error) &&
               execute_run(model->decoder.executor, &sizes, cancel, error) &&
               (*n_out == 0 ||
                execute_get(model->decoder.executor, model->inputs.logits, 0, logits,
                            (uint64_t)(*n_out * model->config.n_vocab) * sizeof(float), error));
    }
    for (guint i = 0; !fine && i < visitors->len; i++) {
        struct visitor *v = &g_array_index(visitors, struct visitor, i);
        session_rewind(v->session, v->length_before);
    }
    return fine;
}

static int64_t count_expert_matrices(const struct nawi_model *model)
{
    int64_t n = 0;
    for (int d = 0; d < model->n_backend; d++) {
        struct backend_counters counters;
        model->backends[d]->ops->count(model->backends[d], &counters);
        n += counters.n_expert_matrix;
    }
    return n;
}

/* Rows that one run takes: a micro-batch, or fewer where many want logits. */
static int64_t count_rows(const struct nawi_model *model, const struct nawi_row *rows,
                          int64_t n_row)
{
    int64_t n = 0;
    int64_t n_out = 0;
    while (n < MIN(n_row, model->info.n_batch) && n_out + rows[n].wants_logits <= model->n_out_most)
        n_out += rows[n++].wants_logits;
    return n;
}

/* One run with the model held; its rows are appended to their timelines. */
static bool evaluate_some(struct nawi_model *model, const struct nawi_row *rows, int64_t n,
                          float *logits, int64_t *n_out, const nawi_cancel *cancel, GError **error)
{
    GArray *visitors = list_visitors(rows, n);
    int64_t before = count_expert_matrices(model);
    bool fine = run_rows(model, visitors, rows, n, logits, n_out, cancel, error);
    int64_t n_matrix = count_expert_matrices(model) - before;
    for (int64_t i = 0; fine && i < n; i++) {
        record(model, &rows[i], rows[i].wants_logits);
        /* an expert is three matrices, and every row uses as many */
        rows[i].session->stats.n_expert_multiplied += n_matrix / 3 / n;
    }
    g_array_unref(visitors);
    return fine;
}

bool model_evaluate(struct nawi_model *model, const struct nawi_row *rows, int64_t n_row,
                    const struct model_results *results, const nawi_cancel *cancel, GError **error)
{
    GArray *visitors = list_visitors(rows, n_row);
    bool fine = check_context(visitors, error);
    float *logits = results->logits;
    g_array_unref(visitors);
    for (int64_t first = 0, n = 0; fine && first < n_row; first += n) {
        int64_t n_out = 0;
        n = count_rows(model, rows + first, n_row - first);
        if (results->progress)
            results->progress("prompt", first, n_row, results->user);
        if (!model_enter(model, cancel, error))
            return false;
        fine = evaluate_some(model, rows + first, n, logits, &n_out, cancel, error) &&
               (!results->routes || get_routes(model, n, results->routes, first, n_row, error));
        model_leave(model);
        if (logits)
            logits += n_out * model->config.n_vocab;
    }
    if (fine && results->progress)
        results->progress("prompt", n_row, n_row, results->user);
    return fine;
}
