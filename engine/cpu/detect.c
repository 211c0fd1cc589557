/* Which table of kernels this processor runs: each tier's is filled once, from ref upward, and
 * kept. */
#include "engine/cpu/kernels.h"

#include <glib.h>
#include <string.h>

static struct kernels tables[KERNEL_TIER_COUNT];
static enum kernel_tier best;

#ifdef NAWI_HAVE_AVX2
static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
}
#endif

static void fill(void)
{
    kernels_fill_ref(&tables[KERNEL_TIER_REF]);
    best = KERNEL_TIER_REF;
#ifdef NAWI_HAVE_AVX2
    if (has_avx2()) {
        tables[KERNEL_TIER_AVX2] = tables[KERNEL_TIER_REF];
        kernels_fill_avx2(&tables[KERNEL_TIER_AVX2]);
        best = KERNEL_TIER_AVX2;
    }
#endif
}

const struct kernels *kernels_get(enum kernel_tier most)
{
    static gsize filled;
    if (g_once_init_enter(&filled)) {
        fill();
        g_once_init_leave(&filled, 1);
    }
    return &tables[most < best ? most : best];
}

bool kernels_tier_from_name(const char *name, enum kernel_tier *tier)
{
    static const char *const names[KERNEL_TIER_COUNT] = {
        [KERNEL_TIER_REF] = "ref",
        [KERNEL_TIER_AVX2] = "avx2",
    };
    for (int i = 0; i < KERNEL_TIER_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *tier = (enum kernel_tier)i;
            return true;
        }
    }
    return false;
}
