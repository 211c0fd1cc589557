/* Tokens are the 256 bytes, then all words of two, three and four letters, with and without a space
 * before the shorter ones, in the order in which merges of earlier tokens make them. */
#include "engine/file/synth-vocab.h"

#include <string.h>

static const char chat_template[] =
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|header_start|>' + message['role'] + '<|header_end|>\\n\\n' }}"
    "{%- if message['content'] is string %}{{- message['content'] }}"
    "{%- else %}{%- for part in message['content'] %}"
    "{%- if part['type'] == 'image' %}{{- '<|image|>' }}"
    "{%- elif part['type'] == 'text' %}{{- part['text'] }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|eot|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|header_start|>assistant<|header_end|>\\n\\n' }}"
    "{%- endif %}";

/* Runs of control tokens: place among them, name, and for a run the number of the first. */
static const struct {
    int first, last;
    const char *name; /* with "%d" for runs */
    int number;
} specials[] = {
    {0, 0, "begin_of_text", 0},
    {1, 1, "end_of_text", 0},
    {2, 2, "fim_prefix", 0},
    {3, 3, "fim_middle", 0},
    {4, 4, "fim_suffix", 0},
    {5, 5, "header_start", 0},
    {6, 6, "header_end", 0},
    {7, 7, "eom", 0},
    {8, 8, "eot", 0},
    {9, 9, "step", 0},
    {10, 15, "text_post_train_reserved_special_token_", 0},
    {16, 16, "python_start", 0},
    {17, 17, "python_end", 0},
    {18, 18, "finetune_right_pad", 0},
    {19, 79, "text_post_train_reserved_special_token_", 8},
    {80, 80, "image_start", 0},
    {81, 81, "image_end", 0},
    {82, 83, "vision_reserved_special_token_", 0},
    {84, 84, "tile_x_separator", 0},
    {85, 85, "tile_y_separator", 0},
    {86, 89, "vision_reserved_special_token_", 2},
    {90, 90, "image", 0},
    {91, 91, "vision_reserved_special_token_", 6},
    {92, 92, "patch", 0},
    {93, 1133, "vision_reserved_special_token_", 7},
    {1134, 1141, "reasoning_reserved_special_token_", 0},
    {1142, 1142, "reasoning_thinking_start", 0},
    {1143, 1143, "reasoning_thinking_end", 0},
    {1144, 2047, "reserved_special_token_", 0},
};

struct vocab {
    GPtrArray *tokens, *merges; /* char * */
    guint most;                 /* tokens that are not control tokens */
};

/* The letter that stands for a byte in byte-level BPE: itself where it is printable Latin-1, else
 * one from U+0100 on, in rising order. */
static gunichar letter_of(int byte)
{
    gunichar next = 0x100;
    for (int b = 0; b < 256; b++) {
        const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        if (b == byte)
            return printable ? (gunichar)b : next;
        next += !printable;
    }
    return 0;
}

/* Adds a + b, which exist already, while there is room. */
static void join(struct vocab *vocab, const char *a, const char *b)
{
    if (vocab->tokens->len >= vocab->most)
        return;
    g_ptr_array_add(vocab->tokens, g_strconcat(a, b, NULL));
    g_ptr_array_add(vocab->merges, g_strconcat(a, " ", b, NULL));
}

/* Joins every token of [first, last) with each of n parts. */
static void join_all(struct vocab *vocab, guint first, guint last, const char *const *parts, int n)
{
    for (guint i = first; i < last && vocab->tokens->len < vocab->most; i++)
        for (int k = 0; k < n; k++)
            join(vocab, g_ptr_array_index(vocab->tokens, i), parts[k]);
}

static void add_words(struct vocab *vocab)
{
    enum { N = 26 };
    char letters[N][2];
    const char *single[N];
    for (int i = 0; i < N; i++) {
        letters[i][0] = (char)('a' + i);
        letters[i][1] = '\0';
        single[i] = letters[i];
    }
    /* Ranges of tokens already there: two letters; a space and one, two, three letters; three. */
    const guint two = vocab->tokens->len;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            join(vocab, single[i], single[k]);
    const guint spaced = vocab->tokens->len;
    for (int i = 0; i < N; i++)
        join(vocab, "\xC4\xA0", single[i]);
    const guint spaced_two = vocab->tokens->len;
    join_all(vocab, spaced, spaced_two, single, N);
    const guint three = vocab->tokens->len;
    join_all(vocab, two, spaced, single, N);
    join_all(vocab, spaced_two, three, single, N);
    /* Four letters: two and two, until the vocabulary is full. */
    const char *pairs[N * N];
    const int n_pair = (int)MIN(spaced - two, G_N_ELEMENTS(pairs));
    for (int i = 0; i < n_pair; i++)
        pairs[i] = g_ptr_array_index(vocab->tokens, two + (guint)i);
    join_all(vocab, two, spaced, pairs, n_pair);
}

static void add_specials(GPtrArray *tokens)
{
    for (size_t i = 0; i < G_N_ELEMENTS(specials); i++)
        for (int k = specials[i].first; k <= specials[i].last; k++) {
            if (specials[i].first == specials[i].last && !g_str_has_suffix(specials[i].name, "_"))
                g_ptr_array_add(tokens, g_strdup_printf("<|%s|>", specials[i].name));
            else
                g_ptr_array_add(tokens,
                                g_strdup_printf("<|%s%d|>", specials[i].name,
                                                specials[i].number + k - specials[i].first));
        }
}

static void write_strings(struct gguf_writer *writer, const char *key, const GPtrArray *texts)
{
    struct meta_string *strings = g_new(struct meta_string, MAX(texts->len, 1));
    for (guint i = 0; i < texts->len; i++) {
        const char *text = g_ptr_array_index(texts, i);
        strings[i] = (struct meta_string){text, (uint32_t)strlen(text)};
    }
    gguf_write_strings(writer, key, strings, texts->len);
    g_free(strings);
}

void synth_vocab_write(struct gguf_writer *writer, int n_vocab)
{
    const guint base = (guint)n_vocab - SYNTH_VOCAB_SPECIAL;
    struct vocab vocab = {
        .tokens = g_ptr_array_new_with_free_func(g_free),
        .merges = g_ptr_array_new_with_free_func(g_free),
        .most = base,
    };
    for (int b = 0; b < 256; b++) {
        char text[7] = {0};
        g_unichar_to_utf8(letter_of(b), text);
        g_ptr_array_add(vocab.tokens, g_strdup(text));
    }
    add_words(&vocab);
    g_assert(vocab.tokens->len == base);
    add_specials(vocab.tokens);

    int32_t *kinds = g_new(int32_t, n_vocab);
    for (guint i = 0; i < (guint)n_vocab; i++)
        kinds[i] = i < base ? 1 : 3; /* normal, control */
    gguf_write_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_write_string(writer, "tokenizer.ggml.pre", "llama4");
    write_strings(writer, "tokenizer.ggml.tokens", vocab.tokens);
    gguf_write_i32s(writer, "tokenizer.ggml.token_type", kinds, (uint64_t)n_vocab);
    write_strings(writer, "tokenizer.ggml.merges", vocab.merges);
    gguf_write_u32(writer, "tokenizer.ggml.bos_token_id", base);
    gguf_write_u32(writer, "tokenizer.ggml.eos_token_id", base + 8);
    gguf_write_u32(writer, "tokenizer.ggml.padding_token_id", base + 18);
    gguf_write_bool(writer, "tokenizer.ggml.add_bos_token", false);
    gguf_write_string(writer, "tokenizer.chat_template", chat_template);
    g_free(kinds);
    g_ptr_array_free(vocab.merges, TRUE);
    g_ptr_array_free(vocab.tokens, TRUE);
}
