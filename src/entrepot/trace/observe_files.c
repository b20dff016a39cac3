/* Which files are asked for: opened, looked at, listed; and what the standard streams are. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe.h"

__thread int searching LOCAL_TLS, weakly LOCAL_TLS, weak LOCAL_TLS;

void saw(char kind, const char *path) {
    int only_kind = weak || weakly;
    weak = 0;
    if (!on() || searching || !path) return;
    int follow = kind != 'k' && kind != 'p';
    if (only_kind) kind = kind == 's' ? 'e' : kind == 'k' ? 'z' : kind;
    note_file(kind, path, follow);
}

void saw_at(char kind, int dir, const char *path) {
    if (!on() || searching || !path || path[0] == '/' || dir == AT_FDCWD) {
        saw(kind, path);
        return;
    }
    char link[64], base[4096], whole[8192];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t n = syscall(SYS_readlink, link, base, sizeof base - 1);
    if (n < 0) return;
    base[n] = 0;
    snprintf(whole, sizeof whole, path[0] ? "%s/%s" : "%s", base, path);
    saw(kind, whole);
}

int is_quiet(const char *path) {
    return !strcmp(path, "/dev/null") || !strcmp(path, "/dev/zero") || !strcmp(path, "/dev/full");
}

/* Python keeps bytecode beside what it imports; the plain run does the same. */
int is_bytecode(const char *path) { return path && strstr(path, ".pyc") != NULL; }

static int is_of_the_system(const char *path) { return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5); }

static void saw_open(int dir, const char *path, int flags, void *caller) {
    if (!path || inside) return;
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC | O_APPEND))) {
        if (is_bytecode(path) || is_quiet(path)) return;
        if (!listening && (flags & O_TMPFILE) == O_TMPFILE) touch(); /* a file without a name changes none */
        else effect("writes a file", path);
    }
    if (!on()) return;
    if (is_of_the_system(path)) note_caller('j', path, caller);
    if (!strcmp(path, "/dev/urandom") || !strcmp(path, "/dev/random")) note('r', "urandom", "");
    saw_at(flags & O_DIRECTORY ? 'l' : 'o', dir, path);
}

#define OPEN(name)                                                                                       \
    KEEP(name);                                                                                          \
    PUBLIC int name(const char *path, int flags, ...) {                                                  \
        va_list args;                                                                                    \
        va_start(args, flags);                                                                           \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;                        \
        va_end(args);                                                                                    \
        saw_open(AT_FDCWD, path, flags, __builtin_return_address(0));                                                                 \
        return REAL(name)(path, flags, mode);                                                            \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                                                     \
    KEEP(name);                                                                                          \
    PUBLIC int name(int dir, const char *path, int flags, ...) {                                         \
        va_list args;                                                                                    \
        va_start(args, flags);                                                                           \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;                        \
        va_end(args);                                                                                    \
        saw_open(dir, path, flags, __builtin_return_address(0));                                                                      \
        return REAL(name)(dir, path, flags, mode);                                                       \
    }
OPENAT(openat)
OPENAT(openat64)
#define OPEN2(name)                                                                                      \
    int name(const char *, int);                                                                         \
    KEEP(name);                                                                                          \
    PUBLIC int name(const char *path, int flags) {                                                       \
        saw_open(AT_FDCWD, path, flags, __builtin_return_address(0));                                                                 \
        return REAL(name)(path, flags);                                                                  \
    }
OPEN2(__open_2)
OPEN2(__open64_2)
#define FOPEN(name)                                                                                      \
    KEEP(name);                                                                                          \
    PUBLIC FILE *name(const char *restrict path, const char *restrict mode) {                            \
        saw_open(AT_FDCWD, path, strpbrk(mode, "wa+") ? O_RDWR | O_CREAT : O_RDONLY, __builtin_return_address(0));                    \
        return REAL(name)(path, mode);                                                                   \
    }
FOPEN(fopen)
FOPEN(fopen64)
KEEP(opendir);
PUBLIC DIR *opendir(const char *path) {
    saw('l', path);
    return REAL(opendir)(path);
}
KEEP(fdopendir);
PUBLIC DIR *fdopendir(int fd) {
    saw_at('l', fd, "");
    return REAL(fdopendir)(fd);
}
#define STAT(name, kind, type)                                                                           \
    int name(const char *, type *);                                                                      \
    KEEP(name);                                                                                          \
    PUBLIC int name(const char *restrict path, type *restrict st) {                                      \
        saw(kind, path);                                                                                 \
        return REAL(name)(path, st);                                                                     \
    }
STAT(stat, 's', struct stat)
STAT(stat64, 's', struct stat64)
STAT(lstat, 'k', struct stat)
STAT(lstat64, 'k', struct stat64)
#define XSTAT(name, kind, type)                                                                          \
    int name(int, const char *, type *);                                                                 \
    KEEP(name);                                                                                          \
    PUBLIC int name(int version, const char *path, type *st) {                                           \
        saw(kind, path);                                                                                 \
        return REAL(name)(version, path, st);                                                            \
    }
XSTAT(__xstat, 's', struct stat)
XSTAT(__xstat64, 's', struct stat64)
XSTAT(__lxstat, 'k', struct stat)
XSTAT(__lxstat64, 'k', struct stat64)
#define FSTATAT(name, type)                                                                              \
    int name(int, const char *, type *, int);                                                            \
    KEEP(name);                                                                                          \
    PUBLIC int name(int dir, const char *restrict path, type *restrict st, int flags) {                  \
        saw_at(flags & AT_SYMLINK_NOFOLLOW ? 'k' : 's', dir, path);                                      \
        return REAL(name)(dir, path, st, flags);                                                         \
    }
FSTATAT(fstatat, struct stat)
FSTATAT(fstatat64, struct stat64)
KEEP(statx);
PUBLIC int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict st) {
    saw_at(flags & AT_SYMLINK_NOFOLLOW ? 'k' : 's', dir, path);
    return REAL(statx)(dir, path, flags, mask, st);
}
#define FSTAT(name, type)                                                                                \
    int name(int, type *);                                                                               \
    KEEP(name);                                                                                          \
    PUBLIC int name(int fd, type *st) {                                                                  \
        if (fd <= 2) ASKED('t', "fstat");                                                                \
        return REAL(name)(fd, st);                                                                       \
    }
FSTAT(fstat, struct stat)
FSTAT(fstat64, struct stat64)
#define STATVFS(name, type)                                                                              \
    int name(const char *, type *);                                                                      \
    KEEP(name);                                                                                          \
    PUBLIC int name(const char *restrict path, type *restrict st) {                                      \
        if (on()) note('u', "statvfs", path);                                                            \
        return REAL(name)(path, st);                                                                     \
    }
STATVFS(statvfs, struct statvfs)
STATVFS(statvfs64, struct statvfs64)
#define FSTATVFS(name, type)                                                                             \
    int name(int, type *);                                                                               \
    KEEP(name);                                                                                          \
    PUBLIC int name(int fd, type *st) {                                                                  \
        if (on()) note('u', "fstatvfs", "");                                                             \
        return REAL(name)(fd, st);                                                                       \
    }
FSTATVFS(fstatvfs, struct statvfs)
FSTATVFS(fstatvfs64, struct statvfs64)
/* What the standard streams are: waiting for input, where they stand, how they are set. */
#define SEEK(name, type)                                                                                 \
    type name(int, type, int);                                                                           \
    KEEP(name);                                                                                          \
    PUBLIC type name(int fd, type offset, int whence) {                                                  \
        if (fd <= 2) ASKED('t', "lseek");                                                                \
        return REAL(name)(fd, offset, whence);                                                           \
    }
SEEK(lseek, off_t)
SEEK(lseek64, off64_t)
#define CONTROL(name)                                                                                    \
    KEEP(name);                                                                                          \
    PUBLIC int name(int fd, int what, ...) {                                                             \
        va_list args;                                                                                    \
        va_start(args, what);                                                                            \
        void *arg = va_arg(args, void *);                                                                \
        va_end(args);                                                                                    \
        if (fd <= 2) ASKED('t', "fcntl");                                                                \
        return REAL(name)(fd, what, arg);                                                                \
    }
CONTROL(fcntl)
CONTROL(fcntl64)
KEEP(poll);
PUBLIC int poll(struct pollfd *all, nfds_t count, int wait_ms) {
    for (nfds_t index = 0; index < count; index++)
        if (all[index].fd >= 0 && all[index].fd <= 2) ASKED('t', "poll");
    return REAL(poll)(all, count, wait_ms);
}
KEEP(select);
PUBLIC int select(int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict other, struct timeval *restrict wait) {
    for (int fd = 0; fd < count && fd <= 2; fd++)
        if ((in && FD_ISSET(fd, in)) || (out && FD_ISSET(fd, out)) || (other && FD_ISSET(fd, other))) ASKED('t', "select");
    return REAL(select)(count, in, out, other, wait);
}
KEEP(access);
PUBLIC int access(const char *path, int mode) {
    int answer = is_marker(path);
    if (answer == 2) errno = ENOENT;
    if (answer) return answer == 1 ? 0 : -1;
    saw('a', path);
    return REAL(access)(path, mode);
}
KEEP(faccessat);
PUBLIC int faccessat(int dir, const char *path, int mode, int flags) {
    if (is_marker(path) == 1) return 0;
    saw_at('a', dir, path);
    return REAL(faccessat)(dir, path, mode, flags);
}
KEEP(euidaccess);
PUBLIC int euidaccess(const char *path, int mode) {
    saw('a', path);
    return REAL(euidaccess)(path, mode);
}
KEEP(eaccess);
PUBLIC int eaccess(const char *path, int mode) {
    saw('a', path);
    return REAL(eaccess)(path, mode);
}
KEEP(readlink);
PUBLIC ssize_t readlink(const char *restrict path, char *restrict buf, size_t n) {
    saw('k', path);
    return REAL(readlink)(path, buf, n);
}
KEEP(readlinkat);
PUBLIC ssize_t readlinkat(int dir, const char *restrict path, char *restrict buf, size_t n) {
    saw_at('k', dir, path);
    return REAL(readlinkat)(dir, path, buf, n);
}
KEEP(realpath);
PUBLIC char *realpath(const char *restrict path, char *restrict out) {
    saw('p', path);
    return REAL(realpath)(path, out);
}
#define XATTR(name)                                                                                      \
    ssize_t name(const char *, const char *, void *, size_t);                                            \
    KEEP(name);                                                                                          \
    PUBLIC ssize_t name(const char *path, const char *what, void *value, size_t n) {                     \
        saw('s', path);                                                                                  \
        return REAL(name)(path, what, value, n);                                                         \
    }
XATTR(getxattr)
XATTR(lgetxattr)
#define XATTRS(name)                                                                                     \
    ssize_t name(const char *, char *, size_t);                                                          \
    KEEP(name);                                                                                          \
    PUBLIC ssize_t name(const char *path, char *list, size_t n) {                                        \
        saw('s', path);                                                                                  \
        return REAL(name)(path, list, n);                                                                \
    }
XATTRS(listxattr)
XATTRS(llistxattr)
