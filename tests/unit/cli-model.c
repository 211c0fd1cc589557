/* The commands that run a model, with Cria and the small reference models. */
#include "tests/harness.h"
#include "tests/unit/spawn.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The folder that Cria's pictures lie in; freed by the caller. */
static char *pictures(void)
{
    char *file = harness_golden("cria/show.png");
    char *folder = g_path_get_dirname(file);
    g_free(file);
    return folder;
}

static char *data(const char *name)
{
    return g_build_filename(harness_source(), "data", name, NULL);
}

static void assert_has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        g_error("wanted %s in:\n%s", wanted, text);
}

static json_t *read_json(const char *relative)
{
    char *path = harness_golden(relative);
    json_t *root = json_load_file(path, 0, NULL);
    g_assert_nonnull(root);
    g_free(path);
    return root;
}

static const json_t *get(const json_t *object, const char *key, json_type type)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_typeof(value) != type)
        g_error("%s is not there, or of another type", key);
    return value;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(get(object, key, JSON_STRING));
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(get(object, key, JSON_INTEGER));
}

/* ── caption and ask ─────────────────────────────────────────────────────────────────────────── */

static void test_caption_all(void)
{
    struct spawn run;
    char *picture = harness_golden("cria/show.png");
    json_t *show = read_json("cria/show.json");
    SPAWN(&run, NULL, "caption", picture, "--lang", "all", "--json");
    g_assert_cmpint(run.code, ==, 0);
    assert_has(run.err, "Cria");
    assert_has(run.err, "photographs");
    json_t *said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(said), ==, 12);
    size_t i;
    json_t *one;
    json_array_foreach(said, i, one)
    {
        const json_t *wanted = json_object_get(show, text_of(one, "lang"));
        const json_t *receipt = get(one, "receipt", JSON_OBJECT);
        const json_t *shown = get(receipt, "pictures", JSON_ARRAY);
        const json_t *seen = json_array_get(shown, 0);
        g_assert_cmpstr(text_of(one, "text"), ==, text_of(wanted, "answer"));
        g_assert_cmpstr(json_string_value(json_array_get(get(one, "files", JSON_ARRAY), 0)), ==,
                        picture);
        g_assert_cmpuint(json_array_size(shown), ==, 1);
        g_assert_cmpint(number_of(seen, "width"), ==, 672);
        g_assert_cmpint(number_of(seen, "height"), ==, 336);
        g_assert_cmpint(number_of(seen, "turn"), ==, 1);
        g_assert_cmpint(number_of(seen, "rows"), ==, 1);
        g_assert_cmpint(number_of(seen, "cols"), ==, 2);
        g_assert_cmpint(number_of(seen, "tokens"), ==, 53);
        g_assert_cmpuint(strlen(text_of(seen, "hash")), ==, 64);
        const json_t *tokens = get(receipt, "tokens", JSON_OBJECT);
        g_assert_cmpint(number_of(tokens, "picture"), ==, 48);
        g_assert_cmpint(number_of(tokens, "reused") > 48, ==, i > 0);
        g_assert_cmpint(number_of(tokens, "reused") + number_of(tokens, "evaluated"), ==,
                        number_of(tokens, "prompt"));
        get(get(receipt, "seconds", JSON_OBJECT), "see", JSON_REAL);
        g_assert_cmpstr(text_of(receipt, "end"), ==, "stop");
    }
    json_decref(said);
    json_decref(show);
    spawn_finish(&run);
    g_free(picture);
}

static const char english[] = "A dog is on the left and a birthday cake is on the right.\n";
static const char german[] = "Links ist ein Hund zu sehen, rechts eine Geburtstagstorte.\n";

static void test_caption_text(void)
{
    struct spawn run;
    char *picture = harness_golden("cria/show.png");
    SPAWN(&run, NULL, "caption", picture, "--receipt");
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, english);
    assert_has(run.err, "672 x 336 px");
    assert_has(run.err, "sha256 ");
    assert_has(run.err, "tokens/s");
    spawn_finish(&run);

    struct spawn_params in_german = {.environment =
                                         (const char *const[]){"LC_ALL=de_AT.UTF-8", NULL}};
    SPAWN(&run, &in_german, "caption", picture);
    g_assert_cmpstr(run.out, ==, german);
    spawn_finish(&run);

    SPAWN(&run, NULL, "caption", "--lang=de,en", picture);
    char *both = g_strconcat("de: ", german, "en: ", english, NULL);
    g_assert_cmpstr(run.out, ==, both);
    g_free(both);
    spawn_finish(&run);
    g_free(picture);
}

static void test_caption_on(void)
{
    struct spawn run;
    char *folder = pictures();
    struct spawn_params params = {.folder = folder};
    SPAWN(&run, &params, "caption", "one.txt", "show.png", "gone.png");
    g_assert_cmpint(run.code, ==, 3);
    char *line = g_strconcat("show.png: ", english, NULL);
    g_assert_cmpstr(run.out, ==, line);
    assert_has(run.err, "one.txt");
    assert_has(run.err, "gone.png");
    spawn_finish(&run);
    SPAWN(&run, &params, "caption", "--json", "one.txt", "gone.png");
    g_assert_cmpint(run.code, ==, 1);
    g_assert_cmpstr(run.out, ==, "[]\n");
    spawn_finish(&run);
    g_free(line);
    g_free(folder);
}

static void test_ask(void)
{
    struct spawn run;
    char *folder = pictures();
    struct spawn_params params = {.folder = folder};
    SPAWN(&run, &params, "ask", "show.png", "What is on the left?");
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, "It is a dog.\n");
    spawn_finish(&run);
    /* eight pictures in one prompt */
    SPAWN(&run, &params, "ask", "--json", "show.png", "pictures/000.png", "pictures/001.png",
          "pictures/002.png", "pictures/003.png", "pictures/004.png", "pictures/005.png",
          "show.png", "What is on the left?");
    g_assert_cmpint(run.code, ==, 0);
    json_t *said = spawn_get_json(&run);
    const json_t *one = json_array_get(said, 0);
    const json_t *receipt = get(one, "receipt", JSON_OBJECT);
    g_assert_cmpuint(json_array_size(get(one, "files", JSON_ARRAY)), ==, 8);
    g_assert_cmpuint(json_array_size(get(receipt, "pictures", JSON_ARRAY)), ==, 8);
    g_assert_true(json_is_null(json_object_get(one, "lang")));
    json_decref(said);
    spawn_finish(&run);
    /* what cannot be read is named; with nothing left nothing is asked */
    SPAWN(&run, &params, "ask", "one.txt", "show.png", "What is on the left?");
    g_assert_cmpint(run.code, ==, 3);
    g_assert_cmpstr(run.out, ==, "It is a dog.\n");
    assert_has(run.err, "1 of 2");
    spawn_finish(&run);
    SPAWN(&run, &params, "ask", "one.txt", "What is on the left?");
    g_assert_cmpint(run.code, ==, 1);
    g_assert_cmpstr(run.out, ==, "");
    spawn_finish(&run);
    SPAWN(&run, &params, "ask", "show.png", "pictures/000.png");
    g_assert_cmpint(run.code, ==, 2);
    spawn_finish(&run);
    g_free(folder);
}

/* A model without a tower refuses to speak of pictures. */
static void test_blind(void)
{
    struct spawn run;
    char *model = harness_golden("models/tiny-maverick-F32.gguf");
    char *picture = harness_golden("cria/show.png");
    SPAWN(&run, NULL, "caption", "--model", model, picture);
    g_assert_cmpint(run.code, ==, 1);
    g_assert_cmpstr(run.out, ==, "");
    assert_has(run.err, "cannot see");
    spawn_finish(&run);
    SPAWN(&run, NULL, "ask", "--model", model, picture, "What is this?");
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "cannot see");
    spawn_finish(&run);
    g_free(picture);
    g_free(model);
}

static void test_no_cria(void)
{
    struct spawn run;
    char *picture = harness_golden("cria/show.png");
    struct spawn_params params = {.environment =
                                      (const char *const[]){"NAWI_DATA_DIR=/nowhere", NULL}};
    SPAWN(&run, &params, "caption", picture);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "/nowhere");
    assert_has(run.err, "--model");
    spawn_finish(&run);
    char *folder = data("");
    char *variable = g_strconcat("NAWI_DATA_DIR=", folder, NULL);
    params.environment = (const char *const[]){variable, NULL};
    SPAWN(&run, &params, "caption", picture);
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, english);
    spawn_finish(&run);
    g_free(variable);
    g_free(folder);
    g_free(picture);
}

/* ── chat ────────────────────────────────────────────────────────────────────────────────────── */

static void test_chat(void)
{
    struct spawn run;
    char *folder = pictures();
    struct spawn_params params = {.folder = folder};
    params.in = "What is on the left?\n/undo\n/add show.png\nWhat is on the right?\n/again\n/quit\n"
                "not read\n";
    SPAWN(&run, &params, "chat", "show.png");
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, "It is a dog.\nIt is a birthday cake.\nIt is a birthday cake.\n");
    spawn_finish(&run);
    params.in = "/add nothing.png\n/hlp\n/help\n/drop\n\n/undo\n";
    SPAWN(&run, &params, "chat");
    g_assert_cmpint(run.code, ==, 3);
    g_assert_cmpstr(run.out, ==, "");
    assert_has(run.err, "nothing.png");
    assert_has(run.err, "did you mean /help?");
    assert_has(run.err, "/again");
    spawn_finish(&run);
    g_free(folder);
}

/* Reads from the terminal at fd until it has shown wanted, and takes single keys. */
static void wait_for_text(int fd, const char *wanted)
{
    struct termios state;
    GString *seen = g_string_new(NULL);
    char piece[512];
    while (!strstr(seen->str, wanted)) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n <= 0)
            g_error("wanted %s on the terminal, found %s", wanted, seen->str);
        g_string_append_len(seen, piece, n);
    }
    while (tcgetattr(fd, &state) == 0 && (state.c_lflag & ICANON))
        g_usleep(1000);
    g_string_free(seen, TRUE);
}

/* Types at a terminal: a line is edited, Ctrl-C gives a line up, Ctrl-P brings one back. */
static gpointer type(gpointer memory)
{
    static const char *const keys[] = {"What is on the lefX\x7ft?\r", "Hello\x03", "\x10\r",
                                       "/quit\r"};
    int fd = GPOINTER_TO_INT(memory);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        wait_for_text(fd, "> ");
        g_assert_cmpint(write(fd, keys[i], strlen(keys[i])), ==, (ssize_t)strlen(keys[i]));
    }
    return NULL;
}

static void test_chat_terminal(void)
{
    struct spawn run;
    char *picture = harness_golden("cria/show.png");
    int keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_cmpint(keyboard, >=, 0);
    g_assert_cmpint(grantpt(keyboard), ==, 0);
    g_assert_cmpint(unlockpt(keyboard), ==, 0);
    int terminal = open(ptsname(keyboard), O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_cmpint(terminal, >=, 0);
    struct spawn_params params = {.environment = (const char *const[]){"TERM=xterm", NULL},
                                  .terminal_fd = terminal};
    GThread *person = g_thread_new("person", type, GINT_TO_POINTER(keyboard));
    SPAWN(&run, &params, "chat", picture);
    g_thread_join(person);
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, "It is a dog.\nIt is a dog.\n");
    spawn_finish(&run);
    close(keyboard);
    g_free(picture);
}

/* A full context is told, and /drop makes room. */
static void test_chat_full(void)
{
    struct spawn run;
    char *picture = harness_golden("cria/show.png");
    struct spawn_params params = {
        .in =
            "What is on the left?\nWhat is on the right, and what is on the left of it?\n/drop\n"};
    SPAWN(&run, &params, "chat", "--context", "100", picture);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "context is full");
    assert_has(run.err, "/drop");
    assert_has(run.err, "forgot the oldest turn");
    spawn_finish(&run);
    SPAWN(&run, &params, "chat", "--context", "100", "--drop-oldest", picture);
    assert_has(run.err, "no longer read");
    spawn_finish(&run);
    g_free(picture);
}

/* ── tokens and prompt ───────────────────────────────────────────────────────────────────────── */

static void round_trip(const char *model, const char *text, size_t n)
{
    struct spawn run, back;
    struct spawn_params params = {.in = text, .n_in = n};
    SPAWN(&run, &params, "tokens", model, "--json");
    g_assert_cmpint(run.code, ==, 0);
    json_t *ids = spawn_get_json(&run);
    g_assert_true(json_is_array(ids));
    g_assert_cmpint(json_array_size(ids) == 0, ==, n == 0);
    json_decref(ids);
    params = (struct spawn_params){.in = run.out, .n_in = run.n_out};
    SPAWN(&back, &params, "tokens", "--decode", model);
    g_assert_cmpint(back.code, ==, 0);
    g_assert_cmpmem(back.out, (int)back.n_out, text, (int)n);
    spawn_finish(&back);
    spawn_finish(&run);
}

static void test_tokens(void)
{
    static const char *const texts[] = {
        "",
        "Hello",
        " Hello\n",
        "\n\n",
        "a\r\nb\r\n",
        "  two  spaces  ",
        "<|eot|><|patch|>",
        "ünïcödé",
        "สวัสดี",
        "नमस्ते",
        "مرحبا",
        "\U0001F9D1\u200D\U0001F680",
        "1234567",
    };
    char *model = data("cria-q8_0.gguf");
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        round_trip(model, texts[i], strlen(texts[i]));
    round_trip(model, "a\0b", 3);

    struct spawn run;
    struct spawn_params params = {.in = "<|eot|>"};
    SPAWN(&run, &params, "tokens", "--control", model);
    json_t *ids = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(ids), ==, 1);
    json_decref(ids);
    params.in = run.out;
    struct spawn back;
    SPAWN(&back, &params, "tokens", "--control", "--decode", model);
    g_assert_cmpstr(back.out, ==, "<|eot|>");
    spawn_finish(&back);
    spawn_finish(&run);

    static const char *const wrong[] = {"",      "[1",      "{}",           "[-1]",
                                        "[1.5]", "[99999]", "[2147483648]", "[\"a\"]"};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        params.in = wrong[i];
        SPAWN(&run, &params, "tokens", "--decode", model);
        g_assert_cmpint(run.code, ==, 1);
        g_assert_cmpstr(run.out, ==, "");
        g_assert_true(g_str_has_prefix(run.err, "nawi: "));
        spawn_finish(&run);
    }
    g_free(model);
}

static void assert_ids(const json_t *found, const json_t *wanted)
{
    size_t at = 0, i;
    json_t *run;
    json_array_foreach(wanted, i, run)
    {
        json_int_t n = json_is_array(run) ? json_integer_value(json_array_get(run, 1)) : 1;
        json_int_t id = json_integer_value(json_is_array(run) ? json_array_get(run, 0) : run);
        for (json_int_t k = 0; k < n; k++)
            g_assert_cmpint(json_integer_value(json_array_get(found, at++)), ==, id);
    }
    g_assert_cmpuint(at, ==, json_array_size(found));
}

/* The layouts of golden/chat, by Meta's own vocabulary; a few of them, for each opens it anew. */
static void test_prompt_meta(void)
{
    char *model = harness_shared("tokens/meta-vocab.gguf");
    char *path = harness_shared("chat/cases.json");
    if (!model || !path) {
        g_test_skip("tokens/meta-vocab.gguf is not there");
        g_free(model);
        g_free(path);
        return;
    }
    json_t *root = json_load_file(path, 0, NULL);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "cases"), i, row)
    {
        const json_t *meta = json_object_get(row, "meta");
        const char *judge = text_of(row, "judge");
        bool tells = g_str_has_prefix(text_of(row, "name"), "tool") || i % 7 == 3;
        if (!json_is_object(meta) || strcmp(judge, "ids") != 0 || (!tells && !harness_is_full()))
            continue;
        struct spawn run;
        char *text = json_dumps(row, 0);
        struct spawn_params params = {.in = text};
        SPAWN(&run, &params, "prompt", model, "-");
        g_test_message("%s %s", text_of(row, "name"), run.err);
        g_assert_cmpint(run.code, ==, 0);
        json_t *ids = spawn_get_json(&run);
        assert_ids(ids, json_object_get(meta, "ids"));
        json_decref(ids);
        spawn_finish(&run);
        free(text);
    }
    json_decref(root);
    g_free(path);
    g_free(model);
}

static void test_prompt(void)
{
    struct spawn run;
    char *model = data("cria-q8_0.gguf");
    static const struct {
        const char *conversation, *says;
    } wrong[] = {
        {"", "standard input"},
        {"{\"messages\": 3}", "messages"},
        {"{}", "messages"},
        {"[{\"role\": \"usr\", \"content\": \"\"}]", "message 1: \"role\""},
        {"[{\"content\": \"\"}]", "role"},
        {"[{\"role\": \"user\", \"content\": 3}]", "content"},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 0, \"cols\": 1}}]}]", "rows"},
        {"[{\"role\": \"user\", \"content\": [{\"image\": {\"rows\": 9, \"cols\": 9}}]}]", "9"},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"name\": 1}]}]", "name"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        struct spawn_params params = {.in = wrong[i].conversation};
        SPAWN(&run, &params, "prompt", model, "-");
        g_test_message("%s", run.err);
        g_assert_cmpint(run.code, ==, 1);
        g_assert_cmpstr(run.out, ==, "");
        assert_has(run.err, wrong[i].says);
        spawn_finish(&run);
    }
    struct spawn_params calls = {.in = "[f(a=\"x\", n=1e-07), g()]"};
    SPAWN(&run, &calls, "prompt", "--parse");
    assert_has(run.out, "1e-07");
    json_t *said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(said), ==, 2);
    g_assert_cmpstr(text_of(json_array_get(said, 0), "name"), ==, "f");
    json_decref(said);
    spawn_finish(&run);
    struct spawn_params plain = {.in = "Hello!"};
    SPAWN(&run, &plain, "prompt", "--parse");
    g_assert_cmpstr(run.out, ==, "[]\n");
    spawn_finish(&run);
    g_free(model);
}

/* ── eval, inspect, bench ────────────────────────────────────────────────────────────────────── */

static void test_eval(void)
{
    struct spawn run;
    char *model = harness_golden("models/tiny-top2-F32-00001-of-00002.gguf");
    char *logits = g_build_filename(harness_scratch(), "logits.npy", NULL);
    char *routes = g_build_filename(harness_scratch(), "routes.npy", NULL);
    struct spawn_params params = {.in = "[480, 485, 372, 486, 275]"};
    int n_dim;
    int64_t shape[4];
    SPAWN(&run, &params, "eval", model, "--tokens", "-", "--logits", logits, "--routes", routes,
          "--batch", "2", "--json");
    g_assert_cmpint(run.code, ==, 0);
    json_t *said = spawn_get_json(&run);
    g_assert_cmpint(number_of(said, "tokens"), ==, 5);
    g_assert_cmpint(number_of(said, "scored"), ==, 4);
    get(said, "mean_log_probability", JSON_REAL);
    json_decref(said);
    spawn_finish(&run);
    g_free(harness_npy(logits, "<f4", &n_dim, shape));
    g_assert_cmpint(n_dim, ==, 2);
    g_assert_cmpint(shape[0], ==, 5);
    g_assert_cmpint(shape[1], ==, 512);
    int32_t *chosen = harness_npy(routes, "<i4", &n_dim, shape);
    g_assert_cmpint(n_dim, ==, 3);
    g_assert_cmpint(shape[0], ==, 4);
    g_assert_cmpint(shape[1], ==, 5);
    g_assert_cmpint(shape[2], ==, 2);
    for (int i = 0; i < 40; i++)
        g_assert_cmpint(chosen[i], >=, 0);
    g_free(chosen);

    g_remove(logits);
    params.in = "[480, 512]";
    SPAWN(&run, &params, "eval", model, "--tokens", "-", "--logits", logits);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "512");
    g_assert_false(g_file_test(logits, G_FILE_TEST_EXISTS));
    spawn_finish(&run);
    params.in = "[480, 498]"; /* a patch token, and no picture */
    SPAWN(&run, &params, "eval", model, "--tokens", "-");
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "patch");
    spawn_finish(&run);
    params.in = "[]";
    SPAWN(&run, &params, "eval", model, "--tokens", "-");
    g_assert_cmpint(run.code, ==, 1);
    spawn_finish(&run);
    g_free(routes);
    g_free(logits);
    g_free(model);
}

static void test_inspect(void)
{
    struct spawn run;
    char *model = harness_golden("models/tiny-scout-F32.gguf");
    char *tower = data("mmproj-cria-q8_0.gguf");
    char *out = g_build_filename(harness_scratch(), "tensor.npy", NULL);
    SPAWN(&run, NULL, "inspect", model);
    g_assert_cmpint(run.code, ==, 0);
    assert_has(run.out, "blk.0.ffn_gate_exps.weight");
    assert_has(run.out, "can be run");
    spawn_finish(&run);
    SPAWN(&run, NULL, "inspect", "--json", tower);
    g_assert_cmpint(run.code, ==, 0);
    json_t *said = spawn_get_json(&run);
    g_assert_cmpstr(text_of(said, "kind"), ==, "vision tower");
    g_assert_cmpuint(json_array_size(get(said, "tensors", JSON_ARRAY)), ==, 106);
    json_decref(said);
    spawn_finish(&run);

    int n_dim;
    int64_t shape[4];
    SPAWN(&run, NULL, "inspect", model, "--tensor", "blk.0.ffn_gate_exps.weight", "--out", out);
    g_assert_cmpint(run.code, ==, 0);
    g_assert_cmpstr(run.out, ==, "");
    g_free(harness_npy(out, "<f4", &n_dim, shape));
    g_assert_cmpint(n_dim, ==, 3);
    g_assert_cmpint(shape[0], ==, 4);
    g_assert_cmpint(shape[1], ==, 32);
    g_assert_cmpint(shape[2], ==, 64);
    spawn_finish(&run);
    SPAWN(&run, NULL, "inspect", model, "--tensor", "output_nrm.weight", "--out", out);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "did you mean 'output_norm.weight'?");
    spawn_finish(&run);
    SPAWN(&run, NULL, "inspect", "/dev/null");
    g_assert_cmpint(run.code, ==, 1);
    spawn_finish(&run);
    g_free(out);
    g_free(tower);
    g_free(model);
}

static void test_bench(void)
{
    struct spawn run;
    char *model = harness_golden("models/tiny-top2-F32-00001-of-00002.gguf");
    SPAWN(&run, NULL, "bench", "--json", "--context", "320", "--batch", "32", "--prompt", "100",
          "--generate", "4", "--depths", "0,100", model);
    g_assert_cmpint(run.code, ==, 0);
    json_t *said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(get(said, "runs", JSON_ARRAY)), ==, 2);
    /* three of four layers keep a chunk and a batch, the fourth all of the context */
    json_int_t local = number_of(said, "kv_bytes_local"),
               global = number_of(said, "kv_bytes_global");
    g_assert_cmpint(local / 3 * 320, ==, global * (32 + 32));
    g_assert_cmpfloat(json_real_value(get(said, "experts_multiplied_per_token", JSON_REAL)), ==,
                      4 * 2);
    json_decref(said);
    spawn_finish(&run);
    SPAWN(&run, NULL, "bench", "--depths", "0,9999999", model);
    g_assert_cmpint(run.code, ==, 1);
    spawn_finish(&run);
    g_free(model);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/cli/caption/all", test_caption_all);
    g_test_add_func("/cli/caption/text", test_caption_text);
    g_test_add_func("/cli/caption/on", test_caption_on);
    g_test_add_func("/cli/ask", test_ask);
    g_test_add_func("/cli/blind", test_blind);
    g_test_add_func("/cli/no-cria", test_no_cria);
    g_test_add_func("/cli/chat/pipe", test_chat);
    g_test_add_func("/cli/chat/terminal", test_chat_terminal);
    g_test_add_func("/cli/chat/full", test_chat_full);
    g_test_add_func("/cli/tokens", test_tokens);
    g_test_add_func("/cli/prompt/wrong", test_prompt);
    g_test_add_func("/cli/prompt/meta", test_prompt_meta);
    g_test_add_func("/cli/eval", test_eval);
    g_test_add_func("/cli/inspect", test_inspect);
    g_test_add_func("/cli/bench", test_bench);
    return harness_main();
}
