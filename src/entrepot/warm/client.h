/* What the parts of the client say to each other. */
#ifndef ENTREPOT_CLIENT_H
#define ENTREPOT_CLIENT_H
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#define MAX_PARTS 3 /* of a program: images of its beginning (parts.py) */

struct Run {
    int cold, why, prepare, is_plain; /* why: 1 as text, 2 as JSON; is_plain: no image can serve this kind of run */
    const char *python, *argv0;
    char **argv; /* python's: argv[0] is set later */
    int argc;
    const char *kind, *entry;
    int entry_at; /* argv[entry_at...] is the program's own argv, its first item included */
};

extern char **environ;

/* client.c: why this run is not warm, or how it is. */
extern char said[600];
extern pid_t program; /* the process that becomes the program; another one may be deciding */
void say(const char *format, ...);

/* client_options.c */
int parse(struct Run *run, int argc, char **argv);
int parse_watch(struct Run *run, int argc, char **argv);
void parse_python(struct Run *run);
const char *find_watched(const struct Run *run);

/* client_python.c */
const char *find_sibling(const char *called);
const char *find_on_path(const char **name);
void find_python(struct Run *run, const char *called);
int is_elf(const char *path);

/* Called with the image that it is unless a file has changed, and the size of the list of these files, before they are compared. */
typedef void Found(const struct Run *run, const char *image, size_t size);

/* client_decide.c: the image that this run takes over, or NULL; a request to the keeper where there should be one. */
extern char why_name[17]; /* of the program's files in the store, where the store was asked */
int is_asked_for(const struct Run *run);
const char *decide(const struct Run *run, const char *called, Found *found);

/* client_store.c */
extern char store_path[PATH_MAX];
const char *make_key(const struct Run *run, int which, char *text, size_t size);
int open_store(void);
int is_image(const char *path);
const char *find_image(const struct Run *run, int store, const char *name, const char *key, Found *found);
void note_hit(int store, const char *name);
void note_last(int store, const char *name, const char *key);

/* client_checks.c */
extern char library[PATH_MAX]; /* what an image is taken over with; the checks name it */
int check_fields(const struct Run *run, const char *data, size_t size, const char *key, const char **image, const char **files);
int make_affinity(char *text, size_t size);
int make_rights(char *text, size_t size);

/* check.c: the files. */
int entrepot_check(const char *block, size_t size);
const char *entrepot_find_path(const char *block, size_t size, int index);

/* client_keeper.c */
extern int is_asked; /* the keeper was */
void call_keeper(const struct Run *run, int store, const char *called, int has_request);
void ask_keeper(const struct Run *run, int store, const char *called, const char *name, const char *base, const char *key,
                const char *base_key);

#endif
