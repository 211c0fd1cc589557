/* Rows to logits: the decoder's graph, its keys and values, and the inputs of one run.
 *
 * Rows of several sessions go together. For each row the host says where its key goes (a cell) and
 * what it sees (a span of positions through a page table); positions and lengths are values of a
 * run, never shapes of the graph. */
#include "engine/model.h"

#include <math.h>
#include <string.h>

enum {
    LOGIT_BYTES = 64 * 1048576
}; /* of one run: a vocabulary is wide, and rows that want it are few */

/* ── Opening ─────────────────────────────────────────────────────────────────────────────────── */

/* The llama3 rule: wavelengths above original / low are stretched by factor, below original / high
 * kept, between blended. Without a blend zone (low == high) the step is hard. */
static double scaled_divisor(double inv_freq, double factor, double low, double high,
                             double original)
{
    double wavelength = 2.0 * G_PI / inv_freq;
    if (wavelength < original / high)
        return 1.0;
    if (wavelength > original / low || high <= low)
        return factor;
    double t = (original / wavelength - low) / (high - low);
    return 1.0 / ((1.0 - t) / factor + t);
}

/* Divisors from the file's rope_freqs.weight, or, where `--set ARCH.rope.scaling.factor` asks, by
 * the rule. */
static bool read_frequencies(struct nawi_model *model, GError **error)
{
    const struct arch_config *c = &model->config;
    const struct nawi_meta *meta = weights_get_meta(model->weights);
    const struct nawi_weight *divisors = weights_find(model->weights, "rope_freqs.weight");
    int64_t n = c->n_rot / 2;
    double factor = 0.0, low = 1.0, high = 1.0, original = 8192.0;
    char key[4][128];
    static const char *const names[] = {"factor", "low_freq_factor", "high_freq_factor",
                                        "original_context_length"};
    for (int i = 0; i < 4; i++)
        g_snprintf(key[i], sizeof key[i], "%s.rope.scaling.%s", model->family->name, names[i]);
    if (!meta_get_float(meta, key[0], 1.0, 1e6, &factor, error) ||
        !meta_get_float(meta, key[1], 1e-3, 1e6, &low, error) ||
        !meta_get_float(meta, key[2], 1e-3, 1e6, &high, error) ||
        !meta_get_float(meta, key[3], 1.0, 1e9, &original, error))
        return false;
    if (divisors &&
        (divisors->n_dim != 1 || divisors->ne[0] != n || divisors->dtype != NAWI_DTYPE_F32)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor rope_freqs.weight: wanted F32 [%" G_GINT64_FORMAT
                    "], found %s [%" G_GINT64_FORMAT "]",
                    model->info.path, n, nawi_dtype_get_info(divisors->dtype)->name,
                    divisors->ne[0]);
        return false;
    }
    float *given = g_new(float, n);
    if (divisors)
        weights_dequant(divisors, given);
    model->inv_freq = g_new(double, n);
    bool fine = true;
    for (int64_t j = 0; j < n && fine; j++) {
        double inv_freq = pow(c->rope_base, -2.0 * (double)j / (double)c->n_rot);
        double divisor = factor > 0.0 ? scaled_divisor(inv_freq, factor, low, high, original)
                         : divisors   ? (double)given[j]
                                      : 1.0;
        fine = isfinite(divisor) && divisor > 0.0;
        model->inv_freq[j] = inv_freq / divisor;
        if (!fine)
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: tensor rope_freqs.weight: value %" G_GINT64_FORMAT
                        ": expected a number above 0, found %g",
                        model->info.path, j, divisor);
    }
    if (fine && divisors && factor == 0.0 && model->config.chunk_tok > 0 && given[n - 1] == 8.0f)
        g_ptr_array_add(
            model->warnings,
            g_strdup_printf(
                "rope_freqs.weight ends in 8: Scout files made before 2025-04-11 have this, and "
                "16 is right for them; --set %s=16 corrects it",
                key[0]));
    g_free(given);
    return fine;
}

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

static void allocate_host_inputs(struct nawi_model *model)
{
    int64_t n = model->info.n_batch;
    const struct arch_config *c = &model->config;
    model->ids = g_new0(int32_t, n);
    model->picked = g_new0(int32_t, n);
    for (int local = 0; local < 2; local++) {
        model->cells[local] = g_new0(int32_t, n);
        model->spans[local] = g_new0(int32_t, n * 4);
    }
    model->given = g_new0(float, n * c->n_embd);
    model->turn = g_new0(float, n * c->n_rot);
    model->temper = g_new0(float, n);
}

bool model_open_decoder(struct nawi_model *model, GError **error)
{
    struct model_part *part = &model->decoder;
    int64_t n = model->info.n_batch;
    model->n_out_most = CLAMP(LOGIT_BYTES / 4 / model->config.n_vocab, 1, n);
    struct graph_sizes most = {{1, n, model->n_out_most, 0}};
    if (!read_frequencies(model, error))
        return false;
    arch_begin(&part->build, model->weights);
    model->family->decoder(&part->build, &model->config);
    if (!arch_finish(&part->build, &most, error) ||
        !model_place_weights(model, part, model->weights, error))
        return false;
    find_inputs(model);
    allocate_host_inputs(model);
    for (int local = 0; local < 2; local++)
        model->pools[local] = kv_pool_create();
    model->states = g_ptr_array_new();
    model->page_room = 1024;
    model->page_list = g_new0(int32_t, model->page_room);
    model->pages =
        model->backends[0]->ops->alloc(model->backends[0], (uint64_t)model->page_room * 4, error);
    if (!model->pages)
        return false;
    model->inputs.pages->place[0] = (struct graph_place){model->pages, 0};
    part->executor = execute_create(part->build.graph, model->backends, model->n_backend, error);
    return part->executor != NULL;
}

void model_close_decoder(struct nawi_model *model)
{
    const struct nawi_backend_ops *ops = model->backends[0]->ops;
    model_part_clear(model, &model->decoder);
    for (guint i = 0; model->states && i < model->states->len; i++)
        ops->free_buffer(g_ptr_array_index(model->states, i));
    g_clear_pointer(&model->states, g_ptr_array_unref);
    ops->free_buffer(model->pages);
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

/* ── Keys and values ─────────────────────────────────────────────────────────────────────────── */

static int64_t page_bytes(const struct nawi_model *model) /* of one layer's keys */
{
    return KV_PAGE_TOK * model->config.n_kv_head * model->config.d_head * (int64_t)sizeof(float);
}

/* A state buffer of more pages, with the used ones of the old. */
static struct nawi_buffer *regrow(struct nawi_model *model, struct nawi_buffer *old,
                                  const bool *used, int64_t n_old, int64_t n_new, GError **error)
{
    struct nawi_backend *backend = model->backends[0];
    int64_t bytes = page_bytes(model);
    struct nawi_buffer *made = backend->ops->alloc(backend, (uint64_t)(n_new * bytes), error);
    void *bounce = made && old ? g_malloc((gsize)bytes) : NULL;
    for (int64_t page = 0; made && old && page < n_old; page++)
        if (used[page]) {
            uint64_t at = (uint64_t)(page * bytes);
            backend->ops->download(old, at, bounce, (uint64_t)bytes, NULL);
            backend->ops->upload(made, at, bounce, (uint64_t)bytes, NULL);
        }
    g_free(bounce);
    return made;
}

bool model_grow_pools(struct nawi_model *model, const struct kv_shape *shape, GError **error)
{
    struct nawi_backend *backend = model->backends[0];
    int64_t wanted[2] = {kv_count_global_pages(shape), kv_count_local_pages(shape)};
    bool *used[2] = {kv_pool_map_used(model->pools[0]), kv_pool_map_used(model->pools[1])};
    GPtrArray *made = g_ptr_array_new();
    bool fine = true;
    for (int i = 0; fine && i < model->config.n_layer * 2; i++) {
        int local = model->config.layers[i / 2].local;
        int64_t n_old = kv_pool_get_size(model->pools[local]);
        struct nawi_buffer *old =
            model->states->len > 0 ? g_ptr_array_index(model->states, i) : NULL;
        struct nawi_buffer *buffer =
            regrow(model, old, used[local], n_old, n_old + wanted[local], error);
        fine = buffer != NULL;
        if (buffer)
            g_ptr_array_add(made, buffer);
    }
    GPtrArray *gone = fine ? model->states : made;
    for (guint i = 0; i < gone->len; i++)
        backend->ops->free_buffer(g_ptr_array_index(gone, i));
    g_ptr_array_unref(gone);
    if (fine) {
        model->states = made;
        for (int i = 0; i < model->config.n_layer * 2; i++) {
            char name[32];
            g_snprintf(name, sizeof name, "%s.%d", i % 2 ? "values" : "keys", i / 2);
            graph_find(model->decoder.build.graph, name)->place[0] =
                (struct graph_place){g_ptr_array_index(made, i), 0};
        }
        kv_pool_grow(model->pools[0], wanted[0]);
        kv_pool_grow(model->pools[1], wanted[1]);
    }
    g_free(used[0]);
    g_free(used[1]);
    return fine;
}

/* Pages are committed when they are first written: refuse before the system has to kill. */
static bool check_memory(const struct nawi_model *model, const struct kv_table *table, int64_t n,
                         GError **error)
{
    const uint64_t reserve = 64 * 1048576;
    int64_t n_local = 0;
    int64_t global, local;
    kv_count_new_pages(table, n, &global, &local);
    if (global + local == 0)
        return true;
    for (int i = 0; i < model->config.n_layer; i++)
        n_local += model->config.layers[i].local;
    uint64_t needed = (uint64_t)((global * (model->config.n_layer - n_local) + local * n_local) *
                                 2 * page_bytes(model));
    struct backend_description description;
    model->backends[0]->ops->describe(model->backends[0], &description);
    if (description.memory_bytes == 0 || needed + reserve <= description.memory_bytes)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "memory for the context ran out at %" G_GINT64_FORMAT
                " tokens: needed %.0f MiB more, available %.0f MiB",
                table->length, (double)(needed + reserve) / 1048576.0,
                (double)description.memory_bytes / 1048576.0);
    return false;
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

static bool admit(struct nawi_model *model, GArray *visitors, const struct nawi_row *rows,
                  int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++)
        find_visitor(visitors, rows[i].session)->n_row++;
    for (guint i = 0; i < visitors->len; i++) {
        struct visitor *v = &g_array_index(visitors, struct visitor, i);
        struct kv_table *table = &v->session->table;
        if (table->length + v->n_row > table->shape.context_tok) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "the context is full: %" G_GINT64_FORMAT
                        " tokens are in it, %" G_GINT64_FORMAT " more are wanted, %" G_GINT64_FORMAT
                        " fit",
                        table->length, v->n_row, table->shape.context_tok);
            return false;
        }
        if (!check_memory(model, table, v->n_row, error))
            return false;
    }
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
        if (n + n_global + t->n_local > model->page_room) {
            struct nawi_backend *backend = model->backends[0];
            int64_t room = (n + n_global + t->n_local) * 2;
            struct nawi_buffer *buffer = backend->ops->alloc(backend, (uint64_t)room * 4, error);
            if (!buffer)
                return false;
            backend->ops->free_buffer(model->pages);
            model->pages = buffer;
            model->page_list = g_renew(int32_t, model->page_list, room);
            model->page_room = room;
            model->inputs.pages->place[0] = (struct graph_place){buffer, 0};
        }
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

/* Returns how many rows want logits. */
static int64_t fill_rows(struct nawi_model *model, GArray *visitors, const struct nawi_row *rows,
                         int64_t n)
{
    int64_t n_embd = model->config.n_embd;
    int64_t n_out = 0;
    int64_t n_given = 0;
    for (guint i = 0; i < visitors->len; i++)
        g_array_index(visitors, struct visitor, i).n_row = 0;
    for (int64_t i = 0; i < n; i++) {
        struct visitor *v = find_visitor(visitors, rows[i].session);
        fill_position(model, v, i, v->length_before + v->n_row++);
        if (rows[i].picture) {
            memcpy(model->given + n_given * n_embd,
                   rows[i].picture->rows + rows[i].picture_row * n_embd,
                   (size_t)n_embd * sizeof(float));
            model->ids[i] = (int32_t)(-1 - n_given++);
        } else {
            model->ids[i] = rows[i].token;
        }
        if (rows[i].wants_logits)
            model->picked[n_out++] = (int32_t)i;
    }
    return n_out;
}

static bool set_input(struct nawi_model *model, struct graph_tensor *input, const void *data,
                      const struct graph_sizes *sizes, GError **error)
{
    return !input || execute_set(model->decoder.executor, input, data,
                                 (uint64_t)graph_bytes(input, sizes), error);
}

static bool set_inputs(struct nawi_model *model, const struct graph_sizes *sizes, GError **error)
{
    const struct model_inputs *in = &model->inputs;
    return set_input(model, in->ids, model->ids, sizes, error) &&
           set_input(model, in->given, model->given, sizes, error) &&
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
    if (!admit(model, visitors, rows, n, error))
        return false;
    bool fine = list_pages(model, visitors, error);
    if (fine) {
        *n_out = fill_rows(model, visitors, rows, n);
        struct graph_sizes sizes = {{1, n, *n_out, 0}};
        fine = set_inputs(model, &sizes, error) &&
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

static void share_counts(struct nawi_model *model, const struct nawi_row *rows, int64_t n,
                         int64_t n_matrix)
{
    for (int64_t i = 0; i < n; i++) /* an expert is three matrices; every row uses as many */
        rows[i].session->stats.n_expert_multiplied += n_matrix / 3 / n;
    (void)model;
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

bool model_evaluate(struct nawi_model *model, const struct nawi_row *rows, int64_t n_row,
                    float *logits, int32_t *routes, nawi_progress_fn progress, void *user,
                    const nawi_cancel *cancel, GError **error)
{
    int64_t n = 0;
    for (int64_t first = 0; first < n_row; first += n) {
        n = count_rows(model, rows + first, n_row - first);
        int64_t n_out = 0;
        struct backend_counters before, after;
        GArray *visitors = g_array_new(FALSE, FALSE, sizeof(struct visitor));
        if (progress)
            progress("prompt", first, n_row, user);
        model->backends[0]->ops->count(model->backends[0], &before);
        bool fine = run_rows(model, visitors, rows + first, n, logits, &n_out, cancel, error) &&
                    (!routes || get_routes(model, n, routes, first, n_row, error));
        model->backends[0]->ops->count(model->backends[0], &after);
        g_array_unref(visitors);
        if (!fine)
            return false;
        for (int64_t i = first; i < first + n; i++)
            record(model, &rows[i], rows[i].wants_logits);
        share_counts(model, rows + first, n, after.n_expert_matrix - before.n_expert_matrix);
        if (logits)
            logits += n_out * model->config.n_vocab;
    }
    if (progress)
        progress("prompt", n_row, n_row, user);
    return true;
}
