/* Output, progress and Ctrl-C. The only state of the process here is what a signal handler can
 * reach: the flag that it sets, and how often it was called. */
#include "app/cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static nawi_cancel interrupt;
static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int number)
{
    (void)number;
    n_interrupts++;
    if (n_interrupts > 1)
        _exit(EXIT_INTERRUPTED);
    nawi_cancel_ask(&interrupt);
}

void terminal_init(struct terminal *terminal)
{
    const char *no_colour = g_getenv("NO_COLOR");
    const char *kind = g_getenv("TERM");
    *terminal = (struct terminal){.cancel = &interrupt};
    terminal->shows_progress = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
    terminal->colours = terminal->shows_progress && !(no_colour && *no_colour);

    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void terminal_reset_cancel(struct terminal *terminal)
{
    n_interrupts = 0;
    nawi_cancel_reset(terminal->cancel);
}

/* ── Standard output ─────────────────────────────────────────────────────────────────────────── */

bool terminal_write(struct terminal *terminal, const char *text, size_t n_bytes)
{
    if (terminal->write_error)
        return false;
    terminal_clear(terminal);
    errno = 0;
    if (fwrite(text, 1, n_bytes, stdout) == n_bytes && fflush(stdout) == 0)
        return true;
    terminal->write_error = errno ? errno : EIO;
    return false;
}

bool terminal_print(struct terminal *terminal, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    bool done = terminal_write(terminal, text, strlen(text));
    g_free(text);
    return done;
}

static char *dump(const json_t *json, size_t flags)
{
    return json_dumps(json, flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
}

bool terminal_write_json(struct terminal *terminal, const json_t *json)
{
    char *text = dump(json, JSON_INDENT(2));
    bool done = terminal_print(terminal, "%s\n", text);
    free(text);
    return done;
}

void terminal_begin_array(struct terminal *terminal) { terminal->n_elements = 0; }

bool terminal_add_to_array(struct terminal *terminal, json_t *element)
{
    char *text = dump(element, JSON_INDENT(1));
    bool done = terminal_print(terminal, "%s%s", terminal->n_elements++ ? ",\n" : "[\n", text);
    free(text);
    json_decref(element);
    return done;
}

bool terminal_end_array(struct terminal *terminal)
{
    return terminal_print(terminal, "%s", terminal->n_elements ? "\n]\n" : "[]\n");
}

/* ── Standard error ──────────────────────────────────────────────────────────────────────────── */

void terminal_clear(struct terminal *terminal)
{
    if (terminal->progress_columns > 0)
        fputs("\r\033[K", stderr);
    terminal->progress_columns = 0;
}

void terminal_say(struct terminal *terminal, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    terminal_clear(terminal);
    fprintf(stderr, "nawi: %s\n", text);
    g_free(text);
}

void terminal_note(struct terminal *terminal, const char *text)
{
    terminal_clear(terminal);
    fputs(text, stderr);
}

/* What the person reads for a stage's name. */
static const char *tell_stage(const char *stage)
{
    static const char *const names[][2] = {
        {"see", "looking"}, {"prompt", "reading"}, {"evaluate", "evaluating"}};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(stage, names[i][0]) == 0)
            return names[i][1];
    return stage;
}

void terminal_progress(const char *stage, int64_t done, int64_t total, void *user)
{
    struct terminal *terminal = user;
    int64_t now = g_get_monotonic_time();
    if (!terminal->shows_progress)
        return;
    if (done >= total) {
        terminal_clear(terminal);
        return;
    }
    if (terminal->progress_columns > 0 && now - terminal->progress_us < 100000)
        return;
    terminal->progress_us = now;
    terminal->progress_columns =
        fprintf(stderr, "\r\033[K%s %d %%", tell_stage(stage), (int)(100 * done / MAX(total, 1)));
    fflush(stderr);
}

int terminal_fail(struct terminal *terminal, GError *error)
{
    bool cancelled = g_error_matches(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    int code = cancelled && !terminal->write_error ? EXIT_INTERRUPTED : EXIT_FAILED;
    if (!cancelled)
        terminal_say(terminal, "%s", error->message);
    g_error_free(error);
    return code;
}

int terminal_finish(struct terminal *terminal)
{
    terminal_clear(terminal);
    if (!terminal->write_error)
        return EXIT_DONE;
    if (terminal->write_error != EPIPE)
        terminal_say(terminal, "standard output: %s", g_strerror(terminal->write_error));
    return EXIT_FAILED;
}

char *terminal_name(const char *file)
{
    char *quoted = nawi_quote(file, strlen(file));
    size_t n = strlen(file);
    bool harmless = strlen(quoted) == n + 2 && memcmp(quoted + 1, file, n) == 0;
    if (!harmless)
        return quoted;
    g_free(quoted);
    return g_strdup(file);
}
