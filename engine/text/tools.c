/* Reads an answer as calls of tools, by the recipe told in the header. The forms are tried by
 * the first character, each has to fit from end to end, and what fits none is text: there is no
 * guessing at what a broken call meant. */
#include "engine/text/tools.h"

#include "engine/text/literal.h"
#include "engine/text/utf8.h"

#include <string.h>

static void add_call(GArray *calls, const char *name, size_t n_bytes,
                     const struct literal *arguments)
{
    GString *text = g_string_new(NULL);
    literal_write(text, arguments, LITERAL_COMPACT);
    struct nawi_tools_call call = {g_strndup(name, n_bytes), g_string_free(text, FALSE)};
    g_array_append_val(calls, call);
}

static void drop_calls(GArray *calls)
{
    for (guint i = 0; i < calls->len; i++) {
        g_free(g_array_index(calls, struct nawi_tools_call, i).name);
        g_free(g_array_index(calls, struct nawi_tools_call, i).arguments);
    }
    g_array_set_size(calls, 0);
}

/* ── Pythonic ────────────────────────────────────────────────────────────────────────────────── */

/* A name as Python has them: letters of any script, digits, underscores; its length, 0 without
 * one. */
static size_t measure_name(const struct literal_reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end) {
        size_t width;
        if (utf8_scan(at, (size_t)(reader->end - at), &width) != UTF8_VALID)
            break;
        gunichar c = g_utf8_get_char(at);
        bool is_inner = g_unichar_isdigit(c) || g_unichar_ismark(c);
        if (c != '_' && !g_unichar_isalpha(c) && (at == reader->at || !is_inner))
            break;
        at += width;
    }
    return (size_t)(at - reader->at);
}

/* name=value, name=value, … and the closing parenthesis. */
static bool read_keywords(struct literal_reader *reader, struct literal *arguments)
{
    GArray *items = g_array_new(FALSE, TRUE, sizeof(struct literal));
    bool ok = true;
    literal_skip(reader);
    bool is_done = literal_take(reader, ')');
    while (ok && !is_done) {
        struct literal item = {0};
        const char *name = reader->at;
        size_t n_name = measure_name(reader);
        reader->at += n_name;
        literal_skip(reader);
        ok = n_name > 0 && literal_take(reader, '=') && literal_read(reader, &item);
        if (!ok)
            break;
        item.key = g_string_new_len(name, (gssize)n_name);
        g_array_append_val(items, item);
        literal_skip(reader);
        bool has_comma = literal_take(reader, ',');
        literal_skip(reader);
        is_done = literal_take(reader, ')');
        ok = is_done || has_comma;
    }
    *arguments = (struct literal){.kind = LITERAL_OBJECT, .n_item = items->len};
    arguments->items = (struct literal *)(void *)g_array_free(items, FALSE);
    ok = ok && literal_has_unique_keys(arguments->items, arguments->n_item);
    if (!ok)
        literal_finish(arguments);
    return ok;
}

static bool read_pythonic(struct literal_reader *reader, GArray *calls)
{
    bool is_done = false;
    reader->syntax = LITERAL_PYTHON;
    literal_take(reader, '[');
    literal_skip(reader);
    while (!is_done) {
        struct literal arguments;
        const char *name = reader->at;
        size_t n_name = measure_name(reader);
        reader->at += n_name;
        literal_skip(reader);
        if (n_name == 0 || !literal_take(reader, '(') || !read_keywords(reader, &arguments))
            return false;
        add_call(calls, name, n_name, &arguments);
        literal_finish(&arguments);
        literal_skip(reader);
        bool has_comma = literal_take(reader, ',');
        literal_skip(reader);
        is_done = literal_take(reader, ']');
        if (!is_done && !has_comma)
            return false;
    }
    return reader->at == reader->end;
}

/* name.call(query="…") */
static bool read_builtin(struct literal_reader *reader, GArray *calls)
{
    static const char call[] = ".call(";
    struct literal arguments;
    const char *name = reader->at;
    size_t n_name = measure_name(reader);
    reader->syntax = LITERAL_PYTHON;
    reader->at += n_name;
    if (n_name == 0 || (size_t)(reader->end - reader->at) < strlen(call) ||
        memcmp(reader->at, call, strlen(call)) != 0)
        return false;
    reader->at += strlen(call);
    if (!read_keywords(reader, &arguments))
        return false;
    const struct literal *query = literal_get(&arguments, "query");
    bool ok = arguments.n_item == 1 && query && query->kind == LITERAL_STRING &&
              reader->at == reader->end;
    if (ok)
        add_call(calls, name, n_name, &arguments);
    literal_finish(&arguments);
    return ok;
}

/* ── JSON ────────────────────────────────────────────────────────────────────────────────────── */

static bool add_object(GArray *calls, const struct literal *object)
{
    const struct literal *name = literal_get(object, "name");
    const struct literal *parameters = literal_get(object, "parameters");
    if (!name || name->kind != LITERAL_STRING || name->text->len == 0 ||
        memchr(name->text->str, 0, name->text->len))
        return false;
    if (!parameters || parameters->kind != LITERAL_OBJECT)
        return false;
    add_call(calls, name->text->str, name->text->len, parameters);
    return true;
}

static bool read_json(struct literal_reader *reader, GArray *calls)
{
    reader->syntax = LITERAL_JSON;
    while (reader->at < reader->end) {
        struct literal object;
        if (calls->len > 0)
            literal_take(reader, ';');
        if (!literal_read(reader, &object))
            return false;
        bool ok = add_object(calls, &object);
        literal_finish(&object);
        if (!ok)
            return false;
        literal_skip(reader);
    }
    return true;
}

/* <function=name>{…}</function> */
static bool read_tags(struct literal_reader *reader, GArray *calls)
{
    static const char opening[] = "<function=";
    static const char closing[] = "</function>";
    reader->syntax = LITERAL_JSON;
    while (reader->at < reader->end) {
        struct literal object;
        if ((size_t)(reader->end - reader->at) < strlen(opening) ||
            memcmp(reader->at, opening, strlen(opening)) != 0)
            return false;
        reader->at += strlen(opening);
        const char *name = reader->at;
        while (reader->at < reader->end && (unsigned char)*reader->at > ' ' &&
               !strchr("<>{}\"'", *reader->at))
            reader->at++;
        size_t n_name = (size_t)(reader->at - name);
        if (n_name == 0 || !utf8_is_valid(name, n_name) || !literal_take(reader, '>') ||
            !literal_read(reader, &object))
            return false;
        literal_skip(reader);
        bool ok = object.kind == LITERAL_OBJECT &&
                  (size_t)(reader->end - reader->at) >= strlen(closing) &&
                  memcmp(reader->at, closing, strlen(closing)) == 0;
        if (ok)
            add_call(calls, name, n_name, &object);
        literal_finish(&object);
        if (!ok)
            return false;
        reader->at += strlen(closing);
        literal_skip(reader);
    }
    return true;
}

/* ── The door ────────────────────────────────────────────────────────────────────────────────── */

/* The output without markers. */
static GString *remove_markers(const char *output, size_t n_bytes)
{
    static const char *const markers[] = {"<|python_start|>", "<|python_end|>"};
    GString *text = g_string_sized_new(n_bytes);
    for (size_t i = 0; i < n_bytes;) {
        size_t skipped = 0;
        for (size_t m = 0; m < G_N_ELEMENTS(markers) && output[i] == '<'; m++)
            if (n_bytes - i >= strlen(markers[m]) &&
                memcmp(output + i, markers[m], strlen(markers[m])) == 0)
                skipped = strlen(markers[m]);
        if (skipped == 0)
            g_string_append_c(text, output[i]);
        i += MAX(skipped, 1);
    }
    return text;
}

void nawi_tools_parse(const char *output, size_t n_bytes, struct nawi_tools *tools)
{
    GString *text = remove_markers(output, n_bytes);
    GArray *calls = g_array_new(FALSE, FALSE, sizeof(struct nawi_tools_call));
    struct literal_reader reader = {text->str, text->str + text->len, LITERAL_JSON, NULL};
    enum nawi_tools_form form = NAWI_TOOLS_BUILTIN;
    bool ok = false;
    literal_skip(&reader);
    while (reader.end > reader.at && strchr(" \t\r\n", reader.end[-1]) && reader.end[-1])
        reader.end--;
    char first = reader.at < reader.end ? *reader.at : 0;
    if (first == '[') {
        form = NAWI_TOOLS_PYTHONIC;
        ok = read_pythonic(&reader, calls);
    } else if (first == '{') {
        form = NAWI_TOOLS_JSON;
        ok = read_json(&reader, calls);
    } else if (first == '<') {
        form = NAWI_TOOLS_FUNCTION_TAG;
        ok = read_tags(&reader, calls);
    } else
        ok = read_builtin(&reader, calls);
    if (!ok) {
        form = NAWI_TOOLS_TEXT;
        drop_calls(calls);
    }
    *tools = (struct nawi_tools){.form = form, .n_call = calls->len};
    tools->calls = (struct nawi_tools_call *)(void *)g_array_free(calls, FALSE);
    g_string_free(text, TRUE);
}

void nawi_tools_finish(struct nawi_tools *tools)
{
    for (size_t i = 0; i < tools->n_call; i++) {
        g_free(tools->calls[i].name);
        g_free(tools->calls[i].arguments);
    }
    g_free(tools->calls);
    *tools = (struct nawi_tools){0};
}

char *nawi_tools_to_json(const struct nawi_tools *tools)
{
    GString *out = g_string_new("[");
    for (size_t i = 0; i < tools->n_call; i++) {
        g_string_append(out, i > 0 ? ", {\"name\": " : "{\"name\": ");
        literal_write_string(out, tools->calls[i].name, strlen(tools->calls[i].name),
                             LITERAL_COMPACT);
        g_string_append_printf(out, ", \"arguments\": %s}", tools->calls[i].arguments);
    }
    g_string_append_c(out, ']');
    return g_string_free(out, FALSE);
}

const char *nawi_tools_form_name(enum nawi_tools_form form)
{
    static const char *const names[] = {"text", "pythonic", "json", "function_tag", "builtin"};
    return names[form];
}
