/* What else a process asks for: directory, time, chance, who it is, the terminal, limits, the machine. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"

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
    if (!(flags & GRND_INSECURE)) ASKED('r', "urandom");
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
    ASKED('t', fd <= 2 ? "ttyname" : "another stream");
    return REAL(ttyname_r)(fd, buf, n);
}
KEEP(tcgetattr);
PUBLIC int tcgetattr(int fd, struct termios *t) {
    ASKED('t', fd <= 2 ? "tcgetattr" : "another stream");
    return REAL(tcgetattr)(fd, t);
}
KEEP(ioctl);
PUBLIC int ioctl(int fd, unsigned long request, ...) {
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (request == TIOCGWINSZ) ASKED('t', fd <= 2 ? "terminal size" : "another stream");
    else if (fd >= 0 && fd <= 2) ASKED('t', "ioctl"); /* whether children inherit it, for one */
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
