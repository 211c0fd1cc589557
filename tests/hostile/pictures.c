/* Malformed pictures, made here from sound ones and from nothing. Each is opened and laid out in a
 * process of its own, that may take ten seconds and a gibibyte: it must end by itself, with pixels
 * or with a sentence. */
#include "engine/error.h"
#include "tests/harness.h"
#include "vision/vision.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>

enum {
#if defined(__SANITIZE_ADDRESS__)
    LIMIT_S = 40, /* sanitizers cost time and memory of their own */
    LIMIT_MIB = 2048,
#else
    LIMIT_S = 10,
    LIMIT_MIB = 1024,
#endif
};

enum expected {
    SHOWN,
    REFUSED,
    EITHER,
};

struct sound {
    char *name;
    GByteArray *bytes;
};

static GPtrArray *sounds; /* struct sound * */
static int n_case;
static double slowest_s;
static long largest_kib;

/* ── One case in one process ── */

/* Opens and tiles; what it says goes to the descriptor say. 0 shown, 1 refused. */
static int look(int fd, const char *name, int say)
{
    static const struct nawi_media_spec spec = {.tile_px = 336,
                                                .patch_px = 14,
                                                .shuffle = 2,
                                                .max_tiles = 16,
                                                .mean = {.5f, .5f, .5f},
                                                .std = {.5f, .5f, .5f}};
    struct nawi_media media;
    GError *error = NULL;
    bool ok = nawi_vision_load(fd, name, &spec, NULL, &media, &error);
    if (!ok && (!error || !error->message[0]))
        return 3;
    if (!ok && write(say, error->message, strlen(error->message)) < 0)
        return 4;
    if (ok && (media.n_tile < 1 || !media.patches))
        return 5;
    nawi_media_finish(&media);
    g_clear_error(&error);
    return ok ? 0 : 1;
}

static void restrain(void)
{
    struct rlimit cpu = {LIMIT_S, LIMIT_S};
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    alarm(LIMIT_S * 3);
}

static double now_s(void) { return (double)g_get_monotonic_time() / 1e6; }

static void judge(const char *name, enum expected expected, int status, const char *said)
{
    bool shown = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 1 && said[0];
    bool ok = (shown && expected != REFUSED) || (refused && expected != SHOWN);
    if (!ok || g_test_verbose())
        g_test_message("%s: %s %d%s%s", name, WIFSIGNALED(status) ? "signal" : "exit",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                       said[0] ? ": " : "", said);
    g_assert_true(ok);
    if (refused)
        g_assert_true(g_utf8_validate(said, -1, NULL));
}

/* Runs look() on a descriptor, which is closed, in a child. */
static void run(const char *name, enum expected expected, int fd)
{
    int pipes[2];
    char said[1024] = "";
    int status = 0;
    struct rusage usage;
    double started = now_s();
    g_assert_cmpint(pipe(pipes), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        restrain();
        _exit(look(fd, "hostile", pipes[1]));
    }
    close(pipes[1]);
    size_t n = 0;
    ssize_t got;
    while (n < sizeof said - 1 && (got = read(pipes[0], said + n, sizeof said - 1 - n)) > 0)
        n += (size_t)got;
    close(pipes[0]);
    close(fd);
    g_assert_cmpint(wait4(child, &status, 0, &usage), ==, child);
    double took = now_s() - started;
    n_case += 1;
    slowest_s = MAX(slowest_s, took);
    largest_kib = MAX(largest_kib, usage.ru_maxrss);
    if (took > 2 || usage.ru_maxrss > 400 * 1024)
        g_test_message("%s: %.1f s, %ld MiB", name, took, usage.ru_maxrss / 1024);
    judge(name, expected, status, said);
    g_assert_cmpint(usage.ru_maxrss / 1024, <, LIMIT_MIB);
}

static void try_bytes(const char *name, enum expected expected, const void *bytes, size_t n)
{
    int fd = memfd_create("hostile", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    for (size_t done = 0; done < n;) {
        ssize_t put = write(fd, (const char *)bytes + done, n - done);
        g_assert_cmpint(put, >, 0);
        done += (size_t)put;
    }
    run(name, expected, fd);
}

static void try_array(const char *name, enum expected expected, GByteArray *bytes)
{
    try_bytes(name, expected, bytes->data, bytes->len);
    g_byte_array_unref(bytes);
}

/* ── Building files ── */

static GByteArray *put(GByteArray *to, const char *bytes, size_t n)
{
    return g_byte_array_append(to, (const guint8 *)bytes, (guint)n);
}

#define PUT(to, text) put(to, text, sizeof(text) - 1)

static void put_number(GByteArray *to, uint64_t v, int n, bool big)
{
    for (int i = 0; i < n; i++) {
        guint8 byte = (guint8)(v >> 8 * (big ? n - 1 - i : i));
        g_byte_array_append(to, &byte, 1);
    }
}

static uint32_t crc32_of(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static void put_chunk(GByteArray *png, const char *type, const uint8_t *body, size_t n)
{
    put_number(png, n, 4, true);
    guint from = png->len;
    put(png, type, 4);
    g_byte_array_append(png, body, (guint)n);
    put_number(png, crc32_of(png->data + from, n + 4), 4, true);
}

static GByteArray *png_start(uint32_t w, uint32_t h, int depth, int colour)
{
    GByteArray *png = PUT(g_byte_array_new(), "\x89PNG\r\n\x1A\n");
    GByteArray *header = g_byte_array_new();
    put_number(header, w, 4, true);
    put_number(header, h, 4, true);
    put_number(header, (uint64_t)depth << 32 | (uint64_t)colour << 24, 5, true);
    put_chunk(png, "IHDR", header->data, header->len);
    g_byte_array_unref(header);
    return png;
}

/* A black picture, encoded as the suffix says, to a descriptor. */
static void save_to(int fd, int w, int h, int n_band, const char *suffix)
{
    VipsImage *image = NULL;
    VipsImage *typed = NULL;
    void *bytes = NULL;
    size_t n = 0;
    VipsInterpretation type = n_band < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (vips_black(&image, w, h, "bands", n_band, NULL) != 0 ||
        vips_copy(image, &typed, "interpretation", type, NULL) != 0 ||
        vips_image_write_to_buffer(typed, suffix, &bytes, &n, NULL) != 0)
        g_error("%s: %s", suffix, vips_error_buffer());
    for (size_t done = 0; done < n;) {
        ssize_t got = write(fd, (const char *)bytes + done, n - done);
        if (got < 0)
            g_error("%s", g_strerror(errno));
        done += (size_t)got;
    }
}

/* The same as bytes. In a child, since libvips' threads would not outlive a later fork(). */
static GByteArray *save(int w, int h, int n_band, const char *suffix)
{
    int status = 0;
    int fd = memfd_create("sound", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        save_to(fd, w, h, n_band, suffix);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    off_t n = lseek(fd, 0, SEEK_END);
    GByteArray *out = g_byte_array_sized_new((guint)n);
    g_byte_array_set_size(out, (guint)n);
    g_assert_cmpint(pread(fd, out->data, (size_t)n, 0), ==, n);
    close(fd);
    return out;
}

static const struct sound *find_sound(const char *name)
{
    for (guint i = 0; i < sounds->len; i++) {
        const struct sound *sound = g_ptr_array_index(sounds, i);
        if (strcmp(sound->name, name) == 0)
            return sound;
    }
    g_error("no sound picture %s", name);
    return NULL;
}

static GByteArray *copy_sound(const char *name)
{
    const struct sound *sound = find_sound(name);
    return g_byte_array_append(g_byte_array_new(), sound->bytes->data, sound->bytes->len);
}

/* ── Cut, noise, splice ── */

static guint32 below(GRand *random, guint32 n)
{
    return n ? (guint32)g_rand_int_range(random, 0, (gint32)n) : 0;
}

static void test_cut(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    int n_cut = harness_is_full() ? 40 : 4;
    for (guint i = 0; i < sounds->len; i++) {
        const struct sound *sound = g_ptr_array_index(sounds, i);
        for (int k = 0; k < n_cut; k++) {
            guint32 at = k == 0   ? sound->bytes->len - 1
                         : k == 1 ? below(random, 64)
                                  : below(random, sound->bytes->len);
            char *name = g_strdup_printf("%s cut at %u", sound->name, at);
            try_bytes(name, EITHER, sound->bytes->data, at);
            g_free(name);
        }
    }
    g_rand_free(random);
}

/* Bits flipped, a stretch zeroed, repeated, or taken out. */
static void damage(GByteArray *bytes, GRand *random)
{
    guint32 at = below(random, bytes->len);
    guint32 wanted = 1 + below(random, 64);
    guint32 n = MIN(wanted, bytes->len - at);
    switch (below(random, 5)) {
    case 0: memset(bytes->data + at, 0, n); break;
    case 1: memset(bytes->data + at, 0xFF, n); break;
    case 2: {
        uint8_t stretch[64];
        memcpy(stretch, bytes->data + at, n);
        g_byte_array_append(bytes, stretch, n);
        memmove(bytes->data + at + n, bytes->data + at, bytes->len - at - n);
        memcpy(bytes->data + at, stretch, n);
        break;
    }
    case 3: g_byte_array_remove_range(bytes, at, n); break;
    default:
        for (guint32 k = 0; k < 1 + n / 8; k++)
            bytes->data[below(random, bytes->len)] ^= (guint8)(1u << below(random, 8));
        break;
    }
}

static void test_noise(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    int n_noise = harness_is_full() ? 60 : 5;
    for (guint i = 0; i < sounds->len; i++)
        for (int k = 0; k < n_noise; k++) {
            const struct sound *sound = g_ptr_array_index(sounds, i);
            GByteArray *bytes = copy_sound(sound->name);
            /* Half of the damage in the header, where the lengths are. */
            if (k % 2) {
                for (int m = 0; m < 3; m++)
                    bytes->data[below(random, MIN(bytes->len, 160))] = (guint8)below(random, 256);
            } else
                damage(bytes, random);
            char *name = g_strdup_printf("%s noise %d of seed %u", sound->name, k, harness_seed());
            try_array(name, EITHER, bytes);
            g_free(name);
        }
    g_rand_free(random);
}

static void test_splice(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    int n_splice = harness_is_full() ? 400 : 40;
    for (int k = 0; k < n_splice; k++) {
        const struct sound *a = g_ptr_array_index(sounds, below(random, sounds->len));
        const struct sound *b = g_ptr_array_index(sounds, below(random, sounds->len));
        GByteArray *bytes =
            g_byte_array_append(g_byte_array_new(), a->bytes->data, a->bytes->len / 2);
        g_byte_array_append(bytes, b->bytes->data + b->bytes->len / 2,
                            b->bytes->len - b->bytes->len / 2);
        char *name = g_strdup_printf("half of %s, half of %s", a->name, b->name);
        try_array(name, EITHER, bytes);
        g_free(name);
    }
    g_rand_free(random);
}

/* ── Sizes ── */

static GByteArray *gif_of(int w, int h, int frame_w, int frame_h)
{
    GByteArray *gif = PUT(g_byte_array_new(), "GIF89a");
    put_number(gif, (uint64_t)w, 2, false);
    put_number(gif, (uint64_t)h, 2, false);
    PUT(gif, "\x80\0\0\xFF\0\0\0\0\xFF,\0\0\0\0");
    put_number(gif, (uint64_t)frame_w, 2, false);
    put_number(gif, (uint64_t)frame_h, 2, false);
    return PUT(gif, "\0\x02\x02\x44\x01\0;");
}

static GByteArray *jpeg_of(int w, int h)
{
    GByteArray *jpeg = copy_sound("baseline_444.jpg");
    for (guint i = 2; i + 9 < jpeg->len; i++)
        if (jpeg->data[i] == 0xFF && jpeg->data[i + 1] == 0xC0) {
            jpeg->data[i + 5] = (guint8)(h >> 8);
            jpeg->data[i + 6] = (guint8)h;
            jpeg->data[i + 7] = (guint8)(w >> 8);
            jpeg->data[i + 8] = (guint8)w;
            return jpeg;
        }
    g_error("no frame header");
    return jpeg;
}

static GByteArray *bmp_of(uint32_t w, uint32_t h, int bits)
{
    GByteArray *bmp = PUT(g_byte_array_new(), "BM\x60\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0");
    put_number(bmp, w, 4, false);
    put_number(bmp, h, 4, false);
    put_number(bmp, 1, 2, false);
    put_number(bmp, (uint64_t)bits, 2, false);
    for (int i = 0; i < 40; i++)
        put_number(bmp, 0, 1, false);
    return bmp;
}

struct tag {
    uint16_t tag, type;
    uint64_t count, value;
};

/* A TIFF of one directory; next is the link behind it. */
static GByteArray *tiff_of(const struct tag *tags, size_t n, uint32_t next)
{
    GByteArray *tiff = PUT(g_byte_array_new(), "II*\0\x08\0\0\0");
    put_number(tiff, n, 2, false);
    for (size_t i = 0; i < n; i++) {
        put_number(tiff, tags[i].tag, 2, false);
        put_number(tiff, tags[i].type, 2, false);
        put_number(tiff, tags[i].count, 4, false);
        put_number(tiff, tags[i].value, 4, false);
    }
    put_number(tiff, next, 4, false);
    for (int i = 0; i < 64; i++)
        put_number(tiff, 0x55, 1, false);
    return tiff;
}

enum {
    N_TAG = 9,
};

static void usual_tags(struct tag tags[N_TAG], uint64_t w, uint64_t h)
{
    const struct tag usual[N_TAG] = {
        {256, 4, 1, w}, {257, 4, 1, h}, {258, 3, 1, 8},
        {259, 3, 1, 1}, {262, 3, 1, 1}, {273, 4, 1, 8 + 2 + N_TAG * 12 + 4},
        {277, 3, 1, 1}, {278, 4, 1, h}, {279, 4, 1, 64}};
    memcpy(tags, usual, sizeof usual);
}

static GByteArray *webp_of(uint32_t w, uint32_t h)
{
    GByteArray *webp = copy_sound("lossy_alpha.webp");
    for (guint i = 12; i + 18 < webp->len; i++)
        if (memcmp(webp->data + i, "VP8X", 4) == 0) {
            for (int k = 0; k < 3; k++) {
                webp->data[i + 12 + (guint)k] = (guint8)((w - 1) >> 8 * k);
                webp->data[i + 15 + (guint)k] = (guint8)((h - 1) >> 8 * k);
            }
            return webp;
        }
    g_error("no VP8X");
    return webp;
}

static void test_sizes(void)
{
    static const uint32_t sides[][2] = {{0, 0},
                                        {0, 10},
                                        {10, 0},
                                        {0x80000000, 1},
                                        {1, 0x80000000},
                                        {100000, 100000},
                                        {0xFFFFFFFF, 0xFFFFFFFF},
                                        {65536, 65536},
                                        {32769, 1},
                                        {16001, 16001},
                                        {0x7FFFFFFF, 0x7FFFFFFF}};
    for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
        uint32_t w = sides[i][0];
        uint32_t h = sides[i][1];
        struct tag tags[N_TAG];
        char *name = g_strdup_printf("%u x %u", w, h);
        GByteArray *png = png_start(w, h, 8, 2);
        put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
        put_chunk(png, "IEND", NULL, 0);
        try_array(name, REFUSED, png);
        try_array(name, REFUSED, bmp_of(w, h, 24));
        usual_tags(tags, w, h);
        try_array(name, REFUSED, tiff_of(tags, N_TAG, 0));
        char *text = g_strdup_printf("P6\n%u %u\n255\nabc", w, h);
        try_bytes(name, REFUSED, text, strlen(text));
        g_free(text);
        g_free(name);
    }
    try_array("GIF 65308 x 65386", REFUSED, gif_of(65308, 65386, 65308, 65386));
    try_array("GIF canvas of 65308 x 65386", REFUSED, gif_of(65308, 65386, 1, 1));
    try_array("GIF frame of 65308 x 65386", REFUSED, gif_of(10, 10, 65308, 65386));
    try_array("GIF of nothing", REFUSED, gif_of(0, 0, 0, 0));
    try_array("GIF frame of nothing", REFUSED, gif_of(10, 10, 0, 10));
    try_array("sound GIF", SHOWN, gif_of(1, 1, 1, 1));
    try_array("JPEG 0 x 0", REFUSED, jpeg_of(0, 0));
    try_array("JPEG 0 x 9", REFUSED, jpeg_of(0, 9));
    try_array("JPEG 9 x 0", REFUSED, jpeg_of(9, 0));
    try_array("JPEG 65535 x 65535", REFUSED, jpeg_of(65535, 65535));
    try_array("JPEG 65500 x 1", REFUSED, jpeg_of(65500, 1));
    try_array("JPEG 8000 x 8000 without pixels", EITHER, jpeg_of(8000, 8000));
    try_array("WebP 2^24 x 2^24", REFUSED, webp_of(0x1000000, 0x1000000));
    try_array("WebP 1 x 1 around more", EITHER, webp_of(1, 1));
    try_array("WebP 8000 x 8000 around less", EITHER, webp_of(8000, 8000));
    try_array("sound PNG of 30000 x 30000", REFUSED, save(30000, 30000, 1, ".png[bitdepth=1]"));
    try_array("sound PNG of 8000 x 8000", SHOWN, save(8000, 8000, 3, ".png[compression=1]"));
    try_array("sound PNG of 8001 x 8001", REFUSED, save(8001, 8001, 1, ".png[bitdepth=1]"));
    try_array("sound interlaced PNG of 6000 x 6000", SHOWN,
              save(6000, 6000, 4, ".png[compression=1,interlace]"));
    try_array("sound JPEG of 8000 x 8000", SHOWN, save(8000, 8000, 3, ".jpg"));
    try_array("sound progressive JPEG of 8000 x 8000", SHOWN,
              save(8000, 8000, 3, ".jpg[interlace]"));
    try_array("sound WebP of 8000 x 8000", SHOWN, save(8000, 8000, 3, ".webp[lossless,effort=0]"));
    try_array("sound TIFF of 8000 x 8000", SHOWN, save(8000, 8000, 3, ".tif[compression=deflate]"));
    try_array("sound tiled TIFF of 8000 x 8000", SHOWN,
              save(8000, 8000, 3, ".tif[compression=lzw,tile]"));
    try_array("sound GIF of 5000 x 5000", SHOWN, save(5000, 5000, 3, ".gif"));
    static const char *const forms[] = {".png", ".jpg", ".tif", ".gif", ".ppm"};
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        try_array("1 x 20000", SHOWN, save(1, 20000, 3, forms[i]));
        try_array("20000 x 1", SHOWN, save(20000, 1, 3, forms[i]));
    }
    try_array("1 x 16383 WebP", SHOWN, save(1, 16383, 3, ".webp"));
    try_array("16383 x 1 WebP", SHOWN, save(16383, 1, 3, ".webp"));
}

/* ── Fields ── */

static void put_segment(GByteArray *jpeg, int marker, const void *body, size_t n)
{
    put_number(jpeg, 0xFF00u | (unsigned)marker, 2, true);
    put_number(jpeg, n + 2, 2, true);
    g_byte_array_append(jpeg, body, (guint)n);
}

/* baseline_444.jpg with segments put behind its first two bytes. */
static GByteArray *jpeg_with(const GByteArray *segments)
{
    const struct sound *sound = find_sound("baseline_444.jpg");
    GByteArray *jpeg = PUT(g_byte_array_new(), "\xFF\xD8");
    g_byte_array_append(jpeg, segments->data, segments->len);
    return g_byte_array_append(jpeg, sound->bytes->data + 2, sound->bytes->len - 2);
}

static void test_exif(void)
{
    static const struct {
        const char *bytes;
        size_t n;
    } blocks[] = {
        {"Exif\0\0", 6},
        {"Exif\0\0II*\0", 10},
        {"Exif\0\0II*\0\xFF\xFF\xFF\xFF", 14},
        {"Exif\0\0MM\0*\x7F\xFF\xFF\xFF", 14},
        {"Exif\0\0II*\0\x08\0\0\0\xFF\xFF", 16},
        {"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 28},
        {"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x07\0\x01\0\0\0\x06\0\0\0\x08\0\0\0", 32},
        {"Exif\0\0\xDE\xAD\xBE\xEF", 10},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(blocks); i++) {
        GByteArray *segments = g_byte_array_new();
        put_segment(segments, 0xE1, blocks[i].bytes, blocks[i].n);
        try_array("JPEG with broken EXIF", SHOWN, jpeg_with(segments));
        g_byte_array_unref(segments);

        GByteArray *png = copy_sound("rgb_8bit.png");
        GByteArray *chunk = g_byte_array_new();
        put_chunk(chunk, "eXIf", (const uint8_t *)blocks[i].bytes + 6, blocks[i].n - 6);
        g_byte_array_append(chunk, png->data + 33, png->len - 33);
        g_byte_array_set_size(png, 33);
        g_byte_array_append(png, chunk->data, chunk->len);
        g_byte_array_unref(chunk);
        try_array("PNG with broken EXIF", SHOWN, png);
    }
}

/* n bytes of an ICC profile with the signature in place and nonsense otherwise. */
static GByteArray *false_profile(size_t n, const char *space, GRand *random)
{
    GByteArray *profile = g_byte_array_new();
    g_byte_array_set_size(profile, (guint)n);
    for (size_t i = 0; i < n; i++)
        profile->data[i] = (guint8)below(random, 256);
    if (n >= 40) {
        memcpy(profile->data + 16, space, 4);
        memcpy(profile->data + 36, "acsp", 4);
    }
    if (n >= 132)
        memcpy(profile->data + 128, "\0\0\0\x10", 4);
    return profile;
}

static void put_profile(GByteArray *segments, const GByteArray *profile, int number, int count)
{
    GByteArray *body = PUT(g_byte_array_new(), "ICC_PROFILE");
    put_number(body, 0, 1, true);
    put_number(body, (uint64_t)number, 1, true);
    put_number(body, (uint64_t)count, 1, true);
    g_byte_array_append(body, profile->data, profile->len);
    put_segment(segments, 0xE2, body->data, body->len);
    g_byte_array_unref(body);
}

static void test_profiles(void)
{
    static const char *const spaces[] = {"RGB ", "GRAY", "CMYK", "Lab ", "XXXX"};
    static const size_t sizes[] = {0, 20, 131, 132, 200, 3000, 60000};
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
            GByteArray *profile = false_profile(sizes[k], spaces[i], random);
            GByteArray *segments = g_byte_array_new();
            put_profile(segments, profile, 1, 1);
            try_array("JPEG with a false profile", SHOWN, jpeg_with(segments));
            g_byte_array_unref(segments);
            g_byte_array_unref(profile);
        }
    GByteArray *profile = false_profile(1000, "RGB ", random);
    GByteArray *segments = g_byte_array_new();
    for (int i = 0; i < 300; i++)
        put_profile(segments, profile, i % 256, 255);
    try_array("JPEG with pieces of profiles twice and missing", SHOWN, jpeg_with(segments));
    g_byte_array_unref(segments);
    g_byte_array_unref(profile);

    /* Damage within sound profiles. */
    static const char *const names[] = {"icc_display_p3.jpg", "cmyk_adobe_icc.jpg",
                                        "icc_grey_linear.jpg"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        for (int k = 0; k < (harness_is_full() ? 200 : 15); k++) {
            GByteArray *jpeg = copy_sound(names[i]);
            guint at = 0;
            while (at + 12 < jpeg->len && memcmp(jpeg->data + at, "ICC_PROFILE", 11) != 0)
                at++;
            for (int m = 0; m < 4; m++)
                jpeg->data[at + 14 + below(random, 400)] = (guint8)below(random, 256);
            try_array(names[i], EITHER, jpeg);
        }
    g_rand_free(random);
}

/* A zlib stream of n zeros in stored blocks would be long; this one is made of runs: 258 zeros in
 * two bits each. */
static GByteArray *packed_zeros(size_t n)
{
    GByteArray *out = PUT(g_byte_array_new(), "\x78\x9C");
    uint64_t bits = 0;
    int n_bit = 0;
    /* Fixed codes: literal 0 is 00110000; length 258 is 11000101, distance 1 is 00000. All from the
     * high bit. */
    static const char first[] = "110"
                                "00110000";
    static const char run[] = "11000101"
                              "00000";
    size_t n_run = n / 258;
    for (size_t r = 0; r <= n_run; r++)
        for (const char *bit = r == 0 ? first : run; *bit; bit++) {
            bits |= (uint64_t)(*bit - '0') << n_bit++;
            if (n_bit == 8) {
                put_number(out, bits, 1, false);
                bits = 0;
                n_bit = 0;
            }
        }
    n_bit += 7; /* the end code is seven zeros */
    put_number(out, bits, (n_bit + 7) / 8, false);
    put_number(out, 0, 4, true); /* a check sum that is not looked at in time */
    return out;
}

static void test_bombs(void)
{
    GByteArray *zeros = packed_zeros(300u * 1024 * 1024);
    static const char *const types[] = {"iCCP", "zTXt", "iTXt", "prVt"};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        GByteArray *png = copy_sound("rgb_8bit.png");
        GByteArray *body = PUT(g_byte_array_new(), "name\0\0");
        GByteArray *chunk = g_byte_array_new();
        g_byte_array_append(body, zeros->data, zeros->len);
        put_chunk(chunk, types[i], body->data, body->len);
        g_byte_array_append(chunk, png->data + 33, png->len - 33);
        g_byte_array_set_size(png, 33);
        g_byte_array_append(png, chunk->data, chunk->len);
        try_array(types[i], SHOWN, png);
        g_byte_array_unref(chunk);
        g_byte_array_unref(body);
    }
    GByteArray *png = png_start(10, 10, 8, 2);
    put_chunk(png, "IDAT", zeros->data, zeros->len);
    put_chunk(png, "IEND", NULL, 0);
    try_array("PNG of 10 x 10 with 300 MB", EITHER, png);
    struct tag tags[N_TAG];
    usual_tags(tags, 100, 100);
    tags[3].value = 8; /* deflate */
    tags[8].value = zeros->len;
    GByteArray *tiff = tiff_of(tags, N_TAG, 0);
    g_byte_array_set_size(tiff, (guint)tags[5].value);
    g_byte_array_append(tiff, zeros->data, zeros->len);
    try_array("TIFF of 100 x 100 with 300 MB", EITHER, tiff);
    g_byte_array_unref(zeros);
}

static void test_comments_and_scans(void)
{
    GByteArray *segments = g_byte_array_new();
    for (int i = 0; i < 20000; i++)
        put_segment(segments, i % 2 ? 0xFE : 0xE1, "comment", 7);
    try_array("JPEG with 20000 comments", SHOWN, jpeg_with(segments));
    g_byte_array_unref(segments);

    GByteArray *png = copy_sound("rgb_8bit.png");
    GByteArray *chunks = g_byte_array_new();
    for (int i = 0; i < 50000; i++)
        put_chunk(chunks, "tEXt", (const uint8_t *)"a\0b", 3);
    g_byte_array_append(chunks, png->data + 33, png->len - 33);
    g_byte_array_set_size(png, 33);
    g_byte_array_append(png, chunks->data, chunks->len);
    g_byte_array_unref(chunks);
    try_array("PNG with 50000 comments", SHOWN, png);

    /* The last scan of a progressive picture again and again. */
    static const int n_scan[] = {5, 900, 30000};
    GByteArray *large = save(4000, 4000, 3, ".jpg[interlace]");
    guint last = large->len - 2;
    while (last > 2 && !(large->data[last] == 0xFF && large->data[last + 1] == 0xDA))
        last--;
    for (size_t i = 0; i < G_N_ELEMENTS(n_scan); i++) {
        GByteArray *many = g_byte_array_append(g_byte_array_new(), large->data, large->len - 2);
        for (int k = 0; k < n_scan[i] && many->len < 60u * 1024 * 1024; k++)
            g_byte_array_append(many, large->data + last, large->len - 2 - last);
        PUT(many, "\xFF\xD9");
        try_array("progressive JPEG with scans repeated", i == 2 ? REFUSED : EITHER, many);
    }
    g_byte_array_unref(large);
}

static void test_tiff_fields(void)
{
    struct tag tags[N_TAG];
    usual_tags(tags, 8, 8);
    try_array("sound TIFF", SHOWN, tiff_of(tags, N_TAG, 0));
    try_array("TIFF whose next directory is its first", SHOWN, tiff_of(tags, N_TAG, 8));
    try_array("TIFF whose next directory is outside", SHOWN, tiff_of(tags, N_TAG, 0xFFFFFFF0));
    try_array("TIFF whose next directory is within", SHOWN, tiff_of(tags, N_TAG, 20));
    static const uint64_t values[] = {0,     1,     2,     3,          4,          5,
                                      6,     7,     13,    32,         64,         255,
                                      32773, 34712, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (int i = 0; i < N_TAG; i++)
        for (size_t k = 0; k < G_N_ELEMENTS(values); k++) {
            char *name =
                g_strdup_printf("TIFF tag %d of %" G_GUINT64_FORMAT, tags[i].tag, values[k]);
            usual_tags(tags, 8, 8);
            tags[i].value = values[k];
            try_array(name, EITHER, tiff_of(tags, N_TAG, 0));
            usual_tags(tags, 8, 8);
            tags[i].count = values[k];
            try_array(name, EITHER, tiff_of(tags, N_TAG, 0));
            usual_tags(tags, 8, 8);
            tags[i].type = (uint16_t)values[k];
            try_array(name, EITHER, tiff_of(tags, N_TAG, 0));
            g_free(name);
        }
    /* Tiles larger than the picture by far. */
    struct tag tiled[N_TAG + 4];
    usual_tags(tiled, 8, 8);
    tiled[5] = (struct tag){322, 4, 1, 0x10000};
    tiled[6] = (struct tag){323, 4, 1, 0x10000};
    tiled[7] = (struct tag){324, 4, 1, 8};
    tiled[8] = (struct tag){325, 4, 1, 64};
    try_array("TIFF of a tile of 65536 x 65536", REFUSED, tiff_of(tiled, N_TAG, 0));
    try_bytes("TIFF with its directory at 0", REFUSED, "II*\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    try_bytes("TIFF with its directory far off", REFUSED, "MM\0*\xFF\xFF\xFF\xF0\0\0\0\0\0\0\0\0",
              16);
    try_bytes("BigTIFF far off", REFUSED, "II+\0\x08\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16);
}

/* Boxes of AVIF and HEIC: every 32-bit number of the header in turn made 0, 2^31 and 2^32 - 1. */
static void test_boxes(void)
{
    static const char *const names[] = {"avif_8bit_420.avif", "heic_8bit.heic",
                                        "heic_irot_and_exif_6.heic"};
    static const uint32_t values[] = {0, 1, 0x80000000, 0xFFFFFFFF};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const struct sound *sound = find_sound(names[i]);
        guint step = harness_is_full() ? 1 : 7;
        for (guint at = 0; at + 4 < MIN(sound->bytes->len, 700); at += step)
            for (size_t k = 0; k < G_N_ELEMENTS(values); k += harness_is_full() ? 1 : 3) {
                GByteArray *bytes = copy_sound(names[i]);
                for (guint b = 0; b < 4; b++)
                    bytes->data[at + b] = (guint8)(values[k] >> 8 * (3 - b));
                char *name = g_strdup_printf("%s with %u at %u", names[i], values[k], at);
                try_array(name, EITHER, bytes);
                g_free(name);
            }
    }
}

static void test_palettes(void)
{
    static const struct {
        int depth, colour;
    } kinds[] = {{3, 0}, {0, 2}, {16, 3}, {1, 6}, {8, 1}, {8, 7}, {32, 2}, {255, 255}};
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        GByteArray *png = png_start(8, 8, kinds[i].depth, kinds[i].colour);
        put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
        put_chunk(png, "IEND", NULL, 0);
        try_array("PNG of an impossible depth", REFUSED, png);
    }
    GByteArray *png = png_start(8, 8, 8, 3);
    put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
    put_chunk(png, "IEND", NULL, 0);
    try_array("PNG without its palette", REFUSED, png);
    png = png_start(8, 8, 8, 2);
    put_chunk(png, "IEND", NULL, 0);
    try_array("PNG without data", REFUSED, png);
    png = png_start(8, 8, 8, 2);
    put_chunk(png, "CRIT", NULL, 0);
    try_array("PNG with an unknown necessary chunk", REFUSED, png);
}

/* ── What is no picture ── */

static void test_documents(void)
{
    static const char *const texts[] = {
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "\xEF\xBB\xBF  <?xml version='1.0'?>\n<!DOCTYPE svg [<!ENTITY a 'aaaa'>]><svg>&a;</svg>",
        "%PDF-1.7\n1 0 obj\n",
        "junk before\n%PDF-1.4\n",
        "%!PS-Adobe-3.0 EPSF-3.0\n",
        "push graphic-context\nimage over 0,0 0,0 'https://example.com/x.png'\n",
        "<?xml version='1.0'?><image><read filename='/etc/passwd'/></image>",
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
        "[playlist]\nFile1=x\n",
        "<asx version='3.0'></asx>",
        "<!DOCTYPE html><html><img src='x.png'></html>",
        "<html></html>",
        "#!/bin/sh\necho\n",
        "just some text\n",
        "\n\n\n",
        " ",
        "BM is how this text begins, and it goes on for a while\n",
        "GIF8",
        "GIF89a",
        "\xFF\xD8\xFF",
        "\xFF\xD8\xFF\xE0",
        "\x89PNG\r\n\x1A\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        "P6",
        "P6\n",
        "P6 99999999999999999999 1 255\n",
        "P5 10 10 0\n",
        "P2 10 10 255 1 2 3 x",
        "P7\nWIDTH 1\n",
        "\x1A\x45\xDF\xA3matroska",
        "OggS",
        "PK\x03\x04",
        "\x1F\x8B\x08",
        "\x7F"
        "ELF",
        "RIFF....AVI LIST",
        "RIFF....WEBP",
        "RIFF....WEBPVP8 ",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        try_bytes(texts[i], REFUSED, texts[i], strlen(texts[i]));
    try_bytes("nothing", REFUSED, "", 0);
    try_bytes("MP4", REFUSED,
              "\0\0\0\x18"
              "ftypisom\0\0\0\0isommp42",
              24);
    try_bytes("MOV", REFUSED,
              "\0\0\0\x14"
              "ftypqt  \0\0\0\0qt  ",
              20);
    try_bytes("HEIC without meta", REFUSED,
              "\0\0\0\x14"
              "ftypheic\0\0\0\0heic",
              20);
    try_bytes("ICO of nothing", REFUSED, "\0\0\x01\0\0\0", 6);
    try_bytes("ICO far off", REFUSED,
              "\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 22);
    GByteArray *stream = g_byte_array_new();
    for (int i = 0; i < 1880; i++)
        put_number(stream, i % 188 ? 0xFF : 0x47, 1, false);
    try_array("MPEG transport stream", REFUSED, stream);
    GByteArray *deep = g_byte_array_new();
    for (int i = 0; i < 20000; i++)
        PUT(deep, "<g>");
    try_array("text of brackets", REFUSED, deep);
}

static void test_polyglots(void)
{
    static const char *const names[] = {"baseline_444.jpg",   "rgb_8bit.png", "lossless.webp",
                                        "still.gif",          "rgb_8bit.tif", "heic_8bit.heic",
                                        "avif_8bit_420.avif", "rgb24.bmp"};
    static const char behind[] =
        "PK\x03\x04%PDF-1.7 <svg/> <?php system($_GET[0]); ?> #!/bin/sh\n\xFF\xD8\xFF";
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        GByteArray *bytes = copy_sound(names[i]);
        try_array(names[i], SHOWN, PUT(bytes, behind));
    }
}

/* By name, through nawi_vision_open_file(). */
static void refuse_path(const char *name, const char *path, const char *word)
{
    GError *error = NULL;
    double started = now_s();
    int fd = nawi_vision_open_file(path, NULL, &error);
    g_test_message("%s: %s", name, error ? error->message : "opened");
    g_assert_cmpint(fd, ==, -1);
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, word));
    g_assert_true(now_s() - started < 1);
    g_clear_error(&error);
    n_case += 1;
}

static void test_no_files(void)
{
    char *dir = g_build_filename(harness_scratch(), "none", NULL);
    char *pipe_path = g_build_filename(dir, "pipe", NULL);
    char *loop = g_build_filename(dir, "loop", NULL);
    char *zero = g_build_filename(dir, "zero.png", NULL);
    char *dangling = g_build_filename(dir, "dangling", NULL);
    char *empty = g_build_filename(dir, "empty.jpg", NULL);
    char *sparse = g_build_filename(dir, "sparse.png", NULL);
    char *gone = g_build_filename(dir, "gone\x1B[31m.png", NULL);
    g_assert_cmpint(mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    g_assert_cmpint(symlink(loop, loop), ==, 0);
    g_assert_cmpint(symlink("/dev/zero", zero), ==, 0);
    g_assert_cmpint(symlink("/nowhere/at/all", dangling), ==, 0);
    g_assert_true(g_file_set_contents(empty, "", 0, NULL));
    int fd = open(sparse, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(fd, (off_t)4 << 30), ==, 0);
    close(fd);
    refuse_path("folder", dir, "folder");
    refuse_path("pipe", pipe_path, "pipe");
    refuse_path("link to itself", loop, "cannot be opened");
    refuse_path("link to /dev/zero", zero, "device");
    refuse_path("link to nothing", dangling, "cannot be opened");
    refuse_path("empty", empty, "empty");
    refuse_path("sparse", sparse, "4096.0 MiB");
    refuse_path("gone", gone, "\\x1B");
    refuse_path("no name", "", "cannot be opened");
    g_free(dir);
    g_free(pipe_path);
    g_free(loop);
    g_free(zero);
    g_free(dangling);
    g_free(empty);
    g_free(sparse);
    g_free(gone);
}

static void test_count(void)
{
    g_test_message("%d files; the slowest took %.1f s, the largest %ld MiB", n_case, slowest_s,
                   largest_kib / 1024);
    g_assert_cmpint(n_case, >=, 200);
}

static void free_sound(void *data)
{
    struct sound *sound = data;
    g_free(sound->name);
    g_byte_array_unref(sound->bytes);
    g_free(sound);
}

static void load_sounds(void)
{
    char *path = harness_golden("pictures/files");
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    g_assert_nonnull(dir);
    sounds = g_ptr_array_new_with_free_func(free_sound);
    while ((name = g_dir_read_name(dir))) {
        char *file = g_build_filename(path, name, NULL);
        char *bytes = NULL;
        gsize n = 0;
        struct sound *sound = g_new0(struct sound, 1);
        if (!g_file_get_contents(file, &bytes, &n, NULL))
            g_error("%s", file);
        sound->name = g_strdup(name);
        sound->bytes = g_byte_array_new_take((guint8 *)bytes, n);
        g_ptr_array_add(sounds, sound);
        g_free(file);
    }
    g_dir_close(dir);
    g_free(path);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    harness_init(&argc, &argv);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    if (!nawi_vision_init(&error))
        g_error("%s", error->message);
    load_sounds();
    g_test_add_func("/cut", test_cut);
    g_test_add_func("/noise", test_noise);
    g_test_add_func("/splice", test_splice);
    g_test_add_func("/sizes", test_sizes);
    g_test_add_func("/exif", test_exif);
    g_test_add_func("/profiles", test_profiles);
    g_test_add_func("/bombs", test_bombs);
    g_test_add_func("/comments-and-scans", test_comments_and_scans);
    g_test_add_func("/tiff-fields", test_tiff_fields);
    g_test_add_func("/boxes", test_boxes);
    g_test_add_func("/palettes", test_palettes);
    g_test_add_func("/documents", test_documents);
    g_test_add_func("/polyglots", test_polyglots);
    g_test_add_func("/no-files", test_no_files);
    g_test_add_func("/count", test_count);
    int rc = harness_main();
    g_ptr_array_unref(sounds);
    nawi_vision_finish();
    return rc;
}
