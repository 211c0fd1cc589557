/* Reading and writing token ids. Ids are whole numbers from 0 to 2^31 - 1; whether a vocabulary
 * has them is for the vocabulary to say. */
#include "app/cli/ids.h"

#include "app/cli/input.h"
#include "engine/file/json.h"

#include <string.h>

static const struct nawi_json_limits limits = {
    .n_bytes = (size_t)64 << 20, .n_values = 8000000, .depth = 8};

static GArray *from_json(const char *name, json_t *root, GError **error)
{
    if (!json_is_array(root)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: wanted a JSON array of token ids, found an object", name);
        return NULL;
    }
    size_t n = json_array_size(root);
    GArray *ids = g_array_sized_new(FALSE, FALSE, sizeof(int32_t), (guint)n);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(root, i);
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id > INT32_MAX) {
            char *found = nawi_json_describe(value);
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: element %zu: wanted a token id, found %s", name, i, found);
            g_free(found);
            g_array_unref(ids);
            return NULL;
        }
        int32_t token = (int32_t)id;
        g_array_append_val(ids, token);
    }
    return ids;
}

static GArray *parse(const char *name, const char *text, size_t n_bytes, GError **error)
{
    json_t *root = nawi_json_parse(name, text, n_bytes, &limits, error);
    if (!root)
        return NULL;
    GArray *ids = from_json(name, root, error);
    json_decref(root);
    return ids;
}

GArray *ids_read(const char *path, GError **error)
{
    size_t n_bytes = 0;
    char *text = input_read(path, limits.n_bytes, &n_bytes, error);
    if (!text)
        return NULL;
    char *name = input_name(path);
    GArray *ids = parse(name, text, n_bytes, error);
    g_free(name);
    g_free(text);
    return ids;
}

bool ids_write(struct terminal *terminal, const GArray *ids)
{
    GString *text = g_string_new("[");
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(text, "%s%d", i ? ", " : "", g_array_index(ids, int32_t, i));
    g_string_append(text, "]\n");
    bool done = terminal_write(terminal, text->str, text->len);
    g_string_free(text, TRUE);
    return done;
}
