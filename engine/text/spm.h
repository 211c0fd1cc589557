/* Merging by scores, as SentencePiece does it ("llama"). */
#pragma once

#include "engine/text/vocab.h"

/* Memory that serves many pieces. Zeroed at the start. */
struct spm_scratch {
    struct spm_symbol *symbols;
    size_t n_symbol;
    struct spm_pair *heap;
    size_t n_heap;
};
void spm_scratch_finish(struct spm_scratch *scratch);

/* Appends the tokens of text [n_bytes], valid UTF-8, at least one byte, below 2^30, to ids. A
 * character that no token covers becomes the tokens of its bytes or, where those are missing
 * too, unknown, which may be NAWI_TOKEN_NONE: then it is left out. Fails with MEMORY alone. */
bool spm_encode(const struct vocab *vocab, int32_t unknown, const char *text, size_t n_bytes,
                struct spm_scratch *scratch, GArray *ids, GError **error);
