/* What both halves of the restorer share: image_restore.c, which is called by the loader, and image_rebuild.c, which goes on
 * where neither that library nor anything else is mapped.
 *
 * The second half is what is marked RESTORER, and the functions marked INLINE that it calls: they are compiled into it.
 */
#ifndef ENTREPOT_IMAGE_RESTORE_H
#define ENTREPOT_IMAGE_RESTORE_H
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "image.h"

#define RSEQ_SIGNATURE 0x53053053
#define OLD_MAPS 1000

/* Who decides while this process is rebuilt. */
struct Ahead {
    int answer, hold, pid; /* descriptors, and the child; 0: there is none, or it has answered */
    int is_answered;
    uint64_t got; /* so many bytes of `text` */
    struct Handler before, ignore;
    char text[MAX_ANSWER];
};

struct State {
    struct Left left; /* first: this is what the program's process finds */
    struct File *files;
    struct Map *maps;
    char *text;
    struct Area olds[OLD_MAPS];
    uint64_t old_count;
    struct Area special[4];
    int64_t image_fd;
    struct Ahead ahead;
    char **argv, **envp; /* for a cold start */
    char exe[16];        /* as well: constants of this library are gone by then */
    uint64_t workshop_bytes;
    struct Area hot[MAX_HOT];
};

#define RESTORER __attribute__((section("restorer")))
#define INLINE static inline __attribute__((always_inline))

/* Exchange the memory of this process for that of the image, and go on there. If something is missing it starts the
 * interpreter again, cold (`exec` keeps the process). */
__attribute__((noreturn, visibility("hidden"))) void rebuild(struct State *state);

INLINE long call6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
INLINE long call3(long number, long a, long b, long c) { return call6(number, a, b, c, 0, 0, 0); }

/* Take the answer, and be without the child. Its times and its end leave no mark on this process: while SIGCHLD is
 * ignored, a child that ends is gone (wait(2)). Returns whether the image is right. */
INLINE int is_right(struct Ahead *ahead) {
    if (!ahead->pid) return !ahead->is_answered || (ahead->got && ahead->text[0] == AS_GUESSED);
    ahead->ignore.handler = (uint64_t)SIG_IGN;
    call6(SYS_rt_sigaction, SIGCHLD, (long)&ahead->ignore, (long)&ahead->before, 8, 0, 0);
    call3(SYS_close, ahead->hold, 0, 0); /* it ends when it has answered */
    long got;
    do {
        got = call3(SYS_read, ahead->answer, (long)ahead->text + (long)ahead->got, MAX_ANSWER - 1 - (long)ahead->got);
        if (got > 0) ahead->got += (uint64_t)got;
    } while (got > 0 || got == -EINTR);
    call3(SYS_close, ahead->answer, 0, 0);
    while (call6(SYS_wait4, ahead->pid, 0, 0, 0, 0, 0) == -EINTR) {}
    call6(SYS_rt_sigaction, SIGCHLD, (long)&ahead->before, 0, 8, 0, 0);
    ahead->pid = 0;
    ahead->is_answered = 1;
    return ahead->got && ahead->text[0] == AS_GUESSED;
}

/* Put two variables where those were that this run came with. */
INLINE void add_variables(char **envp, char *one, char *two) {
    while (*envp) envp++;
    envp[0] = one;
    envp[1] = two;
    envp[2] = 0;
}

/* Start the interpreter once more: with the image that the answer names, or cold. */
INLINE void start_again(struct Ahead *ahead, const char *exe, char **argv, char **envp) {
    if (!is_right(ahead) && ahead->got && !ahead->text[ahead->got - 1]) {
        char *second = ahead->text;
        while (*second) second++; /* there is a zero byte at the end at the latest */
        if (++second < ahead->text + ahead->got) add_variables(envp, ahead->text, second);
    }
    call3(SYS_execve, (long)exe, (long)argv, (long)envp);
    call3(SYS_exit_group, 127, 0, 0);
    __builtin_unreachable();
}
#endif
