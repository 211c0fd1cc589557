/* GIF89a. The decoder gets a file of one picture, the first, on a canvas of just its size; where it
 * lies on the real canvas, and the white around it, are ours. Of the extensions only the graphic
 * control before the first picture is kept, for its transparent colour. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    HEADER_BYTES = 13,     /* signature and logical screen */
    CONTROL_BYTES = 8,     /* 21 F9 04 flags delay delay colour 00 */
    DESCRIPTOR_BYTES = 10, /* 2C x x y y w w h h flags */
    HAS_TABLE = 0x80,
};

static size_t table_bytes(unsigned flags)
{
    return flags & HAS_TABLE ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* Steps over sub-blocks to behind their terminator; false when the end of the file comes first. */
static bool skip_blocks(const uint8_t *bytes, size_t n, size_t *at)
{
    while (*at < n) {
        size_t length = bytes[*at];
        if (length >= n - *at)
            return false;
        *at += 1 + length;
        if (length == 0)
            return true;
    }
    return false;
}

/* Steps to the first picture's descriptor; *control is set to a graphic control block before it, or
 * left. */
static bool find_picture(const uint8_t *bytes, size_t n, size_t *at, size_t *control)
{
    while (*at + 2 <= n) {
        if (bytes[*at] == 0x2C)
            return n - *at >= DESCRIPTOR_BYTES;
        if (bytes[*at] == 0x3B)
            return false;
        if (bytes[*at] != 0x21) {
            *at += 1; /* stray bytes between blocks do occur */
            continue;
        }
        if (bytes[*at + 1] == 0xF9 && n - *at >= CONTROL_BYTES && bytes[*at + 2] == 4 &&
            bytes[*at + 7] == 0)
            *control = *at;
        *at += 2;
        if (!skip_blocks(bytes, n, at))
            return false;
    }
    return false;
}

static bool read_sides(const uint8_t *bytes, const uint8_t *descriptor,
                       const struct nawi_vision_limits *limits, struct container *out,
                       GError **error)
{
    int frame_w = (int)bytes_le16(descriptor + 5);
    int frame_h = (int)bytes_le16(descriptor + 7);
    out->frame_x = (int)bytes_le16(descriptor + 1);
    out->frame_y = (int)bytes_le16(descriptor + 3);
    out->width_px = (int)bytes_le16(bytes + 6);
    out->height_px = (int)bytes_le16(bytes + 8);
    /* A canvas of nothing is taken as large as needed, as browsers do. */
    if (out->width_px == 0 || out->height_px == 0) {
        out->width_px = out->frame_x + frame_w;
        out->height_px = out->frame_y + frame_h;
    }
    return container_check_sides(frame_w, frame_h, "its first frame", limits, error);
}

bool container_read_gif(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                        struct container *out, GError **error)
{
    if (n < HEADER_BYTES)
        return container_fault(error, "a GIF that ends within its header");
    size_t head = HEADER_BYTES + table_bytes(bytes[10]);
    size_t at = head;
    size_t control = 0;
    out->width_px = (int)bytes_le16(bytes + 6);
    out->height_px = (int)bytes_le16(bytes + 8);
    if (out->width_px && out->height_px &&
        !container_check_sides(out->width_px, out->height_px, "the picture", limits, error))
        return false;
    if (!find_picture(bytes, n, &at, &control))
        return container_fault(error, "a GIF without a picture in it");
    uint8_t *descriptor = bytes + at;
    if (!read_sides(bytes, descriptor, limits, out, error))
        return false;
    size_t end =
        at + DESCRIPTOR_BYTES + table_bytes(descriptor[9]) + 1; /* and the size of the first code */
    if (!skip_blocks(bytes, n, &end))
        return container_fault(error, "a GIF that is cut short within its first picture");

    memcpy(bytes, "GIF89a", 6);
    memcpy(bytes + 6, descriptor + 5, 4);
    memset(descriptor + 1, 0, 4);
    size_t kept = head;
    if (control) {
        memmove(bytes + kept, bytes + control, CONTROL_BYTES);
        kept += CONTROL_BYTES;
    }
    memmove(bytes + kept, descriptor, end - at);
    kept += end - at;
    bytes[kept++] = 0x3B;
    out->n_bytes = kept;
    return true;
}
