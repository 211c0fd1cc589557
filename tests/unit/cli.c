/* The program as a person meets it: help, usage errors, exit codes, output that fails, signals, and
 * what needs pictures but no model. */
#include "tests/harness.h"
#include "tests/unit/spawn.h"
#include "vision/vision.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const char *const commands[] = {"caption", "ask",    "chat", "look",  "inspect",
                                       "tokens",  "prompt", "eval", "synth", "bench"};

#define CRIA harness_model()
static const char *harness_model(void)
{
    static char *path;
    if (!path)
        path = g_build_filename(harness_source(), "data", "cria-q8_0.gguf", NULL);
    return path;
}

static void assert_has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        g_error("wanted %s in:\n%s", wanted, text);
}

/* One sentence that begins as all do, and no more than `most` lines. */
static void assert_sentence(const char *text)
{
    g_assert_true(g_str_has_prefix(text, "nawi: "));
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (const char *at = text; *at; at++)
        g_assert_false((unsigned char)*at < 32 && *at != '\n');
}

/* ── Help and usage ──────────────────────────────────────────────────────────────────────────── */

static void test_help(void)
{
    struct spawn run;
    SPAWN(&run, NULL, "--help");
    g_assert_cmpint(run.code, ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        assert_has(run.out, commands[i]);
    spawn_finish(&run);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        struct spawn other;
        char *example = g_strdup_printf("nawi %s", commands[i]);
        SPAWN(&run, NULL, "help", commands[i]);
        SPAWN(&other, NULL, commands[i], "--help");
        g_assert_cmpint(run.code, ==, 0);
        g_assert_cmpint(other.code, ==, 0);
        g_assert_cmpstr(run.out, ==, other.out);
        g_assert_cmpstr(run.err, ==, "");
        assert_has(run.out, "--help");
        /* examples come before the options */
        g_assert_true(strstr(run.out, example) < strstr(run.out, "options:"));
        char **lines = g_strsplit(run.out, "\n", -1);
        for (size_t k = 0; lines[k]; k++)
            g_assert_cmpint(g_utf8_strlen(lines[k], -1), <=, 80);
        g_strfreev(lines);
        g_free(example);
        spawn_finish(&run);
        spawn_finish(&other);
    }
    SPAWN(&run, NULL, "--version");
    g_assert_cmpint(run.code, ==, 0);
    g_assert_true(g_str_has_prefix(run.out, "nawi "));
    spawn_finish(&run);
}

/* Every command has a section in the manual, and every option of its help stands there. */
static void test_manual(void)
{
    char *path = g_build_filename(harness_source(), "data", "nawi.1", NULL);
    char *manual = NULL;
    g_assert_true(g_file_get_contents(path, &manual, NULL, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        struct spawn run;
        char *section = g_strdup_printf(".Ss nawi %s", commands[i]);
        assert_has(manual, section);
        SPAWN(&run, NULL, "help", commands[i]);
        char **lines = g_strsplit(strstr(run.out, "\noptions:"), "\n", -1);
        for (size_t k = 0; lines[k]; k++) {
            g_strstrip(lines[k]);
            const char *option = lines[k][0] == '-' ? strstr(lines[k], "--") : NULL;
            if (!option || g_str_has_prefix(option, "--help"))
                continue;
            int n = (int)strcspn(option + 2, " ");
            char *flag = g_strdup_printf("Fl -%.*s", n, option + 2);
            char *other = g_strdup_printf(", -%.*s", n, option + 2);
            if (!strstr(manual, flag) && !strstr(manual, other))
                g_error("nawi.1 does not tell of %s %s", commands[i], option);
            g_free(other);
            g_free(flag);
        }
        g_strfreev(lines);
        g_free(section);
        spawn_finish(&run);
    }
    g_free(manual);
    g_free(path);
}

static void test_usage(void)
{
    static const struct {
        const char *arguments[8];
        const char *says;
    } rows[] = {
        {{NULL}, "usage: nawi COMMAND"},
        {{"capton", "x.png"}, "did you mean caption?"},
        {{"frobnicate"}, "no command 'frobnicate'"},
        {{"help", "lok"}, "did you mean look?"},
        {{"caption"}, "FILE"},
        {{"ask", "x.png"}, "QUESTION"},
        {{"caption", "--langs", "de", "x.png"}, "did you mean --lang?"},
        {{"caption", "--tile", "56", "x.png"}, "other commands do"},
        {{"caption", "--json=yes", "x.png"}, "takes no value"},
        {{"caption", "x.png", "--model"}, "--model needs a value"},
        {{"caption", "--lang", "de,xx", "x.png"}, "no language 'xx'"},
        {{"caption", "--threads", "0", "x.png"}, "from 1 to 1024, found '0'"},
        {{"caption", "--threads", "-1", "x.png"}, "found '-1'"},
        {{"caption", "--threads", "99999999999999999999", "x.png"}, "--threads"},
        {{"caption", "--temperature", "nan", "x.png"}, "found 'nan'"},
        {{"caption", "--cpu-tier", "avx3", "x.png"}, "wanted ref or avx2, found 'avx3'"},
        {{"caption", "--set", "=3", "x.png"}, "wanted KEY=VALUE"},
        {{"caption", "--top-p", "1.5", "x.png"}, "from 0 to 1"},
        {{"look", "--tile", "100", "x.png"}, "multiple of 28"},
        {{"look", "--max-tiles", "65", "x.png"}, "from 1 to 64"},
        {{"tokens"}, "MODEL"},
        {{"tokens", "a", "b"}, "too many: 'b'"},
        {{"prompt", "a"}, "CONVERSATION"},
        {{"prompt", "--parse", "a"}, "no arguments"},
        {{"inspect", "--tensor", "x"}, "go together"},
        {{"eval", "x.gguf"}, "--tokens"},
        {{"eval", "x.gguf", "--tokens", "a", "--text", "b"}, "give one"},
        {{"eval", "x.gguf", "--embeddings", "a"}, "--tiles"},
        {{"synth", "x.gguf"}, "--shape"},
        {{"caption", "--\x1b[31m", "x.png"}, "\\x1B"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct spawn run;
        spawn_run(rows[i].arguments, NULL, &run);
        g_test_message("%zu: %s", i, run.err);
        g_assert_cmpint(run.code, ==, 2);
        g_assert_cmpstr(run.out, ==, "");
        assert_has(run.err, rows[i].says);
        spawn_finish(&run);
    }
}

/* ── Output and signals ──────────────────────────────────────────────────────────────────────── */

static void test_interrupted(void)
{
    struct spawn run;
    struct spawn_params params = {.interrupt_ms = 500};
    SPAWN(&run, &params, "tokens", CRIA);
    g_assert_cmpint(run.code, ==, 130);
    g_assert_cmpstr(run.out, ==, "");
    spawn_finish(&run);
    SPAWN(&run, &params, "chat", "--model", CRIA);
    g_assert_cmpint(run.code, ==, 130);
    spawn_finish(&run);
}

static void test_output_fails(void)
{
    struct spawn run;
    struct spawn_params full = {.in = "x", .out_path = "/dev/full"};
    SPAWN(&run, &full, "tokens", CRIA);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, g_strerror(ENOSPC));
    spawn_finish(&run);

    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    close(ends[0]);
    struct spawn_params closed = {.in = "x", .out_fd = ends[1]};
    SPAWN(&run, &closed, "tokens", CRIA);
    g_assert_cmpint(run.code, ==, 1);
    g_assert_cmpstr(run.err, ==, "");
    spawn_finish(&run);
}

/* ── Looking ─────────────────────────────────────────────────────────────────────────────────── */

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        g_error("no whole number %s", key);
    return json_integer_value(value);
}

static json_t *read_json(const char *relative)
{
    char *path = harness_golden(relative);
    json_t *root = json_load_file(path, 0, NULL);
    g_assert_nonnull(root);
    g_free(path);
    return root;
}

static char *hash_png(const char *path)
{
    struct nawi_picture picture;
    GError *error = NULL;
    int fd = nawi_vision_open_file(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(nawi_vision_open(fd, path, NULL, NULL, &picture, &error));
    close(fd);
    size_t n = (size_t)picture.width_px * (size_t)picture.height_px * 3;
    char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, picture.rgb, n);
    nawi_picture_finish(&picture);
    return hash;
}

/* One picture at one side: the numbers of --json, and the tiles that --out writes. */
static void look_at(const char *path, const json_t *wanted)
{
    struct spawn run;
    char *side = g_strdup_printf("%d", (int)number(wanted, "side"));
    char *folder = g_build_filename(harness_scratch(), "tiles", side, NULL);
    SPAWN(&run, NULL, "look", "--json", "--tile", side, "--out", folder, "--", path);
    g_assert_cmpint(run.code, ==, 0);
    json_t *said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(said), ==, 1);
    const json_t *one = json_array_get(said, 0);
    static const char *const keys[] = {"rows", "cols", "resized_w", "resized_h"};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        g_assert_cmpint(number(one, keys[i]), ==, number(wanted, keys[i]));
    json_int_t n_tile = number(wanted, "n_tiles");
    json_int_t grid = number(wanted, "side") / 28;
    json_int_t n_cell = number(one, "rows") * number(one, "cols");
    json_int_t n_tok = n_cell == 1 ? grid * grid + 3 : (n_cell + 1) * grid * grid + n_cell + 3;
    g_assert_cmpint(number(one, "tokens"), ==, n_tok);

    char *stem = g_path_get_basename(path);
    *strrchr(stem, '.') = '\0';
    for (json_int_t i = 0; i < n_tile; i++) {
        char *tile = g_strdup_printf("%s/%s-%02d.png", folder, stem, (int)i);
        char *hash = hash_png(tile);
        g_assert_cmpstr(
            hash, ==,
            json_string_value(json_array_get(json_object_get(wanted, "tile_sha256"), (size_t)i)));
        g_free(hash);
        g_free(tile);
    }
    g_free(stem);
    json_decref(said);
    g_free(folder);
    g_free(side);
    spawn_finish(&run);
}

static void test_look(void)
{
    json_t *root = read_json("tiles/pixels.json");
    size_t i, k;
    json_t *picture, *side;
    json_array_foreach(json_object_get(root, "pictures"), i, picture)
    {
        char *path = harness_golden(json_string_value(json_object_get(picture, "png")));
        json_array_foreach(json_object_get(picture, "sides"), k, side) look_at(path, side);
        g_free(path);
    }
    json_decref(root);
}

/* Broken files are named and the others go on. */
static void test_look_on(void)
{
    struct spawn run;
    char *good = harness_golden("cria/show.png");
    char *text = harness_golden("cria/one.txt");
    SPAWN(&run, NULL, "look", "--json", text, good, "/nowhere/x.png", good);
    g_assert_cmpint(run.code, ==, 3);
    assert_has(run.err, "one.txt");
    assert_has(run.err, "/nowhere/x.png");
    json_t *said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(said), ==, 2);
    json_decref(said);
    spawn_finish(&run);
    SPAWN(&run, NULL, "look", "--json", text, "/dev/zero", "/");
    g_assert_cmpint(run.code, ==, 1);
    assert_sentence(run.err);
    said = spawn_get_json(&run);
    g_assert_cmpuint(json_array_size(said), ==, 0);
    json_decref(said);
    spawn_finish(&run);
    g_free(text);
    g_free(good);
}

/* A name is only a name. */
static void test_names(void)
{
    static const char *const names[] = {
        "a.jpg[page=3]", "-i clip.png", "two\nlines.png", "\xff\xfe.png", "%d.png", "صورة.png",
        "noext",         ".hidden",     "\x1b[31mred",    "a b.GIF",      "x.",
    };
    char *good = harness_golden("cria/pictures/000.png");
    char *folder = g_build_filename(harness_scratch(), "names", NULL);
    char *bytes = NULL;
    gsize n_bytes = 0;
    g_assert_true(g_file_get_contents(good, &bytes, &n_bytes, NULL));
    g_mkdir(folder, 0700);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct spawn run;
        char *path = g_build_filename(folder, names[i], NULL);
        g_assert_true(g_file_set_contents(path, bytes, (gssize)n_bytes, NULL));
        struct spawn_params params = {.folder = folder};
        SPAWN(&run, &params, "look", "--out", "out", "--", names[i]);
        g_test_message("%s%s", run.out, run.err);
        g_assert_cmpint(run.code, ==, 0);
        g_assert_true(g_utf8_validate(run.out, -1, NULL));
        /* one line, which no name can break or colour */
        g_assert_true(strchr(run.out, '\n') == run.out + run.n_out - 1);
        g_assert_null(strchr(run.out, '\x1b'));
        spawn_finish(&run);
        SPAWN(&run, &params, "look", "--json", "--", names[i]);
        json_t *said = spawn_get_json(&run);
        const char *told = json_string_value(json_object_get(json_array_get(said, 0), "file"));
        if (g_utf8_validate(names[i], -1, NULL))
            g_assert_cmpstr(told, ==, names[i]);
        json_decref(said);
        spawn_finish(&run);
        g_free(path);
    }
    g_free(bytes);
    g_free(folder);
    g_free(good);
}

/* --out never writes over what is looked at, nor over what it has just written. */
static void test_no_overwriting(void)
{
    struct spawn run;
    char *good = harness_golden("cria/pictures/000.png");
    char *folder = g_build_filename(harness_scratch(), "over", NULL);
    char *path = g_build_filename(folder, "a.png", NULL);
    char *other = g_build_filename(folder, "a.gif", NULL);
    char *bytes = NULL, *after = NULL;
    gsize n_bytes = 0, n_after = 0;
    g_mkdir(folder, 0700);
    g_assert_true(g_file_get_contents(good, &bytes, &n_bytes, NULL));
    g_assert_true(g_file_set_contents(path, bytes, (gssize)n_bytes, NULL));
    g_assert_true(g_file_set_contents(other, bytes, (gssize)n_bytes, NULL));
    SPAWN(&run, NULL, "look", "--out", folder, path);
    g_assert_cmpint(run.code, ==, 1);
    assert_has(run.err, "not written over");
    g_assert_true(g_file_get_contents(path, &after, &n_after, NULL));
    g_assert_cmpmem(bytes, (int)n_bytes, after, (int)n_after);
    spawn_finish(&run);
    char *out = g_build_filename(folder, "out", NULL);
    SPAWN(&run, NULL, "look", "--out", out, path, other);
    g_assert_cmpint(run.code, ==, 3);
    assert_has(run.err, "same name");
    spawn_finish(&run);
    g_free(out);
    g_free(after);
    g_free(bytes);
    g_free(other);
    g_free(path);
    g_free(folder);
    g_free(good);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    harness_init(&argc, &argv);
    g_assert_true(nawi_vision_init(&error));
    g_test_add_func("/cli/help", test_help);
    g_test_add_func("/cli/manual", test_manual);
    g_test_add_func("/cli/usage", test_usage);
    g_test_add_func("/cli/interrupted", test_interrupted);
    g_test_add_func("/cli/output-fails", test_output_fails);
    g_test_add_func("/cli/look", test_look);
    g_test_add_func("/cli/look-on", test_look_on);
    g_test_add_func("/cli/names", test_names);
    g_test_add_func("/cli/no-overwriting", test_no_overwriting);
    int code = harness_main();
    nawi_vision_finish();
    return code;
}
