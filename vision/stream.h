/* The sides that compressed video streams state themselves: AVIF and HEIC wrap a frame of AV1 or
 * HEVC, and a decoder allocates what the stream says, whatever the container around it says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_sides {
    uint64_t width, height; /* the largest of each; 0: none found */
};

/* Adds the sides of all sequence headers among the OBUs of bytes [n]. Stops where they make no
 * sense. Any thread. Source: AV1 bitstream specification 5.3 to 5.5. */
void stream_add_av1(const uint8_t *bytes, size_t n, struct stream_sides *sides);

/* Adds the sides of one HEVC NAL unit, header included, if it is a sequence parameter set.
 * Source: ITU-T H.265, 7.3.1 and 7.3.2.2. */
void stream_add_hevc(const uint8_t *bytes, size_t n, struct stream_sides *sides);

/* The same for units that follow each other, each behind its length in length_bytes (1 to 4) bytes.
 */
void stream_add_hevc_units(const uint8_t *bytes, size_t n, unsigned length_bytes,
                           struct stream_sides *sides);
