/* netpbm: PBM, PGM and PPM as text (P1 P2 P3) and as bytes (P4 P5 P6); the first picture of a file.
 * Values are stretched from the file's greatest to 255, rounded. PAM (P7) is refused. libvips' own
 * reader is not to be trusted. */
#include "vision/bytes.h"
#include "vision/container.h"

struct reader {
    const uint8_t *bytes;
    size_t n, at;
};

static bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* Blanks, and comments from # to the end of the line. */
static void skip_blanks(struct reader *r)
{
    while (r->at < r->n && (is_blank(r->bytes[r->at]) || r->bytes[r->at] == '#')) {
        bool comment = r->bytes[r->at] == '#';
        r->at += 1;
        while (comment && r->at < r->n && r->bytes[r->at] != '\n')
            r->at += 1;
    }
}

/* A whole number of at most 9 digits; false where there is none. */
static bool read_number(struct reader *r, uint32_t *out)
{
    skip_blanks(r);
    size_t first = r->at;
    uint32_t value = 0;
    while (r->at < r->n && is_digit(r->bytes[r->at]) && r->at - first < 9)
        value = value * 10 + (uint32_t)(r->bytes[r->at++] - '0');
    *out = value;
    return r->at > first && (r->at >= r->n || !is_digit(r->bytes[r->at]));
}

static uint8_t stretch(uint32_t value, uint32_t most)
{
    return (uint8_t)((MIN(value, most) * 255 + most / 2) / most);
}

static bool fail_cut(GError **error)
{
    return container_fault(error, "a netpbm picture that is cut short");
}

/* A digit 0 or 1, with or without blanks between. 1 is black. */
static bool read_text_bit(struct reader *r, uint8_t *out)
{
    skip_blanks(r);
    if (r->at >= r->n || (r->bytes[r->at] != '0' && r->bytes[r->at] != '1'))
        return false;
    *out = r->bytes[r->at++] == '0' ? 255 : 0;
    return true;
}

static bool read_text(struct reader *r, bool is_bits, uint32_t most, size_t n_value, uint8_t *out,
                      GError **error)
{
    for (size_t i = 0; i < n_value; i++) {
        uint32_t value = 0;
        if (is_bits ? !read_text_bit(r, &out[i]) : !read_number(r, &value))
            return fail_cut(error);
        if (!is_bits)
            out[i] = stretch(value, most);
    }
    return true;
}

static bool read_bits(struct reader *r, size_t width, size_t height, uint8_t *out, GError **error)
{
    size_t stride = (width + 7) / 8;
    if (stride * height > r->n - r->at)
        return fail_cut(error);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            *out++ = r->bytes[r->at + y * stride + x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    return true;
}

static bool read_bytes(struct reader *r, uint32_t most, size_t n_value, uint8_t *out,
                       GError **error)
{
    size_t width = most > 255 ? 2 : 1;
    if (n_value * width > r->n - r->at)
        return fail_cut(error);
    for (size_t i = 0; i < n_value; i++) {
        const uint8_t *at = r->bytes + r->at + i * width;
        out[i] = stretch(width == 2 ? bytes_be16(at) : *at, most);
    }
    return true;
}

bool container_read_netpbm(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                           struct container *out, GError **error)
{
    struct reader r = {.bytes = bytes, .n = n, .at = 2};
    unsigned form = bytes[1] - (unsigned)'0'; /* sniffed: 1 to 7 */
    bool is_bits = form == 1 || form == 4;
    int n_band = form == 3 || form == 6 ? 3 : 1;
    uint32_t width = 0;
    uint32_t height = 0;
    uint32_t most = 1;
    if (form == 7) {
        g_set_error_literal(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                            "a PAM picture, which is not read; save it as PNG");
        return false;
    }
    if (!read_number(&r, &width) || !read_number(&r, &height) ||
        (!is_bits && !read_number(&r, &most)))
        return container_fault(error, "a netpbm picture whose header is no list of numbers");
    if (most < 1 || most > 65535)
        return container_fault(error, "a netpbm picture of values to %u, expected 1 to 65535",
                               most);
    if (!container_check_sides(width, height, "the picture", limits, error))
        return false;
    size_t n_value = (size_t)width * height * (size_t)n_band;
    size_t least = form == 4   ? n_value / 8
                   : form == 1 ? n_value
                   : form <= 3 ? n_value * 2 - 1
                               : n_value;
    if (least > n - r.at) /* told before the memory is asked for */
        return fail_cut(error);
    if (!container_make_plain(out, (int)width, (int)height, n_band, error))
        return false;
    if (form <= 3)
        return read_text(&r, is_bits, most, n_value, out->plain, error);
    if (r.at >= n)
        return fail_cut(error);
    r.at += 1; /* one blank ends the header */
    return is_bits ? read_bits(&r, width, height, out->plain, error)
                   : read_bytes(&r, most, n_value, out->plain, error);
}
