/* Opening a model: what is refused, by which code and words, and what opening and closing costs. */
#include "engine/engine.h"
#include "tests/harness.h"

#include <stdio.h>
#include <string.h>

static const char scout[] = "models/tiny-scout-F32.gguf";
static const char tower[] = "models/mmproj-tiny-scout-F32.gguf";

static struct nawi_model *open_model(const char *model, const char *mmproj, const char *override,
                                     GError **error)
{
    const char *overrides[] = {override, NULL};
    char *path = harness_golden(model);
    char *eyes = mmproj ? harness_golden(mmproj) : NULL;
    struct nawi_model_params params = {.path = path,
                                       .mmproj = eyes,
                                       .no_vision = !mmproj,
                                       .overrides = override ? overrides : NULL,
                                       .n_threads = 1};
    struct nawi_model *opened = nawi_model_open(&params, NULL, error);
    g_free(path);
    g_free(eyes);
    return opened;
}

struct refusal {
    const char *model, *mmproj, *override;
    int code;
    const char *words; /* that the message holds */
};

static void test_refusals(void)
{
    static const struct refusal refusals[] = {
        {scout, NULL, "llama4.atention.chunk_size=16", NAWI_ERROR_INPUT, "nothing reads it"},
        {scout, NULL, "clip.vision.preproc_max_tiles=2", NAWI_ERROR_INPUT, "nothing reads it"},
        {scout, NULL, "llama4.expert_used_count=5", NAWI_ERROR_FORMAT, "expected 1..4"},
        {scout, NULL, "llama4.attention.head_count_kv=3", NAWI_ERROR_FORMAT, "no multiple"},
        {scout, NULL, "llama4.attention.chunk_size=x", NAWI_ERROR_INPUT, "chunk_size"},
        {scout, NULL, "llama4.embedding_length=63", NAWI_ERROR_FORMAT, "wanted"},
        {scout, NULL, "general.architecture=camel", NAWI_ERROR_UNSUPPORTED, "camel"},
        {scout, tower, "clip.vision.image_size=2044", NAWI_ERROR_UNSUPPORTED, "128 patches a side"},
        {scout, tower, "clip.vision.image_size=57", NAWI_ERROR_FORMAT, "multiple of 28"},
        {"models/tiny-k-Q4_K.gguf", tower, NULL, NAWI_ERROR_FORMAT, "do not belong together"},
        {tower, NULL, NULL, NAWI_ERROR_UNSUPPORTED, "--mmproj"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        const struct refusal *r = &refusals[i];
        GError *error = NULL;
        struct nawi_model *model = open_model(r->model, r->mmproj, r->override, &error);
        g_assert_null(model);
        g_test_message("%s", error ? error->message : "opened");
        g_assert_error(error, NAWI_ERROR, r->code);
        g_assert_nonnull(strstr(error->message, r->words));
        g_clear_error(&error);
    }
}

static void test_override_counts(void)
{
    GError *error = NULL;
    struct nawi_model *model = open_model(scout, NULL, "llama4.attention.chunk_size=16", &error);
    g_assert_no_error(error);
    g_assert_cmpint(nawi_model_get_info(model)->chunk_tok, ==, 16);
    nawi_model_close(model);
}

static void test_params(void)
{
    char *path = harness_golden(scout);
    const struct nawi_model_params wrong[] = {
        {.path = path, .no_vision = true, .cpu_tier = "avx9000"},
        {.path = path, .no_vision = true, .n_threads = 100000},
        {.path = path, .no_vision = true, .n_batch = -1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        GError *error = NULL;
        g_assert_null(nawi_model_open(&wrong[i], NULL, &error));
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
        g_clear_error(&error);
    }
    nawi_cancel cancel = {true};
    GError *error = NULL;
    const struct nawi_model_params fine = {.path = path, .no_vision = true};
    g_assert_null(nawi_model_open(&fine, &cancel, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_clear_error(&error);
    g_free(path);
}

static long count_pages(void)
{
    char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    long pages = (long)g_ascii_strtoll(text, NULL, 10);
    g_free(text);
    return pages;
}

/* Sessions that are closed leave their room to the next ones. */
static void test_sessions_reuse_room(void)
{
    GError *error = NULL;
    struct nawi_model *model = open_model(scout, NULL, NULL, &error);
    long before = 0;
    for (int i = 0; i < 300; i++) {
        struct nawi_session *session = nawi_session_create(model, NULL, &error);
        g_assert_no_error(error);
        nawi_session_destroy(session);
        if (i == 50)
            before = count_pages();
    }
    g_assert_cmpint(count_pages() - before, <, 4096);
    nawi_model_close(model);
}

/* A context above the metadata's is refused, with both numbers. */
static void test_context(void)
{
    GError *error = NULL;
    struct nawi_model *model = open_model(scout, NULL, NULL, &error);
    const struct nawi_session_params params = {.context_tok = 4097};
    g_assert_null(nawi_session_create(model, &params, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "4097"));
    g_assert_nonnull(strstr(error->message, "4096"));
    g_clear_error(&error);
    nawi_model_close(model);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/model/refusals", test_refusals);
    g_test_add_func("/model/override-counts", test_override_counts);
    g_test_add_func("/model/params", test_params);
    g_test_add_func("/model/sessions-reuse-room", test_sessions_reuse_room);
    g_test_add_func("/model/context", test_context);
    return harness_main();
}
