/* The metadata table: entries in file order, found by key. Owns its keys, strings and arrays.
 *
 * Getters never convert what would lose something: a whole number may be read as a float, nothing
 * else. */
#include "engine/file/meta.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>

struct entry {
    char *key;
    enum meta_type type;
    int64_t number; /* INT, BOOL */
    double real;    /* FLOAT */
    char *text;     /* STRING, terminated */
    size_t n_bytes; /* of text */
    struct meta_array array;
    atomic_bool was_read; /* by a getter */
};

struct kept {
    void *memory;
    GDestroyNotify destroy;
};

struct nawi_meta {
    char *source;
    GPtrArray *entries; /* struct entry *, in the order they were set */
    GHashTable *by_key; /* key → struct entry * */
    GArray *kept;       /* struct kept */
};

static void clear_value(struct entry *entry)
{
    g_free(entry->text);
    g_free((void *)entry->array.ints);
    g_free((void *)entry->array.floats);
    g_free((void *)entry->array.strings);
    *entry = (struct entry){.key = entry->key};
}

static void destroy_entry(gpointer data)
{
    struct entry *entry = data;
    clear_value(entry);
    g_free(entry->key);
    g_free(entry);
}

/* The entry of key, emptied; appended when it is new. */
static struct entry *renew(struct nawi_meta *meta, const char *key)
{
    struct entry *entry = g_hash_table_lookup(meta->by_key, key);
    if (entry) {
        clear_value(entry);
        return entry;
    }
    entry = g_new0(struct entry, 1);
    entry->key = g_strdup(key);
    g_ptr_array_add(meta->entries, entry);
    g_hash_table_insert(meta->by_key, entry->key, entry);
    return entry;
}

static const char *type_name(enum meta_type type)
{
    switch (type) {
    case META_INT: return "a whole number";
    case META_FLOAT: return "a number";
    case META_BOOL: return "true or false";
    case META_STRING: return "a string";
    case META_ARRAY: return "an array";
    }
    return "nothing";
}

/* How a found value is introduced, where its text does not say its type. */
static const char *found_name(enum meta_type type)
{
    switch (type) {
    case META_FLOAT: return "the float ";
    case META_STRING: return "the string ";
    case META_ARRAY: return "an array of ";
    default: return "";
    }
}

static const char *elements_name(enum meta_type type)
{
    switch (type) {
    case META_INT: return "whole numbers";
    case META_FLOAT: return "numbers";
    case META_BOOL: return "truth values";
    default: return "strings";
    }
}

/* Elements of an array, at most six, as text. */
static void append_elements(GString *out, const struct meta_array *array)
{
    for (uint64_t i = 0; i < array->n && i < 6; i++) {
        g_string_append(out, i ? ", " : " ");
        if (array->type == META_STRING) {
            char *quoted = nawi_quote(array->strings[i].text, array->strings[i].n_bytes);
            g_string_append(out, quoted);
            g_free(quoted);
        } else if (array->type == META_FLOAT) {
            char text[G_ASCII_DTOSTR_BUF_SIZE];
            g_string_append(out, g_ascii_formatd(text, sizeof text, "%.9g", array->floats[i]));
        } else if (array->type == META_BOOL) {
            g_string_append(out, array->ints[i] ? "true" : "false");
        } else {
            g_string_append_printf(out, "%" G_GINT64_FORMAT, array->ints[i]);
        }
    }
    if (array->n > 6)
        g_string_append(out, ", …");
}

static char *text_of(const struct entry *entry)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    switch (entry->type) {
    case META_INT: return g_strdup_printf("%" G_GINT64_FORMAT, entry->number);
    case META_FLOAT: return g_strdup(g_ascii_formatd(number, sizeof number, "%.9g", entry->real));
    case META_BOOL: return g_strdup(entry->number ? "true" : "false");
    case META_STRING: return nawi_quote(entry->text, entry->n_bytes);
    case META_ARRAY: break;
    }
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "%" G_GUINT64_FORMAT " %s%s", entry->array.n,
                           elements_name(entry->array.type), entry->array.n ? ":" : "");
    append_elements(out, &entry->array);
    return g_string_free(out, FALSE);
}

/* The start of every message: file and key. */
static char *place(const struct nawi_meta *meta, const char *key)
{
    char *quoted = nawi_quote(key, strlen(key));
    char *text = g_strdup_printf("%s: key %s", meta->source, quoted);
    g_free(quoted);
    return text;
}

static bool fail(const struct nawi_meta *meta, const struct entry *entry, const char *expected,
                 GError **error)
{
    char *where = place(meta, entry->key);
    char *value = text_of(entry);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: expected %s, found %s%s", where,
                expected, found_name(entry->type), value);
    g_free(value);
    g_free(where);
    return false;
}

struct nawi_meta *meta_create(const char *source)
{
    struct nawi_meta *meta = g_new0(struct nawi_meta, 1);
    meta->source = g_strdup(source);
    meta->entries = g_ptr_array_new_with_free_func(destroy_entry);
    meta->by_key = g_hash_table_new(g_str_hash, g_str_equal);
    meta->kept = g_array_new(FALSE, FALSE, sizeof(struct kept));
    return meta;
}

void meta_destroy(struct nawi_meta *meta)
{
    if (!meta)
        return;
    g_hash_table_destroy(meta->by_key);
    g_ptr_array_free(meta->entries, TRUE);
    for (guint i = 0; i < meta->kept->len; i++) {
        const struct kept *kept = &g_array_index(meta->kept, struct kept, i);
        if (kept->destroy)
            kept->destroy(kept->memory);
    }
    g_array_free(meta->kept, TRUE);
    g_free(meta->source);
    g_free(meta);
}

const char *meta_get_source(const struct nawi_meta *meta) { return meta->source; }

void meta_set_int(struct nawi_meta *meta, const char *key, int64_t value)
{
    struct entry *entry = renew(meta, key);
    entry->type = META_INT;
    entry->number = value;
}

void meta_set_float(struct nawi_meta *meta, const char *key, double value)
{
    struct entry *entry = renew(meta, key);
    entry->type = META_FLOAT;
    entry->real = value;
}

void meta_set_bool(struct nawi_meta *meta, const char *key, bool value)
{
    struct entry *entry = renew(meta, key);
    entry->type = META_BOOL;
    entry->number = value;
}

void meta_set_string(struct nawi_meta *meta, const char *key, const char *text, size_t n_bytes)
{
    char *copy = g_malloc(n_bytes + 1);
    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    struct entry *entry = renew(meta, key);
    entry->type = META_STRING;
    entry->text = copy;
    entry->n_bytes = n_bytes;
}

void meta_set_array(struct nawi_meta *meta, const char *key, const struct meta_array *array)
{
    struct entry *entry = renew(meta, key);
    entry->type = META_ARRAY;
    entry->array = *array;
}

void meta_keep(struct nawi_meta *meta, void *memory, GDestroyNotify destroy)
{
    const struct kept kept = {memory, destroy};
    g_array_append_val(meta->kept, kept);
}

void meta_remove(struct nawi_meta *meta, const char *key)
{
    struct entry *entry = g_hash_table_lookup(meta->by_key, key);
    if (!entry)
        return;
    g_hash_table_remove(meta->by_key, key);
    g_ptr_array_remove(meta->entries, entry);
}

/* A whole number that is all of text. */
static bool parse_int(const char *text, int64_t *value)
{
    if (!g_ascii_isdigit(text[text[0] == '-' || text[0] == '+']))
        return false;
    char *end = NULL;
    errno = 0;
    *value = g_ascii_strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* A finite number, in decimal, that is all of text. */
static bool parse_float(const char *text, double *value)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    char *end = NULL;
    *value = g_ascii_strtod(text, &end);
    return *end == '\0' && isfinite(*value);
}

static bool set_like(struct nawi_meta *meta, const struct entry *old, const char *text,
                     GError **error)
{
    int64_t number = 0;
    double real = 0;
    if (old->type == META_STRING) {
        meta_set_string(meta, old->key, text, strlen(text));
        return true;
    }
    if (old->type == META_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        meta_set_bool(meta, old->key, text[0] == 't');
        return true;
    }
    if (old->type == META_INT && parse_int(text, &number)) {
        meta_set_int(meta, old->key, number);
        return true;
    }
    if (old->type == META_FLOAT && parse_float(text, &real)) {
        meta_set_float(meta, old->key, real);
        return true;
    }
    char *key = nawi_quote(old->key, strlen(old->key));
    char *quoted = nawi_quote(text, strlen(text));
    if (old->type == META_ARRAY)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "setting key %s: it holds an array, which cannot be set", key);
    else
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "setting key %s: expected %s, found %s",
                    key, type_name(old->type), quoted);
    g_free(quoted);
    g_free(key);
    return false;
}

bool meta_set_text(struct nawi_meta *meta, const char *assignment, GError **error)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) {
        char *quoted = nawi_quote(assignment, strlen(assignment));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "expected KEY=VALUE, found %s", quoted);
        g_free(quoted);
        return false;
    }
    const char *text = equals + 1;
    char *key = g_strndup(assignment, (gsize)(equals - assignment));
    const struct entry *old = g_hash_table_lookup(meta->by_key, key);
    int64_t number = 0;
    double real = 0;
    bool done = true;
    if (old)
        done = set_like(meta, old, text, error);
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        meta_set_bool(meta, key, text[0] == 't');
    else if (parse_int(text, &number))
        meta_set_int(meta, key, number);
    else if (parse_float(text, &real))
        meta_set_float(meta, key, real);
    else
        meta_set_string(meta, key, text, strlen(text));
    g_free(key);
    return done;
}

bool meta_has(const struct nawi_meta *meta, const char *key)
{
    return g_hash_table_contains(meta->by_key, key);
}

bool meta_was_read(const struct nawi_meta *meta, const char *key)
{
    struct entry *entry = g_hash_table_lookup(meta->by_key, key);
    return entry && atomic_load(&entry->was_read);
}

/* What a getter looks at; NULL: absent. */
static const struct entry *read_entry(const struct nawi_meta *meta, const char *key)
{
    struct entry *entry = g_hash_table_lookup(meta->by_key, key);
    if (entry)
        atomic_store(&entry->was_read, true);
    return entry;
}

bool meta_get_int(const struct nawi_meta *meta, const char *key, int64_t least, int64_t most,
                  int64_t *value, GError **error)
{
    const struct entry *entry = read_entry(meta, key);
    if (!entry)
        return true;
    if (entry->type == META_INT && entry->number >= least && entry->number <= most) {
        *value = entry->number;
        return true;
    }
    char *expected = g_strdup_printf(
        "a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, least, most);
    fail(meta, entry, expected, error);
    g_free(expected);
    return false;
}

bool meta_need_int(const struct nawi_meta *meta, const char *key, int64_t least, int64_t most,
                   int64_t *value, GError **error)
{
    if (meta_has(meta, key))
        return meta_get_int(meta, key, least, most, value, error);
    char *where = place(meta, key);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: expected a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                ", but the key is missing",
                where, least, most);
    g_free(where);
    return false;
}

bool meta_get_float(const struct nawi_meta *meta, const char *key, double least, double most,
                    double *value, GError **error)
{
    const struct entry *entry = read_entry(meta, key);
    if (!entry)
        return true;
    const double found = entry->type == META_INT ? (double)entry->number : entry->real;
    if ((entry->type == META_INT || entry->type == META_FLOAT) && found >= least && found <= most) {
        *value = found;
        return true;
    }
    char low[G_ASCII_DTOSTR_BUF_SIZE];
    char high[G_ASCII_DTOSTR_BUF_SIZE];
    char *expected =
        g_strdup_printf("a number from %s to %s", g_ascii_formatd(low, sizeof low, "%.9g", least),
                        g_ascii_formatd(high, sizeof high, "%.9g", most));
    fail(meta, entry, expected, error);
    g_free(expected);
    return false;
}

bool meta_get_bool(const struct nawi_meta *meta, const char *key, bool *value, GError **error)
{
    const struct entry *entry = read_entry(meta, key);
    if (!entry)
        return true;
    if (entry->type != META_BOOL)
        return fail(meta, entry, type_name(META_BOOL), error);
    *value = entry->number != 0;
    return true;
}

bool meta_get_string(const struct nawi_meta *meta, const char *key, const char **value,
                     GError **error)
{
    const struct entry *entry = read_entry(meta, key);
    if (!entry)
        return true;
    if (entry->type != META_STRING)
        return fail(meta, entry, type_name(META_STRING), error);
    if (memchr(entry->text, '\0', entry->n_bytes))
        return fail(meta, entry, "a string without zero bytes", error);
    *value = entry->text;
    return true;
}

bool meta_get_array(const struct nawi_meta *meta, const char *key, enum meta_type type,
                    const struct meta_array **array, GError **error)
{
    const struct entry *entry = read_entry(meta, key);
    *array = NULL;
    if (!entry)
        return true;
    if (entry->type == META_ARRAY && (entry->array.type == type || entry->array.n == 0)) {
        *array = &entry->array;
        return true;
    }
    char *expected = g_strdup_printf("an array of %s", elements_name(type));
    fail(meta, entry, expected, error);
    g_free(expected);
    return false;
}

guint meta_count(const struct nawi_meta *meta) { return meta->entries->len; }

const char *meta_get_key(const struct nawi_meta *meta, guint index, char **value_text)
{
    const struct entry *entry = g_ptr_array_index(meta->entries, index);
    if (value_text)
        *value_text = text_of(entry);
    return entry->key;
}
