/* nawi ask: one question about one or several pictures together. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"

#include <string.h>

struct ask {
    const struct options *options;
    struct terminal *terminal;
};

static bool on_text(enum job_text_kind kind, const char *text, size_t n_bytes, void *user)
{
    struct ask *ask = user;
    if (ask->options->json || kind != JOB_TEXT_ANSWER)
        return true;
    return terminal_write(ask->terminal, text, n_bytes);
}

static void on_progress(const char *stage, int64_t done, int64_t total, void *user)
{
    terminal_progress(stage, done, total, ((struct ask *)user)->terminal);
}

static int answer(struct ask *ask, struct job_worker *worker, GPtrArray *pictures,
                  const char *question)
{
    const struct options *options = ask->options;
    struct job_part *parts = g_new0(struct job_part, pictures->len + 1);
    const char **files = g_new0(const char *, pictures->len);
    for (guint i = 0; i < pictures->len; i++) {
        parts[i].picture = g_ptr_array_index(pictures, i);
        files[i] = job_picture_get_info(parts[i].picture)->file;
    }
    parts[pictures->len].text = question;
    struct job_part system = {.text = options->system};
    struct job_message messages[] = {{NAWI_CHAT_SYSTEM, &system, 1},
                                     {NAWI_CHAT_USER, parts, pictures->len + 1}};
    size_t skip = options->system ? 0 : 1;
    struct job_request request = {
        .messages = messages + skip,
        .n_message = 2 - skip,
        .sampler = work_sampler(options, 0, 0),
        .max_tok = options->max_tokens > 0 ? options->max_tokens : 2048,
    };
    struct job_events events = {.progress = on_progress, .text = on_text, .user = ask};
    struct job_receipt receipt;
    GError *error = NULL;
    bool sound = job_answer(worker, &request, &events, ask->terminal->cancel, &receipt, &error);
    if (!options->json && (sound || *receipt.text))
        terminal_print(ask->terminal, "\n");
    if (sound && options->json) {
        terminal_begin_array(ask->terminal);
        terminal_add_to_array(ask->terminal, work_answer_to_json(files, pictures->len, NULL,
                                                                 &receipt, job_get_model(worker)));
        terminal_end_array(ask->terminal);
    }
    if (sound)
        work_tell_end(ask->terminal, &receipt);
    if (sound && options->receipt)
        work_tell_receipt(ask->terminal, &receipt, job_get_model(worker));
    job_receipt_finish(&receipt);
    g_free(parts);
    g_free(files);
    int code = sound ? EXIT_DONE : terminal_fail(ask->terminal, error);
    int written = terminal_finish(ask->terminal);
    return code != EXIT_DONE ? code : written;
}

static int ask_about(struct ask *ask, struct job_worker *worker)
{
    const GPtrArray *arguments = ask->options->arguments;
    guint n_file = arguments->len - 1;
    guint n_failed = 0;
    GError *error = NULL;
    if (!job_get_model(worker)->has_vision) {
        terminal_say(ask->terminal,
                     "this model cannot see pictures: it has no vision tower (--mmproj names one)");
        return EXIT_FAILED;
    }
    GPtrArray *pictures = work_see_all(worker, ask->terminal, (const char *const *)arguments->pdata,
                                       n_file, &n_failed, &error);
    if (!pictures)
        return terminal_fail(ask->terminal, error);
    int code = EXIT_FAILED;
    if (pictures->len == 0)
        terminal_say(ask->terminal, "no picture could be read, so there is nothing to ask about");
    else
        code = answer(ask, worker, pictures, g_ptr_array_index(arguments, n_file));
    if (code == EXIT_DONE && n_failed > 0) {
        terminal_say(ask->terminal, "the answer is about %u of %u pictures", pictures->len, n_file);
        code = EXIT_PARTLY;
    }
    g_ptr_array_unref(pictures);
    return code;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct ask ask = {.options = options, .terminal = terminal};
    const char *question = g_ptr_array_index(options->arguments, options->arguments->len - 1);
    if (!*question || (g_file_test(question, G_FILE_TEST_EXISTS) && !strchr(question, ' '))) {
        char *shown = nawi_quote(question, strlen(question));
        terminal_say(terminal, "ask: the last argument is the question, and %s is %s", shown,
                     *question ? "a file" : "empty");
        g_free(shown);
        return EXIT_USAGE;
    }
    if (!g_utf8_validate(question, -1, NULL)) {
        terminal_say(terminal, "ask: the question is not UTF-8");
        return EXIT_USAGE;
    }
    GError *error = NULL;
    bool is_cria = false;
    struct job_worker *worker = work_open(options, terminal, &is_cria, &error);
    if (!worker)
        return terminal_fail(terminal, error);
    int code = ask_about(&ask, worker);
    job_close(worker);
    return code;
}

const struct command command_ask = {
    .name = "ask",
    .arguments = "FILE… \"QUESTION\"",
    .summary = "Ask one question about one or several pictures.",
    .examples = "  nawi ask dog.png \"What is on the left?\"\n"
                "  nawi ask before.png after.png \"What has changed?\"\n"
                "  nawi ask --json --receipt dog.png \"How many things are there?\"\n",
    .details =
        "All pictures stand before the question, in order. A file that cannot be read is "
        "named, the question is asked about the others, and the program ends with 3. Answers "
        "are the likeliest ones unless --temperature says otherwise.",
    .groups = OPTIONS_MODEL | OPTIONS_ANSWER | OPTIONS_RECEIPT | OPTIONS_JSON,
    .least = 2,
    .most = -1,
    .run = run,
};
