/* HEIF (ISO/IEC 23008-12) as AVIF and HEIC use it: boxes, read here for the sides alone. The
 * primary item's extent (ispe) is the picture's; every extent in the file is held to the limits,
 * since tiles of a grid, alpha planes and thumbnails have their own, and so are the sides that a
 * grid or an overlay states in its data. Turns (irot, imir) are applied by libheif, and EXIF has no
 * say by the standard: so the turn that remains is always 1. */
#include "vision/bytes.h"
#include "vision/container.h"

#include <string.h>

enum {
    MAX_PROPERTIES = 4096,
};

struct box {
    char type[4];
    const uint8_t *body;
    size_t n;
};

struct extent {
    uint32_t width, height;
};

struct meta {
    uint32_t primary;
    bool has_primary;
    struct box associations; /* body NULL: absent */
    struct extent
        extents[MAX_PROPERTIES]; /* by property, from 0; 0 x 0 for properties of other kinds */
    size_t n_property;
};

static bool is_type(const struct box *box, const char *type)
{
    return memcmp(box->type, type, 4) == 0;
}

/* The box at *at of bytes [n], and *at behind it. False at the end or where a length is impossible.
 * A box that says it is longer than what is left is cut to it. */
static bool next_box(const uint8_t *bytes, size_t n, size_t *at, struct box *out)
{
    if (*at > n || n - *at < 8)
        return false;
    size_t left = n - *at;
    size_t head = 8;
    uint64_t length = bytes_be32(bytes + *at);
    if (length == 1) {
        if (left < 16)
            return false;
        length = bytes_be64(bytes + *at + 8);
        head = 16;
    } else if (length == 0)
        length = left;
    if (length < head)
        return false;
    length = MIN(length, left);
    memcpy(out->type, bytes + *at + 4, 4);
    out->body = bytes + *at + head;
    out->n = (size_t)length - head;
    *at += (size_t)length;
    return true;
}

static bool find_box(const uint8_t *bytes, size_t n, const char *type, struct box *out)
{
    size_t at = 0;
    while (next_box(bytes, n, &at, out))
        if (is_type(out, type))
            return true;
    return false;
}

/* pitm: version, flags, item id of 16 or 32 bits. */
static void read_primary(const struct box *box, struct meta *meta)
{
    if (box->n >= 6 && box->body[0] == 0)
        meta->primary = bytes_be16(box->body + 4);
    else if (box->n >= 8)
        meta->primary = bytes_be32(box->body + 4);
    else
        return;
    meta->has_primary = true;
}

/* ipco: one box for each property. */
static bool read_properties(const struct box *container, const struct nawi_vision_limits *limits,
                            struct meta *meta, GError **error)
{
    size_t at = 0;
    struct box box;
    while (next_box(container->body, container->n, &at, &box)) {
        if (meta->n_property == MAX_PROPERTIES)
            return container_fault(error, "more than %d item properties", MAX_PROPERTIES);
        if (is_type(&box, "ispe") && box.n >= 12) {
            struct extent *extent = &meta->extents[meta->n_property];
            extent->width = bytes_be32(box.body + 4);
            extent->height = bytes_be32(box.body + 8);
            if (!container_check_sides(extent->width, extent->height, "one of its pictures", limits,
                                       error))
                return false;
        }
        meta->n_property += 1;
    }
    return true;
}

/* ipma: for each item an id, a count and that many property numbers from 1. The primary item's
 * extent, or NULL. */
static const struct extent *find_extent(const struct meta *meta)
{
    const uint8_t *p = meta->associations.body;
    size_t n = meta->associations.n;
    if (!p || n < 8)
        return NULL;
    size_t id_bytes = p[0] == 0 ? 2 : 4;
    size_t link_bytes = p[3] & 1 ? 2 : 1;
    uint32_t n_item = bytes_be32(p + 4);
    size_t at = 8;
    for (uint32_t i = 0; i < n_item && n - at > id_bytes; i++) {
        uint32_t id = id_bytes == 2 ? bytes_be16(p + at) : bytes_be32(p + at);
        size_t n_link = p[at + id_bytes];
        at += id_bytes + 1;
        if (n_link * link_bytes > n - at)
            return NULL;
        for (size_t k = 0; k < n_link && id == meta->primary; k++) {
            uint32_t link =
                link_bytes == 2 ? bytes_be16(p + at + 2 * k) & 0x7FFF : p[at + k] & 0x7Fu;
            if (link >= 1 && link <= meta->n_property && meta->extents[link - 1].width)
                return &meta->extents[link - 1];
        }
        at += n_link * link_bytes;
    }
    return NULL;
}

static bool read_meta(const struct box *box, const struct nawi_vision_limits *limits,
                      struct meta *meta, GError **error)
{
    struct box child, grandchild;
    size_t at = 4; /* version and flags */
    while (next_box(box->body, box->n, &at, &child)) {
        if (is_type(&child, "pitm"))
            read_primary(&child, meta);
        if (!is_type(&child, "iprp"))
            continue;
        size_t inner = 0;
        while (next_box(child.body, child.n, &inner, &grandchild)) {
            if (is_type(&grandchild, "ipco") && !read_properties(&grandchild, limits, meta, error))
                return false;
            if (is_type(&grandchild, "ipma") && !meta->associations.body)
                meta->associations = grandchild;
        }
    }
    return true;
}

bool container_read_heif(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error)
{
    struct box box;
    if (!find_box(bytes, n, "meta", &box))
        return container_fault(error, "no box that describes pictures (meta)");
    struct meta *meta = g_new0(struct meta, 1);
    bool ok = read_meta(&box, limits, meta, error);
    const struct extent *extent = ok ? find_extent(meta) : NULL;
    if (ok && !extent)
        ok = container_fault(error, meta->has_primary ? "no size (ispe) for its main picture"
                                                      : "no main picture (pitm)");
    if (ok) {
        out->width_px = (int)extent->width;
        out->height_px = (int)extent->height;
    }
    g_free(meta);
    return ok;
}
