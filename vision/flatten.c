/* Composition on white. Bytes without a tone stay bytes all the way, so that an opaque picture of 8
 * bits is untouched and one with alpha is exact; everything else goes through 16 bits. Only white
 * is a ground: no file has a say in it. */
#include "vision/flatten.h"

#include <glib.h>
#include <string.h>

static int colours(const struct flatten_format *format)
{
    return format->space == FLATTEN_GREY ? 1 : format->space == FLATTEN_RGB ? 3 : 4;
}

static inline unsigned divide_255(unsigned t)
{
    t += 128;
    return (t + (t >> 8)) >> 8;
}

static inline uint32_t divide_65535(uint64_t t) { return (uint32_t)((t + 32767) / 65535); }

/* 0..65535 of a float; NaN is 0. */
static inline uint16_t float_to_16(double v)
{
    return !(v > 0) ? 0 : v >= 1 ? 65535 : (uint16_t)(v * 65535 + 0.5);
}

static uint8_t flatten_8(unsigned value, unsigned alpha, bool is_premultiplied)
{
    if (is_premultiplied)
        return (uint8_t)MIN(value + (255 - alpha), 255);
    return (uint8_t)divide_255(value * alpha + 255 * (255 - alpha));
}

static void flatten_row_8(const struct flatten_format *format, const uint8_t *in, size_t n,
                          uint8_t *rgb)
{
    int n_colour = colours(format);
    for (size_t i = 0; i < n; i++, in += format->n_band, rgb += 3) {
        unsigned alpha = format->has_alpha ? in[n_colour] : 255;
        for (int c = 0; c < 3; c++) {
            unsigned v = in[n_colour == 1 ? 0 : c];
            if (format->space == FLATTEN_CMYK)
                v = divide_255((255 - v) * (255u - in[3]));
            rgb[c] = alpha == 255 ? (uint8_t)v : flatten_8(v, alpha, format->is_premultiplied);
        }
    }
}

static inline uint16_t get_16(const struct flatten_format *format, const void *in, size_t i)
{
    switch (format->depth) {
    case FLATTEN_U8: return (uint16_t)(((const uint8_t *)in)[i] * 257);
    case FLATTEN_U16: return ((const uint16_t *)in)[i];
    case FLATTEN_F32: return float_to_16((double)((const float *)in)[i]);
    case FLATTEN_F64: return float_to_16(((const double *)in)[i]);
    }
    return 0;
}

static uint32_t flatten_16(uint32_t value, uint32_t alpha, bool is_premultiplied)
{
    if (is_premultiplied)
        return MIN(value + (65535 - alpha), 65535);
    return divide_65535((uint64_t)value * alpha + UINT64_C(65535) * (65535 - alpha));
}

/* Associated alpha is taken out before a curve is applied, and then put in again by the
 * composition. */
static void divide_alpha(uint16_t value[3], uint32_t alpha)
{
    for (int c = 0; c < 3; c++) {
        uint32_t v = alpha ? (uint32_t)(((uint64_t)value[c] * 65535 + alpha / 2) / alpha) : 0;
        value[c] = (uint16_t)MIN(v, 65535);
    }
}

static void flatten_row_16(const struct flatten_format *format, const void *in, size_t n,
                           uint8_t *rgb)
{
    int n_colour = colours(format);
    for (size_t i = 0; i < n; i++, rgb += 3) {
        size_t at = i * (size_t)format->n_band;
        uint32_t alpha = format->has_alpha ? get_16(format, in, at + (size_t)n_colour) : 65535;
        uint16_t value[3];
        for (size_t c = 0; c < 3; c++) {
            value[c] = get_16(format, in, at + (n_colour == 1 ? 0 : c));
            if (format->space == FLATTEN_CMYK)
                value[c] = (uint16_t)divide_65535((uint64_t)(65535 - value[c]) *
                                                  (65535 - get_16(format, in, at + 3)));
        }
        bool is_premultiplied = format->is_premultiplied;
        if (format->tone) {
            if (is_premultiplied)
                divide_alpha(value, alpha);
            is_premultiplied = false;
            tone_apply(format->tone, value);
        }
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)((flatten_16(value[c], alpha, is_premultiplied) + 128) / 257);
    }
}

void flatten_row(const struct flatten_format *format, const void *in, size_t n, uint8_t *rgb)
{
    if (format->depth != FLATTEN_U8 || format->tone)
        flatten_row_16(format, in, n, rgb);
    else if (format->space == FLATTEN_RGB && format->n_band == 3)
        memcpy(rgb, in, n * 3);
    else
        flatten_row_8(format, in, n, rgb);
}
