/* libvips decodes; everything that decides what the picture looks like beyond that is ours. The
 * loader is the one for the sniffed kind, called by its own name on the prepared bytes: libvips
 * never sees a file name and never guesses. Pixels are drawn top to bottom in bands of rows by this
 * thread, coloured by libvips (ICC) where there is a profile, flattened here, and written where the
 * turn puts them, so that no second copy of a large picture exists.
 *
 * Between the bands cancel is looked at, and the processor time spent: a small file cannot cost
 * more than TIME_LIMIT. The bytes come to libvips through a source that fails once either says
 * stop, which also ends decoders that read the whole file before their first row. */
#include "vision/picture.h"

#include "vision/flatten.h"

#include <string.h>
#include <time.h>
#include <vips/vips.h>

enum {
    BAND_ROWS = 32,
    TIME_LIMIT_S = 8, /* of this thread's processor time */
};

/* One decoding. */
struct decoding {
    const struct container *container;
    const nawi_cancel *cancel;
    struct timespec started; /* on the thread's processor clock */
    gint64 read_at;          /* of the source */
    const char *note;
    struct tone *tone;
    struct flatten_format format;
    struct nawi_picture *out;
};

/* ── Time and cancelling ── */

static bool is_late(const struct decoding *d)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec - d->started.tv_sec > TIME_LIMIT_S;
}

static bool check_stop(const struct decoding *d, GError **error)
{
    if (nawi_cancel_check(d->cancel, error))
        return false;
    if (!is_late(d))
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "decoding it takes longer than %d seconds", TIME_LIMIT_S);
    return false;
}

/* What libvips says, as one line of safe text, behind our own words. A stop that came in between is
 * told instead. */
static bool fail(const struct decoding *d, const char *what, GError **error)
{
    char *text = vips_error_buffer_copy();
    char *quoted = nawi_quote(text, strcspn(text, "\n"));
    const char *cut = d->container->cut ? "it is cut short; " : "";
    if (check_stop(d, error) && text[0])
        container_fault(error, "%s%s (the decoder says %s)", cut, what, quoted);
    else if (!error || !*error)
        container_fault(error, "%s%s", cut, what);
    g_free(quoted);
    g_free(text);
    return false;
}

/* ── The source ── */

static gint64 on_source_read(VipsSourceCustom *source, void *buffer, gint64 length, void *user)
{
    struct decoding *d = user;
    (void)source;
    if (nawi_cancel_is_asked(d->cancel) || is_late(d))
        return -1;
    gint64 left = (gint64)d->container->n_bytes - d->read_at;
    gint64 n = CLAMP(length, 0, MAX(left, 0));
    if (n > 0)
        memcpy(buffer, d->container->bytes + d->read_at, (size_t)n);
    d->read_at += n;
    return n;
}

static gint64 on_source_seek(VipsSourceCustom *source, gint64 offset, int whence, void *user)
{
    struct decoding *d = user;
    gint64 from = whence == SEEK_SET   ? 0
                  : whence == SEEK_CUR ? d->read_at
                                       : (gint64)d->container->n_bytes;
    gint64 to = 0;
    (void)source;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > (gint64)d->container->n_bytes)
        return -1;
    d->read_at = to;
    return to;
}

static VipsSource *create_source(struct decoding *d)
{
    VipsSourceCustom *source = vips_source_custom_new();
    g_signal_connect(source, "read", G_CALLBACK(on_source_read), d);
    g_signal_connect(source, "seek", G_CALLBACK(on_source_seek), d);
    return VIPS_SOURCE(source);
}

/* ── Loading ── */

typedef int (*loader_fn)(VipsSource *source, VipsImage **out, ...);

static loader_fn choose_loader(enum sniff_kind kind)
{
    switch (kind) {
    case SNIFF_JPEG: return vips_jpegload_source;
    case SNIFF_PNG: return vips_pngload_source;
    case SNIFF_WEBP: return vips_webpload_source;
    case SNIFF_GIF: return vips_gifload_source;
    case SNIFF_TIFF: return vips_tiffload_source;
    case SNIFF_AVIF:
    case SNIFF_HEIC: return vips_heifload_source;
    default: return NULL;
    }
}

static VipsImage *load(struct decoding *d, GError **error)
{
    loader_fn loader = choose_loader(d->container->decoder);
    VipsFailOn fail_on = d->container->cut ? VIPS_FAIL_ON_WARNING : VIPS_FAIL_ON_TRUNCATED;
    VipsSource *source = create_source(d);
    VipsImage *image = NULL;
    int rc = loader(source, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, NULL);
    g_object_unref(source);
    if (rc != 0) {
        fail(d, "it cannot be decoded", error);
        return NULL;
    }
    return image;
}

/* Whether the decoder found the picture that our reader measured. libheif turns by itself, so that
 * sides may be swapped. */
static bool check_frame(const struct decoding *d, const VipsImage *image, GError **error)
{
    gint64 most = (gint64)d->container->width_px * d->container->height_px;
    bool is_whole = d->container->decoder != SNIFF_WEBP && d->container->decoder != SNIFF_GIF;
    bool same = image->Xsize == d->container->width_px && image->Ysize == d->container->height_px;
    bool turned = (d->container->decoder == SNIFF_AVIF || d->container->decoder == SNIFF_HEIC) &&
                  (gint64)image->Xsize * image->Ysize <= most;
    if (!is_whole || same || turned)
        return true;
    return container_fault(error, "the header says %d x %d pixels, the decoder finds %d x %d",
                           d->container->width_px, d->container->height_px, image->Xsize,
                           image->Ysize);
}

/* ── Colour ── */

/* Replaces *image, taking the reference to next. */
static void replace(VipsImage **image, VipsImage *next)
{
    g_object_unref(*image);
    *image = next;
}

static bool is_float(const VipsImage *image)
{
    return image->BandFmt == VIPS_FORMAT_FLOAT || image->BandFmt == VIPS_FORMAT_DOUBLE;
}

/* Colours that are neither grey nor RGB nor ink are left to libvips. */
static bool to_plain_space(struct decoding *d, VipsImage **image, GError **error)
{
    VipsImage *next = NULL;
    switch ((*image)->Type) {
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_YXY:
        if (vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL) != 0)
            return fail(d, "its colours cannot be converted", error);
        replace(image, next);
        break;
    default: break;
    }
    return true;
}

/* The profile's colours, at byte 16: three letters of four that must go with the picture's. Returns
 * the number of bands. */
static int profile_bands(const uint8_t *profile)
{
    return memcmp(profile + 16, "RGB ", 4) == 0   ? 3
           : memcmp(profile + 16, "GRAY", 4) == 0 ? 1
           : memcmp(profile + 16, "CMYK", 4) == 0 ? 4
                                                  : 0;
}

/* The image's colours alone, carrying the profile; grey is tripled for an RGB profile. */
static VipsImage *prepare_colours(VipsImage *image, int n_colour, int n_wanted,
                                  const uint8_t *profile, size_t n)
{
    VipsImage *colours = NULL;
    VipsImage *own = NULL;
    if (vips_extract_band(image, &colours, 0, "n", n_colour, NULL) != 0)
        return NULL;
    if (n_colour == 1 && n_wanted == 3) {
        VipsImage *three[3] = {colours, colours, colours};
        VipsImage *joined = NULL;
        if (vips_bandjoin(three, &joined, 3, NULL) != 0) {
            g_object_unref(colours);
            return NULL;
        }
        replace(&colours, joined);
    }
    bool is_16 = image->BandFmt == VIPS_FORMAT_USHORT;
    VipsInterpretation type = n_wanted == 4 ? VIPS_INTERPRETATION_CMYK
                              : n_wanted == 1
                                  ? (is_16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                                  : (is_16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    if (vips_copy(colours, &own, "interpretation", type, NULL) == 0)
        vips_image_set_blob_copy(own, VIPS_META_ICC_NAME, profile, n);
    g_object_unref(colours);
    return own;
}

/* The image in sRGB by its profile, alpha kept; NULL when the profile does not do. */
static VipsImage *transform(VipsImage *image, int n_colour, int n_wanted, const uint8_t *profile,
                            size_t n)
{
    VipsImage *colours = prepare_colours(image, n_colour, n_wanted, profile, n);
    VipsImage *out = NULL;
    if (!colours)
        return NULL;
    int rc =
        vips_icc_transform(colours, &out, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                           "depth", image->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8, NULL);
    g_object_unref(colours);
    if (rc != 0)
        return NULL;
    if (image->Bands > n_colour) {
        VipsImage *alpha = NULL;
        VipsImage *joined = NULL;
        rc = vips_extract_band(image, &alpha, n_colour, NULL);
        if (rc == 0) {
            rc = vips_bandjoin2(out, alpha, &joined, NULL);
            g_object_unref(alpha);
        }
        g_object_unref(out);
        return rc == 0 ? joined : NULL;
    }
    return out;
}

/* Applies the profile, ours or the one that the decoder found. A profile that does not do is left
 * out with a note: the picture is still the picture. */
static void apply_profile(struct decoding *d, VipsImage **image, int n_colour)
{
    const void *profile = d->container->profile;
    size_t n = d->container->profile_bytes;
    if (!profile && (!vips_image_get_typeof(*image, VIPS_META_ICC_NAME) ||
                     vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &n) != 0))
        return;
    VipsImage *next = NULL;
    bool fits = n >= 132 && n <= CONTAINER_MAX_PROFILE_BYTES &&
                memcmp((const uint8_t *)profile + 36, "acsp", 4) == 0 && !is_float(*image);
    int n_wanted = fits ? profile_bands(profile) : 0;
    if (n_wanted == n_colour || (n_wanted == 3 && n_colour == 1))
        next = transform(*image, n_colour, n_wanted, profile, n);
    if (!next) {
        vips_error_clear();
        d->note = "its colour profile cannot be used; colours are shown as sRGB";
        return;
    }
    replace(image, next);
}

/* ── Pixels ── */

static bool choose_depth(const VipsImage *image, enum flatten_depth *depth)
{
    switch (image->BandFmt) {
    case VIPS_FORMAT_UCHAR: *depth = FLATTEN_U8; return true;
    case VIPS_FORMAT_USHORT: *depth = FLATTEN_U16; return true;
    case VIPS_FORMAT_FLOAT: *depth = FLATTEN_F32; return true;
    case VIPS_FORMAT_DOUBLE: *depth = FLATTEN_F64; return true;
    default: return false;
    }
}

/* Colours of a pixel, alpha not counted; 0 where the bands make no picture. */
static int count_colours(const VipsImage *image)
{
    if (image->Type == VIPS_INTERPRETATION_CMYK)
        return image->Bands == 4 || image->Bands == 5 ? 4 : 0;
    return image->Bands == 1 || image->Bands == 2   ? 1
           : image->Bands == 3 || image->Bands == 4 ? 3
                                                    : 0;
}

static bool choose_format(struct decoding *d, const VipsImage *image, GError **error)
{
    int n_colour = count_colours(image);
    d->format.n_band = image->Bands;
    d->format.space = n_colour == 1 ? FLATTEN_GREY : n_colour == 3 ? FLATTEN_RGB : FLATTEN_CMYK;
    d->format.has_alpha = image->Bands > n_colour;
    if (n_colour == 0 || !choose_depth(image, &d->format.depth)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "pixels of %d channels in %s numbers: such are not shown", image->Bands,
                    vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image->BandFmt));
        return false;
    }
    if (is_float(image))
        d->tone = tone_linear();
    else if (!d->container->colour_is_srgb && !d->container->profile && d->container->gamma > 0)
        d->tone = tone_for_gamma(d->container->gamma, d->container->primaries);
    d->format.tone = d->tone;
    if (is_float(image) && !d->tone) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "no memory for a table of %d values",
                    TONE_STEPS);
        return false;
    }
    return true;
}

/* Where stored pixel (0, 0) goes, and the steps between stored neighbours, in pixels of the upright
 * picture. */
struct turned {
    gint64 base, dx, dy;
};

static struct turned turn_steps(int turn, int w, int h)
{
    gint64 out_w = turn >= 5 ? h : w;
    bool swap = turn >= 5;
    bool flip_x = turn == 2 || turn == 3 || turn == 7 || turn == 8; /* along the stored x */
    bool flip_y = turn == 3 || turn == 4 || turn == 6 || turn == 7; /* along the stored y */
    gint64 dx = swap ? out_w : 1;
    gint64 dy = swap ? 1 : out_w;
    return (struct turned){
        .base = (flip_x ? (w - 1) * dx : 0) + (flip_y ? (h - 1) * dy : 0),
        .dx = flip_x ? -dx : dx,
        .dy = flip_y ? -dy : dy,
    };
}

/* Puts row y (of the frame) of n opaque pixels where it belongs; what lies outside the canvas is
 * lost. */
static void place_row(const struct decoding *d, const struct turned *turned, int y,
                      const uint8_t *row, int n)
{
    int x0 = d->container->frame_x;
    gint64 canvas_y = (gint64)d->container->frame_y + y;
    n = (int)MIN((gint64)n, (gint64)d->out->width_px - x0);
    if (canvas_y >= d->out->height_px || n < 1)
        return;
    uint8_t *at = d->out->rgb + 3 * (turned->base + x0 * turned->dx + canvas_y * turned->dy);
    if (turned->dx == 1) {
        memcpy(at, row, (size_t)n * 3);
        return;
    }
    for (int x = 0; x < n; x++, at += 3 * turned->dx, row += 3)
        memcpy(at, row, 3);
}

static bool draw_band(struct decoding *d, VipsRegion *region, int y0, uint8_t *row, GError **error)
{
    const VipsImage *image = region->im;
    struct turned turned = turn_steps(d->container->turn, d->out->width_px, d->out->height_px);
    VipsRect band = {0, y0, image->Xsize, MIN(BAND_ROWS, image->Ysize - y0)};
    if (vips_region_prepare(region, &band) != 0)
        return fail(d, "its pixels cannot be decoded", error);
    for (int y = y0; y < y0 + band.height; y++) {
        flatten_row(&d->format, VIPS_REGION_ADDR(region, 0, y), (size_t)image->Xsize, row);
        place_row(d, &turned, y, row, image->Xsize);
    }
    return check_stop(d, error);
}

/* Room for all of out, whose sides are those of the stored canvas until all is drawn, and for one
 * row of w. */
static bool allocate(struct decoding *d, int w, uint8_t **row, GError **error)
{
    size_t bytes = (size_t)d->out->width_px * (size_t)d->out->height_px * 3;
    d->out->rgb = g_try_malloc(bytes);
    *row = g_try_malloc((size_t)w * 3);
    if (d->out->rgb && *row)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                "%d x %d pixels need %" G_GSIZE_FORMAT " MiB, more than there are",
                d->out->width_px, d->out->height_px, bytes / (1024 * 1024) + 1);
    g_free(*row);
    return false;
}

static bool draw(struct decoding *d, VipsImage *image, GError **error)
{
    bool is_covered = image->Xsize >= d->out->width_px && image->Ysize >= d->out->height_px &&
                      d->container->frame_x == 0 && d->container->frame_y == 0;
    uint8_t *row = NULL;
    if (!allocate(d, image->Xsize, &row, error))
        return false;
    if (!is_covered)
        memset(d->out->rgb, 255, (size_t)d->out->width_px * (size_t)d->out->height_px * 3);
    VipsRegion *region = vips_region_new(image);
    bool ok = true;
    for (int y = 0; y < image->Ysize && ok; y += BAND_ROWS)
        ok = draw_band(d, region, y, row, error);
    g_object_unref(region);
    g_free(row);
    return ok;
}

/* Pixels that need no decoder. */
static bool draw_plain(struct decoding *d, GError **error)
{
    size_t w = (size_t)d->container->width_px;
    size_t n_band = (size_t)d->container->plain_bands;
    uint8_t *row = NULL;
    d->out->width_px = d->container->width_px;
    d->out->height_px = d->container->height_px;
    d->format = (struct flatten_format){
        .space = n_band == 1 ? FLATTEN_GREY : FLATTEN_RGB,
        .depth = FLATTEN_U8,
        .n_band = (int)n_band,
        .has_alpha = n_band == 4,
    };
    if (!allocate(d, (int)w, &row, error))
        return false;
    struct turned turned = turn_steps(d->container->turn, d->out->width_px, d->out->height_px);
    for (size_t y = 0; y < (size_t)d->out->height_px; y++) {
        flatten_row(&d->format, d->container->plain + y * w * n_band, w, row);
        place_row(d, &turned, (int)y, row, (int)w);
    }
    g_free(row);
    return check_stop(d, error);
}

static bool decode(struct decoding *d, GError **error)
{
    VipsImage *image = load(d, error);
    if (!image)
        return false;
    bool ok = check_frame(d, image, error) && to_plain_space(d, &image, error);
    if (ok) {
        int n_colour = count_colours(image);
        bool is_turned = d->container->decoder == SNIFF_AVIF || d->container->decoder == SNIFF_HEIC;
        d->out->width_px = is_turned ? image->Xsize : d->container->width_px;
        d->out->height_px = is_turned ? image->Ysize : d->container->height_px;
        if (n_colour)
            apply_profile(d, &image, n_colour);
        ok = choose_format(d, image, error) && draw(d, image, error);
    }
    g_object_unref(image);
    return ok;
}

/* ── The door ── */

/* libvips warns on the log about files; what a person must know of it is in our notes and messages.
 */
static void drop_message(const char *domain, GLogLevelFlags level, const char *message, void *user)
{
    (void)domain;
    (void)level;
    (void)message;
    (void)user;
}

bool picture_start(GError **error)
{
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG,
                      drop_message, NULL);
    if (vips_init("nawi") != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "the picture library does not start: %s", vips_error_buffer());
        return false;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoadMagick", TRUE);
    vips_operation_block_set("VipsForeignLoadOpenslide", TRUE);
    return true;
}

void picture_stop(void) { vips_shutdown(); }

bool picture_decode(const struct container *container, const nawi_cancel *cancel,
                    struct nawi_picture *out, GError **error)
{
    struct decoding d = {
        .container = container, .cancel = cancel, .note = container->note, .out = out};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &d.started);
    *out = (struct nawi_picture){.turn = container->turn};
    vips_error_clear();
    bool ok = container->plain ? draw_plain(&d, error) : decode(&d, error);
    g_free(d.tone);
    vips_error_clear();
    if (!ok) {
        nawi_picture_finish(out);
        return false;
    }
    if (out->turn >= 5) {
        int w = out->width_px;
        out->width_px = out->height_px;
        out->height_px = w;
    }
    out->note = d.note;
    return true;
}

uint8_t *picture_encode_png(const uint8_t *rgb, int width_px, int height_px, size_t *n_bytes,
                            GError **error)
{
    size_t n = (size_t)width_px * (size_t)height_px * 3;
    VipsImage *image =
        vips_image_new_from_memory(rgb, n, width_px, height_px, 3, VIPS_FORMAT_UCHAR);
    void *bytes = NULL;
    int rc = -1;
    if (image) {
        VipsImage *typed = NULL;
        rc = vips_copy(image, &typed, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
        if (rc == 0) {
            rc = vips_pngsave_buffer(typed, &bytes, n_bytes, NULL);
            g_object_unref(typed);
        }
        g_object_unref(image);
    }
    if (rc != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%d x %d pixels cannot be written as PNG: %s",
                    width_px, height_px, vips_error_buffer());
        vips_error_clear();
        return NULL;
    }
    return bytes;
}
