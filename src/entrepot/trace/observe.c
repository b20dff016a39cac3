/* What a process asks of the machine, written down while it initialises modules.
 *
 * A preparing interpreter is started with this library in LD_PRELOAD. Python code cannot
 * see os.stat, os.access, os.readlink or a C library's fopen and getenv happen (there is no
 * audit event for them); the calls into libc can be seen from here, whoever makes them, and
 * no Python function has to be replaced for it.
 *
 *   log       a shared, sparse file given as a descriptor in ENTREPOT_OBSERVE. The first
 *             8 bytes are the bytes used; then records: u32 length of the payload, u8 kind,
 *             payload (fields separated by \0; files end in a struct seen). It is mapped, so it survives whatever
 *             becomes of the process.
 *   markers   the Python half (resident.py) speaks to this one by calling
 *             os.access("\1entrepot\1" + kind + payload, 0), which never reaches the kernel.
 *             'A' arms, 'D' disarms for good, 'P' pauses, 'R' resumes, 'F'..'f' is a search
 *             of the import system's own, 'w' says that the next stat asks only whether the
 *             file is there and of what kind ('u'..'v': all stats between). Other letters are logged as they come.
 *   effects   While armed, a call that would do something outside of the process (write a
 *             file, open a socket, start a child, ...) is written down and the process ends
 *             with status 77 *before* doing it. The preparation is then made anew without
 *             the module that wanted it, which is left to each run.
 *   output    Descriptors 1 and 2 are empty files; at each 'E' or 'X' (end of a module)
 *             anything in them counts as an effect.
 *
 * After 'D', and in children, every function goes straight through.
 *
 * Does not know: system calls made without libc (Go), reads through memory that was mapped
 * before, libc's own internal calls (the outer functions, such as tzset or setlocale, are
 * covered by variables that always count).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define MARK "\1entrepot\1"
#define LOG_BYTES ((size_t)256 << 20)

static char *log_base;
static _Atomic size_t log_used;
static _Atomic int listening; /* write down */
static _Atomic int armed;     /* effects end the process */
static pid_t owner;           /* children are not observed */
static int quiet;
static int touched;               /* in a run: something was done that a second beginning would do twice */
static int wary;                  /* in a run: begin again, cold, before the first thing that could not be done again */
static int changed;               /* in a run: files, or anything but what went to the standard streams */
static uint64_t variables[1024]; /* those that C code has read, by hash: asked for with 'g' */
static uint64_t mask_before; /* the signal mask when armed */
static __thread int inside;   /* our own calls */
static __thread int searching;
static __thread int weakly; /* as `weak`, until told otherwise */
static __thread int weak;   /* the next stat only asks whether it is there and of what kind */

#define KEEP(name) static void *real_##name
#define REAL(name) ((__typeof__(&name))find_real(#name, &real_##name))

static void *find_real(const char *name, void **slot) {
    if (!*slot) *slot = dlsym(RTLD_NEXT, name);
    return *slot;
}

static int is_owner(void) { return owner == (pid_t)syscall(SYS_getpid); }
static int on(void) { return listening && !inside; }

static void note_pair(char kind, const char *a, size_t a_len, const char *b, size_t b_len) {
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

static void note(char kind, const char *a, const char *b) {
    note_pair(kind, a, strlen(a), b, b ? strlen(b) : 0);
}

/* Also who called: the file of the library, to tell Python's own reads from a library's. */
static void note_caller(char kind, const char *what, void *address) {
    int saved = errno;
    Dl_info info;
    inside++;
    note(kind, what, dladdr(address, &info) && info.dli_fname ? info.dli_fname : "");
    inside--;
    errno = saved;
}

#define ASKED(kind, what) do { if (on()) note_caller(kind, what, __builtin_return_address(0)); } while (0)

static char *read_whole(const char *path, size_t *size) {
    char *text = malloc(1 << 22);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    *size = 0;
    for (long got; text && fd >= 0 && *size < (1 << 22) - 1 && (got = syscall(SYS_read, fd, text + *size, (1 << 22) - 1 - *size)) > 0;)
        *size += (size_t)got;
    if (fd >= 0) syscall(SYS_close, fd);
    return text;
}

static char **split(char *text, size_t size, int with_empty) {
    char **items = calloc(size + 2, sizeof *items), *end = text + size;
    for (size_t count = 0; items && text < end; text += strlen(text) + 1)
        if (*text || with_empty) items[count++] = text;
    return items;
}

/* What the program may do next could spoil modules that wait for it, and what it is about to do could not be done again. */
static void begin_again(void) {
    size_t size;
    char *arguments = read_whole("/proc/self/cmdline", &size), **argv = arguments ? split(arguments, size, 1) : NULL;
    char *given = read_whole("/proc/self/environ", &size), **envp = given ? split(given, size, 0) : NULL;
    if (!argv || !envp) return;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask_before, NULL, 8);
    syscall(SYS_execve, "/proc/self/exe", argv, envp);
}

static void touch(void) {
    if (wary && !touched && is_owner()) begin_again();
    touched = 1;
}

static void effect(const char *what, const char *detail) {
    if (!listening) {
        touch();
        changed = 1;
    }
    if (!on()) return;
    note('!', what, detail ? detail : "");
    if (armed && !quiet && is_owner()) syscall(SYS_exit_group, 77);
}

/* Opened and, it may be, closed again at once: what is left at the end is looked at from outside. */
static void opens(const char *what, const char *detail) {
    if (on()) note('~', what, detail);
}

static void check_output(void) {
    char text[513];
    struct stat st;
    uint64_t mask = 0;
    if (!armed) return;
    if (syscall(SYS_rt_sigprocmask, 0, NULL, &mask, 8) == 0 && mask != mask_before)
        effect("changes the signal mask", "");
    inside++;
    fflush(stdout);
    inside--;
    for (int fd = 1; fd <= 2; fd++) {
        if (syscall(SYS_fstat, fd, &st) || !S_ISREG(st.st_mode) || !st.st_size) continue;
        ssize_t n = syscall(SYS_pread64, fd, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = 0;
        effect(fd == 1 ? "prints" : "writes to stderr", text);
    }
}

/* What a file was at the moment it was asked for; all zero when it was not there. */
struct seen {
    uint64_t dev, ino, mode, uid_gid, size;
    int64_t mtime_ns, ctime_ns, now_ns;
};

static void note_file(char kind, const char *path, int follow) {
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

static void note_search(const char *what) {
    char path[4096];
    if (what[0] == 'S') {
        note_file('y', what + 2, 1);
        return;
    }
    const char *dir = what + 2, *end = strchr(dir, 1);
    if (!end || end - dir >= (long)sizeof path) return;
    note('F', end + 1, NULL);
    memcpy(path, dir, (size_t)(end - dir));
    path[end - dir] = 0;
    note_file('f', path[0] ? path : ".", 1);
}

static unsigned hash_name(const char *name) {
    uint64_t hash = 0xcbf29ce484222325ull;
    while (*name) hash = (hash ^ (unsigned char)*name++) * 0x100000001b3ull;
    return (unsigned)(hash ^ hash >> 32) & 0xffff;
}

/* 0: an ordinary path; 1: a marker, answered with yes; 2: a marker, answered with no. */
static int is_marker(const char *path) {
    if (path[0] != 1 || strncmp(path, MARK, sizeof MARK - 1)) return 0;
    const char *word = path + sizeof MARK - 1;
    if (!log_base) return 1;
    switch (*word) { /* questions, answered at any time */
    case 'g': return variables[hash_name(word + 1) >> 6] >> (hash_name(word + 1) & 63) & 1 ? 1 : 2;
    case 't': return touched ? 2 : 1;
    case 'k': return changed ? 2 : 1;
    case 'y':
        touched = changed = wary = 0;
        owner = (pid_t)syscall(SYS_getpid);
        syscall(SYS_rt_sigprocmask, 0, NULL, &mask_before, 8);
        return 1;
    case 'x': wary = 1; return 1;
    case 'o': wary = 0; return 1;
    default: break;
    }
    switch (*word) {
    case 'A':
        listening = armed = 1;
        syscall(SYS_rt_sigprocmask, 0, NULL, &mask_before, 8);
        break;
    case 'D': check_output(); note('D', "", NULL); armed = listening = 0; return 1;
    case 'P': listening = 0; return 1;
    case 'R': listening = 1; return 1;
    case 'w': weak = 1; return 1;
    case 'u': weakly++; return 1;
    case 'v': weakly--; return 1;
    case 'f': searching = 0; return 1;
    case 'F': /* "FD\1dir\1tail" or "FS\1path" */
        searching = 1;
        if (listening) note_search(word + 1);
        return 1;
    case '!': effect("needs a module that is left to the run", word + 1); return 1;
    case 'q': quiet = 1; return 1; /* a module known to clean up after itself */
    case 'z': quiet = 0; return 1;
    case 'E': case 'X': check_output(); break;
    default: break;
    }
    if (listening) note(*word, word + 1, NULL);
    return 1;
}

static void saw(char kind, const char *path) {
    int only_kind = weak || weakly;
    weak = 0;
    if (!on() || searching || !path) return;
    int follow = kind != 'k' && kind != 'p';
    if (only_kind) kind = kind == 's' ? 'e' : kind == 'k' ? 'z' : kind;
    note_file(kind, path, follow);
}

static void saw_at(char kind, int dir, const char *path) {
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

static int is_quiet(const char *path) {
    return !strcmp(path, "/dev/null") || !strcmp(path, "/dev/zero") || !strcmp(path, "/dev/full");
}

/* Python keeps bytecode beside what it imports; the plain run does the same. */
static int is_bytecode(const char *path) { return path && strstr(path, ".pyc") != NULL; }

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

/* ---- files, read ---- */
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

/* ---- surroundings, read ---- */
static void note_variable(const char *name) {
    variables[hash_name(name) >> 6] |= 1ull << (hash_name(name) & 63);
    note('c', name, NULL);
}
KEEP(getenv);
PUBLIC char *getenv(const char *name) {
    if (on()) note_variable(name);
    return REAL(getenv)(name);
}
KEEP(secure_getenv);
PUBLIC char *secure_getenv(const char *name) {
    if (on()) note_variable(name);
    return REAL(secure_getenv)(name);
}
KEEP(getcwd);
PUBLIC char *getcwd(char *buf, size_t n) {
    if (on() && !searching) note('d', "", NULL);
    return REAL(getcwd)(buf, n);
}
KEEP(clock_gettime);
PUBLIC int clock_gettime(clockid_t id, struct timespec *ts) {
    /* The interpreter itself reads the monotonic clock all the time; resident.py looks for kept values. */
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) ASKED('n', "time");
    if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID) ASKED('n', "processor time");
    return REAL(clock_gettime)(id, ts);
}
KEEP(gettimeofday);
PUBLIC int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
    ASKED('n', "time");
    return REAL(gettimeofday)(tv, tz);
}
KEEP(time);
PUBLIC time_t time(time_t *t) {
    ASKED('n', "time");
    return REAL(time)(t);
}
KEEP(clock);
PUBLIC clock_t clock(void) {
    ASKED('n', "processor time");
    return REAL(clock)();
}
KEEP(times);
PUBLIC clock_t times(struct tms *now) {
    ASKED('n', "processor time");
    return REAL(times)(now);
}
int getrusage(__rusage_who_t, struct rusage *);
KEEP(getrusage);
PUBLIC int getrusage(__rusage_who_t who, struct rusage *used) {
    ASKED('n', "what was used");
    return REAL(getrusage)(who, used);
}
KEEP(getloadavg);
PUBLIC int getloadavg(double *avg, int n) {
    ASKED('n', "load");
    return REAL(getloadavg)(avg, n);
}
KEEP(getrandom);
PUBLIC ssize_t getrandom(void *buf, size_t n, unsigned flags) {
    ASKED('r', "urandom");
    return REAL(getrandom)(buf, n, flags);
}
KEEP(getentropy);
PUBLIC int getentropy(void *buf, size_t n) {
    ASKED('r', "urandom");
    return REAL(getentropy)(buf, n);
}
#define ID(name, params, args)                                                                           \
    KEEP(name);                                                                                          \
    PUBLIC pid_t name params {                                                                           \
        ASKED('i', #name);                                                                               \
        return REAL(name) args;                                                                          \
    }
ID(getpid, (void), ())
ID(getppid, (void), ())
ID(getpgrp, (void), ())
ID(getsid, (pid_t pid), (pid))
ID(getpgid, (pid_t pid), (pid))
KEEP(isatty);
PUBLIC int isatty(int fd) {
    if (fd <= 2) ASKED('t', "isatty");
    return REAL(isatty)(fd);
}
KEEP(ttyname_r);
PUBLIC int ttyname_r(int fd, char *buf, size_t n) {
    ASKED('t', "ttyname");
    return REAL(ttyname_r)(fd, buf, n);
}
KEEP(tcgetattr);
PUBLIC int tcgetattr(int fd, struct termios *t) {
    ASKED('t', "tcgetattr");
    return REAL(tcgetattr)(fd, t);
}
KEEP(ioctl);
PUBLIC int ioctl(int fd, unsigned long request, ...) {
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (request == TIOCGWINSZ) ASKED('t', "terminal size");
    return REAL(ioctl)(fd, request, arg);
}
#define RLIMIT(name, type)                                                                               \
    int name(__rlimit_resource_t, type *);                                                               \
    KEEP(name);                                                                                          \
    PUBLIC int name(__rlimit_resource_t what, type *limit) {                                             \
        char text[16];                                                                                   \
        snprintf(text, sizeof text, "%d", (int)what);                                                    \
        ASKED('m', text);                                                                                \
        return REAL(name)(what, limit);                                                                  \
    }
RLIMIT(getrlimit, struct rlimit)
RLIMIT(getrlimit64, struct rlimit64)
KEEP(getpriority);
PUBLIC int getpriority(__priority_which_t which, id_t who) {
    ASKED('m', "nice");
    return REAL(getpriority)(which, who);
}
KEEP(sched_getscheduler);
PUBLIC int sched_getscheduler(pid_t who) {
    ASKED('m', "scheduler");
    return REAL(sched_getscheduler)(who);
}
KEEP(sched_getparam);
PUBLIC int sched_getparam(pid_t who, struct sched_param *param) {
    ASKED('m', "scheduler");
    return REAL(sched_getparam)(who, param);
}
KEEP(pthread_sigmask);
PUBLIC int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old) {
    /* Libraries block signals while they start a thread; that asks for nothing. */
    if (old && (!set || (how == SIG_BLOCK && sigisemptyset(set)))) ASKED('i', "signal mask");
    return REAL(pthread_sigmask)(how, set, old);
}
KEEP(gethostname);
PUBLIC int gethostname(char *name, size_t n) {
    ASKED('h', "gethostname");
    return REAL(gethostname)(name, n);
}
KEEP(uname);
PUBLIC int uname(struct utsname *name) {
    ASKED('h', "uname");
    return REAL(uname)(name);
}

KEEP(getlogin);
PUBLIC char *getlogin(void) {
    ASKED('i', "getlogin");
    return REAL(getlogin)();
}
KEEP(sysconf);
PUBLIC long sysconf(int name) { /* some of its answers are limits by another name */
    if (name == _SC_OPEN_MAX) ASKED('m', "7");
    if (name == _SC_CHILD_MAX) ASKED('m', "6");
    if (name == _SC_ARG_MAX) ASKED('m', "3");
    if (name == _SC_AVPHYS_PAGES) ASKED('n', "free memory");
    return REAL(sysconf)(name);
}

/* Files that libc reads for itself, where no call can be seen. */
#define LOOKS(name, result, params, args, path)                                                          \
    result name params;                                                                                  \
    KEEP(name);                                                                                          \
    PUBLIC result name params {                                                                          \
        saw('s', path);                                                                                  \
        return REAL(name) args;                                                                          \
    }
struct group;
struct servent;
struct protoent;
LOOKS(getgrgid_r, int, (gid_t g, struct group *to, char *b, size_t n, struct group **r), (g, to, b, n, r), "/etc/group")
LOOKS(getgrnam_r, int, (const char *g, struct group *to, char *b, size_t n, struct group **r), (g, to, b, n, r), "/etc/group")
LOOKS(getgrent, struct group *, (void), (), "/etc/group")
LOOKS(getgrouplist, int, (const char *u, gid_t g, gid_t *to, int *n), (u, g, to, n), "/etc/group")
LOOKS(getservbyname, struct servent *, (const char *s, const char *p), (s, p), "/etc/services")
LOOKS(getservbyport, struct servent *, (int s, const char *p), (s, p), "/etc/services")
LOOKS(getprotobyname, struct protoent *, (const char *p), (p), "/etc/protocols")

/* ---- effects outside of the process ---- */
#define ACTS(name, result, params, args, what, detail)                                                   \
    KEEP(name);                                                                                          \
    PUBLIC result name params {                                                                          \
        effect(what, detail);                                                                            \
        return REAL(name) args;                                                                          \
    }
#define OPENS(name, result, params, args, what, detail)                                                  \
    KEEP(name);                                                                                          \
    PUBLIC result name params {                                                                          \
        opens(what, detail);                                                                             \
        return REAL(name) args;                                                                          \
    }
#define WRITES(name, params, args, path)                                                                 \
    KEEP(name);                                                                                          \
    PUBLIC int name params {                                                                             \
        if (!is_bytecode(path)) effect("changes files (" #name ")", path);                               \
        return REAL(name) args;                                                                          \
    }
KEEP(mkdir);
PUBLIC int mkdir(const char *path, mode_t mode) {
    struct stat st;
    if (syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0) saw('s', path); /* will fail: a question */
    else if (!strstr(path, "__pycache__")) effect("changes files (mkdir)", path);
    return REAL(mkdir)(path, mode);
}
WRITES(rename, (const char *from, const char *to), (from, to), to)
WRITES(unlink, (const char *path), (path), path)
WRITES(chmod, (const char *path, mode_t mode), (path, mode), path)
WRITES(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to)
WRITES(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), path)
WRITES(unlinkat, (int dir, const char *path, int flags), (dir, path, flags), path)
WRITES(remove, (const char *path), (path), path)
WRITES(rmdir, (const char *path), (path), path)
WRITES(link, (const char *from, const char *to), (from, to), to)
WRITES(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), to)
WRITES(symlink, (const char *from, const char *to), (from, to), to)
WRITES(symlinkat, (const char *from, int dir, const char *to), (from, dir, to), to)
WRITES(fchmodat, (int dir, const char *path, mode_t mode, int flags), (dir, path, mode, flags), path)
WRITES(chown, (const char *path, uid_t u, gid_t g), (path, u, g), path)
WRITES(lchown, (const char *path, uid_t u, gid_t g), (path, u, g), path)
WRITES(truncate, (const char *path, off_t n), (path, n), path)
WRITES(utimensat, (int dir, const char *path, const struct timespec t[2], int f), (dir, path, t, f), path)
WRITES(utimes, (const char *path, const struct timeval t[2]), (path, t), path)
WRITES(mkfifo, (const char *path, mode_t mode), (path, mode), path)
WRITES(mkstemp, (char *path), (path), path)
WRITES(mkostemp, (char *path, int flags), (path, flags), path)
ACTS(chdir, int, (const char *path), (path), "changes the directory", path)
ACTS(fchdir, int, (int fd), (fd), "changes the directory", "")
ACTS(umask, mode_t, (mode_t mode), (mode), "sets the umask", "")
ACTS(setrlimit, int, (__rlimit_resource_t r, const struct rlimit *l), (r, l), "sets a limit", "")
ACTS(setrlimit64, int, (__rlimit_resource_t r, const struct rlimit64 *l), (r, l), "sets a limit", "")
ACTS(setpriority, int, (__priority_which_t w, id_t who, int n), (w, who, n), "sets its priority", "")
ACTS(nice, int, (int n), (n), "sets its priority", "")
ACTS(setsid, pid_t, (void), (), "starts a session", "")
ACTS(setpgid, int, (pid_t p, pid_t g), (p, g), "changes its process group", "")
OPENS(socket, int, (int d, int t, int p), (d, t, p), "opens a socket", "")
OPENS(socketpair, int, (int d, int t, int p, int fds[2]), (d, t, p, fds), "opens a socket", "")
ACTS(fork, pid_t, (void), (), "starts a child process", "")
ACTS(system, int, (const char *c), (c), "starts a child process", c)
ACTS(popen, FILE *, (const char *c, const char *m), (c, m), "starts a child process", c)
ACTS(execve, int, (const char *f, char *const a[], char *const e[]), (f, a, e), "becomes another program", f)
ACTS(execv, int, (const char *f, char *const a[]), (f, a), "becomes another program", f)
ACTS(kill, int, (pid_t p, int s), (p, s), "sends a signal", "")
ACTS(raise, int, (int s), (s), "sends a signal", "")
ACTS(alarm, unsigned, (unsigned s), (s), "sets a timer", "")
ACTS(setitimer, int, (__itimer_which_t w, const struct itimerval *restrict n, struct itimerval *restrict o),
     (w, n, o), "sets a timer", "")
OPENS(pipe, int, (int fds[2]), (fds), "opens a pipe", "")
OPENS(pipe2, int, (int fds[2], int f), (fds, f), "opens a pipe", "")
OPENS(memfd_create, int, (const char *n, unsigned f), (n, f), "opens a memory file", n)
ACTS(bind, int, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), (fd, a, n), "binds a socket", "")
ACTS(connect, int, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), (fd, a, n), "connects a socket", "")
ACTS(shm_open, int, (const char *n, int f, mode_t m), (n, f, m), "opens shared memory", n)
KEEP(read);
PUBLIC ssize_t read(int fd, void *buf, size_t n) {
    if (fd == 0) effect("reads its standard input", "");
    return REAL(read)(fd, buf, n);
}
KEEP(write);
PUBLIC ssize_t write(int fd, const void *buf, size_t n) {
    if (!listening && (fd == 1 || fd == 2)) touch();
    else if (!inside && (armed || !touched) && (fd < 1 || fd > 2)) {
        char link[64], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = syscall(SYS_readlink, link, path, sizeof path - 1);
        path[got > 0 ? got : 0] = 0;
        if (!is_bytecode(path) && !is_quiet(path)) effect("writes to a descriptor", path);
    }
    return REAL(write)(fd, buf, n);
}
#define MAP(name, off)                                                                                   \
    void *name(void *, size_t, int, int, int, off);                                                      \
    KEEP(name);                                                                                          \
    PUBLIC void *name(void *at, size_t n, int prot, int flags, int fd, off offset) {                     \
        if ((flags & MAP_SHARED) && (prot & PROT_WRITE)) opens("maps shared memory", "");                \
        return REAL(name)(at, n, prot, flags, fd, offset);                                               \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)
struct hostent;
int gethostbyname_r(const char *, struct hostent *, char *, size_t, struct hostent **, int *);
ACTS(gethostbyname_r, int,
     (const char *n, struct hostent *h, char *b, size_t s, struct hostent **r, int *e), (n, h, b, s, r, e),
     "asks the network for a name", n)
int gethostbyaddr_r(const void *, socklen_t, int, struct hostent *, char *, size_t, struct hostent **, int *);
ACTS(gethostbyaddr_r, int,
     (const void *a, socklen_t l, int t, struct hostent *h, char *b, size_t s, struct hostent **r, int *e),
     (a, l, t, h, b, s, r, e), "asks the network for a name", "")
struct if_nameindex;
struct ifaddrs;
#define ASKS_NETWORK(name, result, params, args)                                                          \
    result name params;                                                                                  \
    KEEP(name);                                                                                          \
    PUBLIC result name params {                                                                          \
        if (on()) effect("asks for the network's interfaces", "");                                       \
        return REAL(name) args;                                                                          \
    }
ASKS_NETWORK(if_nameindex, struct if_nameindex *, (void), ())
ASKS_NETWORK(if_nametoindex, unsigned, (const char *n), (n))
ASKS_NETWORK(getifaddrs, int, (struct ifaddrs * *r), (r))
struct winsize;
int forkpty(int *, char *, const struct termios *, const struct winsize *);
ACTS(forkpty, pid_t, (int *m, char *n, const struct termios *t, const struct winsize *w), (m, n, t, w),
     "starts a child process", "forkpty")
ACTS(sched_setaffinity, int, (pid_t p, size_t n, const cpu_set_t *s), (p, n, s), "chooses its processors", "")
ACTS(setuid, int, (uid_t u), (u), "changes its user", "")
ACTS(setgid, int, (gid_t g), (g), "changes its group", "")
ACTS(chroot, int, (const char *path), (path), "changes the root directory", path)
int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);
KEEP(prctl);
PUBLIC int prctl(int what, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    if ((what == 1 || what == 4 || what == 15 || what == 36) && (armed || !listening)) effect("changes how the system treats it", "prctl");
    return REAL(prctl)(what, a, b, c, d);
}
KEEP(syscall);
PUBLIC long syscall(long number, ...) { /* libraries that go around libc's own functions */
    long a[6];
    va_list args;
    va_start(args, number);
    for (int n = 0; n < 6; n++) a[n] = va_arg(args, long);
    va_end(args);
    if (number == SYS_getrandom) ASKED('r', "urandom");
    if (number == SYS_gettid) ASKED('i', "gettid");
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
int eventfd(unsigned, int);
int epoll_create1(int);
int inotify_init1(int);
OPENS(eventfd, int, (unsigned n, int f), (n, f), "opens an event descriptor", "")
OPENS(epoll_create1, int, (int f), (f), "opens an event descriptor", "")
OPENS(inotify_init1, int, (int f), (f), "opens an event descriptor", "")
int sem_unlink(const char *);
ACTS(sem_unlink, int, (const char *n), (n), "opens a named semaphore", n)
struct addrinfo;
int getaddrinfo(const char *restrict, const char *restrict, const struct addrinfo *restrict,
                struct addrinfo **restrict);
ACTS(getaddrinfo, int,
     (const char *restrict n, const char *restrict s, const struct addrinfo *restrict h,
      struct addrinfo **restrict r),
     (n, s, h, r), "asks the network for a name", n)
int posix_spawn(pid_t *, const char *, const void *, const void *, char *const[], char *const[]);
ACTS(posix_spawn, int,
     (pid_t * p, const char *f, const void *a, const void *t, char *const v[], char *const e[]),
     (p, f, a, t, v, e), "starts a child process", f)
int posix_spawnp(pid_t *, const char *, const void *, const void *, char *const[], char *const[]);
ACTS(posix_spawnp, int,
     (pid_t * p, const char *f, const void *a, const void *t, char *const v[], char *const e[]),
     (p, f, a, t, v, e), "starts a child process", f)

/* The child of vfork runs on its parent's stack, so no frame of ours may be there when it returns
 * for the first time: look, then jump. */
KEEP(vfork);
__attribute__((used, visibility("hidden"))) void *entrepot_find_vfork(void) {
    effect("starts a child process", "vfork");
    return (void *)REAL(vfork);
}
#if defined __x86_64__
__asm__(".globl vfork\n.type vfork,@function\nvfork:\n\tsub $8, %rsp\n\tcall entrepot_find_vfork\n"
        "\tadd $8, %rsp\n\tjmp *%rax\n");
#elif defined __aarch64__
__asm__(".globl vfork\n.type vfork,%function\nvfork:\n\tstp x29, x30, [sp, -16]!\n\tbl entrepot_find_vfork\n"
        "\tldp x29, x30, [sp], 16\n\tbr x0\n");
#else
PUBLIC pid_t vfork(void) { /* a fork does all that a vfork promises */
    effect("starts a child process", "vfork");
    return REAL(fork)();
}
#endif
void *sem_open(const char *, int, ...);
KEEP(sem_open);
PUBLIC void *sem_open(const char *name, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    unsigned value = va_arg(args, unsigned);
    va_end(args);
    effect("opens a named semaphore", name);
    return REAL(sem_open)(name, flags, mode, value);
}

/* ---- inside the process, but a run must do it itself, or a fork does not carry it ---- */
KEEP(sigaction);
PUBLIC int sigaction(int signum, const struct sigaction *restrict act, struct sigaction *restrict old) {
    if (act && (armed || !listening)) effect("sets a signal handler", "sigaction");
    return REAL(sigaction)(signum, act, old);
}
KEEP(signal);
PUBLIC __sighandler_t signal(int signum, __sighandler_t handler) {
    if (armed || !listening) effect("sets a signal handler", "signal");
    return REAL(signal)(signum, handler);
}
KEEP(pthread_create);
PUBLIC int pthread_create(pthread_t *restrict t, const pthread_attr_t *restrict attr, void *(*start)(void *),
                          void *restrict arg) {
    if (on()) {
        Dl_info info;
        inside++;
        note('T', "thread", dladdr((void *)(uintptr_t)start, &info) && info.dli_fname ? info.dli_fname : "");
        inside--;
    }
    return REAL(pthread_create)(t, attr, start, arg);
}
KEEP(setenv);
PUBLIC int setenv(const char *name, const char *value, int replace) {
    if (on()) note('S', name, value);
    return REAL(setenv)(name, value, replace);
}
KEEP(putenv);
PUBLIC int putenv(char *text) {
    if (on()) note('S', text, NULL);
    return REAL(putenv)(text);
}
KEEP(unsetenv);
PUBLIC int unsetenv(const char *name) {
    if (on()) note('U', name, NULL);
    return REAL(unsetenv)(name);
}

/* ---- start ---- */
__attribute__((constructor)) static void begin(void) {
    const char *text = REAL(getenv)("ENTREPOT_OBSERVE");
    if (!text) return;
    int fd = atoi(text);
    REAL(unsetenv)("ENTREPOT_OBSERVE");
    REAL(unsetenv)("LD_PRELOAD");
    const char *before = REAL(getenv)("ENTREPOT_LD_PRELOAD"); /* the run's own, if it had one */
    if (before) {
        REAL(setenv)("LD_PRELOAD", before, 1);
        REAL(unsetenv)("ENTREPOT_LD_PRELOAD");
    }
    struct stat st;
    if (syscall(SYS_fstat, fd, &st) || (size_t)st.st_size < LOG_BYTES) return;
    void *map = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return;
    close(fd);
    owner = (pid_t)syscall(SYS_getpid);
    log_base = map;
    listening = 1;
}
