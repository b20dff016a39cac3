/* The options of `entrepot run`, and those of python behind them: what is to run, and as which kind of program. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define WATCHED "entrepot.commands.watched" /* what runs for `entrepot watch` */

/* Which of python's options change nothing but the kind of interpreter (which the key holds). */
static int is_known_x(const char *text) {
    static const char *known[] = {"utf8", "utf8=1", "utf8=0", "no_debug_ranges", "frozen_modules=on", "frozen_modules", "safe_path"};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (!strcmp(text, known[index])) return 1;
    return !strncmp(text, "int_max_str_digits=", 19);
}

void parse_python(struct Run *run) {
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

int parse(struct Run *run, int argc, char **argv) {
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
int parse_watch(struct Run *run, int argc, char **argv) {
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
const char *find_watched(const struct Run *run) {
    int at = run->entry_at + 1;
    if (strcmp(run->kind, "module") || strcmp(run->entry, WATCHED)) return "";
    while (at < run->argc && !strncmp(run->argv[at], "--", 2)) at += strchr(run->argv[at], '=') ? 1 : 2;
    if (at < run->argc && !strcmp(run->argv[at], "-m")) at++;
    return at < run->argc ? run->argv[at] : "";
}
