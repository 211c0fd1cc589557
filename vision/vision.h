/* The front door of seeing: an open file in, what a model wants to see out.
 *
 *   open_file → (probe) → open: one upright sRGB picture → tile: struct nawi_media for a spec
 *
 * Takes descriptors, never names: the name is only shown in messages. The kind of a file is told by
 * its first bytes. The descriptor stays the caller's, must be seekable, and is read from its
 * beginning whatever its position. Answers are plain structs with one flat buffer each, so that
 * this side can live in another process.
 *
 * What is read: JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC, and BMP, ICO, netpbm by readers of our own;
 * the first frame or page. Everything else is refused by the name of its kind. Messages begin with
 * the quoted name of the file.
 *
 * Threads: nawi_vision_init() once, before the others; all others from any thread. */
#pragma once

#include "engine/error.h"
#include "engine/media.h"

#include <stdbool.h>
#include <stdint.h>

/* What a file may cost. 0 means the default; values above the hard limit are taken as the hard
 * limit. */
struct nawi_vision_limits {
    int64_t file_bytes; /* default 64 MiB, hard 4 GiB */
    int64_t pixels;     /* width * height; default 64 million, hard 256 million */
    int side_px;        /* default and hard 32,768 */
};

/* What the first bytes and the header of a file say, before any decoder runs. */
struct nawi_vision_probe {
    const char *kind;        /* "JPEG", "PNG", … static */
    int width_px, height_px; /* as stored: before any turn */
    int64_t file_bytes;
};

/* A decoded picture: upright, sRGB, 8 bits, alpha composited on white. */
struct nawi_picture {
    const char *kind; /* static */
    int width_px, height_px;
    int turn;         /* EXIF orientation that was applied, 1..8; 1 is none */
    const char *note; /* what was left out, e.g. a broken colour profile; static; NULL: nothing */
    uint8_t *rgb;     /* [height_px, width_px, 3]; owned */
    uint8_t hash[NAWI_MEDIA_HASH_BYTES]; /* SHA-256 of both sides (u32, little endian) and rgb */
};

/* Frees what picture owns and zeroes it. NULL and zeroed pictures are fine. */
void nawi_picture_finish(struct nawi_picture *picture);

/* How a picture is laid out for a spec. */
struct nawi_vision_plan {
    int rows, cols;                 /* tiles of the canvas */
    int resized_w_px, resized_h_px; /* of the picture, at the top left of the canvas */
    int n_tile;                     /* with the global tile */
    int n_tok;                      /* with separators and begin and end marks */
};

/* Starts the decoders. Cheap, and does nothing when called again. */
bool nawi_vision_init(GError **error);

/* Frees what the decoders keep for the process. For the end of main(); nothing of vision may be
 * used after it. */
void nawi_vision_finish(void);

/* Opens path to be read: a regular file of sound size, never a folder, pipe, socket or device, and
 * never waits. Returns a descriptor that the caller closes, or -1. limits may be NULL. */
int nawi_vision_open_file(const char *path, const struct nawi_vision_limits *limits,
                          GError **error);

/* Kind and sides; fails as nawi_vision_open() would for a file that is refused before decoding.
 * limits may be NULL. */
bool nawi_vision_probe(int fd, const char *name, const struct nawi_vision_limits *limits,
                       struct nawi_vision_probe *out, GError **error);

/* Decodes. limits and cancel may be NULL. On failure out is zeroed. Errors: IO, FORMAT (broken),
 * UNSUPPORTED (not a picture, or a kind or size that is refused), MEMORY, CANCELLED. */
bool nawi_vision_open(int fd, const char *name, const struct nawi_vision_limits *limits,
                      const nawi_cancel *cancel, struct nawi_picture *out, GError **error);

/* Lays a picture of width * height px out for spec. Pure. Fails with INPUT when spec or a side
 * makes no sense. */
bool nawi_vision_plan(int width_px, int height_px, const struct nawi_media_spec *spec,
                      struct nawi_vision_plan *out, GError **error);

/* Cuts and normalises: fills out, with out->tiles, and out->time_s negative. cancel may be NULL. On
 * failure out is zeroed. Errors: INPUT, MEMORY, CANCELLED. */
bool nawi_vision_tile(const struct nawi_picture *picture, const struct nawi_media_spec *spec,
                      const nawi_cancel *cancel, struct nawi_media *out, GError **error);

/* nawi_vision_open() with default limits, then nawi_vision_tile(). */
bool nawi_vision_load(int fd, const char *name, const struct nawi_media_spec *spec,
                      const nawi_cancel *cancel, struct nawi_media *out, GError **error);

/* Puts normalised tiles chw [n_tile, 3, tile_px, tile_px] into the order of struct nawi_media:
 * patches [n_tile, n_patch, 3 * patch_px * patch_px], both of the same number of floats. spec as
 * nawi_vision_plan() accepts it. */
void nawi_vision_patches_from_chw(const struct nawi_media_spec *spec, int n_tile, const float *chw,
                                  float *patches);

/* Writes rgb [height_px, width_px, 3] as a PNG; the file at path is replaced as a whole. */
bool nawi_vision_write_png(const uint8_t *rgb, int width_px, int height_px, const char *path,
                           GError **error);
