/* The classes that damage the container: cut, header, strings, arrays, offsets, shapes, dtypes,
 * doubled, shards, things that are no files. */
#include "tests/hostile/gguf-files.h"

#include "tests/harness.h"
#include "tests/hostile/gguf-maker.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t huge[] = {(uint64_t)1 << 31, ((uint64_t)1 << 32) + 7, (uint64_t)1 << 60,
                                (uint64_t)1 << 63, UINT64_MAX};

/* ── Showing ── */

static void clear_folder(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        char *child = g_build_filename(path, name, NULL);
        if (g_unlink(child) != 0)
            g_rmdir(child);
        g_free(child);
    }
    if (dir)
        g_dir_close(dir);
}

void maker_show(struct maker *maker, const char *file, enum hostile_verdict verdict,
                const char *says, const char *name)
{
    char *path = g_build_filename(maker->folder, file, NULL);
    const struct hostile_file shown = {.class = maker->class,
                                       .name = name,
                                       .verdict = verdict,
                                       .kind = maker->kind,
                                       .says = says,
                                       .path = path};
    maker->visit(&shown, maker->user);
    maker->n++;
    g_free(path);
    clear_folder(maker->folder);
}

static void put_file(const struct maker *maker, const char *name, const GByteArray *bytes)
{
    char *path = g_build_filename(maker->folder, name, NULL);
    GError *error = NULL;
    if (!g_file_set_contents(path, (const char *)bytes->data, bytes->len, &error))
        g_error("%s", error->message);
    g_free(path);
}

void maker_emit_bytes(struct maker *maker, GByteArray *bytes, enum hostile_verdict verdict,
                      const char *says, const char *name)
{
    put_file(maker, "hostile.gguf", bytes);
    g_byte_array_free(bytes, TRUE);
    maker_show(maker, "hostile.gguf", verdict, says, name);
}

void maker_emit(struct maker *maker, struct build *build, enum hostile_verdict verdict,
                const char *says, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *name = g_strdup_vprintf(format, args);
    va_end(args);
    maker_emit_bytes(maker, build_bytes(build), verdict, says, name);
    build_free(build);
    g_free(name);
}

/* ── Cut and continued ── */

static void cut(struct maker *maker)
{
    maker->class = "truncated";
    GByteArray *whole = build_bytes(maker->base);
    const GArray *places = maker->base->places;
    const guint step = MAX(places->len / 60, 1);
    for (guint i = 0; i < places->len; i += i < 12 ? 1 : step)
        for (guint more = 0; more < 2; more++) {
            const guint n = g_array_index(places, guint, i) + more;
            if (n == 0)
                continue;
            GByteArray *bytes = g_byte_array_new();
            g_byte_array_append(bytes, whole->data, n);
            char *name = g_strdup_printf("cut at byte %u of %u", n, whole->len);
            maker_emit_bytes(maker, bytes, HOSTILE_REFUSED, "expected", name);
            g_free(name);
        }
    const guint data = g_array_index(places, guint, places->len - 1);
    const guint ends[] = {data + 32, (data + whole->len) / 2, whole->len - 64};
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        GByteArray *bytes = g_byte_array_new();
        g_byte_array_append(bytes, whole->data, ends[i]);
        maker_emit_bytes(maker, bytes, HOSTILE_REFUSED, "bytes of data in the file",
                         "cut in the data");
    }
    g_byte_array_free(whole, TRUE);
    maker_emit_bytes(maker, g_byte_array_new(), HOSTILE_REFUSED, "empty", "nothing");
    maker->class = "trailing";
    static const guint more[] = {1, 31, 32, 4096, 1000000};
    for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
        struct build *build = build_copy(maker->base);
        build->n_trailing = more[i];
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "%u bytes behind the end", more[i]);
    }
    maker_emit(maker, build_copy(maker->base), HOSTILE_SOUND, NULL, "as it was");
}

/* ── Header ── */

static void header(struct maker *maker)
{
    static const char magics[][5] = {"ggml", "GGUX", "FUGG", "\0\0\0\0", "PK\3\4", "gguf"};
    static const uint32_t versions[] = {0,          1,          4,          100,
                                        0x01000000, 0x03000000, 0x80000000, UINT32_MAX};
    maker->class = "header";
    for (size_t i = 0; i < G_N_ELEMENTS(magics); i++) {
        struct build *build = build_copy(maker->base);
        memcpy(build->magic, magics[i], 4);
        maker_emit(maker, build, HOSTILE_REFUSED, "not a GGUF file", "magic %zu", i);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
        struct build *build = build_copy(maker->base);
        build->version = versions[i];
        maker_emit(maker, build, HOSTILE_REFUSED,
                   versions[i] >> 24 && !(versions[i] & 0xFFFF)
                       ? (versions[i] == 0x80000000 ? NULL : "big-endian")
                       : "version",
                   "version %u", versions[i]);
    }
    struct build *old = build_copy(maker->base);
    old->version = 2;
    maker_emit(maker, old, HOSTILE_SOUND, NULL, "version 2");
    for (size_t i = 0; i < G_N_ELEMENTS(huge); i++) {
        struct build *build = build_copy(maker->base);
        build->n_tensor = huge[i] == huge[1] ? ((uint64_t)1 << 32) + build->n_tensor : huge[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "expected at most 65536 tensors",
                   "%" G_GUINT64_FORMAT " tensors", huge[i]);
        build = build_copy(maker->base);
        build->n_key = huge[i] == huge[1] ? ((uint64_t)1 << 32) + build->n_key : huge[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "expected at most 65536 keys",
                   "%" G_GUINT64_FORMAT " keys", huge[i]);
    }
    static const int off[] = {-1, 1};
    for (size_t i = 0; i < G_N_ELEMENTS(off); i++) {
        struct build *build = build_copy(maker->base);
        build->n_tensor += (uint64_t)off[i];
        maker_emit(maker, build, off[i] < 0 ? HOSTILE_NO_MODEL : HOSTILE_REFUSED, NULL,
                   "%d tensors", off[i]);
        build = build_copy(maker->base);
        build->n_key += (uint64_t)off[i];
        maker_emit(maker, build, HOSTILE_REFUSED, NULL, "%d keys", off[i]);
    }
    struct build *build = build_copy(maker->base);
    build->n_tensor = 0;
    maker_emit(maker, build, HOSTILE_NO_MODEL, NULL, "no tensors");
    build = build_copy(maker->base);
    build->n_key = 0;
    maker_emit(maker, build, HOSTILE_REFUSED, NULL, "no keys");
}

/* ── Strings ── */

/* A key in the middle that no loader needs. */
static struct build_key *victim(const struct build *build)
{
    return build_find_key(build, "general.name");
}

static void rename_bytes(GByteArray *name, uint64_t *n_name, const char *text, guint n)
{
    g_byte_array_set_size(name, 0);
    g_byte_array_append(name, (const guint8 *)text, n);
    *n_name = n;
}

static void strings(struct maker *maker)
{
    maker->class = "string";
    for (size_t i = 0; i < G_N_ELEMENTS(huge); i++) {
        const uint64_t n = huge[i];
        struct build *build = build_copy(maker->base);
        victim(build)->n_name = n;
        maker_emit(maker, build, HOSTILE_REFUSED, "a key: expected a length",
                   "key of %" G_GUINT64_FORMAT, n);
        build = build_copy(maker->base);
        memcpy(victim(build)->value->data, &n, 8);
        maker_emit(maker, build, HOSTILE_REFUSED, "key 'general.name': a string: expected a length",
                   "string of %" G_GUINT64_FORMAT, n);
        build = build_copy(maker->base);
        ((struct build_tensor *)build->tensors->pdata[2])->n_name = n;
        maker_emit(maker, build, HOSTILE_REFUSED, "a tensor's name: expected a length",
                   "name of %" G_GUINT64_FORMAT, n);
        if (maker->kind == HOSTILE_TOWER)
            continue;
        build = build_copy(maker->base);
        memcpy(build_find_key(build, "tokenizer.ggml.tokens")->value->data + 12, &n, 8);
        maker_emit(maker, build, HOSTILE_REFUSED, "tokens': an element: expected a length",
                   "token of %" G_GUINT64_FORMAT, n);
    }
    static const int off[] = {-1, 1, 4};
    for (size_t i = 0; i < G_N_ELEMENTS(off); i++) {
        struct build *build = build_copy(maker->base);
        victim(build)->n_name += (uint64_t)off[i];
        maker_emit(maker, build, HOSTILE_REFUSED, NULL, "key %d too long", off[i]);
        build = build_copy(maker->base);
        ((struct build_tensor *)build->tensors->pdata[1])->n_name += (uint64_t)off[i];
        maker_emit(maker, build, HOSTILE_REFUSED, NULL, "name %d too long", off[i]);
    }
    static const struct {
        const char *text;
        guint n;
    } names[] = {{"", 0},         {"a\0b", 3},     {"\xFF\xFE", 2},
                 {"\xC0\x80", 2}, {"x\x1B[2J", 5}, {"a\nb", 3}};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct build *build = build_copy(maker->base);
        struct build_key *key = victim(build);
        rename_bytes(key->name, &key->n_name, names[i].text, names[i].n);
        maker_emit(maker, build, HOSTILE_REFUSED, "a key: expected readable UTF-8", "key %zu", i);
        build = build_copy(maker->base);
        struct build_tensor *tensor = build->tensors->pdata[1];
        rename_bytes(tensor->name, &tensor->n_name, names[i].text, names[i].n);
        maker_emit(maker, build, HOSTILE_REFUSED, "a tensor's name: expected readable UTF-8",
                   "name %zu", i);
    }
    static const char *const texts[] = {"%s%s%s%n%99999d", "\x1B]0;owned\x07\x1B[2J",
                                        "\xFF\xFE\xFD", "../../../etc/passwd",
                                        "\xE2\x80\xAEgnp.exe"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct build *build = build_copy(maker->base);
        build_set_text(build, "general.name", texts[i], strlen(texts[i]));
        maker_emit(maker, build, HOSTILE_SOUND, NULL, "general.name %zu", i);
    }
    static const char *const layers[] = {"blk.4294967296.attn_q.weight", "blk.-1.attn_q.weight",
                                         "blk.99999999999999999999.x",   "blk.512.attn_norm.weight",
                                         "blk..attn_q.weight",           "blk.0x0.ffn_up.weight"};
    for (size_t i = 0; i < G_N_ELEMENTS(layers); i++) {
        struct build *build = build_copy(maker->base);
        const guint end = (build->data->len + 31) / 32 * 32;
        build_add_tensor(build, layers[i], 0, 8, end);
        g_byte_array_set_size(build->data, end + 32);
        maker_emit(maker, build, HOSTILE_EITHER, NULL, "tensor %s", layers[i]);
    }
}

/* ── Arrays ── */

static void nest(GByteArray *out, int depth)
{
    for (int i = 0; i < depth; i++) {
        build_put(out, BUILD_ARRAY, 4);
        build_put(out, 1, 8);
    }
    build_put(out, BUILD_U8, 4);
    build_put(out, 0, 8);
}

static void arrays(struct maker *maker)
{
    const char *name =
        maker->kind == HOSTILE_TEXT ? "tokenizer.ggml.token_type" : "clip.vision.image_mean";
    static const uint32_t types[] = {9, 13, 14, 255, 0x80000000, UINT32_MAX};
    static const uint64_t counts[] = {(uint64_t)1 << 30, (uint64_t)1 << 61, (uint64_t)1 << 62,
                                      (uint64_t)1 << 63, UINT64_MAX,        UINT64_MAX / 4 + 1};
    maker->class = "array";
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        struct build *build = build_copy(maker->base);
        memcpy(build_find_key(build, name)->value->data, &types[i], 4);
        maker_emit(maker, build, HOSTILE_REFUSED,
                   types[i] == 9 ? "array of arrays" : "element type", "element type %u", types[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
        for (uint32_t type = 0; type < 13; type += 4) {
            struct build *build = build_copy(maker->base);
            guint8 *value = build_find_key(build, name)->value->data;
            memcpy(value, &type, 4);
            memcpy(value + 4, &counts[i], 8);
            maker_emit(maker, build, HOSTILE_REFUSED, "expected at most 4194304 elements",
                       "%" G_GUINT64_FORMAT " elements of type %u", counts[i], type);
        }
    static const int depths[] = {1, 2, 1000, 100000};
    for (size_t i = 0; i < G_N_ELEMENTS(depths); i++) {
        struct build *build = build_copy(maker->base);
        GByteArray *value = g_byte_array_new();
        nest(value, depths[i]);
        build_set(build, "x.nested", BUILD_ARRAY, value->data, value->len);
        g_byte_array_free(value, TRUE);
        maker_emit(maker, build, HOSTILE_REFUSED, "array of arrays", "arrays %d deep", depths[i]);
    }
    static const uint32_t key_types[] = {13, 14, 255, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(key_types); i++) {
        struct build *build = build_copy(maker->base);
        victim(build)->type = key_types[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "expected a type from 0 to 12", "value type %u",
                   key_types[i]);
    }
    for (guint byte = 2; byte < 256; byte += 85) {
        struct build *build = build_copy(maker->base);
        build_set_number(build, "x.truth", BUILD_BOOL, byte);
        maker_emit(maker, build, HOSTILE_REFUSED, "truth value of 0 or 1", "truth %u", byte);
    }
}

/* ── Alignment and offsets ── */

static void offsets(struct maker *maker)
{
    static const uint32_t wrong[] = {0, 3, 5, 48, 65537, 131072, 0x80000000, UINT32_MAX};
    maker->class = "alignment";
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        struct build *build = build_copy(maker->base);
        build_set_number(build, "general.alignment", BUILD_U32, wrong[i]);
        maker_emit(maker, build, HOSTILE_REFUSED, "'general.alignment': expected", "alignment %u",
                   wrong[i]);
    }
    struct build *build = build_copy(maker->base);
    build_set_text(build, "general.alignment", "32", 2);
    maker_emit(maker, build, HOSTILE_REFUSED, "'general.alignment': expected", "alignment as text");
    build = build_copy(maker->base);
    build_set_number(build, "general.alignment", BUILD_U32, 32768);
    maker_emit(maker, build, HOSTILE_REFUSED, NULL, "alignment 32768 for offsets of 32");
    build = build_copy(maker->base);
    build_set_number(build, "general.alignment", BUILD_U64, 32);
    maker_emit(maker, build, HOSTILE_SOUND, NULL, "alignment 32 as u64");

    maker->class = "offset";
    const guint n = maker->base->tensors->len;
    for (guint t = 0; t < n; t += n / 3) {
        const struct {
            uint64_t offset;
            const char *says;
        } cases[] = {{1, "multiple of 32"},
                     {33, "multiple of 32"},
                     {maker->base->data->len / 32 * 32 + 32, "bytes of data in the file"},
                     {(uint64_t)1 << 40, "bytes of data in the file"},
                     {(uint64_t)1 << 63, "bytes of data in the file"},
                     {UINT64_MAX - 31, "bytes of data in the file"},
                     {UINT64_MAX, "multiple of 32"}};
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
            build = build_copy(maker->base);
            ((struct build_tensor *)build->tensors->pdata[t])->offset = cases[i].offset;
            maker_emit(maker, build, HOSTILE_REFUSED, cases[i].says,
                       "tensor %u at %" G_GUINT64_FORMAT, t, cases[i].offset);
        }
        build = build_copy(maker->base);
        const struct build_tensor *other = build->tensors->pdata[(t + 1) % n];
        ((struct build_tensor *)build->tensors->pdata[t])->offset = other->offset;
        maker_emit(maker, build, HOSTILE_REFUSED, NULL, "tensor %u upon another", t);
    }
    build = build_copy(maker->base);
    for (guint t = 0; t < n; t++)
        ((struct build_tensor *)build->tensors->pdata[t])->offset = 0;
    maker_emit(maker, build, HOSTILE_REFUSED, "inside tensor", "all tensors at 0");
}

/* ── Dimensions and dtypes ── */

static struct build_tensor *matrix(const struct build *build)
{
    return build_find_tensor(build, build_find_tensor(build, "blk.1.attn_k.weight")
                                        ? "blk.1.attn_k.weight"
                                        : "v.blk.1.ffn_up.weight");
}

static void dims(struct maker *maker)
{
    static const uint32_t counts[] = {0, 5, 8, 255, 0x80000000, UINT32_MAX};
    maker->class = "dims";
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        struct build *build = build_copy(maker->base);
        matrix(build)->n_dim = counts[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "expected 1 to 4 dimensions", "%u dimensions",
                   counts[i]);
    }
    const uint64_t rows = matrix(maker->base)->dims[1];
    const uint64_t k = matrix(maker->base)->dims[0];
    const uint64_t shapes[][4] = {
        {0, rows, 1, 1},
        {k, 0, 1, 1},
        {0, 0, 0, 0},
        {(uint64_t)1 << 32, (uint64_t)1 << 32, 1, 1},
        {(uint64_t)1 << 63, 2, 1, 1},
        {(uint64_t)1 << 62, 4, 1, 1},
        {UINT64_MAX, 1, 1, 1},
        {k, rows + ((uint64_t)1 << 58), 1, 1},
        {k, rows + ((uint64_t)1 << 32), 1, 1},
        {(uint64_t)1 << 16, (uint64_t)1 << 16, (uint64_t)1 << 16, (uint64_t)1 << 16},
        {(uint64_t)1 << 21, (uint64_t)1 << 21, (uint64_t)1 << 21, 2},
        {k, rows * 1000, 1, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        struct build *build = build_copy(maker->base);
        matrix(build)->n_dim = 4;
        memcpy(matrix(build)->dims, shapes[i], sizeof shapes[i]);
        maker_emit(maker, build, HOSTILE_REFUSED, "expected", "shape %zu", i);
    }
    maker->class = "dtype";
    static const uint32_t types[] = {4,  5,  9,  15, 24, 25, 27, 28,  31,         32,        33,
                                     36, 37, 38, 40, 41, 42, 43, 255, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        struct build *build = build_copy(maker->base);
        matrix(build)->type = types[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "number format that this program reads",
                   "dtype %u", types[i]);
    }
    static const uint32_t blocks[] = {10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 29, 34, 35};
    for (size_t i = 0; i < G_N_ELEMENTS(blocks) && k % 256 != 0; i++) {
        struct build *build = build_copy(maker->base);
        matrix(build)->type = blocks[i];
        maker_emit(maker, build, HOSTILE_REFUSED, "whole blocks of 256", "dtype %u on rows of %u",
                   blocks[i], (guint)k);
    }
}

/* ── Doubled ── */

static void twice(struct maker *maker)
{
    maker->class = "duplicate";
    const guint n_key = maker->base->keys->len;
    const guint n_tensor = maker->base->tensors->len;
    for (guint i = 0; i < n_key; i += n_key / 6) {
        struct build *build = build_copy(maker->base);
        struct build_key *key = build->keys->pdata[i];
        struct build_key *more = g_new0(struct build_key, 1);
        more->name = g_byte_array_new();
        g_byte_array_append(more->name, key->name->data, key->name->len);
        more->n_name = key->n_name;
        more->type = i % 2 ? key->type : (uint32_t)BUILD_U8;
        more->value = g_byte_array_new();
        if (i % 2)
            g_byte_array_append(more->value, key->value->data, key->value->len);
        else
            build_put(more->value, 1, 1);
        g_ptr_array_insert(build->keys, i % 3 ? -1 : (gint)i, more);
        build->n_key++;
        maker_emit(maker, build, HOSTILE_REFUSED, "each key once", "key %u twice", i);
    }
    for (guint i = 0; i < n_tensor; i += n_tensor / 6) {
        struct build *build = build_copy(maker->base);
        const struct build_tensor *tensor = build->tensors->pdata[i];
        char *name = g_strndup((const char *)tensor->name->data, tensor->name->len);
        const guint end = (build->data->len + 31) / 32 * 32;
        if (i % 2) {
            build_add_tensor(build, name, 0, 8, end);
            g_byte_array_set_size(build->data, end + 32);
        } else {
            build_add_tensor(build, name, 0, 8, tensor->offset);
        }
        maker_emit(maker, build, HOSTILE_REFUSED, "each tensor once", "tensor %u twice", i);
        g_free(name);
    }
}

/* ── Noise ── */

static void noise(struct maker *maker)
{
    maker->class = "noise";
    GByteArray *whole = build_bytes(maker->base);
    const guint n_head = g_array_index(maker->base->places, guint, maker->base->places->len - 1);
    GRand *random = g_rand_new_with_seed(harness_seed());
    const int n = harness_is_full() ? 2000 : 60;
    for (int i = 0; i < n; i++) {
        GByteArray *bytes = g_byte_array_new();
        g_byte_array_append(bytes, whole->data, whole->len);
        const int n_change = g_rand_int_range(random, 1, 6);
        for (int k = 0; k < n_change; k++)
            bytes->data[g_rand_int_range(random, 0, (gint32)n_head)] =
                (guint8)g_rand_int_range(random, 0, 256);
        char *name = g_strdup_printf("noise %d of seed %u", i, harness_seed());
        maker_emit_bytes(maker, bytes, HOSTILE_EITHER, NULL, name);
        g_free(name);
    }
    g_rand_free(random);
    g_byte_array_free(whole, TRUE);
}

void maker_container(struct maker *maker)
{
    cut(maker);
    header(maker);
    strings(maker);
    arrays(maker);
    offsets(maker);
    dims(maker);
    twice(maker);
    noise(maker);
}

/* ── Shards ── */

static void put_build(struct maker *maker, const char *name, struct build *build)
{
    GByteArray *bytes = build_bytes(build);
    put_file(maker, name, bytes);
    g_byte_array_free(bytes, TRUE);
}

static void shards(struct maker *maker, struct build *a, struct build *b)
{
    static const char one[] = "m-00001-of-00002.gguf";
    static const char two[] = "m-00002-of-00002.gguf";
    static const struct {
        const char *key;
        uint64_t value;
        const char *says;
    } second[] = {{"split.no", 0, "says it is shard 1 of 2"},
                  {"split.no", 2, "says it is shard 3 of 2"},
                  {"split.no", 65535, "split.no"},
                  {"split.count", 0, "of 0"},
                  {"split.count", 1, "of 1"},
                  {"split.count", 3, "of 3"},
                  {"split.count", 65535, "split.count"},
                  {"split.tensors.count", 0, "split.tensors.count"},
                  {"split.tensors.count", 57, "split.tensors.count"},
                  {"split.tensors.count", UINT32_MAX, "split.tensors.count"}};
    maker->class = "shards";
    put_build(maker, one, a);
    put_build(maker, two, b);
    maker_show(maker, two, HOSTILE_SOUND, NULL, "both, by the second");
    put_build(maker, one, a);
    maker_show(maker, one, HOSTILE_REFUSED, "00002-of-00002.gguf: No such file", "second missing");
    put_build(maker, two, b);
    maker_show(maker, two, HOSTILE_REFUSED, "00001-of-00002.gguf: No such file", "first missing");
    put_build(maker, one, b);
    put_build(maker, two, a);
    maker_show(maker, one, HOSTILE_REFUSED, "expected shard 1 of 2", "swapped");
    put_build(maker, one, a);
    put_build(maker, two, a);
    maker_show(maker, one, HOSTILE_REFUSED, "expected shard 2 of 2", "first doubled");
    put_build(maker, one, a);
    maker_show(maker, "x.gguf", HOSTILE_REFUSED, "No such file", "another name");
    put_build(maker, "x.gguf", a);
    maker_show(maker, "x.gguf", HOSTILE_REFUSED, "shard 1 of 2 of a model", "renamed");
    put_build(maker, "m-00001-of-00000.gguf", a);
    maker_show(maker, "m-00001-of-00000.gguf", HOSTILE_REFUSED, "shard 1 of 0", "of none");
    put_build(maker, "m-99999-of-99999.gguf", a);
    maker_show(maker, "m-99999-of-99999.gguf", HOSTILE_REFUSED, "1 to 1024 shards", "of too many");
    for (size_t i = 0; i < G_N_ELEMENTS(second); i++) {
        struct build *build = build_copy(b);
        build_set_number(build, second[i].key, BUILD_U32, second[i].value);
        put_build(maker, one, a);
        put_build(maker, two, build);
        maker_show(maker, one, HOSTILE_REFUSED, second[i].says, second[i].key);
        build_free(build);
    }
    for (int both = 0; both < 2; both++) { /* a wrong total in both agrees, and is wrong */
        struct build *x = build_copy(a);
        struct build *y = build_copy(b);
        build_set_number(x, "split.tensors.count", BUILD_I32, 55 + 2 * (unsigned)both);
        build_set_number(y, "split.tensors.count", BUILD_I32, 55 + 2 * (unsigned)both);
        put_build(maker, one, x);
        put_build(maker, two, y);
        maker_show(maker, one, HOSTILE_REFUSED, "tensors in all 2 shards", "a wrong total");
        build_free(x);
        build_free(y);
    }
    struct build *copy = build_copy(b); /* a tensor of the first in the second too */
    build_add_tensor(copy, "token_embd.weight", 0, 8, (copy->data->len + 31) / 32 * 32);
    g_byte_array_set_size(copy->data, (copy->data->len + 31) / 32 * 32 + 32);
    put_build(maker, one, a);
    put_build(maker, two, copy);
    maker_show(maker, one, HOSTILE_REFUSED, "each tensor once", "a tensor in both");
    build_free(copy);
    GByteArray *bytes = build_bytes(b);
    for (int i = 0; i < 3; i++) {
        GByteArray *cut_bytes = g_byte_array_new();
        g_byte_array_append(cut_bytes, bytes->data, bytes->len * (guint)i / 3);
        put_build(maker, one, a);
        put_file(maker, two, cut_bytes);
        maker_show(maker, one, HOSTILE_REFUSED, "00002-of-00002.gguf: ", "second cut");
        g_byte_array_free(cut_bytes, TRUE);
    }
    g_byte_array_free(bytes, TRUE);
}

/* What stands where the second shard, or the only file, should be. */
static void no_files(struct maker *maker, struct build *a)
{
    static const char one[] = "m-00001-of-00002.gguf";
    static const char two[] = "m-00002-of-00002.gguf";
    static const char *const says[] = {"found a folder", "symbolic links", "No such file",
                                       "found a device", "found a pipe"};
    maker->class = "no file";
    for (int alone = 0; alone < 2; alone++)
        for (size_t i = 0; i < G_N_ELEMENTS(says); i++) {
            const char *name = alone ? "only.gguf" : two;
            char *path = g_build_filename(maker->folder, name, NULL);
            int made = 0;
            switch (i) {
            case 0: made = g_mkdir(path, 0700); break;
            case 1: made = symlink(name, path); break;
            case 2: made = symlink("nothing", path); break;
            case 3: made = symlink("/dev/zero", path); break;
            default: made = mkfifo(path, 0600); break;
            }
            g_assert_cmpint(made, ==, 0);
            g_free(path);
            if (!alone)
                put_build(maker, one, a);
            maker_show(maker, alone ? name : one, HOSTILE_REFUSED, alone && i == 0 ? NULL : says[i],
                       says[i]);
        }
}

int hostile_gguf_each(void (*visit)(const struct hostile_file *file, void *user), void *user)
{
    char *text = harness_golden("models/tiny-q-Q8_0.gguf");
    char *tower = harness_golden("models/mmproj-tiny-scout-F16.gguf");
    char *first = harness_golden("models/tiny-top2-F32-00001-of-00002.gguf");
    char *second = harness_golden("models/tiny-top2-F32-00002-of-00002.gguf");
    struct build *a = build_read(first);
    struct build *b = build_read(second);
    struct maker maker = {.visit = visit, .user = user};
    maker.folder = g_build_filename(harness_scratch(), "hostile", NULL);
    g_assert_cmpint(g_mkdir_with_parents(maker.folder, 0700), ==, 0);
    for (int i = 0; i < 2; i++) {
        maker.kind = i ? HOSTILE_TOWER : HOSTILE_TEXT;
        maker.base = build_read(i ? tower : text);
        maker_container(&maker);
        maker_values(&maker);
        build_free(maker.base);
    }
    maker.kind = HOSTILE_TEXT;
    maker.base = a;
    shards(&maker, a, b);
    no_files(&maker, a);
    build_free(a);
    build_free(b);
    g_free(maker.folder);
    g_free(second);
    g_free(first);
    g_free(tower);
    g_free(text);
    return maker.n;
}
