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
    GString *known = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(families); i++)
        g_string_append_printf(known, "%s%s", i ? " or " : "", families[i]->name);
    char *quoted = name ? nawi_quote(name, strlen(name)) : g_strdup("none");
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "%s: general.architecture: expected %s, found %s%s", weights_get_path(weights),
                known->str, quoted,
                name && strcmp(name, "clip") == 0 ? " (a vision tower: --mmproj takes it)" : "");
    g_string_free(known, TRUE);
    g_free(quoted);
    return NULL;
}

bool arch_has_tower(const struct nawi_weights *weights, const struct arch_family **family)
{
    for (guint i = 0; i < G_N_ELEMENTS(families); i++)
        if (families[i]->has_tower && families[i]->has_tower(weights)) {
            *family = families[i];
            return true;
        }
    return false;
}
