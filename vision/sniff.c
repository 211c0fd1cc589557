/* The table of signatures. What is refused is refused by its name, so that a person sees at once
 * that a film, a web page or a drawing was handed in, whatever it is called. The order matters
 * where one signature begins like another: rows are tried from the top. Text is looked at last, and
 * only its first non-blank characters decide. */
#include "vision/sniff.h"

#include "vision/bytes.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define VIDEO_WHY    "only still pictures are read"
#define DRAWING_WHY  "drawings made of instructions are not read; save it as PNG"
#define CONVERT_WHY  "that kind is not read; save it as PNG or JPEG"
#define PLAYLIST_WHY "lists that point to other files are never followed"

struct signature {
    enum sniff_kind kind;
    uint8_t at; /* offset of the bytes */
    uint8_t n;
    const char *bytes;
    const char *name;
    const char *why;
};

#define ROW(kind, at, text, name, why)                                                             \
    {                                                                                              \
        kind, at, sizeof(text) - 1, text, name, why                                                \
    }

static const struct signature signatures[] = {
    ROW(SNIFF_JPEG, 0, "\xFF\xD8\xFF", "JPEG", NULL),
    ROW(SNIFF_PNG, 0, "\x89PNG\r\n\x1A\n", "PNG", NULL),
    ROW(SNIFF_GIF, 0, "GIF87a", "GIF", NULL),
    ROW(SNIFF_GIF, 0, "GIF89a", "GIF", NULL),
    ROW(SNIFF_REFUSED, 8, "CR\x02", "a camera raw file (CR2)", CONVERT_WHY),
    ROW(SNIFF_TIFF, 0, "II*\0", "TIFF", NULL),
    ROW(SNIFF_TIFF, 0, "MM\0*", "TIFF", NULL),
    ROW(SNIFF_TIFF, 0, "II+\0", "TIFF", NULL),
    ROW(SNIFF_TIFF, 0, "MM\0+", "TIFF", NULL),
    ROW(SNIFF_ICO, 0, "\0\0\x01\0", "ICO", NULL),
    ROW(SNIFF_ICO, 0, "\0\0\x02\0", "CUR", NULL),
    ROW(SNIFF_REFUSED, 0, "\xFF\x0A", "a JPEG XL picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000 picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\xFFO\xFFQ", "a JPEG 2000 picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "8BPS", "a Photoshop document", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "gimp xcf", "a GIMP document", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "v/1\x01", "an OpenEXR picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "#?RADIANCE", "a Radiance picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "#?RGBE", "a Radiance picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "DDS ", "a DDS texture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "qoif", "a QOI picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "FLIF", "a FLIF picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "SIMPLE  =", "a FITS file", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "II\xBC\x01", "a JPEG XR picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "FUJIFILMCCD-RAW", "a camera raw file", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "IIRO", "a camera raw file", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\x8AMNG\r\n\x1A\n", "an MNG animation", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\xD7\xCD\xC6\x9A", "a Windows metafile", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 40, " EMF", "a Windows metafile", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "AT&TFORM", "a DjVu document", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "%!PS", "a PostScript document", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "\xC5\xD0\xD3\xC6", "a PostScript document", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "\x1A\x45\xDF\xA3", "a Matroska or WebM video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "OggS", "an Ogg file", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "FLV\x01", "a Flash video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", "a Windows Media file", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "\0\0\x01\xBA", "an MPEG video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "\0\0\x01\xB3", "an MPEG video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "YUV4MPEG2", "a YUV4MPEG2 video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "DKIF", "an IVF video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, ".RMF", "a RealMedia file", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 4, "moov", "a QuickTime video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 4, "mdat", "a QuickTime video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 4, "wide", "a QuickTime video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 4, "moof", "an MP4 video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 4, "styp", "an MP4 video", VIDEO_WHY),
    ROW(SNIFF_REFUSED, 0, "ID3", "a sound file", NULL),
    ROW(SNIFF_REFUSED, 0, "fLaC", "a sound file", NULL),
    ROW(SNIFF_REFUSED, 0, "MThd", "a sound file", NULL),
    ROW(SNIFF_REFUSED, 0, "PK\x03\x04", "a ZIP archive or office document", NULL),
    ROW(SNIFF_REFUSED, 0, "PK\x05\x06", "a ZIP archive", NULL),
    ROW(SNIFF_REFUSED, 0, "\x1F\x8B", "a gzip archive", NULL),
    ROW(SNIFF_REFUSED, 0, "BZh", "a bzip2 archive", NULL),
    ROW(SNIFF_REFUSED, 0,
        "\xFD"
        "7zXZ\0",
        "an xz archive", NULL),
    ROW(SNIFF_REFUSED, 0, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive", NULL),
    ROW(SNIFF_REFUSED, 0, "Rar!\x1A\x07", "an RAR archive", NULL),
    ROW(SNIFF_REFUSED, 0, "\x28\xB5\x2F\xFD", "a zstd archive", NULL),
    ROW(SNIFF_REFUSED, 0, "!<arch>\n", "an ar archive", NULL),
    ROW(SNIFF_REFUSED, 0,
        "\x7F"
        "ELF",
        "a program", NULL),
    ROW(SNIFF_REFUSED, 0, "MZ", "a program", NULL),
    ROW(SNIFF_REFUSED, 0, "GGUF", "a GGUF model", NULL),
    ROW(SNIFF_REFUSED, 0, "SQLite format 3", "a SQLite database", NULL),
    ROW(SNIFF_REFUSED, 0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an office document", NULL),
    ROW(SNIFF_REFUSED, 0, "vips", "a libvips picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\x08\xF2\xA6\xB6", "a libvips picture", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "\xB6\xA6\xF2\x08", "a libvips picture", CONVERT_WHY),
};

/* Text that begins, after blanks and in any case, with one of these. */
static const struct signature beginnings[] = {
    ROW(SNIFF_REFUSED, 0, "#EXTM3U", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "ffconcat", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "[playlist]", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "[reference]", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "RTSPtext", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "<asx", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "<smil", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "<playlist", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "<MPD", "a playlist", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "v=0", "a session description", PLAYLIST_WHY),
    ROW(SNIFF_REFUSED, 0, "<svg", "an SVG drawing", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "<!DOCTYPE svg", "an SVG drawing", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "<html", "a web page", NULL),
    ROW(SNIFF_REFUSED, 0, "<!DOCTYPE html", "a web page", NULL),
    ROW(SNIFF_REFUSED, 0, "%PDF-", "a PDF document", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "%!", "a PostScript document", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "push graphic-context", "a drawing script (MVG)", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "viewbox ", "a drawing script (MVG)", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "<group", "a drawing script (MSL)", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "<image", "a drawing script (MSL)", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "<msl", "a drawing script (MSL)", DRAWING_WHY),
    ROW(SNIFF_REFUSED, 0, "/* XPM */", "an XPM drawing", CONVERT_WHY),
    ROW(SNIFF_REFUSED, 0, "#define ", "an XBM drawing or source text", NULL),
    ROW(SNIFF_REFUSED, 0, "#!", "a script", NULL),
};

static struct sniff_result found(const struct signature *row)
{
    return (struct sniff_result){.kind = row->kind, .name = row->name, .why = row->why};
}

static struct sniff_result refused(const char *name, const char *why)
{
    return (struct sniff_result){.kind = SNIFF_REFUSED, .name = name, .why = why};
}

static bool is_brand(const uint8_t *at, const char *const *brands)
{
    for (; *brands; brands++)
        if (memcmp(at, *brands, 4) == 0)
            return true;
    return false;
}

/* ISO base media files share their first box; the brands tell still pictures from films. */
static struct sniff_result sniff_brands(const uint8_t *bytes, size_t n)
{
    static const char *const avif[] = {"avif", NULL};
    static const char *const heic[] = {"heic", "heix", "heim", "heis", "mif1", NULL};
    static const char *const moving[] = {"avis", "hevc", "hevx", "msf1", NULL};
    static const char *const raw[] = {"crx ", NULL};
    size_t end = MIN(n, bytes_be32(bytes));
    bool is_avif = is_brand(bytes + 8, avif);
    bool is_heic = is_brand(bytes + 8, heic);
    bool is_moving = is_brand(bytes + 8, moving);
    if (is_brand(bytes + 8, raw))
        return refused("a camera raw file (CR3)", CONVERT_WHY);
    for (size_t at = 16; at + 4 <= end; at += 4) {
        is_avif |= is_brand(bytes + at, avif);
        is_heic |= is_brand(bytes + at, heic);
        is_moving |= is_brand(bytes + at, moving);
    }
    if (is_avif)
        return (struct sniff_result){.kind = SNIFF_AVIF, .name = "AVIF"};
    if (is_heic)
        return (struct sniff_result){.kind = SNIFF_HEIC, .name = "HEIC"};
    if (is_moving)
        return refused("a sequence of AVIF or HEIC pictures", VIDEO_WHY);
    return refused(memcmp(bytes + 8, "qt  ", 4) == 0 ? "a QuickTime video" : "an MP4 video",
                   VIDEO_WHY);
}

static struct sniff_result sniff_riff(const uint8_t *bytes)
{
    if (memcmp(bytes + 8, "WEBP", 4) == 0)
        return (struct sniff_result){.kind = SNIFF_WEBP, .name = "WebP"};
    if (memcmp(bytes + 8, "AVI ", 4) == 0)
        return refused("an AVI video", VIDEO_WHY);
    if (memcmp(bytes + 8, "WAVE", 4) == 0)
        return refused("a sound file", NULL);
    return refused("a RIFF file of an unknown kind", NULL);
}

/* Four times the same byte with a packet between, from any place in the first packet. */
static bool has_packets(const uint8_t *bytes, size_t n, size_t packet)
{
    for (size_t at = 0; at < packet && at + 3 * packet < n; at++)
        if (bytes[at] == 0x47 && bytes[at + packet] == 0x47 && bytes[at + 2 * packet] == 0x47 &&
            bytes[at + 3 * packet] == 0x47)
            return true;
    return false;
}

/* MPEG transport streams have no beginning: packets of 188 or, with time stamps, 192 bytes. */
static bool is_transport_stream(const uint8_t *bytes, size_t n)
{
    return has_packets(bytes, n, 188) || has_packets(bytes, n, 192);
}

static bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool is_netpbm(const uint8_t *bytes, size_t n)
{
    return n >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
           (is_blank(bytes[2]) || bytes[2] == '#');
}

/* "BM" alone begins many a text; the size of the second header has few values. */
static bool is_bmp(const uint8_t *bytes, size_t n)
{
    return n >= 18 && memcmp(bytes, "BM", 2) == 0 && bytes_le32(bytes + 14) >= 12 &&
           bytes_le32(bytes + 14) <= 124;
}

/* No control characters but the usual, and UTF-8 or, as older sets have it, mostly ASCII. */
static bool is_text(const uint8_t *bytes, size_t n)
{
    size_t n_high = 0;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] < 0x20 && !is_blank(bytes[i]) && bytes[i] != 0x1B)
            return false;
        n_high += bytes[i] >= 0x80;
    }
    const char *end = NULL;
    g_utf8_validate((const char *)bytes, (gssize)n, &end);
    bool is_utf8 = n - (size_t)(end - (const char *)bytes) < 4; /* a letter may be cut at the end */
    return n > 0 && (is_utf8 || n_high < n / 3);
}

static bool contains(const uint8_t *bytes, size_t n, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= n; i++)
        if (g_ascii_strncasecmp((const char *)bytes + i, word, length) == 0)
            return true;
    return false;
}

/* XML names its content only in its first element, which may come late; the first kilobytes must
 * do. */
static struct sniff_result sniff_xml(const uint8_t *bytes, size_t n)
{
    if (contains(bytes, n, "<svg") || contains(bytes, n, "DOCTYPE svg"))
        return refused("an SVG drawing", DRAWING_WHY);
    if (contains(bytes, n, "<html"))
        return refused("a web page", NULL);
    if (contains(bytes, n, "<MPD") || contains(bytes, n, "<playlist") ||
        contains(bytes, n, "<smil") || contains(bytes, n, "<asx"))
        return refused("a playlist", PLAYLIST_WHY);
    return refused("an XML document", NULL);
}

static struct sniff_result sniff_text(const uint8_t *bytes, size_t n)
{
    size_t at = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < n && is_blank(bytes[at]))
        at++;
    for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++)
        if (n - at >= beginnings[i].n &&
            g_ascii_strncasecmp((const char *)bytes + at, beginnings[i].bytes, beginnings[i].n) ==
                0)
            return found(&beginnings[i]);
    if (n - at >= 2 && bytes[at] == '<' && (bytes[at + 1] == '?' || bytes[at + 1] == '!'))
        return sniff_xml(bytes + at, n - at);
    if (contains(bytes, MIN(n, 1024), "%PDF-"))
        return refused("a PDF document", DRAWING_WHY);
    if (n >= 2 &&
        ((bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF)))
        return refused("a text file", NULL);
    if (is_text(bytes, n))
        return contains(bytes, n, "<svg") ? refused("an SVG drawing", DRAWING_WHY)
                                          : refused("a text file", NULL);
    return (struct sniff_result){0};
}

struct sniff_result sniff_bytes(const uint8_t *bytes, size_t n)
{
    n = MIN(n, SNIFF_BYTES);
    for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++) {
        const struct signature *row = &signatures[i];
        if (n >= (size_t)row->at + row->n && memcmp(bytes + row->at, row->bytes, row->n) == 0)
            return found(row);
    }
    if (n >= 12 && memcmp(bytes + 4, "ftyp", 4) == 0)
        return sniff_brands(bytes, n);
    if (n >= 12 && memcmp(bytes, "RIFF", 4) == 0)
        return sniff_riff(bytes);
    if (n >= 265 && memcmp(bytes + 257, "ustar", 5) == 0)
        return refused("a tar archive", NULL);
    if (!is_text(bytes, n) && is_transport_stream(bytes, n))
        return refused("an MPEG transport stream", VIDEO_WHY);
    if (is_bmp(bytes, n))
        return (struct sniff_result){.kind = SNIFF_BMP, .name = "BMP"};
    if (is_netpbm(bytes, n))
        return (struct sniff_result){.kind = SNIFF_NETPBM, .name = "netpbm"};
    return sniff_text(bytes, n);
}
