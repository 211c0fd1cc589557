/* nawi look: what a model will see of a picture, without a model. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "app/cli/work.h"
#include "app/core/job.h"
#include "vision/vision.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
    const struct options *options;
    struct terminal *terminal;
    struct nawi_media_spec spec;
    GHashTable *written; /* stems that this command has used */
};

/* The last part of a name without what stands behind its last dot: ".jpg" and "a." stay as they
 * are. */
static char *get_stem(const char *file)
{
    char *base = g_path_get_basename(file);
    char *dot = strrchr(base, '.');
    if (dot && dot != base && dot[1])
        *dot = '\0';
    return base;
}

/* Writes one PNG; refuses to write over a file that is among those to be looked at. */
static bool write_png(const struct look *look, const uint8_t *rgb, int width_px, int height_px,
                      const char *path, GError **error)
{
    GStatBuf target, source;
    const GPtrArray *files = look->options->arguments;
    if (g_stat(path, &target) == 0)
        for (guint i = 0; i < files->len; i++) {
            if (g_stat(g_ptr_array_index(files, i), &source) != 0 ||
                source.st_dev != target.st_dev || source.st_ino != target.st_ino)
                continue;
            char *shown = nawi_quote(path, strlen(path));
            g_set_error(
                error, NAWI_ERROR, NAWI_ERROR_INPUT,
                "%s: one of the pictures to look at is not written over; --out another folder",
                shown);
            g_free(shown);
            return false;
        }
    return nawi_vision_write_png(rgb, width_px, height_px, path, error);
}

static bool write_all(const struct look *look, const char *file, const struct nawi_picture *picture,
                      GError **error)
{
    const char *folder = look->options->out;
    char *stem = get_stem(file);
    if (!g_hash_table_add(look->written, g_strdup(stem))) {
        char *shown = nawi_quote(file, strlen(file));
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "%s: another picture of this command has written files of the same name",
                    shown);
        g_free(shown);
        g_free(stem);
        return false;
    }
    struct nawi_media media = {0};
    char *path = g_strdup_printf("%s/%s.png", folder, stem);
    bool sound =
        write_png(look, picture->rgb, picture->width_px, picture->height_px, path, error) &&
        nawi_vision_tile(picture, &look->spec, look->terminal->cancel, &media, error);
    g_free(path);
    size_t tile_bytes = (size_t)look->spec.tile_px * (size_t)look->spec.tile_px * 3;
    for (int i = 0; sound && i < media.n_tile; i++) {
        path = g_strdup_printf("%s/%s-%02d.png", folder, stem, i);
        sound = write_png(look, media.tiles + (size_t)i * tile_bytes, media.tile_px, media.tile_px,
                          path, error);
        g_free(path);
    }
    nawi_media_finish(&media);
    g_free(stem);
    return sound;
}

static void tell(const struct look *look, const char *file, const struct nawi_picture *picture,
                 const struct nawi_vision_plan *plan)
{
    if (look->options->json) {
        json_t *object = json_object();
        json_object_set_new(object, "file", job_json_string(file));
        json_object_set_new(object, "kind", json_string(picture->kind));
        json_object_set_new(object, "width", json_integer(picture->width_px));
        json_object_set_new(object, "height", json_integer(picture->height_px));
        json_object_set_new(object, "turn", json_integer(picture->turn));
        json_object_set_new(object, "rows", json_integer(plan->rows));
        json_object_set_new(object, "cols", json_integer(plan->cols));
        json_object_set_new(object, "resized_w", json_integer(plan->resized_w_px));
        json_object_set_new(object, "resized_h", json_integer(plan->resized_h_px));
        json_object_set_new(object, "tokens", json_integer(plan->n_tok));
        terminal_add_to_array(look->terminal, object);
        return;
    }
    char *name = terminal_name(file);
    char *turn =
        picture->turn > 1 ? g_strdup_printf(", turned (EXIF %d)", picture->turn) : g_strdup("");
    terminal_print(
        look->terminal,
        "%s: %s, %d x %d px%s; seen at %d x %d px in %d x %d tiles of %d px%s, %d tokens\n", name,
        picture->kind, picture->width_px, picture->height_px, turn, plan->resized_w_px,
        plan->resized_h_px, plan->rows, plan->cols, look->spec.tile_px,
        plan->n_tile > plan->rows * plan->cols ? " and as a whole" : "", plan->n_tok);
    g_free(turn);
    g_free(name);
}

static bool look_at(void *context, const char *file, GError **error)
{
    const struct look *look = context;
    int fd = nawi_vision_open_file(file, NULL, error);
    if (fd < 0)
        return false;
    struct nawi_picture picture = {0};
    struct nawi_vision_plan plan;
    bool sound = nawi_vision_open(fd, file, NULL, look->terminal->cancel, &picture, error) &&
                 nawi_vision_plan(picture.width_px, picture.height_px, &look->spec, &plan, error) &&
                 (!look->options->out || write_all(look, file, &picture, error));
    close(fd);
    if (sound)
        tell(look, file, &picture, &plan);
    nawi_picture_finish(&picture);
    return sound;
}

static int run(const struct options *options, struct terminal *terminal)
{
    struct look look = {.options = options, .terminal = terminal};
    look.spec = (struct nawi_media_spec){
        .tile_px = options->tile_px > 0 ? (int)options->tile_px : 336,
        .patch_px = 14,
        .shuffle = 2,
        .max_tiles = options->max_tiles > 0 ? (int)options->max_tiles : 16,
        .mean = {0.5f, 0.5f, 0.5f},
        .std = {0.5f, 0.5f, 0.5f},
    };
    GError *error = NULL;
    if (look.spec.tile_px % (look.spec.patch_px * look.spec.shuffle) != 0) {
        terminal_say(terminal, "--tile: wanted a multiple of %d, found %d",
                     look.spec.patch_px * look.spec.shuffle, look.spec.tile_px);
        return EXIT_USAGE;
    }
    if (options->out && g_mkdir_with_parents(options->out, 0777) != 0) {
        char *shown = nawi_quote(options->out, strlen(options->out));
        terminal_say(terminal, "%s: cannot be made a folder: %s", shown, g_strerror(errno));
        g_free(shown);
        return EXIT_FAILED;
    }
    if (!nawi_vision_init(&error))
        return terminal_fail(terminal, error);
    look.written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int code = work_each_file(options, terminal, look_at, &look);
    g_hash_table_unref(look.written);
    return code;
}

const struct command command_look = {
    .name = "look",
    .arguments = "FILE…",
    .summary = "Show what a model will see of a picture.",
    .examples = "  nawi look dog.jpg\n"
                "  nawi look --out tiles dog.jpg\n"
                "  nawi look --json --tile 112 --max-tiles 4 *.png\n",
    .details = "Tells how a picture is turned, scaled and cut into tiles, and how many tokens it "
               "costs; the defaults are those of Llama 4. No model is needed.",
    .groups = OPTIONS_LOOK | OPTIONS_JSON,
    .least = 1,
    .most = -1,
    .run = run,
};
