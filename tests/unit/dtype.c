/* The dtype table against the reference blocks of tests/golden/quant, by the rule of its manifest:
 * equal to the bit; and the conversions of halves over all their values. */
#include "engine/file/dtype-blocks.h"
#include "tests/harness.h"

#include <math.h>
#include <string.h>

static char *golden_bytes(const char *name, size_t n_bytes)
{
    char *relative = g_build_filename("quant", name, NULL);
    char *path = harness_golden(relative);
    char *bytes = NULL;
    gsize n = 0;
    GError *error = NULL;
    g_assert_true(g_file_get_contents(path, &bytes, &n, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(n, ==, n_bytes);
    g_free(path);
    g_free(relative);
    return bytes;
}

static float *golden_floats(const char *name, size_t *n)
{
    char *relative = g_build_filename("quant", name, NULL);
    char *path = harness_golden(relative);
    int n_dim = 0;
    int64_t shape[4];
    float *data = harness_npy(path, "<f4", &n_dim, shape);
    *n = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
    g_free(path);
    g_free(relative);
    return data;
}

/* Equal to the bit; +0 and -0 are equal. */
static void assert_same(const char *what, const float *found, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&found[i], &expected[i], sizeof found[i]) == 0 ||
            (found[i] == 0 && expected[i] == 0))
            continue;
        g_test_message("%s, value %zu: expected %a, found %a", what, i, (double)expected[i],
                       (double)found[i]);
        g_test_fail();
        return;
    }
}

static void test_blocks(gconstpointer data)
{
    const enum nawi_dtype dtype = GPOINTER_TO_INT(data);
    const struct nawi_dtype_info *info = nawi_dtype_get_info(dtype);
    char *npy = g_strconcat(info->name, ".npy", NULL);
    char *bin = g_strconcat(info->name, ".bin", NULL);
    size_t n = 0;
    float *expected = golden_floats(npy, &n);
    const size_t n_bytes = (size_t)nawi_dtype_row_bytes(dtype, (int64_t)n);
    char *bytes = golden_bytes(bin, n_bytes);
    g_assert_cmpuint(n, >=, 256);

    /* At an odd address, between guards. */
    char *odd = g_malloc(n_bytes + 1);
    memcpy(odd + 1, bytes, n_bytes);
    float *found = g_new(float, n + 2);
    found[0] = found[n + 1] = 1234.5f;
    info->dequant((int64_t)n, odd + 1, found + 1);
    assert_same(info->name, found + 1, expected, n);
    g_assert_true(found[0] == 1234.5f && found[n + 1] == 1234.5f);

    /* One block alone gives what it gives among others. */
    const size_t block = n / (size_t)info->block_len / 2;
    info->dequant(info->block_len, bytes + block * (size_t)info->block_bytes, found);
    assert_same(info->name, found, expected + block * (size_t)info->block_len,
                (size_t)info->block_len);

    g_free(found);
    g_free(odd);
    g_free(bytes);
    g_free(expected);
    g_free(bin);
    g_free(npy);
}

static void test_f8(void)
{
    size_t n = 0;
    float *expected = golden_floats("fp8_e4m3_table.npy", &n);
    g_assert_cmpuint(n, ==, 256);
    char *codes = golden_bytes("fp8_e4m3_table.bin", 256);
    float found[256];
    nawi_dtype_get_info(NAWI_DTYPE_F8_E4M3)->dequant(256, codes, found);
    for (int i = 0; i < 256; i++) {
        if ((i & 0x7F) == 0x7F)
            g_assert_true(isnan(found[i]));
        else
            g_assert_true(found[i] == expected[i]);
    }
    g_free(codes);
    g_free(expected);
}

static void test_table(void)
{
    enum nawi_dtype dtype = NAWI_DTYPE_F32;
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++) {
        const struct nawi_dtype_info *info = nawi_dtype_get_info(i);
        g_assert_true(nawi_dtype_from_name(info->name, &dtype));
        g_assert_cmpint(dtype, ==, i);
        g_assert_true((info->dequant != NULL) == (i != NAWI_DTYPE_I32));
        if (info->gguf_id >= 0) {
            g_assert_true(nawi_dtype_from_gguf((uint32_t)info->gguf_id, &dtype));
            g_assert_cmpint(dtype, ==, i);
        }
    }
    g_assert_false(nawi_dtype_from_name("q4_k", &dtype));
    g_assert_false(nawi_dtype_from_name("", &dtype));
    static const uint32_t absent[] = {4,  5,  31,   32,         33,         36,        37,
                                      38, 40, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (size_t i = 0; i < G_N_ELEMENTS(absent); i++)
        g_assert_false(nawi_dtype_from_gguf(absent[i], &dtype));
    g_assert_cmpint(nawi_dtype_row_bytes(NAWI_DTYPE_Q6_K, 5120), ==, 4200);
}

/* ldexp() knows nothing of our bit tricks. */
static double half_by_definition(uint16_t h)
{
    const int exponent = h >> 10 & 31;
    const int mantissa = h & 1023;
    const double size = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -size : size;
}

static void test_halves(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = nawi_f16_to_f32((uint16_t)h);
        if ((h & 0x7C00) == 0x7C00) {
            g_assert_true((h & 0x3FF) ? isnan(f) : isinf(f) && (f < 0) == (h >> 15));
            g_assert_true((h & 0x3FF) ? isnan(nawi_f16_to_f32(nawi_f32_to_f16(f)))
                                      : nawi_f32_to_f16(f) == h);
            continue;
        }
        g_assert_true((double)f == half_by_definition((uint16_t)h));
        g_assert_cmpuint(nawi_f32_to_f16(f), ==, h);
        if ((h & 0x7FFF) == 0x7BFF)
            continue;
        /* The middle between two neighbours goes to the even one, and its own neighbours to theirs.
         * */
        const float next = nawi_f16_to_f32((uint16_t)(h + 1));
        const float middle = (f + next) / 2;
        g_assert_cmpuint(nawi_f32_to_f16(middle), ==, h + (h & 1));
        g_assert_cmpuint(nawi_f32_to_f16(nextafterf(middle, f)), ==, h);
        g_assert_cmpuint(nawi_f32_to_f16(nextafterf(middle, next)), ==, h + 1);
    }
    g_assert_cmpuint(nawi_f32_to_f16(65504.0f), ==, 0x7BFF);
    g_assert_cmpuint(nawi_f32_to_f16(65519.99f), ==, 0x7BFF);
    g_assert_cmpuint(nawi_f32_to_f16(65520.0f), ==, 0x7C00);
    g_assert_cmpuint(nawi_f32_to_f16(-3e38f), ==, 0xFC00);
    g_assert_cmpuint(nawi_f32_to_f16(0x1p-25f), ==, 0);
    g_assert_cmpuint(nawi_f32_to_f16(-0x1p-140f), ==, 0x8000);
}

static void test_bfloats(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = nawi_bf16_to_f32((uint16_t)h);
        if ((h & 0x7F80) == 0x7F80 && (h & 0x7F)) {
            g_assert_true(isnan(f) && isnan(nawi_bf16_to_f32(nawi_f32_to_bf16(f))));
            continue;
        }
        g_assert_cmpuint(nawi_f32_to_bf16(f), ==, h);
        if ((h & 0x7FFF) >= 0x7F7F)
            continue;
        const float next = nawi_bf16_to_f32((uint16_t)(h + 1));
        const float middle = f + (next - f) / 2;
        g_assert_cmpuint(nawi_f32_to_bf16(middle), ==, h + (h & 1));
        g_assert_cmpuint(nawi_f32_to_bf16(nextafterf(middle, f)), ==, h);
        g_assert_cmpuint(nawi_f32_to_bf16(nextafterf(middle, next)), ==, h + 1);
    }
    uint32_t payload = 0x7F800001;
    float nan;
    memcpy(&nan, &payload, sizeof nan);
    g_assert_true(isnan(nawi_bf16_to_f32(nawi_f32_to_bf16(nan))));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (int i = 0; i < NAWI_DTYPE_COUNT; i++) {
        if (i == NAWI_DTYPE_F32 || i == NAWI_DTYPE_I32 || i == NAWI_DTYPE_F8_E4M3)
            continue;
        char *name = g_strconcat("/dtype/blocks/", nawi_dtype_get_info(i)->name, NULL);
        g_test_add_data_func(name, GINT_TO_POINTER(i), test_blocks);
        g_free(name);
    }
    g_test_add_func("/dtype/f8", test_f8);
    g_test_add_func("/dtype/table", test_table);
    g_test_add_func("/dtype/halves", test_halves);
    g_test_add_func("/dtype/bfloats", test_bfloats);
    return harness_main();
}
