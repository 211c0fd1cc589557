/* The canvas planner. It follows the reference's arithmetic to the bit, because a scale that rounds
 * the other way gives another canvas: scales of canvases are float32 quotients, sizes on the canvas
 * are doubles, the factor first and the product after. The order in which canvases are tried
 * decides nothing: two that share the best scale and the least area are the same canvas. */
#include "vision/tile.h"

#include <math.h>

bool tile_spec_is_sound(const struct nawi_media_spec *spec)
{
    if (spec->tile_px < 1 || spec->tile_px > NAWI_MEDIA_MAX_TILE_PX || spec->patch_px < 1 ||
        spec->shuffle < 1 || spec->max_tiles < 1 || spec->max_tiles > NAWI_MEDIA_MAX_TILES ||
        spec->patch_px > spec->tile_px || spec->shuffle > spec->tile_px)
        return false;
    for (int c = 0; c < 3; c++)
        if (!isfinite(spec->mean[c]) || !isfinite(spec->std[c]) || spec->std[c] <= 0)
            return false;
    return spec->tile_px % (spec->patch_px * spec->shuffle) == 0;
}

/* The factor that makes the picture fit a canvas of rows x cols tiles. */
static float canvas_scale(int rows, int cols, int width_px, int height_px, int tile_px)
{
    float by_height = (float)(rows * tile_px) / (float)height_px;
    float by_width = (float)(cols * tile_px) / (float)width_px;
    return by_height > by_width ? by_width : by_height;
}

/* Whether scale a is a better choice than b: the smallest that does not shrink, else the largest.
 */
static bool is_better(float a, float b)
{
    if (a >= 1 && b >= 1)
        return a < b;
    return a > b;
}

static void choose_canvas(struct tile_plan *plan, int width_px, int height_px,
                          const struct nawi_media_spec *spec)
{
    float best = 0;
    for (int rows = 1; rows <= spec->max_tiles; rows++)
        for (int cols = 1; rows * cols <= spec->max_tiles; cols++) {
            float scale = canvas_scale(rows, cols, width_px, height_px, spec->tile_px);
            bool first = plan->rows == 0;
            bool smaller = !first && scale == best && rows * cols < plan->rows * plan->cols;
            if (first || is_better(scale, best) || smaller) {
                best = scale;
                plan->rows = rows;
                plan->cols = cols;
            }
        }
}

/* min(floor(length * factor), most), at least 1. */
static int scaled(int length, double factor, int most)
{
    double px = floor((double)length * factor);
    if (px >= (double)most)
        return most;
    return px < 1 ? 1 : (int)px;
}

struct tile_plan tile_lay_out(int width_px, int height_px, const struct nawi_media_spec *spec)
{
    struct tile_plan plan = {0};
    choose_canvas(&plan, width_px, height_px, spec);

    int side = spec->tile_px;
    int target_w = MIN(MAX(width_px, side), plan.cols * side);
    int target_h = MIN(MAX(height_px, side), plan.rows * side);
    double factor_w = (double)target_w / (double)width_px;
    double factor_h = (double)target_h / (double)height_px;
    if (factor_w < factor_h) {
        plan.resized_w_px = target_w;
        plan.resized_h_px = scaled(height_px, factor_w, target_h);
    } else {
        plan.resized_w_px = scaled(width_px, factor_h, target_w);
        plan.resized_h_px = target_h;
    }

    int n = plan.rows * plan.cols;
    int n_tile_tok = nawi_media_tile_tokens(spec);
    plan.n_tile = n > 1 ? n + 1 : 1;
    /* start, image, end; and behind each tile of a canvas of several an x or y separator */
    plan.n_tok = 3 + plan.n_tile * n_tile_tok + (n > 1 ? n : 0);
    return plan;
}
