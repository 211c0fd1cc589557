/* The array of families: the one old file that a new family touches. */
#include "engine/arch/families.h"

#include <string.h>

static const struct arch_family *const families[] = {&arch_llama, &arch_llama4};

const struct arch_family *arch_find(const struct nawi_weights *weights, GError **error)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    const char *name = NULL;
    if (!meta_get_string(meta, "general.architecture", &name, error))
        return NULL;
    for (guint i = 0; name && i < G_N_ELEMENTS(families); i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    char *quoted = name ? nawi_quote(name, strlen(name)) : g_strdup("none");
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "%s: general.architecture: expected llama or llama4, found %s",
                weights_get_path(weights), quoted);
    g_free(quoted);
    return NULL;
}

bool arch_has_tower(const struct nawi_weights *weights, const struct arch_family **family)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    if (!weights_find(weights, "v.patch_embd.weight") && !meta_has(meta, "clip.vision.patch_size"))
        return false;
    *family = &arch_llama4;
    return true;
}
