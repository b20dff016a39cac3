/* What the parts of the image library say to each other. */
#ifndef ENTREPOT_IMAGE_PARTS_H
#define ENTREPOT_IMAGE_PARTS_H
#include <stdint.h>

/* image_dump.c: 0 in the process that wrote, 1 in each one that took over, -1 with `image_error`. */
int image_dump(const char *path);
extern char image_error[256];

/* image_restore.c: returns only if the process goes on as it is (cold). */
void image_restore(const char *path, char **argv, char **envp);
/* Whether an address is in the restorer's own place (in a process that took an image over). */
int image_is_workshop(uint64_t address);
/* In a process that took an image over: its table, and the signals that were ignored when it was started. */
struct Head;
struct Head *image_table(void);
long image_ignored(void);

#endif
