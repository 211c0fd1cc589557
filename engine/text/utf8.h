/* UTF-8 as it comes from outside: valid characters, and the maximal invalid parts between them
 * (Unicode 15, table 3-7 and section 3.9: U+FFFD for each maximal subpart). Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum utf8_kind {
    UTF8_VALID,   /* one whole character */
    UTF8_INVALID, /* bytes that can never be part of one, together one maximal part */
    UTF8_PARTIAL, /* all the bytes there are: a character that is not complete yet */
};

#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

/* What stands at bytes [n_bytes], n_bytes at least 1; *width gets how many bytes of it that is,
 * 1..4. */
enum utf8_kind utf8_scan(const char *bytes, size_t n_bytes, size_t *width);

bool utf8_is_valid(const char *text, size_t n_bytes);
/* Appends text with every maximal invalid part (an incomplete end is one) replaced by U+FFFD. */
void utf8_append_repaired(GString *out, const char *text, size_t n_bytes);
