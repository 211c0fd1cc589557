/* Byte-pair merging in the order of a list of merges ("gpt2"). Immutable after creation: any
 * thread. */
#pragma once

#include "engine/text/vocab.h"

struct bpe;

/* Reads merges of params against vocab, which must outlive the result. NULL on error. */
struct bpe *bpe_create(const struct nawi_tokenizer_params *params, const struct vocab *vocab,
                       GError **error);
void bpe_destroy(struct bpe *bpe); /* NULL is fine */

/* Memory that grows with the longest piece and serves many pieces. Zeroed at the start. */
struct bpe_scratch {
    struct bpe_symbol *symbols;
    size_t n_symbol;
    struct bpe_pair *heap;
    size_t n_heap, heap_size;
};
void bpe_scratch_finish(struct bpe_scratch *scratch);

/* Appends the tokens of one piece [n_bytes], at least one byte, below 2^30, to ids. O(n log n). */
bool bpe_encode(const struct bpe *bpe, const char *piece, size_t n_bytes,
                struct bpe_scratch *scratch, GArray *ids, GError **error);
