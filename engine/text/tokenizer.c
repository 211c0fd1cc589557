/* The door of tokenising: checks and keeps the special ids, cuts text at the names of special
 * tokens, and hands what lies between to byte-pair merging or to SentencePiece's.
 *
 * Two kinds of names are looked for. User-defined tokens are ordinary words that a model has a
 * token for; they are found in any text. Control tokens steer a model; they are found in
 * templates alone (NAWI_ENCODE_SPECIALS). A user-defined token that is named like a control
 * token counts as one: some converters write <|im_end|> so. */
#include "engine/text/tokenizer.h"

#include "engine/text/bpe.h"
#include "engine/text/split.h"
#include "engine/text/spm.h"
#include "engine/text/utf8.h"
#include "engine/text/vocab.h"

#include <inttypes.h>
#include <string.h>

#define MAX_TEXT_BYTES ((size_t)1 << 30)

struct nawi_tokenizer {
    struct vocab *vocab;
    struct split *split; /* of "gpt2", and */
    struct bpe *bpe;     /* its merges; both NULL for "llama" */
    int32_t bos, unknown;
    bool adds_bos;
    bool adds_space;
    GArray *stops; /* of int32_t, ascending */
};

static const char *const stop_names[] = {"<|end_of_text|>", "<|eom|>",    "<|eot|>",
                                         "<|eom_id|>",      "<|eot_id|>", "<|im_end|>",
                                         "<|endoftext|>",   "</s>"};

struct nawi_tokenizer_params nawi_tokenizer_defaults(void)
{
    return (struct nawi_tokenizer_params){.bos_id = NAWI_TOKEN_NONE,
                                          .eos_id = NAWI_TOKEN_NONE,
                                          .eot_id = NAWI_TOKEN_NONE,
                                          .eom_id = NAWI_TOKEN_NONE,
                                          .unknown_id = NAWI_TOKEN_NONE,
                                          .add_space_prefix = true};
}

static bool check_id(const struct nawi_tokenizer_params *params, const char *what, int64_t id,
                     GError **error)
{
    if (id == NAWI_TOKEN_NONE || (id >= 0 && (uint64_t)id < params->n_token))
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: the %s token has id %" PRId64 ", the vocabulary has %" PRIu64 " tokens",
                params->source, what, id, params->n_token);
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

static void add_stop(struct nawi_tokenizer *tokenizer, int64_t wanted)
{
    int32_t id = (int32_t)wanted;
    if (id == NAWI_TOKEN_NONE || nawi_tokenizer_is_stop(tokenizer, id))
        return;
    g_array_append_val(tokenizer->stops, id);
    g_array_sort(tokenizer->stops, compare_ids);
}

/* The token for what no other covers: as the file says, else the first of that type. */
static int32_t find_unknown(const struct vocab *vocab, int64_t said)
{
    for (int32_t id = 0; said == NAWI_TOKEN_NONE && id < vocab_get_size(vocab); id++)
        if (vocab_get_type(vocab, id) == NAWI_TOKEN_UNKNOWN)
            return id;
    return (int32_t)said;
}

static void collect_stops(struct nawi_tokenizer *tokenizer,
                          const struct nawi_tokenizer_params *params)
{
    tokenizer->stops = g_array_new(FALSE, FALSE, sizeof(int32_t));
    add_stop(tokenizer, params->eos_id);
    add_stop(tokenizer, params->eot_id);
    add_stop(tokenizer, params->eom_id);
    for (size_t i = 0; i < G_N_ELEMENTS(stop_names); i++)
        add_stop(tokenizer, nawi_tokenizer_find(tokenizer, stop_names[i]));
}

struct nawi_tokenizer *nawi_tokenizer_create(const struct nawi_tokenizer_params *params,
                                             GError **error)
{
    bool is_bpe = params->model && strcmp(params->model, "gpt2") == 0;
    if (!is_bpe && !(params->model && strcmp(params->model, "llama") == 0)) {
        const char *model = params->model ? params->model : "";
        char *quoted = nawi_quote(model, strlen(model));
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
            "%s: the tokenizer is of kind %s (tokenizer.ggml.model), expected 'gpt2' or 'llama'",
            params->source, quoted);
        g_free(quoted);
        return NULL;
    }
    if (!check_id(params, "BOS", params->bos_id, error) ||
        !check_id(params, "EOS", params->eos_id, error) ||
        !check_id(params, "EOT", params->eot_id, error) ||
        !check_id(params, "EOM", params->eom_id, error) ||
        !check_id(params, "unknown", params->unknown_id, error))
        return NULL;
    struct nawi_tokenizer *tokenizer = g_new0(struct nawi_tokenizer, 1);
    tokenizer->bos = (int32_t)params->bos_id;
    tokenizer->adds_bos = params->add_bos;
    tokenizer->adds_space = !is_bpe && params->add_space_prefix;
    tokenizer->vocab = vocab_create(params, error);
    bool ok = tokenizer->vocab != NULL;
    if (ok && is_bpe) {
        tokenizer->split = split_create(params->pre, error);
        tokenizer->bpe = tokenizer->split ? bpe_create(params, tokenizer->vocab, error) : NULL;
        ok = tokenizer->bpe != NULL;
        if (!tokenizer->split)
            g_prefix_error(error, "%s: ", params->source);
    }
    if (!ok) {
        nawi_tokenizer_destroy(tokenizer);
        return NULL;
    }
    tokenizer->unknown = find_unknown(tokenizer->vocab, params->unknown_id);
    collect_stops(tokenizer, params);
    return tokenizer;
}

void nawi_tokenizer_destroy(struct nawi_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    bpe_destroy(tokenizer->bpe);
    split_destroy(tokenizer->split);
    vocab_destroy(tokenizer->vocab);
    if (tokenizer->stops)
        g_array_free(tokenizer->stops, TRUE);
    g_free(tokenizer);
}

/* ── Encoding ────────────────────────────────────────────────────────────────────────────────── */

struct encoder {
    const struct nawi_tokenizer *tokenizer;
    GArray *ids;
    struct bpe_scratch bpe;
    struct spm_scratch spm;
    GString *spaced; /* text as SentencePiece takes it */
};

static bool encode_piece(const char *piece, size_t n_bytes, void *user, GError **error)
{
    struct encoder *encoder = user;
    const struct nawi_tokenizer *tokenizer = encoder->tokenizer;
    if (split_takes_whole_pieces(tokenizer->split)) {
        int32_t id = vocab_find(tokenizer->vocab, piece, n_bytes);
        if (id != NAWI_TOKEN_NONE) {
            g_array_append_val(encoder->ids, id);
            return true;
        }
    }
    return bpe_encode(tokenizer->bpe, piece, n_bytes, &encoder->bpe, encoder->ids, error);
}

/* Text without any special token in it. */
static bool encode_plain(struct encoder *encoder, const char *text, size_t n_bytes,
                         bool wants_space, GError **error)
{
    const struct nawi_tokenizer *tokenizer = encoder->tokenizer;
    if (n_bytes == 0)
        return true;
    if (tokenizer->bpe)
        return split_each(tokenizer->split, text, n_bytes, encode_piece, encoder, error);
    /* The mark of a space is a space to SentencePiece also where a person wrote it. */
    g_string_assign(encoder->spaced, wants_space && tokenizer->adds_space ? " " : "");
    vocab_append_unescaped(encoder->spaced, text, n_bytes);
    return spm_encode(tokenizer->vocab, tokenizer->unknown, encoder->spaced->str,
                      encoder->spaced->len, &encoder->spm, encoder->ids, error);
}

static bool encode_valid(struct encoder *encoder, const char *text, size_t n_bytes, bool controls,
                         GError **error)
{
    const struct vocab *vocab = encoder->tokenizer->vocab;
    size_t start = 0;
    bool wants_space = true; /* at the start and behind a control token */
    for (size_t i = 0; i < n_bytes;) {
        size_t length;
        int32_t id = NAWI_TOKEN_NONE;
        if (vocab_may_begin(vocab, (unsigned char)text[i], controls))
            id = vocab_find_prefix(vocab, text + i, n_bytes - i, controls);
        if (id == NAWI_TOKEN_NONE) {
            i++;
            continue;
        }
        if (!encode_plain(encoder, text + start, i - start, wants_space, error))
            return false;
        g_array_append_val(encoder->ids, id);
        vocab_get_bytes(vocab, id, &length);
        i += length;
        start = i;
        wants_space = vocab_is_control(vocab, id);
    }
    return encode_plain(encoder, text + start, n_bytes - start, wants_space, error);
}

bool nawi_tokenizer_encode(const struct nawi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                           enum nawi_encode_mode mode, GArray *ids, GError **error)
{
    if (n_bytes > MAX_TEXT_BYTES) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "the text is %zu bytes long, at most %zu can be tokenised", n_bytes,
                    MAX_TEXT_BYTES);
        return false;
    }
    struct encoder encoder = {.tokenizer = tokenizer, .ids = ids, .spaced = g_string_new(NULL)};
    GString *repaired = NULL;
    guint n_before = ids->len;
    if (!utf8_is_valid(text, n_bytes)) {
        repaired = g_string_new(NULL);
        utf8_append_repaired(repaired, text, n_bytes);
        text = repaired->str;
        n_bytes = repaired->len;
    }
    bool ok = encode_valid(&encoder, text, n_bytes, mode == NAWI_ENCODE_SPECIALS, error);
    if (ok && n_bytes > 0 && ids->len == n_before) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "the vocabulary has no token for anything in a text of %zu bytes", n_bytes);
        ok = false;
    }
    if (!ok)
        g_array_set_size(ids, n_before);
    if (repaired)
        g_string_free(repaired, TRUE);
    g_string_free(encoder.spaced, TRUE);
    bpe_scratch_finish(&encoder.bpe);
    spm_scratch_finish(&encoder.spm);
    return ok;
}

/* ── Decoding and asking ─────────────────────────────────────────────────────────────────────── */

static bool is_inside(const struct nawi_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < vocab_get_size(tokenizer->vocab);
}

int32_t nawi_tokenizer_get_size(const struct nawi_tokenizer *tokenizer)
{
    return vocab_get_size(tokenizer->vocab);
}

const char *nawi_tokenizer_get_bytes(const struct nawi_tokenizer *tokenizer, int32_t id,
                                     size_t *n_bytes)
{
    *n_bytes = 0;
    return is_inside(tokenizer, id) ? vocab_get_bytes(tokenizer->vocab, id, n_bytes) : NULL;
}

bool nawi_tokenizer_decode(const struct nawi_tokenizer *tokenizer, const int32_t *ids, size_t n_id,
                           enum nawi_encode_mode mode, GString *bytes, GError **error)
{
    size_t n_before = bytes->len;
    bool drops_space = tokenizer->adds_space;
    for (size_t i = 0; i < n_id; i++) {
        size_t n_bytes;
        const char *text = nawi_tokenizer_get_bytes(tokenizer, ids[i], &n_bytes);
        if (!text) {
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                        "token %d does not exist, the vocabulary has %d", ids[i],
                        vocab_get_size(tokenizer->vocab));
            g_string_truncate(bytes, n_before);
            return false;
        }
        bool is_control = vocab_is_control(tokenizer->vocab, ids[i]);
        if (is_control) {
            if (mode == NAWI_ENCODE_SPECIALS)
                g_string_append_len(bytes, text, (gssize)n_bytes);
            drops_space = tokenizer->adds_space;
            continue;
        }
        size_t skipped = drops_space && text[0] == ' ' ? 1 : 0;
        g_string_append_len(bytes, text + skipped, (gssize)(n_bytes - skipped));
        drops_space = false;
    }
    return true;
}

int32_t nawi_tokenizer_find(const struct nawi_tokenizer *tokenizer, const char *name)
{
    return vocab_find_name(tokenizer->vocab, name, strlen(name));
}

enum nawi_token_type nawi_tokenizer_get_type(const struct nawi_tokenizer *tokenizer, int32_t id)
{
    return is_inside(tokenizer, id) ? vocab_get_type(tokenizer->vocab, id) : NAWI_TOKEN_UNUSED;
}

bool nawi_tokenizer_is_control(const struct nawi_tokenizer *tokenizer, int32_t id)
{
    return is_inside(tokenizer, id) && vocab_is_control(tokenizer->vocab, id);
}

bool nawi_tokenizer_is_stop(const struct nawi_tokenizer *tokenizer, int32_t id)
{
    for (guint i = 0; i < tokenizer->stops->len; i++)
        if (g_array_index(tokenizer->stops, int32_t, i) == id)
            return true;
    return false;
}

const int32_t *nawi_tokenizer_get_stops(const struct nawi_tokenizer *tokenizer, size_t *n_stop)
{
    *n_stop = tokenizer->stops->len;
    return (const int32_t *)(void *)tokenizer->stops->data;
}

int32_t nawi_tokenizer_get_bos(const struct nawi_tokenizer *tokenizer) { return tokenizer->bos; }
bool nawi_tokenizer_adds_bos(const struct nawi_tokenizer *tokenizer) { return tokenizer->adds_bos; }
