/* A conversation laid out as the tokens a model was trained on.
 *
 * Formats are known layouts, chosen by nawi_chat_format_find(); a template that a file carries
 * is recognised by its text and never executed. A person's words never become control tokens, in
 * no format.
 *
 * All types here are plain values that borrow; all functions may be called from any thread. */
#pragma once

#include "engine/error.h"
#include "engine/media.h"
#include "engine/text/tokenizer.h"

#include <stdint.h>

struct nawi_chat_format;

/* The layout for a model: by the text of its template where there is one (NULL: none), else by
 * the special tokens of its vocabulary. *warning (may be NULL) gets a sentence, freed by the
 * caller, when the template is not a known one and the layout was chosen by the tokens; else
 * NULL. UNSUPPORTED when neither tells. The format is static: never freed. */
const struct nawi_chat_format *nawi_chat_format_find(const char *template_text,
                                                     const struct nawi_tokenizer *tokenizer,
                                                     char **warning, GError **error);
const char *nawi_chat_format_get_name(
    const struct nawi_chat_format *format); /* "llama4", "llama3", "llama2", "chatml" */

enum nawi_chat_role { NAWI_CHAT_SYSTEM, NAWI_CHAT_USER, NAWI_CHAT_ASSISTANT, NAWI_CHAT_TOOL };

enum nawi_chat_part_kind { NAWI_CHAT_TEXT, NAWI_CHAT_IMAGE, NAWI_CHAT_THINKING };

struct nawi_chat_part {
    enum nawi_chat_part_kind kind;
    const char *text; /* of TEXT and THINKING; not terminated in general */
    size_t n_bytes;
    int rows, cols; /* of IMAGE: tiles of its canvas, as in struct nawi_media */
};

struct nawi_chat_call {
    const char *name;
    const char
        *arguments; /* text of one JSON object; numbers and the order of keys are kept as written */
};

/* How a past answer ended; a message with calls always ends as the format has it for calls. */
enum nawi_chat_stop { NAWI_CHAT_END_OF_TURN, NAWI_CHAT_END_OF_MESSAGE };

struct nawi_chat_message {
    enum nawi_chat_role role;
    const struct nawi_chat_part
        *parts; /* in order; thinking of past turns is left out of the layout */
    size_t n_part;
    const struct nawi_chat_call *calls; /* of the assistant */
    size_t n_call;
    enum nawi_chat_stop stop;
};

/* How past calls are written where the format leaves a choice (llama4 without tools). */
enum nawi_chat_tool_format {
    NAWI_CHAT_TOOL_JSON,
    NAWI_CHAT_TOOL_PYTHON_LIST,
    NAWI_CHAT_TOOL_FUNCTION_TAG
};

struct nawi_chat {
    const struct nawi_chat_message *messages;
    size_t n_message;
    const char *tools; /* text of a JSON array of function descriptions; NULL: none */
    enum nawi_chat_tool_format tool_format;
};

/* Appends the tokens of the chat to ids (a GArray of int32_t), BOS included where the format has
 * one, ready to generate. spec tells the tokens of a tile; NULL: the model cannot see, and a
 * picture is an UNSUPPORTED error. On error ids is as it was. INPUT: a canvas of no or too many
 * tiles, arguments or tools that are not JSON, an order of roles that the format cannot write.
 * FORMAT: the vocabulary lacks a token of the layout. */
bool nawi_chat_encode(const struct nawi_chat_format *format, const struct nawi_tokenizer *tokenizer,
                      const struct nawi_chat *chat, const struct nawi_media_spec *spec, GArray *ids,
                      GError **error);

/* The token that stands where a picture's rows go, NAWI_TOKEN_NONE when the vocabulary has none. */
int32_t nawi_chat_find_patch_token(const struct nawi_tokenizer *tokenizer);
