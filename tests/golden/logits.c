/* Whole models against the reference: logits, routes and picture rows of golden/cases.json, from
 * GGUF and from Hugging Face folders, on every tier, in one piece, in batches of 7 and token by
 * token. */
#include "engine/engine.h"
#include "tests/golden/cases.h"
#include "tests/harness.h"

#include <math.h>
#include <string.h>

enum { WHOLE = 0, SEVENS = 7, SINGLES = 1 };

struct run {
    struct nawi_model *model;
    const struct golden_case *c;
    struct nawi_embedding **pictures;
    int64_t batch; /* 0: whole */
};

/* Rows of a case, with its pictures at its patch tokens. */
static struct nawi_row *make_rows(const struct run *run, struct nawi_session *session)
{
    struct nawi_row *rows = g_new0(struct nawi_row, run->c->n_token);
    int32_t patch = nawi_tokenizer_find(nawi_model_get_tokenizer(run->model), "<|patch|>");
    int64_t picture = 0, at = 0, n_row = 0, n_embd = 0;
    for (int64_t i = 0; i < run->c->n_token; i++) {
        rows[i] = (struct nawi_row){session, run->c->tokens[i], NULL, 0, true};
        if (rows[i].token != patch)
            continue;
        nawi_embedding_get_rows(run->pictures[picture], &n_row, &n_embd);
        rows[i].picture = run->pictures[picture];
        rows[i].picture_row = at++;
        if (at == n_row) {
            picture++;
            at = 0;
        }
    }
    return rows;
}

static void evaluate(const struct run *run, float *logits, int32_t *routes)
{
    GError *error = NULL;
    const struct nawi_model_info *info = nawi_model_get_info(run->model);
    struct nawi_session *session = nawi_session_create(run->model, NULL, &error);
    g_assert_no_error(error);
    struct nawi_row *rows = make_rows(run, session);
    int64_t batch = run->batch > 0 ? run->batch : run->c->n_token;
    for (int64_t first = 0; first < run->c->n_token; first += batch) {
        int64_t n = MIN(batch, run->c->n_token - first);
        int64_t k = info->n_expert_used;
        int32_t *some = g_new0(int32_t, MAX(info->n_moe_layer * n * k, 1));
        nawi_model_evaluate(run->model, rows + first, n, logits + first * info->n_vocab, some, NULL,
                            &error);
        g_assert_no_error(error);
        for (int64_t l = 0; l < info->n_moe_layer; l++)
            memcpy(routes + (l * run->c->n_token + first) * k, some + l * n * k,
                   (size_t)(n * k) * sizeof *some);
        g_free(some);
    }
    g_free(rows);
    nawi_session_destroy(session);
}

static int64_t argmax(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static float margin_at(const float *x, int64_t n, int64_t best)
{
    float second = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (i != best && x[i] > second)
            second = x[i];
    return x[best] - second;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void check_exact(const struct run *run, const float *logits, const int32_t *routes,
                        const char *what)
{
    int64_t v = nawi_model_get_info(run->model)->n_vocab;
    double error = harness_relative_error(logits, run->c->logits, (size_t)(run->c->n_token * v));
    if (!(error <= 1e-4)) {
        g_test_message("%s: relative error %.3g", what, error);
        g_test_fail();
    }
    for (int64_t i = 0; i < run->c->n_route; i++)
        if (routes[i] != run->c->routes[i]) {
            g_test_message("%s: route %" G_GINT64_FORMAT " is %d, expected %d", what, i, routes[i],
                           run->c->routes[i]);
            g_test_fail();
            return;
        }
    for (int64_t t = 0; t < run->c->n_token; t++) {
        int64_t best = argmax(run->c->logits + t * v, v);
        if (margin_at(run->c->logits + t * v, v, best) > 1e-3f)
            g_assert_cmpint(argmax(logits + t * v, v), ==, best);
    }
}

static void check_rounded(const struct run *run, const float *logits, const char *what)
{
    int64_t v = nawi_model_get_info(run->model)->n_vocab;
    double *errors = g_new(double, run->c->n_token);
    for (int64_t t = 0; t < run->c->n_token; t++)
        errors[t] = harness_relative_error(logits + t * v, run->c->logits + t * v, (size_t)v);
    qsort(errors, (size_t)run->c->n_token, sizeof *errors, by_value);
    double median = errors[run->c->n_token / 2];
    if (!(median <= 0.08)) {
        g_test_message("%s: median relative error %.3g", what, median);
        g_test_fail();
    }
    g_free(errors);
}

/* How many of the ways to cut a prompt are tried: the plain tier is slow, and cutting is not its
 * own, so that without --full it does whole prompts, and sevens where nothing is rounded. */
static guint count_ways(const char *tier, bool is_float)
{
    if (harness_is_full() || strcmp(tier, "ref") != 0)
        return 3;
    return is_float ? 2 : 1;
}

static void check_case(struct nawi_model *model, const struct golden_case *c, bool exact,
                       guint n_way)
{
    static const int64_t batches[] = {WHOLE, SEVENS, SINGLES};
    const struct nawi_model_info *info = nawi_model_get_info(model);
    struct run run = {.model = model, .c = c};
    run.pictures = g_new0(struct nawi_embedding *, MAX(c->n_picture, 1));
    for (int64_t i = 0; i < c->n_picture; i++)
        run.pictures[i] = golden_see(model, c->pictures[i]);
    float *logits = g_new(float, c->n_token * info->n_vocab);
    int32_t *routes = g_new0(int32_t, MAX(c->n_route, 1));
    for (guint b = 0; b < n_way; b++) {
        run.batch = batches[b];
        char *what = g_strdup_printf("%s, %s, %s, batch %" G_GINT64_FORMAT, c->name, info->path,
                                     info->cpu_tier, run.batch);
        evaluate(&run, logits, routes);
        if (exact)
            check_exact(&run, logits, routes, what);
        else
            check_rounded(&run, logits, what);
        g_free(what);
    }
    for (int64_t i = 0; i < c->n_picture; i++)
        nawi_embedding_unref(run.pictures[i]);
    g_free(run.pictures);
    g_free(logits);
    g_free(routes);
}

struct subject {
    const char *source; /* relative to golden */
    const char *tier;
    GPtrArray *cases; /* that share it */
    bool is_float;
};

static void test_subject(const void *data)
{
    const struct subject *s = data;
    const struct golden_case *first = g_ptr_array_index(s->cases, 0);
    GError *error = NULL;
    char *path = harness_golden(s->source);
    char *mmproj = first->mmproj && g_str_has_suffix(s->source, ".gguf")
                       ? harness_golden(first->mmproj)
                       : NULL;
    struct nawi_model_params params = {.path = path,
                                       .mmproj = mmproj,
                                       .cpu_tier = s->tier,
                                       .n_threads = 2,
                                       .no_vision =
                                           !mmproj && !g_file_test(path, G_FILE_TEST_IS_DIR)};
    struct nawi_model *model = nawi_model_open(&params, NULL, &error);
    g_assert_no_error(error);
    bool exact = s->is_float || strcmp(nawi_model_get_info(model)->cpu_tier, "ref") == 0;
    for (guint i = 0; model && i < s->cases->len; i++)
        check_case(model, g_ptr_array_index(s->cases, i), exact, count_ways(s->tier, s->is_float));
    nawi_model_close(model);
    g_free(path);
    g_free(mmproj);
}

static void free_subject(gpointer data)
{
    struct subject *s = data;
    g_ptr_array_unref(s->cases);
    g_free(s);
}

static bool has_float_weights(const char *source)
{
    static const char *const names[] = {"F32", "F16", "BF16"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (strstr(source, names[i]))
            return true;
    return !g_str_has_suffix(source, ".gguf"); /* folders here hold F32 or BF16 */
}

static void add_subjects(GPtrArray *subjects, const struct golden_case *c, const char *source)
{
    static const char *const tiers[] = {"ref", "avx2"};
    for (guint t = 0; source && t < G_N_ELEMENTS(tiers); t++) {
        struct subject *found = NULL;
        for (guint i = 0; i < subjects->len && !found; i++) {
            struct subject *s = g_ptr_array_index(subjects, i);
            if (strcmp(s->source, source) == 0 && strcmp(s->tier, tiers[t]) == 0)
                found = s;
        }
        if (!found) {
            found = g_new(struct subject, 1);
            *found =
                (struct subject){source, tiers[t], g_ptr_array_new(), has_float_weights(source)};
            g_ptr_array_add(subjects, found);
            char *name = g_strdup_printf("/logits/%s/%s", source, tiers[t]);
            g_test_add_data_func(name, found, test_subject);
            g_free(name);
        }
        g_ptr_array_add(found->cases, (void *)c);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    GPtrArray *cases = golden_load_cases();
    GPtrArray *subjects = g_ptr_array_new_with_free_func(free_subject);
    for (guint i = 0; i < cases->len; i++) {
        const struct golden_case *c = g_ptr_array_index(cases, i);
        add_subjects(subjects, c, c->gguf);
        add_subjects(subjects, c, c->hf);
    }
    int status = harness_main();
    g_ptr_array_unref(subjects);
    g_ptr_array_unref(cases);
    return status;
}
