/* HEIF (ISO/IEC 23008-12) as AVIF and HEIC use it, read for the sides alone: what a decoder would
 * allocate is settled before it runs. The primary item's extent (ispe) is the picture's. Every
 * extent is held to the limits, since tiles of a grid, alpha planes and thumbnails have their own;
 * so are the sides that a grid or an overlay states, the sides that the AV1 and HEVC streams state,
 * which must not go beyond their items' extents, and the sum of a grid's tiles, since one item may
 * be referred to thousands of times.
 *
 * Turns (irot, imir) are applied by libheif, and EXIF has no say by the standard: the turn that
 * remains is always 1. */
#include "vision/bytes.h"
#include "vision/container.h"
#include "vision/stream.h"

#include <string.h>

enum {
    MAX_PROPERTIES = 4096,
    MAX_ITEMS = 16384,
    MAX_CODED_SLACK_PX = 128, /* coded sides are whole blocks, and cut by the stream itself */
};

struct box {
    char type[4];
    const uint8_t *body; /* NULL: absent */
    size_t n;
};

/* Big-endian fields one after the other; is_short is set, and zeros are read, when they run out. */
struct cursor {
    const uint8_t *at;
    size_t left;
    bool is_short;
};

struct extent {
    uint32_t width, height; /* 0 x 0: none */
};

struct item {
    char type[4];
    struct extent extent;
};

struct meta {
    const uint8_t *file;
    size_t n_file;
    const struct nawi_vision_limits *limits;
    struct box pitm, iinf, iprp, iloc, iref, idat;
    struct extent extents[MAX_PROPERTIES]; /* by property, from 0 */
    size_t n_property;
    unsigned length_sizes; /* of HEVC units in items: a set of bits 1 << bytes, of all hvcC */
    GHashTable *items;     /* id → struct item */
    uint64_t work_bytes;   /* of items looked at */
    bool is_cut;           /* one of them goes beyond the end of the file */
};

static bool is_type(const char type[4], const char *wanted) { return memcmp(type, wanted, 4) == 0; }

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

static struct cursor open_box(const struct box *box)
{
    return (struct cursor){.at = box->body, .left = box->n};
}

/* n bytes, 0 to 8. */
static uint64_t take(struct cursor *c, unsigned n)
{
    uint64_t value = 0;
    if (c->left < n) {
        c->is_short = true;
        c->left = 0;
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | c->at[i];
    c->at += n;
    c->left -= n;
    return value;
}

static struct item *find_item(const struct meta *meta, uint64_t id)
{
    return id <= UINT32_MAX ? g_hash_table_lookup(meta->items, GUINT_TO_POINTER((guint)id)) : NULL;
}

static bool check_sides(const struct meta *meta, uint64_t width, uint64_t height, GError **error)
{
    return container_check_sides((int64_t)MIN(width, INT32_MAX), (int64_t)MIN(height, INT32_MAX),
                                 "one of its pictures", meta->limits, error);
}

/* ── Properties ── */

/* hvcC: 21 bytes, the size of lengths, arrays of parameter sets. */
static void read_hevc_setup(const struct box *box, struct meta *meta, struct stream_sides *sides)
{
    struct cursor c = open_box(box);
    if (c.left < 23)
        return;
    c.at += 21;
    c.left -= 21;
    meta->length_sizes |= 1u << ((take(&c, 1) & 3) + 1);
    uint64_t n_array = take(&c, 1);
    for (uint64_t i = 0; i < n_array && !c.is_short; i++) {
        take(&c, 1);
        uint64_t n_unit = take(&c, 2);
        for (uint64_t k = 0; k < n_unit && !c.is_short; k++) {
            size_t length = (size_t)take(&c, 2);
            size_t n = MIN(length, c.left);
            stream_add_hevc(c.at, n, sides);
            c.at += n;
            c.left -= n;
        }
    }
}

static bool read_property(const struct box *box, struct meta *meta, GError **error)
{
    struct stream_sides sides = {0};
    if (is_type(box->type, "ispe")) {
        struct cursor c = open_box(box);
        take(&c, 4);
        uint64_t width = take(&c, 4);
        uint64_t height = take(&c, 4);
        if (!check_sides(meta, width, height, error))
            return false;
        meta->extents[meta->n_property] = (struct extent){(uint32_t)width, (uint32_t)height};
    } else if (is_type(box->type, "hvcC"))
        read_hevc_setup(box, meta, &sides);
    else if (is_type(box->type, "av1C") && box->n > 4)
        stream_add_av1(box->body + 4, box->n - 4, &sides);
    return sides.width == 0 || check_sides(meta, sides.width, sides.height, error);
}

/* ipma: for each item an id, a count and that many property numbers from 1. The first extent is the
 * item's. */
static void read_associations(const struct box *box, struct meta *meta)
{
    struct cursor c = open_box(box);
    uint64_t head = take(&c, 4);
    unsigned id_bytes = head >> 24 ? 4 : 2;
    unsigned link_bytes = head & 1 ? 2 : 1;
    uint64_t n_item = take(&c, 4);
    for (uint64_t i = 0; i < n_item && !c.is_short; i++) {
        struct item *item = find_item(meta, take(&c, id_bytes));
        uint64_t n_link = take(&c, 1);
        for (uint64_t k = 0; k < n_link; k++) {
            uint64_t link = take(&c, link_bytes) & (link_bytes == 2 ? 0x7FFF : 0x7F);
            if (item && item->extent.width == 0 && link >= 1 && link <= meta->n_property)
                item->extent = meta->extents[link - 1];
        }
    }
}

static bool read_properties(struct meta *meta, GError **error)
{
    struct box box, child;
    size_t at = 0;
    while (next_box(meta->iprp.body, meta->iprp.n, &at, &box)) {
        size_t inner = 0;
        while (is_type(box.type, "ipco") && next_box(box.body, box.n, &inner, &child)) {
            if (meta->n_property == MAX_PROPERTIES)
                return container_fault(error, "more than %d item properties", MAX_PROPERTIES);
            if (!read_property(&child, meta, error))
                return false;
            meta->n_property += 1;
        }
    }
    at = 0;
    while (next_box(meta->iprp.body, meta->iprp.n, &at, &box))
        if (is_type(box.type, "ipma"))
            read_associations(&box, meta);
    return true;
}

/* ── Items ── */

/* iinf: a count of 16 or 32 bits and infe boxes; of these, versions 2 and 3 have a type. */
static bool read_items(struct meta *meta, GError **error)
{
    struct box box;
    size_t at = meta->iinf.n > 0 && meta->iinf.body[0] ? 8 : 6;
    while (next_box(meta->iinf.body, meta->iinf.n, &at, &box)) {
        struct cursor c = open_box(&box);
        unsigned version = (unsigned)(take(&c, 4) >> 24);
        uint32_t id = (uint32_t)take(&c, version == 2 ? 2 : 4);
        take(&c, 2);
        if (!is_type(box.type, "infe") || version < 2 || version > 3 || c.left < 4)
            continue;
        if (g_hash_table_size(meta->items) == MAX_ITEMS)
            return container_fault(error, "more than %d items", MAX_ITEMS);
        struct item *item = g_new0(struct item, 1);
        memcpy(item->type, c.at, 4);
        g_hash_table_insert(meta->items, GUINT_TO_POINTER(id), item);
    }
    return true;
}

/* The sides that a grid or an overlay states: behind version, flags and the numbers of rows and
 * columns, or behind the colour of the ground. */
static bool check_derived(const struct meta *meta, const struct item *item, const uint8_t *data,
                          size_t n, GError **error)
{
    struct cursor c = {.at = data, .left = n};
    unsigned side_bytes = take(&c, 2) & 1 ? 4 : 2;
    take(&c, is_type(item->type, "grid") ? 2 : 8);
    uint64_t width = take(&c, side_bytes);
    uint64_t height = take(&c, side_bytes);
    if (c.is_short)
        return container_fault(error, "a grid or overlay that is cut short");
    return check_sides(meta, width, height, error);
}

static bool check_stream(const struct meta *meta, const struct item *item, const uint8_t *data,
                         size_t n, GError **error)
{
    struct stream_sides sides = {0};
    if (is_type(item->type, "av01"))
        stream_add_av1(data, n, &sides);
    else
        for (unsigned length_bytes = 1; length_bytes <= 4; length_bytes++)
            if (meta->length_sizes & 1u << length_bytes)
                stream_add_hevc_units(data, n, length_bytes, &sides);
    if (sides.width == 0)
        return true;
    if (item->extent.width && (sides.width > (uint64_t)item->extent.width + MAX_CODED_SLACK_PX ||
                               sides.height > (uint64_t)item->extent.height + MAX_CODED_SLACK_PX))
        return container_fault(
            error,
            "one of its pictures says %u x %u pixels, but holds %" G_GUINT64_FORMAT
            " x %" G_GUINT64_FORMAT,
            item->extent.width, item->extent.height, sides.width, sides.height);
    return check_sides(meta, sides.width, sides.height, error);
}

static bool check_data(const struct meta *meta, const struct item *item, const GByteArray *data,
                       GError **error)
{
    if (is_type(item->type, "grid") || is_type(item->type, "iovl"))
        return check_derived(meta, item, data->data, data->len, error);
    return check_stream(meta, item, data->data, data->len, error);
}

static bool is_looked_at(const struct item *item)
{
    return is_type(item->type, "av01") || is_type(item->type, "hvc1") ||
           is_type(item->type, "hev1") || is_type(item->type, "grid") ||
           is_type(item->type, "iovl");
}

/* Adds a stretch of the file, or of idat, to an item's data; what lies outside is left out. */
static bool add_stretch(struct meta *meta, bool in_idat, uint64_t offset, uint64_t length,
                        GByteArray *data, GError **error)
{
    const uint8_t *from = in_idat ? meta->idat.body : meta->file;
    size_t n = in_idat ? meta->idat.n : meta->n_file;
    meta->is_cut |= offset >= n || length > n - offset;
    if (offset >= n)
        return true;
    size_t part = (size_t)MIN(length ? length : n, n - offset);
    meta->work_bytes += part;
    if (meta->work_bytes > 2 * (uint64_t)meta->n_file)
        return container_fault(error, "items that share their data");
    g_byte_array_append(data, from + offset, (guint)part);
    return true;
}

struct location_form {
    unsigned version, offset_bytes, length_bytes, base_bytes, index_bytes;
};

/* One item of iloc. */
static bool read_location(struct meta *meta, const struct location_form *form, struct cursor *c,
                          GByteArray *data, GError **error)
{
    const struct item *item = find_item(meta, take(c, form->version < 2 ? 2 : 4));
    unsigned method = form->version ? (unsigned)take(c, 2) & 15 : 0;
    take(c, 2); /* a file of its own: never followed */
    uint64_t base = take(c, form->base_bytes);
    uint64_t n_stretch = take(c, 2);
    bool wanted = item && is_looked_at(item) && method <= 1;
    g_byte_array_set_size(data, 0);
    for (uint64_t i = 0; i < n_stretch && !c->is_short; i++) {
        take(c, form->index_bytes);
        uint64_t offset = base + take(c, form->offset_bytes);
        uint64_t length = take(c, form->length_bytes);
        if (wanted && !c->is_short && !add_stretch(meta, method == 1, offset, length, data, error))
            return false;
    }
    return !wanted || c->is_short || check_data(meta, item, data, error);
}

static bool read_locations(struct meta *meta, GError **error)
{
    struct cursor c = open_box(&meta->iloc);
    struct location_form form = {.version = (unsigned)(take(&c, 4) >> 24)};
    unsigned sizes = (unsigned)take(&c, 2);
    form.offset_bytes = sizes >> 12 & 15;
    form.length_bytes = sizes >> 8 & 15;
    form.base_bytes = sizes >> 4 & 15;
    form.index_bytes = form.version ? sizes & 15 : 0;
    if (form.offset_bytes > 8 || form.length_bytes > 8 || form.base_bytes > 8 ||
        form.index_bytes > 8)
        return container_fault(error, "offsets of more than 8 bytes");
    uint64_t n_item = take(&c, form.version < 2 ? 2 : 4);
    GByteArray *data = g_byte_array_new();
    bool ok = true;
    for (uint64_t i = 0; i < n_item && !c.is_short && ok; i++)
        ok = read_location(meta, &form, &c, data, error);
    g_byte_array_unref(data);
    return ok;
}

/* iref: for each derived item (dimg) the items that it is made of, whose pixels are added up. */
static bool check_references(const struct meta *meta, GError **error)
{
    struct box box;
    unsigned id_bytes = meta->iref.n > 0 && meta->iref.body[0] ? 4 : 2;
    size_t at = 4;
    int64_t pixels = 0;
    while (next_box(meta->iref.body, meta->iref.n, &at, &box)) {
        struct cursor c = open_box(&box);
        take(&c, id_bytes);
        uint64_t n_id = take(&c, 2);
        for (uint64_t i = 0; i < n_id && !c.is_short && is_type(box.type, "dimg"); i++) {
            const struct item *item = find_item(meta, take(&c, id_bytes));
            pixels += item ? (int64_t)item->extent.width * item->extent.height : 0;
        }
    }
    if (pixels <= 2 * meta->limits->pixels)
        return true;
    g_set_error(error, NAWI_ERROR, NAWI_ERROR_UNSUPPORTED,
                "its pictures are made of %.1f million pixels: more than the %.1f million allowed",
                (double)pixels / 1e6, 2 * (double)meta->limits->pixels / 1e6);
    return false;
}

/* ── The whole ── */

static void find_boxes(const struct box *box, struct meta *meta)
{
    const struct {
        const char *type;
        struct box *place;
    } wanted[] = {{"pitm", &meta->pitm}, {"iinf", &meta->iinf}, {"iprp", &meta->iprp},
                  {"iloc", &meta->iloc}, {"iref", &meta->iref}, {"idat", &meta->idat}};
    struct box child;
    size_t at = 4; /* version and flags */
    while (next_box(box->body, box->n, &at, &child))
        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
            if (is_type(child.type, wanted[i].type) && !wanted[i].place->body)
                *wanted[i].place = child;
}

static bool read_primary(const struct meta *meta, struct container *out, GError **error)
{
    struct cursor c = open_box(&meta->pitm);
    uint64_t head = take(&c, 4);
    uint64_t id = take(&c, head >> 24 ? 4 : 2);
    const struct item *item = find_item(meta, id);
    if (c.is_short || !item)
        return container_fault(error, "no main picture (pitm) among its items");
    if (item->extent.width == 0)
        return container_fault(error, "no size (ispe) for its main picture");
    out->width_px = (int)item->extent.width;
    out->height_px = (int)item->extent.height;
    return true;
}

bool container_read_heif(uint8_t *bytes, size_t n, const struct nawi_vision_limits *limits,
                         struct container *out, GError **error)
{
    struct box box;
    size_t at = 0;
    bool found = false;
    while (!found && next_box(bytes, n, &at, &box))
        found = is_type(box.type, "meta");
    if (!found)
        return container_fault(error, "no box that describes pictures (meta)");
    struct meta *meta = g_new0(struct meta, 1);
    meta->file = bytes;
    meta->n_file = n;
    meta->limits = limits;
    meta->items = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    find_boxes(&box, meta);
    bool ok = read_items(meta, error) && read_properties(meta, error) &&
              read_locations(meta, error) && check_references(meta, error) &&
              read_primary(meta, out, error);
    out->cut = meta->is_cut;
    g_hash_table_destroy(meta->items);
    g_free(meta);
    return ok;
}
