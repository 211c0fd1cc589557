/* Which published way of cutting text a tokenizer.json asks for, told by exact comparison: a
 * pattern that differs in one character cuts differently somewhere, so what is not known is
 * refused.
 *
 * "pre_tokenizer" is one step or a Sequence of them; the ways known are
 *   Split by a pattern of the table, then ByteLevel without its own pattern
 *   ByteLevel with its own pattern, which is GPT-2's: "gpt-2"
 *   Digits, each alone, then the same: "smollm" */
#include "engine/file/hf-split.h"

#include <string.h>

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER       "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER       "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACES      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
    const char *pre, *pattern;
} patterns[] = {
    {"llama4",
     "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTION "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER
     "+" LOWER "*" CONTRACTION "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES},
    {"llama-bpe", CONTRACTION
     "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES},
    {"qwen2",
     CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES},
    {"gpt-2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
};

/* The stages of "pre_tokenizer": a Sequence is opened, one level. */
static bool list_stages(const struct nawi_json_at *at, const json_t **stages, size_t *n,
                        GError **error)
{
    const char *type = NULL;
    if (!nawi_json_get_string(at, "type", &type, error))
        return false;
    if (!type || strcmp(type, "Sequence") != 0) {
        stages[0] = at->object;
        *n = 1;
        return true;
    }
    const json_t *list;
    if (!nawi_json_get_array(at, "pretokenizers", &list, error))
        return false;
    if (json_array_size(list) < 1 || json_array_size(list) > 3)
        return nawi_json_unsupported(at, NULL, error,
                                     "pretokenizers: expected 1..3 steps, found %zu",
                                     json_array_size(list));
    *n = json_array_size(list);
    for (size_t i = 0; i < *n; i++) {
        stages[i] = json_array_get(list, i);
        if (!json_is_object(stages[i]))
            return nawi_json_fault(at, "pretokenizers", error, "step %zu: expected an object", i);
    }
    return true;
}

static bool parse_split(const struct nawi_json_at *stage, const char **pre, GError **error)
{
    struct nawi_json_at pattern;
    const char *regex = NULL;
    const char *behaviour = "Isolated";
    bool invert = false;
    if (!nawi_json_get_object(stage, "pattern", &pattern, error))
        return false;
    if (pattern.object && !nawi_json_get_string(&pattern, "Regex", &regex, error))
        return false;
    if (!nawi_json_get_string(stage, "behavior", &behaviour, error) ||
        !nawi_json_get_bool(stage, "invert", &invert, error))
        return false;
    if (!regex)
        return nawi_json_unsupported(stage, NULL, error, "Split: expected a pattern with Regex");
    bool is_removed =
        strcmp(behaviour, "Removed") == 0 && invert; /* keeps the matches: the same cut */
    if (!is_removed && (strcmp(behaviour, "Isolated") != 0 || invert))
        return nawi_json_unsupported(stage, NULL, error, "Split: expected behavior Isolated");
    for (size_t i = 0; i < G_N_ELEMENTS(patterns); i++) {
        if (strcmp(patterns[i].pattern, regex) == 0) {
            *pre = patterns[i].pre;
            return true;
        }
    }
    g_autofree char *quoted = nawi_quote(regex, strlen(regex));
    return nawi_json_unsupported(stage, NULL, error, "Split: the pattern %s is not a known one",
                                 quoted);
}

/* Each step leaves its mark; what the marks add up to names the cut. */
struct cut {
    const char *split; /* of a Split step */
    bool digits;       /* Digits, each alone */
    bool bytes, regex; /* ByteLevel, and whether it cuts by GPT-2's pattern */
};

static bool parse_stage(const struct nawi_json_at *stage, struct cut *cut, GError **error)
{
    const char *type = "";
    bool prefix = false;
    bool individual = false;
    if (!nawi_json_get_string(stage, "type", &type, error))
        return false;
    if (strcmp(type, "Split") == 0 && !cut->split && !cut->bytes)
        return parse_split(stage, &cut->split, error);
    if (strcmp(type, "Digits") == 0 && !cut->split && !cut->bytes) {
        if (!nawi_json_get_bool(stage, "individual_digits", &individual, error))
            return false;
        cut->digits = individual;
        return individual ||
               nawi_json_unsupported(stage, NULL, error, "Digits: expected individual_digits true");
    }
    if (strcmp(type, "ByteLevel") == 0 && !cut->bytes) {
        cut->bytes = true;
        cut->regex = true;
        if (!nawi_json_get_bool(stage, "add_prefix_space", &prefix, error) ||
            !nawi_json_get_bool(stage, "use_regex", &cut->regex, error))
            return false;
        return !prefix ||
               nawi_json_unsupported(stage, NULL, error,
                                     "ByteLevel: expected add_prefix_space false, found true");
    }
    g_autofree char *quoted = nawi_quote(type, strlen(type));
    return nawi_json_unsupported(stage, NULL, error, "the step %s is not known at this place",
                                 quoted);
}

bool hf_split_parse(const struct nawi_json_at *top, struct nawi_meta *meta, GError **error)
{
    struct nawi_json_at at;
    const json_t *stages[3];
    size_t n = 0;
    struct cut cut = {0};
    if (!nawi_json_get_object(top, "pre_tokenizer", &at, error))
        return false;
    if (!at.object)
        return nawi_json_fault(top, "pre_tokenizer", error, "expected an object, found nothing");
    if (!list_stages(&at, stages, &n, error))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct nawi_json_at stage = {.file = at.file, .path = at.path, .object = stages[i]};
        if (!parse_stage(&stage, &cut, error))
            return false;
    }
    const char *pre = NULL;
    if (cut.bytes && cut.split && !cut.digits && !cut.regex)
        pre = cut.split;
    else if (cut.bytes && !cut.split && cut.regex)
        pre = cut.digits ? "smollm" : "gpt-2";
    if (!pre)
        return nawi_json_unsupported(&at, NULL, error,
                                     "these steps together are not a known way to cut text");
    meta_set_string(meta, "tokenizer.ggml.pre", pre, strlen(pre));
    return true;
}
