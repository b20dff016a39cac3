/* Which pages of an image do runs write to? Noted at the end of its first two runs (see image.h). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"
#include "image_parts.h"

/* The stretches of this process's memory that came from the image and were written to, in order; their number. */
static uint64_t find_written(struct Area *found) {
    const struct Head *table = LEFT->head;
    const struct Span *spans = (const struct Span *)((const char *)table + table->spans);
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t count = 0, bits[512];
    for (uint64_t index = 0; pagemap >= 0 && index < table->span_count; index++) {
        if (!(spans[index].prot & PROT_WRITE)) continue;
        uint64_t end = spans[index].start + spans[index].size;
        for (uint64_t at = spans[index].start; at < end; at += 512 * PAGE) {
            uint64_t pages = (end - at) / PAGE < 512 ? (end - at) / PAGE : 512;
            if (pread(pagemap, bits, pages * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(pages * 8)) break;
            for (uint64_t page = 0; page < pages; page++) {
                if (!(bits[page] >> 63) || bits[page] >> 61 & 1) continue; /* not there, or still the file's */
                uint64_t start = at + page * PAGE;
                if (count && found[count - 1].start + found[count - 1].size == start) found[count - 1].size += PAGE;
                else if (count < MAX_HOT) found[count++] = (struct Area){start, PAGE};
                else goto done;
            }
        }
    }
done:
    if (pagemap >= 0) close(pagemap);
    return count;
}

/* What two lists of stretches, both in order, have in common; put into `found`. */
static uint64_t intersect(const struct Area *one, uint64_t ones, const struct Area *two, uint64_t twos, struct Area *found) {
    uint64_t count = 0;
    for (uint64_t a = 0, b = 0; a < ones && b < twos && count < MAX_HOT;) {
        uint64_t start = one[a].start > two[b].start ? one[a].start : two[b].start;
        uint64_t end_a = one[a].start + one[a].size, end_b = two[b].start + two[b].size;
        uint64_t end = end_a < end_b ? end_a : end_b;
        if (start < end) found[count++] = (struct Area){start, end - start};
        if (end_a < end_b) a++;
        else b++;
    }
    return count;
}

static void write_areas(const char *path, const struct Area *areas, uint64_t count) {
    char new[4200];
    if (snprintf(new, sizeof new, "%s.%d.new", path, (int)getpid()) >= (int)sizeof new) return;
    int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    ssize_t put = write(fd, areas, count * sizeof *areas);
    close(fd);
    if (put != (ssize_t)(count * sizeof *areas) || rename(new, path)) unlink(new);
}

void image_note_hot(const char *image) {
    if (LEFT->hot) return; /* the pages were copied whether the run needs them or not */
    char seen[4200], hot[4200];
    struct Area *areas = malloc(3 * MAX_HOT * sizeof *areas), *before = areas + MAX_HOT, *both = before + MAX_HOT;
    if (!areas || snprintf(seen, sizeof seen, "%s.seen", image) >= 4096 || snprintf(hot, sizeof hot, "%s.hot", image) >= 4096) goto end;
    if (!access(hot, F_OK) || access(image, F_OK)) goto end; /* the image may be forgotten by now */
    uint64_t now = find_written(areas);
    int fd = open(seen, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        write_areas(seen, areas, now);
        goto end;
    }
    ssize_t got = read(fd, before, MAX_HOT * sizeof *before);
    close(fd);
    write_areas(hot, both, intersect(areas, now, before, got > 0 ? (uint64_t)got / sizeof *before : 0, both));
    unlink(seen);
end:
    free(areas);
}
