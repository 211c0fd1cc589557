/* Malformed GGUF files opened as weights, in this process: what must be refused is refused, with a
 * sentence that names the file and the fault; what is let through can be read to the last number.
 * */
#include "engine/file/weights.h"
#include "tests/harness.h"
#include "tests/hostile/gguf-files.h"

#include <string.h>

/* Every sentence names what it is about; those of the system's own words need no "expected". */
static bool is_clear(const GError *error, const struct hostile_file *file)
{
    char *folder = g_path_get_dirname(file->path);
    const bool named = strstr(error->message, folder) != NULL;
    g_free(folder);
    return named && error->domain == NAWI_ERROR && g_utf8_validate(error->message, -1, NULL) &&
           !strchr(error->message, '\n') && !strchr(error->message, 0x1B);
}

static void read_all(const struct nawi_weights *weights)
{
    for (guint i = 0; i < weights_count(weights); i++) {
        const struct nawi_weight *weight = weights_get(weights, i);
        const int64_t n = weight->ne[0] * weight->ne[1] * weight->ne[2] * weight->ne[3];
        float *values = g_try_malloc_n((gsize)n, sizeof *values);
        g_assert_nonnull(values);
        weights_dequant(weight, values);
        g_free(values);
    }
}

static void fail(const struct hostile_file *file, const char *expected, const GError *error)
{
    g_test_message("%s, %s: expected %s, found %s", file->class, file->name, expected,
                   error ? error->message : "that it opens");
    g_test_fail();
}

static void visit(const struct hostile_file *file, void *user)
{
    int *n_refused = user;
    GError *error = NULL;
    const gint64 start = g_get_monotonic_time();
    struct nawi_weights *weights = weights_open(file->path, &error);
    if ((weights == NULL) != (error != NULL))
        fail(file, "an error exactly where nothing opens", error);
    if (weights && file->verdict == HOSTILE_REFUSED)
        fail(file, "a refusal", NULL);
    if (error && file->verdict == HOSTILE_SOUND)
        fail(file, "that it opens", error);
    if (error && file->verdict == HOSTILE_REFUSED && file->says &&
        !strstr(error->message, file->says))
        fail(file, file->says, error);
    if (error && !is_clear(error, file))
        fail(file, "one clear sentence about the file", error);
    if (weights) {
        for (guint i = 0; i < meta_count(weights_get_meta(weights)); i++) {
            char *text = NULL;
            meta_get_key(weights_get_meta(weights), i, &text);
            g_free(text);
        }
        g_free(weights_find_mmproj(file->path));
        read_all(weights);
    }
    *n_refused += weights == NULL;
    weights_close(weights);
    g_clear_error(&error);
    const double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    if (seconds > 5)
        fail(file, "an answer within five seconds", NULL);
}

static void test_all(void)
{
    int n_refused = 0;
    const int n = hostile_gguf_each(visit, &n_refused);
    g_test_message("%d files, %d refused by the container", n, n_refused);
    g_assert_cmpint(n, >=, 400);
    g_assert_cmpint(n_refused, >=, 250);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/hostile/gguf", test_all);
    return harness_main();
}
