/* `entrepot run`: the run that python would make, from an image where one is valid, else plainly.
 *
 * The way: read the options; find the interpreter; look for the checks of this program's image (or of
 * the interpreter's base image) in the store; compare; then `exec` the interpreter with the very
 * arguments that python would have got. A warm run has two more variables (LD_AUDIT, ENTREPOT_IMAGE),
 * which are gone before the program starts. Where anything is missing, odd or changed: the plain run,
 * and a request to the keeper, which is never waited for.
 *
 * The store is a directory that belongs to the user with mode 0700; anything else is refused.
 * `--prepare` asks for the image and runs nothing.
 * Where a program's own image is not valid, the one of modules that programs share is used (ENTREPOT_BASE=0: not).
 * Where there are many files to compare, a child does all of that while this process is already on its way (ENTREPOT_AHEAD).
 * ENTREPOT_WARM=0: plain. ENTREPOT_LOG=1: say on stderr why a run is not warm.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

#ifndef ENTREPOT_VERSION
#define ENTREPOT_VERSION "0"
#endif
#define MANY_FILES (64 << 10) /* bytes of a list of files that take longer to look at than a process to start */
#define CHECKS_MAGIC "entrepot checks 1 " ENTREPOT_VERSION

extern char **environ;
int entrepot_check(const char *block, size_t size);
const char *entrepot_find_path(const char *block, size_t size, int index);

static int is_loud, is_asked; /* is_asked: the keeper was */
static pid_t program; /* the process that becomes the program */
static char library[PATH_MAX]; /* what an image is taken over with; the checks name it */
static char why_name[17]; /* of the program's files in the store, where the store was asked */
static char said[600] = "cold: there is no image yet";

static void say(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    vsnprintf(said, sizeof said, format, rest);
    va_end(rest);
    /* One line whatever is in it: a path may have anything, a damaged file even more. */
    for (char *at = said; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
}

/* ---- our own options, and python's */

#define WATCHED "entrepot.commands.watched" /* what runs for `entrepot watch` */

struct Run {
    int cold, why, prepare, is_plain; /* why: 1 as text, 2 as JSON; is_plain: no image can serve this kind of run */
    const char *python, *argv0;
    char **argv; /* python's: argv[0] is set later */
    int argc;
    const char *kind, *entry;
    int entry_at; /* argv[entry_at...] is the program's own argv, its first item included */
};

/* Which of python's options change nothing but the kind of interpreter (which the key holds). */
static int is_known_x(const char *text) {
    static const char *known[] = {"utf8", "utf8=1", "utf8=0", "no_debug_ranges", "frozen_modules=on", "frozen_modules", "safe_path"};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (!strcmp(text, known[index])) return 1;
    return !strncmp(text, "int_max_str_digits=", 19);
}

static void parse_python(struct Run *run) {
    int at = 1;
    run->kind = "stdin";
    run->entry = "";
    for (; at < run->argc; at++) {
        const char *word = run->argv[at];
        if (word[0] != '-' || !word[1]) break;
        if (!strncmp(word, "--", 2)) {
            if (!strcmp(word, "--check-hash-based-pycs")) at++;
            else run->is_plain = 1;
            continue;
        }
        for (const char *letter = word + 1; *letter; letter++) {
            if (*letter == 'c' || *letter == 'm') {
                run->kind = *letter == 'c' ? "command" : "module";
                run->entry_at = letter[1] ? at : at + 1;
                run->entry = letter[1] ? letter + 1 : at + 1 < run->argc ? run->argv[at + 1] : NULL;
                if (!run->entry) run->is_plain = 1;
                return;
            }
            if (*letter == 'W' || *letter == 'X') {
                const char *value = letter[1] ? letter + 1 : at + 1 < run->argc ? run->argv[++at] : NULL;
                if (!value || (*letter == 'X' && !is_known_x(value))) run->is_plain = 1;
                break;
            }
            if (!strchr("OBEIsSubPq", *letter)) run->is_plain = 1;
        }
        if (run->is_plain) return;
    }
    run->entry_at = at;
    if (at >= run->argc || !strcmp(run->argv[at], "-")) {
        struct stat st; /* the program comes through stdin: at a terminal it is a conversation */
        if (fstat(0, &st) || S_ISDIR(st.st_mode) || isatty(0) || !access("-", F_OK)) run->is_plain = 1;
        return;
    }
    run->kind = "file";
    run->entry = run->argv[at];
}

static int parse(struct Run *run, int argc, char **argv) {
    int at = 2;
    for (; at < argc; at++) {
        if (!strcmp(argv[at], "--cold")) run->cold = 1;
        else if (!strcmp(argv[at], "--why")) run->why = 1;
        else if (!strcmp(argv[at], "--why=json")) run->why = 2;
        else if (!strcmp(argv[at], "--prepare")) run->prepare = 1;
        else if (!strcmp(argv[at], "--python") && at + 1 < argc) run->python = argv[++at];
        else if (!strncmp(argv[at], "--python=", 9)) run->python = argv[at] + 9;
        else if (!strcmp(argv[at], "--help") || !strcmp(argv[at], "--label-output") || !strcmp(argv[at], "--python")) return -1;
        else break;
    }
    run->argv = argv + at - 1; /* one place in front for argv[0] */
    run->argc = argc - at + 1;
    return 0;
}

/* `entrepot watch ...` is a program of ours, which runs the one that is watched. */
static int parse_watch(struct Run *run, int argc, char **argv) {
    static char *head[] = {NULL, (char *)"-P", (char *)"-m", (char *)WATCHED};
    const int count = sizeof head / sizeof *head;
    run->argv = calloc((size_t)(argc + count), sizeof *run->argv);
    if (!run->argv) return -1;
    memcpy(run->argv, head, sizeof head);
    memcpy(run->argv + count, argv + 2, (size_t)(argc - 2) * sizeof *argv);
    run->argc = argc - 2 + count;
    return 0;
}

/* The program that is watched, or "": each has an image of its own. */
static const char *find_watched(const struct Run *run) {
    int at = run->entry_at + 1;
    if (strcmp(run->kind, "module") || strcmp(run->entry, WATCHED)) return "";
    while (at < run->argc && !strncmp(run->argv[at], "--", 2)) at += strchr(run->argv[at], '=') ? 1 : 2;
    if (at < run->argc && !strcmp(run->argv[at], "-m")) at++;
    return at < run->argc ? run->argv[at] : "";
}

/* ---- the interpreter */

static const char *join(const char *folder, size_t length, const char *name) {
    char *path = malloc(length + strlen(name) + 2);
    if (!path) _exit(71);
    memcpy(path, folder, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
    return path;
}

static const char *find_in(const char *folder, size_t length) {
    static const char *names[] = {"python", "python3"};
    for (int index = 0; index < 2; index++) {
        const char *path = join(folder, length, names[index]);
        if (!access(path, X_OK)) return path;
    }
    return NULL;
}

/* Beside this program: as it was called, else where it really is. */
static const char *find_sibling(const char *called) {
    const char *slash = strrchr(called, '/'), *found = NULL;
    if (slash) found = find_in(called, (size_t)(slash - called));
    static char own[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    if (!found && size > 0) {
        own[size] = 0;
        found = find_in(own, (size_t)(strrchr(own, '/') - own));
    }
    return found;
}

/* What the shell would run for `python`. */
static const char *find_on_path(const char **name) {
    static const char *names[] = {"python", "python3"};
    const char *path = getenv("PATH");
    for (int index = 0; path && index < 2; index++)
        for (const char *at = path; *at;) {
            size_t length = strcspn(at, ":");
            const char *found = length ? join(at, length, names[index]) : NULL;
            struct stat st;
            if (found && !stat(found, &st) && S_ISREG(st.st_mode) && !access(found, X_OK)) {
                *name = names[index];
                return found;
            }
            at += length + (at[length] == ':');
        }
    return NULL;
}

static void find_python(struct Run *run, const char *called) {
    if (run->python) {
        run->argv0 = run->python;
        if (!strchr(run->python, '/')) {
            char *path = getenv("PATH");
            for (const char *at = path ? path : ""; *at;) {
                size_t length = strcspn(at, ":");
                const char *found = length ? join(at, length, run->python) : NULL;
                if (found && !access(found, X_OK)) {
                    run->python = found;
                    return;
                }
                at += length + (at[length] == ':');
            }
        }
        return;
    }
    if (!strchr(called, '/')) run->python = find_on_path(&run->argv0);
    if (!run->python) run->argv0 = run->python = find_sibling(called);
}

static int is_elf(const char *path) {
    char head[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, head, 4);
    close(fd);
    return got == 4 && !memcmp(head, "\177ELF", 4);
}

/* ---- the key: what an image is for */

static char *add_text(char *at, char *end, const char *text) {
    while (at && *text && at < end - 1) *at++ = *text++;
    if (at && at < end - 1) *at++ = '\1';
    *at = 0;
    return at;
}

#define MAX_PARTS 3 /* of a program: images of its beginning (parts.py) */

/* `which`: 0 the program's own image, 1 the modules that programs share, then the program's parts. */
static const char *make_key(const struct Run *run, int which, char *text, size_t size) {
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
        if (run->entry[0] != '/' || strcmp(run->kind, "file")) at = add_text(at, end, getcwd(folder, sizeof folder) ? folder : "?");
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

static char store_path[PATH_MAX];

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

static int open_store(void) {
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

/* ---- is everything what it was? */

static const char *find_variable(const char *name, size_t length) {
    for (char **at = environ; *at; at++)
        if (!strncmp(*at, name, length) && (*at)[length] == '=') return *at + length + 1;
    return NULL;
}

static int check_variable(const char *item) {
    size_t length = strcspn(item, "=");
    const char *value = find_variable(item, length);
    return value && !strcmp(value, item + length + 1);
}

static int count_family(const char *const *prefixes, int count) {
    int found = 0;
    for (char **at = environ; *at; at++)
        for (int index = 0; index < count; index++)
            if (!strncmp(*at, prefixes[index], strlen(prefixes[index]))) {
                found++;
                break;
            }
    return found;
}

static int check_limit(const char *text) {
    struct rlimit limit;
    long number;
    unsigned long long soft, hard;
    if (sscanf(text, "%ld:%llu:%llu", &number, &soft, &hard) != 3 || getrlimit((unsigned)number, &limit)) return 0;
    return limit.rlim_cur == (rlim_t)soft && limit.rlim_max == (rlim_t)hard;
}

static int make_affinity(char *text, size_t size) {
    char *at = text;
    cpu_set_t set;
    *at = 0;
    if (sched_getaffinity(0, sizeof set, &set)) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && at < text + size - 8; cpu++)
        if (CPU_ISSET(cpu, &set)) at += sprintf(at, at > text ? ",%d" : "%d", cpu);
    return 1;
}

static int check_affinity(const char *text) {
    char now[4096];
    return make_affinity(now, sizeof now) && !strcmp(text, now);
}

static int check_cwd(const char *text) {
    char folder[PATH_MAX];
    return getcwd(folder, sizeof folder) && !strcmp(folder, text);
}

static int check_host(const char *text) {
    char name[256] = "";
    return !gethostname(name, sizeof name - 1) && !strcmp(name, text);
}

/* With which rights, and as which kind of machine: what a module may read, and what it is told of files and groups. */
static int make_rights(char *text, size_t size) {
    struct { uint32_t version; int pid; } head = {0x20080522, 0}; /* _LINUX_CAPABILITY_VERSION_3 */
    struct { uint32_t effective, permitted, inheritable; } set[2] = {{0, 0, 0}, {0, 0, 0}};
    struct utsname machine;
    struct stat users = {0};
    static gid_t groups[4096];
    char *at = text;
    int count = getgroups(4096, groups);
    *at = 0;
    if (count < 0 || syscall(SYS_capget, &head, set) || uname(&machine)) return 0;
    stat("/proc/self/ns/user", &users);
    at += sprintf(at, "%u %u %08x%08x %lu %s", (unsigned)geteuid(), (unsigned)getegid(), set[1].effective, set[0].effective,
                  (unsigned long)users.st_ino, machine.machine);
    for (int index = 0; index < count && at < text + size - 16; index++) at += sprintf(at, " %u", (unsigned)groups[index]);
    return 1;
}

static int check_rights(const char *text) {
    static char now[65536];
    return make_rights(now, sizeof now) && !strcmp(now, text);
}

static int check_day(const char *text) {
    char now[32];
    time_t clock = time(NULL);
    return strftime(now, sizeof now, "%Y-%m-%d", localtime(&clock)) && !strcmp(now, text);
}

/* The fields of a `.checks` file: a letter, a text, a zero byte (see checks.py). */
static int check_fields(const struct Run *run, const char *data, size_t size, const char *key, const char **image, const char **files) {
    const char *prefixes[64];
    int prefix_count = 0, family = 0, everything = -1, argument = run->entry_at + 1, all_arguments = 0;
    if (size < sizeof CHECKS_MAGIC || data[size - 1] || strcmp(data, CHECKS_MAGIC)) return say("cold: the store is of another version"), 0;
    for (const char *at = data + sizeof CHECKS_MAGIC; at < data + size; at += strlen(at) + 1) {
        const char *text = at + 1;
        int good = 1;
        switch (*at) {
            case 'k': good = !strcmp(text, key); break;
            case 'i': *image = text; break;
            case 'f': *files = text; break;
            case 's': good = strlen(text) < sizeof library && !access(text, R_OK); if (good) strcpy(library, text); break;
            case 'e': good = check_variable(text); break;
            case 'u': good = !find_variable(text, strlen(text)); break;
            case 'p': if (prefix_count < 64) prefixes[prefix_count++] = text; break;
            case 'm': good = check_variable(text); family++; break;
            case 'A': everything = 0; break;
            case 'a': good = check_variable(text); everything++; break;
            case 'c': good = check_cwd(text); break;
            case 'V': all_arguments = 1; break;
            case 'v': good = argument < run->argc && !strcmp(run->argv[argument], text); argument++; break;
            case 'l': good = check_limit(text); break;
            case 'n': good = check_affinity(text); break;
            case 'h': good = check_host(text); break;
            case 'd': good = check_day(text); break;
            case 'w': good = check_rights(text); break;
            default: good = 0;
        }
        if (!good) {
            say("cold: changed: %c %.500s", *at, text);
            return 0;
        }
    }
    if (all_arguments && argument != run->argc) return say("cold: changed: the arguments"), 0;
    if (count_family(prefixes, prefix_count) != family) return say("cold: changed: a variable of Python, the locale or a library was added or removed"), 0;
    if (everything >= 0) {
        int now = 0;
        while (environ[now]) now++;
        if (now != everything) return say("cold: changed: the environment"), 0;
    }
    return *image && *files;
}

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

static int is_image(const char *path) {
    struct stat st;
    return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (uint64_t)st.st_size >= TAIL;
}

/* One try to find an image: where its files are gone, somebody renews it. */
static const char *try_image(const struct Run *run, int store, const char *name, const char *key, int *is_gone) {
    size_t size;
    const char *block, *path = look_up(run, store, name, key, &block, &size, is_gone);
    if (!path) return NULL;
    int changed = entrepot_check(block, size);
    if (changed >= 0) {
        say("cold: changed: f %s", entrepot_find_path(block, size, changed));
        return NULL;
    }
    errno = 0;
    return is_image(path) ? path : (*is_gone = errno == ENOENT, NULL);
}

/* Return the path of an image that this run may take over, or NULL. */
static const char *find_image(const struct Run *run, int store, const char *name, const char *key) {
    int is_gone;
    const char *image = try_image(run, store, name, key, &is_gone);
    return is_gone ? try_image(run, store, name, key, &is_gone) : image;
}

/* One byte for each run; its size is the number of hits, its time the last use. */
static void note(int store, const char *name, const char *ending, const char *text, int append) {
    char file[64];
    snprintf(file, sizeof file, "%s.%s", name, ending);
    int fd = openat(store, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (append ? O_APPEND : O_TRUNC), 0600);
    struct stat st;
    if (fd < 0) return;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
        ssize_t put = write(fd, text, strlen(text));
        (void)put;
    }
    close(fd);
}

/* ---- the keeper */

static void write_items(FILE *out, char **items, int count) {
    fprintf(out, "%d", count);
    fputc(0, out);
    for (int index = 0; index < count; index++) fwrite(items[index], 1, strlen(items[index]) + 1, out);
}

static int write_request(const struct Run *run, int store, const char *name, const char *base, const char *key, const char *base_key) {
    char folder[PATH_MAX], file[64];
    mkdirat(store, "requests", 0700);
    snprintf(file, sizeof file, "requests/.%s.%d", name, (int)getpid());
    int fd = openat(store, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) return -1;
    char pid[16], affinity[4096];
    static char rights[65536];
    snprintf(pid, sizeof pid, "%d", (int)program);
    make_affinity(affinity, sizeof affinity);
    make_rights(rights, sizeof rights);
    char *head[] = {(char *)name, (char *)key, (char *)base, (char *)base_key, (char *)run->python, (char *)run->kind,
                    (char *)run->entry, getcwd(folder, sizeof folder) ? folder : (char *)"/", pid, rights, affinity};
    write_items(out, head, sizeof head / sizeof *head);
    char at[16];
    snprintf(at, sizeof at, "%d", run->entry_at);
    char *where[] = {at};
    write_items(out, where, 1);
    write_items(out, run->argv, run->argc);
    int count = 0;
    while (environ[count]) count++;
    write_items(out, environ, count);
    if (fclose(out)) {
        unlinkat(store, file, 0);
        return -1;
    }
    char final[64];
    snprintf(final, sizeof final, "requests/%s", name); /* one for each program, however many runs ask while nobody answers */
    return renameat(store, file, store, final);
}

/* Started apart from this run: its own session, its own descriptors, nobody's child. */
static void start_keeper(const char *python) {
    pid_t child = fork();
    if (child < 0) return;
    if (child) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return;
    }
    setsid();
    if (fork()) _exit(0);
    for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/")) _exit(0);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    close_range(3, ~0u, 0);
    char *const argv[] = {(char *)python, (char *)"-I", (char *)"-m", (char *)"entrepot.warm.keeper", store_path, NULL};
    static char *kept[64];
    int count = 0;
    for (char **at = environ; *at && count < 63; at++)
        if (!strncmp(*at, "ENTREPOT_", 9) || !strncmp(*at, "PATH=", 5) || !strncmp(*at, "HOME=", 5)) kept[count++] = *at;
    execve(python, argv, kept);
    _exit(0);
}

/* Wake the keeper, or start one if there is none: also for the images, which somebody must forget one day. */
static void call_keeper(const struct Run *run, int store, const char *called, int has_request) {
    int wake = openat(store, "wake", O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (wake >= 0) { /* a keeper holds its other end */
        if (has_request && !fstat(wake, &st) && S_ISFIFO(st.st_mode)) {
            ssize_t put = write(wake, "!", 1);
            (void)put;
        }
        close(wake);
    } else if (errno == ENOENT || errno == ENXIO) {
        const char *own = find_sibling(called);
        start_keeper(own ? own : run->python);
    }
}

static void ask_keeper(const struct Run *run, int store, const char *called, const char *name, const char *base, const char *key,
                       const char *base_key) {
    if (write_request(run, store, name, base, key, base_key)) return;
    is_asked = 1;
    call_keeper(run, store, called, 1);
}

/* ---- which runs can be warm at all */

static int is_bytecode(const char *path) {
    unsigned char head[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, head, 4);
    if (fd >= 0) close(fd);
    return got == 4 && head[2] == '\r' && head[3] == '\n';
}

/* A folder, or a file that may be a zip archive: the end of its directory is among the last bytes. */
static int is_archive(const char *path) {
    struct stat st;
    size_t size = 66000, length = strlen(path);
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) return 1;
    if (length > 3 && !strcmp(path + length - 3, ".py") && st.st_size < 22) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *tail = malloc(size);
    if (fd < 0 || !tail) return 1;
    ssize_t got = pread(fd, tail, size, st.st_size > (off_t)size ? st.st_size - (off_t)size : 0);
    int found = got < 0 || memmem(tail, (size_t)got, "PK\5\6", 4) != NULL;
    close(fd);
    free(tail);
    return found;
}

static int is_asked_for(const struct Run *run) {
    const char *warm = getenv("ENTREPOT_WARM");
    if (run->cold || (warm && !strcmp(warm, "0"))) return say("cold: as asked"), 0;
    if (getenv("CI") && !(warm && *warm)) return say("cold: CI is set (ENTREPOT_WARM=1 for warm runs all the same)"), 0;
    if (run->is_plain) return say("cold: runs with these options, or from stdin, are never warm"), 0;
    if (getenv("LD_PRELOAD") || getenv("LD_AUDIT") || getenv("LD_LIBRARY_PATH")) return say("cold: the loader is told by LD_* variables"), 0;
    if (geteuid() != getuid() || getegid() != getgid()) return say("cold: another user's rights"), 0;
    for (int fd = 0; fd < 3; fd++) /* Python has None for it then, which a module may have seen */
        if (fcntl(fd, F_GETFD) < 0) return say("cold: descriptor %d is closed", fd), 0;
    static const char *known[] = {"PYTHONPATH=", "PYTHONHOME=", "PYTHONHASHSEED=", "PYTHONIOENCODING=", "PYTHONUTF8=", "PYTHONWARNINGS=",
                                  "PYTHONDONTWRITEBYTECODE=", "PYTHONUNBUFFERED=", "PYTHONOPTIMIZE=", "PYTHONNOUSERSITE=", "PYTHONSAFEPATH=",
                                  "PYTHONPYCACHEPREFIX=", "PYTHONUSERBASE=", "PYTHONSTARTUP=", "PYTHONINTMAXSTRDIGITS=", "PYTHONNODEBUGRANGES="};
    for (char **at = environ; *at; at++) {
        if (strncmp(*at, "PYTHON", 6) || strcspn(*at, "=") != strspn(*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) continue;
        int good = 0;
        for (size_t index = 0; index < sizeof known / sizeof *known; index++)
            good |= !strncmp(*at, known[index], strlen(known[index]));
        if (!good || !strcmp(*at, "PYTHONHASHSEED=random")) return say("cold: %.*s is set", (int)strcspn(*at, "="), *at), 0;
    }
    if (!strcmp(run->kind, "file")) {
        struct stat st;
        if (stat(run->entry, &st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || is_bytecode(run->entry))
            return say("cold: only source files, archives, folders, -m, -c and stdin are warm"), 0;
    }
    return 1;
}

static int become(const char *python, char **argv) {
    execv(python, argv);
    if (errno == ENOENT)
        fprintf(stderr, "entrepot: there is no interpreter at %s\n  to choose another:  entrepot run --python PATH ...\n", python);
    else
        fprintf(stderr, "entrepot: cannot start %s: %s\n", python, strerror(errno));
    return 1;
}

/* What `entrepot why` says of this run, on stderr. */
static int tell_why(const struct Run *run, const char *called) {
    const char *python = *why_name ? find_sibling(called) : NULL;
    pid_t child = python ? fork() : -1;
    if (child < 0) return -1;
    if (!child) {
        char **argv = calloc((size_t)run->argc + 16, sizeof *argv), **at = argv;
        if (!argv || dup2(2, 1) < 0) _exit(9);
        const char *head[] = {python, "-P", "-m", "entrepot", "why", "--name", why_name, "--format", run->why == 2 ? "json" : "text"};
        for (size_t index = 0; index < sizeof head / sizeof *head; index++) *at++ = (char *)head[index];
        if (!strcmp(run->kind, "module")) *at++ = (char *)"-m";
        if (!strcmp(run->kind, "command")) *at++ = (char *)"-c";
        *at++ = (char *)run->entry;
        *at++ = (char *)"--";
        for (int index = run->entry_at + 1; index < run->argc; index++) *at++ = run->argv[index];
        execv(python, argv);
        _exit(9);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) && WEXITSTATUS(status) < 2 ? 0 : -1;
}

/* With --why: somebody must be left to say it. Everything else is as without. */
static void stay_behind(const struct Run *run, const char *called) {
    pid_t child = fork();
    if (child <= 0) return;
    int status = 0;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (run->why == 1) fprintf(stderr, "entrepot: %s\n", said);
    if (tell_why(run, called) && run->why == 2) fprintf(stderr, "{\"schema\": \"entrepot-why-1\", \"state\": \"cold\", \"reason\": \"\"}\n");
    if (WIFSIGNALED(status)) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Whether the modules that programs share may serve this run: not an archive or a folder, and not where -c or -m is
 * one word with something else. */
static int has_base(const struct Run *run) {
    const char *asked = getenv("ENTREPOT_BASE"), *before = run->argv[run->entry_at - 1];
    if (asked && !strcmp(asked, "0")) return 0;
    if (!strcmp(run->kind, "file")) return !is_archive(run->entry);
    return !strcmp(run->kind, "stdin") || (run->entry_at > 1 && (!strcmp(before, "-c") || !strcmp(before, "-m")));
}

/* An image of the program's beginning, up to what has changed. */
static const char *find_part(const struct Run *run, int store) {
    static char key[PATH_MAX * 4];
    for (int number = 1; number <= MAX_PARTS; number++) {
        const char *name = make_key(run, number + 1, key, sizeof key);
        const char *image = name ? find_image(run, store, name, key) : NULL;
        if (!image) continue;
        if (!run->prepare) note(store, name, "hits", "+", 1);
        return image;
    }
    return NULL;
}

static const char *decide(struct Run *run, const char *called) {
    static char key[PATH_MAX * 4], base_key[PATH_MAX * 4];
    if (!is_asked_for(run) || !is_elf(run->python)) return NULL;
    const char *name = make_key(run, 0, key, sizeof key), *base = has_base(run) ? make_key(run, 1, base_key, sizeof base_key) : "";
    if (!name || !base) return say("cold: the program's name is too long"), NULL;
    if (strcmp(run->kind, "stdin")) strcpy(why_name, name);
    say("cold: the store cannot be used");
    int store = open_store();
    if (store < 0) return NULL;
    say("cold: there is no image yet");
    int is_stdin = !strcmp(run->kind, "stdin"); /* has no image of its own */
    const char *image = is_stdin ? NULL : find_image(run, store, name, key);
    if (image) {
        say("warm");
        if (!run->prepare) {
            note(store, name, "hits", "+", 1);
            note(store, name, "last", said, 0);
            call_keeper(run, store, called, 0);
        }
        return image;
    }
    char first[sizeof said];
    strcpy(first, said);
    const char *reason = first + (strncmp(first, "cold: ", 6) ? 0 : 6);
    if (!strncmp(first, "cold: changed", 13) && !strcmp(run->kind, "file")) image = find_part(run, store);
    if (image) {
        say("part: %.500s", reason);
        if (!run->prepare) note(store, name, "last", said, 0);
        ask_keeper(run, store, called, name, base, key, base_key);
        return image;
    }
    strcpy(said, first);
    if (*base) image = find_image(run, store, base, base_key);
    if (image) {
        say("base: %.500s", reason);
        if (!run->prepare) note(store, base, "hits", "+", 1);
    } else if (strncmp(said, "cold: changed", 13)) {
        strcpy(said, first);
    } else {
        char shared[sizeof said];
        strcpy(shared, said + 6);
        say("%.280s; the modules that programs share: %.250s", first, shared);
    }
    if (!run->prepare) note(store, name, "last", said, 0);
    if (!is_stdin) ask_keeper(run, store, called, name, base, key, base_key);
    return image;
}

/* The two variables of a run that takes an image over, one after the other in `text`; 0 if there are none. `ahead`: who
 * still decides, as `start_ahead` gives it. */
static size_t make_variables(const struct Run *run, const char *image, const char *ahead, char *text, size_t size) {
    if (!library[0]) return 0;
    int first = snprintf(text, size, "LD_AUDIT=%s", library);
    if (first < 0 || (size_t)first + 1 >= size) return 0;
    size_t left = size - (size_t)first - 1;
    int second = snprintf(text + first + 1, left, "ENTREPOT_IMAGE=%c%d%s:%s", *run->kind, run->entry_at, ahead, image);
    /* What is longer would not be kept by image_restore.c. */
    return second < 0 || second >= PATH_MAX || (size_t)second >= left ? 0 : (size_t)(first + second + 2);
}

static int set_warm(const struct Run *run, const char *image, const char *ahead) {
    /* Last in the environment, so that nothing is left of them when they are wiped out. */
    static char text[MAX_ANSWER];
    if (!make_variables(run, image, ahead, text, sizeof text)) return 0;
    int count = 0;
    while (environ[count]) count++;
    char **with = calloc((size_t)count + 3, sizeof *with);
    if (!with) return 0;
    memcpy(with, environ, (size_t)count * sizeof *with);
    with[count] = text;
    with[count + 1] = text + strlen(text) + 1;
    environ = with;
    return 1;
}

/* ---- taking over ahead of the decision */

/* The image that a run takes over unless some file has changed; worth it where there are many files to look at. */
static const char *guess(struct Run *run) {
    static char key[PATH_MAX * 4];
    size_t size;
    const char *block;
    int is_gone;
    if (run->prepare || run->why || !strcmp(run->kind, "stdin") || !is_asked_for(run) || !is_elf(run->python)) return NULL;
    const char *name = make_key(run, 0, key, sizeof key);
    int store = name ? open_store() : -1;
    const char *image = store < 0 ? NULL : look_up(run, store, name, key, &block, &size, &is_gone);
    if (store >= 0) close(store);
    const char *asked = getenv("ENTREPOT_AHEAD"); /* always, or never */
    return image && is_image(image) && (asked && *asked ? *asked != '0' : size >= MANY_FILES) ? image : NULL;
}

/* Have a child decide while this process takes the guessed image over. The program does not begin before the child has
 * answered and is gone (image_restore.c): nothing for "as guessed", else the variables of the run as it must be, or one
 * zero byte for a cold one. Returns in the parent what the restorer must know, in the child NULL with `answer` set;
 * also NULL, and no answer, if there can be no child. */
static const char *start_ahead(int *answer, int *hold) {
    static char ahead[64];
    int answers[2], holds[2];
    *answer = *hold = -1;
    if (pipe2(answers, O_CLOEXEC)) return NULL;
    if (pipe2(holds, O_CLOEXEC)) return close(answers[0]), close(answers[1]), NULL;
    pid_t child = fork();
    int is_child = child == 0;
    int kept[] = {answers[is_child], holds[!is_child]};
    close(answers[!is_child]);
    close(holds[is_child]);
    if (is_child) {
        *answer = kept[0];
        *hold = kept[1];
        return NULL;
    }
    if (child < 0 || fcntl(kept[0], F_SETFD, 0) || fcntl(kept[1], F_SETFD, 0)) return close(kept[0]), close(kept[1]), NULL;
    snprintf(ahead, sizeof ahead, ",%d,%d,%d", kept[0], kept[1], (int)child);
    return ahead;
}

/* The child's end: say what has been decided, and stay until the parent wants it gone. */
static void finish_ahead(const struct Run *run, const char *guessed, const char *image, int answer, int hold) {
    static char text[MAX_ANSWER];
    size_t size = 1; /* of one zero byte */
    if (image && !strcmp(image, guessed)) text[0] = AS_GUESSED;
    else if (image && (size = make_variables(run, image, "", text, sizeof text)) == 0) size = 1;
    ssize_t put = write(answer, text, size);
    close(answer);
    char byte;
    if (put == (ssize_t)size)
        while (read(hold, &byte, 1) < 0 && errno == EINTR) {}
    _exit(0);
}

/* Commands of entrepot's own interpreter that run a program with the one that `run` would take. */
static int runs_programs(int argc, char **argv) {
    static const char *names[] = {"run", "trace", "explain"};
    for (size_t index = 0; argc > 2 && index < sizeof names / sizeof *names; index++)
        if (!strcmp(argv[1], names[index])) return strcmp(argv[2], "-h") && strcmp(argv[2], "--help");
    return 0;
}

int main(int argc, char **argv) {
    struct Run run = {0};
    const char *called = argc ? argv[0] : "entrepot";
    int is_watch = argc > 1 && !strcmp(argv[1], "watch") && !parse_watch(&run, argc, argv);
    if (!is_watch && (argc < 2 || strcmp(argv[1], "run") || parse(&run, argc, argv))) {
        const char *python = find_sibling(called);
        char **plain = calloc((size_t)argc + 7, sizeof *plain);
        if (!python || !plain) {
            fprintf(stderr, "entrepot: there is no interpreter beside %s\n", called);
            return 1;
        }
        char **at = plain;
        *at++ = (char *)python;
        *at++ = (char *)"-P";
        *at++ = (char *)"-m";
        *at++ = (char *)"entrepot";
        const char *name, *found = runs_programs(argc, argv) && !strchr(called, '/') ? find_on_path(&name) : NULL;
        for (int index = 1; index < argc; index++) {
            *at++ = argv[index];
            if (index > 1 || !found) continue;
            *at++ = (char *)"--python"; /* one that is given stands behind it, and counts */
            *at++ = (char *)found;
        }
        return become(python, plain);
    }
    is_loud = getenv("ENTREPOT_LOG") && strcmp(getenv("ENTREPOT_LOG"), "0");
    if (is_watch) run.argv0 = run.python = find_sibling(called); /* entrepot is in the program's interpreter */
    else find_python(&run, called);
    if (!run.python) {
        fprintf(stderr, "entrepot: no python was found on PATH or beside %s\n  to choose one:  entrepot run --python PATH ...\n", called);
        return 1;
    }
    run.argv[0] = (char *)run.argv0;
    parse_python(&run);
    program = getpid();
    int answer = -1, hold = -1;
    char guessed[PATH_MAX + 64];
    const char *ahead = NULL, *image = guess(&run);
    if (image) {
        strcpy(guessed, image);
        ahead = start_ahead(&answer, &hold);
    }
    if (ahead && set_warm(&run, guessed, ahead)) return become(run.python, run.argv);
    /* What cannot be written into the store must not end the run; the program gets its signals as they were. */
    static const int numbers[] = {SIGXFSZ, SIGPIPE};
    struct sigaction before[2], ignore = {.sa_handler = SIG_IGN};
    for (int index = 0; index < 2; index++) sigaction(numbers[index], &ignore, &before[index]);
    image = decide(&run, called);
    for (int index = 0; index < 2; index++) sigaction(numbers[index], &before[index], NULL);
    if (run.prepare) { /* 0: it is there, 1: it is being made, 3: it cannot be */
        printf("%s\n", said);
        return image && !strcmp(said, "warm") ? 0 : is_asked ? 1 : 3;
    }
    if (is_loud && !run.why) fprintf(stderr, "entrepot: %s\n", said);
    if (answer >= 0) finish_ahead(&run, guessed, image, answer, hold);
    if (run.why) stay_behind(&run, called);
    if (image) set_warm(&run, image, "");
    return become(run.python, run.argv);
}
