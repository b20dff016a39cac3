/* What the parts of the library that observes share. Nothing here is seen outside of it. */
#ifndef ENTREPOT_OBSERVE_H
#define ENTREPOT_OBSERVE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PUBLIC __attribute__((visibility("default")))
#define LOG_BYTES ((size_t)256 << 20)
/* Of a variable of each thread, at its definition too: the compiler takes the longer way to one that other files share. */
#define LOCAL_TLS __attribute__((tls_model("local-dynamic")))

/* A function in place of libc's, and libc's own: each file that needs one looks it up, once. */
#define KEEP(name) static void *real_##name
#define REAL(name) ((__typeof__(&name))find_real(#name, &real_##name))

/* -fvisibility=hidden is only for what a file defines, not for what it uses of another. */
#pragma GCC visibility push(hidden)

/* observe.c */
extern _Atomic int listening;         /* write down */
extern _Atomic int armed;             /* effects end the process */
extern pid_t owner;                   /* children are not observed */
extern __thread int inside LOCAL_TLS; /* our own calls */
static inline int on(void) { return listening && !inside; }
void *find_real(const char *name, void **slot);
int is_owner(void);
int is_marker(const char *path);

/* observe_log.c */
extern char *log_base;
void note_pair(char kind, const char *a, size_t a_len, const char *b, size_t b_len);
void note(char kind, const char *a, const char *b);
void note_caller(char kind, const char *what, void *address);
void note_file(char kind, const char *path, int follow);
#ifndef GRND_INSECURE
#define GRND_INSECURE 4 /* randomness that must not be secret: for seeds of hash tables, as Rust's. No output depends on it */
#endif
#define ASKED(kind, what) do { if (on()) note_caller(kind, what, __builtin_return_address(0)); } while (0)

/* observe_files.c */
extern __thread int searching LOCAL_TLS;
extern __thread int weakly LOCAL_TLS; /* as `weak`, until told otherwise */
extern __thread int weak LOCAL_TLS;   /* the next stat only asks whether it is there and of what kind */
void saw(char kind, const char *path);
void saw_at(char kind, int dir, const char *path);
int is_quiet(const char *path);
int is_bytecode(const char *path);

/* observe_effects.c */
extern int touched;          /* in a run: something was done that a second beginning would do twice */
extern int wary;             /* in a run: begin again, cold, before the first thing that could not be done again */
extern int changed;          /* in a run: files, or anything but what went to the standard streams */
extern int quiet;
extern uint64_t mask_before; /* the signal mask when armed */
void touch(void);
void effect(const char *what, const char *detail);
void opens(const char *what, const char *detail);
void check_output(void);

#pragma GCC visibility pop
#endif
