/* Writer of GGUF files, version 3: keys, then tensors, then their bytes in order, streamed.
 *
 * create → keys and tensors → open → bytes of each tensor in the order in which they were announced
 * → close. The layout is told in gguf.h. One thread. */
#pragma once

#include "engine/error.h"
#include "engine/file/dtype.h"
#include "engine/file/meta.h"

#include <stdint.h>

struct gguf_writer;

struct gguf_writer *gguf_write_create(void);

/* Keys stand in the file in the order of these calls; each is set once. Everything is copied. */
void gguf_write_u16(struct gguf_writer *writer, const char *key, uint16_t value);
void gguf_write_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_write_i32(struct gguf_writer *writer, const char *key, int32_t value);
void gguf_write_f32(struct gguf_writer *writer, const char *key, float value);
void gguf_write_bool(struct gguf_writer *writer, const char *key, bool value);
void gguf_write_string(struct gguf_writer *writer, const char *key, const char *text);
void gguf_write_strings(struct gguf_writer *writer, const char *key,
                        const struct meta_string *strings, uint64_t n);
void gguf_write_i32s(struct gguf_writer *writer, const char *key, const int32_t *values,
                     uint64_t n);
void gguf_write_f32s(struct gguf_writer *writer, const char *key, const float *values, uint64_t n);

/* ne is outermost first; rows are whole blocks. */
void gguf_write_tensor(struct gguf_writer *writer, const char *name, enum nawi_dtype dtype,
                       int n_dim, const int64_t *ne);

/* Bytes of data that all tensors announced so far take, with their padding. */
uint64_t gguf_write_size(const struct gguf_writer *writer);

/* Writes the header. */
bool gguf_write_open(struct gguf_writer *writer, const char *path, GError **error);

/* The next n bytes of the current tensor; the last of it are followed by padding by themselves. */
bool gguf_write_data(struct gguf_writer *writer, const void *bytes, uint64_t n, GError **error);

/* Leaves all bytes of data that are not written as a hole: they read as zeros and take no room. */
bool gguf_write_hole(struct gguf_writer *writer, GError **error);

/* Closes and frees. When something failed or bytes are missing, the file is removed and the result
 * is false. NULL is fine. */
bool gguf_write_close(struct gguf_writer *writer, GError **error);
