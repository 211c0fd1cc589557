/* What every test program shares: where the data lies, seeds, comparison of numbers, skipping
 * aloud.
 *
 * Tests are GLib test programs that speak TAP (`harness_main` at the end of main). Data:
 * tests/golden in the repository (harness_golden), and files that are not ours to ship, in the
 * folder named by NAWI_SHARED_GOLDEN or, failing that, ../shared/golden beside the checkout
 * (harness_shared). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* g_test_init, and reads NAWI_TEST_FULL, NAWI_TEST_SEED; g_test_run. */
void harness_init(int *argc, char ***argv);
int harness_main(void);

/* Absolute path of a file below tests/golden; aborts the test when it is missing. Freed by the
 * caller. */
char *harness_golden(const char *relative);
/* The same below the folder of files that are not shipped; NULL when absent: then the test calls
 * g_test_skip(). */
char *harness_shared(const char *relative);
/* The built program, and the source tree. Borrowed. */
const char *harness_program(void);
const char *harness_source(void);
/* A new empty folder, removed at exit. Borrowed. */
const char *harness_scratch(void);

bool harness_is_full(void);  /* long counts wanted */
uint32_t harness_seed(void); /* printed by harness_init */

/* ‖a − b‖ / ‖b‖ in double; infinite when a has a non-finite value. */
double harness_relative_error(const float *a, const float *b, size_t n);

/* Reads a .npy of dtype '<f4' / '<i4' / '|u1'; aborts on anything else. Data freed by the caller.
 * shape holds up to 4 dimensions, filled with 1 beyond n_dim. */
void *harness_npy(const char *path, const char *dtype, int *n_dim, int64_t shape[4]);
