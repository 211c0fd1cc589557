/* Cria says what it said when its answers were listed: through the job interface, greedy, without a
 * system prompt, the picture first. Where two words were nearly equally likely (lead < 0.05)
 * another rounding may choose the other one; those answers are not judged. */
#include "app/core/job.h"
#include "tests/harness.h"
#include "vision/vision.h"

#include <jansson.h>
#include <string.h>

#define CLEAR_LEAD 0.05

static struct job_worker *open_worker(const char *model, const char *mmproj)
{
    struct job_params params = {.model = {.path = model, .mmproj = mmproj}};
    GError *error = NULL;
    struct job_worker *worker = job_open_local(&params, NULL, &error);
    g_assert_no_error(error);
    return worker;
}

static struct job_worker *open_q8(void)
{
    char *model = g_build_filename(harness_source(), "data", "cria-q8_0.gguf", NULL);
    char *mmproj = g_build_filename(harness_source(), "data", "mmproj-cria-q8_0.gguf", NULL);
    struct job_worker *worker = open_worker(model, mmproj);
    g_free(mmproj);
    g_free(model);
    return worker;
}

/* With all that is not the package's: NULL where the files are absent. */
static struct job_worker *open_f16(void)
{
    char *model = harness_shared("cria/cria-f16.gguf");
    char *mmproj = harness_shared("cria/mmproj-cria-f16.gguf");
    struct job_worker *worker = model && mmproj ? open_worker(model, mmproj) : NULL;
    g_free(mmproj);
    g_free(model);
    return worker;
}

static json_t *read_json(const char *relative)
{
    char *path = harness_golden(relative);
    json_error_t fault;
    json_t *root = json_load_file(path, 0, &fault);
    g_assert_nonnull(root);
    g_free(path);
    return root;
}

/* The answer about the picture at path; freed by the caller. */
static char *ask(struct job_worker *worker, const char *path, const char *question,
                 struct job_receipt *kept)
{
    GError *error = NULL;
    struct job_picture *picture = job_see(worker, path, NULL, NULL, &error);
    g_assert_no_error(error);
    struct job_part parts[] = {{.picture = picture}, {.text = question}};
    struct job_message message = {NAWI_CHAT_USER, parts, 2};
    struct job_request request = {.messages = &message, .n_message = 1, .max_tok = 100};
    struct job_receipt receipt;
    g_assert_true(job_answer(worker, &request, NULL, NULL, &receipt, &error));
    g_assert_no_error(error);
    char *text = g_strdup(receipt.text);
    g_assert_cmpint(receipt.n_picture_tok, ==, job_picture_get_info(picture)->n_patch_tok);
    if (kept)
        *kept = receipt;
    else
        job_receipt_finish(&receipt);
    job_picture_unref(picture);
    return text;
}

/* ── The listed cases ────────────────────────────────────────────────────────────────────────── */

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Sanitizers make the program many times slower: there every fourth case must do. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 4
#else
#define STEP 1
#endif

/* How many judged cases there are, and how many answers are the listed ones. */
static void judge(struct job_worker *worker, int *n_judged, int *n_equal)
{
    json_t *cases = read_json("cria/cases.json");
    size_t i;
    json_t *row;
    *n_judged = *n_equal = 0;
    json_array_foreach(cases, i, row)
    {
        const char *question = json_string_value(json_object_get(row, "question"));
        const char *answer = json_string_value(json_object_get(row, "answer"));
        if (number(row, "lead") < CLEAR_LEAD || i % STEP != 0)
            continue;
        const json_t *name = json_array_get(json_object_get(row, "pictures"), 0);
        char *relative = g_build_filename("cria", json_string_value(name), NULL);
        char *path = harness_golden(relative);
        struct job_receipt receipt;
        char *said = ask(worker, path, question, &receipt);
        g_assert_cmpint(receipt.n_prompt_tok, ==, (int64_t)number(row, "n_prompt"));
        bool equal = strcmp(said, answer) == 0;
        if (equal)
            g_assert_cmpint(receipt.n_answer_tok, ==,
                            (int64_t)json_array_size(json_object_get(row, "answer_ids")));
        else
            g_test_message("%s, lead %.3f: %s\n  wanted: %s\n  said:   %s", relative,
                           number(row, "lead"), question, answer, said);
        *n_judged += 1;
        *n_equal += equal;
        job_receipt_finish(&receipt);
        g_free(said);
        g_free(path);
        g_free(relative);
    }
    json_decref(cases);
    g_test_message("%d of %d answers are the listed ones", *n_equal, *n_judged);
}

static void test_cases_q8(void)
{
    int n_judged, n_equal;
    struct job_worker *worker = open_q8();
    judge(worker, &n_judged, &n_equal);
    job_close(worker);
    g_assert_cmpint(n_judged * STEP, >=, 100);
    g_assert_cmpint(100 * n_equal, >=, 95 * n_judged);
}

static void test_cases_f16(void)
{
    int n_judged, n_equal;
    struct job_worker *worker = open_f16();
    if (!worker) {
        g_test_skip("cria/cria-f16.gguf is not there");
        return;
    }
    judge(worker, &n_judged, &n_equal);
    job_close(worker);
    g_assert_cmpint(n_judged * STEP, >=, 100);
    g_assert_cmpint(n_equal, ==, n_judged);
}

/* ── The show picture ────────────────────────────────────────────────────────────────────────── */

static void show(struct job_worker *worker)
{
    json_t *answers = read_json("cria/show.json");
    char *path = harness_golden("cria/show.png");
    const char *language;
    json_t *row;
    g_assert_cmpuint(json_object_size(answers), ==, NAWI_PROMPTS_COUNT);
    json_object_foreach(answers, language, row)
    {
        const char *question = json_string_value(json_object_get(row, "question"));
        const struct nawi_prompts *prompts = nawi_prompts_find(language);
        g_assert_nonnull(prompts);
        g_assert_cmpstr(prompts->caption, ==, question);
        char *said = ask(worker, path, question, NULL);
        g_assert_cmpstr(said, ==, json_string_value(json_object_get(row, "answer")));
        g_free(said);
    }
    g_free(path);
    json_decref(answers);
}

static void test_show_q8(void)
{
    struct job_worker *worker = open_q8();
    show(worker);
    job_close(worker);
}

static void test_show_f16(void)
{
    struct job_worker *worker = open_f16();
    if (!worker) {
        g_test_skip("cria/cria-f16.gguf is not there");
        return;
    }
    show(worker);
    job_close(worker);
}

static void test_show_folder(void)
{
    char *folder = harness_shared("cria/hf");
    if (!folder) {
        g_test_skip("cria/hf is not there");
        return;
    }
    struct job_worker *worker = open_worker(folder, NULL);
    show(worker);
    job_close(worker);
    g_free(folder);
}

/* A white picture of the same size must not bring the same answers: the model looks. */
static void test_blank(void)
{
    struct job_worker *worker = open_q8();
    json_t *answers = read_json("cria/show.json");
    char *path = g_build_filename(harness_scratch(), "blank.png", NULL);
    uint8_t *white = g_malloc(672 * 336 * 3);
    GError *error = NULL;
    memset(white, 255, 672 * 336 * 3);
    g_assert_true(nawi_vision_write_png(white, 672, 336, path, &error));
    const char *language;
    json_t *row;
    json_object_foreach(answers, language, row)
    {
        char *said = ask(worker, path, json_string_value(json_object_get(row, "question")), NULL);
        g_assert_cmpstr(said, !=, json_string_value(json_object_get(row, "answer")));
        g_free(said);
    }
    g_free(white);
    g_free(path);
    json_decref(answers);
    job_close(worker);
}

/* ── The worker ──────────────────────────────────────────────────────────────────────────────── */

/* A further question about a picture costs its own tokens alone. */
static void test_reuse(void)
{
    struct job_worker *worker = open_q8();
    char *path = harness_golden("cria/show.png");
    struct job_receipt first, second;
    g_free(ask(worker, path, nawi_prompts_find("en")->caption, &first));
    g_free(ask(worker, path, nawi_prompts_find("de")->caption, &second));
    g_assert_cmpint(first.n_evaluated, ==, first.n_prompt_tok);
    g_assert_cmpint(second.n_reused, >=, first.n_picture_tok);
    g_assert_cmpint(second.n_reused + second.n_evaluated, ==, second.n_prompt_tok);
    const struct job_picture *seen = g_ptr_array_index(second.pictures, 0);
    g_assert_true(job_picture_get_info(seen)->known);
    job_receipt_finish(&first);
    job_receipt_finish(&second);
    g_free(path);
    job_close(worker);
}

static bool count_text(enum job_text_kind kind, const char *text, size_t n_bytes, void *user)
{
    g_assert_cmpint(kind, ==, JOB_TEXT_ANSWER);
    g_assert_true(g_utf8_validate(text, (gssize)n_bytes, NULL));
    g_string_append_len(user, text, (gssize)n_bytes);
    return ((GString *)user)->len < 12;
}

/* A listener that has heard enough ends the answer; what it heard is what the receipt says. */
static void test_stop(void)
{
    struct job_worker *worker = open_q8();
    char *path = harness_golden("cria/show.png");
    GString *heard = g_string_new(NULL);
    GError *error = NULL;
    struct job_picture *picture = job_see(worker, path, NULL, NULL, &error);
    struct job_part parts[] = {{.picture = picture}, {.text = nawi_prompts_find("th")->caption}};
    struct job_message message = {NAWI_CHAT_USER, parts, 2};
    struct job_request request = {.messages = &message, .n_message = 1};
    struct job_events events = {.text = count_text, .user = heard};
    struct job_receipt receipt;
    g_assert_false(job_answer(worker, &request, &events, NULL, &receipt, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_assert_cmpstr(receipt.text, ==, heard->str);
    g_assert_cmpint(receipt.end, ==, JOB_END_CANCELLED);
    g_clear_error(&error);
    job_receipt_finish(&receipt);

    /* and the worker goes on */
    char *said = ask(worker, path, nawi_prompts_find("en")->caption, NULL);
    g_assert_cmpstr(said, ==, "A dog is on the left and a birthday cake is on the right.");
    g_free(said);
    job_picture_unref(picture);
    g_string_free(heard, TRUE);
    g_free(path);
    job_close(worker);
}

/* A context that is full refuses, or leaves out the oldest turns and says so. */
static void note(const char *sentence, void *user)
{
    g_assert_nonnull(strstr(sentence, "context is full"));
    *(int *)user += 1;
}

static void test_full_context(void)
{
    char *model = g_build_filename(harness_source(), "data", "cria-q8_0.gguf", NULL);
    struct job_params params = {.model = {.path = model, .no_vision = true}, .context_tok = 64};
    GError *error = NULL;
    struct job_worker *worker = job_open_local(&params, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(job_get_context(worker), ==, 64);

    struct job_part part = {.text = "Describe this picture, and then tell me about it again."};
    struct job_message messages[9];
    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++)
        messages[i] = (struct job_message){i % 2 ? NAWI_CHAT_ASSISTANT : NAWI_CHAT_USER, &part, 1};
    int n_notes = 0;
    struct job_request request = {.messages = messages, .n_message = G_N_ELEMENTS(messages)};
    struct job_events events = {.note = note, .user = &n_notes};
    struct job_receipt receipt;
    g_assert_false(job_answer(worker, &request, &events, NULL, &receipt, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "64"));
    g_clear_error(&error);
    job_receipt_finish(&receipt);

    request.drop_oldest = true;
    request.max_tok = 4;
    g_assert_true(job_answer(worker, &request, &events, NULL, &receipt, &error));
    g_assert_no_error(error);
    g_assert_cmpint(n_notes, ==, 1);
    g_assert_cmpint(receipt.n_dropped, >=, 2);
    g_assert_cmpint(receipt.n_dropped % 2, ==, 0);
    g_assert_cmpint(receipt.n_prompt_tok, <=, 64);
    job_receipt_finish(&receipt);
    job_close(worker);
    g_free(model);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/cria/show/q8_0", test_show_q8);
    g_test_add_func("/cria/show/f16", test_show_f16);
    g_test_add_func("/cria/show/folder", test_show_folder);
    g_test_add_func("/cria/blank", test_blank);
    g_test_add_func("/cria/reuse", test_reuse);
    g_test_add_func("/cria/stop", test_stop);
    g_test_add_func("/cria/full-context", test_full_context);
    g_test_add_func("/cria/cases/q8_0", test_cases_q8);
    g_test_add_func("/cria/cases/f16", test_cases_f16);
    return harness_main();
}
