/* Llama 4 vision tower, adapter and projector: tiles in, rows for the decoder out.
 *
 *     x = patches Wp;  class row after each tile's patches;  + position table;  layer norm
 *     each layer:  x += Wo attend(turn(q), turn(k), v) of ln1 x;  x += W2 gelu(W1 ln2 x)
 *     layer norm;  class row dropped;  pixel shuffle;  gelu(gelu(x A1) A2);  projector
 *
 * The layers' matrices have biases, the rest has none.
 *
 * Rotation by place, on queries and keys: of a head's d / 2 adjacent pairs the first half turns by
 * (column + 1) f_m, the second by (row + 1) f_m, f_m = base^(-m / (d / 4)); the class row does not
 * turn. That table is the input "turn". GELU is the exact one, with erf, twice in the adapter.
 * Tiles do not see each other.
 *
 * Traps: the class row is last; shuffled channels are (dy 2 + dx) d + c; tokens of a tile are
 * row-major. Sources: Llama 4 reference vision encoder; key and tensor names of published mmproj
 * files. */
#include "engine/arch/blocks.h"
#include "engine/arch/families.h"

#include <math.h>
#include <string.h>

bool llama4_has_tower(const struct nawi_weights *weights)
{
    return weights_find(weights, "v.patch_embd.weight") ||
           meta_has(weights_get_meta((struct nawi_weights *)weights), "clip.vision.patch_size");
}

static bool read_floats(const struct nawi_meta *meta, const char *key, float values[3],
                        GError **error)
{
    const struct meta_array *array = NULL;
    if (!meta_get_array(meta, key, META_FLOAT, &array, error))
        return false;
    for (int i = 0; i < 3; i++) {
        values[i] = 0.5f;
        if (array && array->n == 3 && isfinite(array->floats[i]))
            values[i] = (float)array->floats[i];
    }
    return true;
}

static bool read_spec(const struct nawi_meta *meta, struct nawi_media_spec *spec, GError **error)
{
    int64_t side = 0, patch = 0, factor = 2, tiles = 16;
    if (!meta_need_int(meta, "clip.vision.image_size", 1, NAWI_MEDIA_MAX_TILE_PX, &side, error) ||
        !meta_need_int(meta, "clip.vision.patch_size", 1, NAWI_MEDIA_MAX_TILE_PX, &patch, error) ||
        !meta_get_int(meta, "clip.vision.projector.scale_factor", 1, 16, &factor, error) ||
        !meta_get_int(meta, "clip.vision.preproc_max_tiles", 1, NAWI_MEDIA_MAX_TILES, &tiles,
                      error))
        return false;
    if (side / patch > NAWI_MEDIA_MAX_GRID) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s: clip.vision.image_size %" G_GINT64_FORMAT ", patch_size %" G_GINT64_FORMAT
                    ": expected at most %d patches a side, found %" G_GINT64_FORMAT,
                    meta_get_source(meta), side, patch, NAWI_MEDIA_MAX_GRID, side / patch);
        return false;
    }
    if (side % (patch * factor) != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: clip.vision.image_size: expected a multiple of %" G_GINT64_FORMAT
                    " (patch_size times "
                    "scale_factor), found %" G_GINT64_FORMAT,
                    meta_get_source(meta), patch * factor, side);
        return false;
    }
    *spec = (struct nawi_media_spec){(int)side, (int)patch, (int)factor, (int)tiles, {0}, {0}};
    if (!read_floats(meta, "clip.vision.image_mean", spec->mean, error) ||
        !read_floats(meta, "clip.vision.image_std", spec->std, error))
        return false;
    for (int i = 0; i < 3; i++)
        if (!(spec->std[i] > 1e-6f && spec->std[i] < 1e6f && fabsf(spec->mean[i]) < 1e6f)) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                        "%s: clip.vision.image_std: expected numbers above 0",
                        meta_get_source(meta));
            return false;
        }
    return true;
}

bool llama4_tower_config(const struct nawi_weights *weights, struct arch_tower *t, GError **error)
{
    const struct nawi_meta *meta = weights_get_meta((struct nawi_weights *)weights);
    const char *projector = "llama4";
    *t = (struct arch_tower){.eps = 1e-5, .rope_base = 10000.0};
    if (!read_spec(meta, &t->spec, error) ||
        !meta_get_string(meta, "clip.projector_type", &projector, error) ||
        !meta_get_string(meta, "clip.vision.projector_type", &projector, error) ||
        !meta_need_int(meta, "clip.vision.block_count", 1, ARCH_MAX_LAYERS, &t->n_layer, error) ||
        !meta_need_int(meta, "clip.vision.embedding_length", 1, ARCH_MAX_WIDTH, &t->n_embd,
                       error) ||
        !meta_need_int(meta, "clip.vision.feed_forward_length", 1, 1048576, &t->n_ff, error) ||
        !meta_need_int(meta, "clip.vision.attention.head_count", 1, ARCH_MAX_HEADS, &t->n_head,
                       error) ||
        !meta_get_float(meta, "clip.vision.attention.layer_norm_epsilon", 0.0, 1.0, &t->eps,
                        error) ||
        !meta_get_float(meta, "clip.vision.rope.freq_base", 1.0, 1e12, &t->rope_base, error))
        return false;
    if (strcmp(projector, "llama4") != 0) {
        char *quoted = nawi_quote(projector, strlen(projector));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s: clip.projector_type: expected llama4, found %s", weights_get_path(weights),
                    quoted);
        g_free(quoted);
        return false;
    }
    if (t->n_embd % t->n_head != 0 || t->n_embd / t->n_head % 4 != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: clip.vision: embedding_length %" G_GINT64_FORMAT
                    " cannot be cut into %" G_GINT64_FORMAT " heads of a multiple of 4",
                    weights_get_path(weights), t->n_embd, t->n_head);
        return false;
    }
    const struct nawi_weight *adapter = weights_find(weights, "mm.model.mlp.1.weight");
    const struct nawi_weight *second = weights_find(weights, "mm.model.mlp.2.weight");
    const struct nawi_weight *fc = weights_find(weights, "mm.model.fc.weight");
    if (!adapter || !second || !fc) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: tensor mm.model.%s.weight is missing", weights_get_path(weights),
                    !adapter  ? "mlp.1"
                    : !second ? "mlp.2"
                              : "fc");
        return false;
    }
    t->d_head = t->n_embd / t->n_head;
    t->n_patch = nawi_media_patches(&t->spec);
    t->n_shuffled = t->n_embd * t->spec.shuffle * t->spec.shuffle;
    t->n_adapter[0] = adapter->ne[0];
    t->n_adapter[1] = second->ne[0];
    t->n_out = fc->ne[0];
    int64_t said = t->n_out;
    return meta_get_int(meta, "clip.vision.projection_dim", t->n_out, t->n_out, &said, error);
}

static struct graph_tensor *biased(struct arch_build *build, struct graph_tensor *x,
                                   const char *part, int64_t n_out, int64_t n_in, int64_t split)
{
    char name[128];
    g_snprintf(name, sizeof name, "v.blk.%d.%s.weight", build->layer, part);
    struct graph_tensor *w = block_weight(build, name, 2, (int64_t[]){n_out, n_in});
    g_snprintf(name, sizeof name, "v.blk.%d.%s.bias", build->layer, part);
    struct graph_tensor *b = block_vector(build, name, 1, &n_out);
    return b ? block_matmul(build, w, x, b, split) : NULL;
}

static struct graph_tensor *tower_layer(struct arch_build *build, const struct arch_tower *t,
                                        struct graph_tensor *x, struct graph_tensor *turn)
{
    char name[64];
    g_snprintf(name, sizeof name, "v.blk.%d.ln1", build->layer);
    struct graph_tensor *a = block_layer_norm(build, x, name, t->n_embd, t->eps);
    struct graph_tensor *q = biased(build, a, "attn_q", t->n_embd, t->n_embd, t->n_head);
    struct graph_tensor *k = biased(build, a, "attn_k", t->n_embd, t->n_embd, t->n_head);
    struct graph_tensor *v = biased(build, a, "attn_v", t->n_embd, t->n_embd, t->n_head);
    q = block_add_node(build, (struct graph_node){.op = GRAPH_OP_ROPE, .in = {q, turn}});
    k = block_add_node(build, (struct graph_node){.op = GRAPH_OP_ROPE, .in = {k, turn}});
    struct graph_tensor *o =
        block_add_node(build, (struct graph_node){.op = GRAPH_OP_ATTEND_TILE,
                                                  .in = {q, k, v},
                                                  .scale = (float)(1.0 / sqrt((double)t->d_head)),
                                                  .group = t->n_patch + 1});
    x = block_add(build, x, biased(build, o, "attn_out", t->n_embd, t->n_embd, 0));
    g_snprintf(name, sizeof name, "v.blk.%d.ln2", build->layer);
    struct graph_tensor *f = block_layer_norm(build, x, name, t->n_embd, t->eps);
    f = block_gelu(build, biased(build, f, "ffn_up", t->n_ff, t->n_embd, 0));
    return block_add(build, x, biased(build, f, "ffn_down", t->n_embd, t->n_ff, 0));
}

void llama4_tower(struct arch_build *build, const struct arch_tower *t)
{
    int64_t d = t->n_embd;
    int64_t n_value = 3 * (int64_t)t->spec.patch_px * t->spec.patch_px;
    struct graph_tensor *patches = block_input(build, "patches", NAWI_DTYPE_F32, GRAPH_COUNT_TILE,
                                               2, (int64_t[]){t->n_patch, n_value});
    struct graph_tensor *turn = block_input(build, "turn", NAWI_DTYPE_F32, GRAPH_COUNT_NONE, 3,
                                            (int64_t[]){t->n_patch + 1, t->d_head / 2, 2});
    struct graph_tensor *embed =
        block_weight(build, "v.patch_embd.weight", 2, (int64_t[]){d, n_value});
    struct graph_tensor *class_row = block_vector(build, "v.class_embd", 1, &d);
    struct graph_tensor *table =
        block_vector(build, "v.position_embd.weight", 2, (int64_t[]){t->n_patch + 1, d});
    struct graph_tensor *x = block_matmul(build, embed, patches, NULL, 0);
    x = block_add_node(build,
                       (struct graph_node){.op = GRAPH_OP_TILE_ROWS, .in = {x, class_row, table}});
    x = block_layer_norm(build, x, "v.pre_ln", d, t->eps);
    for (int i = 0; i < t->n_layer && !build->error; i++) {
        build->layer = i;
        x = tower_layer(build, t, x, turn);
    }
    build->layer = -1;
    x = block_layer_norm(build, x, "v.post_ln", d, t->eps);
    x = block_add_node(build, (struct graph_node){.op = GRAPH_OP_SHUFFLE,
                                                  .in = {x},
                                                  .group = nawi_media_grid(&t->spec),
                                                  .factor = t->spec.shuffle});
    int64_t first = t->n_adapter[0];
    int64_t second = t->n_adapter[1];
    struct graph_tensor *one =
        block_weight(build, "mm.model.mlp.1.weight", 2, (int64_t[]){first, t->n_shuffled});
    struct graph_tensor *two =
        block_weight(build, "mm.model.mlp.2.weight", 2, (int64_t[]){second, first});
    struct graph_tensor *out =
        block_weight(build, "mm.model.fc.weight", 2, (int64_t[]){t->n_out, second});
    x = block_gelu(build, block_matmul(build, one, x, NULL, 0));
    x = block_gelu(build, block_matmul(build, two, x, NULL, 0));
    x = block_matmul(build, out, x, NULL, 0);
    if (x)
        graph_keep(build->graph, x, "rows");
}
