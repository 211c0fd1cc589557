/* The table of options, the reader of command lines and the writer of help.
 *
 * One row says everything about an option: its name, what it takes, where the value goes, which
 * groups of commands take it, and the line of help. So help, reader and suggestions cannot
 * disagree. */
#include "app/cli/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_NUMBER, OPTION_LIST };

struct option_row {
    const char *name;
    char letter; /* short form; 0: none */
    enum option_kind kind;
    size_t place; /* of the value in struct options */
    double least, most;
    unsigned groups;
    const char *takes; /* what the help calls the value */
    const char *help;
};

#define PLACE(member) offsetof(struct options, member)
#define RUNS          (OPTIONS_MODEL | OPTIONS_ENGINE)
#define ANY_COMMAND   (~0u)

static const struct option_row rows[] = {
    {"model", 'm', OPTION_TEXT, PLACE(model), 0, 0, OPTIONS_MODEL, "PATH",
     "a .gguf file or a Hugging Face folder [Cria, which comes with Nawi]"},
    {"mmproj", 0, OPTION_TEXT, PLACE(mmproj), 0, 0, RUNS | OPTIONS_TOWER, "PATH",
     "the model's vision tower, where it is a file of its own [looked for beside the model]"},
    {"system", 0, OPTION_TEXT, PLACE(system), 0, 0, OPTIONS_ANSWER, "TEXT",
     "a system prompt [none]"},
    {"lang", 'l', OPTION_TEXT, PLACE(languages), 0, 0, OPTIONS_CAPTION, "LIST",
     "languages of the captions: ar,de,en,es,fr,hi,id,it,pt,th,tl,vi or all [that of the "
     "locale, else en]"},
    {"temperature", 0, OPTION_NUMBER, PLACE(temperature), 0, 100, OPTIONS_ANSWER, "T",
     "0 takes the likeliest token; above, tokens are drawn"},
    {"top-k", 0, OPTION_INT, PLACE(top_k), 0, 1 << 24, OPTIONS_ANSWER, "K",
     "draw from the K likeliest [0: all]"},
    {"top-p", 0, OPTION_NUMBER, PLACE(top_p), 0, 1, OPTIONS_ANSWER, "P",
     "draw from the likeliest that together reach P"},
    {"min-p", 0, OPTION_NUMBER, PLACE(min_p), 0, 1, OPTIONS_ANSWER, "P",
     "leave out tokens less than P times as likely as the likeliest [0]"},
    {"repetition-penalty", 0, OPTION_NUMBER, PLACE(repetition_penalty), 0.01, 100, OPTIONS_ANSWER,
     "F", "divide the logits of tokens already said [1]"},
    {"seed", 0, OPTION_INT, PLACE(seed), 0, 9007199254740992.0, OPTIONS_ANSWER | OPTIONS_SYNTH, "N",
     "the same seed draws the same [answers: a new one each time; synth: 0]"},
    {"max-tokens", 'n', OPTION_INT, PLACE(max_tokens), 1, 1 << 24, OPTIONS_ANSWER, "N",
     "stop an answer after N tokens [caption 512, ask and chat 2048]"},
    {"drop-oldest", 0, OPTION_FLAG, PLACE(drop_oldest), 0, 0, OPTIONS_CHAT, NULL,
     "when the context is full, forget the oldest turns, and say so"},
    {"tokens", 0, OPTION_TEXT, PLACE(tokens), 0, 0, OPTIONS_EVAL, "IDS.json",
     "token ids, a JSON array"},
    {"text", 0, OPTION_TEXT, PLACE(text), 0, 0, OPTIONS_EVAL, "FILE", "text, read as one document"},
    {"picture", 0, OPTION_LIST, PLACE(pictures), 0, 0, OPTIONS_EVAL, "FILE",
     "a picture for the patch tokens; may be given again"},
    {"tiles", 0, OPTION_LIST, PLACE(tiles), 0, 0, OPTIONS_EVAL, "T.npy",
     "normalised tiles, float32 [n, 3, side, side], after all --picture; may be given again"},
    {"batch", 0, OPTION_INT, PLACE(n_batch), 1, 1 << 20, OPTIONS_EVAL | OPTIONS_BENCH, "N",
     "evaluate N tokens at a time [512]"},
    {"logits", 0, OPTION_TEXT, PLACE(logits), 0, 0, OPTIONS_EVAL, "OUT.npy",
     "write float32 [n_tok, n_vocab]"},
    {"embeddings", 0, OPTION_TEXT, PLACE(embeddings), 0, 0, OPTIONS_EVAL, "OUT.npy",
     "write float32 [n_patch_tok, width]; with --tiles alone no tokens are needed"},
    {"routes", 0, OPTION_TEXT, PLACE(routes), 0, 0, OPTIONS_EVAL, "OUT.npy",
     "write the chosen experts, int32 [n_moe_layer, n_tok, k]"},
    {"tensor", 0, OPTION_TEXT, PLACE(tensor), 0, 0, OPTIONS_INSPECT, "NAME",
     "take one tensor out, as float32; needs --out"},
    {"out", 'o', OPTION_TEXT, PLACE(out), 0, 0, OPTIONS_INSPECT, "T.npy", "where --tensor goes"},
    {"out", 'o', OPTION_TEXT, PLACE(out), 0, 0, OPTIONS_LOOK, "DIR",
     "write STEM.png, the upright picture, and STEM-00.png, STEM-01.png…, its tiles"},
    {"tile", 0, OPTION_INT, PLACE(tile_px), 28, 2048, OPTIONS_LOOK, "PX",
     "side of a tile, a multiple of 28 [336]"},
    {"max-tiles", 0, OPTION_INT, PLACE(max_tiles), 1, 64, OPTIONS_LOOK, "N",
     "most tiles of a picture [16]"},
    {"control", 0, OPTION_FLAG, PLACE(control), 0, 0, OPTIONS_TOKENS, NULL,
     "names of control tokens in the text stand for these tokens"},
    {"decode", 'd', OPTION_FLAG, PLACE(decode), 0, 0, OPTIONS_TOKENS, NULL,
     "ids on stdin, text out"},
    {"parse", 0, OPTION_FLAG, PLACE(parse), 0, 0, OPTIONS_PROMPT, NULL,
     "read a model's output on stdin and print its tool calls"},
    {"shape", 0, OPTION_TEXT, PLACE(shape), 0, 0, OPTIONS_SYNTH, "SHAPE",
     "scout, maverick, behemoth, mini-scout or tower"},
    {"layers", 0, OPTION_INT, PLACE(n_layer), 1, 1024, OPTIONS_SYNTH, "N",
     "layers [as many as the shape has]"},
    {"type", 0, OPTION_TEXT, PLACE(type), 0, 0, OPTIONS_SYNTH, "TYPE",
     "type of the matrices, e.g. Q4_K"},
    {"prompt", 0, OPTION_INT, PLACE(n_prompt), 1, 1 << 20, OPTIONS_BENCH, "N",
     "tokens of a prompt run [128]"},
    {"generate", 0, OPTION_INT, PLACE(n_generate), 1, 1 << 20, OPTIONS_BENCH, "N",
     "tokens of a generation run [16]"},
    {"depths", 0, OPTION_TEXT, PLACE(depths), 0, 0, OPTIONS_BENCH, "LIST",
     "how much context lies before a run, e.g. 0,1k,8k [0,512,2048 as far as the context goes]"},
    {"picture", 0, OPTION_TEXT, PLACE(picture), 0, 0, OPTIONS_BENCH, "FILE",
     "the picture to see [a drawn one]"},
    {"receipt", 'r', OPTION_FLAG, PLACE(receipt), 0, 0, OPTIONS_RECEIPT, NULL,
     "tell on stderr what the model saw and what took how long"},
    {"json", 'j', OPTION_FLAG, PLACE(json), 0, 0, OPTIONS_JSON, NULL, "print JSON"},
    {"threads", 't', OPTION_INT, PLACE(n_threads), 1, 1024, RUNS, "N",
     "threads that compute [one for each processor]"},
    {"context", 'c', OPTION_INT, PLACE(context_tok), 1, 16777216, RUNS, "N",
     "tokens kept in mind, e.g. 32k [the model's own, at most 8192]"},
    {"cpu-tier", 0, OPTION_TEXT, PLACE(cpu_tier), 0, 0, RUNS, "TIER",
     "ref (plain and exact) or avx2: use nothing above [the best there is]"},
    {"set", 0, OPTION_LIST, PLACE(overrides), 0, 0, RUNS, "KEY=VALUE",
     "change a value of the file's metadata; may be given again"},
    {"help", 'h', OPTION_FLAG, PLACE(help), 0, 0, ANY_COMMAND, NULL, "print this help"},
};

G_GNUC_PRINTF(2, 3)
static bool fail(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_propagate_error(error, g_error_new_valist(NAWI_ERROR, NAWI_ERROR_INPUT, format, arguments));
    va_end(arguments);
    return false;
}

/* Edit distance, a swap of neighbours counting one; SIZE_MAX for texts that are too long to be
 * near anything. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t n_a = strlen(a), n_b = strlen(b);
    size_t d[MOST + 1][MOST + 1];
    if (n_a > MOST || n_b > MOST)
        return SIZE_MAX;
    for (size_t i = 0; i <= n_a; i++)
        for (size_t j = 0; j <= n_b; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = MIN(best, d[i - 1][j] + 1);
            best = MIN(best, d[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[n_a][n_b];
}

const char *options_nearest(const char *wanted, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t n_wanted = strlen(wanted);
    size_t least = MAX(1, n_wanted / 3) + 1;
    for (size_t i = 0; i < n; i++) {
        size_t far = distance(wanted, names[i]);
        if (n_wanted >= 3 && g_str_has_prefix(names[i], wanted))
            far = MIN(far, 1);
        if (far < least) {
            least = far;
            nearest = names[i];
        }
    }
    return nearest;
}

bool options_parse_int(const char *name, const char *text, int64_t least, int64_t most,
                       int64_t *value, GError **error)
{
    uint64_t n = 0;
    const char *at = text;
    bool sound = g_ascii_isdigit(*at);
    for (; sound && g_ascii_isdigit(*at); at++)
        sound = !__builtin_mul_overflow(n, 10, &n) &&
                !__builtin_add_overflow(n, (uint64_t)(*at - '0'), &n);
    if (sound && (*at == 'k' || *at == 'K')) {
        sound = !__builtin_mul_overflow(n, 1024, &n);
        at++;
    }
    if (sound && !*at && n <= INT64_MAX && (int64_t)n >= least && (int64_t)n <= most) {
        *value = (int64_t)n;
        return true;
    }
    char *shown = nawi_quote(text, strlen(text));
    fail(error,
         "%s: wanted a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", found %s",
         name, least, most, shown);
    g_free(shown);
    return false;
}

static bool parse_number(const char *name, const char *text, double least, double most,
                         double *value, GError **error)
{
    char *end = NULL;
    double number = g_ascii_strtod(text, &end);
    bool plain = g_ascii_isdigit(text[0]) || (text[0] == '.' && g_ascii_isdigit(text[1]));
    if (plain && end && !*end && isfinite(number) && number >= least && number <= most) {
        *value = number;
        return true;
    }
    char *shown = nawi_quote(text, strlen(text));
    fail(error, "%s: wanted a number from %g to %g, found %s", name, least, most, shown);
    g_free(shown);
    return false;
}

/* Takes value for the option of row. said: the option as it was written. */
static bool take(const struct option_row *row, const char *said, const char *value,
                 struct options *options, GError **error)
{
    char *place = (char *)options + row->place;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)place = true; return true;
    case OPTION_TEXT: *(const char **)place = value; return true;
    case OPTION_LIST: g_ptr_array_add(*(GPtrArray **)place, (void *)value); return true;
    case OPTION_INT:
        return options_parse_int(said, value, (int64_t)row->least, (int64_t)row->most,
                                 (int64_t *)place, error);
    case OPTION_NUMBER:
        return parse_number(said, value, row->least, row->most, (double *)place, error);
    }
    return false;
}

/* The row of a long name (n_name bytes) or a letter among those of groups; NULL: none. */
static const struct option_row *find(unsigned groups, const char *name, size_t n_name, char letter)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!(rows[i].groups & groups))
            continue;
        if (letter ? rows[i].letter == letter
                   : strlen(rows[i].name) == n_name && memcmp(rows[i].name, name, n_name) == 0)
            return &rows[i];
    }
    return NULL;
}

/* Says that the command has no such option, and what may have been meant. */
static bool refuse(const struct command *command, const char *said, GError **error)
{
    const char *names[G_N_ELEMENTS(rows)];
    size_t n = 0;
    char *name = g_strdup(said + strspn(said, "-"));
    name[strcspn(name, "=")] = '\0';
    bool elsewhere = false;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].groups & (command->groups))
            names[n++] = rows[i].name;
        else
            elsewhere = elsewhere || strcmp(rows[i].name, name) == 0;
    }
    const char *near = options_nearest(name, names, n);
    char *shown = nawi_quote(said, strcspn(said, "="));
    if (elsewhere)
        fail(error, "%s takes no option %s, though other commands do", command->name, shown);
    else if (near)
        fail(error, "no option %s; did you mean --%s?", shown, near);
    else
        fail(error, "no option %s", shown);
    g_free(shown);
    g_free(name);
    return false;
}

/* Reads the option at argv[*at] and moves *at to its last word. */
static bool read_option(const struct command *command, int argc, char **argv, int *at,
                        struct options *options, GError **error)
{
    const char *said = argv[*at];
    bool is_long = said[1] == '-';
    const char *name = said + 2;
    size_t n_name = is_long ? strcspn(name, "=") : 0;
    const struct option_row *row = find(command->groups, name, n_name, is_long ? 0 : said[1]);
    if (!row)
        return refuse(command, said, error);

    const char *value = NULL;
    if (is_long && name[n_name] == '=')
        value = name + n_name + 1;
    else if (!is_long && said[2])
        value = said + 2;
    if (row->kind == OPTION_FLAG && value)
        return fail(error, "--%s takes no value", row->name);
    if (row->kind != OPTION_FLAG && !value) {
        if (*at + 1 >= argc)
            return fail(error, "--%s needs a value: %s", row->name, row->takes);
        value = argv[++*at];
    }
    char *shown = g_strdup_printf("--%s", row->name);
    bool done = take(row, shown, value, options, error);
    g_free(shown);
    return done;
}

static void init(struct options *options)
{
    *options = (struct options){
        .n_threads = -1,
        .context_tok = -1,
        .temperature = NAN,
        .top_p = NAN,
        .min_p = NAN,
        .repetition_penalty = NAN,
        .top_k = -1,
        .seed = -1,
        .max_tokens = -1,
        .tile_px = -1,
        .max_tiles = -1,
        .n_batch = -1,
        .n_layer = -1,
        .n_prompt = -1,
        .n_generate = -1,
    };
    options->arguments = g_ptr_array_new();
    options->overrides = g_ptr_array_new();
    options->pictures = g_ptr_array_new();
    options->tiles = g_ptr_array_new();
}

void options_finish(struct options *options)
{
    g_ptr_array_unref(options->arguments);
    g_ptr_array_unref(options->overrides);
    g_ptr_array_unref(options->pictures);
    g_ptr_array_unref(options->tiles);
}

/* What the table cannot say of a value. */
static bool check_values(const struct options *options, GError **error)
{
    static const char *const tiers[] = {"ref", "avx2", NULL};
    if (options->cpu_tier && !g_strv_contains(tiers, options->cpu_tier)) {
        char *shown = nawi_quote(options->cpu_tier, strlen(options->cpu_tier));
        fail(error, "--cpu-tier: wanted ref or avx2, found %s", shown);
        g_free(shown);
        return false;
    }
    for (guint i = 0; i < options->overrides->len; i++) {
        const char *text = g_ptr_array_index(options->overrides, i);
        const char *equals = strchr(text, '=');
        if (equals && equals != text)
            continue;
        char *shown = nawi_quote(text, strlen(text));
        fail(error, "--set: wanted KEY=VALUE, found %s", shown);
        g_free(shown);
        return false;
    }
    return true;
}

bool options_read(const struct command *command, int argc, char **argv, struct options *options,
                  GError **error)
{
    init(options);
    bool only_arguments = false;
    for (int i = 2; i < argc; i++) {
        if (only_arguments || argv[i][0] != '-' || !argv[i][1])
            g_ptr_array_add(options->arguments, argv[i]);
        else if (strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if (!read_option(command, argc, argv, &i, options, error))
            return false;
        if (options->help)
            break;
    }
    int n = (int)options->arguments->len;
    g_ptr_array_add(options->arguments, NULL);
    options->arguments->len--;
    g_ptr_array_add(options->overrides, NULL);
    options->overrides->len--;
    if (options->help)
        return true;
    if (n < command->least)
        return fail(error, "%s needs %s", command->name, command->arguments);
    if (command->most >= 0 && n > command->most) {
        const char *extra = g_ptr_array_index(options->arguments, command->most);
        char *shown = nawi_quote(extra, strlen(extra));
        fail(error, "%s: one argument too many: %s", command->name, shown);
        g_free(shown);
        return false;
    }
    return check_values(options, error);
}

/* Prints text from column `at` on in lines of at most 80 columns, each further line indented to
 * `indent`. */
static void wrap(FILE *to, const char *text, int at, int indent)
{
    char **words = g_strsplit(text, " ", -1);
    int column = at;
    for (size_t i = 0; words[i]; i++) {
        int width = (int)g_utf8_strlen(words[i], -1);
        if (i > 0 && column + 1 + width > 80) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
        } else if (i > 0) {
            fputc(' ', to);
            column++;
        }
        fputs(words[i], to);
        column += width;
    }
    fputc('\n', to);
    g_strfreev(words);
}

void options_print_help(const struct command *command, FILE *to)
{
    const int indent = 28;
    fprintf(to, "%s\n\n%s\n", command->summary, command->examples);
    fprintf(to, "usage: nawi %s [OPTION…] %s\n", command->name, command->arguments);
    fputc('\n', to);
    wrap(to, command->details, 0, 0);
    fputs("\noptions:\n", to);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!(row->groups & command->groups))
            continue;
        char *letter = row->letter ? g_strdup_printf("-%c, ", row->letter) : g_strdup("    ");
        char *left = g_strdup_printf("  %s--%s%s%s", letter, row->name, row->takes ? " " : "",
                                     row->takes ? row->takes : "");
        int width = (int)g_utf8_strlen(left, -1);
        fputs(left, to);
        if (width + 2 > indent) {
            fprintf(to, "\n%*s", indent, "");
        } else {
            fprintf(to, "%*s", indent - width, "");
        }
        wrap(to, row->help, indent, indent);
        g_free(left);
        g_free(letter);
    }
}
