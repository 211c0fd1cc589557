/* Finds the vision tower that lies beside a text model.
 *
 * A candidate is a GGUF file in the same folder whose architecture is "clip", that has a vision
 * encoder, and whose output is as wide as the text model. Of several, the one whose name fits best;
 * of several that differ in the number format alone, the one in the text model's own format, else
 * BF16, F16, F32, Q8_0 in this order. A name that tells of another model is never taken. */
#include "engine/file/gguf.h"
#include "engine/file/mapping.h"
#include "engine/file/weights.h"

#include <string.h>

enum fit { FIT_NONE, FIT_NAMELESS, FIT_TITLE, FIT_NAME };

struct candidate {
    char *path;
    char *format; /* "f16", "bf16" … from the file's name; or "" */
    enum fit fit;
};

static const char *const formats[] = {"bf16", "f16", "f32", "q8_0"}; /* best first */

/* Lower case, with "-" for "_", " " and ".", without ".gguf". */
static char *normalise(const char *name)
{
    char *text = g_ascii_strdown(name, -1);
    if (g_str_has_suffix(text, ".gguf"))
        text[strlen(text) - strlen(".gguf")] = '\0';
    return g_strdelimit(text, "_ .", '-');
}

/* Cuts a part like "-f16" or "-q4-k-m" off the end of a normalised name and returns it. */
static char *cut_format(char *name)
{
    static const char *const heads[] = {"f16", "bf16", "f32", "q1",  "q2",  "q3",  "q4",    "q5",
                                        "q6",  "q8",   "iq1", "iq2", "iq3", "iq4", "mxfp4", "ud"};
    for (char *at = name; at && *at; at = strchr(at + 1, '-')) {
        const char *part = *at == '-' ? at + 1 : at;
        for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
            const size_t n = strlen(heads[i]);
            if (strncmp(part, heads[i], n) == 0 && (part[n] == '\0' || part[n] == '-')) {
                char *format = g_strdup(part);
                *at = '\0';
                return format;
            }
        }
    }
    return g_strdup("");
}

/* "Model-Q4_K_M-00001-of-00002.gguf" → "model", and "q4-k-m" as format. */
static char *bare_name(const char *name, char **format)
{
    char *text = normalise(name);
    const size_t n = strlen(text);
    const size_t n_tail = strlen("-00001-of-00001");
    if (n > n_tail && memcmp(text + n - n_tail + 6, "-of-", 4) == 0)
        text[n - n_tail] = '\0';
    if (strncmp(text, "mmproj", 6) == 0) {
        char *rest = g_strdup(text + 6 + (text[6] == '-'));
        g_free(text);
        text = rest;
    }
    *format = cut_format(text);
    if (strcmp(text, "model") == 0)
        text[0] = '\0';
    return text;
}

/* The bare name of a string key; "" when the file has none. */
static char *title_of(const struct mapping *mapping, const char *key)
{
    char *format = NULL;
    char *title = gguf_peek(mapping->base, mapping->n_bytes, key);
    char *bare = bare_name(title ? title : "", &format);
    g_free(format);
    g_free(title);
    return bare;
}

static bool same_title(const struct mapping *text, const struct mapping *tower)
{
    static const char *const keys[] = {"general.name", "general.basename"};
    bool same = false;
    for (size_t i = 0; i < G_N_ELEMENTS(keys) && !same; i++) {
        char *a = title_of(text, keys[i]);
        char *b = title_of(tower, keys[i]);
        same = a[0] != '\0' && strcmp(a, b) == 0;
        g_free(b);
        g_free(a);
    }
    return same;
}

/* True when one of the two names continues the other at a hyphen. */
static bool continues(const char *a, const char *b)
{
    const size_t n = MIN(strlen(a), strlen(b));
    const char *longer = strlen(a) > n ? a : b;
    return strncmp(a, b, n) == 0 && (longer[n] == '\0' || longer[n] == '-');
}

/* The architecture of files that hold a tower alone. */
static bool is_clip(const struct mapping *text)
{
    char *arch = gguf_peek(text->base, text->n_bytes, "general.architecture");
    const bool is = arch && strcmp(arch, "clip") == 0;
    g_free(arch);
    return is;
}

/* Reads the tower's header: it must see, and speak to a model `n_embd` wide (0: not known). */
static bool is_tower(const struct mapping *tower, const char *path, int64_t n_embd)
{
    if (!is_clip(tower))
        return false;
    struct nawi_meta *meta = meta_create(path);
    struct gguf *gguf = gguf_parse(path, tower->base, tower->n_bytes, meta, NULL);
    bool sees = true;
    int64_t n_out = n_embd;
    const bool good =
        gguf && meta_get_bool(meta, "clip.has_vision_encoder", &sees, NULL) && sees &&
        meta_get_int(meta, "clip.vision.projection_dim", 1, INT32_MAX, &n_out, NULL) &&
        (n_embd == 0 || n_out == n_embd);
    gguf_free(gguf);
    meta_destroy(meta);
    return good;
}

/* Width of the text model, 0 when it cannot be told. */
static int64_t width_of(const struct mapping *text, const char *path)
{
    struct nawi_meta *meta = meta_create(path);
    gguf_free(gguf_parse(path, text->base, text->n_bytes, meta, NULL));
    const char *arch = "";
    int64_t n_embd = 0;
    if (meta_get_string(meta, "general.architecture", &arch, NULL)) {
        char *key = g_strconcat(arch, ".embedding_length", NULL);
        if (!meta_get_int(meta, key, 1, INT32_MAX, &n_embd, NULL))
            n_embd = 0;
        g_free(key);
    }
    meta_destroy(meta);
    return n_embd;
}

static enum fit compare(const struct mapping *text, const char *text_name,
                        const struct mapping *tower, const char *tower_name)
{
    if (tower_name[0] != '\0' && strcmp(tower_name, text_name) == 0)
        return FIT_NAME;
    if (same_title(text, tower))
        return FIT_TITLE;
    if (tower_name[0] != '\0' && text_name[0] != '\0' && continues(tower_name, text_name))
        return FIT_TITLE;
    return tower_name[0] == '\0' || text_name[0] == '\0' ? FIT_NAMELESS : FIT_NONE;
}

static void clear_candidate(gpointer data)
{
    struct candidate *candidate = data;
    g_free(candidate->path);
    g_free(candidate->format);
}

/* Looks at one file beside the model, and appends it when it is a tower that fits. */
static void consider(GArray *found, const char *path, const struct mapping *text,
                     const char *text_name, int64_t n_embd)
{
    struct mapping tower;
    if (!mapping_open(&tower, path, NULL))
        return;
    struct candidate candidate = {0};
    char *base = g_path_get_basename(path);
    char *name = bare_name(base, &candidate.format);
    if (is_tower(&tower, path, n_embd))
        candidate.fit = compare(text, text_name, &tower, name);
    if (candidate.fit != FIT_NONE) {
        candidate.path = g_strdup(path);
        g_array_append_val(found, candidate);
    } else {
        clear_candidate(&candidate);
    }
    g_free(name);
    g_free(base);
    mapping_close(&tower);
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(((const struct candidate *)a)->path, ((const struct candidate *)b)->path);
}

/* All towers beside path that fit, in order of name; *format is that of the text model's name. */
static GArray *search(const char *path, char **format)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    g_array_set_clear_func(found, clear_candidate);
    char *base = g_path_get_basename(path);
    char *folder = g_path_get_dirname(path);
    char *name = bare_name(base, format);
    struct mapping text;
    GDir *dir = NULL;
    if (mapping_open(&text, path, NULL)) {
        const int64_t n_embd = width_of(&text, path);
        const char *entry;
        dir = is_clip(&text) ? NULL : g_dir_open(folder, 0, NULL);
        while (dir && (entry = g_dir_read_name(dir))) {
            if (!g_str_has_suffix(entry, ".gguf") || strcmp(entry, base) == 0)
                continue;
            char *other = g_build_filename(folder, entry, NULL);
            consider(found, other, &text, name, n_embd);
            g_free(other);
        }
        mapping_close(&text);
    }
    if (dir)
        g_dir_close(dir);
    g_array_sort(found, by_name);
    g_free(name);
    g_free(folder);
    g_free(base);
    return found;
}

/* How well the number format suits: 0 is the text model's own. */
static size_t rank(const struct candidate *candidate, const char *format)
{
    if (strcmp(candidate->format, format) == 0)
        return 0;
    size_t i = 0;
    while (i < G_N_ELEMENTS(formats) && strcmp(candidate->format, formats[i]) != 0)
        i++;
    return i + 1;
}

/* The single best of found; NULL when there is none, or several (*n_tied) are equally good. */
static const struct candidate *choose(const GArray *found, const char *format, guint *n_tied)
{
    const struct candidate *best = NULL;
    *n_tied = 0;
    for (guint i = 0; i < found->len; i++) {
        const struct candidate *one = &g_array_index(found, struct candidate, i);
        const bool better = !best || one->fit > best->fit ||
                            (one->fit == best->fit && rank(one, format) < rank(best, format));
        const bool equal = best && one->fit == best->fit && rank(one, format) == rank(best, format);
        if (better)
            best = one;
        *n_tied = better ? 1 : *n_tied + equal;
    }
    return *n_tied == 1 ? best : NULL;
}

char *weights_find_mmproj(const char *path)
{
    char *format = NULL;
    guint n_tied = 0;
    GArray *found = search(path, &format);
    const struct candidate *best = choose(found, format, &n_tied);
    char *chosen = best ? g_strdup(best->path) : NULL;
    g_array_free(found, TRUE);
    g_free(format);
    return chosen;
}

char *weights_explain_mmproj(const char *path)
{
    char *format = NULL;
    guint n_tied = 0;
    GArray *found = search(path, &format);
    GString *text = NULL;
    if (!choose(found, format, &n_tied) && found->len > 0) {
        text = g_string_new(NULL);
        g_string_append_printf(text,
                               "%s: %u vision towers beside it fit equally well, so none is "
                               "used; name one with --mmproj:",
                               path, found->len);
        for (guint i = 0; i < found->len; i++)
            g_string_append_printf(text, " %s", g_array_index(found, struct candidate, i).path);
    }
    g_array_free(found, TRUE);
    g_free(format);
    return text ? g_string_free(text, FALSE) : NULL;
}
