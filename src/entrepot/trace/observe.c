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
 *
 * Here: the start, the markers, variables. observe_log.c writes the log; observe_files.c, observe_surroundings.c and
 * observe_effects.c have the functions that stand before libc's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe.h"

#define MARK "\1entrepot\1"

_Atomic int listening, armed;
pid_t owner;
__thread int inside LOCAL_TLS;
static uint64_t variables[1024]; /* those that C code has read, by hash: asked for with 'g' */

void *find_real(const char *name, void **slot) {
    if (!*slot) *slot = dlsym(RTLD_NEXT, name);
    return *slot;
}

int is_owner(void) { return owner == (pid_t)syscall(SYS_getpid); }

/* ---- markers ---- */
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
int is_marker(const char *path) {
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

/* ---- variables ---- */
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
