/* The other spelling of Llama 4 in GGUF: files of Ollama's converter, which hold the vision tower
 * beside the text model under names of their own. Above the file layer only the names of mmproj
 * files are known. */
#pragma once

#include "engine/file/meta.h"

/* The name under which a tensor is listed, when it is another than its own; else NULL. Freed by the
 * caller. */
char *ollama_rename(const char *name);

/* Adds the usual keys for those that only this spelling has; keys that are there already stay. */
void ollama_translate(struct nawi_meta *meta);
