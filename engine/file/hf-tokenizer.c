/* The vocabulary of a Hugging Face folder as GGUF arrays. Owns the translation, not the
 * tokenising: engine/text judges the arrays again, whatever file they came from. */
#include "engine/file/hf-tokenizer.h"

#include "engine/file/hf-split.h"

#include <string.h>

#define TOKEN_BYTES_MOST 65535

enum {
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER_DEFINED = 4,
    TYPE_UNUSED = 5,
    TYPE_BYTE = 6
};

struct entry {
    const char *text; /* borrowed from the document; NULL: a hole */
    int type;
};

struct build {
    const struct hf_tokenizer_files *files;
    struct nawi_meta *meta;
    int64_t n;
    bool is_spm;           /* byte_fallback: model "llama" */
    struct entry *entries; /* [n] by id */
    const json_t *vocab;   /* text → id, as the file has it */
    json_t *added;         /* text → id of what added_tokens adds to it */
};

/* ── Tokens ──────────────────────────────────────────────────────────────────────────────────── */

static bool check_text(const struct nawi_json_at *at, const char *key, const char *text, int64_t id,
                       GError **error)
{
    size_t n = strlen(text);
    if (n >= 1 && n <= TOKEN_BYTES_MOST)
        return true;
    return nawi_json_fault(at, key, error,
                           "token %" G_GINT64_FORMAT ": expected 1..%d bytes of text, found %zu",
                           id, TOKEN_BYTES_MOST, n);
}

/* -1: no such token. Jansson's tables are seeded, so texts made to clash do not slow this down. */
static int64_t find_id(const struct build *b, const char *text)
{
    const json_t *value = json_object_get(b->vocab, text);
    if (!value)
        value = json_object_get(b->added, text);
    return value ? json_integer_value(value) : -1;
}

/* One token at its id: an id is taken once, a text has one id. The same pair again only changes
 * the type. */
static bool place(struct build *b, const struct nawi_json_at *at, const char *key, const char *text,
                  int64_t id, int type, GError **error)
{
    if (!check_text(at, key, text, id, error))
        return false;
    g_autofree char *quoted = nawi_quote(text, strlen(text));
    if (id < 0 || id >= b->n)
        return nawi_json_fault(at, key, error,
                               "token %s: expected an id 0..%" G_GINT64_FORMAT
                               ", found %" G_GINT64_FORMAT,
                               quoted, b->n - 1, id);
    struct entry *entry = &b->entries[id];
    int64_t known = find_id(b, text);
    if (known >= 0 && known != id)
        return nawi_json_fault(at, key, error,
                               "token %s has two ids, %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                               quoted, known, id);
    if (entry->text && strcmp(entry->text, text) != 0) {
        g_autofree char *other = nawi_quote(entry->text, strlen(entry->text));
        return nawi_json_fault(at, key, error,
                               "id %" G_GINT64_FORMAT " stands for two tokens, %s and %s", id,
                               other, quoted);
    }
    entry->text = text;
    entry->type = type;
    if (known < 0)
        json_object_set_new(b->added, text, json_integer(id));
    return true;
}

/* "<0x0A>" → true. */
static bool is_byte_token(const char *text)
{
    return strlen(text) == 6 && g_str_has_prefix(text, "<0x") && g_ascii_isxdigit(text[3]) &&
           g_ascii_isxdigit(text[4]) && text[5] == '>';
}

static bool place_vocab(struct build *b, const struct nawi_json_at *model,
                        const struct nawi_json_at *vocab, GError **error)
{
    const char *unknown = NULL;
    const char *text;
    json_t *value;
    if (!nawi_json_get_string(model, "unk_token", &unknown, error))
        return false;
    json_object_foreach((json_t *)vocab->object, text, value)
    {
        if (!json_is_integer(value)) {
            g_autofree char *quoted = nawi_quote(text, strlen(text));
            g_autofree char *found = nawi_json_describe(value);
            return nawi_json_fault(vocab, NULL, error, "token %s: expected an id, found %s", quoted,
                                   found);
        }
        int type = TYPE_NORMAL;
        if (b->is_spm && is_byte_token(text))
            type = TYPE_BYTE;
        else if (unknown && strcmp(text, unknown) == 0)
            type = TYPE_UNKNOWN;
        if (!place(b, vocab, NULL, text, json_integer_value(value), type, error))
            return false;
    }
    return true;
}

/* Runs fn-like over added_tokens: reads one entry. */
static bool read_added(const struct nawi_json_at *top, const json_t *entry, size_t i,
                       const char **text, int64_t *id, bool *special, GError **error)
{
    struct nawi_json_at at = {.file = top->file, .path = "added_tokens", .object = entry};
    *text = NULL;
    *special = false;
    if (!json_is_object(entry))
        return nawi_json_fault(&at, NULL, error, "entry %zu: expected an object", i);
    if (!nawi_json_need_int(&at, "id", 0, INT32_MAX, id, error) ||
        !nawi_json_get_string(&at, "content", text, error) ||
        !nawi_json_get_bool(&at, "special", special, error))
        return false;
    if (!*text)
        return nawi_json_fault(&at, "content", error, "entry %zu: expected a string, found nothing",
                               i);
    return true;
}

static bool place_added(struct build *b, const struct nawi_json_at *top, const json_t *added,
                        GError **error)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const char *text;
        int64_t id;
        bool special;
        if (!read_added(top, json_array_get(added, i), i, &text, &id, &special, error))
            return false;
        int type = special ? TYPE_CONTROL : TYPE_USER_DEFINED;
        if (id < b->n && b->entries[id].type == TYPE_UNKNOWN)
            type = TYPE_UNKNOWN;
        if (!place(b, top, "added_tokens", text, id, type, error))
            return false;
    }
    return true;
}

/* One more than the largest id. What is no id is found out later. */
static int64_t measure(const struct nawi_json_at *vocab, const json_t *added)
{
    int64_t most = -1;
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)vocab->object, text, value) most =
        MAX(most, json_integer_value(value));
    for (size_t i = 0; i < json_array_size(added); i++)
        most = MAX(most, json_integer_value(json_object_get(json_array_get(added, i), "id")));
    return most == INT64_MAX ? most : most + 1;
}

static bool no_memory(const struct nawi_json_at *at, size_t n_bytes, GError **error)
{
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY, "%s: no memory for its vocabulary, %zu bytes",
                at->file, n_bytes);
    return false;
}

/* The arrays of tokens and types; holes get names. */
static bool set_tokens(struct build *b, const struct nawi_json_at *top, GError **error)
{
    size_t n_bytes = 0;
    for (int64_t i = 0; i < b->n; i++)
        n_bytes += b->entries[i].text ? strlen(b->entries[i].text) : 32;
    char *bytes = g_try_malloc(n_bytes + 1);
    struct meta_string *strings = g_try_new(struct meta_string, (gsize)b->n);
    int64_t *types = g_try_new(int64_t, (gsize)b->n);
    if (!bytes || !strings || !types) {
        g_free(bytes);
        g_free(strings);
        g_free(types);
        return no_memory(top, n_bytes, error);
    }
    char *to = bytes;
    for (int64_t i = 0; i < b->n; i++) {
        const struct entry *entry = &b->entries[i];
        size_t n = entry->text ? strlen(entry->text) : 0;
        if (entry->text)
            memcpy(to, entry->text, n);
        else
            n = (size_t)g_snprintf(to, 32, "[PAD%" G_GINT64_FORMAT "]", i);
        strings[i] = (struct meta_string){.text = to, .n_bytes = (uint32_t)n};
        types[i] = entry->text ? entry->type : TYPE_UNUSED;
        to += n;
    }
    meta_keep(b->meta, bytes, g_free);
    const struct meta_array tokens = {.type = META_STRING, .n = (uint64_t)b->n, .strings = strings};
    const struct meta_array kinds = {.type = META_INT, .n = (uint64_t)b->n, .ints = types};
    meta_set_array(b->meta, "tokenizer.ggml.tokens", &tokens);
    meta_set_array(b->meta, "tokenizer.ggml.token_type", &kinds);
    return true;
}

/* ── Merges ──────────────────────────────────────────────────────────────────────────────────── */

/* "a b", or ["a", "b"]: both halves, neither empty nor with a space in it. */
static bool read_merge(const struct nawi_json_at *model, const json_t *value, size_t i,
                       const char *half[2], size_t n_half[2], GError **error)
{
    if (json_is_array(value) && json_array_size(value) == 2) {
        for (size_t h = 0; h < 2; h++) {
            half[h] = json_string_value(json_array_get(value, h));
            n_half[h] = half[h] ? strlen(half[h]) : 0;
        }
    } else {
        half[0] = json_string_value(value);
        const char *space = half[0] ? strchr(half[0], ' ') : NULL;
        half[1] = space ? space + 1 : NULL;
        n_half[0] = space ? (size_t)(space - half[0]) : 0;
        n_half[1] = space ? strlen(space + 1) : 0;
    }
    if (n_half[0] > 0 && n_half[1] > 0 && n_half[0] + n_half[1] <= TOKEN_BYTES_MOST &&
        !memchr(half[0], ' ', n_half[0]) && !memchr(half[1], ' ', n_half[1]))
        return true;
    g_autofree char *found = nawi_json_describe(value);
    return nawi_json_fault(model, "merges", error, "merge %zu: expected two tokens, found %s", i,
                           found);
}

/* The id of a stretch of bytes. */
static bool find_token(const struct build *b, GString *scratch, const char *text, size_t n,
                       int64_t *id)
{
    g_string_truncate(scratch, 0);
    g_string_append_len(scratch, text, (gssize)n);
    *id = find_id(b, scratch->str);
    return *id >= 0;
}

struct merges {
    struct meta_string *strings; /* [n] */
    double *scores;              /* [n_token], for model "llama" */
    char *bytes, *to;
};

/* Checks that both halves and their sum are tokens, writes "a b", and scores the sum if it has
 * no better score. */
static bool add_merge(const struct build *b, const struct nawi_json_at *model, const json_t *value,
                      size_t i, struct merges *m, GString *scratch, GError **error)
{
    const char *half[2];
    size_t n_half[2];
    int64_t id;
    if (!read_merge(model, value, i, half, n_half, error))
        return false;
    char *joined = m->to;
    memcpy(joined, half[0], n_half[0]);
    memcpy(joined + n_half[0], half[1], n_half[1]);
    bool is_known = find_token(b, scratch, half[0], n_half[0], &id) &&
                    find_token(b, scratch, half[1], n_half[1], &id) &&
                    find_token(b, scratch, joined, n_half[0] + n_half[1], &id);
    if (!is_known) {
        g_autofree char *quoted = nawi_quote(scratch->str, scratch->len);
        return nawi_json_fault(model, "merges", error, "merge %zu: %s is not in the vocabulary", i,
                               quoted);
    }
    if (b->is_spm && m->scores[id] < -(double)i)
        m->scores[id] = -(double)i;
    memmove(joined + n_half[0] + 1, joined + n_half[0], n_half[1]);
    joined[n_half[0]] = ' ';
    m->strings[i] =
        (struct meta_string){.text = joined, .n_bytes = (uint32_t)(n_half[0] + 1 + n_half[1])};
    m->to += n_half[0] + 1 + n_half[1];
    return true;
}

static size_t measure_merges(const json_t *list)
{
    size_t n_bytes = 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_array(value))
            n_bytes += json_string_length(json_array_get(value, 0)) +
                       json_string_length(json_array_get(value, 1)) + 1;
        else
            n_bytes += json_string_length(value) + 1;
    }
    return n_bytes;
}

static bool fill_merges(const struct build *b, const struct nawi_json_at *model, const json_t *list,
                        struct merges *m, GError **error)
{
    GString *scratch = g_string_new(NULL);
    bool ok = true;
    for (int64_t i = 0; b->is_spm && i < b->n; i++)
        m->scores[i] = -1e9;
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = add_merge(b, model, json_array_get(list, i), i, m, scratch, error);
    g_string_free(scratch, TRUE);
    return ok;
}

static bool set_merges(struct build *b, const struct nawi_json_at *model, GError **error)
{
    const json_t *list;
    if (!nawi_json_get_array(model, "merges", &list, error))
        return false;
    if (!list)
        return nawi_json_fault(model, "merges", error, "expected an array, found nothing");
    size_t n = json_array_size(list);
    size_t n_bytes = measure_merges(list);
    struct merges m = {.strings = g_try_new(struct meta_string, MAX(n, 1)),
                       .scores = b->is_spm ? g_try_new(double, (gsize)b->n) : NULL,
                       .bytes = g_try_malloc(n_bytes)};
    m.to = m.bytes;
    bool ok = m.strings && m.bytes && (m.scores || !b->is_spm);
    if (!ok)
        no_memory(model, n_bytes, error);
    ok = ok && fill_merges(b, model, list, &m, error);
    if (!ok || b->is_spm) {
        g_clear_pointer(&m.strings, g_free);
        g_clear_pointer(&m.bytes, g_free);
    }
    if (!ok) {
        g_free(m.scores);
        return false;
    }
    const struct meta_array merges = {.type = META_STRING, .n = n, .strings = m.strings};
    const struct meta_array scores = {.type = META_FLOAT, .n = (uint64_t)b->n, .floats = m.scores};
    if (b->is_spm) {
        meta_set_array(b->meta, "tokenizer.ggml.scores", &scores);
    } else {
        meta_keep(b->meta, m.bytes, g_free);
        meta_set_array(b->meta, "tokenizer.ggml.merges", &merges);
    }
    return true;
}

/* ── The whole ───────────────────────────────────────────────────────────────────────────────── */

/* What would change ids and has no key in GGUF must be off. */
static bool check_model(const struct nawi_json_at *model, bool *is_spm, GError **error)
{
    const char *type = "";
    const char *prefix = "";
    const char *suffix = "";
    double dropout = 0;
    if (!nawi_json_get_string(model, "type", &type, error) ||
        !nawi_json_get_bool(model, "byte_fallback", is_spm, error) ||
        !nawi_json_get_float(model, "dropout", 0.0, 1.0, &dropout, error) ||
        !nawi_json_get_string(model, "continuing_subword_prefix", &prefix, error) ||
        !nawi_json_get_string(model, "end_of_word_suffix", &suffix, error))
        return false;
    if (strcmp(type, "BPE") != 0) {
        g_autofree char *quoted = nawi_quote(type, strlen(type));
        return nawi_json_unsupported(model, NULL, error, "type: expected 'BPE', found %s", quoted);
    }
    if (*prefix || *suffix)
        return nawi_json_unsupported(
            model, NULL, error, "continuing_subword_prefix, end_of_word_suffix: expected none");
    if (dropout > 0)
        return nawi_json_unsupported(model, NULL, error, "dropout: expected none, found %g",
                                     dropout);
    return true;
}

/* Over U+2581 without a normaliser: the step Metaspace does its work. */
static bool check_metaspace(const struct nawi_json_at *top, GError **error)
{
    struct nawi_json_at at;
    const char *type = "";
    const char *mark = "";
    const char *scheme = "always";
    if (!nawi_json_get_object(top, "pre_tokenizer", &at, error))
        return false;
    if (at.object && (!nawi_json_get_string(&at, "type", &type, error) ||
                      !nawi_json_get_string(&at, "replacement", &mark, error) ||
                      !nawi_json_get_string(&at, "prepend_scheme", &scheme, error)))
        return false;
    if (strcmp(type, "Metaspace") == 0 && strcmp(mark, "\xE2\x96\x81") == 0 &&
        (strcmp(scheme, "always") == 0 || strcmp(scheme, "first") == 0))
        return true;
    return nawi_json_unsupported(top, "normalizer", error,
                                 "expected Prepend and Replace, or the step Metaspace, beside "
                                 "byte_fallback");
}

/* Byte-level text goes in as it is. Over U+2581, the published normaliser puts one in front and
 * one for each space, which is what the model "llama" does by itself. */
static bool check_normaliser(const struct nawi_json_at *top, bool is_spm, GError **error)
{
    struct nawi_json_at at;
    const json_t *list;
    if (!nawi_json_get_object(top, "normalizer", &at, error))
        return false;
    if (!at.object)
        return !is_spm || check_metaspace(top, error);
    if (!nawi_json_get_array(&at, "normalizers", &list, error))
        return false;
    if (!is_spm && list && json_array_size(list) == 0)
        return true;
    const json_t *prepend = json_array_get(list, 0);
    const json_t *replace = json_array_get(list, 1);
    const char *first = json_string_value(json_object_get(prepend, "prepend"));
    const char *space =
        json_string_value(json_object_get(json_object_get(replace, "pattern"), "String"));
    const char *mark = json_string_value(json_object_get(replace, "content"));
    if (is_spm && json_array_size(list) == 2 && first && space && mark &&
        strcmp(first, "\xE2\x96\x81") == 0 && strcmp(space, " ") == 0 &&
        strcmp(mark, "\xE2\x96\x81") == 0)
        return true;
    return nawi_json_unsupported(&at, NULL, error, "expected %s",
                                 is_spm ? "Prepend and Replace of spaces by U+2581" : "none");
}

/* bos by the template that wraps a text: true when it begins with a special token. */
static bool begins_with_special(const struct nawi_json_at *top)
{
    const json_t *processor = json_object_get(top->object, "post_processor");
    const json_t *steps = json_object_get(processor, "processors");
    for (size_t i = 0; i <= json_array_size(steps); i++) {
        const json_t *step = i == 0 ? processor : json_array_get(steps, i - 1);
        const json_t *single = json_object_get(step, "single");
        if (json_object_get(json_array_get(single, 0), "SpecialToken"))
            return true;
    }
    return false;
}

/* "bos_token": a name, or an object with its content. */
static bool set_named_id(struct build *b, const struct nawi_json_at *config, const char *name,
                         const char *key, bool must_exist, GError **error)
{
    const json_t *value = json_object_get(config->object, name);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    if (!value || json_is_null(value))
        return true;
    const char *text = json_string_value(value);
    if (!text) {
        g_autofree char *found = nawi_json_describe(value);
        return nawi_json_fault(config, name, error, "expected the name of a token, found %s",
                               found);
    }
    int64_t id = find_id(b, text);
    if (id >= 0) {
        meta_set_int(b->meta, key, id);
        return true;
    }
    g_autofree char *quoted = nawi_quote(text, strlen(text));
    return !must_exist || nawi_json_fault(config, name, error, "%s is not in the vocabulary of %s",
                                          quoted, b->files->file);
}

/* Ids that config.json and generation_config.json gave must name tokens. */
static bool check_ids(const struct build *b, const struct nawi_json_at *top, GError **error)
{
    const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"};
    int64_t pad = 0;
    if (!meta_get_int(b->meta, "tokenizer.ggml.padding_token_id", INT64_MIN, INT64_MAX, &pad,
                      error))
        return false;
    if (pad < 0 || pad >= b->n) /* nothing is padded here, and published files do say so */
        meta_remove(b->meta, "tokenizer.ggml.padding_token_id");
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        int64_t id = 0;
        if (!meta_get_int(b->meta, keys[i], INT64_MIN, INT64_MAX, &id, error))
            return false;
        if (id < 0 || id >= b->n)
            return nawi_json_fault(top, NULL, error,
                                   "%s is %" G_GINT64_FORMAT
                                   ", but the vocabulary has %" G_GINT64_FORMAT " tokens",
                                   keys[i], id, b->n);
    }
    const struct meta_array *ends;
    if (!meta_get_array(b->meta, "tokenizer.ggml.eos_token_ids", META_INT, &ends, error))
        return false;
    for (uint64_t i = 0; ends && i < ends->n; i++)
        if (ends->ints[i] < 0 || ends->ints[i] >= b->n)
            return nawi_json_fault(top, NULL, error,
                                   "eos_token_id %" G_GINT64_FORMAT
                                   " is not one of its %" G_GINT64_FORMAT " tokens",
                                   ends->ints[i], b->n);
    return true;
}

/* "chat_template": a text, or a list of {"name", "template"} of which "default" is taken. */
static bool set_chat(const struct build *b, const struct nawi_json_at *config, GError **error)
{
    const json_t *value = json_object_get(config->object, "chat_template");
    const char *text = json_string_value(value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *body = json_string_value(json_object_get(entry, "template"));
        if (!name || !body)
            return nawi_json_fault(config, "chat_template", error,
                                   "entry %zu: expected a name and a template", i);
        if (!text || strcmp(name, "default") == 0)
            text = body;
    }
    if (!text && value && !json_is_null(value) && !json_is_array(value)) {
        g_autofree char *found = nawi_json_describe(value);
        return nawi_json_fault(config, "chat_template", error, "expected a text, found %s", found);
    }
    if (text)
        meta_set_string(b->meta, "tokenizer.chat_template", text, strlen(text));
    return true;
}

static bool set_specials(struct build *b, const struct nawi_json_at *top, GError **error)
{
    struct nawi_json_at config = {0};
    bool add_bos = begins_with_special(top);
    if (b->files->config) {
        if (!nawi_json_root(b->files->config_file, b->files->config, &config, error) ||
            !set_named_id(b, &config, "bos_token", "tokenizer.ggml.bos_token_id", true, error) ||
            !set_named_id(b, &config, "eos_token", "tokenizer.ggml.eos_token_id", true, error) ||
            !set_named_id(b, &config, "pad_token", "tokenizer.ggml.padding_token_id", false,
                          error) ||
            !nawi_json_get_bool(&config, "add_bos_token", &add_bos, error))
            return false;
        if (!b->files->chat && !set_chat(b, &config, error))
            return false;
    }
    if (b->files->chat)
        meta_set_string(b->meta, "tokenizer.chat_template", b->files->chat, strlen(b->files->chat));
    meta_set_bool(b->meta, "tokenizer.ggml.add_bos_token", add_bos);
    return check_ids(b, top, error);
}

static bool parse_all(struct build *b, const struct nawi_json_at *top,
                      const struct nawi_json_at *model, const struct nawi_json_at *vocab,
                      const json_t *added, GError **error)
{
    if (!place_vocab(b, model, vocab, error) || !place_added(b, top, added, error))
        return false;
    const char *kind = b->is_spm ? "llama" : "gpt2";
    meta_set_string(b->meta, "tokenizer.ggml.model", kind, strlen(kind));
    if (!b->is_spm && !hf_split_parse(top, b->meta, error))
        return false;
    return set_merges(b, model, error) && set_tokens(b, top, error) && set_specials(b, top, error);
}

bool hf_tokenizer_parse(const struct hf_tokenizer_files *files, int64_t n_vocab,
                        struct nawi_meta *meta, GError **error)
{
    struct nawi_json_at top, model, vocab;
    const json_t *added;
    struct build b = {.files = files, .meta = meta};
    if (!nawi_json_root(files->file, files->root, &top, error) ||
        !nawi_json_get_object(&top, "model", &model, error) ||
        !nawi_json_get_array(&top, "added_tokens", &added, error))
        return false;
    if (!model.object)
        return nawi_json_fault(&top, "model", error, "expected an object, found nothing");
    if (!check_model(&model, &b.is_spm, error) || !check_normaliser(&top, b.is_spm, error) ||
        !nawi_json_get_object(&model, "vocab", &vocab, error))
        return false;
    vocab.path = "model.vocab";
    if (!vocab.object)
        return nawi_json_fault(&model, "vocab", error, "expected an object, found nothing");
    int64_t n = measure(&vocab, added);
    if (n < 1 || n > n_vocab)
        return nawi_json_fault(&top, NULL, error,
                               "expected ids 0..%" G_GINT64_FORMAT
                               ", as the model has rows, found up to %" G_GINT64_FORMAT,
                               n_vocab - 1, n - 1);
    b.n = n_vocab;
    b.entries = g_try_new0(struct entry, (gsize)b.n);
    if (!b.entries)
        return no_memory(&top, (size_t)b.n * sizeof(struct entry), error);
    b.vocab = vocab.object;
    b.added = json_object();
    bool ok = parse_all(&b, &top, &model, &vocab, added, error);
    json_decref(b.added);
    g_free(b.entries);
    return ok;
}
