/* Any bytes as JSON: what is let through can be written and read again as the same, and getters
 * return or refuse. */
#include "engine/file/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_getters(const json_t *root)
{
    struct nawi_json_at at;
    const char *key;
    json_t *value;
    if (!nawi_json_root("fuzz.json", root, &at, NULL))
        return;
    json_object_foreach((json_t *)root, key, value)
    {
        struct nawi_json_at child;
        int64_t number = 0;
        double real = 0;
        bool truth = false;
        const char *text = NULL;
        const json_t *array = NULL;
        char *described = nawi_json_describe(value);
        GError *error = NULL;
        if (!g_utf8_validate(described, -1, NULL))
            abort();
        g_free(described);
        if (!nawi_json_get_int(&at, key, -10, 10, &number, &error) && !error)
            abort();
        if (number < -10 || number > 10)
            abort();
        g_clear_error(&error);
        nawi_json_get_float(&at, key, -1, 1, &real, NULL);
        nawi_json_get_bool(&at, key, &truth, NULL);
        nawi_json_get_string(&at, key, &text, NULL);
        nawi_json_get_array(&at, key, &array, NULL);
        nawi_json_get_object(&at, key, &child, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    const struct nawi_json_limits limits = {.n_values = 10000};
    json_t *root = nawi_json_parse("fuzz.json", (const char *)data, size, &limits, &error);
    if ((root == NULL) != (error != NULL))
        abort();
    if (error && !g_utf8_validate(error->message, -1, NULL))
        abort();
    g_clear_error(&error);
    if (!root)
        return 0;
    use_getters(root);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_t *again = text ? json_loads(text, 0, NULL) : NULL;
    if (!again || !json_equal(root, again))
        abort();
    free(text);
    json_decref(again);
    json_decref(root);
    return 0;
}
