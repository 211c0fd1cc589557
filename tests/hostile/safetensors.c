/* Malformed Hugging Face folders, each with its expected refusal: two sound folders are changed at
 * one place at a time and opened. A case passes when nothing opens, the error is ours, names the
 * file and the fault, and is safe to print. The sound folders, and harmless changes of them, open.
 */
#include "engine/file/weights.h"
#include "tests/harness.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *plain_folder; /* tiny-top2: Llama4ForCausalLM, one file */
static char *shard_folder; /* tiny-scout-bf16: Llama4ForConditionalGeneration, two shards, tower */

static char *copy_folder(const char *name)
{
    g_autofree char *relative = g_build_filename("models", name, NULL);
    g_autofree char *from = harness_golden(relative);
    char *to = g_build_filename(harness_scratch(), name, NULL);
    g_assert_cmpint(g_mkdir(to, 0700), ==, 0);
    GDir *dir = g_dir_open(from, 0, NULL);
    const char *entry;
    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *source = g_build_filename(from, entry, NULL);
        g_autofree char *target = g_build_filename(to, entry, NULL);
        g_autofree char *bytes = NULL;
        gsize n = 0;
        g_assert_true(g_file_get_contents(source, &bytes, &n, NULL));
        g_assert_true(g_file_set_contents(target, bytes, (gssize)n, NULL));
    }
    g_dir_close(dir);
    return to;
}

/* ── What is expected ───────────────────────────────────────────────────────────────────────── */

static bool is_printable(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (; *text; text++)
        if (g_ascii_iscntrl(*text))
            return false;
    return true;
}

/* part NULL: it opens. */
static void judge(const char *name, const char *folder, const char *file, const char *part)
{
    GError *error = NULL;
    struct nawi_weights *weights = weights_open(folder, &error);
    const char *message = error ? error->message : "no error";
    bool ok = part ? !weights && error && error->domain == NAWI_ERROR : weights && !error;
    if (ok && part)
        ok = strstr(message, part) && strstr(message, folder) && is_printable(message) &&
             (!file || strstr(message, file) || strstr(message, "expected the file") ||
              g_str_has_prefix(message + strlen(folder), ": "));
    if (!ok) {
        g_test_message("%s: expected %s%s, found: %s", name, part ? "a refusal with " : "to open",
                       part ? part : "", message);
        g_test_fail();
    }
    g_clear_error(&error);
    weights_close(weights);
}

/* A file as it was, to be put back. */
struct saved {
    char *path, *bytes;
    gsize n;
};

static struct saved save(const char *folder, const char *file)
{
    struct saved s = {.path = g_build_filename(folder, file, NULL)};
    if (!g_file_get_contents(s.path, &s.bytes, &s.n, NULL))
        s.bytes = NULL;
    return s;
}

static void restore(struct saved *s)
{
    if (g_remove(s->path) != 0)
        g_assert_cmpint(errno, ==, ENOENT);
    if (s->bytes)
        g_assert_true(g_file_set_contents(s->path, s->bytes, (gssize)s->n, NULL));
    g_free(s->path);
    g_free(s->bytes);
}

/* ── Documents changed at one place ─────────────────────────────────────────────────────────── */

struct patch {
    char folder;       /* 'p' plain, 's' shards */
    const char *file;  /* a JSON file, or a .safetensors, whose header it is */
    const char *path;  /* keys and indices between '/'; "" is the whole */
    const char *value; /* JSON text; NULL: taken out; "@name": called so from now on */
    const char *part;  /* of the message; NULL: opens */
};

#define HEADER   "model.safetensors"
#define NORM     "model.norm.weight"
#define GATE_UP  "model.layers.0.feed_forward.experts.gate_up_proj"
#define INDEX    "model.safetensors.index.json"
#define CONFIG   "config.json"
#define WORDS    "tokenizer.json"
#define NAMES    "tokenizer_config.json"
#define PICTURES "preprocessor_config.json"

static const struct patch patches[] = {
    /* Controls. */
    {'p', CONFIG, "unknown_key", "{\"a\": [1, 2]}", NULL},
    {'p', CONFIG, "model_type", NULL, NULL},
    {'p', CONFIG, "architectures", NULL, NULL},
    {'p', CONFIG, "architectures", "[]", NULL},
    {'p', CONFIG, "pad_token_id", "512", NULL},
    {'p', CONFIG, "attn_temperature_tuning", "4", NULL},
    {'p', CONFIG, "no_rope_layers", "[]", NULL},
    {'p', HEADER, "__metadata__", NULL, NULL},
    {'p', HEADER, "__metadata__", "{\"a\": \"b\"}", NULL},
    {'p', HEADER, NORM "/extra", "1", NULL},
    {'p', HEADER, NORM, "@some.other.name", NULL},
    {'s', INDEX, "metadata", NULL, NULL},
    {'s', PICTURES, "max_patches", "4", NULL},
    {'p', NAMES, "model_max_length", "1e30", NULL},

    /* Header: tensors. */
    {'p', HEADER, NORM, "5", "expected an object, found 5"},
    {'p', HEADER, NORM, "null", "expected an object, found null"},
    {'p', HEADER, NORM, "[]", "expected an object, found an array of 0"},
    {'p', HEADER, NORM, "\"x\"", "expected an object, found 'x'"},
    {'p', HEADER, NORM, "{}", "dtype: expected a type"},
    {'p', HEADER, NORM, NULL, "bytes of data, found"},
    {'p', HEADER, GATE_UP, NULL, "data_offsets: expected to begin at"},
    {'p', HEADER, "a\\033[31m", "{}", "tensor 'a\\x1B[31m': dtype"},
    {'p', HEADER, "__metadata__", "5", "__metadata__: expected an object of strings"},
    {'p', HEADER, "__metadata__", "[]", "__metadata__: expected an object of strings"},
    {'p', HEADER, "__metadata__", "{\"a\": 1}", "__metadata__: expected an object of strings"},
    {'p', HEADER, "__metadata__", "{\"a\": {}}", "__metadata__: expected an object of strings"},

    /* Header: types. */
    {'p', HEADER, NORM "/dtype", NULL, "dtype: expected a type"},
    {'p', HEADER, NORM "/dtype", "null", "dtype: expected a type"},
    {'p', HEADER, NORM "/dtype", "1", "dtype: expected a type"},
    {'p', HEADER, NORM "/dtype", "\"\"", "dtype: expected a type"},
    {'p', HEADER, NORM "/dtype", "\"bf16\"", "found 'bf16'"},
    {'p', HEADER, NORM "/dtype", "\"F33\"", "found 'F33'"},
    {'p', HEADER, NORM "/dtype", "\"Q4_K\"", "found 'Q4_K'"},
    {'p', HEADER, NORM "/dtype", "[\"BF16\"]", "dtype: expected a type"},
    {'p', HEADER, NORM "/dtype", "\"F32\"", "expected 256 bytes for its shape"},
    {'p', HEADER, NORM "/dtype", "\"U8\"", "expected 64 bytes for its shape"},
    {'p', HEADER, NORM "/dtype", "\"I16\"", "expected F32, F16, BF16 or F8_E4M3"},
    {'p', HEADER, NORM "/dtype", "\"U16\"", "expected F32, F16, BF16 or F8_E4M3"},
    {'p', HEADER, NORM "/dtype", "\"F6_E2M3\"", "expected 48 bytes"},

    /* Header: shapes. */
    {'p', HEADER, NORM "/shape", NULL, "shape: expected an array"},
    {'p', HEADER, NORM "/shape", "null", "shape: expected an array"},
    {'p', HEADER, NORM "/shape", "64", "shape: expected an array"},
    {'p', HEADER, NORM "/shape", "\"64\"", "shape: expected an array"},
    {'p', HEADER, NORM "/shape", "{}", "shape: expected an array"},
    {'p', HEADER, NORM "/shape", "[64.0]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[\"64\"]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[true]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[null]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[[64]]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[-64]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[-8, -8]", "shape[0]: expected a whole number"},
    {'p', HEADER, NORM "/shape", "[]", "expected 2 bytes"},
    {'p', HEADER, NORM "/shape", "[0]", "expected 0 bytes"},
    {'p', HEADER, NORM "/shape", "[64, 0]", "expected 0 bytes"},
    {'p', HEADER, NORM "/shape", "[63]", "expected 126 bytes"},
    {'p', HEADER, NORM "/shape", "[65]", "expected 130 bytes"},
    {'p', HEADER, NORM "/shape", "[2, 64]", "expected 256 bytes"},
    {'p', HEADER, NORM "/shape", "[1, 1, 1, 1, 1, 1, 1, 1, 64]", "an array of 9"},
    {'p', HEADER, NORM "/shape", "[1, 1, 1, 1, 64]", "in at most 4 dimensions"},
    {'p', HEADER, NORM "/shape", "[9223372036854775807]", "does not fit 64 bits"},
    {'p', HEADER, NORM "/shape", "[9223372036854775807, 2]", "does not fit 64 bits"},
    {'p', HEADER, NORM "/shape", "[4294967296, 4294967296]", "does not fit 64 bits"},
    {'p', HEADER, NORM "/shape", "[1152921504606846976, 16]", "does not fit 64 bits"},
    {'p', HEADER, NORM "/shape", "[4611686018427387904, 4, 64]", "does not fit 64 bits"},

    /* Header: offsets. */
    {'p', HEADER, NORM "/data_offsets", NULL, "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "null", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "0", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "[]", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "[0]", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "[0, 128, 256]", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "[0.0, 128.0]", "data_offsets: expected an array of two"},
    {'p', HEADER, NORM "/data_offsets", "[\"0\", \"128\"]", "data_offsets: expected an array of"},
    {'p', HEADER, NORM "/data_offsets", "{\"0\": 0, \"1\": 128}",
     "data_offsets: expected an array"},
    {'p', HEADER, NORM "/data_offsets", "[0, 128]", "data_offsets: expected to begin at"},
    {'p', HEADER, NORM "/data_offsets", "[64, 192]", "data_offsets: expected to begin at"},
    {'p', HEADER, NORM "/data_offsets", "[128, 0]", "begin <= end"},
    {'p', HEADER, NORM "/data_offsets", "[-128, 0]", "begin <= end"},
    {'p', HEADER, NORM "/data_offsets", "[0, 9223372036854775807]", "begin <= end"},
    {'p', HEADER, NORM "/data_offsets", "[9223372036854775679, 9223372036854775807]",
     "begin <= end"},
    {'p', HEADER, NORM "/data_offsets/1", "100000000", "begin <= end"},
    {'p', HEADER, NORM "/data_offsets/0", "1", "bytes for its shape"},

    /* Tensors that are sound but do not make the model. */
    {'p', HEADER, GATE_UP "/shape", "[6, 4096]", "expected 3 dimensions, found 2"},
    {'p', HEADER, GATE_UP "/shape", "[6, 64, 32, 2]", "expected 3 dimensions, found 4"},
    {'p', HEADER, GATE_UP "/shape", "[6, 4096, 1]", "expected an even number of columns"},
    {'p', HEADER, GATE_UP "/dtype", "\"I16\"", "expected F32, F16, BF16"},
    {'p', HEADER, "model.embed_tokens.weight/shape", "[256, 128]",
     "vocab_size 512 rows, found 256"},
    {'p', HEADER, "model.embed_tokens.weight/shape", "[32768]", "vocab_size 512 rows, found 32768"},
    {'p', HEADER, "lm_head.weight", "@lm_tail.weight", "expected lm_head.weight"},
    {'p', HEADER, "lm_head.weight", "@language_model." NORM, "found it twice"},
    {'p', HEADER, NORM, "@model.layers.0.feed_forward.experts.0.up_proj.weight",
     "expected 6 experts, found 1"},
    {'p', HEADER, NORM, "@model.layers.0.input_layernorm.weight_scale",
     "expected F8_E4M3 beside a scale"},
    {'p', HEADER, GATE_UP, "@" GATE_UP "_scale", "expected the weight that it scales"},
    {'p', HEADER, "model.layers.0.self_attn.q_proj.weight/dtype", "\"F8_E4M3\"",
     "bytes for its shape"},
    {'p', HEADER, "model.layers.0.self_attn.q_proj.weight",
     "{\"dtype\": \"F8_E4M3\", \"shape\": [192, 128], \"data_offsets\": [%]}",
     "expected its scale 'model.layers.0.self_attn.q_proj.weight_scale'"},
    {'p', HEADER, "model.layers.0.self_attn.q_proj.weight/shape", "[0, 64]", "expected 0 bytes"},

    /* Index. */
    {'s', INDEX, "", "[]", "expected an object, found an array"},
    {'s', INDEX, "weight_map", NULL, "weight_map: expected an object, found nothing"},
    {'s', INDEX, "weight_map", "[]", "weight_map: expected an object"},
    {'s', INDEX, "weight_map", "\"model-00001-of-00002.safetensors\"", "weight_map: expected an"},
    {'s', INDEX, "weight_map", "{}", "expected at least one tensor"},
    {'s', INDEX, "weight_map/language_model." NORM, "1", "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "null", "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "[\"a.safetensors\"]", "expected the plain"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"\"", "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "\".\"", "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"../a.safetensors\"", "expected the plain"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"/etc/passwd\"", "found '/etc/passwd'"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"/a.safetensors\"",
     "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"./model-00001-of-00002.safetensors\"",
     "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"sub/a.safetensors\"", "expected the plain"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"..\\\\a.safetensors\"",
     "expected the plain"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"file:///a.safetensors\"", "expected the"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"http://h/a.safetensors\"", "expected the"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"config.json\"", "expected the plain name"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"a\\u0007.safetensors\"", "a\\x07"},
    {'s', INDEX, "weight_map/language_model." NORM, "\"missing.safetensors\"",
     "expected the file missing.safetensors"},
    {'s', INDEX, "weight_map/no.such.tensor", "\"model-00001-of-00002.safetensors\"",
     "tensor 'no.such.tensor': expected in model-00001-of-00002.safetensors"},
    {'s', INDEX, "weight_map/language_model.lm_head.weight", "\"model-00002-of-00002.safetensors\"",
     "tensor 'language_model.lm_head.weight': expected in model-00002"},
    {'s', INDEX, "weight_map/language_model.lm_head.weight", "@language_model.lm_tail.weight",
     "tensor 'language_model.lm_tail.weight': expected in"},

    /* config.json. */
    {'p', CONFIG, "", "[]", "expected an object, found an array"},
    {'p', CONFIG, "", "{}", "architectures: expected the name of a class"},
    {'p', CONFIG, "architectures", "\"Llama4ForCausalLM\"", "architectures: expected an array"},
    {'p', CONFIG, "architectures", "[\"\"]", "not ''"},
    {'p', CONFIG, "architectures", "[\"BertModel\"]", "not 'BertModel'"},
    {'p', CONFIG, "architectures", "[{}]", "architectures: expected a string"},
    {'p', CONFIG, "architectures", "[\"Llama4ForConditionalGeneration\"]", "model_type: expected"},
    {'p', CONFIG, "model_type", "\"llama\"", "model_type: expected 'llama4_text'"},
    {'p', CONFIG, "model_type", "7", "model_type: expected a string, found 7"},
    {'p', CONFIG, "num_hidden_layers", "0", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "-4", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "4.0", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "\"4\"", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "[4]", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "2147483648", "num_hidden_layers: expected a whole number"},
    {'p', CONFIG, "num_hidden_layers", "5", "no_rope_layers: expected one value"},
    {'p', CONFIG, "hidden_size", "0", "hidden_size: expected a whole number"},
    {'p', CONFIG, "hidden_size", "4294967360", "hidden_size: expected a whole number"},
    {'p', CONFIG, "num_attention_heads", "0", "num_attention_heads: expected"},
    {'p', CONFIG, "num_attention_heads", "5", "num_key_value_heads: expected a divisor"},
    {'p', CONFIG, "num_key_value_heads", "4", "num_key_value_heads: expected a divisor"},
    {'p', CONFIG, "num_key_value_heads", "0", "num_key_value_heads: expected"},
    {'p', CONFIG, "num_key_value_heads", "true", "num_key_value_heads: expected"},
    {'p', CONFIG, "head_dim", "0", "head_dim: expected"},
    {'p', CONFIG, "head_dim", "33", "head_dim: expected an even number"},
    {'p', CONFIG, "head_dim", "65536", "head_dim: expected"},
    {'p', CONFIG, "vocab_size", "0", "vocab_size: expected"},
    {'p', CONFIG, "vocab_size", "511", "vocab_size 511 rows, found 512"},
    {'p', CONFIG, "vocab_size", "1000000000000", "vocab_size: expected"},
    {'p', CONFIG, "intermediate_size", "0", "intermediate_size: expected"},
    {'p', CONFIG, "intermediate_size_mlp", "-1", "intermediate_size_mlp: expected"},
    {'p', CONFIG, "max_position_embeddings", "0", "max_position_embeddings: expected"},
    {'p', CONFIG, "max_position_embeddings", "1e9", "max_position_embeddings: expected"},
    {'p', CONFIG, "num_local_experts", "-1", "num_local_experts: expected"},
    {'p', CONFIG, "num_local_experts", "1000000", "num_local_experts: expected"},
    {'p', CONFIG, "num_local_experts", "1", "num_experts_per_tok: expected 1..1"},
    {'p', CONFIG, "num_experts_per_tok", "0", "num_experts_per_tok: expected 1..6"},
    {'p', CONFIG, "num_experts_per_tok", "7", "num_experts_per_tok: expected 1..6"},
    {'p', CONFIG, "interleave_moe_layer_step", "0", "interleave_moe_layer_step: expected"},
    {'p', CONFIG, "moe_layers", "7", "moe_layers: expected an array"},
    {'p', CONFIG, "moe_layers", "[0, 1, 2, 4]", "expected a layer 0..3, found 4"},
    {'p', CONFIG, "moe_layers", "[-1]", "expected a layer 0..3, found -1"},
    {'p', CONFIG, "moe_layers", "[0, 0]", "layer 0 occurs twice"},
    {'p', CONFIG, "moe_layers", "[\"0\"]", "expected a layer 0..3, found '0'"},
    {'p', CONFIG, "no_rope_layers", "[1, 1]", "one value for each of 4 layers"},
    {'p', CONFIG, "no_rope_layers", "[1, 1, 1, 2]", "expected 0 or 1, found 2"},
    {'p', CONFIG, "no_rope_layers", "{}", "no_rope_layers: expected an array"},
    {'p', CONFIG, "rms_norm_eps", "0", "rms_norm_eps: expected a number"},
    {'p', CONFIG, "rms_norm_eps", "-1e-5", "rms_norm_eps: expected a number"},
    {'p', CONFIG, "rms_norm_eps", "\"1e-5\"", "rms_norm_eps: expected a number"},
    {'p', CONFIG, "attention_chunk_size", "0", "attention_chunk_size: expected"},
    {'p', CONFIG, "attention_chunk_size", "4294967296", "attention_chunk_size: expected"},
    {'p', CONFIG, "floor_scale", "0", "floor_scale: expected"},
    {'p', CONFIG, "attn_scale", "-1", "attn_scale: expected"},
    {'p', CONFIG, "attn_temperature_tuning", "\"on\"", "attn_temperature_tuning: expected"},
    {'p', CONFIG, "use_qk_norm", "1", "use_qk_norm: expected true or false"},
    {'p', CONFIG, "hidden_act", "\"relu\"", "hidden_act: expected 'silu'"},
    {'p', CONFIG, "attention_bias", "true", "attention_bias: expected false"},
    {'p', CONFIG, "tie_word_embeddings", "\"no\"", "tie_word_embeddings: expected true or false"},
    {'p', CONFIG, "rope_parameters", "[]", "rope_parameters: expected an object"},
    {'p', CONFIG, "rope_parameters/rope_theta", "0", "rope_theta: expected a number"},
    {'p', CONFIG, "rope_parameters/rope_theta", "-5", "rope_theta: expected a number"},
    {'p', CONFIG, "rope_parameters/rope_type", "\"yarn\"", "rope_type: expected default"},
    {'p', CONFIG, "rope_parameters/rope_type", "3", "rope_type: expected a string"},
    {'p', CONFIG, "rope_parameters/factor", "0", "factor: expected a number"},
    {'p', CONFIG, "rope_parameters/factor", NULL,
     "factor: expected a number 1..1e+06, found nothing"},
    {'p', CONFIG, "rope_parameters/low_freq_factor", "0", "low_freq_factor: expected"},
    {'p', CONFIG, "rope_parameters/low_freq_factor", "9", "low_freq_factor: expected at most"},
    {'p', CONFIG, "rope_parameters/high_freq_factor", "\"4\"", "high_freq_factor: expected"},
    {'p', CONFIG, "rope_parameters/original_max_position_embeddings", "0", "original_max_position"},
    {'p', CONFIG, "rope_theta", "7", "rope_theta: 7 contradicts rope_parameters"},
    {'p', CONFIG, "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 2}", "contradicts"},
    {'p', CONFIG, "eos_token_id", "-5", "eos_token_id: expected"},
    {'p', CONFIG, "eos_token_id", "[481, \"487\"]", "eos_token_id: expected"},
    {'p', CONFIG, "eos_token_id", "[481, 512]",
     "eos_token_id: expected ids below vocab_size 512, found 512"},
    {'p', CONFIG, "bos_token_id", "512", "bos_token_id: expected ids below vocab_size 512"},
    {'p', CONFIG, "pad_token_id", "9999999999", "pad_token_id: expected"},
    {'p', CONFIG, "quantization_config", "{\"quant_method\": \"gptq\"}", "quant_method: expected"},
    {'p', CONFIG, "quantization_config", "7", "quantization_config: expected an object"},
    {'s', CONFIG, "text_config", NULL, "text_config: expected an object, found nothing"},
    {'s', CONFIG, "text_config", "5", "text_config: expected an object, found 5"},
    {'s', CONFIG, "text_config/num_hidden_layers", "0", "text_config.num_hidden_layers: expected"},
    {'s', CONFIG, "tie_word_embeddings", "true", "text_config.tie_word_embeddings: false"},
    {'s', CONFIG, "vision_config", "5", "vision_config: expected an object"},
    {'s', CONFIG, "vision_config/num_hidden_layers", "0", "vision_config.num_hidden_layers"},
    {'s', CONFIG, "vision_config/patch_size", "0", "patch_size: expected"},
    {'s', CONFIG, "vision_config/patch_size", "15", "image_size: expected a multiple"},
    {'s', CONFIG, "vision_config/image_size", "0", "image_size: expected"},
    {'s', CONFIG, "vision_config/image_size", "1000000", "image_size: expected"},
    {'s', CONFIG, "vision_config/image_size", "42", "pixel_shuffle_ratio: expected a part"},
    {'s', CONFIG, "vision_config/image_size", "112", "size: expected the image_size 112"},
    {'s', CONFIG, "vision_config/pixel_shuffle_ratio", "0", "pixel_shuffle_ratio: expected"},
    {'s', CONFIG, "vision_config/pixel_shuffle_ratio", "0.3", "pixel_shuffle_ratio: expected"},
    {'s', CONFIG, "vision_config/num_attention_heads", "0", "num_attention_heads: expected"},
    {'s', CONFIG, "vision_config/num_attention_heads", "5", "num_attention_heads: expected"},
    {'s', CONFIG, "vision_config/num_channels", "1", "num_channels: expected 3"},
    {'s', CONFIG, "vision_config/hidden_act", "\"silu\"", "hidden_act: expected 'gelu'"},
    {'s', CONFIG, "vision_config/norm_eps", "null", NULL},
    {'s', CONFIG, "vision_config/projector_input_dim", "65", "projector_input_dim: expected"},
    {'s', CONFIG, "vision_config/vision_output_dim", "65", "vision_output_dim: expected"},
    {'s', CONFIG, "vision_config/rope_theta", "0", "rope_theta: expected"},

    /* preprocessor_config.json. */
    {'s', PICTURES, "", "[]", "expected an object, found an array"},
    {'s', PICTURES, "size", "[56, 56]", "size: expected an object"},
    {'s', PICTURES, "size/width", "57", "size: expected the image_size 56"},
    {'s', PICTURES, "size/height", "-56", "height: expected"},
    {'s', PICTURES, "max_patches", "0", "max_patches: expected"},
    {'s', PICTURES, "max_patches", "1000000000", "max_patches: expected"},
    {'s', PICTURES, "image_mean", "[0.5, 0.5]", "image_mean: expected 3 numbers"},
    {'s', PICTURES, "image_std", "[0.5, 0, 0.5]", "image_std: value 1: expected"},
    {'s', PICTURES, "image_std", "[0.5, \"x\", 0.5]", "image_std: value 1: expected"},
    {'s', PICTURES, "rescale_factor", "1", "rescale_factor: expected 1/255"},
    {'s', PICTURES, "resample", "0", "resample: expected 2"},

    /* tokenizer.json. */
    {'p', WORDS, "", "[]", "expected an object, found an array"},
    {'p', WORDS, "", "{}", "model: expected an object, found nothing"},
    {'p', WORDS, "model", "[]", "model: expected an object"},
    {'p', WORDS, "model/type", "\"WordPiece\"", "type: expected 'BPE', found 'WordPiece'"},
    {'p', WORDS, "model/type", "1", "type: expected a string"},
    {'p', WORDS, "model/dropout", "0.5", "dropout: expected none"},
    {'p', WORDS, "model/continuing_subword_prefix", "\"##\"", "continuing_subword_prefix"},
    {'p', WORDS, "model/byte_fallback", "true", "normalizer: expected"},
    {'p', WORDS, "model/vocab", NULL, "vocab: expected an object, found nothing"},
    {'p', WORDS, "model/vocab", "[]", "vocab: expected an object"},
    {'p', WORDS, "model/vocab", "{}", "is not in the vocabulary"},
    {'p', WORDS, "model/vocab/!", "\"13\"", "token '!': expected an id, found '13'"},
    {'p', WORDS, "model/vocab/!", "13.0", "token '!': expected an id"},
    {'p', WORDS, "model/vocab/!", "-1", "expected an id 0..511, found -1"},
    {'p', WORDS, "model/vocab/!", "14", "stands for two tokens"},
    {'p', WORDS, "model/vocab/!", "512",
     "expected ids 0..511, as the model has rows, found up to 512"},
    {'p', WORDS, "model/vocab/!", "4294967309", "expected ids 0..511"},
    {'p', WORDS, "model/vocab/!", "9223372036854775807", "expected ids 0..511"},
    {'p', WORDS, "model/vocab/!", "480", "id 480 stands for two tokens"},
    {'p', WORDS, "model/vocab/", "500", "expected 1..65535 bytes of text, found 0"},
    {'p', WORDS, "model/vocab/<|eot|>", "13", "stands for two tokens"},
    {'p', WORDS, "model/merges", NULL, "merges: expected an array, found nothing"},
    {'p', WORDS, "model/merges", "{}", "merges: expected an array"},
    {'p', WORDS, "model/merges/0", "7", "merge 0: expected two tokens, found 7"},
    {'p', WORDS, "model/merges/0", "\"he\"", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "\" e\"", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "\"h \"", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "\"h e y\"", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "[\"h\"]", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "[\"h\", \"e\", \"y\"]", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "[\"h\", 7]", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "[\"\", \"e\"]", "merge 0: expected two tokens"},
    {'p', WORDS, "model/merges/0", "[\"h\", \"nowhere\"]", "'nowhere' is not in the vocabulary"},
    {'p', WORDS, "model/merges/0", "[\"!\", \"!\"]", "'!!' is not in the vocabulary"},
    {'p', WORDS, "added_tokens", "{}", "added_tokens: expected an array"},
    {'p', WORDS, "added_tokens/0", "7", "entry 0: expected an object"},
    {'p', WORDS, "added_tokens/0/id", NULL, "added_tokens.id: expected a whole number"},
    {'p', WORDS, "added_tokens/0/id", "-1", "added_tokens.id: expected a whole number"},
    {'p', WORDS, "added_tokens/0/id", "481", "id 481 stands for two tokens"},
    {'p', WORDS, "added_tokens/0/id", "2000", "expected ids 0..511"},
    {'p', WORDS, "added_tokens/0/content", NULL, "added_tokens.content: entry 0"},
    {'p', WORDS, "added_tokens/0/content", "5", "added_tokens.content: expected a string"},
    {'p', WORDS, "added_tokens/0/content", "\"\"", "expected 1..65535 bytes of text"},
    {'p', WORDS, "added_tokens/0/content", "\"<|eot|>\"", "has two ids"},
    {'p', WORDS, "added_tokens/0/special", "\"yes\"", "special: expected true or false"},
    {'p', WORDS, "normalizer", "{\"type\": \"NFC\"}", "normalizer: expected none"},
    {'p', WORDS, "pre_tokenizer", NULL, "pre_tokenizer: expected an object"},
    {'p', WORDS, "pre_tokenizer", "{\"type\": \"Whitespace\"}",
     "the step 'Whitespace' is not known"},
    {'p', WORDS, "pre_tokenizer/pretokenizers", "[]", "expected 1..3 steps, found 0"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/0", "1", "step 0: expected an object"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/0", NULL, "not a known way to cut"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/1", NULL, "not a known way to cut"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/0/pattern/Regex", "\"(a+)+$\"",
     "the pattern '(a+)+$' is not a known one"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/0/pattern", "{\"String\": \" \"}",
     "pattern with Regex"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/0/behavior", "\"MergedWithNext\"", "Isolated"},
    {'p', WORDS, "pre_tokenizer/pretokenizers/1/add_prefix_space", "true",
     "add_prefix_space false"},

    /* tokenizer_config.json. */
    {'p', NAMES, "", "[]", "expected an object, found an array"},
    {'p', NAMES, "bos_token", "5", "bos_token: expected the name of a token, found 5"},
    {'p', NAMES, "bos_token", "\"<nobody>\"", "bos_token: '<nobody>' is not in the vocabulary"},
    {'p', NAMES, "eos_token", "{\"content\": \"<nobody>\"}", "eos_token: '<nobody>' is not in the"},
    {'p', NAMES, "add_bos_token", "\"yes\"", "add_bos_token: expected true or false"},
    {'p', NAMES, "chat_template", "5", "chat_template: expected a text, found 5"},
    {'p', NAMES, "chat_template", "[{\"name\": \"x\"}]", "expected a name and a template"},
};

/* The value at path, its holder and last key; "" is the root itself, holder NULL. */
static json_t *walk(json_t *root, const char *path, char **last)
{
    g_auto(GStrv) keys = g_strsplit(path, "/", -1);
    guint n = g_strv_length(keys);
    json_t *at = root;
    for (guint i = 0; i + 1 < n; i++) {
        at = json_is_array(at) ? json_array_get(at, (size_t)g_ascii_strtoull(keys[i], NULL, 10))
                               : json_object_get(at, keys[i]);
        g_assert_nonnull(at);
    }
    *last = g_strcompress(keys[n - 1]);
    return at;
}

static json_t *value_of(const struct patch *p, const json_t *old)
{
    g_autofree char *text = g_strdup(p->value);
    char *mark = strstr(text, "%");
    if (mark) { /* the offsets that stand there already */
        const json_t *offsets = json_object_get(old, "data_offsets");
        g_autofree char *pair =
            g_strdup_printf("%lld, %lld", (long long)json_integer_value(json_array_get(offsets, 0)),
                            (long long)json_integer_value(json_array_get(offsets, 1)));
        *mark = 0;
        g_autofree char *whole = g_strconcat(text, pair, mark + 1, NULL);
        return json_loads(whole, JSON_DECODE_ANY, NULL);
    }
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!value)
        g_error("not JSON in the table: %s", text);
    return value;
}

/* Changes root, and returns what it is now. */
static json_t *apply(json_t *root, const struct patch *p)
{
    if (p->path[0] == 0) {
        json_decref(root);
        return value_of(p, NULL);
    }
    g_autofree char *last = NULL;
    json_t *holder = walk(root, p->path, &last);
    size_t index = (size_t)g_ascii_strtoull(last, NULL, 10);
    if (!p->value && json_is_array(holder))
        json_array_remove(holder, index);
    else if (!p->value)
        json_object_del(holder, last);
    else if (p->value[0] == '@') {
        json_t *value = json_incref(json_object_get(holder, last));
        g_assert_nonnull(value);
        json_object_del(holder, last);
        json_object_set_new(holder, p->value + 1, value);
    } else if (json_is_array(holder))
        json_array_set_new(holder, index, value_of(p, NULL));
    else
        json_object_set_new(holder, last, value_of(p, json_object_get(holder, last)));
    return root;
}

static uint64_t read_length(const char *bytes)
{
    uint64_t n;
    memcpy(&n, bytes, 8);
    return GUINT64_FROM_LE(n);
}

/* A container again, with another header before the same data. */
static void write_container(const char *path, const char *header, size_t n_header, uint64_t length,
                            const char *data, size_t n_data)
{
    GByteArray *file = g_byte_array_new();
    length = GUINT64_TO_LE(length);
    g_byte_array_append(file, (const guint8 *)&length, 8);
    g_byte_array_append(file, (const guint8 *)header, (guint)n_header);
    g_byte_array_append(file, (const guint8 *)data, (guint)n_data);
    g_assert_true(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
    g_byte_array_unref(file);
}

static void run_patch(const struct patch *p, const char *name)
{
    const char *folder = p->folder == 'p' ? plain_folder : shard_folder;
    struct saved s = save(folder, p->file);
    g_assert_nonnull(s.bytes);
    const bool is_container = g_str_has_suffix(p->file, ".safetensors");
    const size_t skip = is_container ? 8 : 0;
    const size_t n = is_container ? (size_t)read_length(s.bytes) : s.n;
    json_t *root = json_loadb(s.bytes + skip, n, 0, NULL);
    g_assert_nonnull(root);
    root = apply(root, p);
    g_autofree char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (is_container)
        write_container(s.path, text, strlen(text), strlen(text), s.bytes + 8 + n, s.n - 8 - n);
    else
        g_assert_true(g_file_set_contents(s.path, text, -1, NULL));
    judge(name, folder, p->file, p->part);
    restore(&s);
}

static void test_patches(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autofree char *name = g_strdup_printf("%s %s = %s", patches[i].file, patches[i].path,
                                                patches[i].value ? patches[i].value : "taken out");
        run_patch(&patches[i], name);
    }
    g_test_message("%zu changes of documents", G_N_ELEMENTS(patches));
}

/* ── Bytes ──────────────────────────────────────────────────────────────────────────────────── */

static void test_lengths(void)
{
    struct saved s = save(plain_folder, HEADER);
    const uint64_t n = read_length(s.bytes);
    const uint64_t lengths[] = {0,          1,
                                2,          n - 1,
                                n + 1,      n / 2,
                                s.n - 8,    s.n - 7,
                                100000001,  1ULL << 31,
                                1ULL << 32, (1ULL << 32) + n,
                                1ULL << 60, (1ULL << 63) + n,
                                1ULL << 63, UINT64_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *name = g_strdup_printf("header length %" G_GUINT64_FORMAT, lengths[i]);
        write_container(s.path, s.bytes + 8, s.n - 8, lengths[i], "", 0);
        judge(name, plain_folder, HEADER, HEADER ": ");
    }
    restore(&s);
}

static void test_cuts(void)
{
    struct saved s = save(plain_folder, HEADER);
    const size_t n = (size_t)read_length(s.bytes);
    const size_t cuts[] = {0,         1,     7,         8,       9,         10,      100,
                           8 + n - 1, 8 + n, 8 + n + 1, s.n / 2, s.n - 128, s.n - 2, s.n - 1};
    for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
        g_autofree char *name = g_strdup_printf("cut to %zu bytes", cuts[i]);
        g_assert_true(g_file_set_contents(s.path, s.bytes, (gssize)cuts[i], NULL));
        judge(name, plain_folder, HEADER, HEADER ": ");
    }
    const size_t more[] = {1, 2, 4096};
    for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
        g_autofree char *longer = g_malloc0(s.n + more[i]);
        g_autofree char *name = g_strdup_printf("%zu bytes behind the end", more[i]);
        memcpy(longer, s.bytes, s.n);
        g_assert_true(g_file_set_contents(s.path, longer, (gssize)(s.n + more[i]), NULL));
        judge(name, plain_folder, HEADER, "bytes of data, found");
    }
    restore(&s);
}

struct text {
    const char *name, *text, *part;
    guint repeat; /* the text that many times; 0 is once */
};

static const struct text texts[] = {
    {"spaces", "    ", "", 0},
    {"a word", "abcd", "", 0},
    {"an array", "[]", "", 0},
    {"half an object", "{\"a\"", "", 0},
    {"single quotes", "{'a': 1}", "", 0},
    {"a comma at the end", "{\"a\": 1,}", "", 0},
    {"two objects", "{}{}", "", 0},
    {"400,000 brackets", "[", "", 400000},
    {"100,000 objects", "{\"a\":", "nested more than", 100000},
    {"twice the same key", "{\"a\": 1, \"a\": 1}", "a key occurs twice", 0},
    {"not UTF-8", "{\"a\xff\": 1}", "not UTF-8", 0},
    {"overlong UTF-8", "{\"a\xc0\xaf\": 1}", "not UTF-8", 0},
    {"half a surrogate", "{\"\\ud800\": 1}", "this is not JSON", 0},
    {"NUL in a name", "{\"a\\u0000b\": 1}", "NUL", 0},
    {"a number beyond 64 bits", "{\"a\": 9223372036854775808}", "a number is too large", 0},
    {"a number beyond doubles", "{\"a\": 1e400}", "a number is too large", 0},
    {"NaN", "{\"a\": NaN}", "this is not JSON", 0},
    {"a comment", "{/* */}", "this is not JSON", 0},
    {"a control character", "{\"a\n\": 1}", "this is not JSON", 0},
};

/* tokenizer_config.json of real models holds 10^30. */
static bool is_allowed(const struct text *t, const char *file)
{
    return strcmp(file, NAMES) == 0 && strstr(t->name, "64 bits");
}

static char *repeat_text(const struct text *t)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; i < MAX(t->repeat, 1); i++)
        g_string_append(all, t->text);
    return g_string_free(all, FALSE);
}

/* The same bad text as every document of a folder. */
static void test_texts(void)
{
    const struct {
        char folder;
        const char *file;
    } files[] = {{'p', HEADER}, {'s', INDEX}, {'p', CONFIG},
                 {'p', WORDS},  {'p', NAMES}, {'s', PICTURES}};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        const char *folder = files[i].folder == 'p' ? plain_folder : shard_folder;
        struct saved s = save(folder, files[i].file);
        for (size_t k = 0; k < G_N_ELEMENTS(texts); k++) {
            g_autofree char *text = repeat_text(&texts[k]);
            g_autofree char *name = g_strdup_printf("%s: %s", files[i].file, texts[k].name);
            if (strcmp(files[i].file, HEADER) == 0)
                write_container(s.path, text, strlen(text), strlen(text), "", 0);
            else
                g_assert_true(g_file_set_contents(s.path, text, -1, NULL));
            judge(name, folder, files[i].file,
                  is_allowed(&texts[k], files[i].file) ? NULL : texts[k].part);
        }
        restore(&s);
    }
}

/* ── Things that are no files ───────────────────────────────────────────────────────────────── */

static void judge_things(const char *folder, const char *file)
{
    g_autofree char *outside = g_build_filename(harness_scratch(), "outside", NULL);
    struct saved s = save(folder, file);
    g_assert_true(g_file_set_contents(outside, s.bytes, (gssize)s.n, NULL));
    const char *const targets[] = {outside,     "../outside", file, "nothing",
                                   "/dev/zero", "/dev/null",  ".",  "/"};
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_autofree char *name = g_strdup_printf("%s is a link to %s", file, targets[i]);
        g_assert_cmpint(g_remove(s.path), ==, 0);
        g_assert_cmpint(symlink(targets[i], s.path), ==, 0);
        judge(name, folder, file, file);
    }
    g_autofree char *name = g_strdup_printf("%s is not there, a folder, a pipe, empty", file);
    g_assert_cmpint(g_remove(s.path), ==, 0);
    g_assert_cmpint(g_mkdir(s.path, 0700), ==, 0);
    judge(name, folder, file, file);
    g_assert_cmpint(g_rmdir(s.path), ==, 0);
    g_assert_cmpint(mkfifo(s.path, 0600), ==, 0);
    judge(name, folder, file, file);
    g_assert_cmpint(g_remove(s.path), ==, 0);
    g_assert_true(g_file_set_contents(s.path, "", 0, NULL));
    judge(name, folder, file, file);
    restore(&s);
}

static void test_things(void)
{
    judge_things(plain_folder, CONFIG);
    judge_things(plain_folder, HEADER);
    judge_things(plain_folder, WORDS);
    judge_things(plain_folder, NAMES);
    judge_things(shard_folder, INDEX);
    judge_things(shard_folder, PICTURES);
    judge_things(shard_folder, "model-00002-of-00002.safetensors");
}

static void test_missing(void)
{
    const struct {
        char folder;
        const char *file, *part;
    } cases[] = {
        {'p', CONFIG, "expected a file config.json"},
        {'p', HEADER, "expected model.safetensors or"},
        {'s', INDEX, "expected model.safetensors or"},
        {'s', "model-00001-of-00002.safetensors", "expected the file model-00001-of-00002"},
        {'s', "model-00002-of-00002.safetensors", "expected the file model-00002-of-00002"},
        {'p', WORDS, NULL},
        {'p', NAMES, NULL},
        {'s', PICTURES, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *folder = cases[i].folder == 'p' ? plain_folder : shard_folder;
        struct saved s = save(folder, cases[i].file);
        g_assert_cmpint(g_remove(s.path), ==, 0);
        judge(cases[i].file, folder, NULL, cases[i].part);
        restore(&s);
    }
}

/* Shards changed for one another. */
static void test_swapped(void)
{
    struct saved a = save(shard_folder, "model-00001-of-00002.safetensors");
    struct saved b = save(shard_folder, "model-00002-of-00002.safetensors");
    g_assert_true(g_file_set_contents(a.path, b.bytes, (gssize)b.n, NULL));
    judge("the second shard twice", shard_folder, INDEX, "expected in model-0000");
    g_assert_true(g_file_set_contents(b.path, a.bytes, (gssize)a.n, NULL));
    judge("shards swapped", shard_folder, INDEX, "expected in model-0000");
    restore(&a);
    restore(&b);
    judge("shards as they were", shard_folder, NULL, NULL);
}

/* Every tensor in turn is called otherwise: nothing crashes, and only the head is missed here. */
static void test_renamed(void)
{
    struct saved s = save(plain_folder, HEADER);
    json_t *root = json_loadb(s.bytes + 8, (size_t)read_length(s.bytes), 0, NULL);
    g_auto(GStrv) names = g_new0(char *, json_object_size(root) + 1);
    const char *key;
    json_t *value;
    guint n = 0;
    json_object_foreach(root, key, value) names[n++] = g_strdup(key);
    json_decref(root);
    for (guint i = 0; i < n; i++) {
        const struct patch p = {'p', HEADER, names[i], "@renamed",
                                strcmp(names[i], "lm_head.weight") == 0 ? "expected lm_head"
                                                                        : NULL};
        if (strcmp(names[i], "__metadata__") != 0)
            run_patch(&p, names[i]);
    }
    restore(&s);
}

/* Bytes of header and documents changed at random: it opens or is refused, nothing else. */
static void test_noise(void)
{
    const struct {
        char folder;
        const char *file;
    } files[] = {{'p', HEADER}, {'s', INDEX}, {'p', CONFIG}, {'p', WORDS}, {'s', CONFIG}};
    GRand *rand = g_rand_new_with_seed(harness_seed());
    const int n_round = harness_is_full() ? 400 : 40;
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        const char *folder = files[i].folder == 'p' ? plain_folder : shard_folder;
        struct saved s = save(folder, files[i].file);
        const bool is_container = g_str_has_suffix(files[i].file, ".safetensors");
        const gint32 range = (gint32)(is_container ? 8 + read_length(s.bytes) : s.n);
        for (int round = 0; round < n_round; round++) {
            g_autofree char *bytes = g_memdup2(s.bytes, s.n);
            for (int k = g_rand_int_range(rand, 1, 6); k > 0; k--)
                bytes[g_rand_int_range(rand, 0, range)] =
                    "0123456789{}[]\",:-e \xff"[g_rand_int_range(rand, 0, 22)];
            g_assert_true(g_file_set_contents(s.path, bytes, (gssize)s.n, NULL));
            GError *error = NULL;
            struct nawi_weights *weights = weights_open(folder, &error);
            g_assert_true((weights == NULL) == (error != NULL));
            if (error)
                g_assert_true(is_printable(error->message));
            g_clear_error(&error);
            weights_close(weights);
        }
        restore(&s);
    }
    g_rand_free(rand);
}

static void test_sound(void)
{
    judge("plain", plain_folder, NULL, NULL);
    judge("shards", shard_folder, NULL, NULL);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    plain_folder = copy_folder("tiny-top2");
    shard_folder = copy_folder("tiny-scout-bf16");
    g_test_add_func("/hostile/safetensors/sound", test_sound);
    g_test_add_func("/hostile/safetensors/documents", test_patches);
    g_test_add_func("/hostile/safetensors/lengths", test_lengths);
    g_test_add_func("/hostile/safetensors/cuts", test_cuts);
    g_test_add_func("/hostile/safetensors/texts", test_texts);
    g_test_add_func("/hostile/safetensors/things", test_things);
    g_test_add_func("/hostile/safetensors/missing", test_missing);
    g_test_add_func("/hostile/safetensors/swapped", test_swapped);
    g_test_add_func("/hostile/safetensors/renamed", test_renamed);
    g_test_add_func("/hostile/safetensors/noise", test_noise);
    int result = harness_main();
    g_free(plain_folder);
    g_free(shard_folder);
    return result;
}
