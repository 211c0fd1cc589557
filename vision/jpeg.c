/* JPEG: ISO/IEC 10918-1 markers. Kept for the decoder are tables, frame, scans and the JFIF and
 * Adobe markers that decide about colour; EXIF, other APPn and comments are taken out in place. ICC
 * pieces (APP2) are put together here.
 *
 * A progressive picture may repeat tiny scans thousands of times, each of which costs the decoder a
 * walk through all coefficients: the product of scans and pixels is bounded. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    M_TEM = 0x01,
    M_SOF0 = 0xC0,
    M_DHT = 0xC4,
    M_JPG = 0xC8,
    M_DAC = 0xCC,
    M_SOF15 = 0xCF,
    M_RST0 = 0xD0,
    M_RST7 = 0xD7,
    M_SOI = 0xD8,
    M_EOI = 0xD9,
    M_SOS = 0xDA,
    M_APP0 = 0xE0,
    M_APP1 = 0xE1,
    M_APP2 = 0xE2,
    M_APP14 = 0xEE,
    M_APP15 = 0xEF,
    M_COM = 0xFE,
    MAX_SCANS = 1000,
};

#define MAX_SCAN_PIXELS INT64_C(1500000000)

/* A walk through the markers; out_at trails at, and both only grow. */
struct walk {
    uint8_t *bytes;
    size_t n, at, out_at;
    struct container *out;
    bool has_frame, has_exif, has_end;
    int64_t n_scan;
    GByteArray *piece[256]; /* of the ICC profile, by number from 1 */
    unsigned n_piece;       /* as the first piece says */
};

static bool is_frame(unsigned marker)
{
    return marker >= M_SOF0 && marker <= M_SOF15 && marker != M_DHT && marker != M_JPG &&
           marker != M_DAC;
}

static bool read_frame(struct walk *walk, unsigned marker, const uint8_t *body, size_t n,
                       GError **error)
{
    bool lossless = marker == 0xC3 || marker == 0xC7 || marker == 0xCB || marker == 0xCF;
    bool hierarchical = (marker >= 0xC5 && marker <= 0xC7) || marker >= 0xCD;
    if (walk->has_frame)
        return container_fault(error, "a JPEG with two frame headers");
    if (n < 6)
        return container_fault(
            error, "a JPEG whose frame header has %" G_GSIZE_FORMAT " bytes, expected 6 or more",
            n);
    if (lossless || hierarchical || body[0] != 8) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "a JPEG that is %s: such are not read",
                    lossless       ? "lossless"
                    : hierarchical ? "hierarchical"
                                   : "not of 8 bits");
        return false;
    }
    walk->has_frame = true;
    walk->out->height_px = (int)bytes_be16(body + 1);
    walk->out->width_px = (int)bytes_be16(body + 3);
    return true;
}

/* APP2: "ICC_PROFILE\0", number from 1, count, piece. Copied, since its place may be written over.
 */
static void take_piece(struct walk *walk, const uint8_t *body, size_t n)
{
    if (n < 14 || memcmp(body, "ICC_PROFILE", 12) != 0 || body[12] == 0)
        return;
    if (walk->n_piece == 0)
        walk->n_piece = body[13];
    if (body[12] > walk->n_piece || walk->piece[body[12]])
        return;
    walk->piece[body[12]] = g_byte_array_sized_new((guint)(n - 14));
    g_byte_array_append(walk->piece[body[12]], body + 14, (guint)(n - 14));
}

static void join_pieces(struct walk *walk)
{
    GByteArray *all = g_byte_array_new();
    bool whole = true;
    for (unsigned i = 1; i <= walk->n_piece; i++)
        if (walk->piece[i])
            g_byte_array_append(all, walk->piece[i]->data, walk->piece[i]->len);
        else
            whole = false;
    if (walk->n_piece)
        container_take_profile(walk->out, all->data, whole ? all->len : 0);
    g_byte_array_unref(all);
    for (unsigned i = 0; i < G_N_ELEMENTS(walk->piece); i++)
        if (walk->piece[i])
            g_byte_array_unref(walk->piece[i]);
}

/* Whether a segment goes to the decoder; takes out of it what is ours. */
static bool take_segment(struct walk *walk, unsigned marker, const uint8_t *body, size_t n)
{
    if (marker == M_APP1 && !walk->has_exif && n >= 6 && memcmp(body, "Exif\0\0", 6) == 0) {
        walk->has_exif = true;
        walk->out->turn = container_exif_turn(body, n);
    }
    if (marker == M_APP2)
        take_piece(walk, body, n);
    if (marker == M_APP0)
        return n >= 5 && memcmp(body, "JFIF\0", 5) == 0;
    if (marker == M_APP14)
        return n >= 5 && memcmp(body, "Adobe", 5) == 0;
    return !(marker > M_APP0 && marker <= M_APP15) && marker != M_COM;
}

static void keep(struct walk *walk, size_t from, size_t n)
{
    memmove(walk->bytes + walk->out_at, walk->bytes + from, n);
    walk->out_at += n;
}

/* The compressed data behind a scan header, up to the next marker that is not a restart. */
static void keep_scan(struct walk *walk)
{
    size_t from = walk->at;
    for (;;) {
        const uint8_t *hit = memchr(walk->bytes + walk->at, 0xFF, walk->n - walk->at);
        if (!hit || hit + 1 >= walk->bytes + walk->n) {
            walk->at = walk->n;
            break;
        }
        walk->at = (size_t)(hit - walk->bytes);
        if (hit[1] == 0xFF)
            walk->at += 1;
        else if (hit[1] == 0 || (hit[1] >= M_RST0 && hit[1] <= M_RST7))
            walk->at += 2;
        else
            break;
    }
    keep(walk, from, walk->at - from);
}

/* One segment with a length, at the marker's second byte. */
static bool read_segment(struct walk *walk, unsigned marker, GError **error)
{
    size_t start = walk->at - 1; /* of FF */
    size_t left = walk->n - walk->at - 1;
    size_t length = left >= 2 ? bytes_be16(walk->bytes + walk->at + 1) : 0;
    if (length < 2 || length > left) {
        if (left >= 2 && length < 2)
            return container_fault(
                error, "a JPEG segment of length %" G_GSIZE_FORMAT ", expected 2 or more", length);
        walk->at = walk->n; /* the end is missing */
        return true;
    }
    const uint8_t *body = walk->bytes + walk->at + 3;
    if (is_frame(marker) && !read_frame(walk, marker, body, length - 2, error))
        return false;
    bool kept = take_segment(walk, marker, body, length - 2);
    walk->at += 1 + length;
    if (kept)
        keep(walk, start, walk->at - start);
    if (marker == M_SOS) {
        walk->n_scan += 1;
        keep_scan(walk);
    }
    return true;
}

static bool read_markers(struct walk *walk, GError **error)
{
    walk->at = 2;
    walk->out_at = 2;
    while (walk->at < walk->n && !walk->has_end) {
        const uint8_t *hit = memchr(walk->bytes + walk->at, 0xFF, walk->n - walk->at);
        if (!hit)
            break;
        walk->at = (size_t)(hit - walk->bytes) + 1;
        while (walk->at < walk->n && walk->bytes[walk->at] == 0xFF)
            walk->at += 1;
        if (walk->at >= walk->n)
            break;
        unsigned marker = walk->bytes[walk->at];
        if (marker == M_EOI)
            walk->has_end = true;
        else if (marker == 0 || marker == M_TEM || (marker >= M_RST0 && marker <= M_SOI))
            walk->at += 1;
        else if (!read_segment(walk, marker, error))
            return false;
    }
    return true;
}

static bool check_scans(const struct walk *walk, GError **error)
{
    int64_t pixels = (int64_t)walk->out->width_px * walk->out->height_px;
    if (!walk->has_frame)
        return container_fault(error, "a JPEG that ends before its frame header");
    if (walk->n_scan == 0)
        return container_fault(error, "a JPEG without picture data");
    if (walk->n_scan > MAX_SCANS ||
        (walk->n_scan > 10 && walk->n_scan * pixels > MAX_SCAN_PIXELS)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "a JPEG of %d x %d pixels in %" G_GINT64_FORMAT " scans: too many to decode",
                    walk->out->width_px, walk->out->height_px, walk->n_scan);
        return false;
    }
    return true;
}

bool container_read_jpeg(uint8_t *bytes, size_t n, struct container *out, GError **error)
{
    struct walk walk = {.bytes = bytes, .n = n, .out = out};
    bool ok = read_markers(&walk, error) && check_scans(&walk, error);
    join_pieces(&walk);
    if (!ok)
        return false;
    /* A decoder reads ahead of what it needs, so that the end mark must be there; whether it stands
     * where it should is then seen by the decoder's warnings. */
    out->cut = !walk.has_end;
    bytes[walk.out_at] = 0xFF;
    bytes[walk.out_at + 1] = M_EOI;
    out->n_bytes = walk.out_at + 2;
    return true;
}
