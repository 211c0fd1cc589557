/* The published ways to cut text into pieces before byte-pair merging: one row each in split.c,
 * run by PCRE2.
 *
 * A split is immutable after creation: any thread. */
#pragma once

#include "engine/error.h"

struct split;

/* By the name that GGUF files use (tokenizer.ggml.pre); NULL: "default", which is GPT-2's. A
 * name outside the table is UNSUPPORTED, named. */
struct split *split_create(const char *name, GError **error);
void split_destroy(struct split *split); /* NULL is fine */

/* True when a piece that is a token as it stands is not merged at all (tiktoken, and
 * ignore_merges of tokenizer.json); false when merges alone decide. */
bool split_takes_whole_pieces(const struct split *split);

/* Called with each piece in order; false with *error set stops. */
typedef bool (*split_piece_fn)(const char *piece, size_t n_bytes, void *user, GError **error);

/* Cuts text, which is valid UTF-8, without dropping a byte. Fails when fn does, or with MEMORY. */
bool split_each(const struct split *split, const char *text, size_t n_bytes, split_piece_fn fn,
                void *user, GError **error);
