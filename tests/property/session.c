/* Sessions: any chunking of a prompt, any mix of sessions, any number of threads and any way back
 * give the same rows. */
#include "engine/engine.h"
#include "tests/golden/cases.h"
#include "tests/harness.h"

#include <string.h>

static const char *const models[] = {"models/tiny-scout-F32.gguf", "models/tiny-maverick-F32.gguf",
                                     "models/tiny-k-Q4_K.gguf", "models/tiny-q-Q8_0.gguf"};

enum { N_TOKEN = 150 }; /* past several borders of chunks of 32 */

static struct nawi_model *open_model(const char *relative, int n_threads, int n_batch)
{
    GError *error = NULL;
    char *path = harness_golden(relative);
    struct nawi_model_params params = {
        .path = path, .no_vision = true, .n_threads = n_threads, .n_batch = n_batch};
    struct nawi_model *model = nawi_model_open(&params, NULL, &error);
    g_assert_no_error(error);
    g_free(path);
    return model;
}

static struct nawi_session *open_session(struct nawi_model *model)
{
    GError *error = NULL;
    struct nawi_session *session = nawi_session_create(model, NULL, &error);
    g_assert_no_error(error);
    return session;
}

static void draw_tokens(GRand *rand, int32_t *tokens, int n)
{
    for (int i = 0; i < n; i++)
        tokens[i] = g_rand_int_range(rand, 0, 480);
}

/* Logits of all tokens, cut into pieces of random length (at most most; 0: one piece). */
static float *evaluate(struct nawi_model *model, const int32_t *tokens, int n, GRand *rand,
                       int most)
{
    GError *error = NULL;
    int64_t v = nawi_model_get_info(model)->n_vocab;
    struct nawi_session *session = open_session(model);
    struct nawi_row *rows = g_new0(struct nawi_row, n);
    float *logits = g_new0(float, n *v);
    for (int i = 0; i < n; i++)
        rows[i] = (struct nawi_row){session, tokens[i], NULL, 0, true};
    for (int first = 0; first < n;) {
        int piece = most == 0 ? n : g_rand_int_range(rand, 1, most + 1);
        piece = MIN(piece, n - first);
        nawi_model_evaluate(model, rows + first, piece, logits + first * v, NULL, NULL, &error);
        g_assert_no_error(error);
        first += piece;
    }
    g_free(rows);
    nawi_session_destroy(session);
    return logits;
}

static void test_threads(const void *relative)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    int32_t tokens[N_TOKEN];
    draw_tokens(rand, tokens, N_TOKEN);
    float *first = NULL;
    static const int threads[] = {1, 2, 3, 8};
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        struct nawi_model *model = open_model(relative, threads[i], 0);
        size_t n = N_TOKEN * (size_t)nawi_model_get_info(model)->n_vocab;
        float *logits = evaluate(model, tokens, N_TOKEN, rand, 0);
        if (first)
            g_assert_true(memcmp(first, logits, n * sizeof(float)) == 0);
        else
            first = g_memdup2(logits, n * sizeof(float));
        g_free(logits);
        nawi_model_close(model);
    }
    g_free(first);
    g_rand_free(rand);
}

static void test_chunking(const void *relative)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    struct nawi_model *model = open_model(relative, 2, 0);
    struct nawi_model *small = open_model(relative, 2, 5);
    size_t n = N_TOKEN * (size_t)nawi_model_get_info(model)->n_vocab;
    for (int i = 0; i < (harness_is_full() ? 50 : 5); i++) {
        int32_t tokens[N_TOKEN];
        draw_tokens(rand, tokens, N_TOKEN);
        float *whole = evaluate(model, tokens, N_TOKEN, rand, 0);
        float *cut = evaluate(model, tokens, N_TOKEN, rand, g_rand_int_range(rand, 1, 60));
        float *fives = evaluate(small, tokens, N_TOKEN, rand, 0);
        g_assert_cmpfloat(harness_relative_error(cut, whole, n), <=, 1e-5);
        g_assert_cmpfloat(harness_relative_error(fives, whole, n), <=, 1e-5);
        g_free(whole);
        g_free(cut);
        g_free(fives);
    }
    nawi_model_close(model);
    nawi_model_close(small);
    g_rand_free(rand);
}

/* Three sessions whose rows come mixed, each as if it were alone. */
static void test_mix(const void *relative)
{
    enum { N_SESSION = 3 };
    GError *error = NULL;
    GRand *rand = g_rand_new_with_seed(harness_seed());
    struct nawi_model *model = open_model(relative, 2, 0);
    int64_t v = nawi_model_get_info(model)->n_vocab;
    int32_t tokens[N_SESSION][N_TOKEN];
    float *alone[N_SESSION];
    struct nawi_session *sessions[N_SESSION];
    int done[N_SESSION] = {0};
    for (int s = 0; s < N_SESSION; s++) {
        draw_tokens(rand, tokens[s], N_TOKEN);
        alone[s] = evaluate(model, tokens[s], N_TOKEN, rand, 0);
        sessions[s] = open_session(model);
    }
    float *logits = g_new(float, 64 * v);
    for (;;) {
        struct nawi_row rows[64];
        int owner[64], place[64], n = 0;
        int wanted = g_rand_int_range(rand, 1, 65);
        for (int tries = 0; n < wanted && tries < 1000; tries++) {
            int s = g_rand_int_range(rand, 0, N_SESSION);
            if (done[s] == N_TOKEN)
                continue;
            owner[n] = s;
            place[n] = done[s];
            rows[n++] = (struct nawi_row){sessions[s], tokens[s][done[s]++], NULL, 0, true};
        }
        if (n == 0)
            break;
        nawi_model_evaluate(model, rows, n, logits, NULL, NULL, &error);
        g_assert_no_error(error);
        for (int i = 0; i < n; i++)
            g_assert_cmpfloat(
                harness_relative_error(logits + i * v, alone[owner[i]] + place[i] * v, (size_t)v),
                <=, 1e-4);
    }
    for (int s = 0; s < N_SESSION; s++) {
        g_assert_cmpint(nawi_session_get_length(sessions[s]), ==, N_TOKEN);
        nawi_session_destroy(sessions[s]);
        g_free(alone[s]);
    }
    g_free(logits);
    nawi_model_close(model);
    g_rand_free(rand);
}

/* One session led through many wanted prompts; after each, its logits are those of a fresh one. */
static void test_sync(const void *relative)
{
    GError *error = NULL;
    GRand *rand = g_rand_new_with_seed(harness_seed());
    struct nawi_model *model = open_model(relative, 2, 16);
    size_t v = (size_t)nawi_model_get_info(model)->n_vocab;
    struct nawi_session *session = open_session(model);
    int32_t tokens[N_TOKEN];
    draw_tokens(rand, tokens, N_TOKEN);
    for (int i = 0; i < (harness_is_full() ? 300 : 40); i++) {
        int n = g_rand_int_range(rand, 1, N_TOKEN + 1);
        int change = g_rand_int_range(rand, 0, N_TOKEN);
        if (g_rand_int_range(rand, 0, 3) == 0)
            tokens[change] = g_rand_int_range(rand, 0, 480);
        struct nawi_prompt prompt = {tokens, n, NULL, 0};
        nawi_session_sync(session, &prompt, NULL, NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(nawi_session_get_tokens(session), (size_t)n * 4, tokens, (size_t)n * 4);
        struct nawi_session *fresh = open_session(model);
        nawi_session_sync(fresh, &prompt, NULL, NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpfloat(harness_relative_error(nawi_session_get_logits(session),
                                                 nawi_session_get_logits(fresh), v),
                          <=, 1e-4);
        nawi_session_destroy(fresh);
    }
    struct nawi_session_stats stats;
    nawi_session_get_stats(session, &stats);
    g_assert_cmpint(stats.n_reused, >, 0);
    nawi_session_destroy(session);
    nawi_model_close(model);
    g_rand_free(rand);
}

/* Every row multiplies exactly as many experts as the metadata says. */
static void test_experts(const void *relative)
{
    GRand *rand = g_rand_new_with_seed(harness_seed());
    GError *error = NULL;
    struct nawi_model *model = open_model(relative, 2, 0);
    const struct nawi_model_info *info = nawi_model_get_info(model);
    int32_t tokens[N_TOKEN];
    draw_tokens(rand, tokens, N_TOKEN);
    struct nawi_session *session = open_session(model);
    struct nawi_prompt prompt = {tokens, 77, NULL, 0};
    nawi_session_sync(session, &prompt, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    struct nawi_session_stats stats;
    nawi_session_get_stats(session, &stats);
    g_assert_cmpint(stats.n_expert_multiplied, ==, 77 * info->n_moe_layer * info->n_expert_used);
    nawi_session_destroy(session);
    nawi_model_close(model);
    g_rand_free(rand);
}

static void test_full(void)
{
    GError *error = NULL;
    struct nawi_model *model = open_model(models[0], 1, 0);
    struct nawi_session_params params = {.context_tok = 40};
    struct nawi_session *session = nawi_session_create(model, &params, &error);
    g_assert_no_error(error);
    int32_t tokens[41] = {0};
    struct nawi_prompt prompt = {tokens, 41, NULL, 0};
    g_assert_false(nawi_session_sync(session, &prompt, NULL, NULL, NULL, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "41"));
    g_assert_nonnull(strstr(error->message, "40"));
    g_clear_error(&error);
    prompt.n_token = 40;
    g_assert_true(nawi_session_sync(session, &prompt, NULL, NULL, NULL, &error));
    g_assert_false(nawi_session_add(session, 1, NULL, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_cmpint(nawi_session_get_length(session), ==, 40);
    nawi_session_destroy(session);
    nawi_model_close(model);
}

static void test_cancel(void)
{
    GError *error = NULL;
    struct nawi_model *model = open_model(models[0], 2, 8);
    struct nawi_session *session = open_session(model);
    int32_t tokens[N_TOKEN] = {0};
    struct nawi_prompt prompt = {tokens, N_TOKEN, NULL, 0};
    nawi_cancel cancel = {true};
    g_assert_false(nawi_session_sync(session, &prompt, NULL, NULL, &cancel, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_true(nawi_session_sync(session, &prompt, NULL, NULL, NULL, &error));
    g_assert_no_error(error);
    nawi_session_destroy(session);
    nawi_model_close(model);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(const void *relative);
    } tests[] = {{"threads", test_threads},
                 {"chunking", test_chunking},
                 {"mix", test_mix},
                 {"sync", test_sync},
                 {"experts", test_experts}};
    harness_init(&argc, &argv);
    for (guint t = 0; t < G_N_ELEMENTS(tests); t++)
        for (guint m = 0; m < G_N_ELEMENTS(models); m++) {
            char *name = g_strdup_printf("/session/%s/%s", tests[t].name, models[m]);
            g_test_add_data_func(name, models[m], tests[t].test);
            g_free(name);
        }
    g_test_add_func("/session/full", test_full);
    g_test_add_func("/session/cancel", test_cancel);
    return harness_main();
}
