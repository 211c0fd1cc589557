/* Guarded JSON: a scan over the raw bytes counts brackets and values before Jansson builds its
 * tree, since a small text can ask for much depth or much memory. What the scan lets pass,
 * Jansson judges; its verdict is told in our words, because its own text repeats bytes of the
 * file.
 *
 * Knows nothing of models. */
#include "engine/file/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MOST 1024 /* Jansson recurses; its own limit is 2048 */

static struct nawi_json_limits fill_limits(const struct nawi_json_limits *limits)
{
    struct nawi_json_limits l = {0};
    if (limits)
        l = *limits;
    if (l.n_bytes == 0)
        l.n_bytes = (size_t)16 << 20;
    if (l.depth <= 0)
        l.depth = 64;
    if (l.depth > DEPTH_MOST)
        l.depth = DEPTH_MOST;
    if (l.n_values == 0)
        l.n_values = 4000000;
    return l;
}

/* Every value but the first of a container follows a comma or a colon, so counting these and the
 * opening brackets bounds the values. Inside strings nothing counts. */
static bool scan(const char *name, const char *text, size_t n_bytes,
                 const struct nawi_json_limits *limits, GError **error)
{
    int depth = 0;
    size_t n_values = 1;
    bool in_string = false;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        switch (c) {
        case '"': in_string = true; break;
        case '[':
        case '{':
            n_values++;
            if (++depth > limits->depth) {
                g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                            "%s: byte %zu: brackets nested more than %d deep", name, i,
                            limits->depth);
                return false;
            }
            break;
        case ']':
        case '}': depth--; break;
        case ',':
        case ':': n_values++; break;
        default: break;
        }
        if (n_values > limits->n_values) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: byte %zu: more than %zu values",
                        name, i, limits->n_values);
            return false;
        }
    }
    return true;
}

static const char *say_fault(const json_error_t *fault)
{
    switch (json_error_code(fault)) {
    case json_error_premature_end_of_input: return "the text ends in the middle of a value";
    case json_error_end_of_input_expected: return "there is more text after the value";
    case json_error_invalid_utf8: return "the text is not UTF-8";
    case json_error_null_byte_in_key:
    case json_error_null_character: return "a string holds the character NUL";
    case json_error_duplicate_key: return "a key occurs twice in one object";
    case json_error_numeric_overflow: return "a number is too large";
    case json_error_stack_overflow: return "brackets are nested too deep";
    case json_error_out_of_memory: return "there is not enough memory to read it";
    default: return "this is not JSON";
    }
}

/* The bytes around the place, for the reader of the message. */
static void set_fault(const char *name, const char *text, size_t n_bytes, const json_error_t *fault,
                      GError **error)
{
    enum json_error_code code = json_error_code(fault);
    size_t at = fault->position < 0 ? 0 : MIN((size_t)fault->position, n_bytes);
    size_t from = at > 12 ? at - 12 : 0;
    g_autofree char *near = nawi_quote(text + from, MIN(n_bytes - from, 24));
    g_set_error(error, NAWI_ERROR,
                code == json_error_out_of_memory ? NAWI_ERROR_MEMORY : NAWI_ERROR_FORMAT,
                "%s: line %d, column %d: %s, near %s", name, fault->line, fault->column,
                say_fault(fault), near);
}

json_t *nawi_json_parse(const char *name, const char *text, size_t n_bytes,
                        const struct nawi_json_limits *limits, GError **error)
{
    struct nawi_json_limits l = fill_limits(limits);
    if (n_bytes == 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: expected JSON, found nothing", name);
        return NULL;
    }
    if (n_bytes > l.n_bytes) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected at most %zu bytes of JSON, found %zu", name, l.n_bytes, n_bytes);
        return NULL;
    }
    if (!scan(name, text, n_bytes, &l, error))
        return NULL;
    json_error_t fault;
    size_t flags = JSON_REJECT_DUPLICATES | (l.reals ? JSON_DECODE_INT_AS_REAL : 0);
    json_t *root = json_loadb(text, n_bytes, flags, &fault);
    if (!root)
        set_fault(name, text, n_bytes, &fault, error);
    return root;
}

/* Reads all of a regular file. O_NONBLOCK keeps a pipe from holding us. */
static char *read_all(const char *path, size_t most_bytes, size_t *n_bytes, GError **error)
{
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: cannot be opened: %s", path,
                    g_strerror(errno));
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: expected a file, found a %s", path,
                    S_ISDIR(st.st_mode) ? "folder" : "device or pipe");
        goto done;
    }
    if (st.st_size < 0 || (uint64_t)st.st_size > most_bytes) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected at most %zu bytes of JSON, found %lld", path, most_bytes,
                    (long long)st.st_size);
        goto done;
    }
    size_t size = (size_t)st.st_size;
    text = g_try_malloc(size + 1);
    if (!text) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "%s: no memory for its %zu bytes", path,
                    size);
        goto done;
    }
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, text + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: cannot be read: %s", path,
                        g_strerror(errno));
            g_clear_pointer(&text, g_free);
            goto done;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *n_bytes = have;
done:
    if (fd >= 0)
        close(fd);
    return text;
}

json_t *nawi_json_read(const char *path, const struct nawi_json_limits *limits, GError **error)
{
    struct nawi_json_limits l = fill_limits(limits);
    size_t n_bytes = 0;
    g_autofree char *text = read_all(path, l.n_bytes, &n_bytes, error);
    if (!text)
        return NULL;
    return nawi_json_parse(path, text, n_bytes, &l, error);
}

bool nawi_json_root(const char *file, const json_t *root, struct nawi_json_at *at, GError **error)
{
    if (!json_is_object(root)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: expected an object, found an array",
                    file);
        return false;
    }
    *at = (struct nawi_json_at){.file = file, .path = "", .object = root};
    return true;
}

bool nawi_json_has(const struct nawi_json_at *at, const char *key)
{
    const json_t *value = json_object_get(at->object, key);
    return value && !json_is_null(value);
}

char *nawi_json_describe(const json_t *value)
{
    if (!value)
        return g_strdup("nothing");
    switch (json_typeof(value)) {
    case JSON_OBJECT: return g_strdup("an object");
    case JSON_ARRAY: return g_strdup_printf("an array of %zu", json_array_size(value));
    case JSON_STRING: return nawi_quote(json_string_value(value), json_string_length(value));
    case JSON_INTEGER: return g_strdup_printf("%lld", (long long)json_integer_value(value));
    case JSON_REAL: return g_strdup_printf("%.9g", json_real_value(value));
    case JSON_TRUE: return g_strdup("true");
    case JSON_FALSE: return g_strdup("false");
    default: return g_strdup("null");
    }
}

static void set_error(const struct nawi_json_at *at, const char *key, enum nawi_error_code code,
                      const char *sentence, GError **error)
{
    const char *dot = key && at->path[0] ? "." : "";
    const char *colon = key || at->path[0] ? ": " : "";
    g_set_error(error, NAWI_ERROR, code, "%s: %s%s%s%s%s", at->file, at->path, dot, key ? key : "",
                colon, sentence);
}

bool nawi_json_fault(const struct nawi_json_at *at, const char *key, GError **error,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *sentence = g_strdup_vprintf(format, args);
    va_end(args);
    set_error(at, key, NAWI_ERROR_FORMAT, sentence, error);
    return false;
}

bool nawi_json_unsupported(const struct nawi_json_at *at, const char *key, GError **error,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *sentence = g_strdup_vprintf(format, args);
    va_end(args);
    set_error(at, key, NAWI_ERROR_UNSUPPORTED, sentence, error);
    return false;
}

/* The value of a key, NULL for absent and null. */
static const json_t *look_up(const struct nawi_json_at *at, const char *key)
{
    const json_t *value = json_object_get(at->object, key);
    return json_is_null(value) ? NULL : value;
}

static bool refuse(const struct nawi_json_at *at, const char *key, const char *expected,
                   const json_t *value, GError **error)
{
    g_autofree char *found = nawi_json_describe(value);
    return nawi_json_fault(at, key, error, "expected %s, found %s", expected, found);
}

bool nawi_json_get_int(const struct nawi_json_at *at, const char *key, int64_t least, int64_t most,
                       int64_t *value, GError **error)
{
    const json_t *found = look_up(at, key);
    if (!found)
        return true;
    if (json_is_integer(found) && json_integer_value(found) >= least &&
        json_integer_value(found) <= most) {
        *value = json_integer_value(found);
        return true;
    }
    g_autofree char *expected =
        g_strdup_printf("a whole number %lld..%lld", (long long)least, (long long)most);
    return refuse(at, key, expected, found, error);
}

bool nawi_json_need_int(const struct nawi_json_at *at, const char *key, int64_t least, int64_t most,
                        int64_t *value, GError **error)
{
    if (!look_up(at, key))
        return nawi_json_fault(at, key, error, "expected a whole number %lld..%lld, found nothing",
                               (long long)least, (long long)most);
    return nawi_json_get_int(at, key, least, most, value, error);
}

bool nawi_json_get_float(const struct nawi_json_at *at, const char *key, double least, double most,
                         double *value, GError **error)
{
    const json_t *found = look_up(at, key);
    if (!found)
        return true;
    double number = json_number_value(found);
    if (json_is_number(found) && number >= least && number <= most) {
        *value = number;
        return true;
    }
    g_autofree char *expected = g_strdup_printf("a number %g..%g", least, most);
    return refuse(at, key, expected, found, error);
}

bool nawi_json_get_bool(const struct nawi_json_at *at, const char *key, bool *value, GError **error)
{
    const json_t *found = look_up(at, key);
    if (!found)
        return true;
    if (!json_is_boolean(found))
        return refuse(at, key, "true or false", found, error);
    *value = json_is_true(found);
    return true;
}

bool nawi_json_get_string(const struct nawi_json_at *at, const char *key, const char **value,
                          GError **error)
{
    const json_t *found = look_up(at, key);
    if (!found)
        return true;
    if (!json_is_string(found))
        return refuse(at, key, "a string", found, error);
    *value = json_string_value(found);
    return true;
}

bool nawi_json_get_array(const struct nawi_json_at *at, const char *key, const json_t **array,
                         GError **error)
{
    *array = look_up(at, key);
    if (*array && !json_is_array(*array))
        return refuse(at, key, "an array", *array, error);
    return true;
}

bool nawi_json_get_object(const struct nawi_json_at *at, const char *key,
                          struct nawi_json_at *child, GError **error)
{
    *child = (struct nawi_json_at){.file = at->file, .path = key, .object = look_up(at, key)};
    if (child->object && !json_is_object(child->object))
        return refuse(at, key, "an object", child->object, error);
    return true;
}
