/* Picture files for hostile tests: the sound ones of golden/pictures, and builders of others. Files
 * are GByteArrays that the caller unrefs. Everything aborts on failure. Main thread only. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct forge_sound {
    char *name;
    GByteArray *bytes;
};

/* One entry of a TIFF directory. */
struct forge_tag {
    uint16_t tag, type;
    uint64_t count, value;
};

enum {
    FORGE_TAGS = 9, /* of a usual TIFF; its place of pixels is entry 5, their number entry 8 */
};

void forge_start(void); /* reads the golden pictures */
void forge_stop(void);
const GPtrArray *forge_get_sounds(void); /* of struct forge_sound *; borrowed */
const struct forge_sound *forge_find(const char *name);
GByteArray *forge_copy(const char *name);

/* Below n, or 0. */
guint32 forge_below(GRand *random, guint32 n);

/* Append. n bytes of v, in either order; a text without its zero. */
GByteArray *forge_put(GByteArray *to, const char *bytes, size_t n);
void forge_put_number(GByteArray *to, uint64_t v, int n, bool big);
#define FORGE_PUT(to, text) forge_put(to, text, sizeof(text) - 1)

/* A black picture as libvips writes it for a suffix, e.g. ".png[interlace]". */
GByteArray *forge_saved(int w, int h, int n_band, const char *suffix);

/* Signature and header; then chunks with a right check sum. */
GByteArray *forge_png(uint32_t w, uint32_t h, int depth, int colour);
void forge_put_chunk(GByteArray *png, const char *type, const uint8_t *body, size_t n);

/* n zeros as a zlib stream, a thousand times shorter, its check sum wrong. */
GByteArray *forge_zeros(size_t n);

/* Headers that claim these sides, with little or nothing behind them. */
GByteArray *forge_gif(int w, int h, int frame_w, int frame_h);
GByteArray *forge_jpeg(int w, int h);
GByteArray *forge_bmp(uint32_t w, uint32_t h, int bits);
GByteArray *forge_webp(uint32_t w, uint32_t h);

/* A TIFF of one directory of n tags, and next for the link behind it; then some grey pixels. */
GByteArray *forge_tiff(const struct forge_tag *tags, size_t n, uint32_t next);
void forge_usual_tags(struct forge_tag tags[FORGE_TAGS], uint64_t w, uint64_t h);

/* Segments, and a sound JPEG with them before all others. */
void forge_put_segment(GByteArray *jpeg, int marker, const void *body, size_t n);
GByteArray *forge_jpeg_with(const GByteArray *segments);

/* n bytes of an ICC profile: signatures in place, nonsense otherwise; and one as a piece of many.
 */
GByteArray *forge_profile(size_t n, const char *space, GRand *random);
void forge_put_profile(GByteArray *segments, const GByteArray *profile, int number, int count);
