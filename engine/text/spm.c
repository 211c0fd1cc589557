/* SentencePiece's BPE: characters are joined pairwise, the pair whose joined text has the
 * highest score first and, among equals, the leftmost. Text is the one of vocab_get_bytes(),
 * with plain spaces.
 *
 * Symbols are stretches of the text, so what a pair joins to is one look-up of a stretch. A
 * queued pair is known to be stale when the length of what it joined no longer fits its two
 * symbols. */
#include "engine/text/spm.h"

#include "engine/text/utf8.h"

struct spm_symbol {
    uint32_t start, n_bytes; /* n_bytes 0 once joined to the one before */
    int32_t previous, next;  /* -1 at the ends */
};

struct spm_pair {
    double score;
    int32_t left, right;
    uint32_t n_bytes; /* of both together */
};

void spm_scratch_finish(struct spm_scratch *scratch)
{
    g_free(scratch->symbols);
    g_free(scratch->heap);
    *scratch = (struct spm_scratch){0};
}

static bool goes_before(const struct spm_pair *a, const struct spm_pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void push_pair(const struct vocab *vocab, const char *text, struct spm_scratch *scratch,
                      int32_t left)
{
    int32_t right = left < 0 ? -1 : scratch->symbols[left].next;
    if (right < 0)
        return;
    uint32_t n_bytes = scratch->symbols[left].n_bytes + scratch->symbols[right].n_bytes;
    int32_t id = vocab_find(vocab, text + scratch->symbols[left].start, n_bytes);
    if (id == NAWI_TOKEN_NONE)
        return;
    struct spm_pair pair = {vocab_get_score(vocab, id), left, right, n_bytes};
    size_t i = scratch->n_heap++;
    while (i > 0 && goes_before(&pair, &scratch->heap[(i - 1) / 2])) {
        scratch->heap[i] = scratch->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    scratch->heap[i] = pair;
}

static struct spm_pair pop_pair(struct spm_scratch *scratch)
{
    struct spm_pair top = scratch->heap[0];
    struct spm_pair last = scratch->heap[--scratch->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= scratch->n_heap)
            break;
        if (child + 1 < scratch->n_heap &&
            goes_before(&scratch->heap[child + 1], &scratch->heap[child]))
            child++;
        if (!goes_before(&scratch->heap[child], &last))
            break;
        scratch->heap[i] = scratch->heap[child];
        i = child;
    }
    scratch->heap[i] = last;
    return top;
}

/* Characters of valid UTF-8; NUL is one of them. */
static size_t count_characters(const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* One symbol a character; returns how many, or 0 without memory. */
static size_t fill_symbols(const char *text, size_t n_bytes, struct spm_scratch *scratch,
                           GError **error)
{
    size_t n = count_characters(text, n_bytes);
    if (n > scratch->n_symbol) {
        size_t wanted = MAX(n, 256);
        spm_scratch_finish(scratch);
        scratch->symbols = g_try_new(struct spm_symbol, wanted);
        scratch->heap = g_try_new(struct spm_pair, 2 * wanted);
        if (!scratch->symbols || !scratch->heap) {
            spm_scratch_finish(scratch);
            g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                        "no memory to merge a text of %zu bytes", n_bytes);
            return 0;
        }
        scratch->n_symbol = wanted;
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t width;
        utf8_scan(text + at, n_bytes - at, &width);
        scratch->symbols[i] = (struct spm_symbol){(uint32_t)at, (uint32_t)width, (int32_t)i - 1,
                                                  i + 1 < n ? (int32_t)i + 1 : -1};
        at += width;
    }
    return n;
}

/* A symbol that is no token becomes its bytes, else the unknown token; where the vocabulary has
 * neither it is left out. */
static void append_symbol(const struct vocab *vocab, int32_t unknown, const char *bytes,
                          size_t n_bytes, GArray *ids)
{
    int32_t id = vocab_find(vocab, bytes, n_bytes);
    if (id == NAWI_TOKEN_NONE && vocab_find_byte(vocab, (unsigned char)bytes[0]) == NAWI_TOKEN_NONE)
        id = unknown;
    if (id != NAWI_TOKEN_NONE) {
        g_array_append_val(ids, id);
        return;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        id = vocab_find_byte(vocab, (unsigned char)bytes[i]);
        if (id != NAWI_TOKEN_NONE)
            g_array_append_val(ids, id);
    }
}

bool spm_encode(const struct vocab *vocab, int32_t unknown, const char *text, size_t n_bytes,
                struct spm_scratch *scratch, GArray *ids, GError **error)
{
    size_t n = fill_symbols(text, n_bytes, scratch, error);
    if (n == 0)
        return false;
    struct spm_symbol *symbols = scratch->symbols;
    scratch->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++)
        push_pair(vocab, text, scratch, (int32_t)i);
    while (scratch->n_heap > 0) {
        struct spm_pair pair = pop_pair(scratch);
        struct spm_symbol *left = &symbols[pair.left];
        struct spm_symbol *right = &symbols[pair.right];
        if (left->n_bytes == 0 || right->n_bytes == 0 ||
            left->n_bytes + right->n_bytes != pair.n_bytes)
            continue;
        left->n_bytes = pair.n_bytes;
        left->next = right->next;
        right->n_bytes = 0;
        if (left->next >= 0)
            symbols[left->next].previous = pair.left;
        push_pair(vocab, text, scratch, left->previous);
        push_pair(vocab, text, scratch, pair.left);
    }
    for (int32_t i = 0; i >= 0; i = symbols[i].next)
        append_symbol(vocab, unknown, text + symbols[i].start, symbols[i].n_bytes, ids);
    return true;
}
