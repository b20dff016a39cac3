/* What the parts of the image library say to each other. */
#ifndef ENTREPOT_IMAGE_PARTS_H
#define ENTREPOT_IMAGE_PARTS_H
#include <stdint.h>

/* image_dump.c: 0 in the process that wrote, 1 in each one that took over, -1 with `image_error`. */
int image_dump(const char *path);
extern char image_error[256];

/* image_hot.c: note which pages of the image this run has written to. */
void image_note_hot(const char *image);

#endif
