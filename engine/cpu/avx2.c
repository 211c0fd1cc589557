/* The AVX2 tier: what it does faster than the tier below. Routing stays below: it is short. */
#include "engine/cpu/avx2.h"

void kernels_fill_avx2(struct kernels *table)
{
    table->name = "avx2";
    avx2_fill_float(table);
    avx2_fill_blocks(table);
    avx2_fill_k(table);
    avx2_fill_grid(table);
    avx2_fill_rows(table);
    avx2_fill_attend(table);
}
