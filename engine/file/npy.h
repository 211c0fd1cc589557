/* Arrays of numbers in files: NumPy's .npy, read and written.
 *
 * A file is, in this order:
 *   1. 6 bytes "\x93NUMPY"; u8 major version, 1 or 2; u8 minor version 0
 *   2. the length of the header: u16 (version 1) or u32 (version 2), little endian
 *   3. the header, a Python dictionary as text, in any order, each key once:
 *        'descr'          '<f4', '<i4' or '|u1'
 *        'fortran_order'  False
 *        'shape'          a tuple of whole numbers
 *      spaces and a newline fill it up
 *   4. the numbers, row-major, and nothing behind them
 * What is written has version 1.0 and data at a multiple of 64 bytes.
 *
 * Source: NumPy's format description (NEP 1). */
#pragma once

#include "engine/error.h"

#include <stdint.h>

enum nawi_npy_type {
    NAWI_NPY_F32, /* float */
    NAWI_NPY_I32, /* int32_t */
    NAWI_NPY_U8,  /* uint8_t */
};

enum { NAWI_NPY_DIMS_MOST = 8 };

struct nawi_npy {
    enum nawi_npy_type type;
    int n_dim;                      /* 1 to 8 */
    int64_t ne[NAWI_NPY_DIMS_MOST]; /* outermost first, each at least 1; beyond n_dim: 1 */
    int64_t n;                      /* their product */
    void *data;                     /* [n], owned */
};

/* Reads a regular file. False with error leaves npy zeroed. Any thread. */
bool nawi_npy_read(const char *path, struct nawi_npy *npy, GError **error);
/* The same of a file in memory; name is for messages. */
bool nawi_npy_parse(const char *name, const void *bytes, uint64_t n_bytes, struct nawi_npy *npy,
                    GError **error);
void nawi_npy_finish(struct nawi_npy *npy); /* NULL and zeroed are fine */

/* Writes an array, or replaces the file of that name. */
bool nawi_npy_write(const char *path, enum nawi_npy_type type, int n_dim, const int64_t *ne,
                    const void *data, GError **error);

/* The same piece by piece, for arrays that never lie in memory as a whole: n numbers each time, as
 * many in all as the shape says. nawi_npy_end() frees the writer; when something failed, or numbers
 * are missing, the file is removed and the result is false. */
struct nawi_npy_writer;
struct nawi_npy_writer *nawi_npy_begin(const char *path, enum nawi_npy_type type, int n_dim,
                                       const int64_t *ne, GError **error);
bool nawi_npy_append(struct nawi_npy_writer *writer, const void *data, int64_t n, GError **error);
bool nawi_npy_end(struct nawi_npy_writer *writer, GError **error);
