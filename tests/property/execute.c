/* One graph over two devices: however its nodes are dealt out, the numbers are those of one device.
 */
#include "engine/cpu/cpu.h"
#include "engine/execute.h"
#include "tests/harness.h"

#include <string.h>

enum { N_ROW = 9, WIDTH = 32, DEPTH = 6 };

static struct graph_tensor *add(struct graph *graph, struct graph_node spec)
{
    return graph_add(graph, &spec);
}

/* x → DEPTH times (x + silu(A x) * (B norm(x))). */
static struct graph *build(void)
{
    struct graph *graph = graph_create();
    struct graph_tensor *x = graph_add_leaf(graph, GRAPH_ROLE_INPUT, "x", NAWI_DTYPE_F32,
                                            GRAPH_COUNT_ROW, 2, (int64_t[]){1, WIDTH});
    struct graph_tensor *w[2];
    for (int i = 0; i < 2; i++)
        w[i] = graph_add_leaf(graph, GRAPH_ROLE_WEIGHT, i ? "b" : "a", NAWI_DTYPE_F32,
                              GRAPH_COUNT_NONE, 2, (int64_t[]){WIDTH, WIDTH});
    for (int i = 0; i < DEPTH; i++) {
        struct graph_tensor *n =
            add(graph, (struct graph_node){.op = GRAPH_OP_RMS_NORM, .in = {x}, .eps = 1e-5f});
        struct graph_tensor *a =
            add(graph, (struct graph_node){.op = GRAPH_OP_MATMUL, .in = {w[0], x}});
        struct graph_tensor *b =
            add(graph, (struct graph_node){.op = GRAPH_OP_MATMUL, .in = {w[1], n}});
        struct graph_tensor *h =
            add(graph, (struct graph_node){.op = GRAPH_OP_SWIGLU, .in = {a, b}});
        x = add(graph, (struct graph_node){.op = GRAPH_OP_ADD, .in = {x, h}});
    }
    graph_keep(graph, x, "y");
    graph_seal(graph, &(struct graph_sizes){{1, N_ROW, 0, 0}});
    return graph;
}

static void run(GRand *rand, struct nawi_backend *const *backends, const float *weights,
                const float *x, float *y)
{
    GError *error = NULL;
    struct graph *graph = build();
    struct nawi_buffer *buffers[2];
    for (int d = 0; d < 2; d++) {
        buffers[d] = backends[d]->ops->import(backends[d], weights, 2 * WIDTH * WIDTH * 4, &error);
        graph_find(graph, "a")->place[d] = (struct graph_place){buffers[d], 0};
        graph_find(graph, "b")->place[d] = (struct graph_place){buffers[d], WIDTH * WIDTH * 4};
    }
    for (int i = 0; rand && i < graph_count_nodes(graph); i++)
        graph_get_node(graph, i)->device = g_rand_int_range(rand, 0, 2);
    struct executor *executor = execute_create(graph, backends, 2, &error);
    g_assert_no_error(error);
    struct graph_sizes sizes = {{1, N_ROW, 0, 0}};
    g_assert_true(execute_set(executor, graph_find(graph, "x"), x, N_ROW * WIDTH * 4, &error));
    g_assert_true(execute_run(executor, &sizes, NULL, &error));
    g_assert_true(execute_get(executor, graph_find(graph, "y"), 0, y, N_ROW * WIDTH * 4, &error));
    execute_destroy(executor);
    for (int d = 0; d < 2; d++)
        backends[d]->ops->free_buffer(buffers[d]);
    graph_destroy(graph);
}

static void test_any_split(void)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    struct nawi_backend *backends[2] = {cpu_open(KERNEL_TIER_AVX2, 2),
                                        cpu_open(KERNEL_TIER_AVX2, 1)};
    float weights[2 * WIDTH * WIDTH], x[N_ROW * WIDTH], one[N_ROW * WIDTH], two[N_ROW * WIDTH];
    for (guint i = 0; i < G_N_ELEMENTS(weights); i++)
        weights[i] = (float)g_rand_double_range(rand, -0.3, 0.3);
    for (guint i = 0; i < G_N_ELEMENTS(x); i++)
        x[i] = (float)g_rand_double_range(rand, -1, 1);
    run(NULL, backends, weights, x, one);
    for (int i = 0; i < 50; i++) {
        memset(two, 0, sizeof two);
        run(rand, backends, weights, x, two);
        g_assert_cmpmem(one, sizeof one, two, sizeof two);
    }
    for (int d = 0; d < 2; d++)
        backends[d]->ops->close(backends[d]);
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/execute/any-split", test_any_split);
    return harness_main();
}
