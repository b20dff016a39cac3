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
 * Where what lies: client_options.c and client_python.c read the options and find the interpreter; client_decide.c says
 * which image it is, with what client_store.c and client_checks.c find; client_keeper.c asks for those that are missing.
 * ENTREPOT_WARM=0: plain. ENTREPOT_LOG=1: say on stderr why a run is not warm.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "image.h"

#define MANY_FILES (64 << 10) /* bytes of a list of files that take longer to look at than a process to start */

char said[600] = "cold: there is no image yet";
pid_t program;
static int is_loud;

void say(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    vsnprintf(said, sizeof said, format, rest);
    va_end(rest);
    /* One line whatever is in it: a path may have anything, a damaged file even more. */
    for (char *at = said; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
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

/* What cannot be written into the store must not end the run; the program gets its signals as they were. */
static const int written[] = {SIGXFSZ, SIGPIPE};
static struct sigaction before[2];

static void ignore_signals(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (int index = 0; index < 2; index++) sigaction(written[index], &ignore, &before[index]);
}

static void give_signals_back(void) {
    for (int index = 0; index < 2; index++) sigaction(written[index], &before[index], NULL);
}

/* ---- taking over ahead of the decision */

static int answer = -1, hold = -1; /* in the child that decides: where its answer goes, and what it waits for at its end */
static char guessed[PATH_MAX + 64];

/* Whether a processor is free for somebody else: those that want one now are among what /proc/loadavg says (proc(5)). */
static int has_room(void) {
    char text[128] = {0};
    cpu_set_t set;
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    const char *slash = got > 0 ? strchr(text, '/') : NULL;
    if (!slash || sched_getaffinity(0, sizeof set, &set)) return 1;
    while (slash > text && slash[-1] != ' ') slash--;
    return atoi(slash) <= CPU_COUNT(&set) && CPU_COUNT(&set) > 1;
}

/* Have a child go on with deciding, and take the image over meanwhile: worth it where there are many files to compare, and
 * somebody can do that. The program does not begin before the child has answered and is gone (image_restore.c; image.h says
 * what an answer is). Comes back in the child, and where there is none. */
static void go_ahead(const struct Run *run, const char *image, size_t size) {
    const char *asked = getenv("ENTREPOT_AHEAD"); /* always, or never */
    int answers[2], holds[2];
    if (answer >= 0 || !is_image(image)) return;
    if (asked && *asked ? *asked == '0' : size < MANY_FILES || !has_room()) return;
    if (pipe2(answers, O_CLOEXEC)) return;
    if (pipe2(holds, O_CLOEXEC)) {
        close(answers[0]);
        close(answers[1]);
        return;
    }
    strcpy(guessed, image);
    pid_t child = fork();
    int is_child = child == 0, one = answers[is_child], other = holds[!is_child];
    close(answers[!is_child]);
    close(holds[is_child]);
    if (is_child) {
        answer = one;
        hold = other;
        return;
    }
    char ahead[64];
    snprintf(ahead, sizeof ahead, ",%d,%d,%d", one, other, (int)child);
    if (child < 0 || fcntl(one, F_SETFD, 0) || fcntl(other, F_SETFD, 0) || !set_warm(run, guessed, ahead)) {
        close(one);
        close(other);
        while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return;
    }
    give_signals_back();
    _exit(become(run->python, run->argv));
}

/* The child's end: say what has been decided, and stay until the parent wants it gone. */
static void finish_ahead(const struct Run *run, const char *image) {
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
    ignore_signals();
    const char *image = decide(&run, called, run.prepare || run.why ? NULL : go_ahead);
    give_signals_back();
    if (run.prepare) { /* 0: it is there, 1: it is being made, 3: it cannot be */
        printf("%s\n", said);
        return image && !strcmp(said, "warm") ? 0 : is_asked ? 1 : 3;
    }
    if (is_loud && !run.why) fprintf(stderr, "entrepot: %s\n", said);
    if (answer >= 0) finish_ahead(&run, image);
    if (run.why) stay_behind(&run, called);
    if (image) set_warm(&run, image, "");
    return become(run.python, run.argv);
}
