/* A receipt told twice: as JSON for programs and as lines for people. Numbers that could not be
 * measured (nothing was generated) are left out rather than zero. */
#include "app/core/job.h"

#include <jansson.h>
#include <string.h>

static const char *const end_names[] = {
    [JOB_END_STOP] = "stop",
    [JOB_END_LENGTH] = "length",
    [JOB_END_CONTEXT] = "context",
    [JOB_END_CANCELLED] = "cancelled",
};

json_t *job_json_string(const char *bytes)
{
    char *valid = g_utf8_make_valid(bytes, -1);
    json_t *string = json_string(valid);
    g_free(valid);
    return string;
}

static void hash_to_text(const uint8_t *hash, char text[2 * NAWI_MEDIA_HASH_BYTES + 1])
{
    for (int i = 0; i < NAWI_MEDIA_HASH_BYTES; i++)
        g_snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static json_t *picture_to_json(const struct job_picture_info *info)
{
    char hash[2 * NAWI_MEDIA_HASH_BYTES + 1];
    hash_to_text(info->hash, hash);
    json_t *object = json_object();
    json_object_set_new(object, "file", job_json_string(info->file));
    json_object_set_new(object, "width", json_integer(info->width_px));
    json_object_set_new(object, "height", json_integer(info->height_px));
    json_object_set_new(object, "turn", json_integer(info->turn));
    json_object_set_new(object, "rows", json_integer(info->rows));
    json_object_set_new(object, "cols", json_integer(info->cols));
    json_object_set_new(object, "tiles", json_integer(info->n_tile));
    json_object_set_new(object, "tokens", json_integer(info->n_tok));
    json_object_set_new(object, "patch_tokens", json_integer(info->n_patch_tok));
    json_object_set_new(object, "hash", json_string(hash));
    return object;
}

/* Tokens a second, or a negative number when nothing was measured. */
static double rate(int64_t n_tok, double seconds)
{
    return n_tok > 0 && seconds > 0 ? (double)n_tok / seconds : -1;
}

static void set_rate(json_t *object, const char *key, int64_t n_tok, double seconds)
{
    double value = rate(n_tok, seconds);
    if (value >= 0)
        json_object_set_new(object, key, json_real(value));
}

json_t *job_receipt_to_json(const struct job_receipt *receipt, const struct nawi_model_info *model)
{
    json_t *pictures = json_array();
    for (guint i = 0; receipt->pictures && i < receipt->pictures->len; i++)
        json_array_append_new(pictures, picture_to_json(job_picture_get_info(
                                            g_ptr_array_index(receipt->pictures, i))));

    json_t *tokens = json_object();
    json_object_set_new(tokens, "prompt", json_integer(receipt->n_prompt_tok));
    json_object_set_new(tokens, "picture", json_integer(receipt->n_picture_tok));
    json_object_set_new(tokens, "answer", json_integer(receipt->n_answer_tok));
    json_object_set_new(tokens, "reused", json_integer(receipt->n_reused));
    json_object_set_new(tokens, "evaluated", json_integer(receipt->n_evaluated));

    json_t *seconds = json_object();
    json_object_set_new(seconds, "load", json_real(receipt->load_s));
    json_object_set_new(seconds, "decode", json_real(receipt->decode_s));
    json_object_set_new(seconds, "see", json_real(receipt->see_s));
    json_object_set_new(seconds, "prompt", json_real(receipt->prompt_s));
    json_object_set_new(seconds, "first_token", json_real(receipt->first_s));
    json_object_set_new(seconds, "generate", json_real(receipt->generate_s));

    json_t *rates = json_object();
    set_rate(rates, "prompt", receipt->n_evaluated, receipt->prompt_s);
    set_rate(rates, "generate", receipt->n_answer_tok, receipt->generate_s);

    json_t *object = json_object();
    json_object_set_new(object, "model", job_json_string(model->path));
    if (model->mmproj_path)
        json_object_set_new(object, "mmproj", job_json_string(model->mmproj_path));
    json_object_set_new(object, "tier", json_string(model->cpu_tier));
    json_object_set_new(object, "threads", json_integer(model->n_threads));
    json_object_set_new(object, "pictures", pictures);
    json_object_set_new(object, "tokens", tokens);
    json_object_set_new(object, "seconds", seconds);
    json_object_set_new(object, "tokens_per_second", rates);
    json_object_set_new(object, "dropped_messages", json_integer(receipt->n_dropped));
    json_object_set_new(object, "end", json_string(end_names[receipt->end]));
    return object;
}

static void append_picture(GString *out, int number, const struct job_picture_info *info)
{
    char hash[2 * NAWI_MEDIA_HASH_BYTES + 1];
    char *name = nawi_quote(info->file, strlen(info->file));
    hash_to_text(info->hash, hash);
    g_string_append_printf(out, "picture %d   %s: %d x %d px", number, name, info->width_px,
                           info->height_px);
    if (info->turn > 1)
        g_string_append_printf(out, " after the turn of EXIF orientation %d", info->turn);
    g_string_append_printf(out,
                           "\n            %d x %d tiles%s, %" G_GINT64_FORMAT
                           " tokens, %" G_GINT64_FORMAT " of them from the picture\n",
                           info->rows, info->cols,
                           info->n_tile > info->rows * info->cols ? " and the whole" : "",
                           info->n_tok, info->n_patch_tok);
    g_string_append_printf(out, "            sha256 %s\n", hash);
    g_free(name);
}

static void append_rate(GString *out, int64_t n_tok, double seconds)
{
    double value = rate(n_tok, seconds);
    if (value >= 0)
        g_string_append_printf(out, ", %.1f tokens/s", value);
    g_string_append_c(out, '\n');
}

char *job_receipt_to_text(const struct job_receipt *receipt, const struct nawi_model_info *model)
{
    GString *out = g_string_new(NULL);
    char *path = nawi_quote(model->path, strlen(model->path));
    g_string_append_printf(out, "model       %s\n", path);
    g_free(path);
    if (model->mmproj_path) {
        path = nawi_quote(model->mmproj_path, strlen(model->mmproj_path));
        g_string_append_printf(out, "            %s\n", path);
        g_free(path);
    }
    g_string_append_printf(out, "computed by %s, %d thread%s\n", model->cpu_tier, model->n_threads,
                           model->n_threads == 1 ? "" : "s");
    for (guint i = 0; receipt->pictures && i < receipt->pictures->len; i++)
        append_picture(out, (int)i + 1,
                       job_picture_get_info(g_ptr_array_index(receipt->pictures, i)));
    g_string_append_printf(out,
                           "prompt      %" G_GINT64_FORMAT " tokens: %" G_GINT64_FORMAT
                           " kept, %" G_GINT64_FORMAT " read\n",
                           receipt->n_prompt_tok, receipt->n_reused, receipt->n_evaluated);
    if (receipt->n_dropped > 0)
        g_string_append_printf(out, "            %" G_GINT64_FORMAT " oldest messages left out\n",
                               receipt->n_dropped);
    g_string_append_printf(out, "answer      %" G_GINT64_FORMAT " tokens, ended by %s\n",
                           receipt->n_answer_tok,
                           receipt->end == JOB_END_STOP      ? "the model"
                           : receipt->end == JOB_END_LENGTH  ? "the limit of tokens"
                           : receipt->end == JOB_END_CONTEXT ? "the end of the context"
                                                             : "being stopped");
    g_string_append_printf(out, "load        %8.3f s\n", receipt->load_s);
    if (receipt->pictures && receipt->pictures->len > 0) {
        g_string_append_printf(out, "decode      %8.3f s\n", receipt->decode_s);
        g_string_append_printf(out, "see         %8.3f s\n", receipt->see_s);
    }
    g_string_append_printf(out, "prompt      %8.3f s", receipt->prompt_s);
    append_rate(out, receipt->n_evaluated, receipt->prompt_s);
    g_string_append_printf(out, "generate    %8.3f s", receipt->generate_s);
    append_rate(out, receipt->n_answer_tok, receipt->generate_s);
    return g_string_free(out, FALSE);
}
