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
 * in the order of their bytes, what they were. x: no folder, but a file without size and time (/proc): the hash of its text.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT ((size_t)1 << 20)

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

/* As hash_text in files.py. */
static int has_other_text(const char *path, const struct texts *found) {
    unsigned char part[4096];
    char now[17];
    uint64_t hash = 0xcbf29ce484222325ull;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (size_t all = 0; fd >= 0 && all < MAX_TEXT && (got = read(fd, part, sizeof part)) > 0; all += (size_t)got)
        for (ssize_t at = 0; at < got && all + (size_t)at < MAX_TEXT; at++) hash = (hash ^ part[at]) * 0x100000001b3ull;
    if (fd >= 0) close(fd);
    if (fd < 0 || got < 0) strcpy(now, "-");
    else snprintf(now, sizeof now, "%016llx", (unsigned long long)hash);
    return found->count != 1 || strcmp(now, found->items[0]);
}

static int differs_closely(const struct entry *e) {
    const char *end = (const char *)e + e->bytes;
    struct texts names, found = {NULL, 0};
    const char *at = read_texts(e->path + e->path_bytes + 1, end, &names);
    int differ = !at || !read_texts(at, end, &found);
    DIR *folder = differ || e->closer == 'x' ? NULL : opendir(e->path);
    if (e->closer == 'x') differ = differ || has_other_text(e->path, &found);
    else if (!folder) differ = 1;
    else if (e->closer == 'b') differ = has_other_files(dirfd(folder), &found);
    else differ = has_other_entries(folder, e->closer, &names, &found);
    if (folder) closedir(folder);
    free(names.items);
    free(found.items);
    return differ;
}

/* ---- all of them */

static int is_whole(const struct entry *e, const char *end) {
    size_t room = (size_t)(end - (const char *)e);
    return room >= sizeof *e && e->bytes >= sizeof *e + e->path_bytes + 1u && e->bytes <= room && !e->path[e->path_bytes];
}

/* The folder of the last entry, kept open. */
struct place {
    const char *dir;
    size_t bytes;
    int fd;
};

/* The place that an entry is looked for from, and its name there. */
static int find_base(struct place *place, const struct entry *e, const char **name) {
    const char *slash = memrchr(e->path, '/', e->path_bytes);
    *name = e->path;
    if (!slash || slash == e->path || !slash[1]) return AT_FDCWD;
    size_t size = (size_t)(slash - e->path);
    if (!place->dir || size != place->bytes || memcmp(place->dir, e->path, size)) {
        char text[4097];
        if (place->fd >= 0) close(place->fd);
        place->fd = -1;
        place->dir = NULL;
        /* Worth it where the next entry is in the same folder. */
        const struct entry *next = (const void *)((const char *)e + e->bytes);
        if (size >= sizeof text || next->path_bytes <= size || memcmp(next->path, e->path, size + 1)) return AT_FDCWD;
        memcpy(text, e->path, size);
        text[size] = 0;
        place->fd = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place->fd < 0) return AT_FDCWD;
        place->dir = e->path;
        place->bytes = size;
    }
    *name = slash + 1;
    return place->fd;
}

struct part {
    const char *at, *end, *block_end;
    int index, found;
};

static void *check_part(void *argument) {
    struct part *part = argument;
    struct place place = {NULL, 0, -1};
    int index = part->index;
    part->found = -1;
    for (const char *at = part->at; at < part->end && part->found < 0; index++) {
        const struct entry *e = (const void *)at;
        at += e->bytes;
        const char *name;
        int base = AT_FDCWD;
        if (at + sizeof *e < part->block_end) base = find_base(&place, e, &name);
        else name = e->path;
        struct stat st;
        int absent = fstatat(base, name, &st, e->follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0;
        if (!absent == !e->mode) part->found = index;
        else if (!absent && differs(e, &st, e->mask)) {
            /* Other time stamps only: what counts in the folder may be the same. */
            if (!e->closer || differs(e, &st, e->mask & ~TIMES) || differs_closely(e)) part->found = index;
        } else if (!absent && e->closer == 'x' && differs_closely(e)) part->found = index;
    }
    if (place.fd >= 0) close(place.fd);
    return NULL;
}

#define WORTH_A_THREAD 400 /* entries */

int entrepot_check(const char *block, size_t size) {
    const char *end = block + size, *middle = NULL;
    int count = 0, half = 0;
    for (const char *at = block; at < end; at += ((const struct entry *)at)->bytes, count++) {
        if (!is_whole((const void *)at, end)) return count;
        if (!middle && at >= block + size / 2) middle = at, half = count;
    }
    struct part first = {block, end, end, 0, -1}, second = {middle, end, end, half, -1};
    pthread_t thread;
    cpu_set_t set;
    int helped = middle && count >= WORTH_A_THREAD && !sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) > 1 &&
                 !pthread_create(&thread, NULL, check_part, &second);
    if (helped) first.end = middle;
    check_part(&first);
    if (helped) pthread_join(thread, NULL);
    return first.found >= 0 ? first.found : second.found;
}

const char *entrepot_find_path(const char *block, size_t size, int index) {
    const char *at = block, *end = block + size;
    while (index-- > 0 && at + sizeof(struct entry) < end) at += ((const struct entry *)at)->bytes;
    const char *path = at + sizeof(struct entry);
    return path < end && memchr(path, 0, (size_t)(end - path)) ? path : "?";
}
