/* Any output of a model read as calls: text has no calls; calls have names, and arguments that
 * are JSON objects, which read and written again are the same. */
#include "engine/text/tools.h"

#include "engine/text/literal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_arguments(const char *text)
{
    struct literal value;
    GString *again = g_string_new(NULL);
    if (!literal_parse_json(text, strlen(text), &value, NULL) || value.kind != LITERAL_OBJECT)
        abort();
    literal_write(again, &value, LITERAL_COMPACT);
    if (strcmp(again->str, text) != 0)
        abort();
    g_string_free(again, TRUE);
    literal_finish(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nawi_tools tools;
    struct literal list;
    nawi_tools_parse((const char *)data, size, &tools);
    if ((tools.form == NAWI_TOOLS_TEXT) != (tools.n_call == 0))
        abort();
    for (size_t i = 0; i < tools.n_call; i++) {
        if (!*tools.calls[i].name)
            abort();
        check_arguments(tools.calls[i].arguments);
    }
    char *json = nawi_tools_to_json(&tools);
    if (tools.n_call > 0 && !literal_parse_json(json, strlen(json), &list, NULL))
        abort();
    if (tools.n_call > 0)
        literal_finish(&list);
    g_free(json);
    nawi_tools_finish(&tools);
    return 0;
}
