/* Values written as text: JSON, and the literals of Python that models write in calls. Read into
 * a tree, written back.
 *
 * Nothing is rounded or sorted on the way: numbers keep the digits they came with (made JSON
 * where Python allows more, ".5" becomes "0.5"), keys keep their order. Keys that occur twice
 * are refused. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum literal_kind {
    LITERAL_NULL,
    LITERAL_FALSE,
    LITERAL_TRUE,
    LITERAL_NUMBER, /* text: as JSON */
    LITERAL_STRING, /* text: what it says, valid UTF-8, may hold NUL */
    LITERAL_LIST,
    LITERAL_OBJECT,
};

enum { LITERAL_MAX_DEPTH = 100 };

struct literal {
    enum literal_kind kind;
    GString *key;          /* of a member of an object; else NULL */
    GString *text;         /* of a number or string; else NULL */
    struct literal *items; /* [n_item] of a list or object */
    size_t n_item;
};

enum literal_syntax {
    LITERAL_JSON,   /* RFC 8259, but control characters may stand in strings */
    LITERAL_PYTHON, /* numbers, strings in ' or ", lists, dicts, its words and JSON's */
};

struct literal_reader {
    const char *at, *end;
    enum literal_syntax syntax;
    const char *fault; /* what was wrong, when reading failed; static */
};

/* Skips blanks: space, tab, CR, LF. */
void literal_skip(struct literal_reader *reader);
/* Skips one byte if it is wanted. */
bool literal_take(struct literal_reader *reader, char wanted);
/* Reads one value, blanks before it skipped, and leaves the reader behind it. On failure value
 * needs no finishing. */
bool literal_read(struct literal_reader *reader, struct literal *value);
/* Reads one string, in quotes, appended to out. */
bool literal_read_string(struct literal_reader *reader, GString *out);
/* One JSON value and nothing behind it but blanks; *fault (may be NULL) gets what was wrong,
 * static. */
bool literal_parse_json(const char *text, size_t n_bytes, struct literal *value,
                        const char **fault);
void literal_finish(struct literal *value);

/* A member of an object, NULL without one. */
const struct literal *literal_get(const struct literal *object, const char *key);
bool literal_is(const struct literal *value, const char *text); /* a string of exactly this */

enum literal_style {
    LITERAL_COMPACT,  /* JSON with ", " and ": " between, characters as they are */
    LITERAL_ASCII,    /* the same with \uXXXX for all but ASCII */
    LITERAL_INDENTED, /* JSON over several lines, four blanks a level, characters as they are */
    LITERAL_CALL,     /* Python */
};
void literal_write(GString *out, const struct literal *value, enum literal_style style);
void literal_write_string(GString *out, const char *text, size_t n_bytes, enum literal_style style);
/* True when no two of these are equal. */
bool literal_has_unique_keys(const struct literal *items, size_t n_item);
