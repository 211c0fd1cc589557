/* Finding Cria: by the environment, else from where the program itself lies, so that a folder
 * that was moved as a whole, an installation below any prefix and a build tree all work without
 * a setting. */
#include "app/core/cria.h"

#include <string.h>

static const char model_name[] = "cria-q8_0.gguf";
static const char tower_name[] = "mmproj-cria-q8_0.gguf";

/* Takes both from folder when they are there; else notes where was looked. */
static bool look_in(const char *folder, char **model, char **mmproj, GString *looked)
{
    char *text = g_build_filename(folder, model_name, NULL);
    char *tower = g_build_filename(folder, tower_name, NULL);
    if (g_file_test(text, G_FILE_TEST_IS_REGULAR) && g_file_test(tower, G_FILE_TEST_IS_REGULAR)) {
        *model = text;
        *mmproj = tower;
        return true;
    }
    char *shown = nawi_quote(folder, strlen(folder));
    g_string_append_printf(looked, "%s%s", looked->len ? ", " : "", shown);
    g_free(shown);
    g_free(text);
    g_free(tower);
    return false;
}

bool cria_find(char **model, char **mmproj, GError **error)
{
    GString *looked = g_string_new(NULL);
    const char *named = g_getenv("NAWI_DATA_DIR");
    bool found = false;
    if (named && *named) {
        found = look_in(named, model, mmproj, looked);
    } else {
        char *program = g_file_read_link("/proc/self/exe", NULL);
        char *folder = program ? g_path_get_dirname(program) : NULL;
        /* bin/nawi → share/nawi; build/app/nawi → data */
        static const char *const ways[] = {NAWI_DATA_FROM_BIN, NAWI_DATA_FROM_BUILD};
        for (size_t i = 0; folder && !found && i < G_N_ELEMENTS(ways); i++) {
            char *beside = g_canonicalize_filename(ways[i], folder);
            found = look_in(beside, model, mmproj, looked);
            g_free(beside);
        }
        if (!found)
            found = look_in(NAWI_DATA_DIR, model, mmproj, looked);
        g_free(folder);
        g_free(program);
    }
    if (!found)
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_IO,
            "Cria, the model that comes with Nawi, is not there: looked for %s and %s in %s; "
            "--model names another",
            model_name, tower_name, looked->str);
    g_string_free(looked, TRUE);
    return found;
}
