/* How fast each pair of a head turns: base^(-2j / n_rot), over the file's divisors (tensor
 * rope_freqs.weight) or those of a rule that the metadata or `--set` names. */
#include "engine/model.h"

#include "engine/file/config.h"

#include <math.h>
#include <string.h>

static bool read_rule(const struct nawi_model *model, struct config_rope *rope, GError **error)
{
    static const char *const names[] = {"type", "factor", "low_freq_factor", "high_freq_factor",
                                        "original_context_length"};
    const struct nawi_meta *meta = weights_get_meta(model->weights);
    const char *type = NULL;
    char key[5][128];
    for (int i = 0; i < 5; i++)
        g_snprintf(key[i], sizeof key[i], "%s.rope.scaling.%s", model->family->name, names[i]);
    *rope = (struct config_rope){.kind = CONFIG_ROPE_NONE,
                                 .theta = model->config.rope_base,
                                 .factor = 1.0,
                                 .low = 1.0,
                                 .high = 1.0,
                                 .original = 8192.0};
    if (!meta_get_string(meta, key[0], &type, error) ||
        !meta_get_float(meta, key[1], 1.0, 1e6, &rope->factor, error) ||
        !meta_get_float(meta, key[2], 1e-3, 1e6, &rope->low, error) ||
        !meta_get_float(meta, key[3], rope->low, 1e6, &rope->high, error) ||
        !meta_get_float(meta, key[4], 1.0, 1e9, &rope->original, error))
        return false;
    if (!type && meta_has(meta, key[1])) /* a factor alone: each family's own kind */
        type = model->config.chunk_tok > 0 ? "llama3" : "linear";
    if (!type || strcmp(type, "none") == 0)
        return true;
    if (strcmp(type, "linear") == 0 || strcmp(type, "llama3") == 0) {
        rope->kind = type[1] == 'i' ? CONFIG_ROPE_LINEAR : CONFIG_ROPE_LLAMA3;
        return true;
    }
    char *quoted = nawi_quote(type, strlen(type));
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "%s: %s: expected none, linear or llama3, found %s", model->info.path, key[0],
                quoted);
    g_free(quoted);
    return false;
}

/* The file's divisors into values [n]; *found is false, and values are ones, without any. */
static bool read_divisors(struct nawi_model *model, float *values, int64_t n, bool *found,
                          GError **error)
{
    const struct nawi_weight *tensor = weights_find(model->weights, "rope_freqs.weight");
    *found = tensor != NULL;
    for (int64_t j = 0; j < n; j++)
        values[j] = 1.0f;
    if (!tensor)
        return true;
    if (tensor->n_dim != 1 || tensor->ne[0] != n || tensor->dtype != NAWI_DTYPE_F32) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor rope_freqs.weight: wanted F32 [%" G_GINT64_FORMAT
                    "], found %s [%" G_GINT64_FORMAT "]",
                    model->info.path, n, nawi_dtype_get_info(tensor->dtype)->name, tensor->ne[0]);
        return false;
    }
    weights_dequant(tensor, values);
    for (int64_t j = 0; j < n; j++)
        if (!isfinite(values[j]) || values[j] <= 0.0f) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: tensor rope_freqs.weight: value %" G_GINT64_FORMAT
                        ": expected a number above 0, found %g",
                        model->info.path, j, (double)values[j]);
            return false;
        }
    return true;
}

bool model_read_frequencies(struct nawi_model *model, GError **error)
{
    const struct arch_config *c = &model->config;
    const int64_t n = c->n_rot / 2;
    struct config_rope rope;
    bool found;
    float *divisors = g_new(float, n);
    bool fine = read_rule(model, &rope, error) && read_divisors(model, divisors, n, &found, error);
    if (fine && found && rope.kind == CONFIG_ROPE_NONE && c->chunk_tok > 0 &&
        divisors[n - 1] == 8.0f)
        g_ptr_array_add(
            model->warnings,
            g_strdup_printf("rope_freqs.weight ends in 8: Scout files made before 2025-04-11 have "
                            "this, and 16 is right for them; --set %s.rope.scaling.factor=16 "
                            "corrects it",
                            model->family->name));
    if (fine && rope.kind != CONFIG_ROPE_NONE)
        config_divide_rope(&rope, c->n_rot, divisors);
    model->inv_freq = g_new(double, n);
    for (int64_t j = 0; j < n; j++)
        model->inv_freq[j] =
            pow(c->rope_base, -2.0 * (double)j / (double)c->n_rot) / (double)divisors[j];
    g_free(divisors);
    return fine;
}
