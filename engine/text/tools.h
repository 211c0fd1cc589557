/* What a model answered, read as calls of tools. Nothing is evaluated: literals alone are read.
 *
 * Python markers (<|python_start|>, <|python_end|>) are removed and the rest is trimmed. Then,
 * as a whole, it is one of
 *   [f(a="x", n=3), g()]               a list of keyword calls with literal values
 *   {"name": "f", "parameters": {…}}   one or more, one behind the other or with ';' between
 *   <function=f>{…}</function>         one or more
 *   f.call(query="…")                  one
 * or else it is text. One bad call makes all of it text. */
#pragma once

#include "engine/error.h"

enum nawi_tools_form {
    NAWI_TOOLS_TEXT, /* no call */
    NAWI_TOOLS_PYTHONIC,
    NAWI_TOOLS_JSON,
    NAWI_TOOLS_FUNCTION_TAG,
    NAWI_TOOLS_BUILTIN,
};

struct nawi_tools_call {
    char *name;
    char *arguments; /* one JSON object; digits and order of keys as the model wrote them */
};

struct nawi_tools {
    enum nawi_tools_form form;
    struct nawi_tools_call *calls; /* owned */
    size_t n_call;                 /* 0 for text */
};

/* Fills *tools, whatever the output holds; finish it. Any thread. Linear in n_bytes. */
void nawi_tools_parse(const char *output, size_t n_bytes, struct nawi_tools *tools);
void nawi_tools_finish(struct nawi_tools *tools); /* zeroed ones are fine */

/* [{"name": …, "arguments": …}, …]; "[]" for text. The caller frees. */
char *nawi_tools_to_json(const struct nawi_tools *tools);
/* "text", "pythonic", "json", "function_tag", "builtin". */
const char *nawi_tools_form_name(enum nawi_tools_form form);
