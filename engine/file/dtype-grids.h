/* The grids of the IQ types (data, MIT: see dtype-grids.c).
 *
 * An entry packs its values lowest first. Codes: IQ1 0 1 2 are -1 0 1; IQ2 0 1 2 are 8 25 43;
 * IQ3_XXS 0..7 are 4 12 20 28 36 44 52 62; IQ3_S 0..7 are 1 3 5 … 15. */
#pragma once

#include <stdint.h>

extern const uint16_t dtype_grid_iq1s[2048];  /* 8 values of 2 bits; IQ1_S and IQ1_M */
extern const uint16_t dtype_grid_iq2xxs[256]; /* 8 values of 2 bits */
extern const uint16_t dtype_grid_iq2xs[512];  /* 8 values of 2 bits */
extern const uint16_t dtype_grid_iq2s[1024];  /* 8 values of 2 bits */
extern const uint16_t dtype_grid_iq3xxs[256]; /* 4 values of 4 bits */
extern const uint16_t dtype_grid_iq3s[512];   /* 4 values of 4 bits */
