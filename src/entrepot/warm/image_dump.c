/* Write this process's memory down as an image (see image.h).
 *
 * Called in a process with one thread. `image_dump` returns 0 in the process that wrote, and 1 in every
 * process that later takes the image over: like fork, except that the other one may live much later.
 *
 * Private pages that were written to (and anonymous memory) go into the file; the rest of a mapping
 * comes again from the file that it was mapped from. Refused, with a reason: memory shared with other
 * processes for writing, mapped files that were deleted, more than one thread.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <asm/prctl.h>

#include "image.h"
#include "image_parts.h"

#define SCRATCH (48ull << 20)
#define MAX_MAPS 60000
#define GAP 8    /* pages: closer runs of written pages are one mapping */
#define WHOLE 64 /* pages: a mapping that is no larger and was written to goes into the image as it is */
#define PLAIN 32 /* pages: one that was not written to goes along with its neighbour if it is no larger */

static jmp_buf context;
char image_error[256];

static int fail(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    vsnprintf(image_error, sizeof image_error, format, rest);
    va_end(rest);
    return -1;
}

/* Where a process that takes the image over begins, on the image's own stack. */
static void resume(void) { longjmp(context, 1); }

struct Work {
    char *maps_text;
    uint64_t *pagemap;
    struct Head *head;
    struct File *files;
    struct Map *maps;
    struct Span *spans;
    char *text;
    uint64_t text_used;
    uint64_t next; /* offset of the next page in the image */
    int out, pagemap_fd;
};

static int find_tid_offset(uint64_t fs, pid_t parent_tid, uint64_t *offset) {
    (void)parent_tid;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    /* struct pthread keeps the thread's id; its place depends on the C library's version. */
    for (uint64_t at = 0x100; at < 0x900; at += 4)
        if (*(volatile int32_t *)(fs + at) == tid) {
            *offset = at;
            return 0;
        }
    return fail("the C library keeps the thread's id in an unknown place");
}

static int read_all(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0) used += (size_t)got;
    close(fd);
    buffer[used] = 0;
    return used < size - 1 ? (int)used : -1;
}

static int write_at(int fd, const void *data, uint64_t size, uint64_t offset) {
    while (size) {
        ssize_t put = pwrite(fd, data, size > (1 << 30) ? 1 << 30 : size, (off_t)offset);
        if (put <= 0) return -1;
        data = (const char *)data + put;
        offset += (uint64_t)put;
        size -= (uint64_t)put;
    }
    return 0;
}

static int add_map(struct Work *work, struct Map map) {
    if (work->head->map_count >= MAX_MAPS) return fail("too many mappings");
    work->maps[work->head->map_count++] = map;
    return 0;
}

/* A stretch of memory goes into the image, in one mapping with its neighbour where that can be. */
static int add_pages(struct Work *work, uint64_t start, uint64_t size, uint32_t prot) {
    if (write_at(work->out, (void *)start, size, work->next)) return fail("cannot write the image: %s", strerror(errno));
    struct Map *before = work->head->map_count ? &work->maps[work->head->map_count - 1] : NULL;
    int joins = before && before->from == FROM_IMAGE && before->start + before->size == start && before->prot == prot;
    work->next += size;
    work->head->page_count += size / PAGE;
    if (joins) {
        before->size += size;
        work->spans[work->head->span_count - 1].size += size;
        return 0;
    }
    struct Map map = {start, size, work->next - size, prot, MAP_PRIVATE | MAP_FIXED, -1, FROM_IMAGE};
    if (work->head->span_count >= MAX_MAPS) return fail("too many mappings");
    work->spans[work->head->span_count++] = (struct Span){start, size, prot, 0};
    return add_map(work, map);
}

static int add_file(struct Work *work, const char *path) {
    struct Head *head = work->head;
    for (int64_t index = (int64_t)head->file_count - 1; index >= 0; index--)
        if (!strcmp(work->text + work->files[index].path, path)) return (int)index;
    struct stat st;
    if (stat(path, &st)) return fail("%s is gone", path);
    size_t length = strlen(path) + 1;
    if (head->file_count >= 16000 || work->text_used + length > (4 << 20)) return fail("too many mapped files");
    memcpy(work->text + work->text_used, path, length);
    work->files[head->file_count] = (struct File){
        work->text_used, st.st_dev, st.st_ino, (uint64_t)st.st_size,
        (uint64_t)st.st_mtim.tv_sec * 1000000000ull + (uint64_t)st.st_mtim.tv_nsec,
        (uint64_t)st.st_ctim.tv_sec * 1000000000ull + (uint64_t)st.st_ctim.tv_nsec};
    work->text_used += length;
    return (int)head->file_count++;
}

/* The next run of pages that are this process's own: bit 63 present, 62 swapped, 61 still the file's. */
static int find_run(struct Work *work, uint64_t at, uint64_t end, struct Area *run) {
    const uint64_t chunk = 1 << 15;
    uint64_t last = 0;
    *run = (struct Area){0, 0};
    for (; at < end; at += chunk * PAGE) {
        uint64_t count = (end - at) / PAGE;
        if (count > chunk) count = chunk;
        if (pread(work->pagemap_fd, work->pagemap, count * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(count * 8))
            return fail("cannot read the page map: %s", strerror(errno));
        for (uint64_t index = 0; index < count; index++) {
            uint64_t bits = work->pagemap[index], page = at + index * PAGE;
            if (!(bits >> 62) || bits >> 61 & 1) continue;
            if (run->size && page - last > GAP * PAGE) return 0;
            if (!run->size) run->start = page;
            last = page + PAGE;
            run->size = last - run->start;
        }
    }
    return 0;
}

/* A private mapping: as it can be had again, then the pages that were written to. */
static int add_private(struct Work *work, struct Map map) {
    uint64_t end = map.start + map.size;
    struct Area run = {0, 0};
    if (map.prot & PROT_READ && find_run(work, map.start, end, &run)) return -1;
    int grows = map.flags & MAP_GROWSDOWN; /* the stack, which begins below what is there */
    if (run.size && !grows && (map.size <= WHOLE * PAGE || run.size == map.size)) return add_pages(work, map.start, map.size, map.prot);
    if (add_map(work, map)) return -1;
    while (run.size) {
        if (add_pages(work, run.start, run.size, map.prot)) return -1;
        if (find_run(work, run.start + run.size, end, &run)) return -1;
    }
    return 0;
}

/* The mapping before this one is a small one of the same kind, and nothing of it was written to. */
static int absorb_neighbour(struct Work *work, const struct Map *map) {
    struct Area run;
    if (!work->head->map_count) return 0;
    struct Map before = work->maps[work->head->map_count - 1];
    if (before.from != FROM_FILE || before.file != map->file || before.start + before.size != map->start) return 0;
    if (before.prot != map->prot || map->prot != PROT_READ || before.flags != map->flags || before.size > PLAIN * PAGE) return 0;
    if (map->size > WHOLE * PAGE || find_run(work, map->start, map->start + map->size, &run)) return 0;
    if (!run.size) return 0;
    work->head->map_count--;
    return add_pages(work, before.start, before.size, before.prot);
}

/* A library's head and its code lie in one piece in memory and in the file: one mapping will do, and each costs. */
static int join_head(struct Work *work, const struct Map *map) {
    struct Area run;
    if (!work->head->map_count || map->prot != (PROT_READ | PROT_EXEC)) return 0;
    struct Map *before = &work->maps[work->head->map_count - 1];
    if (before->from != FROM_FILE || before->file != map->file || before->prot != PROT_READ || before->flags != map->flags) return 0;
    if (before->start + before->size != map->start || before->offset + before->size != map->offset) return 0;
    if (before->size > WHOLE * PAGE || find_run(work, map->start, map->start + map->size, &run) || run.size) return 0;
    before->size += map->size;
    before->prot = map->prot;
    return 1;
}

static int add_mapping(struct Work *work, char *line) {
    uint64_t start, end, offset;
    char perms[8];
    int at = 0;
    unsigned major, minor;
    unsigned long ino;
    if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &start, &end, perms, &offset, &major, &minor, &ino, &at) < 7)
        return fail("cannot read the list of mappings");
    char *path = line + at;
    uint64_t scratch = (uint64_t)work->maps_text;
    if (start >= scratch && end <= scratch + SCRATCH) return 0;
    if (start < scratch + SCRATCH && end > scratch) return fail("the scratch memory was merged with another");
    static const char *special[] = {"[vvar]", "[vvar_vclock]", "[vdso]"};
    for (int index = 0; index < 3; index++)
        if (!strcmp(path, special[index])) {
            work->head->special[index] = (struct Area){start, end - start};
            return 0;
        }
    if (!strcmp(path, "[vsyscall]")) return 0;
    if (start < WORKSHOP + (1ull << 32) && end > WORKSHOP) {
        if (start < WORKSHOP + (64 << 20)) return 0;
        return fail("something is in the restorer's place");
    }
    uint32_t prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) | (perms[2] == 'x' ? PROT_EXEC : 0);
    int shared = perms[3] == 's';
    struct Map map = {start, end - start, offset, prot, MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE), -1, FROM_NOTHING};
    if (shared && !strncmp(path, "/memfd:entrepot", 15)) return 0; /* the observer's log */
    if (shared && perms[1] == 'w') return fail("shares memory with other processes (%s)", path);
    if (path[0] == '/') {
        size_t length = strlen(path);
        if (length > 10 && !strcmp(path + length - 10, " (deleted)")) {
            if (shared) return fail("%s", path);
            if (!(prot & PROT_READ)) return fail("%s cannot be read", path);
            return add_pages(work, start, end - start, prot);
        }
        map.file = add_file(work, path);
        if (map.file < 0) return -1;
        map.from = FROM_FILE;
        if (shared) return add_map(work, map);
        if (join_head(work, &map)) return 0;
        return absorb_neighbour(work, &map) ? -1 : add_private(work, map);
    }
    map.offset = 0;
    map.flags |= MAP_ANONYMOUS | MAP_NORESERVE;
    if (!strcmp(path, "[stack]")) {
        map.flags |= MAP_GROWSDOWN;
        map.start -= 16 * PAGE; /* so that there is always a part of it left that can grow */
        map.size += 16 * PAGE;
    }
    return add_private(work, map);
}

static int dump(struct Work *work, const char *path) {
    struct Head *head = work->head;
    work->out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (work->out < 0) return fail("cannot write %s: %s", path, strerror(errno));
    work->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (work->pagemap_fd < 0) return fail("cannot read the page map: %s", strerror(errno));
    if (read_all("/proc/self/maps", work->maps_text, 16 << 20) < 0) return fail("cannot read the list of mappings");
    work->next = 16ull << 20; /* the table is written last, before the pages */
    for (char *line = work->maps_text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        if (add_mapping(work, line)) return -1;
    }
    uint64_t at = sizeof *head;
    struct { uint64_t *where; const void *data; uint64_t size; } parts[] = {
        {&head->files, work->files, head->file_count * sizeof(struct File)},
        {&head->maps, work->maps, head->map_count * sizeof(struct Map)},
        {&head->spans, work->spans, head->span_count * sizeof(struct Span)},
        {&head->text, work->text, work->text_used},
    };
    for (int index = 0; index < 4; index++) {
        *parts[index].where = at;
        if (write_at(work->out, parts[index].data, parts[index].size, at)) return fail("cannot write the image");
        head->sum += image_sum(parts[index].data, (parts[index].size + 7) & ~7ull, at); /* the scratch memory behind is zero */
        at = (at + parts[index].size + 63) & ~63ull;
    }
    if (at > 16ull << 20) return fail("the table is too large");
    head->table_bytes = (at + PAGE - 1) & ~(PAGE - 1);
    if (ftruncate(work->out, (off_t)(work->next + TAIL))) return fail("cannot size the image: %s", strerror(errno));
    head->magic = IMAGE_MAGIC; /* last: a file without it is no image */
    head->sum += image_sum(head, offsetof(struct Head, sum), 0) +
                 image_sum(&head->sum + 1, sizeof *head - offsetof(struct Head, sum) - 8, offsetof(struct Head, sum) + 8);
    if (write_at(work->out, head, sizeof *head, 0)) return fail("cannot write the image");
    close(work->out);
    close(work->pagemap_fd);
    return 0;
}

static int collect(struct Head *head) {
    if (syscall(SYS_arch_prctl, ARCH_GET_FS, &head->fs)) return fail("arch_prctl: %s", strerror(errno));
    if (find_tid_offset(head->fs, 0, &head->tid_offset)) return -1;
    head->version = IMAGE_VERSION;
    head->resume = (uint64_t)resume;
    head->pid = (uint64_t)getpid();
    head->curbrk = (uint64_t)dlsym(RTLD_DEFAULT, "__curbrk");
    const ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
    const unsigned *size = dlsym(RTLD_DEFAULT, "__rseq_size");
    if (offset && size && *size) {
        head->rseq_offset = *offset;
        head->rseq_size = *size < 32 ? 32 : *size;
    }
    syscall(SYS_get_robust_list, 0, &head->robust, &head->robust_size);
    syscall(SYS_sigaltstack, NULL, head->altstack);
    for (long number = 1; number <= 64; number++) {
        struct Handler *handler = &head->handlers[number];
        syscall(SYS_rt_sigaction, number, NULL, handler, 8L);
        /* Whoever is started by posix_spawn(3) of glibc, as we were, ignores the two that are its own. */
        if ((number == 32 || number == 33) && handler->handler == (uint64_t)SIG_IGN) handler->handler = 0;
    }
    return 0;
}

int image_dump(const char *path) {
    char *scratch = mmap(NULL, SCRATCH + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (scratch == MAP_FAILED) return fail("no memory");
    char *inside = scratch + PAGE; /* pages without access keep it apart from its neighbours */
    mprotect(inside, SCRATCH, PROT_READ | PROT_WRITE);
    struct Work work = {
        .maps_text = inside,
        .pagemap = (uint64_t *)(inside + (16ull << 20)),
        .head = (struct Head *)(inside + (17ull << 20)),
        .files = (struct File *)(inside + (18ull << 20)),
        .maps = (struct Map *)(inside + (20ull << 20)),
        .spans = (struct Span *)(inside + (28ull << 20)),
        .text = inside + (34ull << 20),
    };
    if (collect(work.head)) return -1;
    if (setjmp(context)) {
        /* Here begins every process that took the image over: nothing above is its own any more. */
        return 1;
    }
    work.head->stack = ((uint64_t)__builtin_frame_address(0) - 64 * 1024) & ~63ull;
    /* The stack below this frame is where `resume` will stand: it must be there. */
    volatile char room[80 * 1024];
    room[0] = 0;
    (void)room[0];
    int result = dump(&work, path);
    if (result) unlink(path);
    munmap(scratch, SCRATCH + 2 * PAGE);
    return result;
}
