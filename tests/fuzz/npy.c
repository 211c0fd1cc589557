/* Any bytes as a .npy file: what is let through has as many numbers as its shape says. */
#include "engine/file/npy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    struct nawi_npy npy;
    const bool good = nawi_npy_parse("fuzz.npy", data, size, &npy, &error);
    if (good != (error == NULL))
        abort();
    if (error && !g_utf8_validate(error->message, -1, NULL))
        abort();
    g_clear_error(&error);
    int64_t n = 1;
    for (int i = 0; good && i < NAWI_NPY_DIMS_MOST; i++)
        n *= npy.ne[i];
    if (good && (n != npy.n || (uint64_t)n > size || n < 1))
        abort();
    volatile uint8_t last = 0;
    for (int64_t i = 0; good && i < npy.n * (npy.type == NAWI_NPY_U8 ? 1 : 4); i++)
        last = ((const uint8_t *)npy.data)[i];
    (void)last;
    nawi_npy_finish(&npy);
    return 0;
}
