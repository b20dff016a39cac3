/* Requests to the keeper, which makes and forgets images, and its start where there is none. It is never waited for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

int is_asked;

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
void call_keeper(const struct Run *run, int store, const char *called, int has_request) {
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

void ask_keeper(const struct Run *run, int store, const char *called, const char *name, const char *base, const char *key,
                       const char *base_key) {
    if (write_request(run, store, name, base, key, base_key)) return;
    is_asked = 1;
    call_keeper(run, store, called, 1);
}
