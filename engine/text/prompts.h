/* What to ask of a picture, in the twelve languages of the family: one table for every model. */
#pragma once

#include <stddef.h>

struct nawi_prompts {
    const char *code; /* ISO 639-1, "tl" for Tagalog */
    const char *english_name;
    const char *own_name;
    const char *caption;  /* asks for one short sentence */
    const char *describe; /* asks for a longer description */
};

enum { NAWI_PROMPTS_COUNT = 12 };

/* [NAWI_PROMPTS_COUNT], ascending by code. Static. Any thread. */
const struct nawi_prompts *nawi_prompts_get_all(void);
/* NULL for a language that is not in the table. */
const struct nawi_prompts *nawi_prompts_find(const char *code);
