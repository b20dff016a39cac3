/* Is everything that a `.checks` file tells of still what it was: variables, arguments, directory, limits, machine, rights?
 *
 * The files are compared by check.c. make_rights and make_affinity are also what a request tells the keeper.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#ifndef ENTREPOT_VERSION
#define ENTREPOT_VERSION "0"
#endif
#define CHECKS_MAGIC "entrepot checks 1 " ENTREPOT_VERSION

char library[PATH_MAX];

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

int make_affinity(char *text, size_t size) {
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
int make_rights(char *text, size_t size) {
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
int check_fields(const struct Run *run, const char *data, size_t size, const char *key, const char **image, const char **files) {
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
