/* A small reader and writer of values. Jansson is no help here: it turns numbers into doubles
 * and 64-bit integers, and what a tool is called with must reach it, and the history, digit for
 * digit.
 *
 * The reader walks down with a limit of depth, copies what it keeps, and knows nothing of names
 * or calls. */
#include "engine/text/literal.h"

#include "engine/text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void literal_skip(struct literal_reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
}

bool literal_take(struct literal_reader *reader, char wanted)
{
    if (reader->at == reader->end || *reader->at != wanted)
        return false;
    reader->at++;
    return true;
}

static bool fail(struct literal_reader *reader, const char *fault)
{
    reader->fault = fault;
    return false;
}

void literal_finish(struct literal *value)
{
    for (size_t i = 0; i < value->n_item; i++)
        literal_finish(&value->items[i]);
    g_free(value->items);
    if (value->key)
        g_string_free(value->key, TRUE);
    if (value->text)
        g_string_free(value->text, TRUE);
    *value = (struct literal){0};
}

/* ── Strings ─────────────────────────────────────────────────────────────────────────────────── */

/* n hexadecimal digits, exactly. */
static bool read_hex(struct literal_reader *reader, int n, guint32 *value)
{
    *value = 0;
    for (int i = 0; i < n; i++, reader->at++) {
        if (reader->at == reader->end || !g_ascii_isxdigit(*reader->at))
            return fail(reader, "a malformed \\ escape in a string");
        *value = *value * 16 + (guint32)g_ascii_xdigit_value(*reader->at);
    }
    return true;
}

/* The code behind \u, a pair of surrogates joined. Lone surrogates are no characters. */
static bool read_unicode(struct literal_reader *reader, int n_digit, GString *out)
{
    guint32 c;
    guint32 low;
    if (!read_hex(reader, n_digit, &c))
        return false;
    if (c >= 0xD800 && c <= 0xDBFF && reader->end - reader->at >= 6 &&
        memcmp(reader->at, "\\u", 2) == 0) {
        reader->at += 2;
        if (!read_hex(reader, 4, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(reader, "half of a surrogate pair in a string");
        c = 0x10000 + (c - 0xD800) * 0x400 + (low - 0xDC00);
    }
    if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF)
        return fail(reader, "half of a surrogate pair in a string");
    g_string_append_unichar(out, c);
    return true;
}

static bool read_escape(struct literal_reader *reader, GString *out)
{
    static const char json[] = "\"\\/bfnrt";
    static const char json_means[] = "\"\\/\b\f\n\r\t";
    static const char python[] = "'\"\\abfnrtv";
    static const char python_means[] = "'\"\\\a\b\f\n\r\t\v";
    bool is_python = reader->syntax == LITERAL_PYTHON;
    if (reader->at == reader->end)
        return fail(reader, "a string without an end");
    char kind = *reader->at++;
    const char *known = kind ? strchr(is_python ? python : json, kind) : NULL;
    if (known) {
        g_string_append_c(out, is_python ? python_means[known - python] : json_means[known - json]);
        return true;
    }
    if (kind == 'u')
        return read_unicode(reader, 4, out);
    if (is_python && kind == 'U')
        return read_unicode(reader, 8, out);
    if (is_python && kind == 'x')
        return read_unicode(reader, 2, out);
    if (!is_python || kind == 'N' || g_ascii_isdigit(kind))
        return fail(reader, "an unknown \\ escape in a string");
    /* Python leaves a backslash that means nothing where it is, and drops one at the end of a
     * line. */
    if (kind != '\n') {
        g_string_append_c(out, '\\');
        reader->at--;
    }
    return true;
}

bool literal_read_string(struct literal_reader *reader, GString *out)
{
    char quote = reader->at < reader->end ? *reader->at : 0;
    if (quote != '"' && !(quote == '\'' && reader->syntax == LITERAL_PYTHON))
        return fail(reader, "no string where one is expected");
    reader->at++;
    while (reader->at < reader->end) {
        const char *start = reader->at;
        size_t width;
        while (reader->at < reader->end && *reader->at != quote && *reader->at != '\\') {
            if (utf8_scan(reader->at, (size_t)(reader->end - reader->at), &width) != UTF8_VALID)
                return fail(reader, "bytes that are not UTF-8 in a string");
            reader->at += width;
        }
        g_string_append_len(out, start, reader->at - start);
        if (literal_take(reader, quote))
            return true;
        if (literal_take(reader, '\\') && !read_escape(reader, out))
            return false;
    }
    return fail(reader, "a string without an end");
}

/* ── Numbers and words ───────────────────────────────────────────────────────────────────────── */

static size_t take_digits(struct literal_reader *reader, GString *out)
{
    size_t n = 0;
    for (; reader->at < reader->end && g_ascii_isdigit(*reader->at); reader->at++, n++)
        g_string_append_c(out, *reader->at);
    return n;
}

static bool is_word(const struct literal_reader *reader)
{
    return reader->at < reader->end &&
           (g_ascii_isalnum(*reader->at) || *reader->at == '_' || *reader->at < 0);
}

/* Digits as they stand; only what JSON has no form for is completed: a plus is dropped, a bare
 * point gets its zero. */
static bool read_number(struct literal_reader *reader, GString *out)
{
    bool is_python = reader->syntax == LITERAL_PYTHON;
    if (literal_take(reader, '-'))
        g_string_append_c(out, '-');
    else if (is_python)
        literal_take(reader, '+');
    size_t start = out->len;
    size_t n_whole = take_digits(reader, out);
    if (n_whole > 1 && out->str[start] == '0')
        return fail(reader, "a number with a zero in front");
    if (n_whole == 0 && !is_python)
        return fail(reader, "a malformed number");
    if (literal_take(reader, '.')) {
        if (n_whole == 0)
            g_string_append_c(out, '0');
        g_string_append_c(out, '.');
        size_t n_part = take_digits(reader, out);
        if (n_part == 0 && (n_whole == 0 || !is_python))
            return fail(reader, "a malformed number");
        if (n_part == 0)
            g_string_append_c(out, '0');
    } else if (n_whole == 0)
        return fail(reader, "a malformed number");
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        g_string_append_c(out, *reader->at++);
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
            g_string_append_c(out, *reader->at++);
        if (take_digits(reader, out) == 0)
            return fail(reader, "a malformed number");
    }
    if (is_word(reader))
        return fail(reader, "a malformed number");
    return isfinite(g_ascii_strtod(out->str, NULL)) || fail(reader, "a number that is too large");
}

static bool read_word(struct literal_reader *reader, struct literal *value)
{
    static const struct {
        const char *word;
        enum literal_kind kind;
        bool is_python;
    } words[] = {
        {"true", LITERAL_TRUE, false},  {"false", LITERAL_FALSE, false},
        {"null", LITERAL_NULL, false},  {"True", LITERAL_TRUE, true},
        {"False", LITERAL_FALSE, true}, {"None", LITERAL_NULL, true},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(reader->end - reader->at) < n || memcmp(reader->at, words[i].word, n) != 0 ||
            (words[i].is_python && reader->syntax != LITERAL_PYTHON))
            continue;
        reader->at += n;
        value->kind = words[i].kind;
        return !is_word(reader) || fail(reader, "an unknown word");
    }
    return fail(reader, "no value where one is expected");
}

/* ── Values ──────────────────────────────────────────────────────────────────────────────────── */

static int compare_keys(const void *a, const void *b)
{
    const GString *left = *(GString *const *)a;
    const GString *right = *(GString *const *)b;
    int order = memcmp(left->str, right->str, MIN(left->len, right->len));
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

bool literal_has_unique_keys(const struct literal *items, size_t n_item)
{
    GString **keys = g_new(GString *, n_item);
    bool is_unique = true;
    for (size_t i = 0; i < n_item; i++)
        keys[i] = items[i].key;
    if (n_item > 1)
        qsort(keys, n_item, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n_item && is_unique; i++)
        is_unique = compare_keys(&keys[i - 1], &keys[i]) != 0;
    g_free(keys);
    return is_unique;
}

static bool read_value(struct literal_reader *reader, int depth, struct literal *value);

static bool read_member(struct literal_reader *reader, int depth, bool is_object,
                        struct literal *value)
{
    if (!is_object)
        return read_value(reader, depth, value);
    GString *key = g_string_new(NULL);
    literal_skip(reader);
    bool ok = literal_read_string(reader, key);
    if (ok) {
        literal_skip(reader);
        ok = literal_take(reader, ':') || fail(reader, "no ':' behind a key");
    }
    ok = ok && read_value(reader, depth, value);
    if (ok)
        value->key = key;
    else
        g_string_free(key, TRUE);
    return ok;
}

/* What stands between brackets, the first of which is taken already. */
static bool read_items(struct literal_reader *reader, int depth, struct literal *value)
{
    bool is_object = value->kind == LITERAL_OBJECT;
    char closing = is_object ? '}' : ']';
    GArray *items = g_array_new(FALSE, TRUE, sizeof(struct literal));
    bool ok = true;
    literal_skip(reader);
    bool is_done = literal_take(reader, closing);
    while (ok && !is_done) {
        struct literal item = {0};
        ok = read_member(reader, depth, is_object, &item);
        if (!ok)
            break;
        g_array_append_val(items, item);
        literal_skip(reader);
        bool has_comma = literal_take(reader, ',');
        literal_skip(reader);
        if (has_comma && reader->syntax == LITERAL_JSON)
            continue;
        is_done = literal_take(reader, closing);
        if (!is_done && !has_comma)
            ok = fail(reader,
                      is_object ? "no ',' or '}' behind a member" : "no ',' or ']' behind an item");
    }
    value->n_item = items->len;
    value->items = (struct literal *)(void *)g_array_free(items, FALSE);
    if (ok && is_object && !literal_has_unique_keys(value->items, value->n_item))
        ok = fail(reader, "a key that occurs twice");
    if (!ok)
        literal_finish(value);
    return ok;
}

static bool read_value(struct literal_reader *reader, int depth, struct literal *value)
{
    *value = (struct literal){0};
    literal_skip(reader);
    if (reader->at == reader->end)
        return fail(reader, "no value where one is expected");
    char first = *reader->at;
    if (first == '[' || first == '{') {
        if (depth == LITERAL_MAX_DEPTH)
            return fail(reader, "more than 100 brackets inside each other");
        reader->at++;
        value->kind = first == '[' ? LITERAL_LIST : LITERAL_OBJECT;
        return read_items(reader, depth + 1, value);
    }
    bool is_string = first == '"' || first == '\'';
    if (!is_string && !g_ascii_isdigit(first) && !strchr("+-.", first))
        return read_word(reader, value);
    value->kind = is_string ? LITERAL_STRING : LITERAL_NUMBER;
    value->text = g_string_new(NULL);
    bool ok =
        is_string ? literal_read_string(reader, value->text) : read_number(reader, value->text);
    if (!ok)
        literal_finish(value);
    return ok;
}

bool literal_read(struct literal_reader *reader, struct literal *value)
{
    return read_value(reader, 0, value);
}

bool literal_parse_json(const char *text, size_t n_bytes, struct literal *value, const char **fault)
{
    struct literal_reader reader = {text, text + n_bytes, LITERAL_JSON, NULL};
    bool ok = literal_read(&reader, value);
    if (ok) {
        literal_skip(&reader);
        if (reader.at != reader.end) {
            ok = fail(&reader, "something behind the value");
            literal_finish(value);
        }
    }
    if (fault)
        *fault = reader.fault;
    return ok;
}

const struct literal *literal_get(const struct literal *object, const char *key)
{
    size_t n = strlen(key);
    if (object->kind != LITERAL_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->n_item; i++)
        if (object->items[i].key->len == n && memcmp(object->items[i].key->str, key, n) == 0)
            return &object->items[i];
    return NULL;
}

bool literal_is(const struct literal *value, const char *text)
{
    size_t n = strlen(text);
    return value->kind == LITERAL_STRING && value->text->len == n &&
           memcmp(value->text->str, text, n) == 0;
}

/* ── Writing ─────────────────────────────────────────────────────────────────────────────────── */

static void write_unit(GString *out, guint32 unit) { g_string_append_printf(out, "\\u%04x", unit); }

void literal_write_string(GString *out, const char *text, size_t n_bytes, enum literal_style style)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    g_string_append_c(out, '"');
    for (size_t i = 0; i < n_bytes;) {
        unsigned char c = (unsigned char)text[i];
        const char *known = c ? strchr(named, c) : NULL;
        size_t width = 1;
        if (known) {
            g_string_append_c(out, '\\');
            g_string_append_c(out, names[known - named]);
        } else if (c < 0x20 || (c == 0x7F && style == LITERAL_ASCII))
            write_unit(out, c);
        else if (c < 0x80)
            g_string_append_c(out, (char)c);
        else {
            utf8_scan(text + i, n_bytes - i, &width);
            if (style == LITERAL_ASCII) {
                guint32 code = g_utf8_get_char(text + i);
                if (code >= 0x10000)
                    write_unit(out, 0xD800 + ((code - 0x10000) >> 10));
                write_unit(out, code >= 0x10000 ? 0xDC00 + ((code - 0x10000) & 0x3FF) : code);
            } else
                g_string_append_len(out, text + i, (gssize)width);
        }
        i += width;
    }
    g_string_append_c(out, '"');
}

static void write_break(GString *out, enum literal_style style, int depth)
{
    if (style == LITERAL_INDENTED)
        g_string_append_printf(out, "\n%*s", 4 * depth, "");
}

static void write_value(GString *out, const struct literal *value, enum literal_style style,
                        int depth)
{
    static const char *const words[2][3] = {{"null", "false", "true"}, {"None", "False", "True"}};
    bool is_object = value->kind == LITERAL_OBJECT;
    switch (value->kind) {
    case LITERAL_NULL:
    case LITERAL_FALSE:
    case LITERAL_TRUE: g_string_append(out, words[style == LITERAL_CALL][value->kind]); return;
    case LITERAL_NUMBER:
        g_string_append_len(out, value->text->str, (gssize)value->text->len);
        return;
    case LITERAL_STRING:
        literal_write_string(out, value->text->str, value->text->len, style);
        return;
    case LITERAL_LIST:
    case LITERAL_OBJECT: break;
    }
    g_string_append_c(out, is_object ? '{' : '[');
    for (size_t i = 0; i < value->n_item; i++) {
        const struct literal *item = &value->items[i];
        if (i > 0)
            g_string_append(out, style == LITERAL_INDENTED ? "," : ", ");
        write_break(out, style, depth + 1);
        if (is_object) {
            literal_write_string(out, item->key->str, item->key->len, style);
            g_string_append(out, ": ");
        }
        write_value(out, item, style, depth + 1);
    }
    if (value->n_item > 0)
        write_break(out, style, depth);
    g_string_append_c(out, is_object ? '}' : ']');
}

void literal_write(GString *out, const struct literal *value, enum literal_style style)
{
    write_value(out, value, style, 0);
}
