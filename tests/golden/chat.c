/* Chats and tool calls against the originals: the ids with Meta's vocabulary, and without it the
 * text that the ids stand for and the places of control tokens, with the small models'
 * vocabulary. */
#include "engine/text/chat.h"

#include "engine/text/conversation.h"
#include "engine/text/tools.h"
#include "tests/harness.h"
#include "tests/vocabulary.h"

#include <jansson.h>
#include <string.h>

static const struct nawi_media_spec spec = {
    .tile_px = 336, .patch_px = 14, .shuffle = 2, .max_tiles = 16};

static json_t *load(const char *relative)
{
    json_error_t error;
    char *path = harness_golden(relative);
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root)
        g_error("%s:%d: %s", path, error.line, error.text);
    g_free(path);
    return root;
}

/* ── Chats ───────────────────────────────────────────────────────────────────────────────────── */

/* What a case must give: Meta's layout, or the template's where tools are described; NULL where
 * neither has an answer. */
static const json_t *find_wanted(const json_t *entry)
{
    bool has_tools = json_is_array(json_object_get(entry, "tools"));
    const json_t *wanted = json_object_get(entry, has_tools ? "hf" : "meta");
    bool is_judged = strcmp(json_string_value(json_object_get(entry, "judge")), "ids") == 0;
    return is_judged && json_is_array(json_object_get(wanted, "ids")) ? wanted : NULL;
}

static GArray *encode(const struct nawi_tokenizer *tokenizer, const json_t *entry)
{
    struct nawi_conversation conversation;
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GError *error = NULL;
    const struct nawi_chat_format *format = nawi_chat_format_find(NULL, tokenizer, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(nawi_chat_format_get_name(format), ==, "llama4");
    char *text = json_dumps(entry, 0);
    nawi_conversation_parse("case", text, strlen(text), &conversation, &error);
    g_assert_no_error(error);
    nawi_chat_encode(format, tokenizer, &conversation.chat, &spec, ids, &error);
    g_assert_no_error(error);
    nawi_conversation_finish(&conversation);
    free(text);
    return ids;
}

/* Numbers, and [id, n] for runs. */
static char *expand(const json_t *ids)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *item = json_array_get(ids, i);
        json_int_t id = json_integer_value(json_is_array(item) ? json_array_get(item, 0) : item);
        json_int_t n = json_is_array(item) ? json_integer_value(json_array_get(item, 1)) : 1;
        while (n-- > 0)
            g_string_append_printf(out, out->len > 0 ? " %d" : "%d", (int)id);
    }
    return g_string_free(out, FALSE);
}

static void test_ids(void)
{
    char *path = harness_shared("tokens/meta-vocab.gguf");
    if (!path) {
        g_test_skip("Meta's vocabulary is not here (NAWI_SHARED_GOLDEN/tokens)");
        return;
    }
    struct nawi_tokenizer *tokenizer = vocabulary_open(path, NULL);
    json_t *root = load("chat/cases.json");
    const json_t *cases = json_object_get(root, "cases");
    size_t n_judged = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        const json_t *wanted = find_wanted(entry);
        if (!wanted)
            continue;
        GArray *ids = encode(tokenizer, entry);
        char *found = vocabulary_join(ids);
        char *expected = expand(json_object_get(wanted, "ids"));
        if (strcmp(found, expected) != 0)
            g_test_message("case %s", json_string_value(json_object_get(entry, "name")));
        g_assert_cmpstr(found, ==, expected);
        g_free(found);
        g_free(expected);
        g_array_free(ids, TRUE);
        n_judged++;
    }
    g_assert_cmpuint(n_judged, ==, 74);
    json_decref(root);
    nawi_tokenizer_destroy(tokenizer);
    g_free(path);
}

/* Ids as the cases write them for the eye: names of control tokens, a run of one as NAME*n from
 * 8 on; marked: control tokens between U+0001 and U+0002, to tell them from text that looks the
 * same. */
static char *show(const struct nawi_tokenizer *tokenizer, const GArray *ids)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < ids->len;) {
        int32_t id = g_array_index(ids, int32_t, i);
        guint n = 1;
        size_t n_bytes;
        const char *bytes = nawi_tokenizer_get_bytes(tokenizer, id, &n_bytes);
        while (i + n < ids->len && g_array_index(ids, int32_t, i + n) == id)
            n++;
        bool is_run = nawi_tokenizer_is_control(tokenizer, id) && n >= 8;
        g_string_append_len(out, bytes, (gssize)n_bytes);
        if (is_run)
            g_string_append_printf(out, "*%u", n);
        i += is_run ? n : 1;
    }
    return g_string_free(out, FALSE);
}

static size_t count_controls(const struct nawi_tokenizer *tokenizer, const GArray *ids)
{
    size_t n = 0;
    for (guint i = 0; i < ids->len; i++)
        n += nawi_tokenizer_is_control(tokenizer, g_array_index(ids, int32_t, i));
    return n;
}

static void test_text(void)
{
    char *path = harness_golden("models/tiny-scout-F32.gguf");
    struct nawi_tokenizer *tokenizer = vocabulary_open(path, NULL);
    json_t *root = load("chat/cases.json");
    const json_t *cases = json_object_get(root, "cases");
    size_t n_judged = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        const json_t *wanted = find_wanted(entry);
        if (!wanted)
            continue;
        GArray *ids = encode(tokenizer, entry);
        char *found = show(tokenizer, ids);
        size_t n_control = 0;
        const json_t *wanted_ids = json_object_get(wanted, "ids");
        for (size_t k = 0; k < json_array_size(wanted_ids); k++) {
            const json_t *item = json_array_get(wanted_ids, k);
            json_int_t id =
                json_integer_value(json_is_array(item) ? json_array_get(item, 0) : item);
            if (id >= 200000) /* control tokens of Meta's vocabulary */
                n_control +=
                    (size_t)(json_is_array(item) ? json_integer_value(json_array_get(item, 1)) : 1);
        }
        g_assert_cmpstr(found, ==, json_string_value(json_object_get(wanted, "text")));
        g_assert_cmpuint(count_controls(tokenizer, ids), ==, n_control);
        g_free(found);
        g_array_free(ids, TRUE);
        n_judged++;
    }
    g_assert_cmpuint(n_judged, ==, 74);
    json_decref(root);
    nawi_tokenizer_destroy(tokenizer);
    g_free(path);
}

/* Cases whose original answer is a defect: what is written instead can be read back by our own
 * parser. */
static void test_quirks(void)
{
    char *path = harness_golden("models/tiny-scout-F32.gguf");
    struct nawi_tokenizer *tokenizer = vocabulary_open(path, NULL);
    json_t *root = load("chat/cases.json");
    const json_t *cases = json_object_get(root, "cases");
    size_t n_quirk = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *entry = json_array_get(cases, i);
        const json_t *messages = json_object_get(entry, "messages");
        const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
        const json_t *calls = json_object_get(last, "tool_calls");
        if (!json_object_get(entry, "quirk"))
            continue;
        GArray *ids = encode(tokenizer, entry);
        char *shown = show(tokenizer, ids);
        char *start =
            strstr(shown, "assistant<|header_end|>\n\n") + strlen("assistant<|header_end|>\n\n");
        struct nawi_tools tools;
        nawi_tools_parse(start, strcspn(start, "|") - 1, &tools); /* up to <|eom|> */
        g_assert_cmpint(tools.form, ==, NAWI_TOOLS_PYTHONIC);
        char *found = nawi_tools_to_json(&tools);
        char *expected = json_dumps(calls, JSON_ENSURE_ASCII);
        g_assert_cmpstr(found, ==, expected);
        free(expected);
        g_free(found);
        nawi_tools_finish(&tools);
        g_free(shown);
        g_array_free(ids, TRUE);
        n_quirk++;
    }
    g_assert_cmpuint(n_quirk, ==, 3);
    json_decref(root);
    nawi_tokenizer_destroy(tokenizer);
    g_free(path);
}

/* ── Tool calls ──────────────────────────────────────────────────────────────────────────────── */

static void append_repeated(GString *out, const json_t *repeat)
{
    for (json_int_t i = 0; i < json_integer_value(json_array_get(repeat, 1)); i++)
        g_string_append(out, json_string_value(json_array_get(repeat, 0)));
}

static GString *get_output(const json_t *entry)
{
    GString *out = g_string_new(json_string_value(json_object_get(entry, "prefix")));
    const json_t *text = json_object_get(entry, "output");
    const char *hex = json_string_value(json_object_get(entry, "output_hex"));
    for (; hex && *hex; hex += 2)
        g_string_append_c(out,
                          (char)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1])));
    if (text)
        g_string_append_len(out, json_string_value(text), (gssize)json_string_length(text));
    append_repeated(out, json_object_get(entry, "repeat"));
    const char *suffix = json_string_value(json_object_get(entry, "suffix"));
    return g_string_append(out, suffix ? suffix : "");
}

/* {"repeat": ["x", 20000]} stands for a long string. */
static json_t *expand_repeats(json_t *calls)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *arguments = json_object_get(json_array_get(calls, i), "arguments");
        const char *key;
        json_t *value;
        json_object_foreach(arguments, key, value)
        {
            const json_t *repeat = json_object_get(value, "repeat");
            if (!repeat)
                continue;
            GString *text = g_string_new(NULL);
            append_repeated(text, repeat);
            json_object_set_new(arguments, key, json_string(text->str));
            g_string_free(text, TRUE);
        }
    }
    return calls;
}

static bool is_equal(const struct nawi_tools *tools, json_t *wanted)
{
    json_error_t error;
    char *text = nawi_tools_to_json(tools);
    json_t *found = json_loads(text, JSON_ALLOW_NUL, &error);
    if (!found)
        g_test_message("not JSON: %s: %s", text, error.text);
    /* Written out, as an equality of objects would not see the order of keys. */
    char *a = found ? json_dumps(found, 0) : NULL;
    char *b = json_dumps(expand_repeats(wanted), 0);
    bool equal = a && strcmp(a, b) == 0;
    free(a);
    free(b);
    json_decref(found);
    g_free(text);
    return equal;
}

static void test_tools(void)
{
    json_t *root = load("chat/tools.json");
    const json_t *outputs = json_object_get(root, "outputs");
    g_assert_cmpuint(json_array_size(outputs), ==, 178);
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *entry = json_array_get(outputs, i);
        const char *expect = json_string_value(json_object_get(entry, "expect"));
        json_t *calls = json_object_get(entry, strcmp(expect, "calls") == 0 ? "calls" : "if_calls");
        GString *output = get_output(entry);
        struct nawi_tools tools;
        nawi_tools_parse(output->str, output->len, &tools);
        bool is_right = tools.form == NAWI_TOOLS_TEXT && tools.n_call == 0;
        if (strcmp(expect, "calls") == 0)
            is_right = strcmp(nawi_tools_form_name(tools.form),
                              json_string_value(json_object_get(entry, "form"))) == 0 &&
                       is_equal(&tools, calls);
        else if (strcmp(expect, "either") == 0 && !is_right)
            is_right = !calls || is_equal(&tools, calls);
        if (!is_right)
            g_test_message("output %zu: %.200s → %s", i, output->str,
                           nawi_tools_form_name(tools.form));
        g_assert_true(is_right);
        nawi_tools_finish(&tools);
        g_string_free(output, TRUE);
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/chat/ids", test_ids);
    g_test_add_func("/chat/text", test_text);
    g_test_add_func("/chat/quirks", test_quirks);
    g_test_add_func("/chat/tools", test_tools);
    return harness_main();
}
