/* The classes that leave the container sound and lie about the model: keys of wrong types and
 * values, shapes that disagree, tensors that are missing, weights that are no numbers, vocabularies
 * that fit nothing. */
#include "tests/hostile/gguf-maker.h"

#include <math.h>
#include <string.h>

/* A key that must be a whole number. strict: no model without a right one. */
struct known {
    const char *name;
    bool strict;
};

static const struct known text_ints[] = {
    {"llama4.block_count", true},
    {"llama4.context_length", false},
    {"llama4.embedding_length", true},
    {"llama4.feed_forward_length", false},
    {"llama4.expert_feed_forward_length", false},
    {"llama4.attention.head_count", true},
    {"llama4.attention.head_count_kv", true},
    {"llama4.attention.key_length", true},
    {"llama4.attention.value_length", true},
    {"llama4.rope.dimension_count", false},
    {"llama4.expert_count", true},
    {"llama4.expert_used_count", true},
    {"llama4.interleave_moe_layer_step", true},
    {"llama4.vocab_size", false},
    {"llama4.attention.chunk_size", false},
    {"llama4.attention.temperature_length", false},
};
static const struct known tower_ints[] = {
    {"clip.vision.image_size", true},           {"clip.vision.patch_size", true},
    {"clip.vision.embedding_length", true},     {"clip.vision.feed_forward_length", false},
    {"clip.vision.block_count", true},          {"clip.vision.projection_dim", false},
    {"clip.vision.attention.head_count", true}, {"clip.vision.projector.scale_factor", true},
    {"clip.vision.preproc_max_tiles", false},
};
static const struct known text_floats[] = {
    {"llama4.attention.layer_norm_rms_epsilon", true},
    {"llama4.rope.freq_base", true},
    {"llama4.attention.temperature_scale", false},
};
static const struct known tower_floats[] = {
    {"clip.vision.attention.layer_norm_epsilon", true},
};

static void change_type(struct maker *maker, const char *name, enum hostile_verdict verdict)
{
    struct build *build = build_copy(maker->base);
    build_set_text(build, name, "8", 1);
    maker_emit(maker, build, verdict, NULL, "%s as text", name);
    build = build_copy(maker->base);
    build_set_number(build, name, BUILD_BOOL, 1);
    maker_emit(maker, build, verdict, NULL, "%s as truth", name);
    build = build_copy(maker->base);
    GByteArray *value = g_byte_array_new();
    build_put(value, BUILD_U32, 4);
    build_put(value, 1, 8);
    build_put(value, 4, 4);
    build_set(build, name, BUILD_ARRAY, value->data, value->len);
    g_byte_array_free(value, TRUE);
    maker_emit(maker, build, verdict, NULL, "%s as array", name);
}

static void ints(struct maker *maker, const struct known *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = keys[i].name;
        const struct build_key *key = build_find_key(maker->base, name);
        const enum hostile_verdict wrong = keys[i].strict ? HOSTILE_NO_MODEL : HOSTILE_EITHER;
        uint64_t right = 4;
        if (key && key->type == BUILD_U32)
            right = (uint64_t)key->value->data[0] | (uint64_t)key->value->data[1] << 8;
        const struct {
            uint32_t type;
            uint64_t value;
        } values[] = {{BUILD_U32, 0},
                      {BUILD_U32, UINT32_MAX},
                      {BUILD_U32, 0x80000000},
                      {BUILD_I32, UINT32_MAX},
                      {BUILD_I64, (uint64_t)1 << 63},
                      {BUILD_U64, UINT64_MAX},
                      {BUILD_U64, ((uint64_t)1 << 32) + right},
                      {BUILD_U64, ((uint64_t)1 << 63) + right}};
        maker->class = "value";
        for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
            struct build *build = build_copy(maker->base);
            build_set_number(build, name, values[v].type, values[v].value);
            maker_emit(maker, build, wrong, NULL, "%s = %" G_GUINT64_FORMAT " of type %u", name,
                       values[v].value, values[v].type);
        }
        maker->class = "type";
        change_type(maker, name, wrong);
        struct build *build = build_copy(maker->base);
        build_set_float(build, name, (float)right);
        maker_emit(maker, build, wrong, NULL, "%s as float", name);
        if (!key)
            continue;
        build = build_copy(maker->base);
        build_set_number(build, name, BUILD_U64, right);
        maker_emit(maker, build, HOSTILE_SOUND, NULL, "%s as u64", name);
        maker->class = "missing";
        build = build_copy(maker->base);
        build_drop_key(build, name);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "%s missing", name);
    }
}

static void floats(struct maker *maker, const struct known *keys, size_t n)
{
    static const float values[] = {NAN, INFINITY, -INFINITY, -1, 0, 3e38f, 1e-45f};
    for (size_t i = 0; i < n; i++) {
        const char *name = keys[i].name;
        maker->class = "value";
        for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
            struct build *build = build_copy(maker->base);
            build_set_float(build, name, values[v]);
            maker_emit(maker, build, keys[i].strict && v < 4 ? HOSTILE_NO_MODEL : HOSTILE_EITHER,
                       NULL, "%s = %g", name, (double)values[v]);
        }
        maker->class = "type";
        change_type(maker, name, keys[i].strict ? HOSTILE_NO_MODEL : HOSTILE_EITHER);
        struct build *build = build_copy(maker->base);
        build_drop_key(build, name);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "%s missing", name);
    }
}

static void architecture(struct maker *maker)
{
    static const char *const names[] = {"", "gpt-neo", "LLAMA4", "llama4 ", "%s%n", "llama"};
    maker->class = "value";
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct build *build = build_copy(maker->base);
        build_set_text(build, "general.architecture", names[i], strlen(names[i]));
        maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "architecture '%s'", names[i]);
    }
    struct build *build = build_copy(maker->base);
    build_set_text(build, "general.architecture", "llama4\0x", 8);
    maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "architecture with a zero byte");
    build = build_copy(maker->base);
    build_set_number(build, "general.architecture", BUILD_U32, 4);
    maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "architecture as number");
    build = build_copy(maker->base);
    build_drop_key(build, "general.architecture");
    maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "architecture missing");
}

/* Numbers that are each possible, and together are not. */
static void contradictions(struct maker *maker)
{
    static const struct {
        const char *name;
        uint64_t value;
    } text[] = {{"llama4.attention.head_count", 3},
                {"llama4.attention.head_count_kv", 2},
                {"llama4.attention.head_count", 512},
                {"llama4.attention.key_length", 31},
                {"llama4.attention.key_length", 64},
                {"llama4.attention.value_length", 16},
                {"llama4.expert_used_count", 5},
                {"llama4.expert_count", 3},
                {"llama4.expert_count", 5},
                {"llama4.expert_count", 128},
                {"llama4.block_count", 3},
                {"llama4.block_count", 5},
                {"llama4.block_count", 100000},
                {"llama4.embedding_length", 32},
                {"llama4.embedding_length", 65},
                {"llama4.embedding_length", 128},
                {"llama4.interleave_moe_layer_step", 2}},
      tower[] = {
          {"clip.vision.image_size", 57},           {"clip.vision.image_size", 42},
          {"clip.vision.image_size", 1008},         {"clip.vision.patch_size", 7},
          {"clip.vision.patch_size", 28},           {"clip.vision.attention.head_count", 5},
          {"clip.vision.attention.head_count", 48}, {"clip.vision.embedding_length", 24},
          {"clip.vision.block_count", 4},           {"clip.vision.projector.scale_factor", 3},
          {"clip.vision.projector.scale_factor", 4}};
    const bool is_text = maker->kind == HOSTILE_TEXT;
    const size_t n = is_text ? G_N_ELEMENTS(text) : G_N_ELEMENTS(tower);
    maker->class = "value";
    for (size_t i = 0; i < n; i++) {
        const char *name = is_text ? text[i].name : tower[i].name;
        const uint64_t value = is_text ? text[i].value : tower[i].value;
        /* One layer less leaves tensors over, which may be forgiven. */
        const bool fewer = strcmp(name, "llama4.block_count") == 0 && value == 3;
        struct build *build = build_copy(maker->base);
        build_set_number(build, name, BUILD_U32, value);
        maker_emit(maker, build, fewer ? HOSTILE_EITHER : HOSTILE_NO_MODEL, NULL, "%s = %u", name,
                   (guint)value);
    }
}

/* ── Tensors ── */

/* Names of tensors worth a change of shape: those of layer 1 and those of no layer. */
static bool is_sample(const struct build_tensor *tensor)
{
    char *name = g_strndup((const char *)tensor->name->data, tensor->name->len);
    const bool sample = !strstr(name, "blk.") || strstr(name, "blk.1.");
    g_free(name);
    return sample;
}

static void shapes(struct maker *maker)
{
    maker->class = "shape";
    for (guint i = 0; i < maker->base->tensors->len; i++) {
        const struct build_tensor *tensor = maker->base->tensors->pdata[i];
        if (!is_sample(tensor))
            continue;
        char *name = g_strndup((const char *)tensor->name->data, tensor->name->len);
        const uint32_t last = tensor->n_dim - 1;
        struct build *build = build_copy(maker->base);
        build_find_tensor(build, name)->dims[last] += 1;
        maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s one longer", name);
        if (tensor->dims[last] > 1 && strcmp(name, "rope_freqs.weight") != 0) {
            build = build_copy(maker->base);
            build_find_tensor(build, name)->dims[last] -= 1;
            maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s one shorter", name);
        }
        if (tensor->n_dim >= 2 && tensor->dims[0] != tensor->dims[1]) {
            build = build_copy(maker->base);
            struct build_tensor *turned = build_find_tensor(build, name);
            const uint64_t first = turned->dims[0];
            turned->dims[0] = turned->dims[1];
            turned->dims[1] = first;
            maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s transposed", name);
        }
        if (tensor->n_dim >= 2) {
            build = build_copy(maker->base);
            struct build_tensor *flat = build_find_tensor(build, name);
            for (uint32_t d = 1; d < flat->n_dim; d++)
                flat->dims[0] *= flat->dims[d];
            flat->n_dim = 1;
            maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s flat", name);
        }
        g_free(name);
    }
}

static void missing(struct maker *maker)
{
    maker->class = "missing";
    for (guint i = 0; i < maker->base->tensors->len; i++) {
        const struct build_tensor *tensor = maker->base->tensors->pdata[i];
        char *name = g_strndup((const char *)tensor->name->data, tensor->name->len);
        /* Without an output head the embedding table is one; a bias may be absent. */
        const bool optional = strcmp(name, "output.weight") == 0 || g_str_has_suffix(name, ".bias");
        struct build *build = build_copy(maker->base);
        build_drop_tensor(build, name);
        maker_emit(maker, build, optional ? HOSTILE_EITHER : HOSTILE_NO_MODEL, NULL, "%s missing",
                   name);
        g_free(name);
    }
    struct build *build = build_copy(maker->base);
    g_ptr_array_set_size(build->tensors, 0);
    build->n_tensor = 0;
    maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "no tensors at all");
}

static void dtypes(struct maker *maker)
{
    static const char *const norms[] = {"blk.1.attn_norm.weight", "output_norm.weight",
                                        "v.pre_ln.weight", "v.blk.1.ln1.bias", "v.class_embd"};
    static const uint32_t types[] = {1, 2, 6, 8, 20, 26, 30, 39};
    maker->class = "dtype";
    for (size_t i = 0; i < G_N_ELEMENTS(norms); i++)
        for (size_t t = 0; t < G_N_ELEMENTS(types); t++) {
            struct build *build = build_copy(maker->base);
            struct build_tensor *tensor = build_find_tensor(build, norms[i]);
            if (!tensor) {
                build_free(build);
                continue;
            }
            tensor->type = types[t];
            maker_emit(maker, build, types[t] == 26 ? HOSTILE_NO_MODEL : HOSTILE_EITHER, NULL,
                       "%s of type %u", norms[i], types[t]);
        }
}

/* Fills the first n bytes of a tensor with one word. */
static void poison(struct build *build, const struct build_tensor *tensor, uint32_t word, guint n)
{
    for (guint i = 0; i < n; i++)
        build->data->data[tensor->offset + i] = (guint8)(word >> (8 * (i % 4)));
}

static void weights(struct maker *maker)
{
    static const char *const text[] = {"token_embd.weight",
                                       "blk.0.attn_norm.weight",
                                       "blk.1.ffn_gate_inp.weight",
                                       "blk.2.ffn_up_exps.weight",
                                       "blk.1.attn_q.weight",
                                       "output_norm.weight",
                                       "output.weight"},
                             *const tower[] = {"v.patch_embd.weight", "v.position_embd.weight",
                                               "v.blk.0.ln1.weight",  "v.blk.1.attn_q.weight",
                                               "v.blk.1.ffn_up.bias", "mm.model.fc.weight",
                                               "v.post_ln.weight"};
    static const uint32_t words[] = {0x7FC07FC0, 0x7F800000, 0xFF800000,
                                     0x7C007C00, 0xFC00FC00, 0x7F7FFFFF};
    maker->class = "weights";
    for (size_t i = 0; i < G_N_ELEMENTS(text); i++)
        for (size_t w = 0; w < G_N_ELEMENTS(words); w++) {
            struct build *build = build_copy(maker->base);
            const char *name = maker->kind == HOSTILE_TEXT ? text[i] : tower[i];
            poison(build, build_find_tensor(build, name), words[w], 128);
            maker_emit(maker, build, HOSTILE_EITHER, NULL, "%s of %08X", name, words[w]);
        }
    if (maker->kind == HOSTILE_TOWER)
        return;
    static const float divisors[] = {0, NAN, INFINITY, -1, 1e-38f, 3e38f};
    for (size_t i = 0; i < G_N_ELEMENTS(divisors); i++) {
        struct build *build = build_copy(maker->base);
        const guint end = (build->data->len + 31) / 32 * 32;
        build_add_tensor(build, "rope_freqs.weight", 0, 16, end);
        g_byte_array_set_size(build->data, end + 64);
        for (guint k = 0; k < 16; k++)
            memcpy(build->data->data + end + 4 * k, &divisors[i], 4);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "divisors of %g", (double)divisors[i]);
    }
}

/* ── Vocabulary ── */

/* An array of n strings; each is text, or with "%" its number in text's place. */
static void set_words(struct build *build, const char *key, uint64_t n, const char *text)
{
    GByteArray *value = g_byte_array_new();
    build_put(value, BUILD_STRING, 4);
    build_put(value, n, 8);
    for (uint64_t i = 0; i < n; i++) {
        char *word = strcmp(text, "%") == 0 ? g_strdup_printf("w%u", (guint)i) : g_strdup(text);
        build_put(value, strlen(word), 8);
        g_byte_array_append(value, (const guint8 *)word, (guint)strlen(word));
        g_free(word);
    }
    build_set(build, key, BUILD_ARRAY, value->data, value->len);
    g_byte_array_free(value, TRUE);
}

static void set_numbers(struct build *build, const char *key, uint32_t type, uint64_t n,
                        uint64_t number)
{
    GByteArray *value = g_byte_array_new();
    build_put(value, type, 4);
    build_put(value, n, 8);
    for (uint64_t i = 0; i < n; i++)
        build_put(value, number, 4);
    build_set(build, key, BUILD_ARRAY, value->data, value->len);
    g_byte_array_free(value, TRUE);
}

static void tokenizer(struct maker *maker)
{
    static const char tokens[] = "tokenizer.ggml.tokens";
    static const char types[] = "tokenizer.ggml.token_type";
    static const char merges[] = "tokenizer.ggml.merges";
    maker->class = "tokenizer";
    static const uint64_t counts[] = {0, 1, 511, 513, 100000};
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        struct build *build = build_copy(maker->base);
        set_words(build, tokens, counts[i], "%");
        maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%u tokens", (guint)counts[i]);
        build = build_copy(maker->base);
        set_numbers(build, types, BUILD_I32, counts[i], 1);
        maker_emit(maker, build, counts[i] == 0 ? HOSTILE_EITHER : HOSTILE_NO_MODEL, NULL,
                   "%u token types", (guint)counts[i]);
    }
    static const char *const words[] = {"", "a", "\xFF", "<|patch|>", "%s%n", "%"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        struct build *build = build_copy(maker->base);
        set_words(build, tokens, 512, words[i]);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "all tokens '%s'", words[i]);
        build = build_copy(maker->base);
        set_words(build, merges, 238, words[i]);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "all merges '%s'", words[i]);
    }
    static const char *const odd[] = {" ", "a ", " b", "a b c", "zzzz qqqq", "h e"};
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
        struct build *build = build_copy(maker->base);
        set_words(build, merges, 20, odd[i]);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "merges '%s'", odd[i]);
    }
    static const uint32_t kinds[] = {0, 2, 3, 4, 5, 6, 7, 0x7FFFFFFF, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        struct build *build = build_copy(maker->base);
        set_numbers(build, types, BUILD_I32, 512, kinds[i]);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "all of type %u", kinds[i]);
    }
    static const char *const arrays[] = {tokens, types, merges};
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++) {
        struct build *build = build_copy(maker->base);
        set_numbers(build, arrays[i], BUILD_F32, 512, 0);
        maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s of floats", arrays[i]);
        build = build_copy(maker->base);
        build_set_number(build, arrays[i], BUILD_U32, 512);
        maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "%s as number", arrays[i]);
        build = build_copy(maker->base);
        build_drop_key(build, arrays[i]);
        maker_emit(maker, build, i == 0 ? HOSTILE_NO_MODEL : HOSTILE_EITHER, NULL, "no %s",
                   arrays[i]);
    }
    struct build *build = build_copy(maker->base);
    char *large = g_strnfill((1 << 20) + 1, 'x');
    set_words(build, tokens, 2, large);
    maker_emit(maker, build, HOSTILE_REFUSED, "an element: expected a length", "a token of 1 MiB");
    large[1 << 20] = '\0';
    build = build_copy(maker->base);
    set_words(build, merges, 8, large);
    maker_emit(maker, build, HOSTILE_EITHER, NULL, "merges of 1 MiB");
    g_free(large);
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.padding_token_id"};
    static const uint32_t values[] = {512, 513, 0x7FFFFFFF, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
            build = build_copy(maker->base);
            build_set_number(build, ids[i], BUILD_U32, values[v]);
            maker_emit(maker, build, HOSTILE_EITHER, NULL, "%s = %u", ids[i], values[v]);
        }
        build = build_copy(maker->base);
        build_drop_key(build, ids[i]);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "no %s", ids[i]);
    }
    static const char *const models[] = {"", "llama", "bert", "gpt2 ", "\xFF"};
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        build = build_copy(maker->base);
        build_set_text(build, "tokenizer.ggml.model", models[i], strlen(models[i]));
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "tokenizer '%s'", models[i]);
        build = build_copy(maker->base);
        build_set_text(build, "tokenizer.ggml.pre", models[i], strlen(models[i]));
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "split '%s'", models[i]);
    }
}

static void templates(struct maker *maker)
{
    static const char *const texts[] = {
        "",
        "{% for",
        "{{",
        "{% for i in range(99999999999) %}x{% endfor %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% set x = 'a' %}{% for i in range(64) %}{% set x = x ~ x %}{% endfor %}{{ x }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% include '/etc/passwd' %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "%s%n%s%n",
        "\xFF\xFE{{ messages }}",
    };
    maker->class = "template";
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct build *build = build_copy(maker->base);
        build_set_text(build, "tokenizer.chat_template", texts[i], strlen(texts[i]));
        maker_emit(maker, build, HOSTILE_SOUND, NULL, "template %zu", i);
    }
    char *deep = g_strnfill(1 << 20, '{');
    struct build *build = build_copy(maker->base);
    build_set_text(build, "tokenizer.chat_template", deep, 1 << 20);
    maker_emit(maker, build, HOSTILE_EITHER, NULL, "a million brackets");
    g_free(deep);
    build = build_copy(maker->base);
    build_set_text(build, "tokenizer.chat_template", "a\0b", 3);
    maker_emit(maker, build, HOSTILE_EITHER, NULL, "template with a zero byte");
    build = build_copy(maker->base);
    build_set_number(build, "tokenizer.chat_template", BUILD_U32, 1);
    maker_emit(maker, build, HOSTILE_EITHER, NULL, "template as number");
}

void maker_values(struct maker *maker)
{
    const bool is_text = maker->kind == HOSTILE_TEXT;
    if (is_text) {
        ints(maker, text_ints, G_N_ELEMENTS(text_ints));
        floats(maker, text_floats, G_N_ELEMENTS(text_floats));
        tokenizer(maker);
        templates(maker);
    } else {
        ints(maker, tower_ints, G_N_ELEMENTS(tower_ints));
        floats(maker, tower_floats, G_N_ELEMENTS(tower_floats));
    }
    architecture(maker);
    contradictions(maker);
    shapes(maker);
    missing(maker);
    dtypes(maker);
    weights(maker);
}
