/* The tower's part of config.json, and how pictures are made ready (preprocessor_config.json). */
#include "engine/media.h"
#include "engine/file/config.h"

#include <math.h>
#include <string.h>

#define SIDE_MOST  16384
#define WIDTH_MOST (1 << 20)

/* pixel_shuffle_ratio r joins 1/r x 1/r patches into one. */
static bool parse_shuffle(const struct nawi_json_at *at, int64_t *scale, GError **error)
{
    double ratio = 0.5;
    if (!nawi_json_get_float(at, "pixel_shuffle_ratio", 1.0 / 64, 1.0, &ratio, error))
        return false;
    *scale = (int64_t)llrint(1.0 / ratio);
    if (fabs((double)*scale * ratio - 1.0) > 1e-6)
        return nawi_json_fault(at, "pixel_shuffle_ratio", error,
                               "expected one part of a whole number, found %g", ratio);
    return true;
}

struct tower {
    int64_t n_layer, width, n_head, n_ff, image_px, patch_px, scale;
    int64_t adapter_in, adapter_out, out;
    double eps, theta;
};

static bool parse_sizes(const struct nawi_json_at *at, struct tower *t, GError **error)
{
    *t = (struct tower){.n_layer = 34,
                        .width = 768,
                        .n_head = 16,
                        .n_ff = 5632,
                        .image_px = 448,
                        .patch_px = 14,
                        .adapter_in = 4096,
                        .adapter_out = 4096,
                        .out = 7680,
                        .eps = 1e-5,
                        .theta = 10000.0};
    return nawi_json_get_int(at, "num_hidden_layers", 1, 1024, &t->n_layer, error) &&
           nawi_json_get_int(at, "hidden_size", 1, WIDTH_MOST, &t->width, error) &&
           nawi_json_get_int(at, "num_attention_heads", 1, 4096, &t->n_head, error) &&
           nawi_json_get_int(at, "intermediate_size", 1, WIDTH_MOST, &t->n_ff, error) &&
           nawi_json_get_int(at, "image_size", 1, SIDE_MOST, &t->image_px, error) &&
           nawi_json_get_int(at, "patch_size", 1, 1024, &t->patch_px, error) &&
           nawi_json_get_int(at, "projector_input_dim", 1, WIDTH_MOST, &t->adapter_in, error) &&
           nawi_json_get_int(at, "projector_output_dim", 1, WIDTH_MOST, &t->adapter_out, error) &&
           nawi_json_get_int(at, "vision_output_dim", 1, WIDTH_MOST, &t->out, error) &&
           nawi_json_get_float(at, "norm_eps", 1e-12, 1.0, &t->eps, error) &&
           parse_shuffle(at, &t->scale, error);
}

static bool parse_theta(const struct nawi_json_at *at, struct tower *t, GError **error)
{
    struct config_rope rope;
    if (!config_parse_rope(at, t->theta, &rope, error))
        return false;
    if (rope.kind != CONFIG_ROPE_NONE)
        return nawi_json_unsupported(at, "rope_parameters", error,
                                     "expected an unstretched rotation");
    t->theta = rope.theta;
    return true;
}

/* What the tower's arithmetic takes for granted. */
static bool check_habits(const struct nawi_json_at *at, GError **error)
{
    const char *act = "gelu";
    const char *select = "default";
    bool bias = false;
    int64_t n_channel = 3;
    if (!nawi_json_get_string(at, "hidden_act", &act, error) ||
        !nawi_json_get_string(at, "vision_feature_select_strategy", &select, error) ||
        !nawi_json_get_bool(at, "multi_modal_projector_bias", &bias, error) ||
        !nawi_json_get_int(at, "num_channels", 1, 4096, &n_channel, error))
        return false;
    g_autofree char *quoted_act = nawi_quote(act, strlen(act));
    g_autofree char *quoted_select = nawi_quote(select, strlen(select));
    if (strcmp(act, "gelu") != 0)
        return nawi_json_unsupported(at, "hidden_act", error, "expected 'gelu', found %s",
                                     quoted_act);
    if (strcmp(select, "default") != 0)
        return nawi_json_unsupported(at, "vision_feature_select_strategy", error,
                                     "expected 'default', found %s", quoted_select);
    if (bias)
        return nawi_json_unsupported(at, "multi_modal_projector_bias", error,
                                     "expected false, found true");
    if (n_channel != 3)
        return nawi_json_unsupported(at, "num_channels", error,
                                     "expected 3, found %" G_GINT64_FORMAT, n_channel);
    return true;
}

static bool check_sizes(const struct nawi_json_at *at, const struct tower *t, GError **error)
{
    if (t->image_px % t->patch_px != 0)
        return nawi_json_fault(at, "image_size", error,
                               "expected a multiple of patch_size %" G_GINT64_FORMAT
                               ", found %" G_GINT64_FORMAT,
                               t->patch_px, t->image_px);
    int64_t grid = t->image_px / t->patch_px;
    if (grid > NAWI_MEDIA_MAX_GRID)
        return nawi_json_fault(at, "image_size", error,
                               "expected at most %d patches a side, found %" G_GINT64_FORMAT,
                               NAWI_MEDIA_MAX_GRID, grid);
    if (grid % t->scale != 0)
        return nawi_json_fault(at, "pixel_shuffle_ratio", error,
                               "expected a part of the %" G_GINT64_FORMAT
                               " patches a side, found one %" G_GINT64_FORMAT "th",
                               grid, t->scale);
    if (t->width % t->n_head != 0 || t->width / t->n_head % 4 != 0)
        return nawi_json_fault(at, "num_attention_heads", error,
                               "expected hidden_size %" G_GINT64_FORMAT
                               " to be that many heads of a multiple of 4, found %" G_GINT64_FORMAT,
                               t->width, t->n_head);
    if (t->adapter_in != t->adapter_out)
        return nawi_json_fault(at, "projector_input_dim", error,
                               "expected projector_output_dim %" G_GINT64_FORMAT
                               ", found %" G_GINT64_FORMAT,
                               t->adapter_out, t->adapter_in);
    if (t->out != t->adapter_out)
        return nawi_json_fault(at, "vision_output_dim", error,
                               "expected projector_output_dim %" G_GINT64_FORMAT
                               ", found %" G_GINT64_FORMAT,
                               t->adapter_out, t->out);
    return true;
}

static void set_floats(struct nawi_meta *meta, const char *key, const double *values, guint n)
{
    double *copy = g_memdup2(values, n * sizeof(double));
    const struct meta_array array = {.type = META_FLOAT, .n = n, .floats = copy};
    meta_set_array(meta, key, &array);
}

bool config_parse_vision(const struct nawi_json_at *at, int64_t n_embd, struct nawi_meta *meta,
                         struct config_facts *facts, GError **error)
{
    struct tower t;
    if (!parse_sizes(at, &t, error) || !parse_theta(at, &t, error) || !check_habits(at, error) ||
        !check_sizes(at, &t, error))
        return false;
    meta_set_bool(meta, "clip.has_vision_encoder", true);
    meta_set_string(meta, "clip.projector_type", "llama4", 6);
    meta_set_bool(meta, "clip.use_gelu", true);
    meta_set_int(meta, "clip.vision.image_size", t.image_px);
    meta_set_int(meta, "clip.vision.patch_size", t.patch_px);
    meta_set_int(meta, "clip.vision.embedding_length", t.width);
    meta_set_int(meta, "clip.vision.feed_forward_length", t.n_ff);
    meta_set_int(meta, "clip.vision.block_count", t.n_layer);
    meta_set_int(meta, "clip.vision.projection_dim", n_embd);
    meta_set_int(meta, "clip.vision.attention.head_count", t.n_head);
    meta_set_float(meta, "clip.vision.attention.layer_norm_epsilon", t.eps);
    meta_set_float(meta, "clip.vision.rope.freq_base", t.theta);
    meta_set_int(meta, "clip.vision.projector.scale_factor", t.scale);
    meta_set_int(meta, "clip.vision.preproc_max_tiles", 16);
    const double half[3] = {0.5, 0.5, 0.5};
    set_floats(meta, "clip.vision.image_mean", half, 3);
    set_floats(meta, "clip.vision.image_std", half, 3);
    facts->has_vision = true;
    facts->n_vision_layer = t.n_layer;
    facts->image_px = t.image_px;
    return true;
}

/* Three numbers of a colour each, in [least, most]. */
static bool parse_colour(const struct nawi_json_at *at, const char *key, double least,
                         double values[3], GError **error)
{
    const json_t *array;
    if (!nawi_json_get_array(at, key, &array, error))
        return false;
    if (!array)
        return true;
    if (json_array_size(array) != 3)
        return nawi_json_fault(at, key, error, "expected 3 numbers, found %zu",
                               json_array_size(array));
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(array, i);
        values[i] = json_number_value(value);
        if (!json_is_number(value) || values[i] < least || values[i] > 16.0) {
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(at, key, error, "value %zu: expected a number %g..16, found %s",
                                   i, least, found);
        }
    }
    return true;
}

/* "size": {"height": s, "width": s}, or the bare number. */
static bool parse_side(const struct nawi_json_at *at, int64_t image_px, GError **error)
{
    int64_t height = image_px;
    int64_t width = image_px;
    const json_t *size = json_object_get(at->object, "size");
    if (json_is_integer(size)) {
        if (!nawi_json_get_int(at, "size", 1, SIDE_MOST, &height, error))
            return false;
        width = height;
    } else {
        struct nawi_json_at child;
        if (!nawi_json_get_object(at, "size", &child, error))
            return false;
        if (child.object && (!nawi_json_need_int(&child, "height", 1, SIDE_MOST, &height, error) ||
                             !nawi_json_need_int(&child, "width", 1, SIDE_MOST, &width, error)))
            return false;
    }
    if (height == image_px && width == image_px)
        return true;
    return nawi_json_fault(at, "size", error,
                           "expected the image_size %" G_GINT64_FORMAT
                           " of the tower, found %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT,
                           image_px, width, height);
}

/* Steps that the preparation of pictures here always does one way. */
static bool check_steps(const struct nawi_json_at *at, GError **error)
{
    bool rescale = true;
    bool normalise = true;
    bool widest = false;
    double factor = 1.0 / 255.0;
    int64_t resample = 2;
    if (!nawi_json_get_bool(at, "do_rescale", &rescale, error) ||
        !nawi_json_get_bool(at, "do_normalize", &normalise, error) ||
        !nawi_json_get_bool(at, "resize_to_max_canvas", &widest, error) ||
        !nawi_json_get_float(at, "rescale_factor", 0.0, 1.0, &factor, error) ||
        !nawi_json_get_int(at, "resample", 0, 5, &resample, error))
        return false;
    if (!rescale || fabs(factor * 255.0 - 1.0) > 1e-4)
        return nawi_json_unsupported(at, "rescale_factor", error, "expected 1/255, found %g",
                                     rescale ? factor : 1.0);
    if (!normalise)
        return nawi_json_unsupported(at, "do_normalize", error, "expected true, found false");
    if (widest)
        return nawi_json_unsupported(at, "resize_to_max_canvas", error,
                                     "expected false, found true");
    if (resample != 2)
        return nawi_json_unsupported(at, "resample", error,
                                     "expected 2, bilinear, found %" G_GINT64_FORMAT, resample);
    return true;
}

bool config_parse_processor(const char *file, const json_t *root, const struct config_facts *facts,
                            struct nawi_meta *meta, GError **error)
{
    struct nawi_json_at at, inner;
    double mean[3] = {0.5, 0.5, 0.5};
    double deviation[3] = {0.5, 0.5, 0.5};
    int64_t n_tile = 16;
    if (!nawi_json_root(file, root, &at, error) ||
        !nawi_json_get_object(&at, "image_processor", &inner, error))
        return false;
    if (inner.object)
        at = inner;
    if (!parse_side(&at, facts->image_px, error) || !check_steps(&at, error) ||
        !nawi_json_get_int(&at, "max_patches", 1, 4096, &n_tile, error) ||
        !parse_colour(&at, "image_mean", 0.0, mean, error) ||
        !parse_colour(&at, "image_std", 1e-3, deviation, error))
        return false;
    meta_set_int(meta, "clip.vision.preproc_max_tiles", n_tile);
    set_floats(meta, "clip.vision.image_mean", mean, 3);
    set_floats(meta, "clip.vision.image_std", deviation, 3);
    return true;
}
