/* The table of pre-tokenizer patterns and the loop that runs them.
 *
 * The patterns are data of the published tokenizers, with backtracking semantics and Unicode
 * categories, hence PCRE2 with UTF and UCP (without UCP \s and the case folding of contractions
 * are ASCII's, and ids go wrong). Text is checked to be UTF-8 once by the tokenizer, so PCRE2 is
 * told not to look again at each piece. Where the JIT's stack does not suffice, the interpreter,
 * whose memory is the heap, takes over for that piece.
 *
 * A split of several stages cuts the pieces of one stage by the next, each piece as a text of
 * its own: what stands behind its end is not seen by look-ahead. */
#include "engine/text/split.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

/* Shared tails of patterns. */
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER       "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER       "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACES      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define O200K                                                                                      \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTION "?|"                                  \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" CONTRACTION "?|"                                  \
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define LLAMA3                                                                                     \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define QWEN2                                                                                      \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

enum { MAX_STAGES = 2 };

struct row {
    const char *names; /* of one family, between spaces */
    const char *stages[MAX_STAGES];
    bool takes_whole_pieces;
};

static const struct row rows[] = {
    {" llama4 gpt-4o ", {O200K}, true},
    {" llama-bpe llama3 llama-v3 ", {LLAMA3}, true},
    {" qwen2 deepseek-r1-qwen stablelm2 ", {QWEN2}, false},
    {" smollm starcoder refact command-r codeshell exaone ", {"\\p{N}", GPT2}, false},
    {" default gpt-2 phi-2 mpt olmo ", {GPT2}, false},
};

struct split {
    const struct row *row;
    pcre2_code *codes[MAX_STAGES];
    int n_stage;
    bool has_jit;
};

static bool has_name(const struct row *row, const char *name)
{
    char *wanted = g_strdup_printf(" %s ", name);
    bool has = *name && !strchr(name, ' ') && strstr(row->names, wanted);
    g_free(wanted);
    return has;
}

static const struct row *find_row(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (has_name(&rows[i], name))
            return &rows[i];
    char *quoted = nawi_quote(name, strlen(name));
    g_set_error(
        error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
        "the tokenizer cuts text in a way named %s (tokenizer.ggml.pre), which is not known",
        quoted);
    g_free(quoted);
    return NULL;
}

struct split *split_create(const char *name, GError **error)
{
    const struct row *row = find_row(name ? name : "default", error);
    if (!row)
        return NULL;
    struct split *split = g_new0(struct split, 1);
    split->row = row;
    split->has_jit = true;
    for (int i = 0; i < MAX_STAGES && row->stages[i]; i++) {
        int code;
        PCRE2_SIZE offset;
        split->codes[i] = pcre2_compile((PCRE2_SPTR)row->stages[i], PCRE2_ZERO_TERMINATED,
                                        PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
        if (!split->codes[i])
            g_error("split pattern %d of %s does not compile at %zu", i, row->names, offset);
        split->n_stage = i + 1;
        /* A PCRE2 without JIT is slower, nothing else. */
        if (pcre2_jit_compile(split->codes[i], PCRE2_JIT_COMPLETE) != 0)
            split->has_jit = false;
    }
    return split;
}

void split_destroy(struct split *split)
{
    if (!split)
        return;
    for (int i = 0; i < split->n_stage; i++)
        pcre2_code_free(split->codes[i]);
    g_free(split);
}

bool split_takes_whole_pieces(const struct split *split) { return split->row->takes_whole_pieces; }

/* What one call of split_each() needs. */
struct run {
    const struct split *split;
    pcre2_match_data *matches[MAX_STAGES];
    pcre2_match_context *limits;
    split_piece_fn fn;
    void *user;
};

/* The next match at or after start; its range, or an empty one at the end when there is none. */
static bool find_next(const struct run *run, int stage, const char *text, size_t n_bytes,
                      size_t start, size_t range[2], GError **error)
{
    const pcre2_code *code = run->split->codes[stage];
    pcre2_match_data *match = run->matches[stage];
    int status = PCRE2_ERROR_JIT_STACKLIMIT;
    if (run->split->has_jit)
        status = pcre2_jit_match(code, (PCRE2_SPTR)text, n_bytes, start, PCRE2_NO_UTF_CHECK, match,
                                 run->limits);
    if (status == PCRE2_ERROR_JIT_STACKLIMIT)
        status = pcre2_match(code, (PCRE2_SPTR)text, n_bytes, start,
                             PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, run->limits);
    if (status == PCRE2_ERROR_NOMATCH) {
        range[0] = range[1] = n_bytes;
        return true;
    }
    if (status < 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "cutting %zu bytes of text into pieces failed: PCRE2 error %d", n_bytes,
                    status);
        return false;
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
    range[0] = ends[0];
    range[1] = ends[1];
    return true;
}

static bool cut(const struct run *run, int stage, const char *text, size_t n_bytes, GError **error)
{
    if (stage >= MAX_STAGES || stage == run->split->n_stage)
        return run->fn(text, n_bytes, run->user, error);
    size_t at = 0;
    while (at < n_bytes) {
        size_t range[2];
        if (!find_next(run, stage, text, n_bytes, at, range, error))
            return false;
        if (range[0] > at && !cut(run, stage + 1, text + at, range[0] - at, error))
            return false;
        if (range[1] > range[0] &&
            !cut(run, stage + 1, text + range[0], range[1] - range[0], error))
            return false;
        at = range[1];
    }
    return true;
}

bool split_each(const struct split *split, const char *text, size_t n_bytes, split_piece_fn fn,
                void *user, GError **error)
{
    const uint32_t heap_kib = 512 * 1024;
    struct run run = {
        .split = split, .limits = pcre2_match_context_create(NULL), .fn = fn, .user = user};
    /* One piece may take as many steps as it has characters, however many those are; memory is
     * what is bounded. */
    pcre2_set_match_limit(run.limits, UINT32_MAX);
    pcre2_set_depth_limit(run.limits, UINT32_MAX);
    pcre2_set_heap_limit(run.limits, heap_kib);
    for (int i = 0; i < split->n_stage; i++)
        run.matches[i] = pcre2_match_data_create(1, NULL);
    bool ok = cut(&run, 0, text, n_bytes, error);
    for (int i = 0; i < split->n_stage; i++)
        pcre2_match_data_free(run.matches[i]);
    pcre2_match_context_free(run.limits);
    return ok;
}
