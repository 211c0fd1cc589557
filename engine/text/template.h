/* The published chat formats, one row each, and what tells them apart. */
#pragma once

#include "engine/text/chat.h"

enum template_layout { TEMPLATE_LLAMA4, TEMPLATE_LLAMA3, TEMPLATE_LLAMA2, TEMPLATE_CHATML };

struct nawi_chat_format {
    const char *name;
    enum template_layout layout;
    const char *marks[3];       /* a template of this format holds all of these; NULL-padded */
    const char *tokens[3];      /* special tokens that it cannot be without; NULL-padded */
    const char *default_system; /* what the template adds where the chat has none; or NULL */
    const char
        *system_preface; /* what the template puts in front of every system prompt; or NULL */
};
