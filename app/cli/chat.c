/* nawi chat: a conversation in the terminal.
 *
 * The conversation is a list of turns; each answer is asked for with all of it, and the worker
 * re-reads only what has changed. Pictures that were added wait for the next question and stand
 * before it. On a terminal lines are edited (line.c); from a pipe they are taken as they come,
 * and nothing but answers goes to standard output. */
#include "app/cli/commands.h"
#include "app/cli/line.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"

#include <string.h>

struct turn {
    GPtrArray *pictures; /* struct job_picture * */
    char *question;
    char *answer; /* NULL: there is none (yet) */
};

struct chat {
    const struct options *options;
    struct terminal *terminal;
    struct line *line;
    struct job_worker *worker;
    GPtrArray *turns;   /* struct turn * */
    GPtrArray *waiting; /* struct job_picture *, for the next question */
    double temperature, top_p;
    guint n_answers_failed, n_files_failed;
    bool ends;
};

static void unref_picture(gpointer picture) { job_picture_unref(picture); }

static void free_turn(gpointer memory)
{
    struct turn *turn = memory;
    g_ptr_array_unref(turn->pictures);
    g_free(turn->question);
    g_free(turn->answer);
    g_free(turn);
}

/* ── Answers ─────────────────────────────────────────────────────────────────────────────────── */

static bool on_text(enum job_text_kind kind, const char *text, size_t n_bytes, void *user)
{
    struct chat *chat = user;
    if (kind == JOB_TEXT_ANSWER)
        return terminal_write(chat->terminal, text, n_bytes);
    if (chat->terminal->shows_progress) {
        char *thought = g_strndup(text, n_bytes);
        terminal_note(chat->terminal, thought);
        g_free(thought);
    }
    return true;
}

static void on_progress(const char *stage, int64_t done, int64_t total, void *user)
{
    terminal_progress(stage, done, total, ((struct chat *)user)->terminal);
}

static void on_note(const char *sentence, void *user)
{
    terminal_say(((struct chat *)user)->terminal, "%s", sentence);
}

/* All of the conversation as messages; parts and messages are freed by the caller. */
static size_t build(const struct chat *chat, struct job_message **messages, struct job_part **parts)
{
    size_t n_part = 1;
    size_t n_message = 0;
    for (guint i = 0; i < chat->turns->len; i++)
        n_part += ((struct turn *)g_ptr_array_index(chat->turns, i))->pictures->len + 2;
    *parts = g_new0(struct job_part, n_part);
    *messages = g_new0(struct job_message, 2 * chat->turns->len + 1);
    struct job_part *part = *parts;
    if (chat->options->system) {
        part->text = chat->options->system;
        (*messages)[n_message++] = (struct job_message){NAWI_CHAT_SYSTEM, part++, 1};
    }
    for (guint i = 0; i < chat->turns->len; i++) {
        const struct turn *turn = g_ptr_array_index(chat->turns, i);
        (*messages)[n_message++] =
            (struct job_message){NAWI_CHAT_USER, part, turn->pictures->len + 1};
        for (guint k = 0; k < turn->pictures->len; k++)
            (part++)->picture = g_ptr_array_index(turn->pictures, k);
        (part++)->text = turn->question;
        if (!turn->answer)
            continue;
        part->text = turn->answer;
        (*messages)[n_message++] = (struct job_message){NAWI_CHAT_ASSISTANT, part++, 1};
    }
    return n_message;
}

/* Answers the last turn, which has no answer. */
static void answer(struct chat *chat)
{
    struct turn *turn = g_ptr_array_index(chat->turns, chat->turns->len - 1);
    struct job_message *messages;
    struct job_part *parts;
    struct job_request request = {
        .n_message = build(chat, &messages, &parts),
        .sampler = work_sampler(chat->options, chat->temperature, chat->top_p),
        .max_tok = chat->options->max_tokens > 0 ? chat->options->max_tokens : 2048,
        .drop_oldest = chat->options->drop_oldest,
    };
    request.messages = messages;
    struct job_events events = {
        .progress = on_progress, .text = on_text, .note = on_note, .user = chat};
    struct job_receipt receipt;
    GError *error = NULL;
    terminal_reset_cancel(chat->terminal);
    bool sound =
        job_answer(chat->worker, &request, &events, chat->terminal->cancel, &receipt, &error);
    bool stopped = g_error_matches(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    if (sound || *receipt.text)
        terminal_print(chat->terminal, "\n");
    if (sound || (stopped && *receipt.text))
        turn->answer = g_strdup(receipt.text);
    if (stopped) {
        terminal_say(chat->terminal, "stopped");
    } else if (error) {
        chat->n_answers_failed++;
        terminal_say(chat->terminal, "%s", error->message);
        terminal_note(
            chat->terminal,
            "      the question stands: /again asks it again, /drop forgets the oldest turn, "
            "/undo takes it back\n");
    }
    if (receipt.end == JOB_END_CONTEXT && sound)
        terminal_say(chat->terminal,
                     "the context is full, the answer was cut; /drop forgets the oldest turn");
    else if (sound)
        work_tell_end(chat->terminal, &receipt);
    if (sound && chat->options->receipt)
        work_tell_receipt(chat->terminal, &receipt, job_get_model(chat->worker));
    g_clear_error(&error);
    terminal_reset_cancel(chat->terminal);
    job_receipt_finish(&receipt);
    g_free(messages);
    g_free(parts);
}

static void ask(struct chat *chat, const char *question)
{
    struct turn *turn = g_new0(struct turn, 1);
    turn->pictures = chat->waiting;
    turn->question = g_strdup(question);
    chat->waiting = g_ptr_array_new_with_free_func(unref_picture);
    g_ptr_array_add(chat->turns, turn);
    answer(chat);
}

/* ── Slash commands ──────────────────────────────────────────────────────────────────────────── */

static void add(struct chat *chat, const char *file)
{
    if (!*file) {
        terminal_say(chat->terminal, "/add needs the name of a picture");
        return;
    }
    guint n_failed = 0;
    GError *error = NULL;
    terminal_reset_cancel(chat->terminal);
    GPtrArray *pictures = work_see_all(chat->worker, chat->terminal, &file, 1, &n_failed, &error);
    terminal_reset_cancel(chat->terminal);
    g_clear_error(&error);
    chat->n_files_failed += n_failed;
    if (!pictures)
        return;
    if (pictures->len == 1) {
        struct job_picture *picture = g_ptr_array_index(pictures, 0);
        const struct job_picture_info *info = job_picture_get_info(picture);
        char *name = terminal_name(file);
        terminal_say(chat->terminal,
                     "%s: %d x %d px, %" G_GINT64_FORMAT " tokens; it goes with the next question",
                     name, info->width_px, info->height_px, info->n_tok);
        g_free(name);
        g_ptr_array_add(chat->waiting, job_picture_ref(picture));
    }
    g_ptr_array_unref(pictures);
}

static void add_typed(struct chat *chat, const char *rest)
{
    size_t n = strlen(rest);
    bool quoted = n > 1 && (rest[0] == '"' || rest[0] == '\'') && rest[n - 1] == rest[0];
    char *file = quoted ? g_strndup(rest + 1, n - 2) : g_strdup(rest);
    if (g_str_has_prefix(file, "~/")) {
        char *whole = g_build_filename(g_get_home_dir(), file + 2, NULL);
        g_free(file);
        file = whole;
    }
    add(chat, file);
    g_free(file);
}

static void undo(struct chat *chat, const char *rest)
{
    (void)rest;
    if (chat->waiting->len > 0) {
        g_ptr_array_set_size(chat->waiting, (gint)chat->waiting->len - 1);
        terminal_say(chat->terminal, "took the last picture back");
    } else if (chat->turns->len > 0) {
        g_ptr_array_set_size(chat->turns, (gint)chat->turns->len - 1);
        terminal_say(chat->terminal, "took the last question and its answer back");
    } else {
        terminal_say(chat->terminal, "there is nothing to take back");
    }
}

static void again(struct chat *chat, const char *rest)
{
    (void)rest;
    if (chat->turns->len == 0) {
        terminal_say(chat->terminal, "nothing has been asked yet");
        return;
    }
    struct turn *turn = g_ptr_array_index(chat->turns, chat->turns->len - 1);
    g_clear_pointer(&turn->answer, g_free);
    answer(chat);
}

static void drop(struct chat *chat, const char *rest)
{
    (void)rest;
    if (chat->turns->len < 2) {
        terminal_say(chat->terminal, "there is no older turn to forget");
        return;
    }
    const struct turn *turn = g_ptr_array_index(chat->turns, 0);
    char *shown = nawi_quote(turn->question, strlen(turn->question));
    terminal_say(chat->terminal, "forgot the oldest turn: %s%s", shown,
                 turn->pictures->len > 0 ? " and its pictures" : "");
    g_free(shown);
    g_ptr_array_remove_index(chat->turns, 0);
}

static void quit(struct chat *chat, const char *rest)
{
    (void)rest;
    chat->ends = true;
}

static const struct {
    const char *name, *takes, *help;
    void (*run)(struct chat *chat, const char *rest); /* NULL: the list of all */
} slash_commands[] = {
    {"add", " FILE", "a picture for the next question", add_typed},
    {"again", "", "answer the last question again", again},
    {"drop", "", "forget the oldest turn", drop},
    {"help", "", "this list", NULL},
    {"quit", "", "the end (so is Ctrl-D)", quit},
    {"undo", "", "take back the last picture, or the last question and its answer", undo},
};

static void help(struct chat *chat)
{
    for (size_t i = 0; i < G_N_ELEMENTS(slash_commands); i++) {
        char *left = g_strconcat("/", slash_commands[i].name, slash_commands[i].takes, NULL);
        char *text = g_strdup_printf("  %-12s%s\n", left, slash_commands[i].help);
        terminal_note(chat->terminal, text);
        g_free(text);
        g_free(left);
    }
    terminal_note(chat->terminal, "  a line that begins with // is a question that begins with /\n"
                                  "  Ctrl-C stops an answer, not the program\n");
}

static void run_slash(struct chat *chat, const char *said)
{
    const char *names[G_N_ELEMENTS(slash_commands)];
    size_t n_name = strcspn(said, " \t");
    char *name = g_strndup(said, n_name);
    const char *rest = said + n_name + strspn(said + n_name, " \t");
    for (size_t i = 0; i < G_N_ELEMENTS(slash_commands); i++) {
        names[i] = slash_commands[i].name;
        if (strcmp(name, names[i]) == 0) {
            if (slash_commands[i].run)
                slash_commands[i].run(chat, rest);
            else
                help(chat);
            g_free(name);
            return;
        }
    }
    const char *near = options_nearest(name, names, G_N_ELEMENTS(names));
    char *shown = nawi_quote(name, n_name);
    if (near)
        terminal_say(chat->terminal, "no command %s; did you mean /%s?", shown, near);
    else
        terminal_say(chat->terminal, "no command %s; /help lists them", shown);
    g_free(shown);
    g_free(name);
}

/* ── The conversation ────────────────────────────────────────────────────────────────────────── */

static void take_line(struct chat *chat, char *text)
{
    g_strstrip(text);
    if (!*text)
        return;
    if (!g_utf8_validate(text, -1, NULL)) {
        terminal_say(chat->terminal, "this line is not UTF-8");
        chat->n_answers_failed++;
        return;
    }
    if (g_str_has_prefix(text, "//"))
        ask(chat, text + 1);
    else if (text[0] == '/')
        run_slash(chat, text + 1);
    else
        ask(chat, text);
}

static int talk(struct chat *chat)
{
    bool edits = line_is_edited(chat->line);
    if (edits)
        terminal_note(chat->terminal, "Ask, or /help. Ctrl-D ends.\n");
    bool interrupted = false;
    while (!chat->ends && !chat->terminal->write_error) {
        char *text = line_read(chat->line, "> ", &interrupted);
        if (!text && interrupted && edits)
            continue;
        if (!text)
            break;
        take_line(chat, text);
        g_free(text);
    }
    int code = terminal_finish(chat->terminal);
    if (code != EXIT_DONE || edits)
        return code;
    if (interrupted)
        return EXIT_INTERRUPTED;
    return chat->n_answers_failed > 0 ? EXIT_FAILED
           : chat->n_files_failed > 0 ? EXIT_PARTLY
                                      : EXIT_DONE;
}

static int run(const struct options *options, struct terminal *terminal)
{
    GError *error = NULL;
    bool is_cria = false;
    struct job_worker *worker = work_open(options, terminal, &is_cria, &error);
    if (!worker)
        return terminal_fail(terminal, error);
    struct chat chat = {
        .options = options,
        .terminal = terminal,
        .worker = worker,
        .line = line_open(terminal),
        .turns = g_ptr_array_new_with_free_func(free_turn),
        .waiting = g_ptr_array_new_with_free_func(unref_picture),
        /* Cria answers best with the likeliest; larger models talk better when they may choose. */
        .temperature = is_cria ? 0 : 0.6,
        .top_p = is_cria ? 0 : 0.9,
    };
    for (guint i = 0; i < options->arguments->len && !nawi_cancel_is_asked(terminal->cancel); i++)
        add(&chat, g_ptr_array_index(options->arguments, i));
    int code = talk(&chat);
    line_close(chat.line);
    g_ptr_array_unref(chat.turns);
    g_ptr_array_unref(chat.waiting);
    job_close(worker);
    return code;
}

const struct command command_chat = {
    .name = "chat",
    .arguments = "[FILE…]",
    .summary = "Talk about pictures, or about anything, in the terminal.",
    .examples = "  nawi chat dog.png\n"
                "  nawi chat --model scout.gguf --system \"Answer in one sentence.\"\n"
                "  printf 'What is on the left?\\n' | nawi chat dog.png\n",
    .details = "Pictures go with the next question; /add FILE adds one, /undo takes the last thing "
               "back, /again answers again, /drop forgets the oldest turn, /help lists all. Ctrl-C "
               "stops an answer, not the program; Ctrl-D ends it. Temperature is 0.6 and top-p 0.9 "
               "unless said otherwise; with Cria answers are the likeliest ones.",
    .groups = OPTIONS_MODEL | OPTIONS_ANSWER | OPTIONS_RECEIPT | OPTIONS_CHAT,
    .least = 0,
    .most = -1,
    .run = run,
};
