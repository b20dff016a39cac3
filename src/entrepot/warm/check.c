/* Are thousands of files still what they were?
 *
 *     int entrepot_check(const char *block, size_t size)
 *
 * gives the index of the first entry whose file differs, or -1. The block is
 * made by Record.pack_files (fingerprint.py); an entry is
 *
 *     u32 size of the entry   u8 mask   u8 follow links   u16 length of the path
 *     u64 dev ino mode uid_gid size mtime_ns ctime_ns     the path, then zeros up to a multiple of 8
 *
 * mode 0: the file was absent. Neighbours in the block share a directory more often than not, and
 * an open directory is much cheaper to look from than "/", so the last one is kept open.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IDENTITY = 1, KIND = 2, MODE = 4, SIZE = 8, TIMES = 16 };

struct entry {
    uint32_t bytes;
    uint8_t mask, follow;
    uint16_t path_bytes;
    uint64_t dev, ino, mode, uid_gid, size;
    int64_t mtime_ns, ctime_ns;
    char path[];
};

static int differs(const struct entry *e, const struct stat *st) {
    if ((st->st_mode & S_IFMT) != (e->mode & S_IFMT)) return 1;
    if (e->mask & IDENTITY && (st->st_dev != e->dev || st->st_ino != e->ino)) return 1;
    if (e->mask & MODE &&
        (st->st_mode != e->mode || ((uint64_t)st->st_uid << 32 | st->st_gid) != e->uid_gid)) return 1;
    if (e->mask & SIZE && (uint64_t)st->st_size != e->size) return 1;
    if (e->mask & TIMES && (st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec != e->mtime_ns ||
                            st->st_ctim.tv_sec * 1000000000ll + st->st_ctim.tv_nsec != e->ctime_ns)) return 1;
    return 0;
}

__attribute__((visibility("default"))) int entrepot_check(const char *block, size_t size);

int entrepot_check(const char *block, size_t size) {
    const char *at = block, *end = at + size;
    const char *dir = NULL;
    size_t dir_bytes = 0;
    int dir_fd = -1;
    int index = 0, found = -1;
    for (; at < end; index++) {
        const struct entry *e = (const void *)at;
        if ((size_t)(end - at) < sizeof *e || e->bytes < sizeof *e + e->path_bytes + 1u || e->bytes > (size_t)(end - at) ||
            e->path[e->path_bytes]) { found = index; break; }
        at += e->bytes;
        const char *slash = memrchr(e->path, '/', e->path_bytes);
        const char *name = e->path;
        int base = AT_FDCWD;
        if (slash && slash > e->path && slash[1]) {
            size_t n = (size_t)(slash - e->path);
            if (dir && n == dir_bytes && !memcmp(dir, e->path, n)) {
                base = dir_fd;
            } else {
                char text[4097];
                if (dir_fd >= 0) close(dir_fd);
                dir_fd = -1;
                dir = NULL;
                if (n < sizeof text) {
                    memcpy(text, e->path, n);
                    text[n] = 0;
                    dir_fd = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
                }
                if (dir_fd >= 0) {
                    dir = e->path;
                    dir_bytes = n;
                    base = dir_fd;
                }
            }
            if (base >= 0) name = slash + 1;
        }
        struct stat st;
        int absent = fstatat(base, name, &st, e->follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0;
        if (absent ? e->mode != 0 : e->mode == 0 || differs(e, &st)) { found = index; break; }
    }
    if (dir_fd >= 0) close(dir_fd);
    return found;
}
