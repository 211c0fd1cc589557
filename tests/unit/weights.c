/* Weights as a table: shards found from any of them, other spellings, strides and scales, the tower
 * beside a model, a file too large to read, and synthetic models. */
#include "engine/file/gguf-write.h"
#include "engine/file/synth.h"
#include "engine/file/weights-internal.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder_new(void)
{
    static int n;
    char *path = g_strdup_printf("%s/%d", harness_scratch(), n++);
    g_assert_true(g_mkdir(path, 0700) == 0);
    return path;
}

static void assert_says(GError **error, const char *part)
{
    g_assert_nonnull(*error);
    if (*error && !strstr((*error)->message, part)) {
        g_test_message("expected '%s' in: %s", part, (*error)->message);
        g_test_fail();
    }
    g_clear_error(error);
}

static void copy_file(const char *from, const char *folder, const char *name)
{
    char *bytes = NULL;
    gsize n = 0;
    char *to = g_build_filename(folder, name, NULL);
    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    g_assert_true(g_file_set_contents(to, bytes, (gssize)n, NULL));
    g_free(to);
    g_free(bytes);
}

static float *dequant(const struct nawi_weights *weights, const char *name, size_t *n)
{
    const struct nawi_weight *weight = weights_find(weights, name);
    g_assert_nonnull(weight);
    *n = (size_t)(weight->ne[0] * weight->ne[1] * weight->ne[2] * weight->ne[3]);
    float *out = g_new(float, *n);
    weights_dequant(weight, out);
    return out;
}

/* ── GGUF ── */

static void test_single(void)
{
    static const struct {
        const char *type;
        double most;
    } types[] = {{"F16", 1e-3}, {"BF16", 5e-3}, {"Q8_0", 2e-2}, {"Q4_0", 0.2}};
    char *path = harness_golden("models/tiny-q-F32.gguf");
    struct nawi_weights *truth = weights_open(path, NULL);
    g_assert_cmpuint(weights_count(truth), ==, 55);
    g_assert_cmpstr(weights_get_format(truth), ==, "GGUF 3");
    g_assert_null(weights_get_warnings(truth)[0]);
    g_assert_null(weights_find(truth, "absent"));
    const char *file = NULL;
    const void *base = NULL;
    uint64_t n_file = 0;
    weights_get_file(truth, 0, &file, &base, &n_file);
    g_assert_cmpstr(file, ==, path);
    for (guint i = 0; i < weights_count(truth); i++) {
        const struct nawi_weight *weight = weights_get(truth, i);
        g_assert_true(weight->data == (const char *)base + weight->offset);
        g_assert_true(weights_find(truth, weight->name) == weight);
    }
    for (size_t t = 0; t < G_N_ELEMENTS(types); t++) {
        char *relative = g_strdup_printf("models/tiny-q-%s.gguf", types[t].type);
        char *other_path = harness_golden(relative);
        struct nawi_weights *other = weights_open(other_path, NULL);
        size_t n = 0;
        float *a = dequant(truth, "blk.1.ffn_down_exps.weight", &n);
        float *b = dequant(other, "blk.1.ffn_down_exps.weight", &n);
        const double error = harness_relative_error(b, a, n);
        g_assert_cmpfloat(error, <, types[t].most);
        g_assert_cmpfloat(error, >, 0);
        g_free(a);
        g_free(b);
        weights_close(other);
        g_free(other_path);
        g_free(relative);
    }
    weights_close(truth);
    g_free(path);
}

static void test_shards(void)
{
    static const char one[] = "tiny-top2-F32-00001-of-00002.gguf";
    static const char two[] = "tiny-top2-F32-00002-of-00002.gguf";
    char *first = harness_golden("models/tiny-top2-F32-00001-of-00002.gguf");
    char *second = harness_golden("models/tiny-top2-F32-00002-of-00002.gguf");
    GError *error = NULL;
    const char *paths[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        struct nawi_weights *weights = weights_open(paths[i], &error);
        g_assert_no_error(error);
        g_assert_cmpuint(weights_count(weights), ==, 56);
        g_assert_cmpint(weights_count_files(weights), ==, 2);
        g_assert_cmpstr(weights_get_format(weights), ==, "GGUF 3, 2 shards");
        g_assert_true(meta_has(weights_get_meta(weights), "llama4.block_count"));
        weights_close(weights);
    }
    const struct {
        const char *a, *b; /* contents of shard one and two; NULL: not there */
        const char *says;
    } cases[] = {
        {first, NULL, "00002-of-00002.gguf: No such file"},
        {NULL, second, "00001-of-00002.gguf: No such file"},
        {first, first,
         "00002-of-00002.gguf: expected shard 2 of 2, found one that says it is shard 1"},
        {second, first,
         "00001-of-00002.gguf: expected shard 1 of 2, found one that says it is shard 2"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *folder = folder_new();
        if (cases[i].a)
            copy_file(cases[i].a, folder, one);
        if (cases[i].b)
            copy_file(cases[i].b, folder, two);
        char *path = g_build_filename(folder, cases[i].a ? one : two, NULL);
        g_assert_null(weights_open(path, &error));
        assert_says(&error, cases[i].says);
        g_free(path);
        g_free(folder);
    }
    /* Names that say nothing, or something else. */
    char *folder = folder_new();
    copy_file(first, folder, "model.gguf");
    copy_file(first, folder, "model-00001-of-00003.gguf");
    copy_file(first, folder, "model-00005-of-00002.gguf");
    const char *names[3][2] = {
        {"model.gguf",
         "shard 1 of 2 of a model; expected a name that ends in -00001-of-00002.gguf"},
        {"model-00001-of-00003.gguf",
         "expected shard 1 of 3, found one that says it is shard 1 of 2"},
        {"model-00005-of-00002.gguf", "found shard 5 of 2"},
    };
    for (int i = 0; i < 3; i++) {
        char *path = g_build_filename(folder, names[i][0], NULL);
        g_assert_null(weights_open(path, &error));
        assert_says(&error, names[i][1]);
        g_free(path);
    }
    g_free(folder);
    g_free(second);
    g_free(first);
}

/* ── Things that are no files ── */

static void test_no_files(void)
{
    GError *error = NULL;
    char *folder = folder_new();
    char *pipe = g_build_filename(folder, "pipe.gguf", NULL);
    char *loop = g_build_filename(folder, "loop.gguf", NULL);
    char *empty = g_build_filename(folder, "empty.gguf", NULL);
    char *absent = g_build_filename(folder, "absent.gguf", NULL);
    char *zero = g_build_filename(folder, "zero.gguf", NULL);
    g_assert_true(mkfifo(pipe, 0600) == 0);
    g_assert_true(symlink("loop.gguf", loop) == 0);
    g_assert_true(symlink("/dev/zero", zero) == 0);
    g_assert_true(g_file_set_contents(empty, "", 0, NULL));
    const char *cases[5][2] = {
        {pipe, "expected a regular file, found a pipe"},
        {loop, "symbolic links"},
        {empty, "the file is empty"},
        {absent, "No such file"},
        {zero, "expected a regular file, found a device"},
    };
    for (int i = 0; i < 5; i++) {
        g_assert_null(weights_open(cases[i][0], &error));
        assert_says(&error, cases[i][1]);
    }
    g_free(zero);
    g_free(absent);
    g_free(empty);
    g_free(loop);
    g_free(pipe);
    g_free(folder);
}

/* ── Other spellings ── */

/* Writes tensors of the given names, 32 floats each that count from 100 times their place. */
static void write_names(const char *path, struct gguf_writer *w, const char *const *names, int n)
{
    GError *error = NULL;
    for (int i = 0; i < n; i++)
        gguf_write_tensor(w, names[i], NAWI_DTYPE_F32, 1, (const int64_t[]){32});
    g_assert_true(gguf_write_open(w, path, &error));
    for (int i = 0; i < n; i++) {
        float values[32];
        for (int k = 0; k < 32; k++)
            values[k] = (float)(100 * i + k);
        g_assert_true(gguf_write_data(w, values, sizeof values, &error));
    }
    g_assert_true(gguf_write_close(w, &error));
}

static void test_ollama(void)
{
    static const char *const theirs[] = {
        "v.blk.3.attn_output.weight", "v.blk.12.mlp.fc1.bias",
        "v.blk.0.mlp.fc2.weight",     "v.blk.0.attn_norm.weight",
        "v.blk.0.ffn_norm.bias",      "v.blk.0.attn_q.weight",
        "v.class_embedding",          "v.positional_embedding_vlm",
        "v.patch_embedding.weight",   "v.layernorm_pre.weight",
        "v.layernorm_post.bias",      "v.vision_adapter.mlp.fc1.weight",
        "mm.linear_1.weight",         "v.vision_adapter.mlp.fc2.weight",
        "blk.0.attn_output.weight",   "v.blk.x.mlp.fc1.weight"};
    static const char *const ours[] = {"v.blk.3.attn_out.weight",
                                       "v.blk.12.ffn_up.bias",
                                       "v.blk.0.ffn_down.weight",
                                       "v.blk.0.ln1.weight",
                                       "v.blk.0.ln2.bias",
                                       "v.blk.0.attn_q.weight",
                                       "v.class_embd",
                                       "v.position_embd.weight",
                                       "v.patch_embd.weight",
                                       "v.pre_ln.weight",
                                       "v.post_ln.bias",
                                       "mm.model.mlp.1.weight",
                                       "mm.model.fc.weight",
                                       "mm.model.mlp.2.weight",
                                       "blk.0.attn_output.weight",
                                       "v.blk.x.mlp.fc1.weight"};
    char *folder = folder_new();
    char *path = g_build_filename(folder, "o.gguf", NULL);
    struct gguf_writer *w = gguf_write_create();
    gguf_write_string(w, "general.architecture", "llama4");
    gguf_write_u32(w, "llama4.embedding_length", 5120);
    gguf_write_u32(w, "llama4.vision.block_count", 34);
    gguf_write_u32(w, "llama4.vision.image_size", 336);
    gguf_write_f32(w, "llama4.vision.pixel_shuffle_ratio", 0.5f);
    gguf_write_f32(w, "llama4.vision.layer_norm_epsilon", 1e-5f);
    gguf_write_u32(w, "llama4.attention.head_dim", 128);
    gguf_write_u32(w, "llama4.feed_forward_length", 8192);
    gguf_write_u32(w, "llama4.intermediate_size", 16384);
    gguf_write_u32(w, "llama4.intermediate_size_moe", 8192);
    write_names(path, w, theirs, G_N_ELEMENTS(theirs));
    GError *error = NULL;
    struct nawi_weights *weights = weights_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(weights_count(weights), ==, G_N_ELEMENTS(theirs));
    for (size_t i = 0; i < G_N_ELEMENTS(theirs); i++) {
        const struct nawi_weight *weight = weights_find(weights, ours[i]);
        g_assert_nonnull(weight);
        g_assert_cmpstr(weight->name, ==, ours[i]);
        g_assert_true(weights_find(weights, theirs[i]) == weight);
        g_assert_true(((const float *)weight->data)[1] == (float)(100 * i + 1));
    }
    static const struct {
        const char *key;
        int64_t value;
    } keys[] = {
        {"clip.vision.block_count", 34},           {"clip.vision.image_size", 336},
        {"clip.vision.projector.scale_factor", 2}, {"clip.vision.projection_dim", 5120},
        {"llama4.attention.key_length", 128},      {"llama4.attention.value_length", 128},
        {"llama4.feed_forward_length", 16384},     {"llama4.expert_feed_forward_length", 8192}};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        int64_t value = 0;
        g_assert_true(
            meta_need_int(weights_get_meta(weights), keys[i].key, 0, INT32_MAX, &value, NULL));
        g_assert_cmpint(value, ==, keys[i].value);
    }
    weights_close(weights);

    /* Both spellings of one tensor are one too many. */
    static const char *const twice[] = {"v.class_embedding", "v.class_embd"};
    w = gguf_write_create();
    write_names(path, w, twice, 2);
    g_assert_null(weights_open(path, &error));
    assert_says(&error, "tensor 'v.class_embd': expected each tensor once");
    g_free(path);
    g_free(folder);
}

static void test_fused(void)
{
    char *folder = folder_new();
    char *path = g_build_filename(folder, "f.gguf", NULL);
    GError *error = NULL;
    float values[2 * 6 * 4];
    for (int i = 0; i < 48; i++)
        values[i] = (float)i;
    struct gguf_writer *w = gguf_write_create();
    gguf_write_tensor(w, "blk.0.ffn_gate_up_exps.weight", NAWI_DTYPE_F32, 3,
                      (const int64_t[]){2, 6, 4});
    g_assert_true(gguf_write_open(w, path, &error));
    g_assert_true(gguf_write_data(w, values, sizeof values, &error));
    g_assert_true(gguf_write_close(w, &error));
    struct nawi_weights *weights = weights_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(weights_count(weights), ==, 2);
    size_t n = 0;
    float *gate = dequant(weights, "blk.0.ffn_gate_exps.weight", &n);
    g_assert_cmpuint(n, ==, 24);
    float *up = dequant(weights, "blk.0.ffn_up_exps.weight", &n);
    float *whole = dequant(weights, "blk.0.ffn_gate_up_exps.weight", &n);
    g_assert_true(gate[0] == 0 && gate[11] == 11 && gate[12] == 24 && gate[23] == 35);
    g_assert_true(up[0] == 12 && up[11] == 23 && up[12] == 36 && up[23] == 47);
    g_assert_true(whole[47] == 47);
    g_free(gate);
    g_free(up);
    g_free(whole);
    weights_close(weights);
    g_free(path);
    g_free(folder);
}

/* ── Strides, scales, parts, bounds ── */

static void test_strides(void)
{
    char *folder = folder_new();
    char *path = g_build_filename(folder, "raw", NULL);
    float raw[24];
    for (int i = 0; i < 24; i++)
        raw[i] = (float)i;
    g_assert_true(g_file_set_contents(path, (const char *)raw, sizeof raw, NULL));
    GError *error = NULL;
    char *base = harness_golden("models/tiny-q-F32.gguf");
    struct nawi_weights *weights = weights_open(base, NULL);
    const int file = weights_add_file(weights, path, &error);
    g_assert_cmpint(file, ==, 1);
    g_assert_cmpint(weights_add_file(weights, path, &error), ==, 1);

    /* [2, 4, 3] input-major seen as [2, 3, 4]. */
    struct nawi_weight weight = {.name = "turned",
                                 .dtype = NAWI_DTYPE_F32,
                                 .n_dim = 3,
                                 .ne = {2, 3, 4},
                                 .stride_bytes = {48, 4, 12},
                                 .file = file};
    struct nawi_weight scale = {.dtype = NAWI_DTYPE_F32, .n_dim = 2, .ne = {2, 3}, .file = file};
    weights_set_plain(&scale);
    g_assert_true(scale.stride_bytes[0] == 12 && scale.stride_bytes[1] == 4);
    weight.scale = weights_add(weights, &scale, &error);
    g_assert_nonnull(weights_add(weights, &weight, &error));
    size_t n = 0;
    float *out = dequant(weights, "turned", &n);
    for (int e = 0; e < 2; e++)
        for (int m = 0; m < 3; m++)
            for (int k = 0; k < 4; k++)
                g_assert_true(out[e * 12 + m * 4 + k] ==
                              (float)((e * 12 + k * 3 + m) * (e * 3 + m)));
    g_free(out);

    /* Experts in tensors of their own. */
    struct nawi_weight part = {.dtype = NAWI_DTYPE_F32, .n_dim = 2, .ne = {2, 3}, .file = file};
    weights_set_plain(&part);
    const struct nawi_weight **parts = weights_keep(weights, g_new(const struct nawi_weight *, 2));
    part.offset = 48;
    parts[0] = weights_add(weights, &part, &error);
    part.offset = 0;
    parts[1] = weights_add(weights, &part, &error);
    struct nawi_weight whole = {
        .name = "parts", .dtype = NAWI_DTYPE_F32, .n_dim = 3, .ne = {2, 2, 3}, .parts = parts};
    g_assert_nonnull(weights_add(weights, &whole, &error));
    out = dequant(weights, "parts", &n);
    g_assert_true(n == 12 && out[0] == 12 && out[5] == 17 && out[6] == 0 && out[11] == 5);
    g_free(out);

    /* One byte beyond the file, in each dimension; strides that wrap. */
    struct nawi_weight bad = {
        .name = "bad", .dtype = NAWI_DTYPE_F32, .n_dim = 2, .ne = {4, 6}, .file = file};
    weights_set_plain(&bad);
    bad.offset = 1;
    g_assert_null(weights_add(weights, &bad, &error));
    assert_says(&error, "tensor 'bad': expected whole rows inside the file");
    bad.offset = UINT64_MAX - 3;
    g_assert_null(weights_add(weights, &bad, &error));
    g_clear_error(&error);
    bad.offset = 0;
    bad.stride_bytes[0] = INT64_MAX;
    g_assert_null(weights_add(weights, &bad, &error));
    g_clear_error(&error);
    bad.stride_bytes[0] = -24;
    g_assert_null(weights_add(weights, &bad, &error));
    g_clear_error(&error);
    bad.stride_bytes[0] = 24;
    g_assert_nonnull(weights_add(weights, &bad, &error));
    g_assert_null(weights_add(weights, &bad, &error));
    assert_says(&error, "found it twice");
    weights_close(weights);
    g_free(base);
    g_free(path);
    g_free(folder);
}

/* ── The tower beside a model ── */

static void write_text(const char *folder, const char *name, const char *title, uint32_t n_embd)
{
    char *path = g_build_filename(folder, name, NULL);
    struct gguf_writer *w = gguf_write_create();
    gguf_write_string(w, "general.architecture", "llama4");
    if (title)
        gguf_write_string(w, "general.name", title);
    if (n_embd)
        gguf_write_u32(w, "llama4.embedding_length", n_embd);
    write_names(path, w, NULL, 0);
    g_free(path);
}

static void write_tower(const char *folder, const char *name, const char *title, uint32_t n_out)
{
    char *path = g_build_filename(folder, name, NULL);
    struct gguf_writer *w = gguf_write_create();
    gguf_write_string(w, "general.architecture", "clip");
    if (title)
        gguf_write_string(w, "general.name", title);
    gguf_write_bool(w, "clip.has_vision_encoder", true);
    gguf_write_u32(w, "clip.vision.projection_dim", n_out);
    write_names(path, w, NULL, 0);
    g_free(path);
}

/* Judges which tower is found beside a text file; NULL for none, "?" for several alike. */
static void assert_tower(const char *folder, const char *text, const char *expected)
{
    char *path = g_build_filename(folder, text, NULL);
    char *found = weights_find_mmproj(path);
    char *why = weights_explain_mmproj(path);
    char *base = found ? g_path_get_basename(found) : NULL;
    g_assert_cmpstr(base, ==, expected && strcmp(expected, "?") != 0 ? expected : NULL);
    g_assert_true((why != NULL) == (expected && strcmp(expected, "?") == 0));
    g_free(base);
    g_free(why);
    g_free(found);
    g_free(path);
}

static void test_mmproj(void)
{
    char *folder = folder_new();
    write_text(folder, "Llama-4-Scout-17B-16E-Instruct-Q4_K_M.gguf", "Llama 4 Scout", 5120);
    assert_tower(folder, "Llama-4-Scout-17B-16E-Instruct-Q4_K_M.gguf", NULL);
    write_tower(folder, "mmproj-F32.gguf", NULL, 5120);
    assert_tower(folder, "Llama-4-Scout-17B-16E-Instruct-Q4_K_M.gguf", "mmproj-F32.gguf");
    write_tower(folder, "mmproj-BF16.gguf", NULL, 5120);
    write_tower(folder, "mmproj-F16.gguf", NULL, 5120);
    assert_tower(folder, "Llama-4-Scout-17B-16E-Instruct-Q4_K_M.gguf", "mmproj-BF16.gguf");
    write_tower(folder, "mmproj-Llama-4-Scout-17B-16E-Instruct-f16.gguf", NULL, 5120);
    assert_tower(folder, "Llama-4-Scout-17B-16E-Instruct-Q4_K_M.gguf",
                 "mmproj-Llama-4-Scout-17B-16E-Instruct-f16.gguf");
    write_text(folder, "other-00001-of-00002.gguf", "Other", 5120);
    assert_tower(folder, "other-00001-of-00002.gguf", "mmproj-BF16.gguf");
    /* Another width, another name, no tower, no model. */
    write_text(folder, "small-Q4_0.gguf", "Small", 2048);
    assert_tower(folder, "small-Q4_0.gguf", NULL);
    assert_tower(folder, "mmproj-F16.gguf", NULL);
    assert_tower(folder, "absent.gguf", NULL);
    g_free(folder);

    folder = folder_new();
    write_text(folder, "tiny-a-F32.gguf", "tiny-a-F32", 64);
    write_text(folder, "tiny-b-F32.gguf", "tiny-b-F32", 64);
    write_tower(folder, "mmproj-tiny-a-F16.gguf", "mmproj-tiny-a-F16", 64);
    write_tower(folder, "mmproj-tiny-a-F32.gguf", "mmproj-tiny-a-F32", 64);
    assert_tower(folder, "tiny-a-F32.gguf", "mmproj-tiny-a-F32.gguf");
    assert_tower(folder, "tiny-b-F32.gguf", NULL);
    write_tower(folder, "eyes-1.gguf", "tiny-b-f16", 64);
    assert_tower(folder, "tiny-b-F32.gguf", "eyes-1.gguf");
    write_tower(folder, "eyes-2.gguf", "tiny-b-f16", 64);
    assert_tower(folder, "tiny-b-F32.gguf", "?");
    /* Noise beside it changes nothing. */
    char *pipe = g_build_filename(folder, "pipe.gguf", NULL);
    char *noise = g_build_filename(folder, "noise.gguf", NULL);
    g_assert_true(mkfifo(pipe, 0600) == 0);
    g_assert_true(g_file_set_contents(noise, "GGUF\3\0\0\0\xFF\xFF", 10, NULL));
    assert_tower(folder, "tiny-a-F32.gguf", "mmproj-tiny-a-F32.gguf");
    g_free(noise);
    g_free(pipe);
    g_free(folder);

    char *path = harness_golden("models/tiny-scout-F32.gguf");
    char *found = weights_find_mmproj(path);
    g_assert_true(found && g_str_has_suffix(found, "mmproj-tiny-scout-F32.gguf"));
    g_free(found);
    g_free(path);
}

/* ── A file larger than memory ── */

static void test_sparse(void)
{
    enum { N_LAYER = 48 };
    static const char *const names[] = {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"};
    char *folder = folder_new();
    char *path = g_build_filename(folder, "large.gguf", NULL);
    const int64_t ne[3] = {16, 8192, 5120};
    GError *error = NULL;
    struct gguf_writer *w = gguf_write_create();
    const int n_vocab = 202048;
    struct meta_string *tokens = g_new(struct meta_string, n_vocab);
    for (int i = 0; i < n_vocab; i++)
        tokens[i] = (struct meta_string){"a token", 7};
    gguf_write_strings(w, "tokenizer.ggml.tokens", tokens, n_vocab);
    for (int i = 0; i < N_LAYER; i++)
        for (int k = 0; k < 3; k++) {
            char *name = g_strdup_printf("blk.%d.%s.weight", i, names[k]);
            gguf_write_tensor(w, name, NAWI_DTYPE_Q5_0, 3, ne);
            g_free(name);
        }
    g_assert_cmpuint(gguf_write_size(w), >, 60000000000);
    g_assert_true(gguf_write_open(w, path, &error));
    if (!gguf_write_hole(w, NULL)) {
        g_test_skip("this file system has no files of 66 GB");
        gguf_write_close(w, NULL);
    } else {
        g_assert_true(gguf_write_close(w, &error));
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        const gint64 start = g_get_monotonic_time();
        struct nawi_weights *weights = weights_open(path, &error);
        const double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
        getrusage(RUSAGE_SELF, &after);
        g_assert_no_error(error);
        g_assert_cmpuint(weights_count(weights), ==, 3 * N_LAYER);
        g_test_message("%.3f s, %ld KiB more", seconds, after.ru_maxrss - before.ru_maxrss);
        g_assert_cmpfloat(seconds, <, 1);
        g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 100000);
        weights_close(weights);
    }
    g_unlink(path);
    g_free(tokens);
    g_free(path);
    g_free(folder);
}

/* ── Synthetic models ── */

static char *synth(const char *folder, const char *shape, const char *type, uint64_t seed)
{
    char *path = g_strdup_printf("%s/%s-%s-%u.gguf", folder, shape, type, (unsigned)seed);
    const struct nawi_synth_params params = {
        .path = path, .shape = shape, .n_layer = 1, .type = type, .seed = seed};
    GError *error = NULL;
    g_assert_true(nawi_synth(&params, &error));
    g_assert_no_error(error);
    return path;
}

static void assert_spread(const struct nawi_weights *weights, const char *name, double expected)
{
    const struct nawi_weight *weight = weights_find(weights, name);
    g_assert_nonnull(weight);
    const int64_t k = weight->ne[weight->n_dim - 1];
    struct nawi_weight rows = *weight; /* the first hundred rows do */
    rows.n_dim = 2;
    rows.ne[0] = 100;
    rows.ne[1] = k;
    weights_set_plain(&rows);
    float *out = g_new(float, 100 * k);
    weights_dequant(&rows, out);
    double sum = 0;
    double squares = 0;
    for (int64_t i = 0; i < 100 * k; i++) {
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
    }
    const double n = (double)(100 * k);
    const double rms = sqrt(squares / n);
    if (!(rms > expected * 0.7 && rms < expected * 1.42) || fabs(sum / n) > 0.15 * rms) {
        g_test_message("%s: expected a spread of %g about 0, found %g about %g", name, expected,
                       rms, sum / n);
        g_test_fail();
    }
    g_free(out);
}

static void test_synth_types(void)
{
    static const char *const types[] = {"F32",  "F16",  "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0",
                                        "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"};
    char *folder = folder_new();
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (!harness_is_full() && i % 3 != harness_seed() % 3 && strcmp(types[i], "Q4_K") != 0)
            continue;
        char *path = synth(folder, "tower", types[i], 7);
        GError *error = NULL;
        struct nawi_weights *weights = weights_open(path, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(weights_count(weights), ==, 10 + 16);
        assert_spread(weights, "mm.model.mlp.1.weight", 1 / sqrt(5632));
        assert_spread(weights, "v.blk.0.attn_q.weight", 1 / sqrt(1408));
        const struct nawi_weight *fc = weights_find(weights, "mm.model.fc.weight");
        g_assert_cmpstr(nawi_dtype_get_info(fc->dtype)->name, ==, types[i]);
        weights_close(weights);
        g_unlink(path);
        g_free(path);
    }
    g_free(folder);
}

static void test_synth_same(void)
{
    char *folder = folder_new();
    char *bytes[3];
    gsize n[3];
    for (int i = 0; i < 3; i++) {
        char *path = synth(folder, "tower", "Q4_K", i == 2 ? 8 : 7);
        g_assert_true(g_file_get_contents(path, &bytes[i], &n[i], NULL));
        g_unlink(path);
        g_free(path);
    }
    g_assert_true(n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0);
    g_assert_true(n[0] == n[2] && memcmp(bytes[0], bytes[2], n[0]) != 0);
    for (int i = 0; i < 3; i++)
        g_free(bytes[i]);
    g_free(folder);
}

static void test_synth_text(void)
{
    char *folder = folder_new();
    char *path = synth(folder, "mini-scout", "Q4_K", 1);
    struct nawi_weights *weights = weights_open(path, NULL);
    g_assert_cmpuint(weights_count(weights), ==, 4 + 13);
    assert_spread(weights, "blk.0.ffn_up_exps.weight", 1 / sqrt(1280));
    assert_spread(weights, "token_embd.weight", 1);
    const struct meta_array *tokens = NULL;
    const struct meta_array *merges = NULL;
    struct nawi_meta *meta = weights_get_meta(weights);
    g_assert_true(meta_get_array(meta, "tokenizer.ggml.tokens", META_STRING, &tokens, NULL));
    g_assert_true(meta_get_array(meta, "tokenizer.ggml.merges", META_STRING, &merges, NULL));
    g_assert_cmpuint(tokens->n, ==, 65536);
    g_assert_cmpuint(merges->n, ==, 65536 - 2048 - 256);
    /* Each token once, and each merge makes the token at its place out of two earlier ones. */
    GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (uint64_t i = 0; i < tokens->n; i++) {
        const struct meta_string *token = &tokens->strings[i];
        char *text = g_strndup(token->text, token->n_bytes);
        if (i >= 256 && i < 65536 - 2048) {
            const struct meta_string *merge = &merges->strings[i - 256];
            char *pair = g_strndup(merge->text, merge->n_bytes);
            char **halves = g_strsplit(pair, " ", 2);
            char *joined = g_strconcat(halves[0], halves[1], NULL);
            g_assert_cmpstr(joined, ==, text);
            g_assert_true(g_hash_table_contains(seen, halves[0]));
            g_assert_true(g_hash_table_contains(seen, halves[1]));
            g_free(joined);
            g_strfreev(halves);
            g_free(pair);
        }
        g_assert_true(g_hash_table_add(seen, text));
    }
    g_assert_true(g_hash_table_contains(seen, "<|patch|>"));
    g_assert_true(g_hash_table_contains(seen, "<|reserved_special_token_903|>"));
    g_hash_table_destroy(seen);
    weights_close(weights);
    g_unlink(path);
    g_free(path);
    g_free(folder);
}

static void test_synth_wrong(void)
{
    static const struct {
        const char *shape, *type;
        int n_layer;
        const char *says;
    } cases[] = {{"llama", "Q4_K", 1, "shape: expected scout"},
                 {"scout", "IQ1_S", 1, "type: expected F32"},
                 {"scout", "q4_k", 1, "type: expected F32"},
                 {"scout", "Q4_K", 49, "layers: expected 1 to 48"},
                 {"tower", "Q4_K", -1, "layers: expected 1 to 34"}};
    char *path = g_build_filename(harness_scratch(), "wrong.gguf", NULL);
    GError *error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct nawi_synth_params params = {.path = path,
                                                 .shape = cases[i].shape,
                                                 .type = cases[i].type,
                                                 .n_layer = cases[i].n_layer};
        g_assert_false(nawi_synth(&params, &error));
        assert_says(&error, cases[i].says);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
    nawi_cancel cancel = {0};
    nawi_cancel_ask(&cancel);
    const struct nawi_synth_params params = {
        .path = path, .shape = "tower", .type = "Q4_0", .cancel = &cancel};
    g_assert_false(nawi_synth(&params, &error));
    g_assert_error(error, NAWI_ERROR, NAWI_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_free(path);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/weights/single", test_single);
    g_test_add_func("/weights/shards", test_shards);
    g_test_add_func("/weights/no-files", test_no_files);
    g_test_add_func("/weights/ollama", test_ollama);
    g_test_add_func("/weights/fused", test_fused);
    g_test_add_func("/weights/strides", test_strides);
    g_test_add_func("/weights/mmproj", test_mmproj);
    g_test_add_func("/weights/sparse", test_sparse);
    g_test_add_func("/synth/types", test_synth_types);
    g_test_add_func("/synth/same", test_synth_same);
    g_test_add_func("/synth/text", test_synth_text);
    g_test_add_func("/synth/wrong", test_synth_wrong);
    return harness_main();
}
