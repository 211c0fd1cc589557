/* Sound picture files to be spoiled, and hostile ones built byte by byte: a workshop for the tests
 * that open them. The golden pictures are kept in memory for the whole program. */
#include "tests/hostile/forge.h"

#include "tests/harness.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>

static GPtrArray *sounds; /* struct forge_sound * */

guint32 forge_below(GRand *random, guint32 n)
{
    return n ? (guint32)g_rand_int_range(random, 0, (gint32)n) : 0;
}

GByteArray *forge_put(GByteArray *to, const char *bytes, size_t n)
{
    return g_byte_array_append(to, (const guint8 *)bytes, (guint)n);
}

void forge_put_number(GByteArray *to, uint64_t v, int n, bool big)
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

void forge_put_chunk(GByteArray *png, const char *type, const uint8_t *body, size_t n)
{
    forge_put_number(png, n, 4, true);
    guint from = png->len;
    forge_put(png, type, 4);
    g_byte_array_append(png, body, (guint)n);
    forge_put_number(png, crc32_of(png->data + from, n + 4), 4, true);
}

GByteArray *forge_png(uint32_t w, uint32_t h, int depth, int colour)
{
    GByteArray *png = FORGE_PUT(g_byte_array_new(), "\x89PNG\r\n\x1A\n");
    GByteArray *header = g_byte_array_new();
    forge_put_number(header, w, 4, true);
    forge_put_number(header, h, 4, true);
    forge_put_number(header, (uint64_t)depth << 32 | (uint64_t)colour << 24, 5, true);
    forge_put_chunk(png, "IHDR", header->data, header->len);
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
GByteArray *forge_saved(int w, int h, int n_band, const char *suffix)
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

const struct forge_sound *forge_find(const char *name)
{
    for (guint i = 0; i < sounds->len; i++) {
        const struct forge_sound *sound = g_ptr_array_index(sounds, i);
        if (strcmp(sound->name, name) == 0)
            return sound;
    }
    g_error("no sound picture %s", name);
    return NULL;
}

GByteArray *forge_copy(const char *name)
{
    const struct forge_sound *sound = forge_find(name);
    return g_byte_array_append(g_byte_array_new(), sound->bytes->data, sound->bytes->len);
}

GByteArray *forge_gif(int w, int h, int frame_w, int frame_h)
{
    GByteArray *gif = FORGE_PUT(g_byte_array_new(), "GIF89a");
    forge_put_number(gif, (uint64_t)w, 2, false);
    forge_put_number(gif, (uint64_t)h, 2, false);
    FORGE_PUT(gif, "\x80\0\0\xFF\0\0\0\0\xFF,\0\0\0\0");
    forge_put_number(gif, (uint64_t)frame_w, 2, false);
    forge_put_number(gif, (uint64_t)frame_h, 2, false);
    return FORGE_PUT(gif, "\0\x02\x02\x44\x01\0;");
}

GByteArray *forge_jpeg(int w, int h)
{
    GByteArray *jpeg = forge_copy("baseline_444.jpg");
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

GByteArray *forge_bmp(uint32_t w, uint32_t h, int bits)
{
    GByteArray *bmp = FORGE_PUT(g_byte_array_new(), "BM\x60\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0");
    forge_put_number(bmp, w, 4, false);
    forge_put_number(bmp, h, 4, false);
    forge_put_number(bmp, 1, 2, false);
    forge_put_number(bmp, (uint64_t)bits, 2, false);
    for (int i = 0; i < 40; i++)
        forge_put_number(bmp, 0, 1, false);
    return bmp;
}

/* A TIFF of one directory; next is the link behind it. */
GByteArray *forge_tiff(const struct forge_tag *tags, size_t n, uint32_t next)
{
    GByteArray *tiff = FORGE_PUT(g_byte_array_new(), "II*\0\x08\0\0\0");
    forge_put_number(tiff, n, 2, false);
    for (size_t i = 0; i < n; i++) {
        forge_put_number(tiff, tags[i].tag, 2, false);
        forge_put_number(tiff, tags[i].type, 2, false);
        forge_put_number(tiff, tags[i].count, 4, false);
        forge_put_number(tiff, tags[i].value, 4, false);
    }
    forge_put_number(tiff, next, 4, false);
    for (int i = 0; i < 64; i++)
        forge_put_number(tiff, 0x55, 1, false);
    return tiff;
}

void forge_usual_tags(struct forge_tag tags[FORGE_TAGS], uint64_t w, uint64_t h)
{
    const struct forge_tag usual[FORGE_TAGS] = {
        {256, 4, 1, w}, {257, 4, 1, h}, {258, 3, 1, 8},
        {259, 3, 1, 1}, {262, 3, 1, 1}, {273, 4, 1, 8 + 2 + FORGE_TAGS * 12 + 4},
        {277, 3, 1, 1}, {278, 4, 1, h}, {279, 4, 1, 64}};
    memcpy(tags, usual, sizeof usual);
}

GByteArray *forge_webp(uint32_t w, uint32_t h)
{
    GByteArray *webp = forge_copy("lossy_alpha.webp");
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

void forge_put_segment(GByteArray *jpeg, int marker, const void *body, size_t n)
{
    forge_put_number(jpeg, 0xFF00u | (unsigned)marker, 2, true);
    forge_put_number(jpeg, n + 2, 2, true);
    g_byte_array_append(jpeg, body, (guint)n);
}

/* baseline_444.jpg with segments put behind its first two bytes. */
GByteArray *forge_jpeg_with(const GByteArray *segments)
{
    const struct forge_sound *sound = forge_find("baseline_444.jpg");
    GByteArray *jpeg = FORGE_PUT(g_byte_array_new(), "\xFF\xD8");
    g_byte_array_append(jpeg, segments->data, segments->len);
    return g_byte_array_append(jpeg, sound->bytes->data + 2, sound->bytes->len - 2);
}

/* n bytes of an ICC profile with the signature in place and nonsense otherwise. */
GByteArray *forge_profile(size_t n, const char *space, GRand *random)
{
    GByteArray *profile = g_byte_array_new();
    g_byte_array_set_size(profile, (guint)n);
    for (size_t i = 0; i < n; i++)
        profile->data[i] = (guint8)forge_below(random, 256);
    if (n >= 40) {
        memcpy(profile->data + 16, space, 4);
        memcpy(profile->data + 36, "acsp", 4);
    }
    if (n >= 132)
        memcpy(profile->data + 128, "\0\0\0\x10", 4);
    return profile;
}

void forge_put_profile(GByteArray *segments, const GByteArray *profile, int number, int count)
{
    GByteArray *body = FORGE_PUT(g_byte_array_new(), "ICC_PROFILE");
    forge_put_number(body, 0, 1, true);
    forge_put_number(body, (uint64_t)number, 1, true);
    forge_put_number(body, (uint64_t)count, 1, true);
    g_byte_array_append(body, profile->data, profile->len);
    forge_put_segment(segments, 0xE2, body->data, body->len);
    g_byte_array_unref(body);
}

/* A zlib stream of n zeros in stored blocks would be long; this one is made of runs: 258 zeros in
 * two bits each. */
GByteArray *forge_zeros(size_t n)
{
    GByteArray *out = FORGE_PUT(g_byte_array_new(), "\x78\x9C");
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
                forge_put_number(out, bits, 1, false);
                bits = 0;
                n_bit = 0;
            }
        }
    n_bit += 7; /* the end code is seven zeros */
    forge_put_number(out, bits, (n_bit + 7) / 8, false);
    forge_put_number(out, 0, 4, true); /* a check sum that is not looked at in time */
    return out;
}

static void free_sound(void *data)
{
    struct forge_sound *sound = data;
    g_free(sound->name);
    g_byte_array_unref(sound->bytes);
    g_free(sound);
}

void forge_start(void)
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
        struct forge_sound *sound = g_new0(struct forge_sound, 1);
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

const GPtrArray *forge_get_sounds(void) { return sounds; }

void forge_stop(void) { g_ptr_array_unref(sounds); }
