/* Tokens of a chat as they are written down, one after the other: control tokens by name, and
 * text between them.
 *
 * A layout is a struct on the stack of one encoding. Once something has failed, everything
 * further is left undone, so that writers need no checks: layout_finish() tells. */
#pragma once

#include "engine/text/chat.h"
#include "engine/text/template.h"

struct layout {
    const struct nawi_tokenizer *tokenizer;
    GArray *ids;
    guint n_before; /* of ids */
    bool is_joined; /* texts that touch are tokenised as one, else each by itself */
    GString *run;   /* text that waits to be tokenised */
    GError *error;
};

void layout_init(struct layout *layout, const struct nawi_tokenizer *tokenizer, bool is_joined,
                 GArray *ids);
/* True when all went well; else *error is set and ids is as it was. */
bool layout_finish(struct layout *layout, GError **error);

void layout_fail(struct layout *layout, enum nawi_error_code code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void layout_id(struct layout *layout, int32_t id, int64_t count);
/* The control token of this name; FORMAT without one. */
void layout_control(struct layout *layout, const char *name);
void layout_text(struct layout *layout, const char *text, size_t n_bytes);
void layout_words(struct layout *layout, const char *text); /* terminated */
/* White space at both ends (as Unicode and Python have it) left out of text [*n_bytes], UTF-8. */
const char *layout_trim(const char *text, size_t *n_bytes);
/* All texts of a message joined; pictures and thinking are not in it. The caller frees. */
GString *layout_join(const struct nawi_chat_message *message);
/* One picture in the llama4 way. */
void layout_image(struct layout *layout, const struct nawi_chat_part *part,
                  const struct nawi_media_spec *spec);

/* The formats, each in its own file. */
void layout_llama4(struct layout *layout, const struct nawi_chat *chat,
                   const struct nawi_media_spec *spec);
void layout_llama4_tools(struct layout *layout, const struct nawi_chat *chat,
                         const struct nawi_media_spec *spec);
void layout_llama3(struct layout *layout, const struct nawi_chat_format *format,
                   const struct nawi_chat *chat);
void layout_llama2(struct layout *layout, const struct nawi_chat *chat);
void layout_chatml(struct layout *layout, const struct nawi_chat_format *format,
                   const struct nawi_chat *chat);
