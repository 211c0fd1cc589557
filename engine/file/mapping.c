/* Opens and maps regular files. The kind is looked at on the open descriptor, so nothing can be
 * swapped in between; O_NONBLOCK keeps open() from waiting for the writer of a pipe. */
#include "engine/file/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

/* Sets error when fd is not a regular file with something in it. */
static bool look(int fd, const char *path, uint64_t *n_bytes, GError **error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", path, g_strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: expected a regular file, found %s",
                    path, kind_of(status.st_mode));
        return false;
    }
    if (status.st_size <= 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_FORMAT, "%s: the file is empty", path);
        return false;
    }
    *n_bytes = (uint64_t)status.st_size;
    return true;
}

bool mapping_open(struct mapping *mapping, const char *path, GError **error)
{
    *mapping = (struct mapping){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_IO, "%s: %s", path, g_strerror(errno));
        return false;
    }
    uint64_t n_bytes = 0;
    if (!look(fd, path, &n_bytes, error)) {
        close(fd);
        return false;
    }
    void *base = n_bytes > SIZE_MAX ? MAP_FAILED
                                    : mmap(NULL, (size_t)n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    const int code = errno;
    close(fd);
    if (base == MAP_FAILED) {
        g_set_error(error, NAWI_ERROR, NAWI_ERROR_MEMORY,
                    "%s: no room in the address space for a map of %" G_GUINT64_FORMAT " bytes: %s",
                    path, n_bytes, g_strerror(code));
        return false;
    }
    *mapping = (struct mapping){.path = g_strdup(path), .base = base, .n_bytes = n_bytes};
    return true;
}

void mapping_close(struct mapping *mapping)
{
    if (mapping->base)
        munmap((void *)mapping->base, (size_t)mapping->n_bytes);
    g_free(mapping->path);
    *mapping = (struct mapping){0};
}
