/* Windows bitmaps, and icons, which are folders of bitmaps and PNGs. libvips has no reader for them
 * that may be trusted, and they are simple: rows of 1, 4, 8, 16, 24 or 32 bits, without
 * compression; run-length coding is refused. Rows run from the bottom up unless the height is
 * negative, and are padded to 4 bytes.
 *
 * Alpha counts where the header has a mask for it, and in icons of 32 bits where any of it is set;
 * in other icons the mask of single bits behind the colours says what is transparent. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    FILE_HEADER_BYTES = 14,
    CORE_HEADER_BYTES = 12,
    INFO_HEADER_BYTES = 40,
    MASKS_RGB = 3, /* values of the compression field */
    MASKS_RGBA = 6,
    ICON_HEADER_BYTES = 6,
    ICON_ENTRY_BYTES = 16,
};

/* A device-independent bitmap: header, masks, palette, rows. */
struct bitmap {
    const uint8_t *bytes; /* of the header */
    size_t n;             /* from there to the end of the file */
    size_t pixels;        /* offset of the rows from bytes */
    int width_px, height_px;
    bool is_top_down;
    uint32_t bits, compression;
    uint32_t mask[4]; /* R, G, B, A */
    const uint8_t *palette;
    uint32_t n_colour, colour_bytes;
    bool is_icon;
};

static size_t row_bytes(uint32_t width, uint32_t bits)
{
    return (((size_t)width * bits + 31) / 32) * 4;
}

static void set_masks(struct bitmap *b, uint32_t red, uint32_t green, uint32_t blue)
{
    b->mask[0] = red;
    b->mask[1] = green;
    b->mask[2] = blue;
}

/* Masks follow a header of 40 bytes, or are part of a longer one, at the same place. */
static bool read_masks(struct bitmap *b, uint32_t header_bytes, GError **error)
{
    if (b->bits == 16)
        set_masks(b, 0x7C00, 0x03E0, 0x001F);
    if (b->bits == 32)
        set_masks(b, 0xFF0000, 0x00FF00, 0x0000FF);
    if (b->compression != MASKS_RGB && b->compression != MASKS_RGBA) {
        b->mask[3] = b->is_icon && b->bits == 32 ? 0xFF000000 : 0;
        return true;
    }
    size_t n_mask = b->compression == MASKS_RGBA || header_bytes >= 56 ? 4 : 3;
    if ((b->bits != 16 && b->bits != 32) || b->n < INFO_HEADER_BYTES + 4 * n_mask)
        return container_fault(error, "a BMP of %u bits with masks that do not belong to it",
                               b->bits);
    for (size_t i = 0; i < n_mask; i++)
        b->mask[i] = bytes_le32(b->bytes + INFO_HEADER_BYTES + 4 * i);
    return true;
}

static bool read_palette(struct bitmap *b, uint32_t header_bytes, uint32_t n_used, GError **error)
{
    bool has_masks = header_bytes == INFO_HEADER_BYTES && b->compression != 0;
    size_t at = header_bytes + (has_masks ? (b->compression == MASKS_RGBA ? 16u : 12u) : 0u);
    b->colour_bytes = header_bytes == CORE_HEADER_BYTES ? 3 : 4;
    if (b->bits <= 8) {
        b->n_colour = n_used == 0 || n_used > 1u << b->bits ? 1u << b->bits : n_used;
        if (at > b->n || (size_t)b->n_colour * b->colour_bytes > b->n - at)
            return container_fault(error, "a BMP that is cut short within its palette");
        b->palette = b->bytes + at;
        at += (size_t)b->n_colour * b->colour_bytes;
    }
    if (b->pixels == 0)
        b->pixels = at;
    return true;
}

static bool read_header(struct bitmap *b, const struct nawi_vision_limits *limits, GError **error)
{
    uint32_t header_bytes = b->n >= 4 ? bytes_le32(b->bytes) : 0;
    bool is_core = header_bytes == CORE_HEADER_BYTES;
    if ((!is_core && header_bytes < INFO_HEADER_BYTES) || header_bytes > 124 || header_bytes > b->n)
        return container_fault(error, "a BMP with a header of %u bytes, expected 12 or 40 to 124",
                               header_bytes);
    int64_t width = is_core ? (int64_t)bytes_le16(b->bytes + 4) : (int32_t)bytes_le32(b->bytes + 4);
    int64_t height =
        is_core ? (int64_t)bytes_le16(b->bytes + 6) : (int32_t)bytes_le32(b->bytes + 8);
    b->bits = bytes_le16(b->bytes + (is_core ? 10 : 14));
    b->compression = is_core ? 0 : bytes_le32(b->bytes + 16);
    b->is_top_down = height < 0;
    height = height < 0 ? -height : height;
    if (b->is_icon)
        height /= 2; /* the mask of single bits is counted in */
    if (!container_check_sides(width, height, "the picture", limits, error))
        return false;
    b->width_px = (int)width;
    b->height_px = (int)height;
    if (b->compression != 0 && b->compression != MASKS_RGB && b->compression != MASKS_RGBA) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "a BMP with compression %u: only plain ones are read", b->compression);
        return false;
    }
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 &&
        b->bits != 32)
        return container_fault(error, "a BMP of %u bits a pixel: there is no such", b->bits);
    if (!read_masks(b, header_bytes, error) ||
        !read_palette(b, header_bytes, is_core ? 0 : bytes_le32(b->bytes + 32), error))
        return false;
    if (b->pixels > b->n || row_bytes((uint32_t)width, b->bits) * (size_t)height > b->n - b->pixels)
        return container_fault(error,
                               "a BMP that is cut short: %" G_GINT64_FORMAT
                               " rows of %" G_GSIZE_FORMAT " bytes do not fit in the file",
                               height, row_bytes((uint32_t)width, b->bits));
    return true;
}

/* The bits under a mask, stretched to 0..255. */
static uint8_t under_mask(uint32_t value, uint32_t mask)
{
    if (mask == 0)
        return 0;
    uint64_t most = mask >> __builtin_ctz(mask);
    uint64_t v = (value & mask) >> __builtin_ctz(mask);
    return (uint8_t)((v * 255 + most / 2) / most);
}

static void read_pixel(const struct bitmap *b, const uint8_t *row, size_t x, uint8_t rgba[4])
{
    rgba[3] = 255;
    if (b->bits <= 8) {
        unsigned per_byte = 8 / b->bits;
        unsigned shift = (unsigned)(per_byte - 1 - x % per_byte) * b->bits;
        unsigned index = row[x / per_byte] >> shift & ((1u << b->bits) - 1);
        const uint8_t *colour = b->palette + (size_t)index * b->colour_bytes;
        for (int c = 0; c < 3; c++)
            rgba[c] = index < b->n_colour ? colour[2 - c] : 0;
    } else if (b->bits == 24) {
        for (size_t c = 0; c < 3; c++)
            rgba[c] = row[x * 3 + 2 - c];
    } else {
        uint32_t value = b->bits == 16 ? bytes_le16(row + x * 2) : bytes_le32(row + x * 4);
        for (int c = 0; c < 3; c++)
            rgba[c] = under_mask(value, b->mask[c]);
        if (b->mask[3])
            rgba[3] = under_mask(value, b->mask[3]);
    }
}

/* What the mask of an icon hides becomes transparent; the mask may be cut off. */
static void apply_icon_mask(const struct bitmap *b, uint8_t *rgba)
{
    size_t stride = row_bytes((uint32_t)b->width_px, 1);
    size_t at = b->pixels + row_bytes((uint32_t)b->width_px, b->bits) * (size_t)b->height_px;
    if (stride * (size_t)b->height_px > b->n - at)
        return;
    for (size_t y = 0; y < (size_t)b->height_px; y++) {
        const uint8_t *row = b->bytes + at + ((size_t)b->height_px - 1 - y) * stride;
        for (size_t x = 0; x < (size_t)b->width_px; x++)
            if (row[x / 8] >> (7 - x % 8) & 1)
                rgba[(y * (size_t)b->width_px + x) * 4 + 3] = 0;
    }
}

static bool read_bitmap(struct bitmap *b, const struct nawi_vision_limits *limits,
                        struct container *out, GError **error)
{
    if (!read_header(b, limits, error) ||
        !container_make_plain(out, b->width_px, b->height_px, 4, error))
        return false;
    size_t stride = row_bytes((uint32_t)b->width_px, b->bits);
    bool any_alpha = false;
    uint8_t *at = out->plain;
    for (size_t y = 0; y < (size_t)b->height_px; y++) {
        size_t stored = b->is_top_down ? y : (size_t)b->height_px - 1 - y;
        for (size_t x = 0; x < (size_t)b->width_px; x++, at += 4) {
            read_pixel(b, b->bytes + b->pixels + stored * stride, x, at);
            any_alpha |= at[3] != 0;
        }
    }
    if (!any_alpha) /* an alpha channel of nothing was never meant */
        for (size_t i = 0; i < (size_t)b->width_px * (size_t)b->height_px; i++)
            out->plain[i * 4 + 3] = 255;
    if (b->is_icon && (b->bits < 32 || !any_alpha))
        apply_icon_mask(b, out->plain);
    return true;
}

bool container_read_bmp(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                        struct container *out, GError **error)
{
    struct bitmap b = {.bytes = bytes + FILE_HEADER_BYTES, .n = n - MIN(n, FILE_HEADER_BYTES)};
    uint32_t offset = n >= FILE_HEADER_BYTES ? bytes_le32(bytes + 10) : 0;
    if (offset > FILE_HEADER_BYTES)
        b.pixels = offset - FILE_HEADER_BYTES;
    return read_bitmap(&b, limits, out, error);
}

/* Entry: width, height (0 is 256), colours, 0, planes, bits, bytes, offset. The largest counts, of
 * those the deepest. */
bool container_read_icon(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error)
{
    uint32_t count = n >= ICON_HEADER_BYTES ? bytes_le16(bytes + 4) : 0;
    size_t chosen = 0;
    uint64_t best = 0;
    for (size_t i = 0; i < count && ICON_HEADER_BYTES + (i + 1) * ICON_ENTRY_BYTES <= n; i++) {
        const uint8_t *entry = bytes + ICON_HEADER_BYTES + i * ICON_ENTRY_BYTES;
        uint64_t area = (uint64_t)(entry[0] ? entry[0] : 256) * (entry[1] ? entry[1] : 256);
        if (area * 65536 + bytes_le16(entry + 6) > best) {
            best = area * 65536 + bytes_le16(entry + 6);
            chosen = (size_t)(entry - bytes);
        }
    }
    if (!chosen)
        return container_fault(error, "an icon file without a picture in it");
    size_t size = bytes_le32(bytes + chosen + 8);
    size_t offset = bytes_le32(bytes + chosen + 12);
    if (offset > n || size > n - offset)
        return container_fault(error,
                               "an icon file whose picture lies outside it: %" G_GSIZE_FORMAT
                               " bytes at %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                               size, offset, n);
    if (size >= 8 && memcmp(bytes + offset, "\x89PNG\r\n\x1A\n", 8) == 0) {
        out->decoder = SNIFF_PNG;
        out->bytes = bytes + offset;
        return container_read_png(bytes + offset, size, out, error);
    }
    struct bitmap b = {.bytes = bytes + offset, .n = size, .is_icon = true};
    return read_bitmap(&b, limits, out, error);
}
