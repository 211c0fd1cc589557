/* Llama 2 and 3, SmolLM and their kind: every layer dense, turned and seeing everything.
 *
 * Trap: GGUF files of this family hold query and key rows permuted so that adjacent pairs turn;
 * Hugging Face folders hold them for pairs half a head apart, and say so by the key
 * llama.rope.half. */
#include "engine/arch/blocks.h"
#include "engine/arch/families.h"

static bool config(const struct nawi_weights *weights, struct arch_config *c, GError **error)
{
    if (!block_config(weights, c, error))
        return false;
    if (c->n_expert > 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                    "%s: a llama file with %" G_GINT64_FORMAT
                    " experts: this program knows experts in llama4 files",
                    weights_get_path(weights), c->n_expert);
        return false;
    }
    return true;
}

const struct arch_family arch_llama = {
    .name = "llama",
    .config = config,
    .decoder = block_decoder,
};
