/* The synthetic vocabulary of nawi_synth(), as GGUF keys. */
#pragma once

#include "engine/file/gguf-write.h"

enum { SYNTH_VOCAB_SPECIAL = 2048, SYNTH_VOCAB_LEAST = 4096, SYNTH_VOCAB_MOST = 400000 };

/* Writes the tokenizer.* keys: n_vocab tokens (between the bounds above), of which the last 2048
 * are Llama 4's control tokens in Meta's order, merges that make all others, ids, chat template. */
void synth_vocab_write(struct gguf_writer *writer, int n_vocab);
