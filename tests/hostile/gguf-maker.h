/* What the makers of malformed files share. */
#pragma once

#include "tests/hostile/gguf-build.h"
#include "tests/hostile/gguf-files.h"

struct maker {
    struct build *base; /* sound; copied for each case */
    enum hostile_kind kind;
    const char *class;
    char *folder; /* of the case at hand */
    void (*visit)(const struct hostile_file *file, void *user);
    void *user;
    int n;
};

/* Writes a changed copy, shows it, and frees it. says may be NULL. */
G_GNUC_PRINTF(5, 6)
void maker_emit(struct maker *maker, struct build *build, enum hostile_verdict verdict,
                const char *says, const char *format, ...);
/* The same of bytes, which are freed. */
void maker_emit_bytes(struct maker *maker, GByteArray *bytes, enum hostile_verdict verdict,
                      const char *says, const char *name);
/* A case that made its files itself, in maker->folder. */
void maker_show(struct maker *maker, const char *file, enum hostile_verdict verdict,
                const char *says, const char *name);

void maker_values(struct maker *maker);    /* gguf-values.c: keys, tokenizer, weights, missing */
void maker_container(struct maker *maker); /* gguf-files.c */
