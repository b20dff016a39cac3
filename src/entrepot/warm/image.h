/* What an image is: the memory of an interpreter that waits, as a file, and the table to put it back.
 *
 * The file begins with a Head, then `files` (struct File), `maps` (struct Map, in the order in which
 * they must be made), `spans` (struct Span: the parts of the address space that come from the image
 * itself), `text` (paths, each ended by a zero byte); then, page by page, the memory.
 */
#ifndef ENTREPOT_IMAGE_H
#define ENTREPOT_IMAGE_H
#include <stdint.h>

#define IMAGE_MAGIC 0x31656761746e65ull
#define IMAGE_VERSION 6
#define PAGE 4096ull
/* Where nothing of a process is usually: the table, the code and the stack of the restorer. */
#define WORKSHOP 0x100000000000ull
#define WORKSHOP_CODE (16 * PAGE)
#define WORKSHOP_STACK (16 * PAGE)
/* Room after the last page, so that a mapping that grows in place (mremap) does not meet the file's end. */
#define TAIL (64ull << 30)

enum { FROM_NOTHING, FROM_FILE, FROM_IMAGE };

struct Handler { /* the kernel's own struct sigaction */
    uint64_t handler, flags, restorer, mask;
};

struct Area {
    uint64_t start, size;
};

struct Head {
    uint64_t magic, version, table_bytes;
    uint64_t sum; /* of the table, this field as zero: a damaged table would send a process anywhere */
    uint64_t fs, resume, stack, curbrk, tid_offset;
    int64_t rseq_offset;
    uint64_t rseq_size;
    uint64_t robust, robust_size;
    uint64_t altstack[3];
    struct Handler handlers[65];
    struct Area special[4]; /* vvar, vvar_vclock, vdso of the kernel */
    uint64_t files, file_count, maps, map_count, spans, span_count, text;
    uint64_t pid, page_count;
};

struct File {
    uint64_t path; /* offset in text */
    uint64_t dev, ino, size, mtime_ns, ctime_ns;
};

struct Map {
    uint64_t start, size, offset;
    uint32_t prot, flags;
    int32_t file; /* index, or -1 */
    uint32_t from;
};

struct Span {
    uint64_t start, size;
    uint32_t prot, pad;
};

/* Beside an image `path.hot` may be: a struct Area for each stretch of pages that runs write to. They are copied in
 * one go when the image is taken over, which costs half of a fault for each. `path.seen`: those of the first run,
 * of which the second keeps what it wrote to as well. */
#define MAX_HOT 4096   /* stretches */
#define HOT_PAGES 8192 /* pages, together */

/* What whoever decides about a run answers the restorer: AS_GUESSED, a zero byte (cold), or two variables, each with
 * its zero byte, with which the interpreter is to be started again. */
#define AS_GUESSED 'g'
#define MAX_ANSWER 16384

/* What the restorer leaves behind for the program's process, above its code and its stack. */
struct Left {
    struct Head *head;
    uint64_t ignored; /* bit per signal that whoever started us ignores */
    char kind;        /* of the run: f(ile), c(ommand), m(odule) */
    int entry_at;     /* the place of the program in its arguments */
    uint64_t hot;     /* stretches that were copied */
};
#define LEFT ((struct Left *)(WORKSHOP + WORKSHOP_CODE + WORKSHOP_STACK))

/* Each word counts by its place, so that words cannot change places unnoticed; zeros count nothing. */
static inline uint64_t image_sum(const void *data, uint64_t size, uint64_t offset) {
    const uint64_t *words = (const uint64_t *)data;
    uint64_t sum = 0;
    for (uint64_t index = 0; index < size / 8; index++) sum += words[index] * (2 * (offset / 8 + index) + 0x9e3779b97f4a7c15ull);
    return sum;
}
#endif
