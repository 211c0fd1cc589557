/* Shapes of the Llama 4 family as tables of numbers, and the lists of keys and tensors made of
 * them.
 *
 * Sources of the widths: the published configurations of Scout and Maverick; "behemoth" was never
 * published, its row is one that comes to the announced 2T total and 288B active with 16 experts;
 * "mini-scout" is Scout's plan at a quarter of its width (2.37B in all); "tower" is the vision
 * tower that Scout and Maverick share. */
#include "engine/file/synth.h"

#include "engine/file/gguf-write.h"
#include "engine/file/synth-blocks.h"
#include "engine/file/synth-vocab.h"

#include <math.h>
#include <string.h>

struct shape {
    const char *name, *title, *size_label;
    int n_layer, n_embd, n_head, n_kv_head, d_head;
    int n_ff_dense, n_ff_expert, n_expert, moe_step;
    int n_vocab, n_context;
    bool qk_norm, long_rope; /* long_rope: divisors of Scout's kind */
};

static const struct shape shapes[] = {
    {"scout", "Synthetic Scout", "17B-16E", 48, 5120, 40, 8, 128, 16384, 8192, 16, 1, 202048,
     10485760, true, true},
    {"maverick", "Synthetic Maverick", "17B-128E", 48, 5120, 40, 8, 128, 16384, 8192, 128, 2,
     202048, 1048576, false, false},
    {"behemoth", "Synthetic Behemoth", "288B-16E", 96, 16384, 128, 8, 128, 49152, 24576, 16, 1,
     202048, 262144, true, true},
    {"mini-scout", "Synthetic Mini Scout", "0.4B-16E", 16, 1280, 10, 2, 128, 4096, 2048, 16, 1,
     65536, 131072, true, true},
};

static const struct tower {
    int n_layer, n_embd, n_head, n_ff, image_px, patch_px, n_adapter, n_out;
} tower = {34, 1408, 16, 5632, 336, 14, 4096, 5120};

/* How the numbers of a tensor are drawn. */
enum kind {
    KIND_MATRIX, /* random, 1 / sqrt(k) */
    KIND_UNIT,   /* random, 1 */
    KIND_SMALL,  /* random, 1 / 16: biases */
    KIND_ONES,
    KIND_DIVISORS,
};

struct tensor {
    enum kind kind;
    enum nawi_dtype dtype;
    int64_t n, k; /* values in all, and of a row */
};

struct plan {
    const struct nawi_synth_params *params;
    enum nawi_dtype dtype;
    struct gguf_writer *writer;
    GArray *tensors; /* struct tensor */
};

/* The wanted format, or the best one whose blocks divide a row. */
static enum nawi_dtype fit(enum nawi_dtype dtype, int64_t k)
{
    if (k % nawi_dtype_get_info(dtype)->block_len == 0)
        return dtype;
    return k % 32 == 0 ? NAWI_DTYPE_Q8_0 : NAWI_DTYPE_F16;
}

static void add(struct plan *plan, const char *name, struct tensor tensor, int n_dim,
                const int64_t *ne)
{
    tensor.k = ne[n_dim - 1];
    tensor.n = 1;
    for (int i = 0; i < n_dim; i++)
        tensor.n *= ne[i];
    gguf_write_tensor(plan->writer, name, tensor.dtype, n_dim, ne);
    g_array_append_val(plan->tensors, tensor);
}

/* A matrix [m, k], or with n_expert above 0 [n_expert, m, k], in the format of the file. */
G_GNUC_PRINTF(5, 6)
static void add_matrix(struct plan *plan, int64_t n_expert, int64_t m, int64_t k,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *name = g_strdup_vprintf(format, args);
    va_end(args);
    const int64_t ne[3] = {n_expert, m, k};
    const int first = n_expert > 0 ? 0 : 1;
    add(plan, name, (struct tensor){.kind = KIND_MATRIX, .dtype = fit(plan->dtype, k)}, 3 - first,
        ne + first);
    g_free(name);
}

/* A vector in F32. */
G_GNUC_PRINTF(4, 5)
static void add_vector(struct plan *plan, enum kind kind, int64_t n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *name = g_strdup_vprintf(format, args);
    va_end(args);
    add(plan, name, (struct tensor){.kind = kind, .dtype = NAWI_DTYPE_F32}, 1, &n);
    g_free(name);
}

static void add_layer(struct plan *plan, const struct shape *s, int i)
{
    const int64_t d = s->n_embd;
    const int64_t q = (int64_t)s->n_head * s->d_head;
    const int64_t kv = (int64_t)s->n_kv_head * s->d_head;
    const int64_t f = s->n_ff_expert;
    const int64_t e = s->n_expert;
    add_vector(plan, KIND_ONES, d, "blk.%d.attn_norm.weight", i);
    add_matrix(plan, 0, q, d, "blk.%d.attn_q.weight", i);
    add_matrix(plan, 0, kv, d, "blk.%d.attn_k.weight", i);
    add_matrix(plan, 0, kv, d, "blk.%d.attn_v.weight", i);
    add_matrix(plan, 0, d, q, "blk.%d.attn_output.weight", i);
    add_vector(plan, KIND_ONES, d, "blk.%d.ffn_norm.weight", i);
    if ((i + 1) % s->moe_step != 0) {
        add_matrix(plan, 0, s->n_ff_dense, d, "blk.%d.ffn_gate.weight", i);
        add_matrix(plan, 0, s->n_ff_dense, d, "blk.%d.ffn_up.weight", i);
        add_matrix(plan, 0, d, s->n_ff_dense, "blk.%d.ffn_down.weight", i);
        return;
    }
    char *router = g_strdup_printf("blk.%d.ffn_gate_inp.weight", i);
    const int64_t ne[2] = {e, d};
    add(plan, router, (struct tensor){.kind = KIND_MATRIX, .dtype = NAWI_DTYPE_F32}, 2, ne);
    g_free(router);
    add_matrix(plan, e, f, d, "blk.%d.ffn_gate_exps.weight", i);
    add_matrix(plan, e, f, d, "blk.%d.ffn_up_exps.weight", i);
    add_matrix(plan, e, d, f, "blk.%d.ffn_down_exps.weight", i);
    add_matrix(plan, 0, f, d, "blk.%d.ffn_gate_shexp.weight", i);
    add_matrix(plan, 0, f, d, "blk.%d.ffn_up_shexp.weight", i);
    add_matrix(plan, 0, d, f, "blk.%d.ffn_down_shexp.weight", i);
}

/* The id of a whole file of one format, as converters write it. */
static uint32_t file_type_of(enum nawi_dtype dtype)
{
    switch (dtype) {
    case NAWI_DTYPE_F32: return 0;
    case NAWI_DTYPE_F16: return 1;
    case NAWI_DTYPE_Q4_0: return 2;
    case NAWI_DTYPE_Q4_1: return 3;
    case NAWI_DTYPE_Q8_0: return 7;
    case NAWI_DTYPE_Q5_0: return 8;
    case NAWI_DTYPE_Q5_1: return 9;
    case NAWI_DTYPE_Q2_K: return 10;
    case NAWI_DTYPE_Q3_K: return 12;
    case NAWI_DTYPE_Q4_K: return 14;
    case NAWI_DTYPE_Q5_K: return 16;
    case NAWI_DTYPE_Q6_K: return 18;
    default: return 32; /* BF16 */
    }
}

static void put_text_keys(struct plan *plan, const struct shape *s, int n_layer)
{
    struct gguf_writer *w = plan->writer;
    gguf_write_string(w, "general.architecture", "llama4");
    gguf_write_string(w, "general.type", "model");
    gguf_write_string(w, "general.name", s->title);
    gguf_write_string(w, "general.size_label", s->size_label);
    gguf_write_string(w, "general.description", "random weights, for measurements alone");
    gguf_write_u32(w, "general.file_type", file_type_of(plan->dtype));
    gguf_write_u32(w, "general.quantization_version", 2);
    gguf_write_u32(w, "llama4.block_count", (uint32_t)n_layer);
    gguf_write_u32(w, "llama4.context_length", (uint32_t)s->n_context);
    gguf_write_u32(w, "llama4.embedding_length", (uint32_t)s->n_embd);
    gguf_write_u32(w, "llama4.feed_forward_length", (uint32_t)s->n_ff_dense);
    gguf_write_u32(w, "llama4.expert_feed_forward_length", (uint32_t)s->n_ff_expert);
    gguf_write_u32(w, "llama4.attention.head_count", (uint32_t)s->n_head);
    gguf_write_u32(w, "llama4.attention.head_count_kv", (uint32_t)s->n_kv_head);
    gguf_write_u32(w, "llama4.attention.key_length", (uint32_t)s->d_head);
    gguf_write_u32(w, "llama4.attention.value_length", (uint32_t)s->d_head);
    gguf_write_f32(w, "llama4.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_write_f32(w, "llama4.rope.freq_base", 500000.0f);
    gguf_write_u32(w, "llama4.rope.dimension_count", (uint32_t)s->d_head);
    gguf_write_u32(w, "llama4.expert_count", (uint32_t)s->n_expert);
    gguf_write_u32(w, "llama4.expert_used_count", 1);
    gguf_write_u32(w, "llama4.interleave_moe_layer_step", (uint32_t)s->moe_step);
    gguf_write_u32(w, "llama4.vocab_size", (uint32_t)s->n_vocab);
    gguf_write_bool(w, "llama4.use_qk_norm", s->qk_norm);
    synth_vocab_write(w, s->n_vocab);
}

static void plan_text(struct plan *plan, const struct shape *s, int n_layer)
{
    put_text_keys(plan, s, n_layer);
    const int64_t ne[2] = {s->n_vocab, s->n_embd};
    add(plan, "token_embd.weight",
        (struct tensor){.kind = KIND_UNIT, .dtype = fit(plan->dtype, s->n_embd)}, 2, ne);
    add_vector(plan, KIND_ONES, s->n_embd, "output_norm.weight");
    add_matrix(plan, 0, s->n_vocab, s->n_embd, "output.weight");
    if (s->long_rope)
        add_vector(plan, KIND_DIVISORS, s->d_head / 2, "rope_freqs.weight");
    for (int i = 0; i < n_layer; i++)
        add_layer(plan, s, i);
}

static void put_tower_keys(struct plan *plan, int n_layer)
{
    static const float half[3] = {0.5f, 0.5f, 0.5f};
    struct gguf_writer *w = plan->writer;
    gguf_write_string(w, "general.architecture", "clip");
    gguf_write_string(w, "general.type", "mmproj");
    gguf_write_string(w, "general.name", "Synthetic Scout");
    gguf_write_string(w, "general.description", "random weights, for measurements alone");
    gguf_write_u32(w, "general.file_type", file_type_of(plan->dtype));
    gguf_write_bool(w, "clip.has_vision_encoder", true);
    gguf_write_string(w, "clip.projector_type", "llama4");
    gguf_write_bool(w, "clip.use_gelu", true);
    gguf_write_u32(w, "clip.vision.image_size", (uint32_t)tower.image_px);
    gguf_write_u32(w, "clip.vision.patch_size", (uint32_t)tower.patch_px);
    gguf_write_u32(w, "clip.vision.embedding_length", (uint32_t)tower.n_embd);
    gguf_write_u32(w, "clip.vision.feed_forward_length", (uint32_t)tower.n_ff);
    gguf_write_u32(w, "clip.vision.block_count", (uint32_t)n_layer);
    gguf_write_u32(w, "clip.vision.projection_dim", (uint32_t)tower.n_out);
    gguf_write_u32(w, "clip.vision.attention.head_count", (uint32_t)tower.n_head);
    gguf_write_f32(w, "clip.vision.attention.layer_norm_epsilon", 1e-5f);
    gguf_write_f32s(w, "clip.vision.image_mean", half, 3);
    gguf_write_f32s(w, "clip.vision.image_std", half, 3);
    gguf_write_u32(w, "clip.vision.projector.scale_factor", 2);
}

static void add_tower_layer(struct plan *plan, int i)
{
    static const char *const names[] = {"attn_q", "attn_k", "attn_v", "attn_out"};
    const int64_t d = tower.n_embd;
    for (int n = 1; n <= 2; n++) {
        add_vector(plan, KIND_ONES, d, "v.blk.%d.ln%d.weight", i, n);
        add_vector(plan, KIND_SMALL, d, "v.blk.%d.ln%d.bias", i, n);
    }
    for (size_t n = 0; n < G_N_ELEMENTS(names); n++) {
        add_matrix(plan, 0, d, d, "v.blk.%d.%s.weight", i, names[n]);
        add_vector(plan, KIND_SMALL, d, "v.blk.%d.%s.bias", i, names[n]);
    }
    add_matrix(plan, 0, tower.n_ff, d, "v.blk.%d.ffn_up.weight", i);
    add_vector(plan, KIND_SMALL, tower.n_ff, "v.blk.%d.ffn_up.bias", i);
    add_matrix(plan, 0, d, tower.n_ff, "v.blk.%d.ffn_down.weight", i);
    add_vector(plan, KIND_SMALL, d, "v.blk.%d.ffn_down.bias", i);
}

static void plan_tower(struct plan *plan, int n_layer)
{
    const int64_t d = tower.n_embd;
    const int64_t n_patch = tower.image_px / tower.patch_px * (tower.image_px / tower.patch_px);
    const int64_t positions[2] = {n_patch + 1, d};
    const int64_t patch[2] = {d, 3 * tower.patch_px * tower.patch_px};
    put_tower_keys(plan, n_layer);
    /* Loaders read patches and positions as plain numbers whatever the rest is. */
    const bool wide = plan->dtype == NAWI_DTYPE_F32 || plan->dtype == NAWI_DTYPE_BF16;
    add(plan, "v.patch_embd.weight",
        (struct tensor){.kind = KIND_MATRIX, .dtype = wide ? plan->dtype : NAWI_DTYPE_F16}, 2,
        patch);
    add_vector(plan, KIND_SMALL, d, "v.class_embd");
    add(plan, "v.position_embd.weight",
        (struct tensor){.kind = KIND_MATRIX, .dtype = NAWI_DTYPE_F32}, 2, positions);
    for (int n = 0; n < 2; n++) {
        add_vector(plan, KIND_ONES, d, "v.%s_ln.weight", n ? "post" : "pre");
        add_vector(plan, KIND_SMALL, d, "v.%s_ln.bias", n ? "post" : "pre");
    }
    for (int i = 0; i < n_layer; i++)
        add_tower_layer(plan, i);
    add_matrix(plan, 0, tower.n_adapter, 4 * d, "mm.model.mlp.1.weight");
    add_matrix(plan, 0, tower.n_adapter, tower.n_adapter, "mm.model.mlp.2.weight");
    add_matrix(plan, 0, tower.n_out, tower.n_adapter, "mm.model.fc.weight");
}

/* Scout's rule: waves longer than 8192 tokens turn 16 times slower. */
static void fill_divisors(int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const double wave = 2 * G_PI * pow(500000.0, (double)i / (double)n);
        out[i] = wave > 8192 ? 16.0f : 1.0f;
    }
}

static void fill(struct synth_random *random, const struct tensor *tensor, int64_t n, void *out)
{
    float *floats = out;
    switch (tensor->kind) {
    case KIND_MATRIX: synth_fill(random, tensor->dtype, 1 / sqrtf((float)tensor->k), n, out); break;
    case KIND_UNIT: synth_fill(random, tensor->dtype, 1, n, out); break;
    case KIND_SMALL: synth_fill(random, tensor->dtype, 1.0f / 16, n, out); break;
    case KIND_ONES:
        for (int64_t i = 0; i < n; i++)
            floats[i] = 1;
        break;
    case KIND_DIVISORS: fill_divisors(n, floats); break;
    }
}

/* Draws and writes all tensors, some rows at a time. */
static bool write_tensors(const struct plan *plan, void *buffer, size_t n_buffer, GError **error)
{
    const struct nawi_synth_params *params = plan->params;
    const int64_t total = (int64_t)gguf_write_size(plan->writer);
    int64_t done = 0;
    for (guint t = 0; t < plan->tensors->len; t++) {
        const struct tensor *tensor = &g_array_index(plan->tensors, struct tensor, t);
        const int64_t row_bytes = nawi_dtype_row_bytes(tensor->dtype, tensor->k);
        const int64_t n_row = tensor->n / tensor->k;
        const int64_t step = MAX((int64_t)n_buffer / row_bytes, 1);
        struct synth_random random = {(params->seed + 1) * 0x9E3779B97F4A7C15u +
                                      (t + 1) * 0xD1B54A32D192ED03u};
        random.state |= 1;
        synth_next(&random);
        for (int64_t row = 0; row < n_row; row += step) {
            const int64_t n = MIN(step, n_row - row);
            if (nawi_cancel_check(params->cancel, error))
                return false;
            fill(&random, tensor, n * tensor->k, buffer);
            if (!gguf_write_data(plan->writer, buffer, (uint64_t)(n * row_bytes), error))
                return false;
            done += n * row_bytes;
            if (params->progress)
                params->progress(MIN(done, total), total, params->user);
        }
    }
    return true;
}

static bool write_file(struct plan *plan, GError **error)
{
    const size_t n_buffer = 1 << 20; /* no row of any shape is longer */
    void *buffer = g_malloc(n_buffer);
    bool done = gguf_write_open(plan->writer, plan->params->path, error) &&
                write_tensors(plan, buffer, n_buffer, error);
    g_free(buffer);
    if (done)
        return gguf_write_close(plan->writer, error);
    gguf_write_close(plan->writer, NULL);
    return false;
}

/* *shape is NULL for the tower. False for an unknown name. */
static bool find_shape(const char *name, const struct shape **shape)
{
    *shape = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        if (strcmp(name, shapes[i].name) == 0)
            *shape = &shapes[i];
    return *shape || strcmp(name, "tower") == 0;
}

static bool fail(GError **error, const char *what, const char *expected, const char *found)
{
    char *quoted = nawi_quote(found, strlen(found));
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT, "%s: expected %s, found %s", what, expected,
                quoted);
    g_free(quoted);
    return false;
}

bool nawi_synth(const struct nawi_synth_params *params, GError **error)
{
    const struct shape *shape = NULL;
    struct plan plan = {.params = params};
    if (!find_shape(params->shape, &shape))
        return fail(error, "shape", "scout, maverick, behemoth, mini-scout or tower",
                    params->shape);
    if (!nawi_dtype_from_name(params->type, &plan.dtype) || !synth_can(plan.dtype))
        return fail(error, "type",
                    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K or Q6_K",
                    params->type);
    const int most = shape ? shape->n_layer : tower.n_layer;
    if (params->n_layer < 0 || params->n_layer > most) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_INPUT,
                    "layers: expected 1 to %d for the shape %s, found %d", most, params->shape,
                    params->n_layer);
        return false;
    }
    const int n_layer = params->n_layer ? params->n_layer : most;
    plan.writer = gguf_write_create();
    plan.tensors = g_array_new(FALSE, FALSE, sizeof(struct tensor));
    if (shape)
        plan_text(&plan, shape, n_layer);
    else
        plan_tower(&plan, n_layer);
    const bool done = write_file(&plan, error);
    g_array_free(plan.tensors, TRUE);
    return done;
}
