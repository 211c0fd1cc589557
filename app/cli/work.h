/* From a command line to a worker: which model, with what to run it, and what to tell the person
 * about it. */
#pragma once

#include "app/cli/options.h"
#include "app/cli/terminal.h"
#include "app/core/job.h"

/* The model of --model, or Cria. */
struct work_model {
    struct nawi_model_params params; /* borrows from below and from the options */
    char *cria, *cria_tower;         /* NULL where --model was given */
};

/* path: the model that is an argument; NULL: that of --model, or Cria. */
bool work_find_model(const struct options *options, const char *path, struct work_model *model,
                     GError **error);
void work_model_finish(struct work_model *model);

/* Opens the model and tells on standard error what there is to tell: what Cria can do, warnings,
 * a licence's notice. */
struct job_worker *work_open(const struct options *options, struct terminal *terminal,
                             bool *is_cria, GError **error);
/* The lines that go with a model. */
void work_tell_model(struct terminal *terminal, const struct nawi_model_info *info, bool is_cria);

/* For greedy answers temperature 0; what the options say overrides both. */
struct nawi_sampler_params work_sampler(const struct options *options, double temperature,
                                        double top_p);

/* Looks at files; names those that cannot be read, and goes on. Returns the pictures that were
 * seen, in order (freed with the array), and how many failed. NULL after a cancel, *error set. */
GPtrArray *work_see_all(struct job_worker *worker, struct terminal *terminal,
                        const char *const *files, guint n_file, guint *n_failed, GError **error);

/* Does something with each file that is an argument, between the brackets of --json: true, or false
 * with *error set. What fails is named and the rest go on, but after a cancel or when the output
 * cannot be written. Finishes the terminal and returns the exit status. */
typedef bool (*work_file_fn)(void *context, const char *file, GError **error);
int work_each_file(const struct options *options, struct terminal *terminal, work_file_fn fn,
                   void *context);

/* One answer's object of --json: files, lang (NULL: left out as null), text, receipt. Takes
 * nothing over. */
json_t *work_answer_to_json(const char *const *files, guint n_file, const char *lang,
                            const struct job_receipt *receipt, const struct nawi_model_info *info);
/* Says what a person should know about how an answer ended. */
void work_tell_end(struct terminal *terminal, const struct job_receipt *receipt);
/* --receipt in lines on standard error. */
void work_tell_receipt(struct terminal *terminal, const struct job_receipt *receipt,
                       const struct nawi_model_info *info);
