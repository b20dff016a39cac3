/* The log: one record after the other, in memory that outlives the process. Its layout stands at the top of observe.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"

char *log_base;
static _Atomic size_t log_used;

void note_pair(char kind, const char *a, size_t a_len, const char *b, size_t b_len) {
    if (!log_base || !is_owner()) return;
    uint32_t len = (uint32_t)(a_len + (b ? 1 + b_len : 0));
    size_t at = atomic_fetch_add(&log_used, len + 5);
    if (at + len + 16 > LOG_BYTES) return; /* the reader sees that it is full */
    char *p = log_base + 8 + at;
    p[4] = kind;
    memcpy(p + 5, a, a_len);
    if (b) memcpy(p + 6 + a_len, b, b_len);
    memcpy(p, &len, 4);
    *(volatile uint64_t *)log_base = log_used;
}

void note(char kind, const char *a, const char *b) {
    note_pair(kind, a, strlen(a), b, b ? strlen(b) : 0);
}

/* Also who called: the file of the library, to tell Python's own reads from a library's. */
void note_caller(char kind, const char *what, void *address) {
    int saved = errno;
    Dl_info info;
    inside++;
    note(kind, what, dladdr(address, &info) && info.dli_fname ? info.dli_fname : "");
    inside--;
    errno = saved;
}

/* What a file was at the moment it was asked for; all zero when it was not there. */
struct seen {
    uint64_t dev, ino, mode, uid_gid, size;
    int64_t mtime_ns, ctime_ns, now_ns;
};

void note_file(char kind, const char *path, int follow) {
    int saved = errno;
    struct stat st;
    struct timespec now;
    struct seen seen = {0};
    if (syscall(SYS_newfstatat, AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0) {
        seen.dev = st.st_dev;
        seen.ino = st.st_ino;
        seen.mode = st.st_mode;
        seen.uid_gid = (uint64_t)st.st_uid << 32 | st.st_gid;
        seen.size = (uint64_t)st.st_size;
        seen.mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
        seen.ctime_ns = st.st_ctim.tv_sec * 1000000000ll + st.st_ctim.tv_nsec;
    }
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    seen.now_ns = now.tv_sec * 1000000000ll + now.tv_nsec;
    note_pair(kind, path, strlen(path), (const char *)&seen, sizeof seen);
    errno = saved;
}
