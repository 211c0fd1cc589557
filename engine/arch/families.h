/* The families of table.c, one file each. */
#pragma once

#include "engine/arch/arch.h"

extern const struct arch_family arch_llama, arch_llama4;

/* The llama4 tower, in llama4-tower.c. */
bool llama4_has_tower(const struct nawi_weights *weights);
bool llama4_tower_config(const struct nawi_weights *weights, struct arch_tower *tower,
                         GError **error);
void llama4_tower(struct arch_build *build, const struct arch_tower *tower);
