/* What the parts of the image library say to each other. */
#ifndef ENTREPOT_IMAGE_PARTS_H
#define ENTREPOT_IMAGE_PARTS_H
#include <stdint.h>

/* image_dump.c: 0 in the process that wrote, 1 in each one that took over, -1 with `image_error`. */
int image_dump(const char *path);
extern char image_error[256];

#endif
