/* Reader of the GGUF container, versions 2 and 3, little endian.
 *
 * A file is, in this order, all numbers little endian and without padding:
 *   1. 4 bytes "GGUF"; u32 version; u64 number of tensors; u64 number of keys
 *   2. each key: string, u32 type of the value, value
 *        string  u64 length, that many bytes, no terminator
 *        types   0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool (one byte, 0 or 1),
 *                8 string, 9 array, 10 u64, 11 i64, 12 f64
 *        array   u32 type of the elements, u64 number, the elements; no arrays of arrays
 *   3. each tensor: string name, u32 number of dimensions (1 to 4), u64 for each dimension (the
 *      contiguous one first), u32 id of the dtype, u64 offset from the start of the data
 *   4. zeros up to a multiple of the alignment (key general.alignment, else 32)
 *   5. the data: each tensor starts at a multiple of the alignment; they do not overlap
 *
 * What is refused beyond a wrong layout: version 1 and big-endian files (by name), keys and tensors
 * that occur twice, names with control characters or broken UTF-8, and whatever is above the limits
 * below. Every number is checked against the bytes that are left before anything is allocated.
 *
 * Source: GGUF specification of the ggml project. */
#pragma once

#include "engine/error.h"
#include "engine/file/dtype.h"
#include "engine/file/meta.h"

#include <stdint.h>

enum {
    GGUF_KEYS_MOST = 65536,
    GGUF_TENSORS_MOST = 65536,
    GGUF_KEY_BYTES_MOST = 65535,
    GGUF_NAME_BYTES_MOST = 64,         /* of a tensor */
    GGUF_STRING_BYTES_MOST = 16 << 20, /* of a value */
    GGUF_ELEMENT_BYTES_MOST = 1 << 20, /* of a string in an array */
    GGUF_ELEMENTS_MOST = 4 << 20,      /* of an array */
    GGUF_META_BYTES_MOST = 512 << 20,  /* of all values, unpacked */
    GGUF_ALIGNMENT_MOST = 65536,
    GGUF_DIMS_MOST = 4,
};

struct gguf_tensor {
    const char *name; /* owned by the reader */
    enum nawi_dtype dtype;
    int n_dim;
    int64_t ne[GGUF_DIMS_MOST]; /* outermost first; beyond n_dim: 1 */
    uint64_t offset;            /* in the file, from its first byte */
    uint64_t n_bytes;
};

struct gguf;

/* Reads the header of a whole file in memory. Keys go into meta, which the caller owns; the strings
 * of its arrays point into base, which has to live as long as both. name: of the file, for
 * messages. NULL on error; meta then holds the keys before the fault. Freed with gguf_free(). Any
 * thread. */
struct gguf *gguf_parse(const char *name, const void *base, uint64_t n_bytes,
                        struct nawi_meta *meta, GError **error);
void gguf_free(struct gguf *gguf);

uint32_t gguf_get_version(const struct gguf *gguf);
guint gguf_count(const struct gguf *gguf);
const struct gguf_tensor *gguf_get(const struct gguf *gguf, guint index); /* in file order */
/* Bytes behind the last tensor and its padding that belong to nothing. */
uint64_t gguf_get_trailing(const struct gguf *gguf);

/* The value of one string key near the start of a file, without unpacking any other, for looking at
 * many files. NULL when the header is not sound that far or has no such string. Freed by the
 * caller. */
char *gguf_peek(const void *base, uint64_t n_bytes, const char *key);

/* Bytes of a dense tensor. False when a dimension is below 1, a row is not whole blocks, or the
 * product does not fit 63 bits. */
bool gguf_extent(enum nawi_dtype dtype, int n_dim, const int64_t ne[GGUF_DIMS_MOST],
                 uint64_t *n_bytes);
