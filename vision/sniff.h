/* What kind of file it is, told by its first bytes and by nothing else. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum sniff_kind {
    SNIFF_UNKNOWN,
    SNIFF_JPEG,
    SNIFF_PNG,
    SNIFF_WEBP,
    SNIFF_GIF,
    SNIFF_TIFF,
    SNIFF_AVIF,
    SNIFF_HEIC,
    SNIFF_BMP,
    SNIFF_ICO,
    SNIFF_NETPBM,
    SNIFF_REFUSED, /* known, and not read: see name */
};

struct sniff_result {
    enum sniff_kind kind;
    const char *name; /* "JPEG"; of what is refused with its article: "a PDF document"; static; NULL
                         when unknown */
    const char *why;  /* for SNIFF_REFUSED: half a sentence about why and what to do; may be NULL */
};

enum {
    SNIFF_BYTES = 4096, /* as many of the first bytes are looked at, at most */
};

/* bytes [n] are the first of the file; fewer than SNIFF_BYTES only when the file is shorter. Any
 * thread. */
struct sniff_result sniff_bytes(const uint8_t *bytes, size_t n);
