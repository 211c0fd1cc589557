/* Random weights: blocks of random bytes with the scales set to everyday halves. */
#include "tests/check/check.h"

#include <string.h>

static void put_half(char *at, double value)
{
    uint16_t half = nawi_f32_to_f16((float)value);
    memcpy(at, &half, sizeof half);
}

/* Where a block's halves stand; -1: none. */
struct halves {
    int d, m;
    double d_size, m_size;
};

static struct halves find_halves(enum nawi_dtype dtype)
{
    switch (dtype) {
    case NAWI_DTYPE_Q4_0:
    case NAWI_DTYPE_IQ2_XXS:
    case NAWI_DTYPE_IQ2_XS:
    case NAWI_DTYPE_IQ3_XXS:
    case NAWI_DTYPE_IQ1_S:
    case NAWI_DTYPE_IQ4_NL:
    case NAWI_DTYPE_IQ3_S:
    case NAWI_DTYPE_IQ2_S:
    case NAWI_DTYPE_IQ4_XS:
    case NAWI_DTYPE_Q5_0:
    case NAWI_DTYPE_Q8_0: return (struct halves){0, -1, 0.01, 0};
    case NAWI_DTYPE_Q4_1:
    case NAWI_DTYPE_Q5_1: return (struct halves){0, 2, 0.01, 0.1};
    case NAWI_DTYPE_Q4_K:
    case NAWI_DTYPE_Q5_K: return (struct halves){0, 2, 0.001, 0.005};
    case NAWI_DTYPE_Q2_K: return (struct halves){80, 82, 0.01, 0.01};
    case NAWI_DTYPE_Q3_K: return (struct halves){108, -1, 0.001, 0};
    case NAWI_DTYPE_Q6_K: return (struct halves){208, -1, 0.0002, 0};
    case NAWI_DTYPE_TQ1_0: return (struct halves){52, -1, 0.5, 0};
    case NAWI_DTYPE_TQ2_0: return (struct halves){64, -1, 0.5, 0};
    default: return (struct halves){-1, -1, 0, 0};
    }
}

/* What is not a matter of a half at a fixed place. */
static void fix_block(struct check *check, enum nawi_dtype dtype, char *at)
{
    double value = g_rand_double_range(check->rand, -1, 1);
    uint16_t half;
    uint16_t word;
    float number;
    switch (dtype) {
    case NAWI_DTYPE_F32:
        number = (float)value;
        memcpy(at, &number, sizeof number);
        break;
    case NAWI_DTYPE_F16: put_half(at, value); break;
    case NAWI_DTYPE_BF16:
        half = nawi_f32_to_bf16((float)value);
        memcpy(at, &half, sizeof half);
        break;
    case NAWI_DTYPE_F8_E4M3:
        if ((*at & 0x7f) == 0x7f) /* NaN */
            *at = 0x7e;
        break;
    case NAWI_DTYPE_MXFP4: *at = (char)check_draw(check, 118, 126); break;
    case NAWI_DTYPE_IQ1_M: /* the half lies in the top nibbles of four words */
        half = nawi_f32_to_f16((float)(0.01 * value));
        for (int i = 0; i < 4; i++) {
            memcpy(&word, at + 48 + 2 * i, sizeof word);
            word = (uint16_t)((word & 0x0fff) | (half >> (4 * i) & 15) << 12);
            memcpy(at + 48 + 2 * i, &word, sizeof word);
        }
        break;
    default: g_error("no random weights for %s", nawi_dtype_get_info(dtype)->name);
    }
}

void check_weights(struct check *check, enum nawi_dtype dtype, int64_t n, char *out)
{
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    const struct halves halves = find_halves(dtype);
    for (int64_t i = 0; i < n; i += info->block_len, out += info->block_bytes) {
        for (int j = 0; j < info->block_bytes; j++)
            out[j] = (char)g_rand_int_range(check->rand, 0, 256);
        if (halves.d < 0)
            fix_block(check, dtype, out);
        else
            put_half(out + halves.d, halves.d_size * g_rand_double_range(check->rand, -1, 1));
        if (halves.m >= 0)
            put_half(out + halves.m, halves.m_size * g_rand_double_range(check->rand, -1, 1));
    }
}
