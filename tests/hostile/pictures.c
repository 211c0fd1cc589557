/* Malformed pictures, made here from sound ones and from nothing. Each is opened and laid out in a
 * process of its own, that may take ten seconds and a gibibyte: it must end by itself, with pixels
 * or with a sentence. */
#include "engine/error.h"
#include "tests/harness.h"
#include "tests/hostile/forge.h"
#include "vision/vision.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ── Cut, noise, splice ── */

static void test_cut(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    int n_cut = harness_is_full() ? 40 : 4;
    for (guint i = 0; i < forge_get_sounds()->len; i++) {
        const struct forge_sound *sound = g_ptr_array_index(forge_get_sounds(), i);
        for (int k = 0; k < n_cut; k++) {
            guint32 at = k == 0   ? sound->bytes->len - 1
                         : k == 1 ? forge_below(random, 64)
                                  : forge_below(random, sound->bytes->len);
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
    guint32 at = forge_below(random, bytes->len);
    guint32 wanted = 1 + forge_below(random, 64);
    guint32 n = MIN(wanted, bytes->len - at);
    switch (forge_below(random, 5)) {
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
            bytes->data[forge_below(random, bytes->len)] ^= (guint8)(1u << forge_below(random, 8));
        break;
    }
}

static void test_noise(void)
{
    GRand *random = g_rand_new_with_seed(harness_seed());
    int n_noise = harness_is_full() ? 60 : 5;
    for (guint i = 0; i < forge_get_sounds()->len; i++)
        for (int k = 0; k < n_noise; k++) {
            const struct forge_sound *sound = g_ptr_array_index(forge_get_sounds(), i);
            GByteArray *bytes = forge_copy(sound->name);
            /* Half of the damage in the header, where the lengths are. */
            if (k % 2) {
                for (int m = 0; m < 3; m++)
                    bytes->data[forge_below(random, MIN(bytes->len, 160))] =
                        (guint8)forge_below(random, 256);
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
        const struct forge_sound *a =
            g_ptr_array_index(forge_get_sounds(), forge_below(random, forge_get_sounds()->len));
        const struct forge_sound *b =
            g_ptr_array_index(forge_get_sounds(), forge_below(random, forge_get_sounds()->len));
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
        struct forge_tag tags[FORGE_TAGS];
        char *name = g_strdup_printf("%u x %u", w, h);
        GByteArray *png = forge_png(w, h, 8, 2);
        forge_put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
        forge_put_chunk(png, "IEND", NULL, 0);
        try_array(name, REFUSED, png);
        try_array(name, REFUSED, forge_bmp(w, h, 24));
        forge_usual_tags(tags, w, h);
        try_array(name, REFUSED, forge_tiff(tags, FORGE_TAGS, 0));
        char *text = g_strdup_printf("P6\n%u %u\n255\nabc", w, h);
        try_bytes(name, REFUSED, text, strlen(text));
        g_free(text);
        g_free(name);
    }
    try_array("GIF 65308 x 65386", REFUSED, forge_gif(65308, 65386, 65308, 65386));
    try_array("GIF canvas of 65308 x 65386", REFUSED, forge_gif(65308, 65386, 1, 1));
    try_array("GIF frame of 65308 x 65386", REFUSED, forge_gif(10, 10, 65308, 65386));
    try_array("GIF of nothing", REFUSED, forge_gif(0, 0, 0, 0));
    try_array("GIF frame of nothing", REFUSED, forge_gif(10, 10, 0, 10));
    try_array("sound GIF", SHOWN, forge_gif(1, 1, 1, 1));
    try_array("JPEG 0 x 0", REFUSED, forge_jpeg(0, 0));
    try_array("JPEG 0 x 9", REFUSED, forge_jpeg(0, 9));
    try_array("JPEG 9 x 0", REFUSED, forge_jpeg(9, 0));
    try_array("JPEG 65535 x 65535", REFUSED, forge_jpeg(65535, 65535));
    try_array("JPEG 65500 x 1", REFUSED, forge_jpeg(65500, 1));
    try_array("JPEG 8000 x 8000 without pixels", EITHER, forge_jpeg(8000, 8000));
    try_array("WebP 2^24 x 2^24", REFUSED, forge_webp(0x1000000, 0x1000000));
    try_array("WebP 1 x 1 around more", EITHER, forge_webp(1, 1));
    try_array("WebP 8000 x 8000 around less", EITHER, forge_webp(8000, 8000));
    try_array("sound PNG of 30000 x 30000", REFUSED,
              forge_saved(30000, 30000, 1, ".png[bitdepth=1]"));
    try_array("sound PNG of 8000 x 8000", SHOWN, forge_saved(8000, 8000, 3, ".png[compression=1]"));
    try_array("sound PNG of 8001 x 8001", REFUSED, forge_saved(8001, 8001, 1, ".png[bitdepth=1]"));
    try_array("sound interlaced PNG of 6000 x 6000", SHOWN,
              forge_saved(6000, 6000, 4, ".png[compression=1,interlace]"));
    try_array("sound JPEG of 8000 x 8000", SHOWN, forge_saved(8000, 8000, 3, ".jpg"));
    try_array("sound progressive JPEG of 8000 x 8000", SHOWN,
              forge_saved(8000, 8000, 3, ".jpg[interlace]"));
    try_array("sound WebP of 8000 x 8000", SHOWN,
              forge_saved(8000, 8000, 3, ".webp[lossless,effort=0]"));
    try_array("sound TIFF of 8000 x 8000", SHOWN,
              forge_saved(8000, 8000, 3, ".tif[compression=deflate]"));
    try_array("sound tiled TIFF of 8000 x 8000", SHOWN,
              forge_saved(8000, 8000, 3, ".tif[compression=lzw,tile]"));
    try_array("sound GIF of 5000 x 5000", SHOWN, forge_saved(5000, 5000, 3, ".gif"));
    static const char *const forms[] = {".png", ".jpg", ".tif", ".gif", ".ppm"};
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        try_array("1 x 20000", SHOWN, forge_saved(1, 20000, 3, forms[i]));
        try_array("20000 x 1", SHOWN, forge_saved(20000, 1, 3, forms[i]));
    }
    try_array("1 x 16383 WebP", SHOWN, forge_saved(1, 16383, 3, ".webp"));
    try_array("16383 x 1 WebP", SHOWN, forge_saved(16383, 1, 3, ".webp"));
}

/* ── Fields ── */

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
        forge_put_segment(segments, 0xE1, blocks[i].bytes, blocks[i].n);
        try_array("JPEG with broken EXIF", SHOWN, forge_jpeg_with(segments));
        g_byte_array_unref(segments);

        GByteArray *png = forge_copy("rgb_8bit.png");
        GByteArray *chunk = g_byte_array_new();
        forge_put_chunk(chunk, "eXIf", (const uint8_t *)blocks[i].bytes + 6, blocks[i].n - 6);
        g_byte_array_append(chunk, png->data + 33, png->len - 33);
        g_byte_array_set_size(png, 33);
        g_byte_array_append(png, chunk->data, chunk->len);
        g_byte_array_unref(chunk);
        try_array("PNG with broken EXIF", SHOWN, png);
    }
}

static void test_profiles(void)
{
    static const char *const spaces[] = {"RGB ", "GRAY", "CMYK", "Lab ", "XXXX"};
    static const size_t sizes[] = {0, 20, 131, 132, 200, 3000, 60000};
    GRand *random = g_rand_new_with_seed(harness_seed());
    for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
            GByteArray *profile = forge_profile(sizes[k], spaces[i], random);
            GByteArray *segments = g_byte_array_new();
            forge_put_profile(segments, profile, 1, 1);
            try_array("JPEG with a false profile", SHOWN, forge_jpeg_with(segments));
            g_byte_array_unref(segments);
            g_byte_array_unref(profile);
        }
    GByteArray *profile = forge_profile(1000, "RGB ", random);
    GByteArray *segments = g_byte_array_new();
    for (int i = 0; i < 300; i++)
        forge_put_profile(segments, profile, i % 256, 255);
    try_array("JPEG with pieces of profiles twice and missing", SHOWN, forge_jpeg_with(segments));
    g_byte_array_unref(segments);
    g_byte_array_unref(profile);

    /* Damage within sound profiles. */
    static const char *const names[] = {"icc_display_p3.jpg", "cmyk_adobe_icc.jpg",
                                        "icc_grey_linear.jpg"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        for (int k = 0; k < (harness_is_full() ? 200 : 15); k++) {
            GByteArray *jpeg = forge_copy(names[i]);
            guint at = 0;
            while (at + 12 < jpeg->len && memcmp(jpeg->data + at, "ICC_PROFILE", 11) != 0)
                at++;
            for (int m = 0; m < 4; m++)
                jpeg->data[at + 14 + forge_below(random, 400)] = (guint8)forge_below(random, 256);
            try_array(names[i], EITHER, jpeg);
        }
    g_rand_free(random);
}

static void test_bombs(void)
{
    GByteArray *zeros = forge_zeros(300u * 1024 * 1024);
    static const char *const types[] = {"iCCP", "zTXt", "iTXt", "prVt"};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        GByteArray *png = forge_copy("rgb_8bit.png");
        GByteArray *body = FORGE_PUT(g_byte_array_new(), "name\0\0");
        GByteArray *chunk = g_byte_array_new();
        g_byte_array_append(body, zeros->data, zeros->len);
        forge_put_chunk(chunk, types[i], body->data, body->len);
        g_byte_array_append(chunk, png->data + 33, png->len - 33);
        g_byte_array_set_size(png, 33);
        g_byte_array_append(png, chunk->data, chunk->len);
        try_array(types[i], SHOWN, png);
        g_byte_array_unref(chunk);
        g_byte_array_unref(body);
    }
    GByteArray *png = forge_png(10, 10, 8, 2);
    forge_put_chunk(png, "IDAT", zeros->data, zeros->len);
    forge_put_chunk(png, "IEND", NULL, 0);
    try_array("PNG of 10 x 10 with 300 MB", EITHER, png);
    struct forge_tag tags[FORGE_TAGS];
    forge_usual_tags(tags, 100, 100);
    tags[3].value = 8; /* deflate */
    tags[8].value = zeros->len;
    GByteArray *tiff = forge_tiff(tags, FORGE_TAGS, 0);
    g_byte_array_set_size(tiff, (guint)tags[5].value);
    g_byte_array_append(tiff, zeros->data, zeros->len);
    try_array("TIFF of 100 x 100 with 300 MB", EITHER, tiff);
    g_byte_array_unref(zeros);
}

static void test_comments_and_scans(void)
{
    GByteArray *segments = g_byte_array_new();
    for (int i = 0; i < 20000; i++)
        forge_put_segment(segments, i % 2 ? 0xFE : 0xE1, "comment", 7);
    try_array("JPEG with 20000 comments", SHOWN, forge_jpeg_with(segments));
    g_byte_array_unref(segments);

    GByteArray *png = forge_copy("rgb_8bit.png");
    GByteArray *chunks = g_byte_array_new();
    for (int i = 0; i < 50000; i++)
        forge_put_chunk(chunks, "tEXt", (const uint8_t *)"a\0b", 3);
    g_byte_array_append(chunks, png->data + 33, png->len - 33);
    g_byte_array_set_size(png, 33);
    g_byte_array_append(png, chunks->data, chunks->len);
    g_byte_array_unref(chunks);
    try_array("PNG with 50000 comments", SHOWN, png);

    /* The last scan of a progressive picture again and again. */
    static const int n_scan[] = {5, 900, 30000};
    GByteArray *large = forge_saved(4000, 4000, 3, ".jpg[interlace]");
    guint last = large->len - 2;
    while (last > 2 && !(large->data[last] == 0xFF && large->data[last + 1] == 0xDA))
        last--;
    for (size_t i = 0; i < G_N_ELEMENTS(n_scan); i++) {
        GByteArray *many = g_byte_array_append(g_byte_array_new(), large->data, large->len - 2);
        for (int k = 0; k < n_scan[i] && many->len < 60u * 1024 * 1024; k++)
            g_byte_array_append(many, large->data + last, large->len - 2 - last);
        FORGE_PUT(many, "\xFF\xD9");
        try_array("progressive JPEG with scans repeated", i == 2 ? REFUSED : EITHER, many);
    }
    g_byte_array_unref(large);
}

static void test_tiff_fields(void)
{
    struct forge_tag tags[FORGE_TAGS];
    forge_usual_tags(tags, 8, 8);
    try_array("sound TIFF", SHOWN, forge_tiff(tags, FORGE_TAGS, 0));
    try_array("TIFF whose next directory is its first", SHOWN, forge_tiff(tags, FORGE_TAGS, 8));
    try_array("TIFF whose next directory is outside", SHOWN,
              forge_tiff(tags, FORGE_TAGS, 0xFFFFFFF0));
    try_array("TIFF whose next directory is within", SHOWN, forge_tiff(tags, FORGE_TAGS, 20));
    static const uint64_t values[] = {0,     1,     2,     3,          4,          5,
                                      6,     7,     13,    32,         64,         255,
                                      32773, 34712, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (int i = 0; i < FORGE_TAGS; i++)
        for (size_t k = 0; k < G_N_ELEMENTS(values); k++) {
            char *name =
                g_strdup_printf("TIFF tag %d of %" G_GUINT64_FORMAT, tags[i].tag, values[k]);
            forge_usual_tags(tags, 8, 8);
            tags[i].value = values[k];
            try_array(name, EITHER, forge_tiff(tags, FORGE_TAGS, 0));
            forge_usual_tags(tags, 8, 8);
            tags[i].count = values[k];
            try_array(name, EITHER, forge_tiff(tags, FORGE_TAGS, 0));
            forge_usual_tags(tags, 8, 8);
            tags[i].type = (uint16_t)values[k];
            try_array(name, EITHER, forge_tiff(tags, FORGE_TAGS, 0));
            g_free(name);
        }
    /* Tiles larger than the picture by far. */
    struct forge_tag tiled[FORGE_TAGS + 4];
    forge_usual_tags(tiled, 8, 8);
    tiled[5] = (struct forge_tag){322, 4, 1, 0x10000};
    tiled[6] = (struct forge_tag){323, 4, 1, 0x10000};
    tiled[7] = (struct forge_tag){324, 4, 1, 8};
    tiled[8] = (struct forge_tag){325, 4, 1, 64};
    try_array("TIFF of a tile of 65536 x 65536", REFUSED, forge_tiff(tiled, FORGE_TAGS, 0));
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
        const struct forge_sound *sound = forge_find(names[i]);
        guint step = harness_is_full() ? 1 : 7;
        for (guint at = 0; at + 4 < MIN(sound->bytes->len, 700); at += step)
            for (size_t k = 0; k < G_N_ELEMENTS(values); k += harness_is_full() ? 1 : 3) {
                GByteArray *bytes = forge_copy(names[i]);
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
        GByteArray *png = forge_png(8, 8, kinds[i].depth, kinds[i].colour);
        forge_put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
        forge_put_chunk(png, "IEND", NULL, 0);
        try_array("PNG of an impossible depth", REFUSED, png);
    }
    GByteArray *png = forge_png(8, 8, 8, 3);
    forge_put_chunk(png, "IDAT", (const uint8_t *)"\x78\x9C\x03\0\0\0\0\x01", 8);
    forge_put_chunk(png, "IEND", NULL, 0);
    try_array("PNG without its palette", REFUSED, png);
    png = forge_png(8, 8, 8, 2);
    forge_put_chunk(png, "IEND", NULL, 0);
    try_array("PNG without data", REFUSED, png);
    png = forge_png(8, 8, 8, 2);
    forge_put_chunk(png, "CRIT", NULL, 0);
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
        forge_put_number(stream, i % 188 ? 0xFF : 0x47, 1, false);
    try_array("MPEG transport stream", REFUSED, stream);
    GByteArray *deep = g_byte_array_new();
    for (int i = 0; i < 20000; i++)
        FORGE_PUT(deep, "<g>");
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
        GByteArray *bytes = forge_copy(names[i]);
        try_array(names[i], SHOWN, FORGE_PUT(bytes, behind));
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

int main(int argc, char **argv)
{
    GError *error = NULL;
    harness_init(&argc, &argv);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    if (!nawi_vision_init(&error))
        g_error("%s", error->message);
    forge_start();
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
    forge_stop();
    nawi_vision_finish();
    return rc;
}
