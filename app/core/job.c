/* The job interface's doors: each asks the worker's own functions. Pictures and receipts are
 * plain values here, so that every kind of worker shares them. */
#include "app/core/job.h"

void job_close(struct job_worker *worker)
{
    if (worker)
        worker->ops->close(worker);
}

const struct nawi_model_info *job_get_model(const struct job_worker *worker)
{
    return worker->ops->get_model(worker);
}

int64_t job_get_context(const struct job_worker *worker)
{
    return worker->ops->get_context(worker);
}

struct job_picture *job_see(struct job_worker *worker, const char *file,
                            const struct job_events *events, const nawi_cancel *cancel,
                            GError **error)
{
    return worker->ops->see(worker, file, events, cancel, error);
}

struct job_picture *job_picture_ref(struct job_picture *picture)
{
    picture->n_ref++;
    return picture;
}

void job_picture_unref(struct job_picture *picture)
{
    if (!picture || --picture->n_ref > 0)
        return;
    g_free(picture->info.file);
    picture->free(picture);
}

const struct job_picture_info *job_picture_get_info(const struct job_picture *picture)
{
    return &picture->info;
}

static void unref_picture(gpointer picture) { job_picture_unref(picture); }

bool job_answer(struct job_worker *worker, const struct job_request *request,
                const struct job_events *events, const nawi_cancel *cancel,
                struct job_receipt *receipt, GError **error)
{
    *receipt = (struct job_receipt){.text = g_strdup("")};
    receipt->pictures = g_ptr_array_new_with_free_func(unref_picture);
    return worker->ops->answer(worker, request, events, cancel, receipt, error);
}

void job_receipt_finish(struct job_receipt *receipt)
{
    g_free(receipt->text);
    if (receipt->pictures)
        g_ptr_array_unref(receipt->pictures);
    *receipt = (struct job_receipt){0};
}
