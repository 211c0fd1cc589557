/* Reads the token arrays of a model, checks them, and keeps what every token stands for.
 *
 * Three kinds of text occur in one array: GPT-2's alphabet (each byte one printable character),
 * SentencePiece's (U+2581 for a space, <0xNN> for a byte), and literal names. A normal token of
 * "gpt2" whose text is not of the alphabet, as careless converters write, is kept literally: it
 * can be read, and text never becomes it.
 *
 * Look-ups are open-addressed tables of 8 bytes a slot, half empty. The hash is seeded at random
 * when the process starts, because the tokens of a file are chosen by whoever made it; no result
 * depends on the seed. */
#include "engine/text/vocab.h"

#include <inttypes.h>
#include <string.h>

struct slot {
    uint32_t tag; /* upper half of the hash */
    int32_t id;   /* NAWI_TOKEN_NONE: free */
};

struct vocab {
    int32_t n_token;
    char *blob;     /* what all tokens stand for, one after the other */
    uint32_t *ends; /* [n_token + 1]: token i is blob[ends[i] .. ends[i + 1]) */
    uint8_t *types; /* [n_token] enum nawi_token_type */
    float *scores;  /* [n_token], NULL without */
    struct slot *slots;
    uint64_t n_slot; /* a power of two */
    uint64_t seeds[2];
    int32_t bytes[256];
    size_t longest;
    int32_t *names; /* [n_name] control and user-defined tokens, ascending by text */
    int32_t n_name;
    int32_t *user_names; /* [n_user_name] the user-defined among them */
    int32_t n_user_name;
    bool may_begin[2][256]; /* by controls */
};

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t vocab_hash(const struct vocab *vocab, const char *bytes, size_t n_bytes)
{
    uint64_t hash = vocab->seeds[0] ^ n_bytes;
    uint64_t word;
    for (; n_bytes >= 8; bytes += 8, n_bytes -= 8) {
        memcpy(&word, bytes, 8);
        hash = fold(hash ^ word, vocab->seeds[1]);
    }
    word = 0;
    memcpy(&word, bytes, n_bytes);
    return fold(fold(hash ^ word, vocab->seeds[1]), vocab->seeds[0]);
}

uint64_t vocab_hash_pair(const struct vocab *vocab, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return fold(key ^ vocab->seeds[0], vocab->seeds[1]);
}

int32_t vocab_get_size(const struct vocab *vocab) { return vocab->n_token; }

enum nawi_token_type vocab_get_type(const struct vocab *vocab, int32_t id)
{
    return (enum nawi_token_type)vocab->types[id];
}

double vocab_get_score(const struct vocab *vocab, int32_t id)
{
    return vocab->scores ? (double)vocab->scores[id] : 0;
}

const char *vocab_get_bytes(const struct vocab *vocab, int32_t id, size_t *n_bytes)
{
    *n_bytes = vocab->ends[id + 1] - vocab->ends[id];
    return vocab->blob + vocab->ends[id];
}

size_t vocab_get_longest(const struct vocab *vocab) { return vocab->longest; }
int32_t vocab_find_byte(const struct vocab *vocab, unsigned char byte)
{
    return vocab->bytes[byte];
}

/* The slot that holds these bytes, or the free one where they would go. */
static struct slot *find_slot(const struct vocab *vocab, const char *bytes, size_t n_bytes,
                              uint32_t *tag)
{
    uint64_t hash = vocab_hash(vocab, bytes, n_bytes);
    *tag = (uint32_t)(hash >> 32);
    for (uint64_t i = hash & (vocab->n_slot - 1);; i = (i + 1) & (vocab->n_slot - 1)) {
        struct slot *slot = &vocab->slots[i];
        if (slot->id == NAWI_TOKEN_NONE)
            return slot;
        size_t length = vocab->ends[slot->id + 1] - vocab->ends[slot->id];
        if (slot->tag == *tag && length == n_bytes &&
            memcmp(vocab->blob + vocab->ends[slot->id], bytes, n_bytes) == 0)
            return slot;
    }
}

int32_t vocab_find(const struct vocab *vocab, const char *bytes, size_t n_bytes)
{
    uint32_t tag;
    return n_bytes > vocab->longest ? NAWI_TOKEN_NONE : find_slot(vocab, bytes, n_bytes, &tag)->id;
}

bool vocab_append_alphabet(GString *out, const char *text, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes) {
        unsigned char c = (unsigned char)text[i];
        unsigned int code = c;
        if (c >= 0x80) {
            unsigned char next = i + 1 < n_bytes ? (unsigned char)text[i + 1] : 0;
            if (c < 0xC2 || c > 0xC5 || (next & 0xC0) != 0x80)
                return false;
            code = (unsigned)(c & 0x1F) << 6 | (next & 0x3F);
            i++;
        }
        i++;
        /* Printable bytes stand for themselves, the other 68 in ascending order for U+0100 to
         * U+0143. */
        if ((code >= 0x21 && code <= 0x7E) || (code >= 0xA1 && code <= 0xFF && code != 0xAD))
            ;
        else if (code >= 0x100 && code <= 0x120)
            code -= 0x100;
        else if (code >= 0x121 && code <= 0x142)
            code = code - 0x121 + 0x7F;
        else if (code == 0x143)
            code = 0xAD;
        else
            return false;
        g_string_append_c(out, (char)code);
    }
    return true;
}

void vocab_append_unescaped(GString *out, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (i + 3 <= n_bytes && memcmp(text + i, "\xE2\x96\x81", 3) == 0) {
            g_string_append_c(out, ' ');
            i += 2;
        } else
            g_string_append_c(out, text[i]);
    }
}

/* <0xNN>, exactly; -1 when it is not one. */
static int read_byte_name(const char *text, size_t n_bytes)
{
    if (n_bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' ||
        !g_ascii_isxdigit(text[3]) || !g_ascii_isxdigit(text[4]))
        return -1;
    return g_ascii_xdigit_value(text[3]) * 16 + g_ascii_xdigit_value(text[4]);
}

/* Control is what the file says, and what looks like it though the file calls it user-defined. */
static bool is_named_like_control(const char *text, size_t n_bytes)
{
    return n_bytes >= 5 && memcmp(text, "<|", 2) == 0 && memcmp(text + n_bytes - 2, "|>", 2) == 0;
}

bool vocab_is_control(const struct vocab *vocab, int32_t id)
{
    size_t n_bytes;
    const char *text = vocab_get_bytes(vocab, id, &n_bytes);
    return vocab->types[id] == NAWI_TOKEN_CONTROL ||
           (vocab->types[id] == NAWI_TOKEN_USER_DEFINED && is_named_like_control(text, n_bytes));
}

static bool fail_at(GError **error, const struct nawi_tokenizer_params *params, int64_t id,
                    const char *what)
{
    char *quoted = nawi_quote(params->tokens[id].text, params->tokens[id].n_bytes);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: token %" PRId64 " of the vocabulary, %s, %s", params->source, id, quoted,
                what);
    g_free(quoted);
    return false;
}

static bool check_counts(const struct nawi_tokenizer_params *params, bool is_spm, GError **error)
{
    if (params->n_token < 1 || params->n_token > VOCAB_MAX_TOKENS) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the vocabulary has %" PRIu64 " tokens, expected 1 to %d", params->source,
                    params->n_token, VOCAB_MAX_TOKENS);
        return false;
    }
    if (params->types && params->n_type != params->n_token) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the vocabulary has %" PRIu64 " tokens but %" PRIu64 " token types",
                    params->source, params->n_token, params->n_type);
        return false;
    }
    if ((params->scores || is_spm) && params->n_score != params->n_token) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the vocabulary has %" PRIu64 " tokens but %" PRIu64 " token scores",
                    params->source, params->n_token, params->n_score);
        return false;
    }
    return true;
}

/* The type of token id: as given, or guessed where the file gives none. */
static int64_t tell_type(const struct nawi_tokenizer_params *params, int64_t id)
{
    const struct nawi_token_text *token = &params->tokens[id];
    if (params->types)
        return params->types[id];
    bool is_named = id == params->bos_id || id == params->eos_id || id == params->eot_id ||
                    id == params->eom_id;
    if (is_named || is_named_like_control(token->text, token->n_bytes))
        return NAWI_TOKEN_CONTROL;
    return id == params->unknown_id ? NAWI_TOKEN_UNKNOWN : NAWI_TOKEN_NORMAL;
}

/* Appends what token id stands for; *is_text: text may become it. */
static bool read_token(struct vocab *vocab, const struct nawi_tokenizer_params *params, bool is_spm,
                       int32_t id, GString *blob, bool *is_text, GError **error)
{
    const struct nawi_token_text *token = &params->tokens[id];
    int64_t type = tell_type(params, id);
    *is_text = false;
    if (token->n_bytes == 0)
        return fail_at(error, params, id, "is empty");
    if (token->n_bytes > VOCAB_MAX_TOKEN_BYTES)
        return fail_at(error, params, id, "is longer than 65535 bytes");
    if (type < NAWI_TOKEN_NORMAL || type > NAWI_TOKEN_BYTE)
        return fail_at(error, params, id, "has a type that is not one of 1 to 6");
    vocab->types[id] = (uint8_t)type;
    if (type == NAWI_TOKEN_BYTE) {
        int byte = read_byte_name(token->text, token->n_bytes);
        if (byte < 0)
            return fail_at(error, params, id, "is a byte, but not named like <0x0A>");
        if (vocab->bytes[byte] != NAWI_TOKEN_NONE)
            return fail_at(error, params, id, "stands for a byte that another token stands for");
        vocab->bytes[byte] = id;
        g_string_append_c(blob, (char)byte);
        return true;
    }
    if (type == NAWI_TOKEN_NORMAL && is_spm) {
        vocab_append_unescaped(blob, token->text, token->n_bytes);
        *is_text = true;
        return true;
    }
    size_t start = blob->len;
    if (type == NAWI_TOKEN_NORMAL && vocab_append_alphabet(blob, token->text, token->n_bytes)) {
        *is_text = true;
        return true;
    }
    g_string_truncate(blob, start);
    g_string_append_len(blob, token->text, token->n_bytes);
    return true;
}

static bool read_score(struct vocab *vocab, const struct nawi_tokenizer_params *params, int32_t id,
                       GError **error)
{
    float score = (float)params->scores[id];
    if (!(score > -G_MAXFLOAT && score < G_MAXFLOAT))
        return fail_at(error, params, id, "has a score that is not finite");
    vocab->scores[id] = score;
    return true;
}

static bool add_text(struct vocab *vocab, const struct nawi_tokenizer_params *params, bool is_spm,
                     int32_t id, GError **error)
{
    uint32_t tag;
    size_t n_bytes;
    const char *bytes = vocab_get_bytes(vocab, id, &n_bytes);
    struct slot *slot = find_slot(vocab, bytes, n_bytes, &tag);
    if (slot->id != NAWI_TOKEN_NONE)
        return fail_at(error, params, id, "occurs twice");
    *slot = (struct slot){tag, id};
    vocab->longest = MAX(vocab->longest, n_bytes);
    if (n_bytes == 1 && !is_spm)
        vocab->bytes[(unsigned char)bytes[0]] = id;
    return true;
}

static int compare_texts(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, MIN(n_a, n_b));
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare_names(const void *a, const void *b, void *user)
{
    const struct vocab *vocab = user;
    size_t n_a;
    size_t n_b;
    const char *text_a = vocab_get_bytes(vocab, *(const int32_t *)a, &n_a);
    const char *text_b = vocab_get_bytes(vocab, *(const int32_t *)b, &n_b);
    return compare_texts(text_a, n_a, text_b, n_b);
}

/* Control and user-defined tokens by name. */
static bool sort_names(struct vocab *vocab, const struct nawi_tokenizer_params *params,
                       GError **error)
{
    GString *decoded = g_string_new(NULL);
    bool ok = true;
    for (int32_t id = 0; ok && id < vocab->n_token; id++) {
        size_t n_bytes;
        const char *text = vocab_get_bytes(vocab, id, &n_bytes);
        if (vocab->types[id] != NAWI_TOKEN_CONTROL && vocab->types[id] != NAWI_TOKEN_USER_DEFINED)
            continue;
        bool is_control = vocab_is_control(vocab, id);
        g_string_truncate(decoded, 0);
        if (vocab_append_alphabet(decoded, text, n_bytes) &&
            vocab_find(vocab, decoded->str, decoded->len) >= 0)
            ok = fail_at(error, params, id, "occurs twice");
        vocab->names[vocab->n_name++] = id;
        vocab->may_begin[1][(unsigned char)text[0]] = true;
        if (is_control)
            continue;
        vocab->user_names[vocab->n_user_name++] = id;
        vocab->may_begin[0][(unsigned char)text[0]] = true;
    }
    g_string_free(decoded, TRUE);
    g_qsort_with_data(vocab->names, vocab->n_name, sizeof(int32_t), compare_names, vocab);
    g_qsort_with_data(vocab->user_names, vocab->n_user_name, sizeof(int32_t), compare_names, vocab);
    for (int32_t i = 1; ok && i < vocab->n_name; i++)
        if (compare_names(&vocab->names[i - 1], &vocab->names[i], vocab) == 0)
            ok = fail_at(error, params, vocab->names[i], "occurs twice");
    return ok;
}

static struct vocab *allocate(int32_t n_token, bool has_scores, GError **error)
{
    struct vocab *vocab = g_new0(struct vocab, 1);
    size_t n = (size_t)n_token;
    vocab->n_token = n_token;
    vocab->n_slot = 16;
    while (vocab->n_slot < n * 2)
        vocab->n_slot *= 2;
    for (int i = 0; i < 2; i++)
        vocab->seeds[i] = ((uint64_t)g_random_int() << 32 | g_random_int()) | 1;
    vocab->ends = g_try_new(uint32_t, n + 1);
    vocab->types = g_try_new0(uint8_t, n);
    vocab->slots = g_try_new(struct slot, vocab->n_slot);
    vocab->names = g_try_new(int32_t, n);
    vocab->user_names = g_try_new(int32_t, n);
    if (has_scores)
        vocab->scores = g_try_new(float, n);
    if (!vocab->ends || !vocab->types || !vocab->slots || !vocab->names || !vocab->user_names ||
        (has_scores && !vocab->scores)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "no memory for a vocabulary of %d tokens",
                    n_token);
        vocab_destroy(vocab);
        return NULL;
    }
    memset(vocab->slots, 0xFF, vocab->n_slot * sizeof *vocab->slots);
    memset(vocab->bytes, 0xFF, sizeof vocab->bytes);
    vocab->ends[0] = 0;
    return vocab;
}

/* Reads all tokens into blob, then builds the look-ups. */
static bool fill(struct vocab *vocab, const struct nawi_tokenizer_params *params, bool is_spm,
                 GError **error)
{
    GString *blob = g_string_new(NULL);
    uint8_t *is_text = g_try_malloc((size_t)vocab->n_token);
    bool ok = is_text != NULL;
    if (!ok)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "no memory for a vocabulary of %d tokens",
                    vocab->n_token);
    for (int32_t id = 0; ok && id < vocab->n_token; id++) {
        bool is = false;
        ok = read_token(vocab, params, is_spm, id, blob, &is, error) &&
             (!vocab->scores || read_score(vocab, params, id, error));
        is_text[id] = is;
        if (ok && blob->len > G_MAXINT32)
            ok = fail_at(error, params, id, "goes beyond the 2 GiB that a vocabulary may take");
        vocab->ends[id + 1] = (uint32_t)blob->len;
    }
    vocab->blob = g_string_free(blob, FALSE);
    for (int32_t id = 0; ok && id < vocab->n_token; id++)
        if (is_text[id])
            ok = add_text(vocab, params, is_spm, id, error);
    g_free(is_text);
    return ok && sort_names(vocab, params, error);
}

struct vocab *vocab_create(const struct nawi_tokenizer_params *params, GError **error)
{
    bool is_spm = strcmp(params->model, "llama") == 0;
    if (!check_counts(params, is_spm, error))
        return NULL;
    struct vocab *vocab = allocate((int32_t)params->n_token, params->scores != NULL, error);
    if (vocab && !fill(vocab, params, is_spm, error)) {
        vocab_destroy(vocab);
        return NULL;
    }
    return vocab;
}

void vocab_destroy(struct vocab *vocab)
{
    if (!vocab)
        return;
    g_free(vocab->blob);
    g_free(vocab->ends);
    g_free(vocab->types);
    g_free(vocab->scores);
    g_free(vocab->slots);
    g_free(vocab->names);
    g_free(vocab->user_names);
    g_free(vocab);
}

bool vocab_may_begin(const struct vocab *vocab, unsigned char byte, bool controls)
{
    return vocab->may_begin[controls][byte];
}

/* The first of names[low .. high) whose byte at depth is at least wanted; all of them are longer
 * than depth or come before those that are, and agree before depth. */
static int32_t lower_bound(const struct vocab *vocab, const int32_t *names, int32_t low,
                           int32_t high, size_t depth, int wanted)
{
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        size_t n_bytes;
        const char *text = vocab_get_bytes(vocab, names[middle], &n_bytes);
        int byte = depth < n_bytes ? (unsigned char)text[depth] : -1;
        if (byte < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t vocab_find_prefix(const struct vocab *vocab, const char *text, size_t n_bytes,
                          bool controls)
{
    const int32_t *names = controls ? vocab->names : vocab->user_names;
    int32_t low = 0;
    int32_t high = controls ? vocab->n_name : vocab->n_user_name;
    int32_t best = NAWI_TOKEN_NONE;
    for (size_t depth = 0; depth < n_bytes && low < high; depth++) {
        int byte = (unsigned char)text[depth];
        size_t length;
        low = lower_bound(vocab, names, low, high, depth, byte);
        high = lower_bound(vocab, names, low, high, depth, byte + 1);
        if (low == high)
            break;
        vocab_get_bytes(vocab, names[low], &length);
        if (length == depth + 1)
            best = names[low];
    }
    return best;
}

int32_t vocab_find_name(const struct vocab *vocab, const char *name, size_t n_bytes)
{
    size_t length;
    int32_t id = vocab_find_prefix(vocab, name, n_bytes, true);
    if (id == NAWI_TOKEN_NONE)
        return id;
    vocab_get_bytes(vocab, id, &length);
    return length == n_bytes ? id : NAWI_TOKEN_NONE;
}
