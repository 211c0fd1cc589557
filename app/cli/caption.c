/* nawi caption: what is on each of these pictures, in these languages.
 *
 * Every file is captioned by itself. The picture is looked at once and stands first in the
 * prompt, so that each further language costs only its question and its answer. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"

#include <math.h>
#include <string.h>

struct caption {
    const struct options *options;
    struct terminal *terminal;
    struct job_worker *worker;
    const struct nawi_prompts *languages[NAWI_PROMPTS_COUNT];
    size_t n_language;
    bool fresh;  /* nothing of this answer has been printed */
    char *label; /* what stands before an answer, "" when it needs none */
};

/* The language that the environment asks for, else English. */
static const struct nawi_prompts *language_of_locale(void)
{
    const char *const *names = g_get_language_names();
    for (size_t i = 0; names[i]; i++) {
        char *code = g_strndup(names[i], strcspn(names[i], "_.@"));
        const struct nawi_prompts *found =
            nawi_prompts_find(strcmp(code, "fil") == 0 ? "tl" : code);
        g_free(code);
        if (found)
            return found;
    }
    return nawi_prompts_find("en");
}

static bool add_language(struct caption *caption, const char *code, GError **error)
{
    const struct nawi_prompts *found = nawi_prompts_find(code);
    if (!found) {
        char *shown = nawi_quote(code, strlen(code));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "--lang: no language %s; there are ar, de, en, es, fr, hi, id, it, pt, th, tl, "
                    "vi, and all",
                    shown);
        g_free(shown);
        return false;
    }
    for (size_t i = 0; i < caption->n_language; i++)
        if (caption->languages[i] == found)
            return true;
    caption->languages[caption->n_language++] = found;
    return true;
}

static bool choose_languages(struct caption *caption, GError **error)
{
    const char *list = caption->options->languages;
    if (!list) {
        caption->languages[caption->n_language++] = language_of_locale();
        return true;
    }
    if (strcmp(list, "all") == 0) {
        for (; caption->n_language < NAWI_PROMPTS_COUNT; caption->n_language++)
            caption->languages[caption->n_language] = &nawi_prompts_get_all()[caption->n_language];
        return true;
    }
    char **codes = g_strsplit(list, ",", -1);
    bool sound = true;
    for (size_t i = 0; sound && codes[i]; i++)
        sound = add_language(caption, g_strstrip(codes[i]), error);
    g_strfreev(codes);
    return sound;
}

static bool on_text(enum job_text_kind kind, const char *text, size_t n_bytes, void *user)
{
    struct caption *caption = user;
    if (caption->options->json || kind != JOB_TEXT_ANSWER)
        return true;
    if (caption->fresh && !terminal_print(caption->terminal, "%s", caption->label))
        return false;
    caption->fresh = false;
    return terminal_write(caption->terminal, text, n_bytes);
}

static void on_progress(const char *stage, int64_t done, int64_t total, void *user)
{
    terminal_progress(stage, done, total, ((struct caption *)user)->terminal);
}

static bool caption_in(struct caption *caption, struct job_picture *picture,
                       const struct nawi_prompts *language, GError **error)
{
    const char *file = job_picture_get_info(picture)->file;
    const struct options *options = caption->options;
    struct job_part question[] = {{.picture = picture}, {.text = language->caption}};
    struct job_part system = {.text = options->system};
    struct job_message messages[] = {{NAWI_CHAT_SYSTEM, &system, 1}, {NAWI_CHAT_USER, question, 2}};
    size_t skip = options->system ? 0 : 1;
    struct job_request request = {
        .messages = messages + skip,
        .n_message = 2 - skip,
        .sampler = work_sampler(options, 0, 0),
        .max_tok = options->max_tokens > 0 ? options->max_tokens : 512,
    };
    struct job_events events = {.progress = on_progress, .text = on_text, .user = caption};
    struct job_receipt receipt;
    char *name = terminal_name(file);
    bool several_files = caption->options->arguments->len > 1;
    caption->label = g_strconcat(several_files ? name : "", several_files ? ": " : "",
                                 caption->n_language > 1 ? language->code : "",
                                 caption->n_language > 1 ? ": " : "", NULL);
    caption->fresh = true;
    bool sound =
        job_answer(caption->worker, &request, &events, caption->terminal->cancel, &receipt, error);
    if (!options->json && (!caption->fresh || sound))
        terminal_print(caption->terminal, "%s\n", caption->fresh ? caption->label : "");
    if (sound) {
        if (options->json)
            terminal_add_to_array(caption->terminal,
                                  work_answer_to_json(&file, 1, language->code, &receipt,
                                                      job_get_model(caption->worker)));
        work_tell_end(caption->terminal, &receipt);
        if (options->receipt)
            work_tell_receipt(caption->terminal, &receipt, job_get_model(caption->worker));
    }
    job_receipt_finish(&receipt);
    g_free(caption->label);
    g_free(name);
    return sound;
}

/* Captions a file in all languages. False: *error says why not. */
static bool caption_file(void *context, const char *file, GError **error)
{
    struct caption *caption = context;
    struct job_events events = {.progress = on_progress, .user = caption};
    struct job_picture *picture =
        job_see(caption->worker, file, &events, caption->terminal->cancel, error);
    bool sound = picture != NULL;
    for (size_t i = 0; sound && i < caption->n_language; i++)
        sound = caption_in(caption, picture, caption->languages[i], error);
    job_picture_unref(picture);
    return sound;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct caption caption = {.options = options, .terminal = terminal};
    GError *error = NULL;
    bool is_cria = false;
    if (!choose_languages(&caption, &error)) {
        terminal_fail(terminal, error);
        return EXIT_USAGE;
    }
    caption.worker = work_open(options, terminal, &is_cria, &error);
    if (!caption.worker)
        return terminal_fail(terminal, error);
    int code;
    if (job_get_model(caption.worker)->has_vision) {
        code = work_each_file(options, terminal, caption_file, &caption);
    } else {
        terminal_say(terminal,
                     "this model cannot see pictures: it has no vision tower (--mmproj names one)");
        code = EXIT_FAILED;
    }
    job_close(caption.worker);
    return code;
}

const struct command command_caption = {
    .name = "caption",
    .arguments = "FILE…",
    .summary = "Tell what is on a picture, in one short sentence.",
    .examples = "  nawi caption dog.png\n"
                "  nawi caption --lang de,fr holiday/*.jpg\n"
                "  nawi caption --lang all --json dog.png\n",
    .details =
        "Each file is captioned by itself. A file that cannot be read is named and the others "
        "go on; the program then ends with 3. Answers are the likeliest ones unless "
        "--temperature says otherwise.",
    .groups = OPTIONS_MODEL | OPTIONS_ANSWER | OPTIONS_CAPTION | OPTIONS_RECEIPT | OPTIONS_JSON,
    .least = 1,
    .most = -1,
    .run = run,
};
