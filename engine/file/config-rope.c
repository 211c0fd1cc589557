/* The rotation's stretching: both spellings of it in config.json, and the divisors that come of
 * it.
 *
 * Older files: "rope_theta": t beside "rope_scaling": null or {"rope_type" or "type": …}. Newer
 * ones: "rope_parameters": {"rope_theta": t, "rope_type": …}. A file that holds both must say
 * the same twice. */
#include "engine/file/config.h"

#include <math.h>
#include <string.h>

static bool parse_kind(const struct nawi_json_at *at, struct config_rope *rope, GError **error)
{
    const char *type = NULL;
    const char *old = NULL;
    if (!nawi_json_get_string(at, "rope_type", &type, error) ||
        !nawi_json_get_string(at, "type", &old, error))
        return false;
    if (type && old && strcmp(type, old) != 0)
        return nawi_json_fault(at, "type", error, "contradicts rope_type");
    if (!type)
        type = old ? old : "default";
    if (strcmp(type, "default") == 0) {
        rope->kind = CONFIG_ROPE_NONE;
        return true;
    }
    if (strcmp(type, "linear") == 0) {
        rope->kind = CONFIG_ROPE_LINEAR;
        return true;
    }
    if (strcmp(type, "llama3") == 0) {
        rope->kind = CONFIG_ROPE_LLAMA3;
        return true;
    }
    g_autofree char *quoted = nawi_quote(type, strlen(type));
    return nawi_json_unsupported(at, "rope_type", error,
                                 "expected default, linear or llama3, found %s", quoted);
}

static bool need_number(const struct nawi_json_at *at, const char *key, double least, double most,
                        double *value, GError **error)
{
    if (!nawi_json_has(at, key))
        return nawi_json_fault(at, key, error, "expected a number %g..%g, found nothing", least,
                               most);
    return nawi_json_get_float(at, key, least, most, value, error);
}

/* Newer configurations of other families give each kind of layer its own parameters: not these. */
static bool check_flat(const struct nawi_json_at *at, GError **error)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)at->object, key, value)
    {
        if (json_is_object(value)) {
            g_autofree char *quoted = nawi_quote(key, strlen(key));
            return nawi_json_unsupported(at, NULL, error,
                                         "expected one rule for all layers, found an object for %s",
                                         quoted);
        }
    }
    return true;
}

/* A rule in one object; the defaults of *rope stay where it says nothing. */
static bool parse_rule(const struct nawi_json_at *at, struct config_rope *rope, GError **error)
{
    if (!check_flat(at, error) || !parse_kind(at, rope, error) ||
        !nawi_json_get_float(at, "rope_theta", 1.0, 1e12, &rope->theta, error))
        return false;
    if (rope->kind != CONFIG_ROPE_NONE &&
        !need_number(at, "factor", 1.0, 1e6, &rope->factor, error))
        return false;
    if (rope->kind != CONFIG_ROPE_LLAMA3)
        return true;
    if (!need_number(at, "low_freq_factor", 1e-3, 1e6, &rope->low, error) ||
        !need_number(at, "high_freq_factor", 1e-3, 1e6, &rope->high, error) ||
        !need_number(at, "original_max_position_embeddings", 1, 2147483647.0, &rope->original,
                     error))
        return false;
    if (rope->low > rope->high)
        return nawi_json_fault(at, "low_freq_factor", error,
                               "expected at most high_freq_factor %g, found %g", rope->high,
                               rope->low);
    return true;
}

static bool is_same_rule(const struct config_rope *a, const struct config_rope *b)
{
    return a->kind == b->kind && a->theta == b->theta && a->factor == b->factor &&
           a->low == b->low && a->high == b->high && a->original == b->original;
}

bool config_parse_rope(const struct nawi_json_at *at, double default_theta,
                       struct config_rope *rope, GError **error)
{
    struct nawi_json_at scaling, parameters;
    struct config_rope old = {.kind = CONFIG_ROPE_NONE, .theta = default_theta};
    if (!nawi_json_get_float(at, "rope_theta", 1.0, 1e12, &old.theta, error) ||
        !nawi_json_get_object(at, "rope_scaling", &scaling, error) ||
        !nawi_json_get_object(at, "rope_parameters", &parameters, error))
        return false;
    struct config_rope fresh = old;
    g_autofree char *old_path =
        g_strdup_printf("%s%srope_scaling", at->path, at->path[0] ? "." : "");
    g_autofree char *new_path =
        g_strdup_printf("%s%srope_parameters", at->path, at->path[0] ? "." : "");
    scaling.path = old_path;
    parameters.path = new_path;
    if (scaling.object && !parse_rule(&scaling, &old, error))
        return false;
    if (parameters.object && !parse_rule(&parameters, &fresh, error))
        return false;
    bool has_old = scaling.object != NULL;
    bool has_theta = nawi_json_has(at, "rope_theta");
    if (parameters.object && has_theta && old.theta != fresh.theta)
        return nawi_json_fault(at, "rope_theta", error,
                               "%g contradicts rope_parameters, which says %g", old.theta,
                               fresh.theta);
    if (!has_theta && parameters.object)
        old.theta = fresh.theta;
    if (parameters.object && has_old && !is_same_rule(&old, &fresh))
        return nawi_json_fault(at, "rope_scaling", error, "contradicts rope_parameters");
    *rope = parameters.object ? fresh : old;
    return true;
}

/* 2 pi / frequency is the wavelength in tokens. Short waves stay, long ones are stretched by
 * factor, those between get a share of both. */
static double divide_pair(const struct config_rope *rope, double frequency)
{
    double wave = 2.0 * G_PI / frequency;
    if (rope->kind == CONFIG_ROPE_LINEAR)
        return rope->factor;
    if (wave < rope->original / rope->high)
        return 1.0;
    if (wave > rope->original / rope->low || rope->low == rope->high)
        return rope->factor;
    double share = (rope->original / wave - rope->low) / (rope->high - rope->low);
    return 1.0 / ((1.0 - share) / rope->factor + share);
}

bool config_divide_rope(const struct config_rope *rope, int64_t d_head, float *divisors)
{
    bool any = false;
    for (int64_t j = 0; j < d_head / 2; j++) {
        double frequency = pow(rope->theta, -2.0 * (double)j / (double)d_head);
        divisors[j] = rope->kind == CONFIG_ROPE_NONE ? 1.0f : (float)divide_pair(rope, frequency);
        any |= divisors[j] != 1.0f;
    }
    return any;
}
