#include "tests/vocabulary.h"

#include "engine/file/gguf.h"
#include "engine/file/meta.h"

#include <string.h>

static void read_id(const struct nawi_meta *meta, const char *key, int64_t *id)
{
    GError *error = NULL;
    meta_get_int(meta, key, 0, INT32_MAX, id, &error);
    g_assert_no_error(error);
}

static const struct meta_array *read_array(const struct nawi_meta *meta, const char *key,
                                           enum meta_type type)
{
    const struct meta_array *array = NULL;
    GError *error = NULL;
    meta_get_array(meta, key, type, &array, &error);
    g_assert_no_error(error);
    return array;
}

static struct nawi_token_text *copy_texts(const struct meta_array *array)
{
    struct nawi_token_text *texts = g_new(struct nawi_token_text, array->n);
    for (uint64_t i = 0; i < array->n; i++)
        texts[i] = (struct nawi_token_text){array->strings[i].text, array->strings[i].n_bytes};
    return texts;
}

struct nawi_tokenizer *vocabulary_open(const char *path, char **chat_template)
{
    GError *error = NULL;
    GMappedFile *file = g_mapped_file_new(path, FALSE, &error);
    g_assert_no_error(error);
    struct nawi_meta *meta = meta_create(path);
    struct gguf *gguf = gguf_parse(path, g_mapped_file_get_contents(file),
                                   g_mapped_file_get_length(file), meta, &error);
    g_assert_no_error(error);
    struct nawi_tokenizer_params params = nawi_tokenizer_defaults();
    params.source = path;
    meta_get_string(meta, "tokenizer.ggml.model", &params.model, NULL);
    meta_get_string(meta, "tokenizer.ggml.pre", &params.pre, NULL);
    const struct meta_array *tokens = read_array(meta, "tokenizer.ggml.tokens", META_STRING);
    const struct meta_array *types = read_array(meta, "tokenizer.ggml.token_type", META_INT);
    const struct meta_array *merges = read_array(meta, "tokenizer.ggml.merges", META_STRING);
    struct nawi_token_text *token_texts = copy_texts(tokens);
    struct nawi_token_text *merge_texts = copy_texts(merges);
    params.tokens = token_texts;
    params.n_token = tokens->n;
    params.types = types->ints;
    params.n_type = types->n;
    params.merges = merge_texts;
    params.n_merge = merges->n;
    read_id(meta, "tokenizer.ggml.bos_token_id", &params.bos_id);
    read_id(meta, "tokenizer.ggml.eos_token_id", &params.eos_id);
    const char *text = NULL;
    meta_get_string(meta, "tokenizer.chat_template", &text, NULL);
    if (chat_template)
        *chat_template = g_strdup(text);
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&params, &error);
    g_assert_no_error(error);
    g_free(token_texts);
    g_free(merge_texts);
    gguf_free(gguf);
    meta_destroy(meta);
    g_mapped_file_unref(file);
    return tokenizer;
}

/* The character that stands for a byte in GPT-2's alphabet, told the way GPT-2 tells it:
 * printable ones are themselves, the others are numbered from U+0100. */
static void append_alphabet(GString *out, int byte)
{
    int n_unprintable = 0;
    for (int b = 0; b <= byte; b++) {
        bool is_printable =
            (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
        if (b == byte)
            g_string_append_unichar(out,
                                    is_printable ? (gunichar)b : (gunichar)(0x100 + n_unprintable));
        n_unprintable += !is_printable;
    }
}

struct nawi_tokenizer *vocabulary_make(const char *pre, const char *const *specials)
{
    static const char *const words[] = {"ll", "he", "hell", "hello"};
    static const struct nawi_token_text merges[] = {
        {"l l", 3}, {"h e", 3}, {"he ll", 5}, {"hell o", 6}};
    size_t n_special = 0;
    while (specials[n_special])
        n_special++;
    size_t n = 260 + n_special;
    struct nawi_token_text *tokens = g_new(struct nawi_token_text, n);
    int64_t *types = g_new(int64_t, n);
    GString *alphabet[256];
    for (size_t i = 0; i < n; i++) {
        types[i] = i < 260 ? NAWI_TOKEN_NORMAL : NAWI_TOKEN_CONTROL;
        if (i < 256) {
            alphabet[i] = g_string_new(NULL);
            append_alphabet(alphabet[i], (int)i);
            tokens[i] = (struct nawi_token_text){alphabet[i]->str, (uint32_t)alphabet[i]->len};
        } else {
            const char *word = i < 260 ? words[i - 256] : specials[i - 260];
            tokens[i] = (struct nawi_token_text){word, (uint32_t)strlen(word)};
        }
    }
    struct nawi_tokenizer_params params = nawi_tokenizer_defaults();
    params.source = "made up";
    params.model = "gpt2";
    params.pre = pre;
    params.tokens = tokens;
    params.types = types;
    params.n_token = params.n_type = n;
    params.merges = merges;
    params.n_merge = G_N_ELEMENTS(merges);
    GError *error = NULL;
    struct nawi_tokenizer *tokenizer = nawi_tokenizer_create(&params, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < 256; i++)
        g_string_free(alphabet[i], TRUE);
    g_free(tokens);
    g_free(types);
    return tokenizer;
}

char *vocabulary_join(const GArray *ids)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(out, i > 0 ? " %d" : "%d", g_array_index(ids, int32_t, i));
    return g_string_free(out, FALSE);
}

char *vocabulary_encode(const struct nawi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        enum nawi_encode_mode mode)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    GError *error = NULL;
    nawi_tokenizer_encode(tokenizer, text, n_bytes, mode, ids, &error);
    g_assert_no_error(error);
    char *joined = vocabulary_join(ids);
    g_array_free(ids, TRUE);
    return joined;
}
