/* Just enough of two bit streams to learn their sides. What is beyond the end of the bytes reads as
 * zeros; nothing here fails, since a stream that makes no sense is for its decoder to refuse: here
 * only what it would allocate counts. */
#include "vision/stream.h"

#include <glib.h>

enum {
    OBU_SEQUENCE_HEADER = 1,
    NAL_SEQUENCE_PARAMETERS = 33,
    MAX_PARAMETER_BYTES = 1024, /* of a parameter set that is looked at: the sides come early */
};

/* Bits from the high end of each byte. */
struct bits {
    const uint8_t *bytes;
    size_t n_bit, at;
};

static uint32_t take(struct bits *bits, unsigned n)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++, bits->at++) {
        bool set = bits->at < bits->n_bit && (bits->bytes[bits->at / 8] >> (7 - bits->at % 8) & 1);
        value = value << 1 | (set ? 1u : 0u);
    }
    return value;
}

/* Exponential Golomb code; a code of more than 32 bits is as good as the largest number. */
static uint64_t take_golomb(struct bits *bits)
{
    unsigned zeros = 0;
    while (zeros <= 32 && bits->at < bits->n_bit && take(bits, 1) == 0)
        zeros++;
    if (zeros > 31)
        return UINT32_MAX;
    return (UINT64_C(1) << zeros) - 1 + take(bits, zeros);
}

static void add(struct stream_sides *sides, uint64_t width, uint64_t height)
{
    sides->width = MAX(sides->width, width);
    sides->height = MAX(sides->height, height);
}

/* ── AV1 ── */

/* leb128: seven bits a byte, low ones first. False when it does not end. */
static bool read_size(const uint8_t *bytes, size_t n, size_t *at, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < 8 && *at < n; i++) {
        uint8_t byte = bytes[(*at)++];
        *out |= (uint64_t)(byte & 0x7F) << 7 * i;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* uvlc: zeros, a one, as many bits as zeros. */
static void skip_uvlc(struct bits *bits)
{
    unsigned zeros = 0;
    while (zeros < 32 && bits->at < bits->n_bit && take(bits, 1) == 0)
        zeros++;
    if (zeros < 32)
        take(bits, zeros);
}

/* timing_info and decoder_model_info; returns the bits of a delay of the latter, 0 without it. */
static unsigned skip_timing(struct bits *bits, bool *has_model)
{
    take(bits, 32);
    take(bits, 32);
    if (take(bits, 1)) /* equal_picture_interval */
        skip_uvlc(bits);
    *has_model = take(bits, 1);
    if (!*has_model)
        return 0;
    unsigned delay_bits = take(bits, 5) + 1;
    take(bits, 32);
    take(bits, 10);
    return delay_bits;
}

static void skip_operating_points(struct bits *bits)
{
    bool has_model = false;
    unsigned delay_bits = take(bits, 1) ? skip_timing(bits, &has_model) : 0;
    bool has_display_delay = take(bits, 1);
    unsigned n_point = take(bits, 5) + 1;
    for (unsigned i = 0; i < n_point; i++) {
        take(bits, 12);
        if (take(bits, 5) > 7) /* seq_level_idx */
            take(bits, 1);
        if (has_model && take(bits, 1)) {
            take(bits, delay_bits);
            take(bits, delay_bits);
            take(bits, 1);
        }
        if (has_display_delay && take(bits, 1))
            take(bits, 4);
    }
}

static void read_sequence_header(const uint8_t *bytes, size_t n, struct stream_sides *sides)
{
    struct bits bits = {.bytes = bytes, .n_bit = MIN(n, MAX_PARAMETER_BYTES) * 8};
    take(&bits, 4); /* profile, still picture */
    if (take(&bits, 1))
        take(&bits, 5); /* the level of a reduced header */
    else
        skip_operating_points(&bits);
    unsigned width_bits = take(&bits, 4) + 1;
    unsigned height_bits = take(&bits, 4) + 1;
    uint64_t width = (uint64_t)take(&bits, width_bits) + 1;
    uint64_t height = (uint64_t)take(&bits, height_bits) + 1;
    add(sides, width, height);
}

void stream_add_av1(const uint8_t *bytes, size_t n, struct stream_sides *sides)
{
    size_t at = 0;
    while (at < n) {
        unsigned header = bytes[at++];
        uint64_t size = n - at;
        if (header & 0x04)
            at += 1; /* temporal and spatial ids */
        if (at > n || ((header & 0x02) && !read_size(bytes, n, &at, &size)))
            return;
        size = MIN(size, n - at);
        if ((header >> 3 & 15) == OBU_SEQUENCE_HEADER)
            read_sequence_header(bytes + at, (size_t)size, sides);
        at += (size_t)size;
    }
}

/* ── HEVC ── */

/* profile_tier_level: 88 bits, the level, flags for each layer below the highest, and what they
 * announce. */
static void skip_profile(struct bits *bits, unsigned n_below)
{
    bool has_profile[8];
    bool has_level[8];
    bits->at += 96;
    for (unsigned i = 0; i < n_below; i++) {
        has_profile[i] = take(bits, 1);
        has_level[i] = take(bits, 1);
    }
    if (n_below)
        bits->at += 2 * (8 - n_below);
    for (unsigned i = 0; i < n_below; i++)
        bits->at += (has_profile[i] ? 88u : 0u) + (has_level[i] ? 8u : 0u);
}

void stream_add_hevc(const uint8_t *bytes, size_t n, struct stream_sides *sides)
{
    uint8_t plain[MAX_PARAMETER_BYTES];
    size_t n_plain = 0;
    if (n < 3 || (bytes[0] >> 1 & 63) != NAL_SEQUENCE_PARAMETERS)
        return;
    /* A 3 behind two zeros only keeps start codes out of the data. */
    for (size_t i = 2; i < n && n_plain < sizeof plain; i++)
        if (!(i >= 4 && bytes[i] == 3 && bytes[i - 1] == 0 && bytes[i - 2] == 0))
            plain[n_plain++] = bytes[i];
    struct bits bits = {.bytes = plain, .n_bit = n_plain * 8};
    take(&bits, 4); /* of the video parameter set */
    unsigned n_below = take(&bits, 3);
    take(&bits, 1);
    skip_profile(&bits, n_below);
    take_golomb(&bits); /* own number */
    if (take_golomb(&bits) == 3)
        take(&bits, 1); /* separate planes */
    uint64_t width = take_golomb(&bits);
    uint64_t height = take_golomb(&bits);
    add(sides, width, height);
}

void stream_add_hevc_units(const uint8_t *bytes, size_t n, unsigned length_bytes,
                           struct stream_sides *sides)
{
    size_t at = 0;
    while (n - at > length_bytes) {
        uint32_t length = 0;
        for (unsigned i = 0; i < length_bytes; i++)
            length = length << 8 | bytes[at++];
        length = (uint32_t)MIN(length, n - at);
        stream_add_hevc(bytes + at, length, sides);
        at += length;
    }
}
