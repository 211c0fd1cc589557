/* nawi eval: what a model makes of given tokens, in numbers.
 *
 * All tokens go through one session in batches; every row's logits are taken, one batch at a
 * time, so that memory does not grow with the text. The log-probability of a token is read from
 * the row before it; where a picture stands there is no token to be foretold, and the row is not
 * counted. */
#include "app/cli/commands.h"
#include "app/cli/ids.h"
#include "app/cli/input.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"
#include "engine/file/npy.h"
#include "engine/file/weights.h"
#include "vision/vision.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

struct eval {
    const struct options *options;
    struct terminal *terminal;
    struct nawi_model *model;
    bool is_cria;
    GArray *ids;           /* int32_t; NULL: only embeddings are wanted */
    GPtrArray *pictures;   /* struct nawi_embedding * */
    struct nawi_row *rows; /* [ids->len] */
    struct nawi_session *session;
    float *logits;   /* [n_batch, n_vocab] */
    int32_t *routes; /* [n_moe_layer, n_tok, k]; NULL: not wanted */
    int64_t n_batch;
    double sum; /* of log-probabilities */
    int64_t n_scored;
    double seconds;
};

static void unref_embedding(gpointer embedding) { nawi_embedding_unref(embedding); }

/* ── Pictures ────────────────────────────────────────────────────────────────────────────────── */

static bool see(struct eval *eval, const struct nawi_media *media, GError **error)
{
    struct nawi_embedding *embedding = nawi_model_see(
        eval->model, media, terminal_progress, eval->terminal, eval->terminal->cancel, error);
    if (embedding)
        g_ptr_array_add(eval->pictures, embedding);
    return embedding != NULL;
}

static bool see_file(struct eval *eval, const struct nawi_media_spec *spec, const char *file,
                     GError **error)
{
    struct nawi_media media = {0};
    int fd = nawi_vision_open_file(file, NULL, error);
    if (fd < 0)
        return false;
    bool sound = nawi_vision_load(fd, file, spec, eval->terminal->cancel, &media, error);
    close(fd);
    sound = sound && see(eval, &media, error);
    nawi_media_finish(&media);
    return sound;
}

/* Whether npy holds tiles for spec. */
static bool check_tiles(const struct nawi_npy *npy, const struct nawi_media_spec *spec,
                        const char *file, GError **error)
{
    if (npy->type == NAWI_NPY_F32 && npy->n_dim == 4 && npy->ne[0] <= NAWI_MEDIA_MAX_TILES + 1 &&
        npy->ne[1] == 3 && npy->ne[2] == spec->tile_px && npy->ne[3] == spec->tile_px)
        return true;
    static const char *const types[] = {"float32", "int32", "uint8"};
    GString *shape = g_string_new(NULL);
    char *name = terminal_name(file);
    for (int i = 0; i < npy->n_dim; i++)
        g_string_append_printf(shape, "%s%" G_GINT64_FORMAT, i ? ", " : "", npy->ne[i]);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: wanted tiles, float32 [1 to %d, 3, %d, %d], found %s [%s]", name,
                NAWI_MEDIA_MAX_TILES + 1, spec->tile_px, spec->tile_px, types[npy->type],
                shape->str);
    g_free(name);
    g_string_free(shape, TRUE);
    return false;
}

/* Tiles of a .npy as one picture. */
static bool see_tiles(struct eval *eval, const struct nawi_media_spec *spec, const char *file,
                      GError **error)
{
    struct nawi_npy npy = {0};
    if (!nawi_npy_read(file, &npy, error))
        return false;
    bool sound = check_tiles(&npy, spec, file, error);
    struct nawi_media media = {.turn = 1,
                               .rows = 1,
                               .cols = (int)npy.ne[0],
                               .n_tile = (int)npy.ne[0],
                               .tile_px = spec->tile_px,
                               .patch_px = spec->patch_px,
                               .time_s = -1};
    if (sound) {
        media.patches = g_try_malloc_n((gsize)npy.n, sizeof(float));
        sound = media.patches != NULL;
        if (!sound)
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                        "no memory for %" G_GINT64_FORMAT " values of tiles", npy.n);
    }
    if (sound) {
        nawi_vision_patches_from_chw(spec, media.n_tile, npy.data, media.patches);
        sound = see(eval, &media, error);
    }
    nawi_media_finish(&media);
    nawi_npy_finish(&npy);
    return sound;
}

static bool see_all(struct eval *eval, GError **error)
{
    const struct options *options = eval->options;
    const struct nawi_media_spec *spec = nawi_model_get_media_spec(eval->model);
    if (options->pictures->len + options->tiles->len == 0)
        return true;
    if (!spec) {
        g_set_error_literal(
            error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
            "this model cannot see pictures: it has no vision tower (--mmproj names one)");
        return false;
    }
    if (!nawi_vision_init(error))
        return false;
    for (guint i = 0; i < options->pictures->len; i++)
        if (!see_file(eval, spec, g_ptr_array_index(options->pictures, i), error))
            return false;
    for (guint i = 0; i < options->tiles->len; i++)
        if (!see_tiles(eval, spec, g_ptr_array_index(options->tiles, i), error))
            return false;
    return true;
}

static bool write_embeddings(const struct eval *eval, GError **error)
{
    int64_t n_row = 0, n_embd = 0;
    for (guint i = 0; i < eval->pictures->len; i++) {
        int64_t n = 0;
        nawi_embedding_get_rows(g_ptr_array_index(eval->pictures, i), &n, &n_embd);
        n_row += n;
    }
    if (n_row == 0) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "--embeddings: there is no picture, give --picture or --tiles");
        return false;
    }
    const int64_t shape[] = {n_row, n_embd};
    struct nawi_npy_writer *writer =
        nawi_npy_begin(eval->options->embeddings, NAWI_NPY_F32, 2, shape, error);
    bool sound = writer != NULL;
    for (guint i = 0; sound && i < eval->pictures->len; i++) {
        int64_t n = 0;
        const float *rows =
            nawi_embedding_get_rows(g_ptr_array_index(eval->pictures, i), &n, &n_embd);
        sound = nawi_npy_append(writer, rows, n * n_embd, error);
    }
    if (writer)
        sound = nawi_npy_end(writer, sound ? error : NULL) && sound;
    return sound;
}

/* ── Rows ────────────────────────────────────────────────────────────────────────────────────── */

/* One row for each token; at patch tokens the pictures' rows in order. */
static bool build_rows(struct eval *eval, GError **error)
{
    const struct nawi_tokenizer *tokenizer = nawi_model_get_tokenizer(eval->model);
    int64_t n_vocab = nawi_model_get_info(eval->model)->n_vocab;
    int32_t patch = nawi_chat_find_patch_token(tokenizer);
    int64_t n_patch = 0, n_given = 0, n_embd;
    guint picture = 0;
    int64_t picture_row = 0, n_row = 0;
    for (guint i = 0; i < eval->pictures->len; i++) {
        nawi_embedding_get_rows(g_ptr_array_index(eval->pictures, i), &n_row, &n_embd);
        n_given += n_row;
    }
    eval->rows = g_new0(struct nawi_row, eval->ids->len);
    n_row = 0;
    for (guint i = 0; i < eval->ids->len; i++) {
        struct nawi_row *row = &eval->rows[i];
        *row = (struct nawi_row){.session = eval->session,
                                 .token = g_array_index(eval->ids, int32_t, i),
                                 .wants_logits = true};
        if (row->token >= n_vocab) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "token %u: wanted an id below %" G_GINT64_FORMAT ", found %d", i, n_vocab,
                        row->token);
            return false;
        }
        if (row->token != patch)
            continue;
        n_patch++;
        while (picture < eval->pictures->len && picture_row == n_row) {
            /* the next picture that has rows */
            row->picture = g_ptr_array_index(eval->pictures, picture++);
            nawi_embedding_get_rows(row->picture, &n_row, &n_embd);
            picture_row = 0;
        }
        if (picture_row < n_row) {
            row->picture = g_ptr_array_index(eval->pictures, picture - 1);
            row->picture_row = picture_row++;
        }
    }
    if (n_patch == n_given)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                "%" G_GINT64_FORMAT " patch tokens, but the pictures have %" G_GINT64_FORMAT
                " rows",
                n_patch, n_given);
    return false;
}

/* Adds up the log-probabilities of the tokens behind rows first … first + n - 1. */
static bool score(struct eval *eval, int64_t first, int64_t n, GError **error)
{
    const struct nawi_model_info *info = nawi_model_get_info(eval->model);
    int64_t n_vocab = info->n_vocab;
    for (int64_t i = 0; i < n; i++) {
        const float *logits = eval->logits + i * n_vocab;
        double sum = nawi_log_sum_exp(logits, n_vocab);
        if (!isfinite(sum)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: token %" G_GINT64_FORMAT ": the model's logits are not finite",
                        info->path, first + i);
            return false;
        }
        int64_t next = first + i + 1;
        if (next >= eval->ids->len || eval->rows[next].picture)
            continue;
        eval->sum += (double)logits[eval->rows[next].token] - sum;
        eval->n_scored++;
    }
    return true;
}

/* Evaluates rows first … first + n - 1 and takes what is wanted of them. */
static bool evaluate(struct eval *eval, int64_t first, int64_t n, struct nawi_npy_writer *writer,
                     GError **error)
{
    const struct nawi_model_info *info = nawi_model_get_info(eval->model);
    int64_t n_route = n * info->n_expert_used;
    int32_t *routes = eval->routes ? g_new(int32_t, MAX(info->n_moe_layer * n_route, 1)) : NULL;
    int64_t start = g_get_monotonic_time();
    bool sound = nawi_model_evaluate(eval->model, eval->rows + first, n, eval->logits, routes,
                                     eval->terminal->cancel, error);
    eval->seconds += (double)(g_get_monotonic_time() - start) / 1e6;
    if (sound && routes)
        for (int64_t layer = 0; layer < info->n_moe_layer; layer++)
            memcpy(eval->routes + (layer * eval->ids->len + first) * info->n_expert_used,
                   routes + layer * n_route, (size_t)n_route * sizeof(int32_t));
    g_free(routes);
    sound = sound && score(eval, first, n, error);
    return sound && (!writer || nawi_npy_append(writer, eval->logits, n * info->n_vocab, error));
}

static bool write_routes(const struct eval *eval, GError **error)
{
    const struct nawi_model_info *info = nawi_model_get_info(eval->model);
    const int64_t shape[] = {info->n_moe_layer, eval->ids->len, info->n_expert_used};
    return nawi_npy_write(eval->options->routes, NAWI_NPY_I32, 3, shape, eval->routes, error);
}

static bool evaluate_all(struct eval *eval, GError **error)
{
    const struct nawi_model_info *info = nawi_model_get_info(eval->model);
    int64_t n_tok = eval->ids->len;
    int64_t fits = MAX(((int64_t)256 << 20) / (info->n_vocab * (int64_t)sizeof(float)), 1);
    eval->n_batch = eval->options->n_batch > 0 ? eval->options->n_batch : MIN(info->n_batch, fits);
    eval->n_batch = MAX(MIN(eval->n_batch, n_tok), 1);
    eval->logits = g_try_malloc_n((gsize)eval->n_batch, (gsize)info->n_vocab * sizeof(float));
    if (!eval->logits) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "no memory for the logits of %" G_GINT64_FORMAT
                    " tokens at once; --batch takes fewer",
                    eval->n_batch);
        return false;
    }
    if (eval->options->routes && info->n_moe_layer == 0) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "--routes: this model has no experts to choose");
        return false;
    }
    if (eval->options->routes)
        eval->routes = g_new0(int32_t, info->n_moe_layer * n_tok * info->n_expert_used);
    const int64_t shape[] = {n_tok, info->n_vocab};
    struct nawi_npy_writer *writer = NULL;
    if (eval->options->logits) {
        writer = nawi_npy_begin(eval->options->logits, NAWI_NPY_F32, 2, shape, error);
        if (!writer)
            return false;
    }
    bool sound = true;
    for (int64_t first = 0; sound && first < n_tok; first += eval->n_batch) {
        terminal_progress("evaluating", first, n_tok, eval->terminal);
        sound = evaluate(eval, first, MIN(eval->n_batch, n_tok - first), writer, error);
    }
    terminal_clear(eval->terminal);
    if (writer)
        sound = nawi_npy_end(writer, sound ? error : NULL) && sound;
    return sound && (!eval->routes || write_routes(eval, error));
}

/* ── The command ─────────────────────────────────────────────────────────────────────────────── */

static bool read_ids(struct eval *eval, GError **error)
{
    if (eval->options->tokens) {
        eval->ids = ids_read(eval->options->tokens, error);
        return eval->ids != NULL;
    }
    if (!eval->options->text)
        return true;
    size_t n_bytes = 0;
    char *text = input_read(eval->options->text, (size_t)1 << 30, &n_bytes, error);
    if (!text)
        return false;
    const struct nawi_tokenizer *tokenizer = nawi_model_get_tokenizer(eval->model);
    int32_t bos = nawi_tokenizer_get_bos(tokenizer);
    eval->ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    if (nawi_tokenizer_adds_bos(tokenizer) && bos != NAWI_TOKEN_NONE)
        g_array_append_val(eval->ids, bos);
    bool done = nawi_tokenizer_encode(tokenizer, text, n_bytes, NAWI_ENCODE_TEXT, eval->ids, error);
    g_free(text);
    return done;
}

/* A tower needs no words where only embeddings are wanted. */
static bool is_tower(const char *path)
{
    struct nawi_weights *weights = weights_open(path, NULL);
    const char *arch = NULL;
    bool found = weights &&
                 meta_get_string(weights_get_meta(weights), "general.architecture", &arch, NULL) &&
                 arch && strcmp(arch, "clip") == 0;
    weights_close(weights);
    return found;
}

static bool open_model(struct eval *eval, const struct nawi_model_params *params, GError **error)
{
    bool needs_words = eval->options->tokens || eval->options->text;
    struct nawi_model_params tower = *params;
    if (!needs_words && params->mmproj) {
        tower.path = params->mmproj;
        tower.mmproj = NULL;
    }
    if (!needs_words && is_tower(tower.path))
        eval->model = nawi_model_open_tower(&tower, error);
    else
        eval->model = nawi_model_open(params, eval->terminal->cancel, error);
    return eval->model != NULL;
}

static void print_result(const struct eval *eval)
{
    if (!eval->ids)
        return;
    double mean = eval->n_scored > 0 ? eval->sum / (double)eval->n_scored : NAN;
    double rate = eval->seconds > 0 ? eval->ids->len / eval->seconds : 0;
    if (eval->options->json) {
        json_t *object = json_object();
        json_object_set_new(object, "tokens", json_integer(eval->ids->len));
        json_object_set_new(object, "scored", json_integer(eval->n_scored));
        json_object_set_new(object, "mean_log_probability",
                            isfinite(mean) ? json_real(mean) : json_null());
        json_object_set_new(object, "perplexity",
                            isfinite(exp(-mean)) ? json_real(exp(-mean)) : json_null());
        json_object_set_new(object, "seconds", json_real(eval->seconds));
        json_object_set_new(object, "tokens_per_second", json_real(rate));
        terminal_write_json(eval->terminal, object);
        json_decref(object);
        return;
    }
    terminal_print(eval->terminal, "%-22s%u\n%-22s%" G_GINT64_FORMAT "\n", "tokens", eval->ids->len,
                   "scored", eval->n_scored);
    if (eval->n_scored > 0)
        terminal_print(eval->terminal, "%-22s%.6f\n%-22s%.6g\n", "mean log-probability", mean,
                       "perplexity", exp(-mean));
    terminal_print(eval->terminal, "%-22s%.2f\n", "tokens/s", rate);
}

static bool work(struct eval *eval, const struct nawi_model_params *params, GError **error)
{
    if (!open_model(eval, params, error))
        return false;
    work_tell_model(eval->terminal, nawi_model_get_info(eval->model), eval->is_cria);
    if (!read_ids(eval, error) || !see_all(eval, error))
        return false;
    if (eval->options->embeddings && !write_embeddings(eval, error))
        return false;
    if (!eval->ids)
        return true;
    if (eval->ids->len == 0) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT, "there are no tokens to evaluate");
        return false;
    }
    int64_t context = MAX(eval->options->context_tok, 0);
    if (context == 0)
        context =
            MIN(MAX((int64_t)eval->ids->len, 512), nawi_model_get_info(eval->model)->context_tok);
    struct nawi_session_params session = {.context_tok = context};
    eval->session = nawi_session_create(eval->model, &session, error);
    return eval->session && build_rows(eval, error) && evaluate_all(eval, error);
}

static bool check_usage(const struct options *options, struct terminal *terminal)
{
    const char *fault = NULL;
    bool has_words = options->tokens || options->text;
    bool has_pictures = options->pictures->len + options->tiles->len > 0;
    if (options->tokens && options->text)
        fault = "--tokens and --text are two ways to say the same; give one";
    else if (!has_words && !(options->embeddings && has_pictures))
        fault = "eval needs --tokens IDS.json or --text FILE, or else --tiles T.npy and "
                "--embeddings OUT.npy";
    else if (!has_words && (options->logits || options->routes))
        fault = "--logits and --routes need --tokens or --text";
    if (fault)
        terminal_say(terminal, "%s", fault);
    return fault == NULL;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct eval eval = {.options = options, .terminal = terminal};
    struct work_model model;
    GError *error = NULL;
    if (!check_usage(options, terminal))
        return EXIT_USAGE;
    if (!work_find_model(options, g_ptr_array_index(options->arguments, 0), &model, &error))
        return terminal_fail(terminal, error);
    eval.is_cria = model.cria != NULL;
    eval.pictures = g_ptr_array_new_with_free_func(unref_embedding);
    bool done = work(&eval, &model.params, &error);
    if (done)
        print_result(&eval);
    if (eval.ids)
        g_array_unref(eval.ids);
    g_free(eval.rows);
    g_free(eval.logits);
    g_free(eval.routes);
    nawi_session_destroy(eval.session);
    g_ptr_array_unref(eval.pictures);
    nawi_model_close(eval.model);
    work_model_finish(&model);
    return done ? terminal_finish(terminal) : terminal_fail(terminal, error);
}

const struct command command_eval = {
    .name = "eval",
    .arguments = "[MODEL]",
    .summary = "Feed tokens or text to a model and take its numbers.",
    .examples = "  nawi eval scout.gguf --text book.txt\n"
                "  nawi eval scout.gguf --tokens ids.json --picture dog.png --logits logits.npy\n"
                "  nawi eval mmproj-scout.gguf --tiles tiles.npy --embeddings rows.npy\n",
    .details = "Patch tokens take the rows of the pictures in order: all --picture first, then all "
               "--tiles; numbers that disagree are an error. --text begins with the begin-of-text "
               "token where the model's file asks for one. Prints the mean log-probability of each "
               "token after the first (pictures not counted) and the perplexity.",
    .groups = OPTIONS_MODEL | OPTIONS_EVAL | OPTIONS_JSON,
    .least = 0,
    .most = 1,
    .run = run,
};
