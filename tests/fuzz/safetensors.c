/* Any bytes as a safetensors file: what the reader lets through lies inside them, gap and overlap
 * aside, under names that can be found again. */
#include "engine/file/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    struct safetensors *reader = safetensors_parse("fuzz.safetensors", data, size, &error);
    if ((reader == NULL) != (error != NULL))
        abort();
    uint64_t end = 0;
    for (guint i = 0; reader && i < safetensors_count(reader); i++) {
        const struct safetensors_tensor *t = safetensors_get(reader, i);
        if (t->begin > t->end || t->end > size || t->n_dim > SAFETENSORS_DIM_MOST)
            abort();
        if (i > 0 && t->begin != end)
            abort();
        if (safetensors_find(reader, t->name) != t)
            abort();
        end = t->end;
    }
    if (reader && safetensors_count(reader) > 0 && end != size)
        abort();
    g_clear_error(&error);
    safetensors_destroy(reader);
    return 0;
}
