/* Hugging Face folders against their GGUF twins: every tensor, every key, every array; layouts that
 * the golden folders do not have (experts one by one, scales in other types, links of a download
 * cache), built here. */
#include "engine/file/weights.h"
#include "tests/harness.h"

#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static struct nawi_weights *open_path(char *path)
{
    GError *error = NULL;
    struct nawi_weights *weights = weights_open(path, &error);
    g_assert_no_error(error);
    g_assert_nonnull(weights);
    if (!weights)
        g_error("%s does not open", path);
    g_free(path);
    return weights;
}

static int64_t count(const struct nawi_weight *w)
{
    return w->ne[0] * w->ne[1] * w->ne[2] * w->ne[3];
}

static float *dequant(const struct nawi_weight *w)
{
    float *values = g_new(float, (gsize)count(w));
    weights_dequant(w, values);
    return values;
}

enum twin { TWIN_EQUAL, TWIN_ROUNDED, TWIN_F16 };

/* ROUNDED: b is a rounded to BF16. Divisors are computed, so the last bit may differ. */
static bool is_same(const struct nawi_weight *a, const struct nawi_weight *b, enum twin twin)
{
    for (int i = 0; i < 4; i++)
        if (a->ne[i] != b->ne[i])
            return false;
    g_autofree float *x = dequant(a);
    g_autofree float *y = dequant(b);
    for (int64_t i = 0; i < count(a); i++) {
        float wanted = x[i];
        if (strcmp(a->name, "rope_freqs.weight") == 0)
            wanted = fabsf(x[i] - y[i]) <= 1e-6f * fabsf(x[i]) ? y[i] : x[i];
        else if (twin == TWIN_ROUNDED)
            wanted = nawi_bf16_to_f32(nawi_f32_to_bf16(x[i]));
        if (y[i] != wanted)
            return false;
    }
    return true;
}

/* Every tensor of gguf is in hf, with the same values. */
static guint compare_tensors(const struct nawi_weights *gguf, const struct nawi_weights *hf,
                             enum twin twin)
{
    for (guint i = 0; i < weights_count(gguf); i++) {
        const struct nawi_weight *a = weights_get(gguf, i);
        const struct nawi_weight *b = weights_find(hf, a->name);
        if (!b || !is_same(a, b, twin)) {
            g_test_message("%s differs%s", a->name, b ? "" : ": not there");
            g_test_fail();
        }
    }
    return weights_count(gguf);
}

static bool is_same_array(const struct meta_array *a, const struct meta_array *b)
{
    if (a->n != b->n)
        return false;
    for (uint64_t i = 0; i < a->n; i++) {
        if (a->ints && a->ints[i] != b->ints[i])
            return false;
        if (a->floats && fabs(a->floats[i] - b->floats[i]) > 1e-6)
            return false;
        if (a->strings && (a->strings[i].n_bytes != b->strings[i].n_bytes ||
                           memcmp(a->strings[i].text, b->strings[i].text, a->strings[i].n_bytes)))
            return false;
    }
    return true;
}

/* Compares one key, whatever its type: the getters tell which it is. */
static bool is_same_key(const struct nawi_meta *a, const struct nawi_meta *b, const char *key)
{
    int64_t n[2] = {0};
    bool truth[2] = {false};
    double x[2] = {0};
    const char *s[2] = {NULL};
    if (!meta_has(b, key))
        return false;
    if (meta_get_bool(a, key, &truth[0], NULL))
        return meta_get_bool(b, key, &truth[1], NULL) && truth[0] == truth[1];
    if (meta_get_int(a, key, INT64_MIN, INT64_MAX, &n[0], NULL))
        return meta_get_int(b, key, INT64_MIN, INT64_MAX, &n[1], NULL) && n[0] == n[1];
    if (meta_get_float(a, key, -1e30, 1e30, &x[0], NULL))
        return meta_get_float(b, key, -1e30, 1e30, &x[1], NULL) &&
               fabs(x[0] - x[1]) <= 1e-6 * fabs(x[0]);
    if (meta_get_string(a, key, &s[0], NULL))
        return meta_get_string(b, key, &s[1], NULL) && strcmp(s[0], s[1]) == 0;
    for (enum meta_type type = META_INT; type <= META_STRING; type++) {
        const struct meta_array *array[2];
        if (meta_get_array(a, key, type, &array[0], NULL) && array[0])
            return meta_get_array(b, key, type, &array[1], NULL) && array[1] &&
                   is_same_array(array[0], array[1]);
    }
    return false;
}

/* Every key of the model and the tokenizer that gguf has says the same in hf. */
static void compare_keys(struct nawi_weights *gguf, struct nawi_weights *hf)
{
    const struct nawi_meta *a = weights_get_meta(gguf);
    const char *const ours[] = {"llama4.", "llama.", "tokenizer.", "clip."};
    int n = 0;
    for (guint i = 0; i < meta_count(a); i++) {
        g_autofree char *text = NULL;
        const char *key = meta_get_key(a, i, &text);
        bool is_ours = false;
        for (size_t k = 0; k < G_N_ELEMENTS(ours); k++)
            is_ours |= g_str_has_prefix(key, ours[k]);
        n += is_ours;
        if (is_ours && !is_same_key(a, weights_get_meta(hf), key)) {
            g_test_message("%s differs from the twin's %s", key, text);
            g_test_fail();
        }
    }
    g_assert_cmpint(n, >, 10);
}

static void compare(char *gguf_path, char *mmproj_path, char *hf_path, enum twin twin)
{
    struct nawi_weights *gguf = open_path(gguf_path);
    struct nawi_weights *hf = open_path(hf_path);
    guint n = compare_tensors(gguf, hf, twin);
    compare_keys(gguf, hf);
    if (mmproj_path) {
        struct nawi_weights *mmproj = open_path(mmproj_path);
        n += compare_tensors(mmproj, hf, twin);
        compare_keys(mmproj, hf);
        weights_close(mmproj);
    }
    g_assert_cmpuint(weights_count(hf), ==, n);
    g_assert_null(weights_get_warnings(hf)[0]);
    weights_close(hf);
    weights_close(gguf);
}

static void test_scout(void)
{
    compare(harness_golden("models/tiny-scout-F32.gguf"),
            harness_golden("models/mmproj-tiny-scout-F32.gguf"),
            harness_golden("models/tiny-scout"), TWIN_EQUAL);
}

/* Under the name that it has in the file, a tensor has the file's layout. */
static void test_names(void)
{
    struct nawi_weights *hf = open_path(harness_golden("models/tiny-scout"));
    const char *name = "language_model.model.layers.2.feed_forward.experts.gate_up_proj";
    const struct nawi_weight *whole = weights_find(hf, name);
    const struct nawi_weight *up = weights_find(hf, "blk.2.ffn_up_exps.weight");
    g_assert_true(whole && up);
    g_assert_cmpint(whole->ne[2], ==, 2 * up->ne[1]);
    g_autofree float *a = dequant(whole);
    g_autofree float *b = dequant(up);
    const int64_t n_in = up->ne[2];
    const int64_t n_out = up->ne[1];
    for (int64_t i = 0; i < count(up); i++) {
        const int64_t e = i / (n_in * n_out);
        const int64_t row = i / n_in % n_out;
        const float wanted = a[(e * n_in + i % n_in) * 2 * n_out + n_out + row];
        if (b[i] != wanted) {
            g_test_fail();
            break;
        }
    }
    g_assert_true(weights_find(hf, "language_model.model.norm.weight") ==
                  weights_find(hf, "output_norm.weight"));
    weights_close(hf);
}

static void test_scout_bf16(void)
{
    compare(harness_golden("models/tiny-scout-F32.gguf"),
            harness_golden("models/mmproj-tiny-scout-F32.gguf"),
            harness_golden("models/tiny-scout-bf16"), TWIN_ROUNDED);
}

static void test_maverick(void)
{
    g_autofree char *gguf = harness_golden("models/tiny-maverick-F32.gguf");
    struct nawi_weights *hf = open_path(harness_golden("models/tiny-maverick"));
    bool norm = true;
    g_assert_true(meta_get_bool(weights_get_meta(hf), "llama4.use_qk_norm", &norm, NULL));
    g_assert_false(norm);
    weights_close(hf);
    compare(g_strdup(gguf), NULL, harness_golden("models/tiny-maverick"), TWIN_EQUAL);
}

static void test_top2(void)
{
    struct nawi_weights *gguf =
        open_path(harness_golden("models/tiny-top2-F32-00001-of-00002.gguf"));
    struct nawi_weights *hf = open_path(harness_golden("models/tiny-top2"));
    g_assert_cmpuint(compare_tensors(gguf, hf, TWIN_EQUAL), ==, weights_count(hf));
    compare_keys(gguf, hf);
    weights_close(hf);
    weights_close(gguf);
}

static void test_cria(void)
{
    char *gguf = harness_shared("cria/cria-f16.gguf");
    char *mmproj = harness_shared("cria/mmproj-cria-f16.gguf");
    char *folder = harness_shared("cria/hf");
    if (!gguf || !mmproj || !folder) {
        g_test_skip("the folder of files that are not shipped is absent");
        g_free(gguf);
        g_free(mmproj);
        g_free(folder);
        return;
    }
    compare(gguf, mmproj, folder, TWIN_F16);
}

/* ── FP8 ─────────────────────────────────────────────────────────────────────────────────────── */

static void is_values(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            g_test_message("value %" G_GINT64_FORMAT ": expected %g, found %g", i, b[i], a[i]);
            g_test_fail();
            return;
        }
    }
}

/* Golden arrays are [n_expert, in, out]; ours [n_expert, out, in]. first: column of the array. */
static void compare_fp8(struct nawi_weights *weights, const char *name, const char *npy,
                        int64_t first)
{
    g_autofree char *path = harness_golden(npy);
    int n_dim;
    int64_t shape[4];
    g_autofree float *wanted = harness_npy(path, "<f4", &n_dim, shape);
    const struct nawi_weight *w = weights_find(weights, name);
    g_assert_nonnull(w);
    g_assert_nonnull(w->scale);
    g_assert_cmpint(w->ne[0], ==, shape[0]);
    g_assert_cmpint(w->ne[2], ==, shape[1]);
    g_autofree float *found = dequant(w);
    g_autofree float *turned = g_new(float, (gsize)count(w));
    for (int64_t e = 0; e < w->ne[0]; e++)
        for (int64_t o = 0; o < w->ne[1]; o++)
            for (int64_t i = 0; i < w->ne[2]; i++)
                turned[(e * w->ne[1] + o) * w->ne[2] + i] =
                    wanted[(e * shape[1] + i) * shape[2] + first + o];
    is_values(found, turned, count(w));
}

static void test_fp8(void)
{
    struct nawi_weights *weights = open_path(harness_golden("quant/fp8.safetensors"));
    const struct nawi_weight *gate = weights_find(weights, "blk.1.ffn_gate_exps.weight");
    g_assert_nonnull(gate);
    compare_fp8(weights, "blk.1.ffn_gate_exps.weight", "quant/fp8_gate_up.npy", 0);
    compare_fp8(weights, "blk.1.ffn_up_exps.weight", "quant/fp8_gate_up.npy", gate->ne[1]);
    compare_fp8(weights, "blk.1.ffn_down_exps.weight", "quant/fp8_down.npy", 0);
    g_autofree char *path = harness_golden("quant/fp8_linear.npy");
    int n_dim;
    int64_t shape[4];
    g_autofree float *wanted = harness_npy(path, "<f4", &n_dim, shape);
    const struct nawi_weight *w = weights_find(weights, "blk.1.ffn_up_shexp.weight");
    g_assert_nonnull(w);
    g_assert_cmpint(count(w), ==, shape[0] * shape[1]);
    g_autofree float *found = dequant(w);
    is_values(found, wanted, count(w));
    weights_close(weights);
}

/* ── Folders made here ───────────────────────────────────────────────────────────────────────── */

struct maker {
    GString *header;
    GByteArray *data;
};

/* Appends a tensor; its values are small numbers that tell name and place. shape: as JSON. */
static void put(struct maker *m, const char *name, const char *dtype, const char *shape,
                const void *data, gsize n_bytes)
{
    g_string_append_printf(
        m->header, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": %s, \"data_offsets\": [%u, %u]}",
        m->header->len ? ", " : "{", name, dtype, shape, m->data->len,
        m->data->len + (guint)n_bytes);
    g_byte_array_append(m->data, data, (guint)n_bytes);
}

static void put_f32(struct maker *m, const char *name, const char *shape, gsize n, float first)
{
    g_autofree float *values = g_new(float, n);
    for (gsize i = 0; i < n; i++)
        values[i] = first + (float)i;
    put(m, name, "F32", shape, values, n * sizeof(float));
}

static void save(struct maker *m, const char *path)
{
    g_string_append_c(m->header, '}');
    GByteArray *file = g_byte_array_new();
    const guint64 n = GUINT64_TO_LE(m->header->len);
    g_byte_array_append(file, (const guint8 *)&n, 8);
    g_byte_array_append(file, (const guint8 *)m->header->str, (guint)m->header->len);
    g_byte_array_append(file, m->data->data, m->data->len);
    g_assert_true(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
    g_byte_array_unref(file);
    g_string_free(m->header, TRUE);
    g_byte_array_unref(m->data);
}

static struct maker start(void)
{
    return (struct maker){.header = g_string_new(NULL), .data = g_byte_array_new()};
}

static char *make_folder(const char *name, const char *config)
{
    char *folder = g_build_filename(harness_scratch(), name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_autofree char *path = g_build_filename(folder, "config.json", NULL);
    g_assert_true(g_file_set_contents(path, config, -1, NULL));
    return folder;
}

#define SMALL                                                                                      \
    "{\"architectures\": [\"Llama4ForCausalLM\"], \"vocab_size\": 3, \"hidden_size\": 2,"          \
    " \"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"num_key_value_heads\": 1,"           \
    " \"head_dim\": 2, \"intermediate_size\": 4, \"num_local_experts\": 2"

/* Experts one by one, in 8 bits, with scales of every form. */
static void test_parts(void)
{
    g_autofree char *folder = make_folder("parts", SMALL ", \"tie_word_embeddings\": true}");
    g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
    struct maker m = start();
    const guint8 codes[8] = {0x38, 0x40, 0x44, 0x48,
                             0xB8, 0xC0, 0x30, 0x00}; /* 1 2 3 4 -1 -2 .5 0 */
    const float wanted[8] = {1, 2, 3, 4, -1, -2, 0.5f, 0};
    const guint16 halves[4] = {0x3F80, 0x4000, 0x4080, 0x3F00}; /* BF16: 1 2 4 .5 */
    const float scales[4] = {1, 2, 4, 0.5f};
    const float half = 0.5f;
#define E "model.layers.0.feed_forward.experts."
    put_f32(&m, "model.embed_tokens.weight", "[3, 2]", 6, 0);
    put_f32(&m, "lm_head.weight", "[3, 2]", 6, 100);
    put(&m, E "1.up_proj.weight", "F8_E4M3", "[4, 2]", codes, 8);
    put(&m, E "1.up_proj.weight_scale", "BF16", "[4, 1]", halves, 8);
    put(&m, E "0.up_proj.weight", "F8_E4M3", "[4, 2]", codes, 8);
    put(&m, E "0.up_proj.weight_scale", "F32", "[4]", scales, 16);
    put_f32(&m, E "0.down_proj.weight", "[2, 4]", 8, 10);
    put_f32(&m, E "1.down_proj.weight", "[2, 4]", 8, 30);
    put(&m, "model.layers.0.self_attn.q_proj.weight", "F8_E4M3", "[4, 2]", codes, 8);
    put(&m, "model.layers.0.self_attn.q_proj.weight_scale", "F32", "[]", &half, 4);
    put_f32(&m, "model.layers.1.self_attn.q_proj.weight", "[2, 2]", 4, 0);
    save(&m, path);

    struct nawi_weights *weights = open_path(g_strdup(folder));
    const struct nawi_weight *up = weights_find(weights, "blk.0.ffn_up_exps.weight");
    g_assert_nonnull(up);
    g_assert_nonnull(up->parts);
    g_assert_cmpint(up->ne[0] * 100 + up->ne[1] * 10 + up->ne[2], ==, 242);
    g_autofree float *values = dequant(up);
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < 8; i++)
            g_assert_cmpfloat(values[8 * e + i], ==, wanted[i] * scales[i / 2]);
    g_assert_true(up->parts[1] == weights_find(weights, E "1.up_proj.weight"));
    g_assert_nonnull(up->scale);
    g_assert_true(up->scale == weights_find(weights, "blk.0.ffn_up_exps.scale"));
    g_assert_cmpint(up->scale->ne[0] * 10 + up->scale->ne[1], ==, 24);
    g_autofree float *rows = dequant(up->scale);
    for (int i = 0; i < 8; i++)
        g_assert_cmpfloat(rows[i], ==, scales[i % 4]);
    const struct nawi_weight *down = weights_find(weights, "blk.0.ffn_down_exps.weight");
    g_assert_nonnull(down);
    g_autofree float *lower = dequant(down);
    g_assert_cmpfloat(lower[0], ==, 10);
    g_assert_cmpfloat(lower[8], ==, 30);
    const struct nawi_weight *q = weights_find(weights, "blk.0.attn_q.weight");
    g_assert_nonnull(q);
    g_autofree float *query = dequant(q);
    for (int i = 0; i < 8; i++)
        g_assert_cmpfloat(query[i], ==, wanted[i] * 0.5f);
    /* Tied: the head in the file is not used. A layer that the model does not have is unknown. */
    g_assert_null(weights_find(weights, "output.weight"));
    g_assert_null(weights_find(weights, "blk.1.attn_q.weight"));
    g_assert_nonnull(weights_find(weights, "model.layers.1.self_attn.q_proj.weight"));
    g_assert_nonnull(weights_get_warnings(weights)[0]);
    g_assert_nonnull(strstr(weights_get_warnings(weights)[0], "1 of its tensors"));
    weights_close(weights);
}

/* Nothing in the format keeps floats at places of floats: vectors are copied there, for they are
 * used as they lie; matrices stay in the file. */
static void test_alignment(void)
{
    g_autofree char *folder = make_folder("odd", SMALL ", \"tie_word_embeddings\": true}");
    g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
    struct maker m = start();
    put(&m, "odd", "U8", "[1]", "x", 1);
    put_f32(&m, "model.embed_tokens.weight", "[3, 2]", 6, 0);
    put_f32(&m, "model.norm.weight", "[2]", 2, 7);
    while (m.header->len % 4 != 3)
        g_string_append_c(m.header, ' ');
    save(&m, path);
    struct nawi_weights *weights = open_path(g_strdup(folder));
    const struct nawi_weight *embedding = weights_find(weights, "token_embd.weight");
    const struct nawi_weight *norm = weights_find(weights, "output_norm.weight");
    g_assert_true(embedding && norm);
    g_assert_cmpint(embedding->file, ==, 0);
    g_assert_cmpuint((guintptr)embedding->data % sizeof(float), !=, 0);
    g_assert_cmpuint((guintptr)norm->data % sizeof(float), ==, 0);
    g_autofree float *values = dequant(embedding);
    g_autofree float *gains = dequant(norm);
    g_assert_cmpfloat(values[5], ==, 5);
    g_assert_cmpfloat(gains[0], ==, 7);
    g_assert_cmpfloat(gains[1], ==, 8);
    weights_close(weights);
}

/* snapshots/C/model.safetensors → ../../blobs/SHA, as a download cache has it; and a link
 * elsewhere. */
static void test_links(void)
{
    g_autofree char *outside = g_build_filename(harness_scratch(), "outside.safetensors", NULL);
    g_autofree char *blob = g_build_filename(harness_scratch(), "cache", "blobs", "0a1b", NULL);
    g_autofree char *blobs = g_path_get_dirname(blob);
    g_autofree char *folder =
        make_folder("cache/snapshots/c0ffee", SMALL ", \"tie_word_embeddings\": true}");
    g_autofree char *link = g_build_filename(folder, "model.safetensors", NULL);
    g_assert_cmpint(g_mkdir_with_parents(blobs, 0700), ==, 0);
    for (int i = 0; i < 2; i++) {
        struct maker m = start();
        put_f32(&m, "model.embed_tokens.weight", "[3, 2]", 6, 0);
        save(&m, i ? blob : outside);
    }
    g_assert_cmpint(symlink("../../blobs/0a1b", link), ==, 0);
    struct nawi_weights *weights = open_path(g_strdup(folder));
    g_assert_nonnull(weights_find(weights, "token_embd.weight"));
    g_assert_nonnull(weights_find(weights, "model.embed_tokens.weight"));
    weights_close(weights);

    const char *const targets[] = {
        outside, "../../../outside.safetensors", "nothing", "model.safetensors", "/dev/zero", "."};
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        GError *error = NULL;
        g_unlink(link);
        g_assert_cmpint(symlink(targets[i], link), ==, 0);
        weights = weights_open(folder, &error);
        g_assert_null(weights);
        g_assert_nonnull(error);
        if (error && !strstr(error->message, "model.safetensors")) {
            g_test_message("no file in: %s", error->message);
            g_test_fail();
        }
        g_clear_error(&error);
        weights_close(weights);
    }
}

/* ── tokenizer.json ──────────────────────────────────────────────────────────────────────────── */

static void put_tokenizer(const char *folder, const char *tokenizer, const char *config)
{
    g_autofree char *path = g_build_filename(folder, "tokenizer.json", NULL);
    g_autofree char *second = g_build_filename(folder, "tokenizer_config.json", NULL);
    g_assert_true(g_file_set_contents(path, tokenizer, -1, NULL));
    g_assert_true(g_file_set_contents(second, config, -1, NULL));
}

static const struct meta_array *need_array(struct nawi_weights *w, const char *key,
                                           enum meta_type type)
{
    const struct meta_array *array = NULL;
    g_assert_true(meta_get_array(weights_get_meta(w), key, type, &array, NULL));
    g_assert_nonnull(array);
    return array;
}

static char *token(const struct meta_array *tokens, uint64_t i)
{
    return g_strndup(tokens->strings[i].text, tokens->strings[i].n_bytes);
}

#define EMBED                                                                                      \
    "{\"architectures\": [\"LlamaForCausalLM\"], \"vocab_size\": 9, \"hidden_size\": 2,"           \
    " \"num_hidden_layers\": 1, \"num_attention_heads\": 1,"                                       \
    " \"tie_word_embeddings\": true}"

/* Holes, both kinds of added tokens, merges as text, a template of its own file, digits apart. */
static void test_tokenizer(void)
{
    g_autofree char *folder = make_folder("words", EMBED);
    g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
    g_autofree char *chat = g_build_filename(folder, "chat_template.jinja", NULL);
    struct maker m = start();
    put_f32(&m, "model.embed_tokens.weight", "[9, 2]", 18, 0);
    save(&m, path);
    put_tokenizer(folder,
                  "{\"added_tokens\": [{\"id\": 5, \"content\": \"<s>\", \"special\": true},"
                  " {\"id\": 6, \"content\": \"plain\", \"special\": false},"
                  " {\"id\": 0, \"content\": \"a\", \"special\": true}],"
                  " \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\":"
                  " \"Digits\", \"individual_digits\": true}, {\"type\": \"ByteLevel\","
                  " \"add_prefix_space\": false, \"use_regex\": true}]},"
                  " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\":"
                  " [{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}]},"
                  " \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 3,"
                  " \"abb\": 2}, \"merges\": [\"a b\", \"ab b\"]}}",
                  "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"plain\","
                  " \"model_max_length\": 1000000000000000019884624838656,"
                  " \"chat_template\": \"not this\"}");
    g_assert_true(g_file_set_contents(chat, "{{ this }}\n", -1, NULL));
    struct nawi_weights *weights = open_path(g_strdup(folder));
    const struct nawi_meta *meta = weights_get_meta(weights);
    const struct meta_array *tokens = need_array(weights, "tokenizer.ggml.tokens", META_STRING);
    const struct meta_array *types = need_array(weights, "tokenizer.ggml.token_type", META_INT);
    const struct meta_array *merges = need_array(weights, "tokenizer.ggml.merges", META_STRING);
    const char *const texts[] = {"a",   "b",     "abb",    "ab",    "[PAD4]",
                                 "<s>", "plain", "[PAD7]", "[PAD8]"};
    const int64_t kinds[] = {3, 1, 1, 1, 5, 3, 4, 5, 5};
    g_assert_cmpuint(tokens->n, ==, 9);
    g_assert_cmpuint(types->n, ==, 9);
    for (uint64_t i = 0; i < 9; i++) {
        g_autofree char *text = token(tokens, i);
        g_assert_cmpstr(text, ==, texts[i]);
        g_assert_cmpint(types->ints[i], ==, kinds[i]);
    }
    g_autofree char *merge = token(merges, 1);
    g_assert_cmpstr(merge, ==, "ab b");
    const char *pre = NULL;
    const char *template = NULL;
    int64_t bos = -1;
    int64_t eos = -1;
    bool add_bos = false;
    g_assert_true(meta_get_string(meta, "tokenizer.ggml.pre", &pre, NULL));
    g_assert_cmpstr(pre, ==, "smollm");
    g_assert_true(meta_get_string(meta, "tokenizer.chat_template", &template, NULL));
    g_assert_cmpstr(template, ==, "{{ this }}\n");
    g_assert_true(meta_get_int(meta, "tokenizer.ggml.bos_token_id", 0, 9, &bos, NULL));
    g_assert_true(meta_get_int(meta, "tokenizer.ggml.eos_token_id", 0, 9, &eos, NULL));
    g_assert_true(meta_get_bool(meta, "tokenizer.ggml.add_bos_token", &add_bos, NULL));
    g_assert_cmpint(bos, ==, 5);
    g_assert_cmpint(eos, ==, 6);
    g_assert_true(add_bos);
    weights_close(weights);
}

/* Byte fallback over U+2581: the kind that GGUF calls "llama", a merge's place as score. */
static void judge_scores(const char *folder, const char *spaces)
{
    g_autofree char *text = g_strdup_printf(
        "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true},"
        " {\"id\": 1, \"content\": \"<s>\", \"special\": true}], %s,"
        " \"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"unk_token\": \"<unk>\","
        " \"vocab\": {\"<unk>\": 0, \"<s>\": 1, \"<0x0A>\": 2, \"a\": 3, \"b\": 4,"
        " \"ab\": 5, \"ba\": 6, \"aba\": 7}, \"merges\": [\"b a\", \"a b\", \"ab a\","
        " \"a ba\"]}}",
        spaces);
    put_tokenizer(folder, text, "{\"bos_token\": \"<s>\", \"add_bos_token\": true}");
    struct nawi_weights *weights = open_path(g_strdup(folder));
    const char *model = NULL;
    g_assert_true(meta_get_string(weights_get_meta(weights), "tokenizer.ggml.model", &model, NULL));
    g_assert_cmpstr(model, ==, "llama");
    const struct meta_array *types = need_array(weights, "tokenizer.ggml.token_type", META_INT);
    const struct meta_array *scores = need_array(weights, "tokenizer.ggml.scores", META_FLOAT);
    const int64_t kinds[] = {2, 3, 6, 1, 1, 1, 1, 1, 5};
    for (int i = 0; i < 9; i++)
        g_assert_cmpint(types->ints[i], ==, kinds[i]);
    g_assert_cmpfloat(scores->floats[6], ==, 0);
    g_assert_cmpfloat(scores->floats[5], ==, -1);
    g_assert_cmpfloat(scores->floats[7], ==, -2);
    weights_close(weights);
}

static void test_tokenizer_scores(void)
{
    g_autofree char *folder = make_folder("scores", EMBED);
    g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
    struct maker m = start();
    put_f32(&m, "model.embed_tokens.weight", "[9, 2]", 18, 0);
    save(&m, path);
    judge_scores(folder, "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\":"
                         " \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}, {\"type\": \"Replace\","
                         " \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]},"
                         " \"pre_tokenizer\": null");
    judge_scores(folder, "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"Metaspace\","
                         " \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"first\","
                         " \"split\": false}");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/hf/scout", test_scout);
    g_test_add_func("/hf/names", test_names);
    g_test_add_func("/hf/scout-bf16", test_scout_bf16);
    g_test_add_func("/hf/maverick", test_maverick);
    g_test_add_func("/hf/top2", test_top2);
    g_test_add_func("/hf/cria", test_cria);
    g_test_add_func("/hf/fp8", test_fp8);
    g_test_add_func("/hf/parts", test_parts);
    g_test_add_func("/hf/alignment", test_alignment);
    g_test_add_func("/hf/links", test_links);
    g_test_add_func("/hf/tokenizer", test_tokenizer);
    g_test_add_func("/hf/tokenizer-scores", test_tokenizer_scores);
    return harness_main();
}
