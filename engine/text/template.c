/* Tells a model's chat format. Templates are programs in files that anybody may write, so they
 * are read as evidence, never run: each published family holds marks that no other has. Rows
 * that are stricter stand first.
 *
 * A template that fits no row is not guessed at in silence: the special tokens of the vocabulary
 * choose, and the caller gets a sentence to show. */
#include "engine/text/template.h"

#include <string.h>

static const struct nawi_chat_format formats[] = {
    {"llama4",
     TEMPLATE_LLAMA4,
     {"<|header_start|>"},
     {"<|header_start|>", "<|header_end|>", "<|eot|>"},
     NULL,
     NULL},
    /* Llama 3.1 and later; the date is the template's own, for engines that do not tell it one. */
    {"llama3",
     TEMPLATE_LLAMA3,
     {"<|start_header_id|>", "Cutting Knowledge Date"},
     {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     "",
     "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"},
    {"llama3",
     TEMPLATE_LLAMA3,
     {"<|start_header_id|>"},
     {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     NULL,
     NULL},
    {"chatml",
     TEMPLATE_CHATML,
     {"<|im_start|>",
      "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>"},
     {"<|im_start|>", "<|im_end|>"},
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
     NULL},
    {"chatml",
     TEMPLATE_CHATML,
     {"<|im_start|>", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
     {"<|im_start|>", "<|im_end|>"},
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     NULL},
    {"chatml",
     TEMPLATE_CHATML,
     {"<|im_start|>", "You are a helpful assistant.<|im_end|>"},
     {"<|im_start|>", "<|im_end|>"},
     "You are a helpful assistant.",
     NULL},
    {"chatml", TEMPLATE_CHATML, {"<|im_start|>"}, {"<|im_start|>", "<|im_end|>"}, NULL, NULL},
    {"llama2", TEMPLATE_LLAMA2, {"[INST]", "<<SYS>>"}, {"<s>", "</s>"}, NULL, NULL},
};

static bool has_marks(const struct nawi_chat_format *format, const char *template_text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(format->marks) && format->marks[i]; i++)
        if (!strstr(template_text, format->marks[i]))
            return false;
    return true;
}

static bool has_tokens(const struct nawi_chat_format *format,
                       const struct nawi_tokenizer *tokenizer)
{
    for (size_t i = 0; i < G_N_ELEMENTS(format->tokens) && format->tokens[i]; i++)
        if (nawi_tokenizer_find(tokenizer, format->tokens[i]) == NAWI_TOKEN_NONE)
            return false;
    return true;
}

/* True when a ChatML template writes a system turn with words of its own that format does not
 * know of. */
static bool adds_other_system(const struct nawi_chat_format *format, const char *template_text)
{
    static const char *const openings[] = {"<|im_start|>system\\n", "<|im_start|>system\n"};
    if (format->layout != TEMPLATE_CHATML || format->default_system)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(openings); i++) {
        const char *at = strstr(template_text, openings[i]);
        if (at && g_ascii_isalpha(at[strlen(openings[i])]))
            return true;
    }
    return false;
}

const struct nawi_chat_format *nawi_chat_format_find(const char *template_text,
                                                     const struct nawi_tokenizer *tokenizer,
                                                     char **warning, GError **error)
{
    const struct nawi_chat_format *found = NULL;
    char *said = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(formats) && !found && template_text; i++)
        if (has_marks(&formats[i], template_text) && has_tokens(&formats[i], tokenizer))
            found = &formats[i];
    if (found && adds_other_system(found, template_text))
        said = g_strdup(
            "the chat template of the file adds a system prompt of its own, which is left out");
    /* Without evidence in a template, a row that adds nothing of its own. */
    for (size_t i = 0; i < G_N_ELEMENTS(formats) && !found; i++) {
        bool is_plain = !formats[i].default_system;
        if (is_plain && has_tokens(&formats[i], tokenizer))
            found = &formats[i];
        if (found && template_text)
            said = g_strdup_printf(
                "the chat template of the file is not a known one; the layout %s was chosen by the "
                "special tokens of its vocabulary",
                found->name);
    }
    if (warning)
        *warning = said;
    else
        g_free(said);
    if (!found)
        g_set_error(
            error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
            "%s chat template, and the vocabulary has the special tokens of no known chat format "
            "(llama4, "
            "llama3, chatml, llama2)",
            template_text ? "the file has an unknown" : "the file has no");
    return found;
}

const char *nawi_chat_format_get_name(const struct nawi_chat_format *format)
{
    return format->name;
}
