/* Turning of heads: against the formula in double, and against the reference's own turned vectors
 * of the vision tower (golden/vision/index.json). */
#include "tests/check/check.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static void run_random(struct check *check)
{
    static const int halves[] = {1, 2, 3, 4, 5, 8, 16, 17, 32, 44, 64};
    for (int i = 0; i < 120; i++) {
        int64_t n_rot = 2 * check_pick(check, G_N_ELEMENTS(halves), halves);
        int64_t d = n_rot + check_draw(check, 0, 1) * check_draw(check, 1, 20);
        int64_t n_head = check_draw(check, 1, 5);
        bool half = check_draw(check, 0, 1);
        struct check_memory turn, x;
        check_describe(check, "heads %d d %d turned %d half %d", (int)n_head, (int)d, (int)n_rot,
                       half);
        check_memory_init(&turn, (size_t)n_rot * sizeof(float));
        check_memory_init(&x, (size_t)(n_head * d) * sizeof(float));
        float *t = (float *)turn.at;
        float *y = (float *)x.at;
        for (int64_t j = 0; j < n_rot / 2; j++) {
            double angle = g_rand_double_range(check->rand, -10, 10);
            t[2 * j] = (float)cos(angle);
            t[2 * j + 1] = (float)sin(angle);
        }
        check_fill(check, n_head * d, (enum check_values)(i % CHECK_VALUES), y);
        float *before = g_memdup2(y, x.n_bytes);
        check->tier->rope(n_head, d, n_rot, half, t, y);
        for (int64_t v = 0; v < n_head * d; v++) {
            int64_t at = v % d;
            int64_t pair = half ? at % (n_rot / 2) : at / 2;
            bool is_second = half ? at >= n_rot / 2 : at % 2 == 1;
            int64_t other = half ? (is_second ? v - n_rot / 2 : v + n_rot / 2) : v ^ 1;
            if (!half) /* a head may begin at an odd place */
                other = is_second ? v - 1 : v + 1;
            if (at >= n_rot) {
                check_near(check, "beyond", v, (double)y[v], (double)before[v], 0);
                continue;
            }
            double c = (double)t[2 * pair];
            double s = (double)t[2 * pair + 1];
            double a = (double)before[v];
            double b = (double)before[other];
            double wanted = is_second ? b * s + a * c : a * c - b * s;
            check_near(check, "y", v, (double)y[v], wanted, 3e-7 * (fabs(a) + fabs(b)) + 1e-43);
        }
        check_memory_verify(check, &x);
        check_memory_finish(&turn);
        check_memory_finish(&x);
        g_free(before);
    }
}

/* angle: per pair, first those of x, then those of y; pairs are adjacent. */
static int compare_row(struct check *check, const json_t *row, int64_t d)
{
    const json_t *angle = json_object_get(row, "angle");
    const json_t *turned = json_object_get(row, "turned");
    if (!angle || !turned)
        return 0;
    float turn[128];
    float x[128];
    g_assert_cmpint((int64_t)json_array_size(angle), ==, d / 2);
    g_assert_cmpint(d, <=, 128);
    for (int64_t j = 0; j < d / 2; j++) {
        double a = json_number_value(json_array_get(angle, (size_t)j));
        turn[2 * j] = (float)cos(a);
        turn[2 * j + 1] = (float)sin(a);
    }
    for (int64_t i = 0; i < d; i++)
        x[i] = (float)i;
    check_describe(check, "golden row %d d %d",
                   (int)json_integer_value(json_object_get(row, "row")), (int)d);
    check->tier->rope(1, d, d, false, turn, x);
    for (int64_t i = 0; i < d; i++) /* angles and results are given to six places */
        check_near(check, "turned", i, (double)x[i],
                   json_number_value(json_array_get(turned, (size_t)i)), 2e-6 * (double)(d + 1));
    return 1;
}

static void run_golden(struct check *check)
{
    char *path = harness_golden("vision/index.json");
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    int n = 0;
    size_t i;
    size_t r;
    const json_t *grid;
    const json_t *row;
    g_assert_nonnull(root);
    json_array_foreach(json_object_get(root, "rope_2d"), i, grid)
        json_array_foreach(json_object_get(grid, "rows"), r, row) n +=
        compare_row(check, row, json_integer_value(json_object_get(grid, "head_dim")));
    g_assert_cmpint(n, >, 3);
    json_decref(root);
    g_free(path);
}

static void run(struct check *check)
{
    run_random(check);
    run_golden(check);
}

const struct check_case check_rope_cases[] = {{CHECK_SLOT(rope, run)}, {0}};
