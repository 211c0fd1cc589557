/* What our own readers find in a picture file before a decoder sees it.
 *
 * A decoder is handed as little as possible: its file's bytes with comments, EXIF, XMP, profiles,
 * later frames, later pages and whatever lies behind the picture taken out. So the decoder's own
 * readers of those never run, and the sides, the turn, the profile and the place of the first frame
 * are ours. */
#pragma once

#include "engine/error.h"
#include "vision/sniff.h"
#include "vision/vision.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONTAINER_MAX_PROFILE_BYTES = 16 * 1024 * 1024,
    CONTAINER_ROOM_BYTES = 64, /* writable behind a file's bytes, for what a reader must add */
};

struct container {
    int width_px, height_px; /* of the whole picture as stored, before any turn */
    int turn;                /* EXIF orientation still to be applied, 1..8 */
    int frame_x, frame_y;    /* place of the decoded frame; what it leaves free is white */
    uint8_t *bytes;          /* for the decoder; within the file's bytes, or rebuilt */
    size_t n_bytes;
    uint8_t *rebuilt;        /* NULL: nothing was; owned */
    enum sniff_kind decoder; /* of bytes: the file's own kind, or a PNG within an icon */
    uint8_t *plain;   /* [height_px, width_px, plain_bands]: of kinds without a decoder; owned */
    int plain_bands;  /* 1 grey, 3 RGB, 4 RGBA */
    uint8_t *profile; /* ICC; NULL: none found here; owned */
    size_t profile_bytes;
    const char *note;    /* something that was left out of account; static; NULL: nothing */
    bool cut;            /* the end is missing: load only when every pixel is there all the same */
    bool colour_is_srgb; /* the file says so: gamma and primaries are not used */
    double gamma;        /* PNG: stored value = light ^ gamma; 0: not told */
    double primaries[8]; /* PNG: x, y of white, red, green, blue; white x 0: not told */
};

/* Reads the container of a file whose kind was sniffed; edits bytes [n], behind which there are
 * CONTAINER_ROOM_BYTES. Refuses sides and pixel counts beyond limits, which are all set. Messages
 * lack the file's name. Any thread. */
bool container_read(enum sniff_kind kind, uint8_t *bytes, size_t n,
                    const struct nawi_vision_limits *limits, struct container *out, GError **error);
void container_finish(struct container *container);

/* ── For the readers, one for each kind ── */

bool container_read_jpeg(uint8_t *bytes, size_t n, struct container *out, GError **error);
bool container_read_png(uint8_t *bytes, size_t n, struct container *out, GError **error);
bool container_read_webp(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error);
bool container_read_gif(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                        struct container *out, GError **error);
bool container_read_tiff(uint8_t *bytes, size_t n, struct container *out, GError **error);
bool container_read_heif(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error);
bool container_read_bmp(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                        struct container *out, GError **error);
bool container_read_icon(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error);
bool container_read_netpbm(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                           struct container *out, GError **error);

/* Sets out's sides and allocates plain pixels of them, which are not set. The sides are within the
 * limits. */
bool container_make_plain(struct container *out, int width_px, int height_px, int n_band,
                          GError **error);

/* Sets what NAWI_ERROR_FORMAT says and returns false. */
bool container_fault(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether a picture of these sides may be decoded at all. what: "the picture", "its first frame".
 */
bool container_check_sides(int64_t width_px, int64_t height_px, const char *what,
                           const struct nawi_vision_limits *limits, GError **error);

/* The orientation that EXIF data (a TIFF of its own, with or without "Exif\0\0" before it)
 * tell: 1..8; 1 where they are broken, silent or absurd. */
int container_exif_turn(const uint8_t *bytes, size_t n);

/* Keeps a copy of an ICC profile, or a note when it is no profile or too large. The first one
 * counts. */
void container_take_profile(struct container *out, const uint8_t *bytes, size_t n);
