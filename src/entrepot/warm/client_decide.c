/* Which image a run takes over: the program's own, one of its beginning, or that of the modules that programs share.
 *
 * Where the program's own is missing or out of date, the keeper is asked for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

char why_name[17];

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

/* Whether Python's mapping holds all that C and children find: each entry is a variable, of a name of its own. */
static int has_plain_environment(void) {
    static short places[1024], before[4096]; /* by the hash of the name: its last entry so far, and that one's before */
    for (short index = 0; environ[index]; index++) {
        const char *entry = environ[index];
        size_t size = strcspn(entry, "=");
        if (!size || !entry[size] || index == sizeof before / sizeof *before - 1) return 0;
        unsigned hash = 2166136261u;
        for (size_t at = 0; at < size; at++) hash = (hash ^ (unsigned char)entry[at]) * 16777619u;
        short *place = &places[(hash ^ hash >> 16) % 1024];
        for (short other = *place; other; other = before[other])
            if (!strncmp(environ[other - 1], entry, size + 1)) return 0;
        before[index + 1] = *place;
        *place = (short)(index + 1);
    }
    return 1;
}

int is_asked_for(const struct Run *run) {
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
        if (strcspn(*at, "=") == 6 + strspn(*at + 6, "0123456789")) continue; /* PYTHON, PYTHON3: a path, for make and its like */
        int good = 0;
        for (size_t index = 0; index < sizeof known / sizeof *known; index++)
            good |= !strncmp(*at, known[index], strlen(known[index]));
        if (!good || !strcmp(*at, "PYTHONHASHSEED=random")) return say("cold: %.*s is set", (int)strcspn(*at, "="), *at), 0;
    }
    if (!has_plain_environment()) return say("cold: an entry of the environment is no variable, or of the same name as another"), 0;
    if (!strcmp(run->kind, "file")) {
        struct stat st;
        if (stat(run->entry, &st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || is_bytecode(run->entry))
            return say("cold: only source files, archives, folders, -m, -c and stdin are warm"), 0;
    }
    return 1;
}

/* Whether the modules that programs share may serve this run: not an archive or a folder, and not where -c or -m is
 * one word with something else. */
static int has_base(const struct Run *run) {
    const char *asked = getenv("ENTREPOT_BASE"), *before = run->argv[run->entry_at - 1];
    if (asked && !strcmp(asked, "0")) return 0;
    if (!strcmp(run->kind, "file")) return !is_archive(run->entry);
    return !strcmp(run->kind, "stdin") || (run->entry_at > 1 && (!strcmp(before, "-c") || !strcmp(before, "-m")));
}

/* ---- the decision */

/* An image of the program's beginning, up to what has changed. */
static const char *find_part(const struct Run *run, int store) {
    static char key[PATH_MAX * 4];
    for (int number = 1; number <= MAX_PARTS; number++) {
        const char *name = make_key(run, number + 1, key, sizeof key);
        const char *image = name ? find_image(run, store, name, key, NULL) : NULL;
        if (!image) continue;
        if (!run->prepare) note_hit(store, name);
        return image;
    }
    return NULL;
}

const char *decide(const struct Run *run, const char *called, Found *found) {
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
    const char *image = is_stdin ? NULL : find_image(run, store, name, key, found);
    if (image) {
        say("warm");
        if (!run->prepare) {
            note_hit(store, name);
            note_last(store, name, key);
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
        if (!run->prepare) note_last(store, name, key);
        ask_keeper(run, store, called, name, base, key, base_key);
        return image;
    }
    strcpy(said, first);
    if (*base) image = find_image(run, store, base, base_key, NULL);
    if (image) {
        say("base: %.500s", reason);
        if (!run->prepare) note_hit(store, base);
    } else if (strncmp(said, "cold: changed", 13)) {
        strcpy(said, first);
    } else {
        char shared[sizeof said];
        strcpy(shared, said + 6);
        say("%.280s; the modules that programs share: %.250s", first, shared);
    }
    if (!run->prepare) note_last(store, name, key);
    if (!is_stdin) ask_keeper(run, store, called, name, base, key, base_key);
    return image;
}
