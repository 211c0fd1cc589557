/* nawi bench: how fast a model runs here, and what it takes.
 *
 * A run: some tokens lie in the context already (the depth); a prompt is read behind them and
 * timed; then tokens are added one by one and timed. Deeper runs keep what the shallower ones
 * have read. Words are drawn from the vocabulary in a fixed order: speed does not depend on
 * sense, and all runs multiply by real weights. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"
#include "vision/vision.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct run_times {
    int64_t depth, n_prompt, n_generate;
    double prompt_s, generate_s;
};

struct bench {
    const struct options *options;
    struct terminal *terminal;
    struct nawi_model *model;
    struct nawi_session *session;
    int64_t n_prompt, n_generate;
    int32_t *tokens;
    GArray *depths; /* int64_t */
    GArray *runs;   /* struct run_times */
    double load_s, see_s, first_s;
    int n_tile; /* of the picture that was seen; 0: none */
    int64_t n_patch_tok;
    struct nawi_session_stats stats;
    int64_t peak_bytes, anonymous_bytes;
};

static double seconds_since(int64_t start_us)
{
    return (double)(g_get_monotonic_time() - start_us) / 1e6;
}

/* A line "NAME:   123 kB" of /proc/self/status in bytes; negative when it is not there. */
static int64_t read_status(const char *name)
{
    char *text = NULL;
    int64_t kib = -1;
    if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL))
        return -1;
    const char *at = strstr(text, name);
    if (at)
        kib = (int64_t)g_ascii_strtoull(at + strlen(name) + strspn(at + strlen(name), ": \t"), NULL,
                                        10);
    g_free(text);
    return kib < 0 ? -1 : kib * 1024;
}

/* Ordinary words for a prompt of n tokens, never a picture's place. */
static void draw_tokens(struct bench *bench, int64_t n)
{
    const struct nawi_tokenizer *tokenizer = nawi_model_get_tokenizer(bench->model);
    uint32_t n_vocab = (uint32_t)nawi_tokenizer_get_size(tokenizer);
    uint32_t state = 1;
    bench->tokens = g_new(int32_t, n);
    for (int64_t i = 0; i < n; i++) {
        int32_t token = 0;
        for (int tries = 0; tries < 64; tries++) {
            state = state * 1664525u + 1013904223u;
            token = (int32_t)((state >> 8) % n_vocab);
            if (nawi_tokenizer_get_type(tokenizer, token) == NAWI_TOKEN_NORMAL)
                break;
            token = 0;
        }
        bench->tokens[i] = token;
    }
}

static bool read_up_to(struct bench *bench, int64_t n_token, GError **error)
{
    const struct nawi_prompt prompt = {.tokens = bench->tokens, .n_token = n_token};
    return nawi_session_sync(bench->session, &prompt, terminal_progress, bench->terminal,
                             bench->terminal->cancel, error);
}

static bool run_at(struct bench *bench, int64_t depth, GError **error)
{
    struct run_times times = {
        .depth = depth, .n_prompt = bench->n_prompt, .n_generate = bench->n_generate};
    if (depth > 0 && !read_up_to(bench, depth, error))
        return false;
    int64_t start = g_get_monotonic_time();
    if (!read_up_to(bench, depth + bench->n_prompt, error))
        return false;
    times.prompt_s = seconds_since(start);
    start = g_get_monotonic_time();
    for (int64_t i = 0; i < bench->n_generate; i++) {
        terminal_progress("generating", i, bench->n_generate, bench->terminal);
        if (!nawi_session_add(bench->session, bench->tokens[i], bench->terminal->cancel, error))
            return false;
    }
    times.generate_s = seconds_since(start);
    terminal_clear(bench->terminal);
    if (bench->runs->len == 0)
        bench->first_s = bench->see_s + times.prompt_s;
    g_array_append_val(bench->runs, times);
    return true;
}

/* ── The picture ─────────────────────────────────────────────────────────────────────────────── */

/* One tile of soft colours. */
static bool draw_picture(const struct nawi_media_spec *spec, struct nawi_media *media,
                         GError **error)
{
    struct nawi_picture picture = {
        .width_px = spec->tile_px, .height_px = spec->tile_px, .turn = 1};
    picture.rgb = g_malloc((size_t)spec->tile_px * (size_t)spec->tile_px * 3);
    uint8_t *at = picture.rgb;
    for (int y = 0; y < spec->tile_px; y++)
        for (int x = 0; x < spec->tile_px; x++) {
            *at++ = (uint8_t)(x * 255 / spec->tile_px);
            *at++ = (uint8_t)(y * 255 / spec->tile_px);
            *at++ = (uint8_t)((x ^ y) & 255);
        }
    bool done = nawi_vision_tile(&picture, spec, NULL, media, error);
    nawi_picture_finish(&picture);
    return done;
}

static bool load_picture(const struct bench *bench, const struct nawi_media_spec *spec,
                         struct nawi_media *media, GError **error)
{
    const char *file = bench->options->picture;
    if (!file)
        return draw_picture(spec, media, error);
    int fd = nawi_vision_open_file(file, NULL, error);
    if (fd < 0)
        return false;
    bool done = nawi_vision_load(fd, file, spec, bench->terminal->cancel, media, error);
    close(fd);
    return done;
}

static bool see(struct bench *bench, GError **error)
{
    const struct nawi_media_spec *spec = nawi_model_get_media_spec(bench->model);
    struct nawi_media media = {0};
    if (!spec)
        return true;
    if (!nawi_vision_init(error) || !load_picture(bench, spec, &media, error))
        return false;
    int64_t start = g_get_monotonic_time();
    struct nawi_embedding *embedding = nawi_model_see(
        bench->model, &media, terminal_progress, bench->terminal, bench->terminal->cancel, error);
    bench->see_s = seconds_since(start);
    bench->n_tile = media.n_tile;
    bench->n_patch_tok = (int64_t)media.n_tile * nawi_media_tile_tokens(spec);
    nawi_media_finish(&media);
    nawi_embedding_unref(embedding);
    return embedding != NULL;
}

/* ── The report ──────────────────────────────────────────────────────────────────────────────── */

static double experts_per_token(const struct bench *bench)
{
    return bench->stats.n_evaluated > 0
               ? (double)bench->stats.n_expert_multiplied / (double)bench->stats.n_evaluated
               : 0;
}

static json_t *to_json(const struct bench *bench)
{
    const struct nawi_model_info *info = nawi_model_get_info(bench->model);
    json_t *runs = json_array();
    for (guint i = 0; i < bench->runs->len; i++) {
        const struct run_times *times = &g_array_index(bench->runs, struct run_times, i);
        json_array_append_new(
            runs,
            json_pack("{s:I, s:I, s:f, s:f, s:I, s:f, s:f}", "depth", (json_int_t)times->depth,
                      "prompt_tokens", (json_int_t)times->n_prompt, "prompt_s", times->prompt_s,
                      "prompt_tokens_per_s", (double)times->n_prompt / times->prompt_s,
                      "generate_tokens", (json_int_t)times->n_generate, "generate_s",
                      times->generate_s, "generate_tokens_per_s",
                      (double)times->n_generate / times->generate_s));
    }
    json_t *object = json_object();
    json_object_set_new(object, "model", job_json_string(info->path));
    json_object_set_new(object, "tier", json_string(info->cpu_tier));
    json_object_set_new(object, "threads", json_integer(info->n_threads));
    json_object_set_new(object, "load_s", json_real(bench->load_s));
    if (bench->n_tile > 0) {
        json_object_set_new(object, "picture_tiles", json_integer(bench->n_tile));
        json_object_set_new(object, "picture_tokens", json_integer(bench->n_patch_tok));
        json_object_set_new(object, "picture_s", json_real(bench->see_s));
    }
    json_object_set_new(object, "first_token_s", json_real(bench->first_s));
    json_object_set_new(object, "runs", runs);
    json_object_set_new(object, "context", json_integer(nawi_session_get_context(bench->session)));
    json_object_set_new(object, "chunk", json_integer(info->chunk_tok));
    json_object_set_new(object, "batch", json_integer(info->n_batch));
    json_object_set_new(object, "kv_bytes_local", json_integer(bench->stats.kv_bytes_local));
    json_object_set_new(object, "kv_bytes_global", json_integer(bench->stats.kv_bytes_global));
    json_object_set_new(object, "kv_bytes_used", json_integer(bench->stats.kv_bytes_used));
    json_object_set_new(object, "scratch_bytes", json_integer(bench->stats.scratch_bytes));
    json_object_set_new(object, "weight_bytes", json_integer(info->weight_bytes));
    json_object_set_new(object, "peak_bytes", json_integer(bench->peak_bytes));
    json_object_set_new(object, "anonymous_bytes", json_integer(bench->anonymous_bytes));
    json_object_set_new(object, "moe_layers", json_integer(info->n_moe_layer));
    json_object_set_new(object, "experts_used", json_integer(info->n_expert_used));
    json_object_set_new(object, "experts_multiplied_per_token",
                        json_real(experts_per_token(bench)));
    return object;
}

static void print_mib(struct terminal *terminal, const char *what, int64_t bytes, const char *note)
{
    terminal_print(terminal, "%-26s%12.2f MiB%s\n", what, (double)bytes / 1048576.0, note);
}

static void print_table(const struct bench *bench)
{
    const struct nawi_model_info *info = nawi_model_get_info(bench->model);
    struct terminal *terminal = bench->terminal;
    char *path = terminal_name(info->path);
    terminal_print(terminal, "%s\n%s, %d thread%s\n\n", path, info->cpu_tier, info->n_threads,
                   info->n_threads == 1 ? "" : "s");
    g_free(path);
    terminal_print(terminal, "%10s %18s %22s\n", "depth", "prompt, tokens/s",
                   "generation, tokens/s");
    for (guint i = 0; i < bench->runs->len; i++) {
        const struct run_times *times = &g_array_index(bench->runs, struct run_times, i);
        terminal_print(terminal, "%10" G_GINT64_FORMAT " %18.2f %22.2f\n", times->depth,
                       (double)times->n_prompt / times->prompt_s,
                       (double)times->n_generate / times->generate_s);
    }
    terminal_print(terminal, "\n%-26s%12.3f s\n", "load", bench->load_s);
    if (bench->n_tile > 0)
        terminal_print(terminal, "%-26s%12.3f s for %d tile%s, %" G_GINT64_FORMAT " tokens\n",
                       "picture", bench->see_s, bench->n_tile, bench->n_tile == 1 ? "" : "s",
                       bench->n_patch_tok);
    terminal_print(terminal, "%-26s%12.3f s after %s%" G_GINT64_FORMAT " tokens\n", "first token",
                   bench->first_s, bench->n_tile > 0 ? "the picture and " : "", bench->n_prompt);
    terminal_print(
        terminal, "%-26s%12" G_GINT64_FORMAT " tokens; chunk %" G_GINT64_FORMAT ", batch %d\n",
        "context", nawi_session_get_context(bench->session), info->chunk_tok, info->n_batch);
    print_mib(terminal, "keys and values, local", bench->stats.kv_bytes_local, "");
    print_mib(terminal, "keys and values, global", bench->stats.kv_bytes_global, "");
    print_mib(terminal, "keys and values, touched", bench->stats.kv_bytes_used, "");
    print_mib(terminal, "scratch", bench->stats.scratch_bytes, "");
    print_mib(terminal, "weights", info->weight_bytes, " in the mapped files");
    print_mib(terminal, "peak memory", bench->peak_bytes, "");
    print_mib(terminal, "anonymous memory", bench->anonymous_bytes, "");
    if (info->n_moe_layer > 0)
        terminal_print(terminal,
                       "%-26s%12.2f a token, %.2f in each of %" G_GINT64_FORMAT " layers\n",
                       "experts multiplied", experts_per_token(bench),
                       experts_per_token(bench) / (double)info->n_moe_layer, info->n_moe_layer);
}

/* ── The command ─────────────────────────────────────────────────────────────────────────────── */

/* Takes the depths of --depths; without it 0, 512, 2048 as far as they go. */
static bool choose_depths(struct bench *bench, int64_t context, GError **error)
{
    int64_t most = context - bench->n_prompt - bench->n_generate;
    if (most < 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "%" G_GINT64_FORMAT " tokens of prompt and %" G_GINT64_FORMAT
                    " generated do not fit a context of %" G_GINT64_FORMAT,
                    bench->n_prompt, bench->n_generate, context);
        return false;
    }
    if (!bench->options->depths) {
        static const int64_t usual[] = {0, 512, 2048};
        for (size_t i = 0; i < G_N_ELEMENTS(usual); i++)
            if (usual[i] <= most)
                g_array_append_val(bench->depths, usual[i]);
        return true;
    }
    char **texts = g_strsplit(bench->options->depths, ",", -1);
    bool sound = true;
    for (size_t i = 0; sound && texts[i]; i++) {
        int64_t depth = 0;
        sound = options_parse_int("--depths", texts[i], 0, most, &depth, error);
        if (sound)
            g_array_append_val(bench->depths, depth);
    }
    g_strfreev(texts);
    return sound;
}

static bool measure(struct bench *bench, GError **error)
{
    struct nawi_session_params params = {.context_tok = MAX(bench->options->context_tok, 0)};
    bench->session = nawi_session_create(bench->model, &params, error);
    if (!bench->session)
        return false;
    int64_t context = nawi_session_get_context(bench->session);
    bench->n_prompt =
        bench->options->n_prompt > 0 ? bench->options->n_prompt : MIN(128, MAX(context / 2, 1));
    bench->n_generate =
        bench->options->n_generate > 0 ? bench->options->n_generate : MIN(16, MAX(context / 4, 1));
    if (!choose_depths(bench, context, error) || !see(bench, error))
        return false;
    draw_tokens(bench, context);
    for (guint i = 0; i < bench->depths->len; i++)
        if (!run_at(bench, g_array_index(bench->depths, int64_t, i), error))
            return false;
    nawi_session_get_stats(bench->session, &bench->stats);
    bench->peak_bytes = read_status("VmHWM");
    bench->anonymous_bytes = read_status("RssAnon");
    return true;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct bench bench = {.options = options, .terminal = terminal};
    struct work_model model;
    GError *error = NULL;
    const char *path = g_ptr_array_index(options->arguments, 0); /* NULL: none */
    if (!work_find_model(options, path, &model, &error))
        return terminal_fail(terminal, error);
    model.params.n_batch = (int)MAX(options->n_batch, 0);
    int64_t start = g_get_monotonic_time();
    bench.model = nawi_model_open(&model.params, terminal->cancel, &error);
    bench.load_s = seconds_since(start);
    bool is_cria = model.cria != NULL;
    work_model_finish(&model);
    if (!bench.model)
        return terminal_fail(terminal, error);
    work_tell_model(terminal, nawi_model_get_info(bench.model), is_cria);
    bench.depths = g_array_new(FALSE, FALSE, sizeof(int64_t));
    bench.runs = g_array_new(FALSE, FALSE, sizeof(struct run_times));
    bool done = measure(&bench, &error);
    if (done && options->json) {
        json_t *json = to_json(&bench);
        terminal_write_json(terminal, json);
        json_decref(json);
    } else if (done) {
        print_table(&bench);
    }
    g_array_unref(bench.depths);
    g_array_unref(bench.runs);
    g_free(bench.tokens);
    nawi_session_destroy(bench.session);
    nawi_model_close(bench.model);
    return done ? terminal_finish(terminal) : terminal_fail(terminal, error);
}

const struct command command_bench = {
    .name = "bench",
    .arguments = "[MODEL]",
    .summary = "Measure how fast a model runs here, and what memory it takes.",
    .examples = "  nawi bench\n"
                "  nawi bench scout.gguf --depths 0,1k,8k --context 16k\n"
                "  nawi bench --json --threads 2 scout.gguf\n",
    .details =
        "Depth is what lies in the context already when a prompt is read and tokens are "
        "generated. Peak memory counts the touched parts of the mapped model file; anonymous "
        "memory does not.",
    .groups = OPTIONS_MODEL | OPTIONS_BENCH | OPTIONS_JSON,
    .least = 0,
    .most = 1,
    .run = run,
};
