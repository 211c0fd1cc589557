/* WebP: a RIFF of chunks. What the decoder gets is rebuilt: one still picture of one VP8 or VP8L
 * stream and its alpha plane. Of an animation that is the first frame alone, so that the decoder's
 * own canvas, timing and background colour have no say: outside the first frame an animation is
 * transparent. Source: WebP container specification, RFC 9649. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    RIFF_BYTES = 12,
    CHUNK_BYTES = 8,
    EXTENDED_BYTES = 10, /* VP8X */
    FRAME_BYTES = 16,    /* of ANMF before its chunks */
    FLAG_ALPHA = 0x10,
};

struct chunk {
    const uint8_t *type;
    const uint8_t *body;
    size_t n;
    bool cut;
};

struct parts {
    struct chunk stream, alpha; /* body NULL: absent */
    int stream_w, stream_h;
};

static bool is_type(const uint8_t *at, const char *type) { return memcmp(at, type, 4) == 0; }

/* The chunk at *at of bytes [n], and *at behind it; false at the end. */
static bool next_chunk(const uint8_t *bytes, size_t n, size_t *at, struct chunk *out)
{
    if (*at > n || n - *at < CHUNK_BYTES)
        return false;
    size_t length = bytes_le32(bytes + *at + 4);
    size_t left = n - *at - CHUNK_BYTES;
    *out = (struct chunk){
        .type = bytes + *at, .body = bytes + *at + CHUNK_BYTES, .n = MIN(length, left)};
    out->cut = length > left;
    *at += CHUNK_BYTES + out->n + (out->n & 1);
    return true;
}

/* The sides that a stream of pixels states itself. */
static bool read_stream(struct parts *parts, GError **error)
{
    const uint8_t *body = parts->stream.body;
    size_t n = parts->stream.n;
    if (is_type(parts->stream.type, "VP8 ")) {
        if (n < 10 || body[3] != 0x9D || body[4] != 0x01 || body[5] != 0x2A || (body[0] & 1))
            return container_fault(error,
                                   "a WebP whose VP8 stream does not begin with a key frame");
        parts->stream_w = (int)(bytes_le16(body + 6) & 0x3FFF);
        parts->stream_h = (int)(bytes_le16(body + 8) & 0x3FFF);
        return true;
    }
    if (n < 5 || body[0] != 0x2F)
        return container_fault(error, "a WebP whose VP8L stream has no signature");
    uint32_t bits = bytes_le32(body + 1);
    parts->stream_w = (int)(bits & 0x3FFF) + 1;
    parts->stream_h = (int)(bits >> 14 & 0x3FFF) + 1;
    return true;
}

/* Notes a chunk of pixels; the first stream and the alpha plane before it count. */
static void take_part(struct parts *parts, const struct chunk *chunk)
{
    if (parts->stream.body)
        return;
    if (is_type(chunk->type, "ALPH") && !parts->alpha.body)
        parts->alpha = *chunk;
    if (is_type(chunk->type, "VP8 ") || is_type(chunk->type, "VP8L"))
        parts->stream = *chunk;
}

/* ANMF: x / 2, y / 2, width - 1, height - 1, duration of 24 bits each, flags, then chunks. */
static void take_frame(struct container *out, struct parts *parts, const struct chunk *frame)
{
    if (parts->stream.body || frame->n < FRAME_BYTES)
        return;
    out->frame_x = (int)bytes_le24(frame->body) * 2;
    out->frame_y = (int)bytes_le24(frame->body + 3) * 2;
    size_t at = FRAME_BYTES;
    struct chunk chunk;
    while (next_chunk(frame->body, frame->n, &at, &chunk))
        take_part(parts, &chunk);
    if (parts->stream.body && frame->cut &&
        parts->stream.body + parts->stream.n == frame->body + frame->n)
        parts->stream.cut = true;
}

static uint8_t *put_chunk(uint8_t *at, const char *type, const uint8_t *body, size_t n)
{
    memcpy(at, type, 4);
    bytes_put_le32(at + 4, (uint32_t)n);
    memcpy(at + CHUNK_BYTES, body, n);
    at += CHUNK_BYTES + n;
    if (n & 1)
        *at++ = 0;
    return at;
}

/* The still picture in a buffer of its own. */
static bool rebuild(struct container *out, const struct parts *parts, GError **error)
{
    uint8_t extended[EXTENDED_BYTES] = {FLAG_ALPHA};
    bool lossy = is_type(parts->stream.type, "VP8 ");
    bool has_plane = lossy && parts->alpha.body;
    size_t most =
        RIFF_BYTES + 3 * (CHUNK_BYTES + 1) + EXTENDED_BYTES + parts->alpha.n + parts->stream.n;
    out->rebuilt = g_try_malloc(most);
    if (!out->rebuilt) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "reading it needs %" G_GSIZE_FORMAT " bytes more than there are", most);
        return false;
    }
    bytes_put_le24(extended + 4, (uint32_t)parts->stream_w - 1);
    bytes_put_le24(extended + 7, (uint32_t)parts->stream_h - 1);
    uint8_t *at = out->rebuilt + RIFF_BYTES;
    if (has_plane) {
        at = put_chunk(at, "VP8X", extended, sizeof extended);
        at = put_chunk(at, "ALPH", parts->alpha.body, parts->alpha.n);
    }
    at = put_chunk(at, lossy ? "VP8 " : "VP8L", parts->stream.body, parts->stream.n);
    memcpy(out->rebuilt, "RIFF", 4);
    memcpy(out->rebuilt + 8, "WEBP", 4);
    bytes_put_le32(out->rebuilt + 4, (uint32_t)(at - out->rebuilt) - 8);
    out->bytes = out->rebuilt;
    out->n_bytes = (size_t)(at - out->rebuilt);
    return true;
}

static void take_chunk(struct container *out, struct parts *parts, const struct chunk *chunk,
                       bool first)
{
    if (first && is_type(chunk->type, "VP8X") && chunk->n >= EXTENDED_BYTES) {
        out->width_px = (int)bytes_le24(chunk->body + 4) + 1;
        out->height_px = (int)bytes_le24(chunk->body + 7) + 1;
    } else if (is_type(chunk->type, "ANMF"))
        take_frame(out, parts, chunk);
    else if (is_type(chunk->type, "ICCP"))
        container_take_profile(out, chunk->body, chunk->cut ? 0 : chunk->n);
    else if (is_type(chunk->type, "EXIF"))
        out->turn = container_exif_turn(chunk->body, chunk->n);
    else
        take_part(parts, chunk);
}

bool container_read_webp(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error)
{
    struct parts parts = {0};
    struct chunk chunk;
    size_t at = RIFF_BYTES;
    bool first = true;
    while (next_chunk(bytes, n, &at, &chunk)) {
        take_chunk(out, &parts, &chunk, first);
        first = false;
    }
    if (!parts.stream.body)
        return container_fault(error, "a WebP without picture data");
    if (!read_stream(&parts, error) ||
        !container_check_sides(parts.stream_w, parts.stream_h, "its first frame", limits, error))
        return false;
    if (out->width_px == 0) {
        out->width_px = parts.stream_w;
        out->height_px = parts.stream_h;
    }
    if (parts.stream.cut || (parts.alpha.body && parts.alpha.cut))
        out->cut = true;
    return rebuild(out, &parts, error);
}
