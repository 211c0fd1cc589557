/* Any bytes as a GGUF file: what is let through has tensors that lie in it, apart from each other,
 * and keys that can be printed and asked for. */
#include "engine/file/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_keys(const struct nawi_meta *meta)
{
    for (guint i = 0; i < meta_count(meta); i++) {
        char *text = NULL;
        const char *key = meta_get_key(meta, i, &text);
        int64_t number = 0;
        double real = 0;
        bool truth = false;
        const char *string = NULL;
        const struct meta_array *array = NULL;
        if (!g_utf8_validate(text, -1, NULL) || !g_utf8_validate(key, -1, NULL))
            abort();
        if (meta_get_int(meta, key, -9, 9, &number, NULL) && (number < -9 || number > 9))
            abort();
        meta_get_float(meta, key, -1, 1, &real, NULL);
        meta_get_bool(meta, key, &truth, NULL);
        meta_get_string(meta, key, &string, NULL);
        if (meta_get_array(meta, key, META_STRING, &array, NULL) && array)
            for (uint64_t k = 0; k < array->n; k++)
                if (memchr(array->strings[k].text, '\n', array->strings[k].n_bytes))
                    number++;
        g_free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    struct nawi_meta *meta = meta_create("fuzz.gguf");
    struct gguf *gguf = gguf_parse("fuzz.gguf", data, size, meta, &error);
    if ((gguf == NULL) != (error != NULL))
        abort();
    if (error && !g_utf8_validate(error->message, -1, NULL))
        abort();
    g_clear_error(&error);
    uint64_t total = 0;
    for (guint i = 0; gguf && i < gguf_count(gguf); i++) {
        const struct gguf_tensor *tensor = gguf_get(gguf, i);
        uint64_t n_bytes = 0;
        if (tensor->offset > size || tensor->n_bytes > size - tensor->offset ||
            !gguf_extent(tensor->dtype, tensor->n_dim, tensor->ne, &n_bytes) ||
            n_bytes != tensor->n_bytes)
            abort();
        total += n_bytes;
    }
    if (total > size)
        abort(); /* two tensors share bytes */
    use_keys(meta);
    g_free(gguf_peek(data, size, "general.architecture"));
    gguf_free(gguf);
    meta_destroy(meta);
    return 0;
}
