/* The half of the restorer that goes on where nothing is mapped: exchange a process's memory for that of an image.
 *
 * All of it stands in the section `restorer`, a copy of which image_restore.c puts at WORKSHOP and calls there: it may
 * read, and call, nothing that lies elsewhere in its library. What it needs is in `struct State`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <asm/prctl.h>

#include "image_restore.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

INLINE void start_cold(struct State *state) { start_again(&state->ahead, state->exe, state->argv, state->envp); }

/* The kernel's pages of clock data and code go where the image's C library expects them. */
INLINE int move_special(struct State *state) {
    for (int index = 0; index < 3; index++) {
        struct Area from = state->special[index], to = state->left.head->special[index];
        if (!from.size || from.start == to.start) continue;
        long got = call6(SYS_mremap, (long)from.start, (long)from.size, (long)from.size, MREMAP_MAYMOVE | MREMAP_FIXED,
                         (long)to.start, 0);
        if (got != (long)to.start) return -1;
    }
    return 0;
}

INLINE int is_file(long fd, struct File *file) {
    struct stat st;
    if (call3(SYS_fstat, fd, (long)&st, 0)) return 0;
    return st.st_dev == file->dev && st.st_ino == file->ino && (uint64_t)st.st_size == file->size &&
           (uint64_t)st.st_mtim.tv_sec * 1000000000ull + (uint64_t)st.st_mtim.tv_nsec == file->mtime_ns &&
           (uint64_t)st.st_ctim.tv_sec * 1000000000ull + (uint64_t)st.st_ctim.tv_nsec == file->ctime_ns;
}

INLINE int make_maps(struct State *state) {
    long fd = -1, current = -1;
    for (uint64_t index = 0; index < state->left.head->map_count; index++) {
        struct Map *map = &state->maps[index];
        long from = -1;
        if (map->from == FROM_IMAGE) from = state->image_fd;
        if (map->from == FROM_FILE) {
            if (map->file != current) {
                if (fd >= 0) call3(SYS_close, fd, 0, 0);
                struct File *file = &state->files[map->file];
                fd = call6(SYS_openat, AT_FDCWD, (long)(state->text + file->path), O_RDONLY | O_CLOEXEC, 0, 0, 0);
                if (fd < 0 || !is_file(fd, file)) return -1;
                current = map->file;
            }
            from = fd;
        }
        long got = call6(SYS_mmap, (long)map->start, (long)map->size, map->prot, map->flags, from, (long)map->offset);
        if (got != (long)map->start) return -1;
    }
    if (fd >= 0) call3(SYS_close, fd, 0, 0);
    return 0;
}

/* Copy the pages that runs write to, before they do. */
INLINE void copy_hot(struct State *state) {
    uint64_t pages = 0;
    for (uint64_t index = 0; index < state->left.hot; index++) {
        pages += state->hot[index].size / PAGE;
        if (pages > HOT_PAGES) return;
        if (call3(SYS_madvise, (long)state->hot[index].start, (long)state->hot[index].size, MADV_POPULATE_WRITE)) return;
    }
}

RESTORER void rebuild(struct State *state) {
    struct Head *head = state->left.head;
    if (move_special(state)) start_cold(state);
    for (uint64_t index = 0; index < state->old_count; index++)
        call3(SYS_munmap, (long)state->olds[index].start, (long)state->olds[index].size, 0);
    if (make_maps(state)) start_cold(state);
    copy_hot(state);
    if (!is_right(&state->ahead)) start_cold(state);
    call3(SYS_close, state->image_fd, 0, 0);
    call3(SYS_arch_prctl, ARCH_SET_FS, (long)head->fs, 0);
    long tid = call3(SYS_gettid, 0, 0, 0);
    *(volatile int32_t *)(head->fs + head->tid_offset) = (int32_t)tid;
    call3(SYS_set_tid_address, (long)(head->fs + head->tid_offset), 0, 0);
    call3(SYS_set_robust_list, (long)head->robust, (long)head->robust_size, 0);
    if (head->rseq_size)
        call6(SYS_rseq, (long)(head->fs + (uint64_t)head->rseq_offset), (long)head->rseq_size, 0, RSEQ_SIGNATURE, 0, 0);
    if (head->curbrk) *(volatile uint64_t *)head->curbrk = (uint64_t)call3(SYS_brk, 0, 0, 0);
    if (head->altstack[0] && head->altstack[2]) call3(SYS_sigaltstack, (long)head->altstack, 0, 0);
    for (long number = 1; number <= 64; number++) {
        struct Handler *handler = &head->handlers[number];
        if (!handler->handler || (state->left.ignored >> (number - 1) & 1)) continue;
        call6(SYS_rt_sigaction, number, (long)handler, 0, 8, 0, 0);
    }
    __asm__ volatile("mov %0, %%rsp\n\txor %%ebp, %%ebp\n\tpush $0\n\tjmp *%1" : : "r"(head->stack), "r"(head->resume) : "memory");
    __builtin_unreachable();
}
