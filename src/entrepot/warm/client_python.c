/* Which interpreter runs the program: the one that is named, that the shell would take, or that lies beside this client. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

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
const char *find_sibling(const char *called) {
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
const char *find_on_path(const char **name) {
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

void find_python(struct Run *run, const char *called) {
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

int is_elf(const char *path) {
    char head[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, head, 4);
    close(fd);
    return got == 4 && !memcmp(head, "\177ELF", 4);
}
