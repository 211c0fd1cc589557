/* Line editing by libedit.
 *
 * While a line is edited Ctrl-C is a key like another one, which gives the line up; so no signal
 * can come in the midst of libedit's work. While an answer is made the terminal is in its usual
 * state and Ctrl-C is a signal again. */
#include "app/cli/line.h"

#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct line {
    struct terminal *terminal;
    EditLine *edit; /* NULL: plain lines */
    History *history;
    const char *prompt;
    bool given_up;
    char *plain; /* of getline() */
    size_t plain_bytes;
};

static char *get_prompt(EditLine *edit)
{
    struct line *line = NULL;
    el_get(edit, EL_CLIENTDATA, &line);
    return (char *)line->prompt;
}

/* Functions are added as wide ones: libedit keeps copies of narrow names, and never frees them. */
static unsigned char give_up(EditLine *edit, wint_t key)
{
    (void)key;
    struct line *line = NULL;
    el_get(edit, EL_CLIENTDATA, &line);
    line->given_up = true;
    return CC_EOF;
}

static unsigned char suspend(EditLine *edit, wint_t key)
{
    (void)key;
    el_set(edit, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(edit, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

struct line *line_open(struct terminal *terminal)
{
    struct line *line = g_new0(struct line, 1);
    line->terminal = terminal;
    line->prompt = "";
    if (!isatty(STDIN_FILENO))
        return line;
    line->edit = el_init("nawi", stdin, stderr, stderr);
    if (!line->edit)
        return line;
    HistEvent event;
    line->history = history_init();
    history(line->history, &event, H_SETSIZE, 500);
    history(line->history, &event, H_SETUNIQUE, 1);
    el_set(line->edit, EL_CLIENTDATA, line);
    el_set(line->edit, EL_EDITOR, "emacs");
    el_set(line->edit, EL_HIST, history, line->history);
    el_set(line->edit, EL_PROMPT, get_prompt);
    el_set(line->edit, EL_SIGNAL, 0);
    el_wset(line->edit, EL_ADDFN, L"nawi-give-up", L"gives the line up", give_up);
    el_set(line->edit, EL_BIND, "^C", "nawi-give-up", NULL);
    el_set(line->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_wset(line->edit, EL_ADDFN, L"nawi-suspend", L"stops until the shell's fg", suspend);
    el_set(line->edit, EL_BIND, "^Z", "nawi-suspend", NULL);
    el_set(line->edit, EL_SETTY, "-d", "-isig", NULL);
    return line;
}

void line_close(struct line *line)
{
    if (line->history)
        history_end(line->history);
    if (line->edit)
        el_end(line->edit);
    free(line->plain);
    g_free(line);
}

bool line_is_edited(const struct line *line) { return line->edit != NULL; }

static char *read_plain(struct line *line, bool *interrupted)
{
    ssize_t n = getline(&line->plain, &line->plain_bytes, stdin);
    if (n < 0) {
        *interrupted = nawi_cancel_is_asked(line->terminal->cancel);
        return NULL;
    }
    return g_strndup(line->plain, (gsize)(n > 0 && line->plain[n - 1] == '\n' ? n - 1 : n));
}

char *line_read(struct line *line, const char *prompt, bool *interrupted)
{
    *interrupted = false;
    if (!line->edit)
        return read_plain(line, interrupted);
    int n = 0;
    line->prompt = prompt;
    line->given_up = false;
    const char *text = el_gets(line->edit, &n);
    if (line->given_up || !text || n <= 0) {
        fputc('\n', stderr);
        *interrupted = line->given_up;
        return NULL;
    }
    char *copy = g_strndup(text, (gsize)(text[n - 1] == '\n' ? n - 1 : n));
    HistEvent event;
    if (*copy)
        history(line->history, &event, H_ENTER, copy);
    return copy;
}
