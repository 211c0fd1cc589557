/* TIFF 6.0 and BigTIFF: the first directory. The link to the next directory is cut, so that the
 * decoder sees one page and cannot be sent in circles; which tags are sound, beyond those that size
 * the picture, is for the decoder to say. Directories that hold a camera's raw data or an old-style
 * JPEG are refused. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    MAX_TAGS = 4096,
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_BITS = 258,
    TAG_COMPRESSION = 259,
    TAG_PHOTOMETRIC = 262,
    TAG_TURN = 274,
    TAG_SAMPLES = 277,
    TAG_STRIP_ROWS = 278,
    TAG_TILE_W = 322,
    TAG_TILE_H = 323,
    TAG_DNG = 50706,
    COMPRESSION_OLD_JPEG = 6,
    PHOTOMETRIC_CFA = 32803,
    PHOTOMETRIC_RAW = 34892,
};

/* Most that one strip or tile, or the picture as decoded, may take. */
#define MAX_PART_BYTES    (UINT64_C(256) * 1024 * 1024)
#define MAX_PICTURE_BYTES (UINT64_C(640) * 1024 * 1024)

struct reader {
    const uint8_t *bytes;
    size_t n;
    bool big_endian, big; /* BigTIFF */
};

struct directory {
    uint64_t width, height, bits, samples, compression, photometric, turn, strip_rows, tile_w,
        tile_h;
    bool is_dng;
};

static uint32_t get16(const struct reader *r, size_t at)
{
    return r->big_endian ? bytes_be16(r->bytes + at) : bytes_le16(r->bytes + at);
}

static uint32_t get32(const struct reader *r, size_t at)
{
    return r->big_endian ? bytes_be32(r->bytes + at) : bytes_le32(r->bytes + at);
}

static uint64_t get64(const struct reader *r, size_t at)
{
    return r->big_endian ? bytes_be64(r->bytes + at) : bytes_le64(r->bytes + at);
}

static uint64_t get_offset(const struct reader *r, size_t at)
{
    return r->big ? get64(r, at) : get32(r, at);
}

/* The greatest of an entry's values; 0 when they lie outside the file or are no whole numbers. */
static uint64_t get_value(const struct reader *r, size_t entry)
{
    uint32_t type = get16(r, entry + 2);
    uint64_t count = get_offset(r, entry + 4);
    size_t width = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : type == 16 ? 8 : 0;
    size_t inside = r->big ? 8 : 4;
    size_t at = entry + (r->big ? 12 : 8);
    if (width == 0 || count == 0 || count > 65536)
        return 0;
    if (count * width > inside) {
        uint64_t offset = get_offset(r, at);
        if (offset > r->n || count * width > r->n - offset)
            return 0;
        at = (size_t)offset;
    }
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++, at += width) {
        uint64_t value = width == 1   ? r->bytes[at]
                         : width == 2 ? get16(r, at)
                         : width == 4 ? get32(r, at)
                                      : get64(r, at);
        most = MAX(most, value);
    }
    return most;
}

static void take_entry(const struct reader *r, size_t entry, struct directory *d)
{
    uint64_t *place = NULL;
    switch (get16(r, entry)) {
    case TAG_WIDTH: place = &d->width; break;
    case TAG_HEIGHT: place = &d->height; break;
    case TAG_BITS: place = &d->bits; break;
    case TAG_COMPRESSION: place = &d->compression; break;
    case TAG_PHOTOMETRIC: place = &d->photometric; break;
    case TAG_TURN: place = &d->turn; break;
    case TAG_SAMPLES: place = &d->samples; break;
    case TAG_STRIP_ROWS: place = &d->strip_rows; break;
    case TAG_TILE_W: place = &d->tile_w; break;
    case TAG_TILE_H: place = &d->tile_h; break;
    case TAG_DNG: d->is_dng = true; break;
    default: break;
    }
    if (place)
        *place = get_value(r, entry);
}

/* Reads the directory at offset at, and cuts its link to the next. */
static bool read_directory(const struct reader *r, uint8_t *bytes, uint64_t at, struct directory *d,
                           GError **error)
{
    size_t count_bytes = r->big ? 8 : 2;
    size_t entry_bytes = r->big ? 20 : 12;
    size_t link_bytes = r->big ? 8 : 4;
    if (at < 8 || at > r->n || r->n - at < count_bytes)
        return container_fault(error,
                               "a TIFF whose directory is at %" G_GUINT64_FORMAT
                               ", but the file has %" G_GSIZE_FORMAT " bytes",
                               at, r->n);
    uint64_t count = r->big ? get64(r, (size_t)at) : get16(r, (size_t)at);
    size_t entry = (size_t)at + count_bytes;
    if (count == 0 || count > MAX_TAGS)
        return container_fault(error,
                               "a TIFF directory of %" G_GUINT64_FORMAT " tags, expected 1 to %d",
                               count, MAX_TAGS);
    if (count * entry_bytes > r->n - entry)
        return container_fault(error, "a TIFF that is cut short within its directory");
    for (uint64_t i = 0; i < count; i++, entry += entry_bytes)
        take_entry(r, entry, d);
    memset(bytes + entry, 0, MIN(link_bytes, r->n - entry));
    return true;
}

static bool refuse(GError **error, const char *what)
{
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "a TIFF that holds %s: such are not read", what);
    return false;
}

static bool check_directory(const struct directory *d, GError **error)
{
    if (d->is_dng || d->photometric == PHOTOMETRIC_CFA || d->photometric == PHOTOMETRIC_RAW)
        return refuse(error, "a camera's raw data");
    if (d->compression == COMPRESSION_OLD_JPEG)
        return refuse(error, "an old-style JPEG");
    if (d->width > INT32_MAX || d->height > INT32_MAX || d->width == 0 || d->height == 0)
        return container_fault(error,
                               "a TIFF of %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
                               " pixels: impossible sides",
                               d->width, d->height);
    if (d->bits > 64 || d->samples > 64)
        return container_fault(error,
                               "a TIFF of %" G_GUINT64_FORMAT " samples of %" G_GUINT64_FORMAT
                               " bits: impossible depth",
                               d->samples, d->bits);
    return true;
}

/* Bounds what decoding holds in memory: the picture, and one strip or tile of it. */
static bool check_parts(const struct directory *d, GError **error)
{
    uint64_t pixel_bytes = MAX(d->samples, 1) * MAX((d->bits + 7) / 8, 1);
    uint64_t part_w = d->tile_w ? d->tile_w : d->width;
    uint64_t part_h =
        d->tile_w ? d->tile_h : MIN(d->strip_rows ? d->strip_rows : d->height, d->height);
    uint64_t part = 0;
    uint64_t whole = 0;
    bool wraps = __builtin_mul_overflow(part_w, part_h, &part) ||
                 __builtin_mul_overflow(part, pixel_bytes, &part) ||
                 __builtin_mul_overflow(d->width * d->height, pixel_bytes, &whole);
    if (!wraps && part <= MAX_PART_BYTES && whole <= MAX_PICTURE_BYTES)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "a TIFF of %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
                " pixels of %" G_GUINT64_FORMAT " bytes in parts of %" G_GUINT64_FORMAT
                " x %" G_GUINT64_FORMAT ": too large to decode",
                d->width, d->height, pixel_bytes, part_w, part_h);
    return false;
}

bool container_read_tiff(uint8_t *bytes, size_t n, struct container *out, GError **error)
{
    struct reader r = {.bytes = bytes, .n = n};
    struct directory d = {0};
    r.big_endian = bytes[0] == 'M';
    if (n < 16)
        return container_fault(error, "a TIFF that ends within its header");
    r.big = get16(&r, 2) == 43;
    if (r.big && (get16(&r, 4) != 8 || get16(&r, 6) != 0))
        return container_fault(error, "a BigTIFF with offsets of %u bytes, expected 8",
                               get16(&r, 4));
    if (!read_directory(&r, bytes, r.big ? get64(&r, 8) : get32(&r, 4), &d, error) ||
        !check_directory(&d, error) || !check_parts(&d, error))
        return false;
    out->width_px = (int)d.width;
    out->height_px = (int)d.height;
    out->turn = d.turn >= 1 && d.turn <= 8 ? (int)d.turn : 1;
    return true;
}
