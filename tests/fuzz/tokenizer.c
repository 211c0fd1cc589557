/* Arrays of a vocabulary and a text for it. The input is lines: the model, the split, tokens as
 * "TYPE text" with a score from their place, an empty line, merges, an empty line; the rest is
 * text. What is let through encodes to ids inside the vocabulary, never to control tokens, and
 * decodes. */
#include "engine/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *at, *end;
};

/* The next line without its end; false behind the last. */
static bool next_line(struct input *input, const char **line, size_t *n)
{
    const char *stop = memchr(input->at, '\n', (size_t)(input->end - input->at));
    if (!stop)
        return false;
    *line = input->at;
    *n = (size_t)(stop - input->at);
    input->at = stop + 1;
    return true;
}

static void read_lines(struct input *input, bool has_type, GArray *texts, GArray *types)
{
    const char *line;
    size_t n;
    while (next_line(input, &line, &n) && n > 0) {
        int64_t type = has_type ? line[0] - '0' : 0;
        size_t skipped = has_type ? MIN(n, 2) : 0;
        struct nawi_token_text text = {line + skipped, (uint32_t)(n - skipped)};
        g_array_append_val(texts, text);
        g_array_append_val(types, type);
    }
}

static void check(const struct nawi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                  enum nawi_encode_mode mode)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GString *back = g_string_new(NULL);
    struct nawi_utf8_stream stream = {0};
    GError *error = NULL;
    if (!nawi_tokenizer_encode(tokenizer, text, n_bytes, mode, ids, &error) &&
        (!error || ids->len > 0))
        abort();
    g_clear_error(&error);
    for (guint i = 0; i < ids->len; i++) {
        int32_t id = g_array_index(ids, int32_t, i);
        size_t n;
        const char *bytes = nawi_tokenizer_get_bytes(tokenizer, id, &n);
        if (!bytes || (mode == NAWI_ENCODE_TEXT && nawi_tokenizer_is_control(tokenizer, id)))
            abort();
        nawi_utf8_stream_push(&stream, bytes, n, back);
    }
    nawi_utf8_stream_end(&stream, back);
    for (size_t i = 0; i < back->len;) { /* valid; g_utf8_validate() would refuse NUL */
        gunichar c = g_utf8_get_char_validated(back->str + i, (gssize)(back->len - i));
        if (back->str[i] && (c == (gunichar)-1 || c == (gunichar)-2))
            abort();
        i += back->str[i] ? (size_t)g_unichar_to_utf8(c, NULL) : 1;
    }
    g_string_truncate(back, 0);
    if (!nawi_tokenizer_decode(tokenizer, (int32_t *)(void *)ids->data, ids->len, mode, back, NULL))
        abort();
    g_string_free(back, TRUE);
    g_array_free(ids, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {(const char *)data, (const char *)data + size};
    const char *model;
    const char *pre;
    size_t n_model;
    size_t n_pre;
    if (!next_line(&input, &model, &n_model) || !next_line(&input, &pre, &n_pre))
        return 0;
    GArray *tokens = g_array_new(FALSE, FALSE, sizeof(struct nawi_token_text));
    GArray *types = g_array_new(FALSE, FALSE, sizeof(int64_t));
    GArray *merges = g_array_new(FALSE, FALSE, sizeof(struct nawi_token_text));
    GArray *unused = g_array_new(FALSE, FALSE, sizeof(int64_t));
    read_lines(&input, true, tokens, types);
    read_lines(&input, false, merges, unused);
    double *scores = g_new(double, tokens->len + 1);
    for (guint i = 0; i < tokens->len; i++)
        scores[i] = -(double)i;
    char *model_text = g_strndup(model, n_model);
    char *pre_text = g_strndup(pre, n_pre);
    struct nawi_tokenizer_params params = nawi_tokenizer_defaults();
    params.source = "fuzz";
    params.model = model_text;
    params.pre = pre_text;
    params.tokens = (struct nawi_token_text *)(void *)tokens->data;
    params.types = (int64_t *)(void *)types->data;
    params.n_token = params.n_type = tokens->len;
    params.scores = scores;
    params.n_score = tokens->len;
    params.merges = (struct nawi_token_text *)(void *)merges->data;
    params.n_merge = merges->len;
    GError *error = NULL;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&params, &error);
    if (!tokenizer && !error)
        abort();
    g_clear_error(&error);
    if (tokenizer) {
        check(tokenizer, input.at, (size_t)(input.end - input.at), NAWI_ENCODE_TEXT);
        check(tokenizer, input.at, (size_t)(input.end - input.at), NAWI_ENCODE_SPECIALS);
    }
    nawi_tokenizer_destroy(tokenizer);
    g_free(model_text);
    g_free(pre_text);
    g_free(scores);
    g_array_free(tokens, TRUE);
    g_array_free(types, TRUE);
    g_array_free(merges, TRUE);
    g_array_free(unused, TRUE);
    return 0;
}
