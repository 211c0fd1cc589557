/* Merging: the piece is a linked list of symbols, the pairs that have a merge wait in a heap by
 * rank and then by place. The best pair is joined and its two new neighbours are looked up; a
 * pair whose symbols have changed since it was queued is dropped when it comes up. So a piece of
 * n bytes costs n log n, also where it is one run of 100,000 letters. */
#include "engine/text/bpe.h"

#include <inttypes.h>
#include <string.h>

struct merge {
    uint64_t key;  /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank; /* place in the list */
    int32_t result;
};

struct bpe {
    const struct vocab *vocab;
    struct merge *merges; /* open addressing */
    uint64_t n_slot;      /* a power of two */
    int32_t last_result;  /* while merges are read */
};

struct bpe_symbol {
    int32_t id;             /* NAWI_TOKEN_NONE once joined to the one before */
    int32_t previous, next; /* -1 at the ends */
};

struct bpe_pair {
    uint64_t order; /* rank << 32 | place of the left symbol: the smallest goes first */
    int32_t left, right, result;
};

static struct merge *find_merge(const struct bpe *bpe, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t i = vocab_hash_pair(bpe->vocab, left, right) & (bpe->n_slot - 1);
    while (bpe->merges[i].key != key && bpe->merges[i].key != UINT64_MAX)
        i = (i + 1) & (bpe->n_slot - 1);
    return &bpe->merges[i];
}

static bool fail_at(GError **error, const struct nawi_tokenizer_params *params, uint64_t index,
                    const char *what)
{
    char *quoted = nawi_quote(params->merges[index].text, params->merges[index].n_bytes);
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                "%s: merge %" PRIu64 " of the vocabulary, %s, %s", params->source, index, quoted,
                what);
    g_free(quoted);
    return false;
}

/* What a merge makes. Vocabularies are mostly in the order of their merges, so the token behind the
 * last result is looked at first: that saves a third of the look-ups, which miss every cache. */
static int32_t find_result(struct bpe *bpe, const GString *bytes)
{
    int32_t guess = bpe->last_result + 1;
    size_t n = 0;
    const char *text =
        guess < vocab_get_size(bpe->vocab) ? vocab_get_bytes(bpe->vocab, guess, &n) : NULL;
    bool is_it = n == bytes->len && memcmp(text, bytes->str, n) == 0 &&
                 vocab_get_type(bpe->vocab, guess) == NAWI_TOKEN_NORMAL;
    return is_it ? guess : vocab_find(bpe->vocab, bytes->str, bytes->len);
}

/* Reads merge number index, "left right"; buffer is reused. */
static bool add_merge(struct bpe *bpe, const struct nawi_tokenizer_params *params, uint64_t index,
                      GString *buffer, GError **error)
{
    const struct nawi_token_text *text = &params->merges[index];
    const char *space = text->n_bytes > 1 ? memchr(text->text + 1, ' ', text->n_bytes - 1) : NULL;
    if (!space || space + 1 == text->text + text->n_bytes)
        return fail_at(error, params, index, "is not two tokens with a space between");
    size_t n_left = (size_t)(space - text->text);
    size_t n_right = text->n_bytes - n_left - 1;
    g_string_truncate(buffer, 0);
    if (!vocab_append_alphabet(buffer, text->text, n_left))
        return fail_at(error, params, index, "names no token of the vocabulary on its left");
    size_t cut = buffer->len;
    if (!vocab_append_alphabet(buffer, space + 1, n_right))
        return fail_at(error, params, index, "names no token of the vocabulary on its right");
    int32_t left = vocab_find(bpe->vocab, buffer->str, cut);
    int32_t right = vocab_find(bpe->vocab, buffer->str + cut, buffer->len - cut);
    int32_t result = find_result(bpe, buffer);
    if (left == NAWI_TOKEN_NONE)
        return fail_at(error, params, index, "names no token of the vocabulary on its left");
    if (right == NAWI_TOKEN_NONE)
        return fail_at(error, params, index, "names no token of the vocabulary on its right");
    if (result == NAWI_TOKEN_NONE)
        return fail_at(error, params, index, "makes no token of the vocabulary");
    struct merge *merge = find_merge(bpe, left, right);
    if (merge->key != UINT64_MAX)
        return fail_at(error, params, index, "occurs twice");
    bpe->last_result = result;
    *merge =
        (struct merge){(uint64_t)(uint32_t)left << 32 | (uint32_t)right, (uint32_t)index, result};
    return true;
}

struct bpe *bpe_create(const struct nawi_tokenizer_params *params, const struct vocab *vocab,
                       GError **error)
{
    if (params->n_merge < 1 || params->n_merge > 4 * (uint64_t)VOCAB_MAX_TOKENS) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT,
                    "%s: the vocabulary has %" PRIu64 " merges, expected 1 to %d", params->source,
                    params->n_merge, 4 * VOCAB_MAX_TOKENS);
        return NULL;
    }
    struct bpe *bpe = g_new0(struct bpe, 1);
    bpe->vocab = vocab;
    bpe->n_slot = 16;
    while (bpe->n_slot < params->n_merge * 2)
        bpe->n_slot *= 2;
    bpe->merges = g_try_new(struct merge, bpe->n_slot);
    bool ok = bpe->merges != NULL;
    if (ok)
        memset(bpe->merges, 0xFF, bpe->n_slot * sizeof *bpe->merges);
    else
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "no memory for %" PRIu64 " merges of a vocabulary", params->n_merge);
    GString *buffer = g_string_new(NULL);
    for (uint64_t i = 0; ok && i < params->n_merge; i++)
        ok = add_merge(bpe, params, i, buffer, error);
    g_string_free(buffer, TRUE);
    if (ok)
        return bpe;
    bpe_destroy(bpe);
    return NULL;
}

void bpe_destroy(struct bpe *bpe)
{
    if (!bpe)
        return;
    g_free(bpe->merges);
    g_free(bpe);
}

void bpe_scratch_finish(struct bpe_scratch *scratch)
{
    g_free(scratch->symbols);
    g_free(scratch->heap);
    *scratch = (struct bpe_scratch){0};
}

/* Queues the pair that begins at symbol left, if it has a merge. The heap has room: it never
 * holds more than two entries for each symbol. */
static void push_pair(const struct bpe *bpe, struct bpe_scratch *scratch, int32_t left)
{
    const struct bpe_symbol *symbols = scratch->symbols;
    int32_t right = left < 0 ? -1 : symbols[left].next;
    if (right < 0)
        return;
    const struct merge *merge = find_merge(bpe, symbols[left].id, symbols[right].id);
    if (merge->key == UINT64_MAX)
        return;
    struct bpe_pair pair = {(uint64_t)merge->rank << 32 | (uint32_t)left, symbols[left].id,
                            symbols[right].id, merge->result};
    size_t i = scratch->n_heap++;
    while (i > 0 && scratch->heap[(i - 1) / 2].order > pair.order) {
        scratch->heap[i] = scratch->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    scratch->heap[i] = pair;
}

static struct bpe_pair pop_pair(struct bpe_scratch *scratch)
{
    struct bpe_pair top = scratch->heap[0];
    struct bpe_pair last = scratch->heap[--scratch->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= scratch->n_heap)
            break;
        if (child + 1 < scratch->n_heap &&
            scratch->heap[child + 1].order < scratch->heap[child].order)
            child++;
        if (scratch->heap[child].order >= last.order)
            break;
        scratch->heap[i] = scratch->heap[child];
        i = child;
    }
    scratch->heap[i] = last;
    return top;
}

static bool reserve(struct bpe_scratch *scratch, size_t n, GError **error)
{
    if (n <= scratch->n_symbol)
        return true;
    size_t wanted = MAX(n, 256);
    bpe_scratch_finish(scratch);
    scratch->symbols = g_try_new(struct bpe_symbol, wanted);
    scratch->heap = g_try_new(struct bpe_pair, 2 * wanted);
    if (!scratch->symbols || !scratch->heap) {
        bpe_scratch_finish(scratch);
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "no memory to merge a piece of text of %zu bytes", n);
        return false;
    }
    scratch->n_symbol = wanted;
    return true;
}

/* One symbol a byte. A byte that the vocabulary has no token for is left out, as published
 * tokenizers do. */
static size_t fill_symbols(const struct bpe *bpe, const char *piece, size_t n_bytes,
                           struct bpe_symbol *symbols)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        int32_t id = vocab_find_byte(bpe->vocab, (unsigned char)piece[i]);
        if (id == NAWI_TOKEN_NONE)
            continue;
        symbols[n] = (struct bpe_symbol){id, (int32_t)n - 1, (int32_t)n + 1};
        n++;
    }
    if (n > 0)
        symbols[n - 1].next = -1;
    return n;
}

bool bpe_encode(const struct bpe *bpe, const char *piece, size_t n_bytes,
                struct bpe_scratch *scratch, GArray *ids, GError **error)
{
    if (!reserve(scratch, n_bytes, error))
        return false;
    struct bpe_symbol *symbols = scratch->symbols;
    size_t n = fill_symbols(bpe, piece, n_bytes, symbols);
    scratch->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++)
        push_pair(bpe, scratch, (int32_t)i);
    while (scratch->n_heap > 0) {
        struct bpe_pair pair = pop_pair(scratch);
        int32_t left = (int32_t)(uint32_t)pair.order;
        int32_t right = symbols[left].next;
        if (symbols[left].id != pair.left || right < 0 || symbols[right].id != pair.right)
            continue;
        symbols[left].id = pair.result;
        symbols[left].next = symbols[right].next;
        if (symbols[right].next >= 0)
            symbols[symbols[right].next].previous = left;
        symbols[right].id = NAWI_TOKEN_NONE;
        push_pair(bpe, scratch, symbols[left].previous);
        push_pair(bpe, scratch, left);
    }
    for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = symbols[i].next)
        g_array_append_val(ids, symbols[i].id);
    return true;
}
