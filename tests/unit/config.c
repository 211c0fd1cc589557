/* config.json as GGUF keys: both spellings of the rotation, the inverted list, defaults, what is
 * refused; and the rotation's divisors against golden numbers. */
#include "engine/file/config.h"
#include "tests/harness.h"

#include <math.h>
#include <string.h>

struct result {
    bool ok;
    struct nawi_meta *meta;
    struct config_facts facts;
    GError *error;
};

static struct result parse(const char *text)
{
    struct result r = {.meta = meta_create("config.json")};
    json_t *root = nawi_json_parse("config.json", text, strlen(text), NULL, &r.error);
    g_assert_no_error(r.error);
    r.ok = config_parse("config.json", root, r.meta, &r.facts, &r.error);
    json_decref(root);
    return r;
}

static void finish(struct result *r)
{
    meta_destroy(r->meta);
    g_clear_error(&r->error);
}

static int64_t number(struct nawi_meta *meta, const char *key)
{
    GError *error = NULL;
    int64_t value = -1;
    g_assert_true(meta_need_int(meta, key, INT64_MIN, INT64_MAX, &value, &error));
    g_assert_no_error(error);
    return value;
}

static void is_list(struct nawi_meta *meta, const char *key, const char *expected)
{
    GError *error = NULL;
    const struct meta_array *array = NULL;
    g_assert_true(meta_get_array(meta, key, META_INT, &array, &error));
    g_assert_no_error(error);
    GString *text = g_string_new(NULL);
    for (uint64_t i = 0; array && i < array->n; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? " " : "", array->ints[i]);
    g_assert_cmpstr(array ? text->str : "none", ==, expected);
    g_string_free(text, TRUE);
}

#define CAUSAL "{\"architectures\": [\"Llama4ForCausalLM\"], \"num_hidden_layers\": 4, "
#define OUTER  "{\"architectures\": [\"Llama4ForConditionalGeneration\"], "

/* What a file leaves out is what the class has. */
static void test_defaults(void)
{
    struct result r = parse("{\"architectures\": [\"Llama4ForCausalLM\"]}");
    g_assert_no_error(r.error);
    g_assert_true(r.ok);
    g_assert_cmpint(number(r.meta, "llama4.block_count"), ==, 48);
    g_assert_cmpint(number(r.meta, "llama4.embedding_length"), ==, 5120);
    g_assert_cmpint(number(r.meta, "llama4.attention.key_length"), ==, 128);
    g_assert_cmpint(number(r.meta, "llama4.attention.head_count_kv"), ==, 8);
    g_assert_cmpint(number(r.meta, "llama4.feed_forward_length"), ==, 16384);
    g_assert_cmpint(number(r.meta, "llama4.expert_feed_forward_length"), ==, 8192);
    g_assert_cmpint(number(r.meta, "llama4.expert_count"), ==, 16);
    g_assert_cmpint(number(r.meta, "llama4.attention.chunk_size"), ==, 8192);
    g_assert_cmpint(number(r.meta, "llama4.rope.nope_period"), ==, 4);
    g_assert_cmpint(number(r.meta, "llama4.interleave_moe_layer_step"), ==, 1);
    is_list(r.meta, "llama4.moe_layers", "none");
    is_list(r.meta, "llama4.rope.nope_layers", "none");
    g_assert_false(r.facts.has_vision);
    g_assert_false(r.facts.is_tied);
    g_assert_cmpfloat(r.facts.rope.theta, ==, 500000.0);
    finish(&r);

    r = parse("{\"model_type\": \"llama\", \"hidden_size\": 576, \"num_attention_heads\": 9,"
              " \"tie_word_embeddings\": true}");
    g_assert_true(r.ok);
    g_assert_cmpint(number(r.meta, "llama.attention.key_length"), ==, 64);
    g_assert_cmpint(number(r.meta, "llama.attention.head_count_kv"), ==, 9);
    bool half = false;
    g_assert_true(meta_get_bool(r.meta, "llama.rope.half", &half, NULL) && half);
    g_assert_true(r.facts.is_tied);
    finish(&r);
}

static void test_layers(void)
{
    struct result r = parse(CAUSAL "\"hidden_size\": 64, \"num_attention_heads\": 8}");
    g_assert_no_error(r.error);
    g_assert_cmpint(number(r.meta, "llama4.attention.key_length"), ==, 128);
    finish(&r);
    r = parse(CAUSAL "\"hidden_size\": 64, \"num_attention_heads\": 4, \"head_dim\": null,"
                     " \"num_key_value_heads\": null}");
    g_assert_no_error(r.error);
    g_assert_cmpint(number(r.meta, "llama4.attention.key_length"), ==, 16);
    g_assert_cmpint(number(r.meta, "llama4.attention.head_count_kv"), ==, 4);
    finish(&r);

    r = parse(CAUSAL "\"no_rope_layers\": [1, 0, 1, 0], \"moe_layers\": [3, 1]}");
    g_assert_no_error(r.error);
    is_list(r.meta, "llama4.rope.nope_layers", "1 3");
    is_list(r.meta, "llama4.moe_layers", "1 3");
    finish(&r);

    r = parse(CAUSAL "\"no_rope_layers\": [], \"no_rope_layer_interval\": 2,"
                     " \"interleave_moe_layer_step\": 2, \"moe_layers\": null}");
    g_assert_no_error(r.error);
    is_list(r.meta, "llama4.rope.nope_layers", "none");
    g_assert_cmpint(number(r.meta, "llama4.rope.nope_period"), ==, 2);
    g_assert_cmpint(number(r.meta, "llama4.interleave_moe_layer_step"), ==, 2);
    finish(&r);

    r = parse(CAUSAL "\"num_local_experts\": 0, \"moe_layers\": [],"
                     " \"interleave_moe_layer_step\": 0}");
    g_assert_no_error(r.error);
    is_list(r.meta, "llama4.moe_layers", "");
    g_assert_cmpint(number(r.meta, "llama4.expert_used_count"), ==, 0);
    finish(&r);

    r = parse(CAUSAL "\"no_rope_layer_interval\": 2, \"layer_types\": [\"chunked_attention\","
                     " \"full_attention\", \"chunked_attention\", \"full_attention\"]}");
    g_assert_no_error(r.error);
    finish(&r);
}

static void test_temperature(void)
{
    const struct {
        const char *value;
        bool on;
    } cases[] = {{"4", true}, {"true", true}, {"false", false}, {"0", false}, {"null", true}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf(CAUSAL "\"attn_temperature_tuning\": %s}", cases[i].value);
        struct result r = parse(text);
        bool on = !cases[i].on;
        g_assert_true(meta_get_bool(r.meta, "llama4.attention.temperature", &on, NULL));
        g_assert_true(on == cases[i].on);
        finish(&r);
    }
}

#define RULE                                                                                       \
    "\"rope_type\": \"llama3\", \"factor\": 16.0, \"low_freq_factor\": 1.0,"                       \
    " \"high_freq_factor\": 1.0, \"original_max_position_embeddings\": 8192"

static void test_rope_spellings(void)
{
    const char *const texts[] = {
        CAUSAL "\"rope_theta\": 500000, \"rope_scaling\": {" RULE "}}",
        CAUSAL "\"rope_parameters\": {\"rope_theta\": 500000.0, " RULE "}}",
        CAUSAL "\"rope_theta\": 500000, \"rope_scaling\": {" RULE
               "}, \"rope_parameters\": {\"rope_theta\": 500000.0, " RULE "}}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct result r = parse(texts[i]);
        g_assert_no_error(r.error);
        g_assert_cmpint(r.facts.rope.kind, ==, CONFIG_ROPE_LLAMA3);
        g_assert_cmpfloat(r.facts.rope.theta, ==, 500000);
        g_assert_cmpfloat(r.facts.rope.factor, ==, 16);
        finish(&r);
    }
    struct result r = parse(CAUSAL "\"rope_scaling\": null, \"rope_theta\": 10000}");
    g_assert_cmpint(r.facts.rope.kind, ==, CONFIG_ROPE_NONE);
    g_assert_cmpfloat(r.facts.rope.theta, ==, 10000);
    finish(&r);
    r = parse(CAUSAL "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}");
    g_assert_cmpint(r.facts.rope.kind, ==, CONFIG_ROPE_LINEAR);
    finish(&r);
}

static void test_divisors(void)
{
    g_autofree char *path = harness_golden("numbers.json");
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, NULL); /* other parts of it hold NUL */
    g_assert_nonnull(root);
    const char *name;
    json_t *rule;
    int n_rule = 0;
    json_object_foreach(json_object_get(root, "rope_divisors"), name, rule)
    {
        const struct config_rope rope = {
            .kind = CONFIG_ROPE_LLAMA3,
            .theta = 500000.0,
            .factor = json_number_value(json_object_get(rule, "factor")),
            .low = json_number_value(json_object_get(rule, "low")),
            .high = json_number_value(json_object_get(rule, "high")),
            .original = json_number_value(json_object_get(rule, "original")),
        };
        const json_t *values = json_object_get(rule, "values");
        const int64_t n = (int64_t)json_array_size(values);
        float divisors[CONFIG_HEAD_MOST / 2];
        g_assert_true(config_divide_rope(&rope, 2 * n, divisors));
        for (int64_t j = 0; j < n; j++) {
            const double wanted = json_number_value(json_array_get(values, (size_t)j));
            g_assert_cmpfloat(fabs(divisors[j] - wanted), <=, 1e-6 * wanted);
        }
        n_rule++;
    }
    g_assert_cmpint(n_rule, ==, 2);
    json_decref(root);

    float divisors[64];
    const struct config_rope none = {.kind = CONFIG_ROPE_NONE, .theta = 500000.0};
    g_assert_false(config_divide_rope(&none, 128, divisors));
    g_assert_cmpfloat(divisors[63], ==, 1.0f);
    const struct config_rope linear = {.kind = CONFIG_ROPE_LINEAR, .theta = 1e4, .factor = 2.5};
    g_assert_true(config_divide_rope(&linear, 128, divisors));
    g_assert_cmpfloat(divisors[0], ==, 2.5f);
}

#define VISION                                                                                     \
    "\"text_config\": {\"hidden_size\": 64, \"num_attention_heads\": 4, \"head_dim\": 16,"         \
    " \"num_key_value_heads\": 2}, \"vision_config\": {\"hidden_size\": 48,"                       \
    " \"intermediate_size\": 192, \"num_hidden_layers\": 3, \"num_attention_heads\": 3,"           \
    " \"image_size\": 56, \"projector_input_dim\": 32, \"projector_output_dim\": 32,"              \
    " \"vision_output_dim\": 32"

static void test_vision(void)
{
    struct result r = parse(OUTER VISION "}}");
    g_assert_no_error(r.error);
    g_assert_true(r.facts.has_vision);
    g_assert_cmpint(number(r.meta, "clip.vision.image_size"), ==, 56);
    g_assert_cmpint(number(r.meta, "clip.vision.projector.scale_factor"), ==, 2);
    g_assert_cmpint(number(r.meta, "clip.vision.projection_dim"), ==, 64);
    g_assert_cmpint(number(r.meta, "clip.vision.preproc_max_tiles"), ==, 16);
    const char *text = "{\"size\": {\"height\": 56, \"width\": 56}, \"max_patches\": 4,"
                       " \"image_mean\": [0.1, 0.2, 0.3]}";
    json_t *root = nawi_json_parse("p.json", text, strlen(text), NULL, &r.error);
    g_assert_true(config_parse_processor("p.json", root, &r.facts, r.meta, &r.error));
    g_assert_no_error(r.error);
    g_assert_cmpint(number(r.meta, "clip.vision.preproc_max_tiles"), ==, 4);
    const struct meta_array *mean = NULL;
    g_assert_true(meta_get_array(r.meta, "clip.vision.image_mean", META_FLOAT, &mean, NULL));
    g_assert_cmpfloat(mean->floats[2], ==, 0.3);
    json_decref(root);
    finish(&r);
}

/* A sentence for every contradiction; the place comes first. */
static void test_refusals(void)
{
    const struct {
        const char *text, *part;
        int code;
    } cases[] = {
        {"{}", "config.json: architectures: expected the name of a class", NAWI_ERROR_FORMAT},
        {"{\"architectures\": [\"GPT2LMHeadModel\"]}", "not 'GPT2LMHeadModel'",
         NAWI_ERROR_UNSUPPORTED},
        {"{\"architectures\": [1]}", "architectures: expected a string, found 1",
         NAWI_ERROR_FORMAT},
        {"{\"architectures\": [\"Llama4ForCausalLM\"], \"model_type\": \"llama\"}",
         "model_type: expected 'llama4_text'", NAWI_ERROR_FORMAT},
        {OUTER "\"a\": 1}", "text_config: expected an object, found nothing", NAWI_ERROR_FORMAT},
        {OUTER "\"text_config\": {\"num_hidden_layers\": 0}}",
         "config.json: text_config.num_hidden_layers: expected a whole number 1..1024, found 0",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"num_attention_heads\": 6, \"num_key_value_heads\": 4}",
         "num_key_value_heads: expected a divisor", NAWI_ERROR_FORMAT},
        {CAUSAL "\"head_dim\": 33}", "head_dim: expected an even number", NAWI_ERROR_FORMAT},
        {CAUSAL "\"hidden_size\": 65, \"head_dim\": null}", "hidden_size: expected a multiple",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"num_experts_per_tok\": 17}", "num_experts_per_tok: expected 1..16",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"num_local_experts\": 0, \"moe_layers\": [1]}", "moe_layers: expected none",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"moe_layers\": [4]}", "expected a layer 0..3, found 4", NAWI_ERROR_FORMAT},
        {CAUSAL "\"moe_layers\": [1, 1]}", "layer 1 occurs twice", NAWI_ERROR_FORMAT},
        {CAUSAL "\"interleave_moe_layer_step\": 0}", "interleave_moe_layer_step: expected at least",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"no_rope_layers\": [1, 0]}", "one value for each of 4 layers, found 2",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"no_rope_layers\": [1, 0, 2, 1]}", "value 2: expected 0 or 1, found 2",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"no_rope_layer_interval\": 0}", "no_rope_layer_interval", NAWI_ERROR_FORMAT},
        {CAUSAL "\"layer_types\": [\"full_attention\", \"a\", \"b\", \"c\"]}",
         "layer 0: expected 'chunked_attention'", NAWI_ERROR_FORMAT},
        {CAUSAL "\"hidden_act\": \"gelu\"}", "hidden_act: expected 'silu', found 'gelu'",
         NAWI_ERROR_UNSUPPORTED},
        {CAUSAL "\"attention_bias\": true}", "attention_bias: expected false",
         NAWI_ERROR_UNSUPPORTED},
        {CAUSAL "\"attn_temperature_tuning\": \"yes\"}", "attn_temperature_tuning: expected true",
         NAWI_ERROR_FORMAT},
        {CAUSAL "\"floor_scale\": 0.5}", "floor_scale", NAWI_ERROR_FORMAT},
        {CAUSAL "\"floor_scale\": 2.5}", "floor_scale: expected a whole number", NAWI_ERROR_FORMAT},
        {CAUSAL "\"rope_scaling\": {\"rope_type\": \"yarn\"}}",
         "rope_scaling.rope_type: expected default, linear or llama3, found 'yarn'",
         NAWI_ERROR_UNSUPPORTED},
        {CAUSAL "\"rope_scaling\": {\"rope_type\": \"llama3\"}}",
         "rope_scaling.factor: expected a number", NAWI_ERROR_FORMAT},
        {CAUSAL "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8,"
                " \"low_freq_factor\": 4, \"high_freq_factor\": 1,"
                " \"original_max_position_embeddings\": 8192}}",
         "low_freq_factor: expected at most high_freq_factor 1, found 4", NAWI_ERROR_FORMAT},
        {CAUSAL "\"rope_scaling\": null, \"rope_theta\": 1e4,"
                " \"rope_parameters\": {\"rope_theta\": 5e5}}",
         "rope_theta: 10000 contradicts rope_parameters", NAWI_ERROR_FORMAT},
        {CAUSAL "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2},"
                " \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 4}}",
         "rope_scaling: contradicts rope_parameters", NAWI_ERROR_FORMAT},
        {CAUSAL "\"rope_parameters\": {\"full_attention\": {}}}", "one rule for all layers",
         NAWI_ERROR_UNSUPPORTED},
        {CAUSAL "\"eos_token_id\": [1, -2]}", "eos_token_id", NAWI_ERROR_FORMAT},
        {CAUSAL "\"quantization_config\": {\"quant_method\": \"awq\"}}",
         "expected fbgemm_fp8 or compressed-tensors, found 'awq'", NAWI_ERROR_UNSUPPORTED},
        {OUTER "\"tie_word_embeddings\": true, \"text_config\": {\"tie_word_embeddings\": false}}",
         "text_config.tie_word_embeddings: false contradicts", NAWI_ERROR_FORMAT},
        {OUTER VISION ", \"patch_size\": 15}}", "vision_config.image_size: expected a multiple",
         NAWI_ERROR_FORMAT},
        {OUTER VISION ", \"pixel_shuffle_ratio\": 0.3}}", "pixel_shuffle_ratio: expected one part",
         NAWI_ERROR_FORMAT},
        {OUTER VISION ", \"pixel_shuffle_ratio\": 0.2}}", "pixel_shuffle_ratio: expected a part",
         NAWI_ERROR_FORMAT},
        {OUTER VISION ", \"num_channels\": 4}}", "num_channels: expected 3, found 4",
         NAWI_ERROR_UNSUPPORTED},
        {OUTER VISION ", \"hidden_act\": \"quick_gelu\"}}", "hidden_act: expected 'gelu'",
         NAWI_ERROR_UNSUPPORTED},
        {OUTER "\"text_config\": {}, \"vision_config\": {\"hidden_size\": 50}}",
         "num_attention_heads: expected hidden_size", NAWI_ERROR_FORMAT},
        {OUTER "\"text_config\": {}, \"vision_config\": {\"projector_input_dim\": 8}}",
         "projector_input_dim: expected projector_output_dim", NAWI_ERROR_FORMAT},
        {OUTER "\"text_config\": {}, \"vision_config\": []}", "vision_config: expected an object",
         NAWI_ERROR_FORMAT},
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"mlp_bias\": true}",
         "mlp_bias: expected false", NAWI_ERROR_UNSUPPORTED},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct result r = parse(cases[i].text);
        g_assert_false(r.ok);
        g_assert_error(r.error, NAWI_ERROR, cases[i].code);
        if (!r.error || !strstr(r.error->message, cases[i].part)) {
            g_test_message("case %zu: expected '%s' in: %s", i, cases[i].part,
                           r.error ? r.error->message : "no error");
            g_test_fail();
        }
        finish(&r);
    }
}

static void test_processor_refusals(void)
{
    const struct {
        const char *text, *part;
    } cases[] = {
        {"{\"size\": {\"height\": 56, \"width\": 57}}", "size: expected the image_size 56"},
        {"{\"size\": 57}", "size: expected the image_size 56"},
        {"{\"size\": {\"height\": 56}}", "width: expected a whole number"},
        {"{\"max_patches\": 0}", "max_patches"},
        {"{\"max_patches\": 2147483648}", "max_patches"},
        {"{\"image_mean\": [0.5]}", "image_mean: expected 3 numbers, found 1"},
        {"{\"image_std\": [0, 1, 1]}", "image_std: value 0: expected a number"},
        {"{\"rescale_factor\": 0.5}", "rescale_factor: expected 1/255"},
        {"{\"do_normalize\": false}", "do_normalize"},
        {"{\"resample\": 3}", "resample: expected 2"},
        {"{\"resize_to_max_canvas\": true}", "resize_to_max_canvas"},
    };
    const struct config_facts facts = {.arch = "llama4", .has_vision = true, .image_px = 56};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *error = NULL;
        struct nawi_meta *meta = meta_create("p.json");
        json_t *root =
            nawi_json_parse("p.json", cases[i].text, strlen(cases[i].text), NULL, &error);
        g_assert_no_error(error);
        g_assert_false(config_parse_processor("p.json", root, &facts, meta, &error));
        if (!error || !strstr(error->message, cases[i].part)) {
            g_test_message("expected '%s' in: %s", cases[i].part,
                           error ? error->message : "no error");
            g_test_fail();
        }
        g_clear_error(&error);
        json_decref(root);
        meta_destroy(meta);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/layers", test_layers);
    g_test_add_func("/config/temperature", test_temperature);
    g_test_add_func("/config/rope-spellings", test_rope_spellings);
    g_test_add_func("/config/divisors", test_divisors);
    g_test_add_func("/config/vision", test_vision);
    g_test_add_func("/config/refusals", test_refusals);
    g_test_add_func("/config/processor-refusals", test_processor_refusals);
    return harness_main();
}
