/* What the checks of the kernels share: the table of cases, random weights, guarded memory, the
 * comparison with the truth.
 *
 * A case covers a range of bytes of struct kernels and is run for every tier. main.c fails when a
 * pointer of any tier's table lies in no case's range. */
#pragma once

#include "engine/cpu/kernels.h"
#include "tests/harness.h"

struct check {
    const struct kernels *tier, *ref;
    GRand *rand;
    char *what; /* the parameters of the trial, for messages */
};

struct check_case {
    const char *name;
    size_t offset, n_bytes; /* of struct kernels */
    void (*run)(struct check *check);
};

#define CHECK_SLOT(slot, run)                                                                      \
    #slot, offsetof(struct kernels, slot), sizeof(((struct kernels *)0)->slot), run

extern const struct check_case check_dtype_cases[]; /* each ends with a row without a name */
extern const struct check_case check_dense_cases[];
extern const struct check_case check_moe_cases[];
extern const struct check_case check_attend_cases[];
extern const struct check_case check_norm_cases[];
extern const struct check_case check_rope_cases[];
extern const struct check_case check_small_cases[];

/* Sets what; a format as for printf. */
void check_describe(struct check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Fails with tier, parameters, seed and place, unless |found - wanted| <= allowed, or both are NaN,
 * or the same infinity. */
bool check_near(const struct check *check, const char *name, int64_t at, double found,
                double wanted, double allowed);
void check_same(const struct check *check, const char *name, const void *found, const void *wanted,
                size_t n_bytes);

int check_draw(struct check *check, int least, int most); /* both included */
int check_pick(struct check *check, int n, const int *of);
/* n values in one of the awkward ways: plain, zeros, one outlier, tiny, denormal, huge,
 * constant. */
enum check_values {
    CHECK_PLAIN,
    CHECK_ZERO,
    CHECK_OUTLIER,
    CHECK_TINY,
    CHECK_DENORMAL,
    CHECK_HUGE,
    CHECK_CONSTANT,
    CHECK_VALUES
};
void check_fill(struct check *check, int64_t n, enum check_values kind, float *out);

/* Memory that ends at a page that cannot be read, so that reading beyond it stops the program in
 * every build; filled with a pattern. lead bytes before it are guarded too. */
struct check_memory {
    char *at;
    size_t n_bytes;
    void *map;
    size_t map_bytes;
};
void check_memory_init(struct check_memory *memory, size_t n_bytes);
void check_memory_finish(struct check_memory *memory);
/* Fails when bytes before the memory were written. */
void check_memory_verify(const struct check *check, const struct check_memory *memory);

/* n values of random weights in blocks with scales of everyday size: every code occurs, all values
 * are finite. Aborts for a dtype that it does not know. */
void check_weights(struct check *check, enum nawi_dtype dtype, int64_t n, char *out);

/* The activations that a row of prepared ones stands for. */
void check_unprepare(enum kernel_act act, int64_t n, const void *prepared, float *out);

/* The speeds of all kernels of the tiers, on stdout. */
void check_bench(const char *filter);
