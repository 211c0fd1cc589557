/* Any bytes as a picture file: the sniffer and the container readers refuse, or answer with sides
 * within the limits and with bytes that lie within the file's. */
#include "vision/container.h"
#include "vision/sniff.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct container *found, const struct nawi_vision_limits *limits,
                  const uint8_t *bytes, size_t room)
{
    if (found->width_px < 1 || found->width_px > limits->side_px || found->height_px < 1 ||
        found->height_px > limits->side_px ||
        (int64_t)found->width_px * found->height_px > limits->pixels)
        abort();
    if (found->turn < 1 || found->turn > 8 || found->frame_x < 0 || found->frame_y < 0)
        abort();
    if (!found->rebuilt && !found->plain &&
        (found->bytes < bytes || found->bytes + found->n_bytes > bytes + room))
        abort();
    if (found->profile &&
        (found->profile_bytes < 132 || found->profile_bytes > CONTAINER_MAX_PROFILE_BYTES))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nawi_vision_limits limits = {
        .file_bytes = 1 << 20, .pixels = 4000000, .side_px = 32768};
    struct sniff_result sniffed = sniff_bytes(data, size);
    struct container found;
    GError *error = NULL;
    if (sniffed.kind == SNIFF_UNKNOWN || sniffed.kind == SNIFF_REFUSED || size == 0)
        return 0;
    size_t room = size + CONTAINER_ROOM_BYTES;
    uint8_t *bytes = g_malloc0(room);
    memcpy(bytes, data, size);
    if (container_read(sniffed.kind, bytes, size, &limits, &found, &error)) {
        check(&found, &limits, bytes, room);
        container_finish(&found);
    } else if (!error || !error->message[0])
        abort();
    g_clear_error(&error);
    g_free(bytes);
    return 0;
}
