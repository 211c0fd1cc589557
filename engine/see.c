/* Pictures to rows: the tower's graph, run over some tiles at a time. */
#include "engine/model.h"

#include <math.h>
#include <string.h>

enum { ROWS_AT_ONCE = 1024 }; /* rows of the tower in one run: as many tiles as fit, at least one */

/* Cosine and sine of each pair of each place of the grid; the class row, last, does not turn. */
static float *make_turn(const struct arch_tower *t)
{
    int64_t n_pair = t->d_head / 2;
    int64_t n_each = n_pair / 2;
    int grid = nawi_media_grid(&t->spec);
    float *turn = g_new(float, (t->n_patch + 1) * n_pair * 2);
    for (int64_t p = 0; p <= t->n_patch; p++)
        for (int64_t j = 0; j < n_pair; j++) {
            double place = j < n_each ? (double)(p % grid + 1) : (double)(p / grid + 1);
            double angle = place * pow(t->rope_base, -(double)(j % n_each) / (double)n_each);
            turn[(p * n_pair + j) * 2] = p == t->n_patch ? 1.0f : (float)cos(angle);
            turn[(p * n_pair + j) * 2 + 1] = p == t->n_patch ? 0.0f : (float)sin(angle);
        }
    return turn;
}

bool model_open_eyes(struct nawi_model *model, GError **error)
{
    struct model_part *eyes = &model->eyes;
    const struct arch_tower *t = &model->tower;
    model->n_tile_most = MAX(1, ROWS_AT_ONCE / (t->n_patch + 1));
    struct graph_sizes most = {{1, 0, 0, model->n_tile_most}};
    arch_begin(&eyes->build, model->tower_weights);
    model->tower_family->tower(&eyes->build, t);
    if (!arch_finish(&eyes->build, &most, error) ||
        !model_place_weights(model, eyes, model->tower_weights, error))
        return false;
    eyes->executor = execute_create(eyes->build.graph, model->backends, model->n_backend, error);
    if (!eyes->executor)
        return false;
    struct graph_tensor *turn = graph_find(eyes->build.graph, "turn");
    float *table = make_turn(t);
    bool fine = execute_set(eyes->executor, turn, table, (uint64_t)graph_bytes(turn, &most), error);
    g_free(table);
    return fine;
}

static void make_key(const struct nawi_media *media, int64_t n_value,
                     uint8_t key[NAWI_MEDIA_HASH_BYTES])
{
    static const uint8_t none[NAWI_MEDIA_HASH_BYTES];
    int32_t cut[4] = {media->rows, media->cols, media->n_tile, media->tile_px};
    gsize n_bytes = NAWI_MEDIA_HASH_BYTES;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(sum, (const guchar *)cut, sizeof cut);
    if (memcmp(media->hash, none, sizeof none) != 0)
        g_checksum_update(sum, media->hash, sizeof media->hash);
    else /* tiles that came without a picture */
        g_checksum_update(sum, (const guchar *)media->patches,
                          (gssize)(n_value * (int64_t)sizeof(float)));
    g_checksum_get_digest(sum, key, &n_bytes);
    g_checksum_free(sum);
}

static bool fits(const struct nawi_model *model, const struct nawi_media *media, GError **error)
{
    const struct nawi_media_spec *spec = &model->tower.spec;
    if (model->eyes.executor && media->tile_px == spec->tile_px &&
        media->patch_px == spec->patch_px && media->n_tile >= 1 && media->n_tile <= INT16_MAX)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                "a picture of %d tiles of %d pixels does not fit the model, which %s",
                media->n_tile, media->tile_px,
                model->eyes.executor ? "wants tiles of another size" : "cannot see");
    return false;
}

/* n tiles at once: patches in, rows out. */
static bool see_tiles(struct nawi_model *model, const float *patches, int64_t n, float *rows,
                      const nawi_cancel *cancel, GError **error)
{
    struct executor *executor = model->eyes.executor;
    struct graph_tensor *in = graph_find(model->eyes.build.graph, "patches");
    const struct graph_tensor *out = graph_find(model->eyes.build.graph, "rows");
    const struct graph_sizes sizes = {{1, 0, 0, n}};
    if (!model_enter(model, cancel, error))
        return false;
    bool fine = execute_set(executor, in, patches, (uint64_t)graph_bytes(in, &sizes), error) &&
                execute_run(executor, &sizes, cancel, error) &&
                execute_get(executor, out, 0, rows, (uint64_t)graph_bytes(out, &sizes), error);
    model_leave(model);
    return fine;
}

struct nawi_embedding *nawi_model_see(struct nawi_model *model, const struct nawi_media *media,
                                      nawi_progress_fn progress, void *user,
                                      const nawi_cancel *cancel, GError **error)
{
    if (!fits(model, media, error))
        return NULL;
    const struct arch_tower *t = &model->tower;
    int64_t n_value = t->n_patch * 3 * t->spec.patch_px * t->spec.patch_px;
    int64_t n_tok = nawi_media_tile_tokens(&t->spec);
    struct nawi_embedding *made = g_new0(struct nawi_embedding, 1);
    g_atomic_ref_count_init(&made->n_ref);
    made->n_row = n_tok * media->n_tile;
    made->n_embd = t->n_out;
    made->rows = g_try_new(float, made->n_row * made->n_embd);
    make_key(media, n_value * media->n_tile, made->key);
    bool fine = made->rows != NULL;
    if (!fine)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "memory: needed %.1f MiB for a picture's rows",
                    (double)(made->n_row * made->n_embd) * 4 / 1048576.0);
    for (int64_t tile = 0; fine && tile < media->n_tile; tile += model->n_tile_most) {
        int64_t n = MIN(model->n_tile_most, media->n_tile - tile);
        if (progress)
            progress("see", tile, media->n_tile, user);
        fine = see_tiles(model, media->patches + tile * n_value, n,
                         made->rows + tile * n_tok * made->n_embd, cancel, error);
    }
    if (fine && progress)
        progress("see", media->n_tile, media->n_tile, user);
    if (!fine)
        g_clear_pointer(&made, nawi_embedding_unref);
    return made;
}

struct nawi_embedding *nawi_embedding_ref(struct nawi_embedding *embedding)
{
    g_atomic_ref_count_inc(&embedding->n_ref);
    return embedding;
}

void nawi_embedding_unref(struct nawi_embedding *embedding)
{
    if (!embedding || !g_atomic_ref_count_dec(&embedding->n_ref))
        return;
    g_free(embedding->rows);
    g_free(embedding);
}

const float *nawi_embedding_get_rows(const struct nawi_embedding *embedding, int64_t *n_row,
                                     int64_t *n_embd)
{
    *n_row = embedding->n_row;
    *n_embd = embedding->n_embd;
    return embedding->rows;
}
