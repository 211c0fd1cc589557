/* Walks accepted JSON by its brackets and strings alone. */
#include "app/cli/span.h"

#include <string.h>

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

/* at: the opening quote. */
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

const char *span_get_end(const char *at)
{
    size_t depth = 0;
    at = skip_space(at);
    if (*at == '"')
        return skip_string(at);
    if (*at != '{' && *at != '[')
        return at + strcspn(at, ",]} \t\r\n");
    while (*at) {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0)
            break;
    }
    return at;
}

const char *span_find_member(const char *at, const char *key)
{
    size_t n_key = strlen(key);
    at = skip_space(at);
    if (*at != '{')
        return NULL;
    at = skip_space(at + 1);
    while (*at == '"') {
        const char *end = skip_string(at);
        bool same = (size_t)(end - at) == n_key + 2 && memcmp(at + 1, key, n_key) == 0;
        at = skip_space(end);
        if (*at != ':')
            return NULL;
        at = skip_space(at + 1);
        if (same)
            return at;
        at = skip_space(span_get_end(at));
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return NULL;
}

const char *span_find_element(const char *at, size_t index)
{
    at = skip_space(at);
    if (*at != '[')
        return NULL;
    at = skip_space(at + 1);
    for (size_t i = 0; *at && *at != ']'; i++) {
        if (i == index)
            return at;
        at = skip_space(span_get_end(at));
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return NULL;
}
