/* The one error domain of Nawi, and the one way to stop a long call.
 *
 * Fallible functions return bool or a pointer and take a GError ** last; it is set exactly on
 * failure. A message is written for the person, once, where the fault is known: what, where,
 * expected, found. It is shown unchanged.
 *
 * Strings that come out of a file (keys, tensor names, token texts) may hold anything: pass them
 * through nawi_quote() before they enter a message. */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Codes exist only where a caller would act differently. */
enum nawi_error_code {
    NAWI_ERROR_IO,          /* the system refused: not found, not readable, disk full */
    NAWI_ERROR_FORMAT,      /* the file is wrong */
    NAWI_ERROR_UNSUPPORTED, /* the file may be right, this program cannot use it */
    NAWI_ERROR_MEMORY,      /* says how much was needed and how much there is */
    NAWI_ERROR_DEVICE,      /* a device was lost or is not there */
    NAWI_ERROR_CANCELLED,   /* somebody asked to stop */
    NAWI_ERROR_INPUT, /* what the person asked for cannot be done: usage, too long, no picture */
};

#define NAWI_ERROR (nawi_error_quark())
GQuark nawi_error_quark(void);

/* A flag that one thread sets and every long call looks at, at least every 50 ms. Any thread. */
typedef struct nawi_cancel {
    atomic_bool asked;
} nawi_cancel;

static inline void nawi_cancel_ask(nawi_cancel *cancel) { atomic_store(&cancel->asked, true); }
static inline void nawi_cancel_reset(nawi_cancel *cancel) { atomic_store(&cancel->asked, false); }

/* True when cancel is not NULL and was asked. */
static inline bool nawi_cancel_is_asked(const nawi_cancel *cancel)
{
    return cancel && atomic_load_explicit(&((nawi_cancel *)cancel)->asked, memory_order_relaxed);
}

/* Sets NAWI_ERROR_CANCELLED and returns true when it was asked; else leaves error alone and returns
 * false. */
bool nawi_cancel_check(const nawi_cancel *cancel, GError **error);

/* Text from outside made safe for a message: in single quotes, at most 80 bytes of it, control
 * characters, invalid UTF-8 and direction marks as \xNN. Never NULL; the caller frees with
 * g_free(). */
char *nawi_quote(const char *text, size_t n_bytes);
