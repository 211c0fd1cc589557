/* What the commands that answer share: opening a model, telling about it, looking at pictures,
 * telling about an answer. */
#include "app/cli/work.h"

#include "app/core/cria.h"

#include <math.h>
#include <string.h>

bool work_find_model(const struct options *options, const char *path, struct work_model *model,
                     GError **error)
{
    *model = (struct work_model){0};
    model->params = (struct nawi_model_params){
        .path = path ? path : options->model,
        .mmproj = options->mmproj,
        .overrides =
            options->overrides->len ? (const char *const *)options->overrides->pdata : NULL,
        .n_threads = (int)MAX(options->n_threads, 0),
        .cpu_tier = options->cpu_tier,
    };
    if (path && options->model) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                            "the model is named twice, as an argument and by --model");
        return false;
    }
    if (model->params.path)
        return true;
    if (!cria_find(&model->cria, &model->cria_tower, error))
        return false;
    model->params.path = model->cria;
    if (!model->params.mmproj)
        model->params.mmproj = model->cria_tower;
    return true;
}

void work_model_finish(struct work_model *model)
{
    g_free(model->cria);
    g_free(model->cria_tower);
    *model = (struct work_model){0};
}

void work_tell_model(struct terminal *terminal, const struct nawi_model_info *info, bool is_cria)
{
    if (is_cria)
        terminal_say(
            terminal,
            "this is Cria, the very small model that comes with Nawi: it knows 96 drawn things, "
            "shapes "
            "and colours; it does not know photographs. --model names another");
    if (info->licence_notice)
        terminal_say(terminal, "%s", info->licence_notice);
    for (size_t i = 0; info->warnings && info->warnings[i]; i++)
        terminal_say(terminal, "warning: %s", info->warnings[i]);
}

struct job_worker *work_open(const struct options *options, struct terminal *terminal,
                             bool *is_cria, GError **error)
{
    struct work_model model;
    if (!work_find_model(options, NULL, &model, error))
        return NULL;
    *is_cria = model.cria != NULL;
    struct job_params params = {.model = model.params, .context_tok = MAX(options->context_tok, 0)};
    struct job_worker *worker = job_open_local(&params, terminal->cancel, error);
    work_model_finish(&model);
    if (worker)
        work_tell_model(terminal, job_get_model(worker), *is_cria);
    return worker;
}

struct nawi_sampler_params work_sampler(const struct options *options, double temperature,
                                        double top_p)
{
    struct nawi_sampler_params params = {
        .temperature = isnan(options->temperature) ? temperature : options->temperature,
        .top_k = MAX(options->top_k, 0),
        .top_p = isnan(options->top_p) ? top_p : options->top_p,
        .min_p = isnan(options->min_p) ? 0 : options->min_p,
        .repeat_penalty = isnan(options->repetition_penalty) ? 0 : options->repetition_penalty,
        .seed = options->seed >= 0 ? (uint64_t)options->seed
                                   : ((uint64_t)g_random_int() << 32 | g_random_int()),
    };
    return params;
}

static void unref_picture(gpointer picture) { job_picture_unref(picture); }

GPtrArray *work_see_all(struct job_worker *worker, struct terminal *terminal,
                        const char *const *files, guint n_file, guint *n_failed, GError **error)
{
    GPtrArray *pictures = g_ptr_array_new_with_free_func(unref_picture);
    struct job_events events = {.progress = terminal_progress, .user = terminal};
    *n_failed = 0;
    for (guint i = 0; i < n_file; i++) {
        GError *fault = NULL;
        struct job_picture *picture = job_see(worker, files[i], &events, terminal->cancel, &fault);
        if (picture) {
            g_ptr_array_add(pictures, picture);
            continue;
        }
        if (g_error_matches(fault, NAWI_ERROR, NAWI_ERROR_CANCELLED)) {
            g_propagate_error(error, fault);
            g_ptr_array_unref(pictures);
            return NULL;
        }
        terminal_say(terminal, "%s", fault->message);
        g_error_free(fault);
        *n_failed += 1;
    }
    return pictures;
}

int work_each_file(const struct options *options, struct terminal *terminal, work_file_fn fn,
                   void *context)
{
    const GPtrArray *files = options->arguments;
    guint n_failed = 0;
    bool stopped = false;
    if (options->json)
        terminal_begin_array(terminal);
    for (guint i = 0; i < files->len && !stopped; i++) {
        GError *error = NULL;
        if (!fn(context, g_ptr_array_index(files, i), &error))
            n_failed++;
        stopped = terminal->write_error || g_error_matches(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
        if (error && !stopped)
            terminal_say(terminal, "%s", error->message);
        g_clear_error(&error);
    }
    if (options->json)
        terminal_end_array(terminal);
    int code = terminal_finish(terminal);
    if (code != EXIT_DONE)
        return code;
    if (stopped)
        return EXIT_INTERRUPTED;
    return n_failed == 0 ? EXIT_DONE : n_failed == files->len ? EXIT_FAILED : EXIT_PARTLY;
}

json_t *work_answer_to_json(const char *const *files, guint n_file, const char *lang,
                            const struct job_receipt *receipt, const struct nawi_model_info *info)
{
    json_t *names = json_array();
    for (guint i = 0; i < n_file; i++)
        json_array_append_new(names, job_json_string(files[i]));
    json_t *object = json_object();
    json_object_set_new(object, "files", names);
    json_object_set_new(object, "lang", lang ? json_string(lang) : json_null());
    json_object_set_new(object, "text", job_json_string(receipt->text));
    json_object_set_new(object, "receipt", job_receipt_to_json(receipt, info));
    return object;
}

void work_tell_end(struct terminal *terminal, const struct job_receipt *receipt)
{
    if (receipt->end == JOB_END_LENGTH)
        terminal_say(terminal,
                     "the answer was cut after %" G_GINT64_FORMAT
                     " tokens; --max-tokens allows more",
                     receipt->n_answer_tok);
    if (receipt->end == JOB_END_CONTEXT)
        terminal_say(terminal,
                     "the answer was cut: the context is full; --context makes it longer");
}

void work_tell_receipt(struct terminal *terminal, const struct job_receipt *receipt,
                       const struct nawi_model_info *info)
{
    char *text = job_receipt_to_text(receipt, info);
    terminal_note(terminal, text);
    g_free(text);
}
