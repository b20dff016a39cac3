/* Are thousands of files still what they were?
 *
 *     int entrepot_check(const char *block, size_t size)
 *
 * gives the index of the first entry whose file differs, or -1 (`entrepot_find_path`: its path). The block is
 * made by Record.pack_files (files.py); an entry is
 *
 *     u32 size of the entry   u8 mask   u8 follow links   u16 length of the path
 *     u8 how to look closer, then 7 zeros
 *     u64 dev ino mode uid_gid size mtime_ns ctime_ns     the path and a zero
 *     names, each with a zero, and a zero; then texts, each with a zero, and a zero
 *     zeros up to a multiple of 8
 *
 * mode 0: the file was absent. Neighbours in the block share a directory more often than not, and
 * an open directory is much cheaper to look from than "/", so the last one is kept open.
 *
 * A folder whose time stamps differ may still hold all that counts: `closer` says which entries do
 * (q: those whose name up to the first dot is among the names; l: all; t: those that `site` or an import
 * could take up; d: those of distributions; b: the files named in the texts, with their inode, size and times), and the texts,
 * in the order of their bytes, what they were.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IDENTITY = 1, KIND = 2, MODE = 4, SIZE = 8, TIMES = 16 };

struct entry {
    uint32_t bytes;
    uint8_t mask, follow;
    uint16_t path_bytes;
    uint8_t closer, zeros[7];
    uint64_t dev, ino, mode, uid_gid, size;
    int64_t mtime_ns, ctime_ns;
    char path[];
};

static long long get_ns(struct timespec time) { return time.tv_sec * 1000000000ll + time.tv_nsec; }

static int differs(const struct entry *e, const struct stat *st, int mask) {
    if ((st->st_mode & S_IFMT) != (e->mode & S_IFMT)) return 1;
    if (mask & IDENTITY && (st->st_dev != e->dev || st->st_ino != e->ino)) return 1;
    if (mask & MODE && (st->st_mode != e->mode || ((uint64_t)st->st_uid << 32 | st->st_gid) != e->uid_gid)) return 1;
    if (mask & SIZE && (uint64_t)st->st_size != e->size) return 1;
    return mask & TIMES && (get_ns(st->st_mtim) != e->mtime_ns || get_ns(st->st_ctim) != e->ctime_ns);
}

/* ---- a closer look at a folder */

struct texts {
    const char **items;
    size_t count;
};

/* A group of texts, as an array; the place after it. NULL: it does not end within the entry. */
static const char *read_texts(const char *at, const char *end, struct texts *texts) {
    size_t room = 0;
    *texts = (struct texts){NULL, 0};
    while (at < end && *at) {
        const char *stop = memchr(at, 0, (size_t)(end - at));
        if (!stop) return NULL;
        if (texts->count == room) {
            const char **more = realloc(texts->items, (room = room * 2 + 64) * sizeof *more);
            if (!more) return NULL;
            texts->items = more;
        }
        texts->items[texts->count++] = at;
        at = stop + 1;
    }
    return at < end ? at + 1 : NULL;
}

static int compare(const void *one, const void *other) { return strcmp(*(const char *const *)one, *(const char *const *)other); }

static int has(const struct texts *texts, const char *text) {
    return texts->count && bsearch(&text, texts->items, texts->count, sizeof text, compare) != NULL;
}

static int ends(const char *name, size_t size, const char *ending) {
    size_t length = strlen(ending);
    return size >= length && !memcmp(name + size - length, ending, length);
}

static int counts(const char *name, int closer, const struct texts *names) {
    static const char *for_start[] = {".pth", ".start", ".py", ".pyc", ".so", ".zip", ".egg-link"};
    size_t size = strlen(name);
    if (closer == 'q') {
        char stem[256];
        size_t length = strcspn(name, ".");
        if (length >= sizeof stem) return 0;
        memcpy(stem, name, length);
        stem[length] = 0;
        return has(names, stem);
    }
    if (closer == 'd') return size >= 8 && (!strcasecmp(name + size - 8, "egg-info") || (size >= 10 && !strcasecmp(name + size - 10, ".dist-info")));
    if (closer == 't') {
        for (size_t index = 0; index < sizeof for_start / sizeof *for_start; index++)
            if (ends(name, size, for_start[index])) return 1;
        return !strchr(name, '.') && strcmp(name, "__pycache__");
    }
    return 1;
}

/* `name/kind` of an entry, as list_entries in files.py has it. */
static int describe(int dir, const char *name, char *text, size_t size) {
    struct stat st, target;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) return -1;
    const char *kind = S_ISDIR(st.st_mode) ? "d" : "f";
    if (S_ISLNK(st.st_mode)) kind = !fstatat(dir, name, &target, 0) && S_ISDIR(target.st_mode) ? "ld" : "lf";
    return snprintf(text, size, "%s/%s", name, kind) < (int)size ? 0 : -1;
}

static int has_other_entries(DIR *folder, int closer, const struct texts *names, const struct texts *found) {
    size_t seen = 0;
    char text[300];
    for (struct dirent *item; (item = readdir(folder));) {
        if (!strcmp(item->d_name, ".") || !strcmp(item->d_name, "..") || !counts(item->d_name, closer, names)) continue;
        if (describe(dirfd(folder), item->d_name, text, sizeof text) || !has(found, text)) return 1;
        seen++;
    }
    return seen != found->count;
}

static int has_other_files(int dir, const struct texts *found) {
    for (size_t index = 0; index < found->count; index++) {
        char name[256], now[400];
        const char *slash = strchr(found->items[index], '/');
        size_t length = slash ? (size_t)(slash - found->items[index]) : sizeof name;
        struct stat st;
        if (length >= sizeof name) return 1;
        memcpy(name, found->items[index], length);
        name[length] = 0;
        if (fstatat(dir, name, &st, 0)) return 1;
        snprintf(now, sizeof now, "%s/%llu %llu %lld %lld", name, (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
                 get_ns(st.st_mtim), get_ns(st.st_ctim));
        if (strcmp(now, found->items[index])) return 1;
    }
    return 0;
}

static int differs_closely(const struct entry *e) {
    const char *end = (const char *)e + e->bytes;
    struct texts names, found = {NULL, 0};
    const char *at = read_texts(e->path + e->path_bytes + 1, end, &names);
    int differ = !at || !read_texts(at, end, &found);
    DIR *folder = differ ? NULL : opendir(e->path);
    if (!folder) differ = 1;
    else if (e->closer == 'b') differ = has_other_files(dirfd(folder), &found);
    else differ = has_other_entries(folder, e->closer, &names, &found);
    if (folder) closedir(folder);
    free(names.items);
    free(found.items);
    return differ;
}

/* ---- all of them */

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
        if (!absent == !e->mode) { found = index; break; }
        if (absent || !differs(e, &st, e->mask)) continue;
        /* Other time stamps only: what counts in the folder may be the same. */
        if (!e->closer || differs(e, &st, e->mask & ~TIMES) || differs_closely(e)) { found = index; break; }
    }
    if (dir_fd >= 0) close(dir_fd);
    return found;
}

const char *entrepot_find_path(const char *block, size_t size, int index) {
    const char *at = block, *end = block + size;
    while (index-- > 0 && at + sizeof(struct entry) < end) at += ((const struct entry *)at)->bytes;
    const char *path = at + sizeof(struct entry);
    return path < end && memchr(path, 0, (size_t)(end - path)) ? path : "?";
}
