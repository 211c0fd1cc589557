/* A conversation written as JSON → messages.
 *
 * The text is an object with "messages", or the array of messages alone. A message has
 *   "role"         system, user, assistant, tool (or ipython)
 *   "content"      a string, null, or parts in order: {"text": "…"}, {"thinking": "…"},
 *                  {"image": {"rows": 2, "cols": 3}}
 *   "tool_calls"   of the assistant: {"name": "f", "arguments": {…}}, also inside {"function": …};
 *                  arguments may come as a string that holds the object
 *   "stop_reason"  end_of_turn or end_of_message
 * Beside "messages" may stand "tools", an array of descriptions, and "tool_format": json,
 * python_list, function_tag. Keys that are not named here are left alone; an empty list of calls
 * or tools is none. */
#pragma once

#include "engine/text/chat.h"

struct nawi_conversation {
    struct nawi_chat chat; /* borrows from memory */
    void *memory;
};

/* name: how messages call the text, copied. Any thread. Fills *conversation, which is to be
 * finished; on error it needs no finishing. FORMAT errors say which message is wrong and how. */
bool nawi_conversation_parse(const char *name, const char *text, size_t n_bytes,
                             struct nawi_conversation *conversation, GError **error);
void nawi_conversation_finish(struct nawi_conversation *conversation); /* zeroed is fine */
