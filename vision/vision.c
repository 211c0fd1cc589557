/* The front door: the file is read once into memory, so that what is measured and what is decoded
 * are the same bytes however the file changes meanwhile; it is sniffed, its container is read and
 * held to the limits, it is decoded and hashed. Every message is given the file's quoted name here,
 * and nowhere else. */
#include "vision/vision.h"

#include "vision/bytes.h"
#include "vision/container.h"
#include "vision/patch.h"
#include "vision/picture.h"
#include "vision/resize.h"
#include "vision/sniff.h"
#include "vision/tile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (INT64_C(1024) * 1024)

static const struct nawi_vision_limits usual = {
    .file_bytes = 64 * MIB, .pixels = 64000000, .side_px = 32768};
static const struct nawi_vision_limits hard = {
    .file_bytes = 4096 * MIB, .pixels = 256000000, .side_px = 32768};

static struct nawi_vision_limits settle_limits(const struct nawi_vision_limits *wanted)
{
    struct nawi_vision_limits limits = usual;
    if (wanted && wanted->file_bytes > 0)
        limits.file_bytes = MIN(wanted->file_bytes, hard.file_bytes);
    if (wanted && wanted->pixels > 0)
        limits.pixels = MIN(wanted->pixels, hard.pixels);
    if (wanted && wanted->side_px > 0)
        limits.side_px = MIN(wanted->side_px, hard.side_px);
    return limits;
}

static void prefix_name(const char *name, GError **error)
{
    char *quoted = nawi_quote(name, strlen(name));
    g_prefix_error(error, "%s: ", quoted);
    g_free(quoted);
}

/* ── The file ── */

static bool refuse(GError **error, const char *what)
{
    g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED, what);
    return false;
}

static bool fail_errno(GError **error, const char *what)
{
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", what, g_strerror(errno));
    return false;
}

static bool check_file(int fd, const struct nawi_vision_limits *limits, int64_t *n_bytes,
                       GError **error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail_errno(error, "cannot be looked at");
    if (S_ISDIR(status.st_mode))
        return refuse(error, "a folder, not a picture");
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
        return refuse(error, "a pipe or socket, not a file");
    if (!S_ISREG(status.st_mode))
        return refuse(error, "a device, not a file");
    if (status.st_size == 0)
        return refuse(error, "an empty file");
    if (status.st_size > limits->file_bytes) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "a file of %.1f MiB: more than the %.1f MiB allowed",
                    (double)status.st_size / (double)MIB, (double)limits->file_bytes / (double)MIB);
        return false;
    }
    *n_bytes = status.st_size;
    return true;
}

int nawi_vision_open_file(const char *path, const struct nawi_vision_limits *limits, GError **error)
{
    struct nawi_vision_limits settled = settle_limits(limits);
    int64_t n_bytes = 0;
    /* Not waiting matters for pipes without a writer; a controlling terminal is never taken. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        fail_errno(error, "cannot be opened");
    else if (!check_file(fd, &settled, &n_bytes, error)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        prefix_name(path, error);
    return fd;
}

/* All of the file, and CONTAINER_ROOM_BYTES of zeros behind it. NULL on error. */
static uint8_t *read_file(int fd, const struct nawi_vision_limits *limits, size_t *n,
                          GError **error)
{
    int64_t n_bytes = 0;
    if (!check_file(fd, limits, &n_bytes, error))
        return NULL;
    uint8_t *bytes = g_try_malloc((size_t)n_bytes + CONTAINER_ROOM_BYTES);
    if (!bytes) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "reading it needs %" G_GINT64_FORMAT " MiB, more than there are",
                    n_bytes / MIB + 1);
        return NULL;
    }
    size_t done = 0;
    while (done < (size_t)n_bytes) {
        ssize_t got = pread(fd, bytes + done, (size_t)n_bytes - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fail_errno(error, "cannot be read");
            g_free(bytes);
            return NULL;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    memset(bytes + done, 0, CONTAINER_ROOM_BYTES);
    *n = done;
    return bytes;
}

/* ── From a file to pixels ── */

/* A file that was read, sniffed, and whose container was read. */
struct opened {
    uint8_t *bytes;
    size_t n_bytes;
    struct sniff_result sniffed;
    struct container container;
};

static void opened_finish(struct opened *opened)
{
    container_finish(&opened->container);
    g_free(opened->bytes);
}

static bool check_kind(const struct sniff_result *sniffed, GError **error)
{
    if (sniffed->kind == SNIFF_UNKNOWN)
        return refuse(
            error,
            "no picture that is known here: JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC are read");
    if (sniffed->kind != SNIFF_REFUSED)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED, "%s%s%s", sniffed->name,
                sniffed->why ? ": " : ", not a picture", sniffed->why ? sniffed->why : "");
    return false;
}

static bool open_container(struct opened *opened, const struct nawi_vision_limits *limits,
                           GError **error)
{
    return check_kind(&opened->sniffed, error) &&
           container_read(opened->sniffed.kind, opened->bytes, opened->n_bytes, limits,
                          &opened->container, error);
}

static bool open_bytes(int fd, const char *name, const struct nawi_vision_limits *limits,
                       struct opened *opened, GError **error)
{
    *opened = (struct opened){0};
    opened->bytes = read_file(fd, limits, &opened->n_bytes, error);
    if (opened->bytes) {
        opened->sniffed = sniff_bytes(opened->bytes, opened->n_bytes);
        if (open_container(opened, limits, error))
            return true;
    }
    opened_finish(opened);
    prefix_name(name, error);
    return false;
}

bool nawi_vision_probe(int fd, const char *name, const struct nawi_vision_limits *limits,
                       struct nawi_vision_probe *out, GError **error)
{
    struct nawi_vision_limits settled = settle_limits(limits);
    struct opened opened;
    *out = (struct nawi_vision_probe){0};
    if (!open_bytes(fd, name, &settled, &opened, error))
        return false;
    *out = (struct nawi_vision_probe){
        .kind = opened.sniffed.name,
        .width_px = opened.container.width_px,
        .height_px = opened.container.height_px,
        .file_bytes = (int64_t)opened.n_bytes,
    };
    opened_finish(&opened);
    return true;
}

static void hash_picture(struct nawi_picture *picture)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    uint8_t sides[8];
    gsize n = NAWI_MEDIA_HASH_BYTES;
    bytes_put_le32(sides, (uint32_t)picture->width_px);
    bytes_put_le32(sides + 4, (uint32_t)picture->height_px);
    g_checksum_update(sum, sides, sizeof sides);
    size_t left = (size_t)picture->width_px * (size_t)picture->height_px * 3;
    for (const uint8_t *at = picture->rgb; left > 0;) {
        size_t part = MIN(left, (size_t)1 << 30);
        g_checksum_update(sum, at, (gssize)part);
        at += part;
        left -= part;
    }
    g_checksum_get_digest(sum, picture->hash, &n);
    g_checksum_free(sum);
}

bool nawi_vision_open(int fd, const char *name, const struct nawi_vision_limits *limits,
                      const nawi_cancel *cancel, struct nawi_picture *out, GError **error)
{
    struct nawi_vision_limits settled = settle_limits(limits);
    struct opened opened;
    *out = (struct nawi_picture){0};
    if (!open_bytes(fd, name, &settled, &opened, error))
        return false;
    bool ok = picture_decode(&opened.container, cancel, out, error);
    if (ok) {
        out->kind = opened.sniffed.name;
        hash_picture(out);
    } else
        prefix_name(name, error);
    opened_finish(&opened);
    return ok;
}

void nawi_picture_finish(struct nawi_picture *picture)
{
    if (!picture)
        return;
    g_free(picture->rgb);
    *picture = (struct nawi_picture){0};
}

/* ── From pixels to tiles ── */

static bool check_spec(int width_px, int height_px, const struct nawi_media_spec *spec,
                       GError **error)
{
    if (!tile_spec_is_sound(spec)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "tiles of %d pixels in patches of %d, shuffled by %d, at most %d: "
                    "expected a tile of whole patches, "
                    "at most %d pixels and %d tiles",
                    spec->tile_px, spec->patch_px, spec->shuffle, spec->max_tiles,
                    NAWI_MEDIA_MAX_TILE_PX, NAWI_MEDIA_MAX_TILES);
        return false;
    }
    if (width_px < 1 || height_px < 1) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "a picture of %d x %d pixels cannot be laid out", width_px, height_px);
        return false;
    }
    return true;
}

bool nawi_vision_plan(int width_px, int height_px, const struct nawi_media_spec *spec,
                      struct nawi_vision_plan *out, GError **error)
{
    *out = (struct nawi_vision_plan){0};
    if (!check_spec(width_px, height_px, spec, error))
        return false;
    struct tile_plan plan = tile_lay_out(width_px, height_px, spec);
    *out = (struct nawi_vision_plan){
        .rows = plan.rows,
        .cols = plan.cols,
        .resized_w_px = plan.resized_w_px,
        .resized_h_px = plan.resized_h_px,
        .n_tile = plan.n_tile,
        .n_tok = plan.n_tok,
    };
    return true;
}

/* Cuts the resized picture, at the top left of a black canvas, into media's tiles, which are black.
 */
static void cut_canvas(const struct resize_rgb *resized, struct nawi_media *media)
{
    size_t side = (size_t)media->tile_px;
    for (size_t y = 0; y < (size_t)resized->height_px; y++) {
        const uint8_t *row = resized->rgb + y * (size_t)resized->width_px * 3;
        for (size_t x = 0; x < (size_t)resized->width_px; x += side) {
            size_t tile = y / side * (size_t)media->cols + x / side;
            size_t n = MIN(side, (size_t)resized->width_px - x);
            memcpy(media->tiles + (tile * side + y % side) * side * 3, row + x * 3, n * 3);
        }
    }
}

/* The picture on its canvas, and as a whole on the last tile. */
static bool fill_tiles(const struct nawi_picture *picture, const nawi_cancel *cancel,
                       struct nawi_media *media, GError **error)
{
    struct resize_rgb from = {picture->width_px, picture->height_px, picture->rgb};
    struct resize_rgb resized = {media->resized_w_px, media->resized_h_px, NULL};
    size_t bytes = (size_t)resized.width_px * (size_t)resized.height_px * 3;
    resized.rgb = g_try_malloc(bytes);
    if (!resized.rgb) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "resizing needs %" G_GSIZE_FORMAT " MiB, more than there are",
                    bytes / (size_t)MIB + 1);
        return false;
    }
    bool ok = resize_picture(&from, &resized, cancel, error);
    if (ok)
        cut_canvas(&resized, media);
    g_free(resized.rgb);
    if (ok && media->n_tile > 1) {
        size_t tile_bytes = (size_t)media->tile_px * (size_t)media->tile_px * 3;
        struct resize_rgb global = {media->tile_px, media->tile_px,
                                    media->tiles + (size_t)(media->n_tile - 1) * tile_bytes};
        ok = resize_picture(&from, &global, cancel, error);
    }
    return ok;
}

bool nawi_vision_tile(const struct nawi_picture *picture, const struct nawi_media_spec *spec,
                      const nawi_cancel *cancel, struct nawi_media *out, GError **error)
{
    *out = (struct nawi_media){0};
    if (!check_spec(picture->width_px, picture->height_px, spec, error))
        return false;
    struct tile_plan plan = tile_lay_out(picture->width_px, picture->height_px, spec);
    *out = (struct nawi_media){
        .width_px = picture->width_px,
        .height_px = picture->height_px,
        .turn = picture->turn,
        .rows = plan.rows,
        .cols = plan.cols,
        .resized_w_px = plan.resized_w_px,
        .resized_h_px = plan.resized_h_px,
        .n_tile = plan.n_tile,
        .tile_px = spec->tile_px,
        .patch_px = spec->patch_px,
        .time_s = -1,
    };
    memcpy(out->hash, picture->hash, sizeof out->hash);
    size_t n_value = (size_t)plan.n_tile * (size_t)spec->tile_px * (size_t)spec->tile_px * 3;
    out->tiles = g_try_malloc0(n_value);
    out->patches = g_try_new(float, n_value);
    bool ok = out->tiles && out->patches;
    if (!ok)
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "%d tiles need %" G_GSIZE_FORMAT " MiB, more than there are", plan.n_tile,
                    n_value * (1 + sizeof(float)) / (size_t)MIB + 1);
    ok = ok && fill_tiles(picture, cancel, out, error);
    if (ok)
        patch_from_tiles(spec, plan.n_tile, out->tiles, out->patches);
    else
        nawi_media_finish(out);
    return ok;
}

bool nawi_vision_load(int fd, const char *name, const struct nawi_media_spec *spec,
                      const nawi_cancel *cancel, struct nawi_media *out, GError **error)
{
    struct nawi_picture picture;
    *out = (struct nawi_media){0};
    if (!nawi_vision_open(fd, name, NULL, cancel, &picture, error))
        return false;
    bool ok = nawi_vision_tile(&picture, spec, cancel, out, error);
    nawi_picture_finish(&picture);
    if (!ok)
        prefix_name(name, error);
    return ok;
}

void nawi_vision_patches_from_chw(const struct nawi_media_spec *spec, int n_tile, const float *chw,
                                  float *patches)
{
    patch_from_chw(spec, n_tile, chw, patches);
}

/* ── The rest ── */

static atomic_bool started;

bool nawi_vision_init(GError **error)
{
    bool ok = picture_start(error);
    if (ok)
        atomic_store(&started, true);
    return ok;
}

void nawi_vision_finish(void)
{
    if (atomic_exchange(&started, false))
        picture_stop();
}

bool nawi_vision_write_png(const uint8_t *rgb, int width_px, int height_px, const char *path,
                           GError **error)
{
    size_t n = 0;
    uint8_t *bytes = picture_encode_png(rgb, width_px, height_px, &n, error);
    bool ok = bytes && g_file_set_contents(path, (const char *)bytes, (gssize)n, error);
    g_free(bytes);
    return ok;
}
