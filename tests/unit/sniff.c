/* What kind a file is, told by its first bytes alone. */
#include "tests/harness.h"
#include "vision/sniff.h"

#include <string.h>

static void check(const char *bytes, size_t n, enum sniff_kind kind, const char *name)
{
    /* In a block of just its size, so that a read beyond it shows. */
    uint8_t *copy = g_memdup2(bytes, n);
    struct sniff_result result = sniff_bytes(copy, n);
    g_free(copy);
    g_assert_cmpint(result.kind, ==, kind);
    g_assert_cmpstr(result.name, ==, name);
}

#define CHECK(text, kind, name) check(text, sizeof(text) - 1, kind, name)

static void test_read(void)
{
    CHECK("\xFF\xD8\xFF\xE0", SNIFF_JPEG, "JPEG");
    CHECK("\x89PNG\r\n\x1A\n", SNIFF_PNG, "PNG");
    CHECK("RIFF\x10\0\0\0WEBPVP8 ", SNIFF_WEBP, "WebP");
    CHECK("GIF87a", SNIFF_GIF, "GIF");
    CHECK("GIF89a", SNIFF_GIF, "GIF");
    CHECK("II*\0\x08\0\0\0", SNIFF_TIFF, "TIFF");
    CHECK("MM\0*\0\0\0\x08", SNIFF_TIFF, "TIFF");
    CHECK("II+\0\x08\0\0\0", SNIFF_TIFF, "TIFF");
    CHECK("MM\0+\0\x08\0\0", SNIFF_TIFF, "TIFF");
    CHECK("\0\0\0\x1C"
          "ftypavif\0\0\0\0avifmif1",
          SNIFF_AVIF, "AVIF");
    CHECK("\0\0\0\x1C"
          "ftypmif1\0\0\0\0mif1avif",
          SNIFF_AVIF, "AVIF");
    CHECK("\0\0\0\x18"
          "ftypheic\0\0\0\0mif1",
          SNIFF_HEIC, "HEIC");
    CHECK("\0\0\0\x18"
          "ftypmif1\0\0\0\0heic",
          SNIFF_HEIC, "HEIC");
    CHECK("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", SNIFF_BMP, "BMP");
    CHECK("\0\0\x01\0\x01\0", SNIFF_ICO, "ICO");
    CHECK("P6\n1 1\n255\nabc", SNIFF_NETPBM, "netpbm");
    CHECK("P1#comment\n", SNIFF_NETPBM, "netpbm");
}

static void test_refused(void)
{
    CHECK("\0\0\0\x14"
          "ftypisom\0\0\0\0",
          SNIFF_REFUSED, "an MP4 video");
    CHECK("\0\0\0\x14"
          "ftypqt  \0\0\0\0",
          SNIFF_REFUSED, "a QuickTime video");
    CHECK("\0\0\0\x14"
          "ftypavis\0\0\0\0",
          SNIFF_REFUSED, "a sequence of AVIF or HEIC pictures");
    CHECK("\x1A\x45\xDF\xA3", SNIFF_REFUSED, "a Matroska or WebM video");
    CHECK("RIFF\0\0\0\0AVI LIST", SNIFF_REFUSED, "an AVI video");
    CHECK("%PDF-1.7", SNIFF_REFUSED, "a PDF document");
    CHECK("  %!PS-Adobe", SNIFF_REFUSED, "a PostScript document");
    CHECK("  \n<SVG width='1'>", SNIFF_REFUSED, "an SVG drawing");
    CHECK("\xEF\xBB\xBF<?xml version='1.0'?><svg/>", SNIFF_REFUSED, "an SVG drawing");
    CHECK("<?xml version='1.0'?><MPD/>", SNIFF_REFUSED, "a playlist");
    CHECK("#EXTM3U\n", SNIFF_REFUSED, "a playlist");
    CHECK("ffconcat version 1.0", SNIFF_REFUSED, "a playlist");
    CHECK("<!doctype HTML>", SNIFF_REFUSED, "a web page");
    CHECK("#!/bin/sh", SNIFF_REFUSED, "a script");
    CHECK("push graphic-context", SNIFF_REFUSED, "a drawing script (MVG)");
    CHECK("PK\x03\x04", SNIFF_REFUSED, "a ZIP archive or office document");
    CHECK("BMW drives through a long text", SNIFF_REFUSED, "a text file");
    CHECK("hello", SNIFF_REFUSED, "a text file");
    CHECK("\xFF\x0A\xFA", SNIFF_REFUSED, "a JPEG XL picture");
}

/* A transport stream that begins within a packet. */
static void test_stream(void)
{
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i % 188 == 77 ? 0x47 : (char)0xFE;
    check(bytes, sizeof bytes, SNIFF_REFUSED, "an MPEG transport stream");
    bytes[77 + 188] = 0;
    check(bytes, sizeof bytes, SNIFF_UNKNOWN, NULL);
}

static void test_unknown(void)
{
    CHECK("", SNIFF_UNKNOWN, NULL);
    CHECK("\0", SNIFF_UNKNOWN, NULL);
    CHECK("\x01\x02\x03", SNIFF_UNKNOWN, NULL);
    CHECK("\x89PNG\r\n\x1A", SNIFF_UNKNOWN, NULL);
}

/* Every row of the table, cut at every place, and random bytes: no read beyond the end. */
static void test_bounds(void)
{
    static const char longest[] = "\0\0\0\x1C"
                                  "ftypmif1\0\0\0\0mif1avif";
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (size_t n = 0; n < sizeof longest; n++) {
        uint8_t *copy = g_memdup2(longest, n);
        sniff_bytes(copy, n);
        g_free(copy);
    }
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)g_rand_int_range(random, 0, 400);
        uint8_t *bytes = g_malloc(n + 1);
        uint8_t *copy;
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)g_rand_int_range(random, 0, i % 2 ? 256 : 128);
        copy = g_memdup2(bytes, n);
        struct sniff_result result = sniff_bytes(copy, n);
        g_assert_true((result.name == NULL) == (result.kind == SNIFF_UNKNOWN));
        g_free(copy);
        g_free(bytes);
    }
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/read", test_read);
    g_test_add_func("/refused", test_refused);
    g_test_add_func("/stream", test_stream);
    g_test_add_func("/unknown", test_unknown);
    g_test_add_func("/bounds", test_bounds);
    return harness_main();
}
