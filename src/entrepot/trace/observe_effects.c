/* What would change something outside of the process, or what a run must do itself.
 *
 * While armed it is written down and the process ends; in a run that is wary, the run begins again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"

int touched, wary, changed, quiet;
uint64_t mask_before;

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

void touch(void) {
    if (wary && !touched && is_owner()) begin_again();
    touched = 1;
}

void effect(const char *what, const char *detail) {
    if (!listening) {
        touch();
        changed = 1;
    }
    if (!on()) return;
    note('!', what, detail ? detail : "");
    if (armed && !quiet && is_owner()) syscall(SYS_exit_group, 77);
}

/* Opened and, it may be, closed again at once: what is left at the end is looked at from outside. */
void opens(const char *what, const char *detail) {
    if (on()) note('~', what, detail);
}

void check_output(void) {
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
KEEP(close);
PUBLIC int close(int fd) {
    if (fd >= 0 && fd <= 2 && listening) effect("closes a standard descriptor", "");
    return REAL(close)(fd);
}
KEEP(dup2);
PUBLIC int dup2(int from, int to) {
    if (to >= 0 && to <= 2 && to != from) effect("puts another descriptor in the place of a standard one", "");
    return REAL(dup2)(from, to);
}
KEEP(dup3);
PUBLIC int dup3(int from, int to, int flags) {
    if (to >= 0 && to <= 2) effect("puts another descriptor in the place of a standard one", "");
    return REAL(dup3)(from, to, flags);
}
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
ACTS(seteuid, int, (uid_t u), (u), "changes its rights", "")
ACTS(setreuid, int, (uid_t u, uid_t e), (u, e), "changes its rights", "")
ACTS(setresuid, int, (uid_t u, uid_t e, uid_t s), (u, e, s), "changes its rights", "")
ACTS(setegid, int, (gid_t g), (g), "changes its rights", "")
ACTS(setregid, int, (gid_t g, gid_t e), (g, e), "changes its rights", "")
ACTS(setresgid, int, (gid_t g, gid_t e, gid_t s), (g, e, s), "changes its rights", "")
ACTS(setgroups, int, (size_t n, const gid_t *all), (n, all), "changes its rights", "")
ACTS(unshare, int, (int flags), (flags), "leaves its namespaces", "")
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
    if (number == SYS_getrandom && !(a[2] & GRND_INSECURE)) ASKED('r', "urandom");
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
