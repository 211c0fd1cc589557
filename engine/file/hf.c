/* Opens a Hugging Face folder: reads the small files, maps the large ones, and leaves the
 * tensors to hf-tensors.c. A single .safetensors file is opened too, as a container: its tensors
 * have names and numbers, but nothing says what model they make. */
#include "engine/file/hf.h"

#include "engine/file/hf-tensors.h"
#include "engine/file/hf-tokenizer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CHAT_BYTES_MOST ((gsize)1 << 20)

struct hf {
    struct nawi_weights *weights;
    char *real;  /* the folder, without links */
    char *blobs; /* of the download cache it belongs to; NULL: none */
    struct config_facts facts;
    struct safetensors_index index;
    GArray *sources; /* struct hf_source */
    struct hf_tensors tensors;
};

/* ── The folder ──────────────────────────────────────────────────────────────────────────────── */

static bool is_below(const char *path, const char *folder)
{
    size_t n = folder ? strlen(folder) : 0;
    return n > 0 && strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* …/snapshots/COMMIT → …/blobs. */
static char *find_blobs(const char *real)
{
    g_autofree char *snapshots = g_path_get_dirname(real);
    if (!g_str_has_suffix(snapshots, "/snapshots"))
        return NULL;
    g_autofree char *top = g_path_get_dirname(snapshots);
    return g_build_filename(top, "blobs", NULL);
}

/* Path of an entry in *path, or NULL when there is none (a link to nothing is one). False: it
 * leads out of the folder, or cannot be followed. */
static bool find_entry(const struct hf *hf, const char *name, char **path, GError **error)
{
    g_autofree char *entry = g_build_filename(hf->weights->path, name, NULL);
    *path = NULL;
    g_autofree char *link = g_file_read_link(entry, NULL);
    if (!link && !g_file_test(entry, G_FILE_TEST_EXISTS))
        return true;
    char *resolved = realpath(entry, NULL);
    if (!resolved) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", entry, g_strerror(errno));
        return false;
    }
    bool is_inside = is_below(resolved, hf->real) || is_below(resolved, hf->blobs);
    free(resolved);
    if (!is_inside) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected a file of this folder, found a link that leads out of it", entry);
        return false;
    }
    *path = g_steal_pointer(&entry);
    return true;
}

/* The document in *root, NULL when there is no such file. */
static bool read_json(const struct hf *hf, const char *name, const struct nawi_json_limits *limits,
                      char **path, json_t **root, GError **error)
{
    *root = NULL;
    if (!find_entry(hf, name, path, error))
        return false;
    if (!*path)
        return true;
    *root = nawi_json_read(*path, limits, error);
    return *root != NULL;
}

/* ── Configuration ───────────────────────────────────────────────────────────────────────────── */

static bool read_config(struct hf *hf, GError **error)
{
    g_autofree char *path = NULL;
    json_t *root;
    if (!read_json(hf, "config.json", NULL, &path, &root, error))
        return false;
    if (!root) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO,
                    "%s: expected a file config.json in this folder, found none",
                    hf->weights->path);
        return false;
    }
    bool ok = config_parse(path, root, hf->weights->meta, &hf->facts, error);
    json_decref(root);
    return ok;
}

static bool read_generation(struct hf *hf, GError **error)
{
    g_autofree char *path = NULL;
    json_t *root;
    if (!read_json(hf, "generation_config.json", NULL, &path, &root, error))
        return false;
    bool ok = !root || config_parse_generation(path, root, hf->weights->meta, error);
    json_decref(root);
    return ok;
}

static bool read_processor(struct hf *hf, GError **error)
{
    const char *const names[] = {"preprocessor_config.json", "processor_config.json"};
    bool ok = true;
    bool done = !hf->facts.has_vision;
    for (size_t i = 0; ok && !done && i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = NULL;
        json_t *root;
        ok = read_json(hf, names[i], NULL, &path, &root, error);
        if (ok && root) {
            ok = config_parse_processor(path, root, &hf->facts, hf->weights->meta, error);
            done = true;
        }
        json_decref(root);
    }
    return ok;
}

/* The text in *chat, NULL when there is no such file. */
static bool read_chat(const struct hf *hf, char **chat, GError **error)
{
    g_autofree char *path = NULL;
    *chat = NULL;
    if (!find_entry(hf, "chat_template.jinja", &path, error))
        return false;
    if (!path)
        return true;
    struct mapping map;
    if (!mapping_open(&map, path, error))
        return false;
    bool ok = map.n_bytes <= CHAT_BYTES_MOST && g_utf8_validate_len(map.base, map.n_bytes, NULL);
    if (ok)
        *chat = g_strndup(map.base, map.n_bytes);
    else
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected at most %zu bytes of UTF-8 text", path, CHAT_BYTES_MOST);
    mapping_close(&map);
    return ok;
}

static bool parse_tokenizer(const struct hf *hf, struct hf_tokenizer_files *files, int64_t n_vocab,
                            GError **error)
{
    g_autofree char *config_path = NULL;
    g_autofree char *chat = NULL;
    json_t *config = NULL;
    const struct nawi_json_limits limits = {.reals = true};
    bool ok = read_json(hf, "tokenizer_config.json", &limits, &config_path, &config, error) &&
              read_chat(hf, &chat, error);
    files->config_file = config_path;
    files->config = config;
    files->chat = chat;
    ok = ok && hf_tokenizer_parse(files, n_vocab, hf->weights->meta, error);
    json_decref(config);
    return ok;
}

/* A folder without tokenizer.json has no tokens; who needs them finds out. */
static bool read_tokenizer(const struct hf *hf, GError **error)
{
    g_autofree char *path = NULL;
    g_autofree char *key = g_strdup_printf("%s.vocab_size", hf->facts.arch);
    int64_t n_vocab = 0;
    json_t *root;
    const struct nawi_json_limits limits = {.n_bytes = (size_t)128 << 20};
    if (!meta_need_int(hf->weights->meta, key, 1, INT32_MAX, &n_vocab, error) ||
        !read_json(hf, "tokenizer.json", &limits, &path, &root, error))
        return false;
    if (!root)
        return true;
    struct hf_tokenizer_files files = {.file = path, .root = root};
    bool ok = parse_tokenizer(hf, &files, n_vocab, error);
    json_decref(root);
    return ok;
}

/* ── What follows from the whole ─────────────────────────────────────────────────────────────── */

static bool add_divisors(struct hf *hf, GError **error)
{
    int64_t n = hf->facts.d_head / 2;
    float *divisors = g_new(float, (gsize)n);
    weights_keep(hf->weights, divisors);
    if (!config_divide_rope(&hf->facts.rope, hf->facts.d_head, divisors))
        return true;
    struct nawi_weight w = {.name = "rope_freqs.weight",
                            .dtype = NAWI_DTYPE_F32,
                            .n_dim = 1,
                            .ne = {n, 1, 1, 1},
                            .file = -1,
                            .data = divisors};
    weights_set_plain(&w);
    return weights_add(hf->weights, &w, error) != NULL;
}

static bool check_head(const struct hf *hf, GError **error)
{
    g_autofree char *key = g_strdup_printf("%s.vocab_size", hf->facts.arch);
    const struct nawi_weight *embedding = weights_find(hf->weights, "token_embd.weight");
    int64_t n_vocab = 0;
    if (!meta_need_int(hf->weights->meta, key, 1, INT32_MAX, &n_vocab, error))
        return false;
    if (!embedding) /* who needs it finds out */
        return true;
    if (embedding->ne[0] != n_vocab) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: model.embed_tokens.weight: expected vocab_size %" G_GINT64_FORMAT
                    " rows, found %" G_GINT64_FORMAT,
                    hf->weights->path, n_vocab, embedding->ne[0]);
        return false;
    }
    if (hf->tensors.has_head || hf->facts.is_tied)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: expected lm_head.weight, as tie_word_embeddings is false, found none",
                hf->weights->path);
    return false;
}

/* config.json may speak of a tower that is not in the files: then there is none. */
static void drop_tower(struct hf *hf)
{
    struct nawi_meta *meta = hf->weights->meta;
    for (guint i = meta_count(meta); i-- > 0;) {
        char *value = NULL;
        g_autofree char *key = g_strdup(meta_get_key(meta, i, &value));
        g_free(value);
        if (g_str_has_prefix(key, "clip."))
            meta_remove(meta, key);
    }
}

static void conclude(struct hf *hf)
{
    struct nawi_weights *weights = hf->weights;
    if (hf->tensors.n_unknown > 0)
        weights_warn(weights, g_strdup_printf("%" G_GINT64_FORMAT " of its tensors mean nothing to "
                                              "this program, the first is %s",
                                              hf->tensors.n_unknown, hf->tensors.first_unknown));
    if (meta_has(weights->meta, "clip.has_vision_encoder") && hf->tensors.n_tower == 0) {
        drop_tower(hf);
        weights_warn(weights,
                     g_strdup("config.json describes a vision tower, but the files hold none"));
    }
    const int n_file = (int)hf->sources->len;
    g_free(weights->format);
    weights->format = g_strdup_printf("safetensors, %d file%s", n_file, n_file == 1 ? "" : "s");
    g_autofree char *name = g_path_get_basename(hf->real);
    meta_set_string(weights->meta, "general.name", name, strlen(name));
}

/* ── Files ───────────────────────────────────────────────────────────────────────────────────── */

static bool add_file(struct hf *hf, const char *path, GError **error)
{
    struct hf_source s = {.file = weights_add_file(hf->weights, path, error)};
    if (s.file < 0)
        return false;
    const struct mapping *map = &g_array_index(hf->weights->files, struct mapping, s.file);
    s.reader = safetensors_parse(path, map->base, map->n_bytes, error);
    if (!s.reader)
        return false;
    g_array_append_val(hf->sources, s);
    return true;
}

static bool add_shards(struct hf *hf, const char *index_path, GError **error)
{
    if (!safetensors_index_read(index_path, &hf->index, error))
        return false;
    for (guint i = 0; i < hf->index.files->len; i++) {
        const char *name = hf->index.files->pdata[i];
        g_autofree char *path = NULL;
        if (!find_entry(hf, name, &path, error))
            return false;
        if (!path) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO,
                        "%s: expected the file %s in this folder, found none", index_path, name);
            return false;
        }
        if (!add_file(hf, path, error))
            return false;
        const struct hf_source *s = &g_array_index(hf->sources, struct hf_source, i);
        if (!safetensors_index_check(&hf->index, index_path, i, s->reader, error))
            return false;
    }
    return true;
}

static bool add_files(struct hf *hf, GError **error)
{
    g_autofree char *index = NULL;
    g_autofree char *single = NULL;
    if (!find_entry(hf, "model.safetensors.index.json", &index, error))
        return false;
    if (index)
        return add_shards(hf, index, error);
    if (!find_entry(hf, "model.safetensors", &single, error))
        return false;
    if (single)
        return add_file(hf, single, error);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO,
                "%s: expected model.safetensors or model.safetensors.index.json in this "
                "folder, found neither",
                hf->weights->path);
    return false;
}

static void clear_source(gpointer data) { safetensors_destroy(((struct hf_source *)data)->reader); }

static bool fill(struct hf *hf, GError **error)
{
    return read_config(hf, error) && read_generation(hf, error) && read_processor(hf, error) &&
           add_files(hf, error) && hf_tensors_add(&hf->tensors, error) && check_head(hf, error) &&
           add_divisors(hf, error) && read_tokenizer(hf, error);
}

/* A container alone: every name of either family is looked up, nothing is checked against it. */
static bool fill_alone(struct hf *hf, GError **error)
{
    hf->facts = (struct config_facts){.arch = "llama4",
                                      .has_vision = true,
                                      .n_layer = CONFIG_LAYER_MOST,
                                      .n_vision_layer = CONFIG_LAYER_MOST};
    return add_file(hf, hf->weights->path, error) && hf_tensors_add(&hf->tensors, error);
}

bool hf_open(struct nawi_weights *weights, const char *path, GError **error)
{
    struct hf hf = {.weights = weights};
    char *real = realpath(path, NULL);
    if (!real) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", path, g_strerror(errno));
        return false;
    }
    hf.real = g_strdup(real);
    free(real);
    hf.blobs = find_blobs(hf.real);
    hf.sources = g_array_new(FALSE, TRUE, sizeof(struct hf_source));
    g_array_set_clear_func(hf.sources, clear_source);
    hf.tensors = (struct hf_tensors){.weights = weights, .facts = &hf.facts, .sources = hf.sources};
    bool ok = g_file_test(hf.real, G_FILE_TEST_IS_DIR) ? fill(&hf, error) : fill_alone(&hf, error);
    if (ok)
        conclude(&hf);
    g_free(hf.tensors.first_unknown);
    g_array_unref(hf.sources);
    safetensors_index_finish(&hf.index);
    g_free(hf.blobs);
    g_free(hf.real);
    return ok;
}
