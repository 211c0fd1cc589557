/* Guarded memory, awkward values, comparisons. */
#include "tests/check/check.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD = 64, PATTERN = 0xa5 };

void check_describe(struct check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(check->what);
    check->what = g_strdup_vprintf(format, args);
    va_end(args);
}

static void fail(const struct check *check, const char *name, const char *text)
{
    g_test_message("%s, %s, %s: %s (NAWI_TEST_SEED=%u)", check->tier->name, check->what, name, text,
                   harness_seed());
    g_test_fail();
}

bool check_near(const struct check *check, const char *name, int64_t at, double found,
                double wanted, double allowed)
{
    if (found == wanted || (isnan(found) && isnan(wanted)) || fabs(found - wanted) <= allowed)
        return true;
    char *text = g_strdup_printf("[%" G_GINT64_FORMAT "] is %.9g, wanted %.9g within %.3g", at,
                                 found, wanted, allowed);
    fail(check, name, text);
    g_free(text);
    return false;
}

void check_same(const struct check *check, const char *name, const void *found, const void *wanted,
                size_t n_bytes)
{
    const char *a = found;
    const char *b = wanted;
    for (size_t i = 0; i < n_bytes; i++) {
        if (a[i] != b[i]) {
            char *text = g_strdup_printf("byte %zu of %zu is another", i, n_bytes);
            fail(check, name, text);
            g_free(text);
            return;
        }
    }
}

int check_draw(struct check *check, int least, int most)
{
    return g_rand_int_range(check->rand, least, most + 1);
}

int check_pick(struct check *check, int n, const int *of)
{
    return of[check_draw(check, 0, n - 1)];
}

void check_fill(struct check *check, int64_t n, enum check_values kind, float *out)
{
    static const double sizes[CHECK_VALUES] = {
        [CHECK_PLAIN] = 1,        [CHECK_OUTLIER] = 1, [CHECK_TINY] = 1e-20,
        [CHECK_DENORMAL] = 1e-41, [CHECK_HUGE] = 1e25,
    };
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(g_rand_double_range(check->rand, -1, 1) * sizes[kind]);
    if (kind == CHECK_CONSTANT)
        for (int64_t i = 0; i < n; i++)
            out[i] = 0.75f;
    if (kind == CHECK_OUTLIER && n > 0)
        out[g_rand_int_range(check->rand, 0, (gint32)n)] = -1000;
}

void check_memory_init(struct check_memory *memory, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n_bytes + GUARD + page - 1) / page * page;
    memory->map_bytes = body + page;
    memory->map =
        mmap(NULL, memory->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(memory->map != MAP_FAILED);
    g_assert_cmpint(mprotect((char *)memory->map + body, page, PROT_NONE), ==, 0);
    memset(memory->map, PATTERN, body);
    memory->n_bytes = n_bytes;
    memory->at = (char *)memory->map + body - n_bytes;
}

void check_memory_finish(struct check_memory *memory) { munmap(memory->map, memory->map_bytes); }

void check_memory_verify(const struct check *check, const struct check_memory *memory)
{
    for (const char *at = memory->map; at < memory->at; at++) {
        if ((uint8_t)*at != PATTERN) {
            fail(check, "memory", "bytes before the result were written");
            return;
        }
    }
}

void check_unprepare(enum kernel_act act, int64_t n, const void *prepared, float *out)
{
    /* Which blocks of 32 the first four, and the last four, groups of a run belong to. */
    static const int blocks[2][4] = {{0, 4, 2, 6}, {1, 5, 3, 7}};
    for (int64_t i = 0; i < n; i++) {
        int at = (int)(i % 256);
        int block = at / 32;
        int four = at % 32 / 4;
        if (act == KERNEL_ACT_F32) {
            memcpy(out + i, (const char *)prepared + i * (int64_t)sizeof *out, sizeof *out);
        } else if (act == KERNEL_ACT_Q8) {
            const struct kernel_q8 *group = (const struct kernel_q8 *)prepared + i / 256;
            out[i] = group->d[block] * (float)group->qs[32 * four + 4 * block + at % 4];
        } else {
            const struct kernel_q8_k *group = (const struct kernel_q8_k *)prepared + i / 256;
            int set = block % 2;
            int lane = 0;
            while (blocks[set][lane] != block)
                lane++;
            int run = 4 * set + four % 4;
            out[i] = group->d * (float)group->qs[32 * run + 16 * (four / 4) + 4 * lane + at % 4];
        }
    }
}
