/* What all readers of containers share: the limits, the turn in EXIF data, and the choice of the
 * reader. */
#include "vision/container.h"

#include "vision/bytes.h"

#include <stdarg.h>
#include <string.h>

bool container_fault(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_FORMAT, message);
    g_free(message);
    return false;
}

bool container_check_sides(int64_t width_px, int64_t height_px, const char *what,
                           const struct nawi_vision_limits *limits, GError **error)
{
    if (width_px < 1 || height_px < 1)
        return container_fault(
            error, "%s is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels: a side of nothing",
            what, width_px, height_px);
    if (width_px > limits->side_px || height_px > limits->side_px) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels: no side may be longer than %d",
                    what, width_px, height_px, limits->side_px);
        return false;
    }
    if (width_px * height_px > limits->pixels) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " pixels, %.1f million: more than the %.1f million "
                    "allowed",
                    what, width_px, height_px, (double)(width_px * height_px) / 1e6,
                    (double)limits->pixels / 1e6);
        return false;
    }
    return true;
}

int container_exif_turn(const uint8_t *bytes, size_t n)
{
    if (n >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) {
        bytes += 6;
        n -= 6;
    }
    if (n < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 1;
    bool big = bytes[0] == 'M';
    size_t at = big ? bytes_be32(bytes + 4) : bytes_le32(bytes + 4);
    if (at > n - 2)
        return 1;
    size_t count = big ? bytes_be16(bytes + at) : bytes_le16(bytes + at);
    at += 2;
    for (size_t i = 0; i < count && n - at >= 12; i++, at += 12) {
        uint32_t tag = big ? bytes_be16(bytes + at) : bytes_le16(bytes + at);
        uint32_t type = big ? bytes_be16(bytes + at + 2) : bytes_le16(bytes + at + 2);
        if (tag != 0x0112)
            continue;
        uint32_t value = big ? bytes_be16(bytes + at + 8) : bytes_le16(bytes + at + 8);
        if (type == 4)
            value = big ? bytes_be32(bytes + at + 8) : bytes_le32(bytes + at + 8);
        return (type == 3 || type == 4) && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

void container_take_profile(struct container *out, const uint8_t *bytes, size_t n)
{
    if (out->profile)
        return;
    if (n < 132 || n > CONTAINER_MAX_PROFILE_BYTES || memcmp(bytes + 36, "acsp", 4) != 0) {
        out->note = "its colour profile is broken; colours are shown as sRGB";
        return;
    }
    out->profile = g_try_malloc(n);
    if (!out->profile) {
        out->note = "its colour profile does not fit in memory; colours are shown as sRGB";
        return;
    }
    memcpy(out->profile, bytes, n);
    out->profile_bytes = n;
}

bool container_make_plain(struct container *out, int width_px, int height_px, int n_band,
                          GError **error)
{
    size_t bytes = (size_t)width_px * (size_t)height_px * (size_t)n_band;
    out->width_px = width_px;
    out->height_px = height_px;
    out->plain_bands = n_band;
    out->plain = g_try_malloc(bytes);
    if (out->plain)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "%d x %d pixels need %" G_GSIZE_FORMAT " MiB, more than there are", width_px,
                height_px, bytes / (1024 * 1024) + 1);
    return false;
}

static bool read_kind(enum sniff_kind kind, uint8_t *bytes, size_t n,
                      const struct nawi_vision_limits *limits, struct container *out,
                      GError **error)
{
    switch (kind) {
    case SNIFF_JPEG: return container_read_jpeg(bytes, n, out, error);
    case SNIFF_PNG: return container_read_png(bytes, n, out, error);
    case SNIFF_WEBP: return container_read_webp(bytes, n, limits, out, error);
    case SNIFF_GIF: return container_read_gif(bytes, n, limits, out, error);
    case SNIFF_TIFF: return container_read_tiff(bytes, n, out, error);
    case SNIFF_AVIF:
    case SNIFF_HEIC: return container_read_heif(bytes, n, limits, out, error);
    case SNIFF_BMP: return container_read_bmp(bytes, n, limits, out, error);
    case SNIFF_ICO: return container_read_icon(bytes, n, limits, out, error);
    case SNIFF_NETPBM: return container_read_netpbm(bytes, n, limits, out, error);
    case SNIFF_UNKNOWN:
    case SNIFF_REFUSED: break;
    }
    g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                        "no reader for this kind of file");
    return false;
}

bool container_read(enum sniff_kind kind, uint8_t *bytes, size_t n,
                    const struct nawi_vision_limits *limits, struct container *out, GError **error)
{
    *out = (struct container){.turn = 1, .bytes = bytes, .n_bytes = n, .decoder = kind};
    if (read_kind(kind, bytes, n, limits, out, error) &&
        container_check_sides(out->width_px, out->height_px, "the picture", limits, error))
        return true;
    container_finish(out);
    return false;
}

void container_finish(struct container *container)
{
    g_free(container->profile);
    g_free(container->rebuilt);
    g_free(container->plain);
    *container = (struct container){0};
}
