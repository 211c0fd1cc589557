/* Every picture of golden/pictures against what it must become, and sound pictures under odd names.
 */
#include "engine/error.h"
#include "tests/harness.h"
#include "vision/vision.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *cases;

static bool open_picture(const char *path, struct nawi_picture *out, GError **error)
{
    *out = (struct nawi_picture){0};
    int fd = nawi_vision_open_file(path, NULL, error);
    if (fd < 0)
        return false;
    bool ok = nawi_vision_open(fd, path, NULL, NULL, out, error);
    close(fd);
    return ok;
}

static bool open_golden(const char *relative, struct nawi_picture *out, GError **error)
{
    char *below = g_strconcat("pictures/", relative, NULL);
    char *path = harness_golden(below);
    bool ok = open_picture(path, out, error);
    g_free(path);
    g_free(below);
    return ok;
}

static void compare(const struct nawi_picture *a, const struct nawi_picture *b, double *mean,
                    int *most)
{
    size_t n = (size_t)a->width_px * (size_t)a->height_px * 3;
    double sum = 0;
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        sum += d;
        *most = MAX(*most, d);
    }
    *mean = sum / (double)n;
}

static bool matches(const json_t *row, const struct nawi_picture *found, const char *key)
{
    struct nawi_picture expected;
    GError *error = NULL;
    const char *file = json_string_value(json_object_get(row, key));
    double mean = INFINITY;
    int most = 255;
    if (!file)
        return false;
    g_assert_true(open_golden(file, &expected, &error));
    g_assert_no_error(error);
    bool same = found->width_px == expected.width_px && found->height_px == expected.height_px;
    if (same)
        compare(found, &expected, &mean, &most);
    bool ok = same && mean <= json_number_value(json_object_get(row, "mean")) &&
              most <= json_integer_value(json_object_get(row, "max"));
    g_test_message("%s: %d x %d, expected %d x %d; mean %.3f, most %d: %s", key, found->width_px,
                   found->height_px, expected.width_px, expected.height_px, mean, most,
                   ok ? "within" : "OUTSIDE");
    nawi_picture_finish(&expected);
    return ok;
}

static void test_picture(const void *data)
{
    const json_t *row = data;
    const char *file = json_string_value(json_object_get(row, "file"));
    const char *level = json_string_value(json_object_get(row, "level"));
    struct nawi_picture found;
    GError *error = NULL;
    if (!open_golden(file, &found, &error)) {
        g_assert_cmpstr(level, ==, "may_refuse");
        g_assert_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED);
        g_test_message("refused: %s", error->message);
        g_clear_error(&error);
        return;
    }
    g_assert_no_error(error);
    g_assert_true(matches(row, &found, "expected") || matches(row, &found, "expected_also"));
    nawi_picture_finish(&found);
}

/* Copies a file to bytes of a name and opens it there. */
static void test_name(const void *data)
{
    const json_t *row = data;
    const char *hex = json_string_value(json_object_get(row, "drop_as_hex"));
    const char *file = json_string_value(json_object_get(row, "file"));
    GString *name = g_string_new(NULL);
    for (size_t i = 0; hex[i]; i += 2)
        g_string_append_c(
            name, (char)(g_ascii_xdigit_value(hex[i]) * 16 + g_ascii_xdigit_value(hex[i + 1])));
    char *below = g_strconcat("pictures/", file, NULL);
    char *from = harness_golden(below);
    char *to = g_build_filename(harness_scratch(), name->str, NULL);
    char *bytes = NULL;
    gsize n = 0;
    struct nawi_picture here, there;
    GError *error = NULL;
    g_assert_true(g_file_get_contents(from, &bytes, &n, &error));
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes, n), ==, n);
    close(fd);
    g_assert_true(open_picture(from, &here, &error));
    g_assert_true(open_picture(to, &there, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(here.hash, sizeof here.hash, there.hash, sizeof there.hash);
    nawi_picture_finish(&here);
    nawi_picture_finish(&there);
    unlink(to);
    g_free(bytes);
    g_free(to);
    g_free(from);
    g_free(below);
    g_string_free(name, TRUE);
}

/* A picture's hash is of its pixels and sides: the same for the same picture in two forms. */
static void test_hash(void)
{
    struct nawi_picture a, b;
    GError *error = NULL;
    g_assert_true(open_golden("files/rgb_8bit.png", &a, &error));
    g_assert_true(open_golden("expected/rgb_8bit_png.png", &b, &error));
    g_assert_cmpmem(a.hash, sizeof a.hash, b.hash, sizeof b.hash);
    nawi_picture_finish(&b);
    g_assert_true(open_golden("files/grey_8bit.png", &b, &error));
    g_assert_cmpint(memcmp(a.hash, b.hash, sizeof a.hash), !=, 0);
    nawi_picture_finish(&a);
    nawi_picture_finish(&b);
}

/* What is written as PNG is read back unchanged. */
static void test_write(void)
{
    struct nawi_picture a, b;
    GError *error = NULL;
    char *path = g_build_filename(harness_scratch(), "written[page=3].png", NULL);
    g_assert_true(open_golden("files/exif_orientation_6.jpg", &a, &error));
    g_assert_cmpint(a.turn, ==, 6);
    g_assert_true(nawi_vision_write_png(a.rgb, a.width_px, a.height_px, path, &error));
    g_assert_true(open_picture(path, &b, &error));
    g_assert_cmpmem(a.hash, sizeof a.hash, b.hash, sizeof b.hash);
    g_assert_cmpint(b.turn, ==, 1);
    nawi_picture_finish(&a);
    nawi_picture_finish(&b);
    g_free(path);
    path = g_build_filename(harness_scratch(), "no such folder", "x.png", NULL);
    uint8_t pixel[3] = {1, 2, 3};
    g_assert_false(nawi_vision_write_png(pixel, 1, 1, path, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_free(path);
}

static void test_cancel(void)
{
    struct nawi_picture picture;
    GError *error = NULL;
    nawi_cancel cancel = {0};
    char *path = harness_golden("photos/rocket.jpg");
    int fd = nawi_vision_open_file(path, NULL, &error);
    nawi_cancel_ask(&cancel);
    g_assert_false(nawi_vision_open(fd, path, NULL, &cancel, &picture, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_assert_null(picture.rgb);
    g_clear_error(&error);
    close(fd);
    g_free(path);
}

static void *ask_later(void *data)
{
    g_usleep(20000);
    nawi_cancel_ask(data);
    return GINT_TO_POINTER(1);
}

/* A photograph of 36 million pixels, cancelled in the midst of decoding. */
static void test_cancel_midway(void)
{
    const int side = 6000;
    struct nawi_picture picture;
    GError *error = NULL;
    nawi_cancel cancel = {0};
    char *path = g_build_filename(harness_scratch(), "large.png", NULL);
    uint8_t *rgb = g_malloc0((size_t)side * (size_t)side * 3);
    for (size_t i = 0; i < (size_t)side * (size_t)side * 3; i += 7)
        rgb[i] = (uint8_t)(i * 31 >> 8);
    g_assert_true(nawi_vision_write_png(rgb, side, side, path, &error));
    g_free(rgb);
    int fd = nawi_vision_open_file(path, NULL, &error);
    g_assert_no_error(error);
    GThread *thread = g_thread_new("cancel", ask_later, &cancel);
    gint64 started = g_get_monotonic_time();
    bool ok = nawi_vision_open(fd, path, NULL, &cancel, &picture, &error);
    g_test_message("stopped after %" G_GINT64_FORMAT " ms, asked after 20",
                   (g_get_monotonic_time() - started) / 1000);
    g_assert_false(ok);
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_thread_join(thread);
    g_clear_error(&error);
    close(fd);
    g_free(path);
}

static void test_probe(void)
{
    struct nawi_vision_probe probe;
    struct nawi_vision_limits limits = {.pixels = 1000};
    GError *error = NULL;
    char *path = harness_golden("pictures/files/exif_orientation_6.jpg");
    int fd = nawi_vision_open_file(path, NULL, &error);
    g_assert_true(nawi_vision_probe(fd, "name", NULL, &probe, &error));
    g_assert_cmpstr(probe.kind, ==, "JPEG");
    g_assert_cmpint(probe.width_px, ==, 74);
    g_assert_cmpint(probe.height_px, ==, 116);
    g_assert_false(nawi_vision_probe(fd, "na\nme", &limits, &probe, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED);
    g_assert_true(g_str_has_prefix(error->message, "'na\\x0Ame': "));
    g_clear_error(&error);
    close(fd);
    g_free(path);
}

static void add_rows(const char *key, void (*test)(const void *))
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(cases, key), i, row)
    {
        char *base = g_path_get_basename(json_string_value(json_object_get(row, "file")));
        char *name = g_strdup_printf("/%s/%02" G_GSIZE_FORMAT "-%s", key, i, base);
        g_test_add_data_func(name, row, test);
        g_free(name);
        g_free(base);
    }
}

int main(int argc, char **argv)
{
    json_error_t fault;
    GError *error = NULL;
    harness_init(&argc, &argv);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* libvips warns of files */
    if (!nawi_vision_init(&error))
        g_error("%s", error->message);
    char *path = harness_golden("pictures/cases.json");
    cases = json_load_file(path, 0, &fault);
    g_free(path);
    if (!cases)
        g_error("cases.json: %s", fault.text);
    add_rows("pictures", test_picture);
    add_rows("names", test_name);
    g_test_add_func("/hash", test_hash);
    g_test_add_func("/write", test_write);
    g_test_add_func("/cancel/before", test_cancel);
    g_test_add_func("/cancel/midway", test_cancel_midway);
    g_test_add_func("/probe", test_probe);
    int rc = harness_main();
    json_decref(cases);
    nawi_vision_finish();
    return rc;
}
