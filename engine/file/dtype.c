/* The dtype table itself, and the formats without blocks: floats of 32, 16 and 8 bits.
 *
 * Conversions work on the bits, so they are the same whatever the processor does with denormals. */
#include "engine/file/dtype-blocks.h"

#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float nawi_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t rest = h & 0x7FFF;
    const uint32_t rebias =
        rest >= 0x7C00 ? 224u << 23 : 112u << 23; /* twice for infinity and NaN */
    const uint32_t normal = (rest << 13) + rebias;
    const uint32_t denormal = bits_of((float)(int)rest * 0x1p-24f); /* normal as a float */
    return float_of(sign | (rest < 0x0400 ? denormal : normal));
}

uint16_t nawi_f32_to_f16(float f)
{
    const uint32_t bits = bits_of(f);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t rest = bits & 0x7FFFFFFF;
    if (rest > 0x7F800000) /* NaN: keeps the top of its payload, made quiet */
        return (uint16_t)(sign | 0x7E00 | (rest >> 13 & 0x03FF));
    if (rest >= 0x477FF000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7C00);
    if (rest >=
        0x38800000) /* 2^-14: normal as a half; a carry moves into the exponent as it should */
        return (uint16_t)(sign | ((rest - (112u << 23) + 0x0FFF + (rest >> 13 & 1)) >> 13));
    const int exponent = (int)(rest >> 23);
    if (exponent < 102) /* below 2^-25 */
        return sign;
    const uint32_t mantissa = (rest & 0x7FFFFF) | 0x800000;
    const int shift = 126 - exponent; /* 14..24 */
    const uint32_t half = 1u << (shift - 1);
    const uint32_t kept = mantissa >> shift;
    return (uint16_t)(sign | ((mantissa + half - 1 + (kept & 1)) >> shift));
}

float nawi_bf16_to_f32(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t nawi_f32_to_bf16(float f)
{
    const uint32_t bits = bits_of(f);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void dtype_dequant_F32(int64_t n, const void *src, float *dst)
{
    memcpy(dst, src, (size_t)n * sizeof *dst);
}

void dtype_dequant_F16(int64_t n, const void *src, float *dst)
{
    const uint8_t *at = src;
    for (int64_t i = 0; i < n; i++)
        dst[i] = block_half(at + 2 * i);
}

void dtype_dequant_BF16(int64_t n, const void *src, float *dst)
{
    const uint8_t *at = src;
    for (int64_t i = 0; i < n; i++)
        dst[i] = nawi_bf16_to_f32(block_u16(at + 2 * i));
}

/* Sign, four bits of exponent with bias 7, three of mantissa; no infinity, all ones is NaN. */
void dtype_dequant_F8_E4M3(int64_t n, const void *src, float *dst)
{
    const uint8_t *at = src;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t rest = at[i] & 0x7F;
        const uint32_t sign = (uint32_t)(at[i] & 0x80) << 24;
        const uint32_t normal = (rest << 20) + (120u << 23);
        const uint32_t denormal = bits_of((float)(int)rest * 0x1p-9f);
        const uint32_t value = rest < 8 ? denormal : normal;
        dst[i] = float_of(sign | (rest == 0x7F ? 0x7FC00000 : value));
    }
}

/* The only row without a dequantiser. */
#define dtype_dequant_I32 NULL

const struct nawi_dtype_info *nawi_dtype_get_info(enum nawi_dtype dtype)
{
    static const struct nawi_dtype_info rows[NAWI_DTYPE_COUNT] = {
#define X(row, id, len, bytes) {#row, id, len, bytes, dtype_dequant_##row},
        NAWI_DTYPES(X)
#undef X
    };
    return &rows[dtype];
}

bool nawi_dtype_from_gguf(uint32_t id, enum nawi_dtype *dtype)
{
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++) {
        const int own = nawi_dtype_get_info(i)->gguf_id;
        if (own >= 0 && (uint32_t)own == id) {
            *dtype = i;
            return true;
        }
    }
    return false;
}

bool nawi_dtype_from_name(const char *name, enum nawi_dtype *dtype)
{
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++)
        if (strcmp(nawi_dtype_get_info(i)->name, name) == 0) {
            *dtype = i;
            return true;
        }
    return false;
}
