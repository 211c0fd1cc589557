/* GGUF files as weights: one file, or the shards of one model, found from any of them by name.
 *
 * The first shard holds all metadata. Every shard says which it is (split.no from 0), of how many
 * (split.count), and how many tensors there are in all (split.tensors.count); names say the same
 * (…-00001-of-00005.gguf), and nothing of this is believed before it agrees. */
#include "engine/file/gguf.h"
#include "engine/file/ollama.h"
#include "engine/file/weights-internal.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS_MOST = 1024 };

struct split {
    int64_t no, count, n_tensor; /* n_tensor -1: not said */
};

static bool read_split(const struct nawi_meta *meta, struct split *split, GError **error)
{
    *split = (struct split){.no = 0, .count = 1, .n_tensor = -1};
    return meta_get_int(meta, "split.no", 0, SHARDS_MOST - 1, &split->no, error) &&
           meta_get_int(meta, "split.count", 0, SHARDS_MOST, &split->count, error) &&
           meta_get_int(meta, "split.tensors.count", 0, GGUF_TENSORS_MOST, &split->n_tensor, error);
}

/* Takes "PREFIX-00002-of-00005.gguf" apart; false when path is not of this form. */
static bool parse_name(const char *path, size_t *n_prefix, int *no, int *count)
{
    const size_t n = strlen(path);
    const size_t n_tail = strlen("-00001-of-00001.gguf");
    if (n < n_tail || strcmp(path + n - strlen(".gguf"), ".gguf") != 0)
        return false;
    const char *tail = path + n - n_tail;
    if (tail[0] != '-' || memcmp(tail + 6, "-of-", 4) != 0)
        return false;
    *no = *count = 0;
    for (int i = 0; i < 5; i++) {
        if (!g_ascii_isdigit(tail[1 + i]) || !g_ascii_isdigit(tail[10 + i]))
            return false;
        *no = *no * 10 + (tail[1 + i] - '0');
        *count = *count * 10 + (tail[10 + i] - '0');
    }
    *n_prefix = n - n_tail;
    return true;
}

/* The two halves of a fused expert tensor [n_expert, 2 m, k] as tensors of their own; the whole
 * stays findable. */
static bool add_fused(struct nawi_weights *weights, const struct nawi_weight *whole, GError **error)
{
    static const char fused[] = "ffn_gate_up_exps";
    const char *at = strstr(whole->name, fused);
    struct nawi_weight half = *whole;
    struct nawi_weight unnamed = *whole;
    unnamed.name = NULL;
    const struct nawi_weight *kept = weights_add(weights, &unnamed, error);
    if (!kept || !weights_add_alias(weights, whole->name, kept, error))
        return false;
    half.ne[1] /= 2;
    for (int i = 0; i < 2; i++) {
        char *name = g_strdup_printf("%.*s%s%s", (int)(at - whole->name), whole->name,
                                     i ? "ffn_up_exps" : "ffn_gate_exps", at + strlen(fused));
        half.name = name;
        half.offset = whole->offset + (uint64_t)(i * half.ne[1] * half.stride_bytes[1]);
        const bool added = weights_add(weights, &half, error) != NULL;
        g_free(name);
        if (!added)
            return false;
    }
    return true;
}

static bool add_tensor(struct nawi_weights *weights, const struct gguf_tensor *tensor, int file,
                       GError **error)
{
    struct nawi_weight weight = {
        .name = tensor->name,
        .dtype = tensor->dtype,
        .n_dim = tensor->n_dim,
        .file = file,
        .offset = tensor->offset,
    };
    memcpy(weight.ne, tensor->ne, sizeof weight.ne);
    weights_set_plain(&weight);
    if (strstr(weight.name, "ffn_gate_up_exps") && weight.n_dim == 3 && weight.ne[1] % 2 == 0)
        return add_fused(weights, &weight, error);
    char *usual = ollama_rename(tensor->name);
    if (usual)
        weight.name = usual;
    const struct nawi_weight *added = weights_add(weights, &weight, error);
    const bool done = added && (!usual || weights_add_alias(weights, tensor->name, added, error));
    g_free(usual);
    return done;
}

/* Maps one file and reads its header; keys go into meta. */
static struct gguf *map_file(struct nawi_weights *weights, const char *path, struct nawi_meta *meta,
                             int *file, GError **error)
{
    *file = weights_add_file(weights, path, error);
    if (*file < 0)
        return NULL;
    const struct mapping *mapping = &g_array_index(weights->files, struct mapping, *file);
    return gguf_parse(path, mapping->base, mapping->n_bytes, meta, error);
}

/* Adds the tensors of a file that was found to be in its place. */
static bool add_tensors(struct nawi_weights *weights, const struct gguf *gguf, int file,
                        GError **error)
{
    const struct mapping *mapping = &g_array_index(weights->files, struct mapping, file);
    for (guint i = 0; i < gguf_count(gguf); i++)
        if (!add_tensor(weights, gguf_get(gguf, i), file, error))
            return false;
    if (gguf_get_trailing(gguf) > 0)
        weights_warn(weights, g_strdup_printf("%s: %" G_GUINT64_FORMAT
                                              " bytes behind the last tensor belong to nothing",
                                              mapping->path, gguf_get_trailing(gguf)));
    if (!weights->format)
        weights->format = g_strdup_printf("GGUF %u", gguf_get_version(gguf));
    return true;
}

/* Compares what shard number no (from 0) says of itself with its name and with the first. */
static bool check_split(const char *path, const struct split *found, const struct split *expected,
                        GError **error)
{
    if (found->no != expected->no || found->count != expected->count) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected shard %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                    ", found one that says it is shard %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT,
                    path, expected->no + 1, expected->count, found->no + 1, found->count);
        return false;
    }
    if (found->n_tensor != expected->n_tensor) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: key 'split.tensors.count': expected %" G_GINT64_FORMAT
                    " as in the first shard, found %" G_GINT64_FORMAT,
                    path, expected->n_tensor, found->n_tensor);
        return false;
    }
    return true;
}

/* Adds the shard that expected says; of the first one, the number of tensors is learnt. */
static bool add_shard(struct nawi_weights *weights, const char *path, struct split *expected,
                      int64_t *n_tensor, GError **error)
{
    struct nawi_meta *meta = expected->no == 0 ? weights->meta : meta_create(path);
    struct split found;
    int file = -1;
    struct gguf *gguf = map_file(weights, path, meta, &file, error);
    bool good = gguf && read_split(meta, &found, error);
    if (good && expected->no == 0)
        expected->n_tensor = found.n_tensor;
    good = good && check_split(path, &found, expected, error) &&
           add_tensors(weights, gguf, file, error);
    if (good)
        *n_tensor += gguf_count(gguf);
    gguf_free(gguf);
    if (meta != weights->meta)
        meta_destroy(meta); /* keys of later shards are of no use */
    return good;
}

static bool add_shards(struct nawi_weights *weights, const char *path, size_t n_prefix, int count,
                       GError **error)
{
    struct split expected = {.no = 0, .count = count, .n_tensor = -1};
    int64_t n_tensor = 0;
    bool good = true;
    for (int i = 0; good && i < count; i++) {
        char *shard = g_strdup_printf("%.*s-%05d-of-%05d.gguf", (int)n_prefix, path, i + 1, count);
        expected.no = i;
        good = add_shard(weights, shard, &expected, &n_tensor, error);
        g_free(shard);
    }
    if (!good)
        return false;
    if (expected.n_tensor >= 0 && expected.n_tensor != n_tensor) {
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_FORMAT,
            "%s: expected %" G_GINT64_FORMAT
            " tensors in all %d shards (key 'split.tensors.count'), found %" G_GINT64_FORMAT,
            path, expected.n_tensor, count, n_tensor);
        return false;
    }
    if (count > 1) {
        char *format = g_strdup_printf("%s, %d shards", weights->format, count);
        g_free(weights->format);
        weights->format = format;
    }
    return true;
}

/* A file whose name tells of no shards must not be one. */
static bool add_single(struct nawi_weights *weights, const char *path, GError **error)
{
    struct split split;
    int file = -1;
    struct gguf *gguf = map_file(weights, path, weights->meta, &file, error);
    bool good = gguf && read_split(weights->meta, &split, error);
    if (good && (split.count > 1 || split.no > 0)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: shard %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                    " of a model; expected a name that ends in -%05d-of-%05d.gguf, by which the "
                    "others are found",
                    path, split.no + 1, split.count, (int)split.no + 1, (int)split.count);
        good = false;
    }
    good = good && add_tensors(weights, gguf, file, error);
    gguf_free(gguf);
    return good;
}

bool weights_open_gguf(struct nawi_weights *weights, const char *path, GError **error)
{
    size_t n_prefix = 0;
    int no = 0;
    int count = 0;
    if (!parse_name(path, &n_prefix, &no, &count)) {
        if (!add_single(weights, path, error))
            return false;
    } else if (count < 1 || count > SHARDS_MOST || no < 1 || no > count) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: expected a name that says one of 1 to %d shards, found shard %d of %d",
                    path, SHARDS_MOST, no, count);
        return false;
    } else if (!add_shards(weights, path, n_prefix, count, error)) {
        return false;
    }
    ollama_translate(weights->meta);
    return true;
}
