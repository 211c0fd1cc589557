/* A worker in this process: a model, one session, and the loop that makes an answer of a request.
 *
 * The way of an answer: lay the messages out as tokens, with patch tokens where pictures stand →
 * make the session's timeline equal to that (what is there already is kept) → choose a token, show
 * its text, add it → until a stop token, the limit, or the end of the context.
 *
 * Pictures are known by the hash of their pixels: the same picture under another name is not
 * looked at again. The last sixteen are remembered, so that a long batch does not keep
 * everything. */
#include "app/core/job.h"

#include "engine/engine.h"
#include "vision/vision.h"

#include <string.h>
#include <unistd.h>

enum { REMEMBERED_PICTURES = 16 };

struct local_picture {
    struct job_picture base;
    struct nawi_embedding *embedding;
    bool charged; /* its times stand in a receipt already */
};

struct local_worker {
    struct job_worker base;
    struct nawi_model *model;
    struct nawi_session *session; /* created when it is first needed */
    int64_t context_tok;          /* as asked for; 0: the engine's choice */
    GQueue seen;                  /* struct local_picture *, the newest first */
    double load_s;
};

static double seconds_since(int64_t start_us)
{
    return (double)(g_get_monotonic_time() - start_us) / 1e6;
}

/* ── Pictures ────────────────────────────────────────────────────────────────────────────────── */

static void free_picture(struct job_picture *picture)
{
    struct local_picture *local = (struct local_picture *)picture;
    nawi_embedding_unref(local->embedding);
    g_free(local);
}

static struct local_picture *find_seen(struct local_worker *worker, const struct nawi_media *media)
{
    for (GList *at = worker->seen.head; at; at = at->next) {
        struct local_picture *picture = at->data;
        if (memcmp(picture->base.info.hash, media->hash, sizeof media->hash) == 0)
            return picture;
    }
    return NULL;
}

static void remember(struct local_worker *worker, struct local_picture *picture)
{
    g_queue_push_head(&worker->seen, job_picture_ref(&picture->base));
    if (g_queue_get_length(&worker->seen) > REMEMBERED_PICTURES)
        job_picture_unref(g_queue_pop_tail(&worker->seen));
}

static bool decode(const char *file, const struct nawi_media_spec *spec, const nawi_cancel *cancel,
                   struct nawi_media *media, GError **error)
{
    int fd = nawi_vision_open_file(file, NULL, error);
    if (fd < 0)
        return false;
    bool done = nawi_vision_load(fd, file, spec, cancel, media, error);
    close(fd);
    if (!done)
        return false;
    g_clear_pointer(&media->tiles, g_free); /* bytes for people; the model takes the patches */
    return true;
}

static struct job_picture *see(struct job_worker *base, const char *file,
                               const struct job_events *events, const nawi_cancel *cancel,
                               GError **error)
{
    struct local_worker *worker = (struct local_worker *)base;
    const struct nawi_media_spec *spec = nawi_model_get_media_spec(worker->model);
    if (!spec) {
        const struct nawi_model_info *info = nawi_model_get_info(worker->model);
        char *shown = nawi_quote(info->path, strlen(info->path));
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
            "%s: this model cannot see: no vision tower in it or beside it (--mmproj names one)",
            shown);
        g_free(shown);
        return NULL;
    }
    struct nawi_media media = {0};
    int64_t start = g_get_monotonic_time();
    if (!decode(file, spec, cancel, &media, error))
        return NULL;

    struct nawi_vision_plan plan;
    if (!nawi_vision_plan(media.width_px, media.height_px, spec, &plan, error)) {
        nawi_media_finish(&media);
        return NULL;
    }
    struct local_picture *picture = g_new0(struct local_picture, 1);
    picture->base = (struct job_picture){.n_ref = 1, .free = free_picture};
    struct job_picture_info *info = &picture->base.info;
    *info = (struct job_picture_info){
        .file = g_strdup(file),
        .width_px = media.width_px,
        .height_px = media.height_px,
        .turn = media.turn,
        .rows = media.rows,
        .cols = media.cols,
        .n_tile = media.n_tile,
        .n_tok = plan.n_tok,
        .n_patch_tok = (int64_t)media.n_tile * nawi_media_tile_tokens(spec),
        .decode_s = seconds_since(start),
    };
    memcpy(info->hash, media.hash, sizeof media.hash);

    struct local_picture *seen = find_seen(worker, &media);
    start = g_get_monotonic_time();
    if (seen) {
        info->known = true;
        picture->embedding = nawi_embedding_ref(seen->embedding);
    } else {
        picture->embedding = nawi_model_see(worker->model, &media, events ? events->progress : NULL,
                                            events ? events->user : NULL, cancel, error);
        info->see_s = seconds_since(start);
    }
    nawi_media_finish(&media);
    if (!picture->embedding) {
        job_picture_unref(&picture->base);
        return NULL;
    }
    if (!seen)
        remember(worker, picture);
    return &picture->base;
}

/* ── The layout of a request ─────────────────────────────────────────────────────────────────── */

/* Tokens of a request and the pictures at their patch tokens. */
struct layout {
    GArray *tokens;  /* int32_t */
    GPtrArray *rows; /* struct nawi_embedding *, borrowed from pictures */
    int64_t n_picture_tok;
};

static void layout_finish(struct layout *layout)
{
    g_array_unref(layout->tokens);
    g_ptr_array_unref(layout->rows);
}

/* Every picture's patch tokens must have come out of the layout, or the model would answer about
 * nothing. */
static bool check_pictures(struct local_worker *worker, struct layout *layout, int64_t wanted,
                           GError **error)
{
    int32_t patch = nawi_chat_find_patch_token(nawi_model_get_tokenizer(worker->model));
    for (guint i = 0; i < layout->tokens->len; i++)
        layout->n_picture_tok += g_array_index(layout->tokens, int32_t, i) == patch;
    if (layout->rows->len > 0 && layout->n_picture_tok == 0) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "no part of the picture reached the model, so it is not asked");
        return false;
    }
    if (layout->n_picture_tok != wanted) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "the pictures have %" G_GINT64_FORMAT
                    " rows, but the prompt has %" G_GINT64_FORMAT " places for them",
                    wanted, layout->n_picture_tok);
        return false;
    }
    return true;
}

/* Lays out the messages of a request but the first n_dropped after the system prompt. Appends
 * the pictures to receipt->pictures. */
static bool lay_out(struct local_worker *worker, const struct job_request *request,
                    size_t n_dropped, struct layout *layout, struct job_receipt *receipt,
                    GError **error)
{
    size_t n_part = 0;
    size_t n_message = 0;
    int64_t n_row = 0;
    for (size_t i = 0; i < request->n_message; i++)
        n_part += request->messages[i].n_part;
    struct nawi_chat_part *parts = g_new0(struct nawi_chat_part, MAX(n_part, 1));
    struct nawi_chat_message *messages =
        g_new0(struct nawi_chat_message, MAX(request->n_message, 1));
    *layout = (struct layout){.tokens = g_array_new(FALSE, FALSE, sizeof(int32_t)),
                              .rows = g_ptr_array_new()};
    g_ptr_array_set_size(receipt->pictures, 0);

    n_part = 0;
    for (size_t i = 0; i < request->n_message; i++) {
        const struct job_message *from = &request->messages[i];
        if (from->role != NAWI_CHAT_SYSTEM && n_dropped > 0) {
            n_dropped--;
            continue;
        }
        messages[n_message++] = (struct nawi_chat_message){
            .role = from->role, .parts = parts + n_part, .n_part = from->n_part};
        for (size_t k = 0; k < from->n_part; k++) {
            const struct job_part *part = &from->parts[k];
            struct nawi_chat_part *to = &parts[n_part++];
            if (!part->picture) {
                *to = (struct nawi_chat_part){
                    .kind = NAWI_CHAT_TEXT, .text = part->text, .n_bytes = strlen(part->text)};
                continue;
            }
            const struct job_picture_info *info = &part->picture->info;
            *to = (struct nawi_chat_part){
                .kind = NAWI_CHAT_IMAGE, .rows = info->rows, .cols = info->cols};
            g_ptr_array_add(layout->rows, ((struct local_picture *)part->picture)->embedding);
            g_ptr_array_add(receipt->pictures, job_picture_ref(part->picture));
            n_row += info->n_patch_tok;
        }
    }
    struct nawi_chat chat = {.messages = messages, .n_message = n_message};
    bool done = nawi_chat_encode(nawi_model_get_chat_format(worker->model),
                                 nawi_model_get_tokenizer(worker->model), &chat,
                                 nawi_model_get_media_spec(worker->model), layout->tokens, error) &&
                check_pictures(worker, layout, n_row, error);
    g_free(parts);
    g_free(messages);
    if (!done)
        layout_finish(layout);
    return done;
}

/* How many messages after the system prompt may go at the front so that a person's turn comes
 * first: one turn more than n_dropped; 0 when there is none but the last. */
static size_t drop_one_turn(const struct job_request *request, size_t n_dropped)
{
    size_t n = 0;
    for (size_t i = 0; i < request->n_message; i++) {
        if (request->messages[i].role == NAWI_CHAT_SYSTEM)
            continue;
        if (n > n_dropped && request->messages[i].role == NAWI_CHAT_USER)
            return n;
        n++;
    }
    return 0;
}

/* Lays out what fits. Room for an answer: an eighth of the context when turns may be dropped,
 * one token else. */
static bool lay_out_to_fit(struct local_worker *worker, const struct job_request *request,
                           const struct job_events *events, struct layout *layout,
                           struct job_receipt *receipt, GError **error)
{
    int64_t context = nawi_session_get_context(worker->session);
    size_t n_dropped = 0;
    for (;;) {
        if (!lay_out(worker, request, n_dropped, layout, receipt, error))
            return false;
        int64_t n_tok = layout->tokens->len;
        int64_t room = request->drop_oldest ? MAX(context / 8, 1) : 1;
        size_t more = drop_one_turn(request, n_dropped);
        if (n_tok + room <= context || (request->drop_oldest && more == 0 && n_tok < context))
            break;
        if (!request->drop_oldest || more == 0) {
            layout_finish(layout);
            if (more > 0)
                g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "the context is full: this needs %" G_GINT64_FORMAT
                            " tokens and one for an answer, and %" G_GINT64_FORMAT
                            " fit; the oldest turns can be dropped, or --context makes it longer",
                            n_tok, context);
            else
                g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "this needs %" G_GINT64_FORMAT " tokens and one for an answer, and the "
                            "context has %" G_GINT64_FORMAT "; --context makes it longer",
                            n_tok, context);
            return false;
        }
        layout_finish(layout);
        n_dropped = more;
    }
    receipt->n_dropped = (int64_t)n_dropped;
    if (n_dropped > 0 && events && events->note) {
        char *note = g_strdup_printf(
            "the context is full: the %zu oldest messages are no longer read by the model",
            n_dropped);
        events->note(note, events->user);
        g_free(note);
    }
    return true;
}

/* ── The answer ──────────────────────────────────────────────────────────────────────────────── */

/* What an answer is made of while it comes. */
struct writer {
    const struct nawi_tokenizer *tokenizer;
    const struct job_events *events;
    int32_t think_start, think_end; /* NAWI_TOKEN_NONE: there is no such token */
    enum job_text_kind kind;
    struct nawi_utf8_stream stream;
    GString *text; /* the answer */
    GString *now;  /* what a token brought */
};

/* Hands on what is in writer->now. False when the listener wants no more. */
static bool hand_on(struct writer *writer)
{
    bool more = true;
    if (writer->now->len == 0)
        return true;
    if (writer->kind == JOB_TEXT_ANSWER)
        g_string_append_len(writer->text, writer->now->str, (gssize)writer->now->len);
    if (writer->events && writer->events->text)
        more = writer->events->text(writer->kind, writer->now->str, writer->now->len,
                                    writer->events->user);
    g_string_truncate(writer->now, 0);
    return more;
}

static bool write_token(struct writer *writer, int32_t token)
{
    if (token == writer->think_start || token == writer->think_end) {
        nawi_utf8_stream_end(&writer->stream, writer->now);
        bool more = hand_on(writer);
        writer->kind = token == writer->think_start ? JOB_TEXT_THINKING : JOB_TEXT_ANSWER;
        return more;
    }
    if (nawi_tokenizer_is_control(writer->tokenizer, token))
        return true;
    size_t n_bytes = 0;
    const char *bytes = nawi_tokenizer_get_bytes(writer->tokenizer, token, &n_bytes);
    if (bytes)
        nawi_utf8_stream_push(&writer->stream, bytes, n_bytes, writer->now);
    return hand_on(writer);
}

/* Chooses, shows and adds tokens until the answer ends. */
static bool generate(struct local_worker *worker, const struct job_request *request,
                     struct nawi_sampler *sampler, struct writer *writer, const nawi_cancel *cancel,
                     struct job_receipt *receipt, GError **error)
{
    const struct nawi_model_info *info = nawi_model_get_info(worker->model);
    int64_t context = nawi_session_get_context(worker->session);
    int64_t most = request->max_tok > 0 ? request->max_tok : INT64_MAX;
    int64_t start = g_get_monotonic_time();
    bool sound = true;
    for (;;) {
        struct nawi_choice choice;
        const float *logits = nawi_session_get_logits(worker->session);
        if (nawi_cancel_check(cancel, error) ||
            !nawi_sampler_choose_from(sampler, logits, info->n_vocab, NULL, &choice, error)) {
            sound = false;
            break;
        }
        if (receipt->n_answer_tok == 0)
            receipt->first_s += seconds_since(start);
        receipt->n_answer_tok++;
        if (nawi_tokenizer_is_stop(writer->tokenizer, choice.token)) {
            receipt->end = JOB_END_STOP;
            break;
        }
        nawi_sampler_accept(sampler, choice.token);
        if (!write_token(writer, choice.token)) {
            g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_CANCELLED, "stopped");
            sound = false;
            break;
        }
        if (receipt->n_answer_tok >= most || nawi_session_get_length(worker->session) >= context) {
            receipt->end = receipt->n_answer_tok >= most ? JOB_END_LENGTH : JOB_END_CONTEXT;
            break;
        }
        if (!nawi_session_add(worker->session, choice.token, cancel, error)) {
            sound = false;
            break;
        }
    }
    receipt->generate_s = seconds_since(start);
    nawi_utf8_stream_end(&writer->stream, writer->now);
    hand_on(writer);
    return sound;
}

static bool read_and_generate(struct local_worker *worker, const struct job_request *request,
                              const struct job_events *events, const nawi_cancel *cancel,
                              const struct layout *layout, struct job_receipt *receipt,
                              GError **error)
{
    const struct nawi_prompt prompt = {
        .tokens = (const int32_t *)(const void *)layout->tokens->data,
        .n_token = layout->tokens->len,
        .pictures = (struct nawi_embedding *const *)layout->rows->pdata,
        .n_picture = layout->rows->len,
    };
    struct nawi_session_stats before, after;
    nawi_session_get_stats(worker->session, &before);
    int64_t start = g_get_monotonic_time();
    bool sound = nawi_session_sync(worker->session, &prompt, events ? events->progress : NULL,
                                   events ? events->user : NULL, cancel, error);
    receipt->prompt_s = receipt->first_s = seconds_since(start);
    nawi_session_get_stats(worker->session, &after);
    receipt->n_reused = after.n_reused - before.n_reused;
    receipt->n_evaluated = after.n_evaluated - before.n_evaluated;
    if (!sound)
        return false;

    struct nawi_sampler *sampler = nawi_sampler_create(&request->sampler, error);
    if (!sampler)
        return false;
    for (int64_t i = 0; i < prompt.n_token; i++)
        nawi_sampler_accept(sampler, prompt.tokens[i]);
    const struct nawi_tokenizer *tokenizer = nawi_model_get_tokenizer(worker->model);
    struct writer writer = {
        .tokenizer = tokenizer,
        .events = events,
        .think_start = nawi_tokenizer_find(tokenizer, "<|reasoning_thinking_start|>"),
        .think_end = nawi_tokenizer_find(tokenizer, "<|reasoning_thinking_end|>"),
        .text = g_string_new(NULL),
        .now = g_string_new(NULL),
    };
    sound = generate(worker, request, sampler, &writer, cancel, receipt, error);
    g_free(receipt->text);
    receipt->text = g_string_free(writer.text, FALSE);
    g_string_free(writer.now, TRUE);
    nawi_sampler_destroy(sampler);
    return sound;
}

static bool need_session(struct local_worker *worker, GError **error)
{
    if (worker->session)
        return true;
    struct nawi_session_params params = {.context_tok = worker->context_tok};
    worker->session = nawi_session_create(worker->model, &params, error);
    return worker->session != NULL;
}

static bool answer(struct job_worker *base, const struct job_request *request,
                   const struct job_events *events, const nawi_cancel *cancel,
                   struct job_receipt *receipt, GError **error)
{
    struct local_worker *worker = (struct local_worker *)base;
    struct layout layout;
    GError *fault = NULL;
    receipt->load_s = worker->load_s;
    if (!need_session(worker, error) ||
        !lay_out_to_fit(worker, request, events, &layout, receipt, error))
        return false;
    receipt->n_prompt_tok = layout.tokens->len;
    receipt->n_picture_tok = layout.n_picture_tok;
    for (guint i = 0; i < receipt->pictures->len; i++) {
        struct local_picture *picture = g_ptr_array_index(receipt->pictures, i);
        if (!picture->charged) {
            receipt->decode_s += picture->base.info.decode_s;
            receipt->see_s += picture->base.info.see_s;
        }
        picture->charged = true;
    }
    bool sound = read_and_generate(worker, request, events, cancel, &layout, receipt, &fault);
    layout_finish(&layout);
    if (!sound) {
        if (g_error_matches(fault, NAWI_ERROR, NAWI_ERROR_CANCELLED))
            receipt->end = JOB_END_CANCELLED;
        g_propagate_error(error, fault);
    }
    return sound;
}

/* ── The worker ──────────────────────────────────────────────────────────────────────────────── */

static const struct nawi_model_info *get_model(const struct job_worker *base)
{
    return nawi_model_get_info(((const struct local_worker *)base)->model);
}

static int64_t get_context(const struct job_worker *base)
{
    const struct local_worker *worker = (const struct local_worker *)base;
    if (worker->session)
        return nawi_session_get_context(worker->session);
    int64_t wanted = worker->context_tok;
    int64_t most = nawi_model_get_info(worker->model)->context_tok;
    return wanted > 0 ? wanted : MIN(most, 8192);
}

static void close_local(struct job_worker *base)
{
    struct local_worker *worker = (struct local_worker *)base;
    for (;;) {
        struct job_picture *picture = g_queue_pop_head(&worker->seen);
        if (!picture)
            break;
        job_picture_unref(picture);
    }
    nawi_session_destroy(worker->session);
    nawi_model_close(worker->model);
    g_free(worker);
}

static const struct job_worker_ops local_ops = {
    .get_model = get_model,
    .get_context = get_context,
    .see = see,
    .answer = answer,
    .close = close_local,
};

struct job_worker *job_open_local(const struct job_params *params, const nawi_cancel *cancel,
                                  GError **error)
{
    int64_t start = g_get_monotonic_time();
    if (!nawi_vision_init(error))
        return NULL;
    struct nawi_model *model = nawi_model_open(&params->model, cancel, error);
    if (!model)
        return NULL;
    struct local_worker *worker = g_new0(struct local_worker, 1);
    worker->base.ops = &local_ops;
    worker->model = model;
    worker->context_tok = params->context_tok;
    worker->load_s = seconds_since(start);
    g_queue_init(&worker->seen);
    return &worker->base;
}
