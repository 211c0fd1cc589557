/* PNG (W3C, third edition) chunks. The decoder gets IHDR, PLTE, tRNS, IDAT and IEND; of the
 * ancillary chunks iCCP, sRGB, cICP, gAMA, cHRM and eXIf are read here, and text, background,
 * animation and private chunks are left out. An iCCP that unpacks to more than a profile's most is
 * dropped with a note, the picture is shown. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <gio/gio.h>
#include <string.h>

enum {
    SIGNATURE_BYTES = 8,
    HEADER_BYTES = 13,
    CHUNK_BYTES = 12, /* length, type, check sum */
};

struct walk {
    uint8_t *bytes;
    size_t n, at, out_at;
    struct container *out;
    bool has_data, has_end;
};

static bool is_type(const uint8_t *at, const char *type) { return memcmp(at, type, 4) == 0; }

/* Bit depths that go with a colour type, as a set of bits: 1 2 4 8 16. */
static unsigned allowed_depths(unsigned colour_type)
{
    switch (colour_type) {
    case 0: return 1 | 2 | 4 | 8 | 16;
    case 3: return 1 | 2 | 4 | 8;
    case 2:
    case 4:
    case 6: return 8 | 16;
    default: return 0;
    }
}

static bool read_header(struct walk *walk, GError **error)
{
    const uint8_t *at = walk->bytes + SIGNATURE_BYTES;
    if (walk->n < SIGNATURE_BYTES + CHUNK_BYTES + HEADER_BYTES)
        return container_fault(error, "a PNG that ends within its header");
    if (bytes_be32(at) != HEADER_BYTES || !is_type(at + 4, "IHDR"))
        return container_fault(error,
                               "a PNG that does not begin with its header (IHDR of 13 bytes)");
    const uint8_t *header = at + 8;
    uint32_t width = bytes_be32(header);
    uint32_t height = bytes_be32(header + 4);
    unsigned depth = header[8];
    if (width > INT32_MAX || height > INT32_MAX)
        return container_fault(error, "a PNG of %u x %u pixels: impossible sides", width, height);
    if (depth == 0 || depth > 16 || (depth & (depth - 1)) != 0 ||
        !(allowed_depths(header[9]) & depth))
        return container_fault(error, "a PNG of colour type %u with %u bits: there is no such",
                               (unsigned)header[9], depth);
    if (header[10] != 0 || header[11] != 0 || header[12] > 1)
        return container_fault(
            error, "a PNG with compression %u, filter %u, interlace %u: there is no such",
            (unsigned)header[10], (unsigned)header[11], (unsigned)header[12]);
    walk->out->width_px = (int)width;
    walk->out->height_px = (int)height;
    return true;
}

/* Name, 0, method 0, zlib stream. */
static void take_profile(struct container *out, const uint8_t *body, size_t n)
{
    const uint8_t *zero = memchr(body, 0, MIN(n, 80));
    if (!zero || (size_t)(zero - body) + 2 > n)
        return;
    const uint8_t *packed = zero + 2;
    gsize left = n - (size_t)(packed - body);
    gsize room = CONTAINER_MAX_PROFILE_BYTES;
    uint8_t *profile = g_try_malloc(room);
    if (!profile)
        return;
    GConverter *inflate = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
    gsize done = 0;
    bool whole = false;
    while (done < room && !whole) {
        gsize n_read = 0;
        gsize n_written = 0;
        GConverterResult result =
            g_converter_convert(inflate, packed, left, profile + done, room - done,
                                G_CONVERTER_INPUT_AT_END, &n_read, &n_written, NULL);
        packed += n_read;
        left -= n_read;
        done += n_written;
        whole = result == G_CONVERTER_FINISHED;
        if (result == G_CONVERTER_ERROR)
            break;
    }
    g_object_unref(inflate);
    container_take_profile(out, profile, whole ? done : 0);
    g_free(profile);
}

static void take_chunk(struct container *out, const uint8_t *type, const uint8_t *body, size_t n)
{
    if (is_type(type, "iCCP"))
        take_profile(out, body, n);
    else if (is_type(type, "sRGB"))
        out->colour_is_srgb = true;
    else if (is_type(type, "cICP") && n == 4) {
        out->colour_is_srgb = true;
        if (body[0] != 1 || body[1] != 13) /* primaries of BT.709, curve of sRGB */
            out->note = "its colours are coded by cICP; they are shown as sRGB";
    } else if (is_type(type, "gAMA") && n == 4)
        out->gamma = bytes_be32(body) / 100000.0;
    else if (is_type(type, "cHRM") && n == 32)
        for (size_t i = 0; i < 8; i++)
            out->primaries[i] = bytes_be32(body + i * 4) / 100000.0;
    else if (is_type(type, "eXIf"))
        out->turn = container_exif_turn(body, n);
}

static bool is_for_decoder(const uint8_t *type)
{
    return is_type(type, "IHDR") || is_type(type, "PLTE") || is_type(type, "tRNS") ||
           is_type(type, "IDAT") || is_type(type, "IEND");
}

static void keep(struct walk *walk, size_t n)
{
    memmove(walk->bytes + walk->out_at, walk->bytes + walk->at, n);
    walk->out_at += n;
}

/* One chunk; a chunk that the file's end cuts is the last, and is kept as far as it goes when it
 * holds pixels. */
static bool read_chunk(struct walk *walk, GError **error)
{
    const uint8_t *at = walk->bytes + walk->at;
    size_t left = walk->n - walk->at;
    uint32_t length = bytes_be32(at);
    const uint8_t *type = at + 4;
    walk->has_data |= is_type(type, "IDAT");
    if (length > left - CHUNK_BYTES) {
        if (is_type(type, "IDAT"))
            keep(walk, left);
        walk->out->cut = true;
        walk->at = walk->n;
        return true;
    }
    if (is_for_decoder(type))
        keep(walk, CHUNK_BYTES + (size_t)length);
    else if (!(type[0] & 0x20)) {
        char *quoted = nawi_quote((const char *)type, 4);
        container_fault(error, "a PNG with an unknown chunk %s that it calls necessary", quoted);
        g_free(quoted);
        return false;
    } else
        take_chunk(walk->out, type, at + 8, length);
    walk->has_end = is_type(type, "IEND");
    walk->at += CHUNK_BYTES + (size_t)length;
    return true;
}

bool container_read_png(uint8_t *bytes, size_t n, struct container *out, GError **error)
{
    struct walk walk = {
        .bytes = bytes, .n = n, .at = SIGNATURE_BYTES, .out_at = SIGNATURE_BYTES, .out = out};
    if (!read_header(&walk, error))
        return false;
    while (!walk.has_end && n - walk.at >= CHUNK_BYTES)
        if (!read_chunk(&walk, error))
            return false;
    if (!walk.has_data)
        return container_fault(error, "a PNG without picture data");
    out->cut |= !walk.has_end;
    out->n_bytes = walk.out_at;
    return true;
}
