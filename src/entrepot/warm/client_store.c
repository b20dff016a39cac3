/* The store: where it is, which of its files belong to a run, and whether an image that it has may be taken over.
 *
 * It belongs to the user, with mode 0700; anything else is refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client.h"
#include "image.h"

char store_path[PATH_MAX];

/* ---- the key: what an image is for */

static char *add_text(char *at, char *end, const char *text) {
    while (at && *text && at < end - 1) *at++ = *text++;
    if (at && at < end - 1) *at++ = '\1';
    *at = 0;
    return at;
}

/* `which`: 0 the program's own image, 1 the modules that programs share, then the program's parts. */
const char *make_key(const struct Run *run, int which, char *text, size_t size) {
    static char names[MAX_PARTS + 2][17];
    static const char *kinds[] = {NULL, "base", "part1", "part2", "part3"};
    int base = which == 1;
    char *at = text, *end = text + size, folder[PATH_MAX];
    int options = run->entry_at - (base && run->entry_at > 1 && strchr("cm", *run->kind)); /* one base serves all kinds */
    at = add_text(at, end, run->python);
    at = add_text(at, end, run->argv0);
    at = add_text(at, end, which ? kinds[which] : run->kind);
    for (int index = 1; index < run->argc && index < options; index++)
        at = add_text(at, end, run->argv[index]);
    if (!base) {
        at = add_text(at, end, run->entry);
        const char *watched = find_watched(run);
        if (*watched) at = add_text(at, end, watched);
        int is_somewhere = run->entry[0] == '/' && !strcmp(run->kind, "file"); /* the same program wherever it is started */
        at = add_text(at, end, is_somewhere ? "" : getcwd(folder, sizeof folder) ? folder : "?");
    }
    if (at >= end - 2) return NULL;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (const char *byte = text; *byte; byte++) hash = (hash ^ (unsigned char)*byte) * 0x100000001b3ull;
    snprintf(names[which], 17, "%016llx", (unsigned long long)hash);
    return names[which];
}

/* ---- the store */

static int is_safe(int fd) {
    struct stat st;
    return !fstat(fd, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

static int open_in(const char *path, int may_make) {
    if (strlen(path) >= sizeof store_path - 64) return -1;
    if (may_make) mkdir(path, 0700);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !is_safe(fd)) {
        close(fd);
        say("cold: %s belongs to somebody else or is open to others", path);
        return -1;
    }
    if (fd >= 0) strcpy(store_path, path);
    return fd;
}

int open_store(void) {
    char path[PATH_MAX];
    const char *given = getenv("ENTREPOT_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");
    if (given) return given[0] == '/' ? open_in(given, 1) : -1;
    snprintf(path, sizeof path, "/dev/shm/entrepot-%u", (unsigned)geteuid());
    int fd = open_in(path, 1);
    if (fd < 0 && runtime && runtime[0] == '/') {
        snprintf(path, sizeof path, "%s/entrepot", runtime);
        fd = open_in(path, 1);
    }
    if (fd < 0) {
        snprintf(path, sizeof path, "/tmp/entrepot-%u", (unsigned)geteuid());
        fd = open_in(path, 1);
    }
    return fd;
}

static char *map_file(int store, const char *name, size_t *size) {
    int fd = openat(store, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); /* a pipe there would be waited for */
    struct stat st;
    if (fd < 0) return NULL;
    char *data = NULL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size > 0) {
        *size = (size_t)st.st_size;
        data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) data = NULL;
    }
    close(fd);
    return data;
}

/* ---- images */

/* Return the path of the image that a run could take over if no file has changed, and the list of those files. */
static const char *look_up(const struct Run *run, int store, const char *name, const char *key, const char **block, size_t *block_size,
                           int *is_gone) {
    static char path[PATH_MAX + 64];
    char file[64];
    size_t size;
    const char *image = NULL, *files = NULL;
    *is_gone = 0;
    snprintf(file, sizeof file, "%s.checks", name);
    char *data = map_file(store, file, &size);
    if (!data) return NULL;
    if (!check_fields(run, data, size, key, &image, &files) || strchr(image, '/') || strchr(files, '/')) return NULL;
    *block = map_file(store, files, block_size);
    if (!*block) return *is_gone = errno == ENOENT, NULL;
    snprintf(path, sizeof path, "%s/%s", store_path, image);
    return path;
}

int is_image(const char *path) {
    struct stat st;
    return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (uint64_t)st.st_size >= TAIL;
}

/* One try to find an image: where its files are gone, somebody renews it. */
static const char *try_image(const struct Run *run, int store, const char *name, const char *key, Found *found, int *is_gone) {
    size_t size;
    const char *block, *path = look_up(run, store, name, key, &block, &size, is_gone);
    if (!path) return NULL;
    if (found) found(run, path, size);
    int changed = entrepot_check(block, size);
    if (changed >= 0) {
        say("cold: changed: f %s", entrepot_find_path(block, size, changed));
        return NULL;
    }
    errno = 0;
    return is_image(path) ? path : (*is_gone = errno == ENOENT, NULL);
}

#define MAX_RENEWALS 5 /* while one run looks */

/* Return the path of an image that this run may take over, or NULL. */
const char *find_image(const struct Run *run, int store, const char *name, const char *key, Found *found) {
    const char *image = NULL;
    for (int tries = 0, is_gone = 1; is_gone && tries < MAX_RENEWALS; tries++) image = try_image(run, store, name, key, found, &is_gone);
    return image;
}

/* Write a text, and what follows it behind a zero byte, into a file of an image. */
static void write_note(int store, const char *name, const char *ending, int how, const char *text, const char *more) {
    char file[64];
    snprintf(file, sizeof file, "%s.%s", name, ending);
    int fd = openat(store, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | how, 0600);
    struct stat st;
    if (fd < 0) return;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
        struct iovec parts[] = {{(void *)text, strlen(text)}, {"", 1}, {(void *)more, more ? strlen(more) : 0}};
        ssize_t put = writev(fd, parts, more ? 3 : 1);
        (void)put;
    }
    close(fd);
}

/* One byte for each run; its size is the number of hits, its time the last use. */
void note_hit(int store, const char *name) { write_note(store, name, "hits", O_APPEND, "+", NULL); }

/* What was decided for the last run of a program, and the key, which says what program that is. */
void note_last(int store, const char *name, const char *key) { write_note(store, name, "last", O_TRUNC, said, key); }
