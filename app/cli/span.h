/* Where a value stands in the text of a JSON document, so that its digits can be handed on as they
 * were written.
 *
 * For text that a parser has accepted; pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The value of a key of the object at `at`, or NULL. The last of equal keys does not occur:
 * parsers refuse them. A key written with escapes is not found. */
const char *span_find_member(const char *at, const char *key);
/* The element at index of the array at `at`, or NULL. */
const char *span_find_element(const char *at, size_t index);
/* One past the last byte of the value at `at`. */
const char *span_get_end(const char *at);
