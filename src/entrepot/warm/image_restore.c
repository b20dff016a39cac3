/* Give this process the memory of an image (see image.h) and go on there.
 *
 * Called before Python's own start, with one thread and nothing to lose. What belongs to the
 * kernel's side of the process (its id, parent, session, terminal, descriptors, limits, signal mask)
 * stays as it is; only memory and the registers that point to it are exchanged.
 *
 * The work is done by `rebuild`, a copy of which stands with its stack and tables at WORKSHOP, where
 * neither the old nor the new memory is. It calls nothing but the kernel. If something is missing it
 * starts the interpreter again, cold (`exec` keeps the process).
 *
 * Before anything is given up, everything that can be known is checked; then `image_restore` returns.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <asm/prctl.h>

#include "image.h"
#include "image_parts.h"

#define RSEQ_SIGNATURE 0x53053053
#define CODE_BYTES (16 * PAGE)
#define STACK_BYTES (16 * PAGE)
#define OLD_MAPS 4000

struct State {
    struct Head *head;
    struct File *files;
    struct Map *maps;
    char *text;
    struct Area olds[OLD_MAPS];
    uint64_t old_count;
    struct Area special[4];
    int64_t image_fd;
    char **argv, **envp; /* for a cold start */
    uint64_t ignored;    /* bit per signal that whoever started us ignores */
    uint64_t workshop_bytes;
};

extern const char __start_restorer[], __stop_restorer[];
#define RESTORER __attribute__((section("restorer")))
#define INLINE static inline __attribute__((always_inline))

INLINE long call6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
INLINE long call3(long number, long a, long b, long c) { return call6(number, a, b, c, 0, 0, 0); }

INLINE void start_cold(struct State *state, char *exe) {
    call3(SYS_execve, (long)exe, (long)state->argv, (long)state->envp);
    call3(SYS_exit_group, 127, 0, 0);
    __builtin_unreachable();
}

/* The kernel's pages of clock data and code go where the image's C library expects them. */
INLINE int move_special(struct State *state) {
    for (int index = 0; index < 3; index++) {
        struct Area from = state->special[index], to = state->head->special[index];
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
    for (uint64_t index = 0; index < state->head->map_count; index++) {
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

RESTORER __attribute__((noreturn, used)) static void rebuild(struct State *state) {
    struct Head *head = state->head;
    char exe[16] = {'/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', '/', 'e', 'x', 'e', 0, 0};
    if (move_special(state)) start_cold(state, exe);
    for (uint64_t index = 0; index < state->old_count; index++)
        call3(SYS_munmap, (long)state->olds[index].start, (long)state->olds[index].size, 0);
    if (make_maps(state)) start_cold(state, exe);
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
        if (!handler->handler || (state->ignored >> (number - 1) & 1)) continue;
        call6(SYS_rt_sigaction, number, (long)handler, 0, 8, 0, 0);
    }
    __asm__ volatile("mov %0, %%rsp\n\txor %%ebp, %%ebp\n\tpush $0\n\tjmp *%1" : : "r"(head->stack), "r"(head->resume) : "memory");
    __builtin_unreachable();
}

static int overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return a_size && b_size && a < b + b_size && b < a + a_size;
}

static int hex(const char **at, uint64_t *value) {
    const char *start = *at;
    *value = 0;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9') *value = *value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f') *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        else return *at > start;
    }
}

/* Note what is mapped now, and find out whether anything that must stay is in the way. */
static int plan_restore(struct State *state, char *buffer, size_t size) {
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got;
    if (fd < 0) return -1;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0) used += (size_t)got;
    close(fd);
    if (used >= size - 1) return -1;
    buffer[used] = 0;
    static const char *special[] = {"[vvar]", "[vvar_vclock]", "[vdso]"};
    struct Head *head = state->head;
    for (char *line = buffer, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        const char *at = line;
        uint64_t start, end;
        if (!hex(&at, &start) || *at++ != '-' || !hex(&at, &end)) return -1;
        char *name = strrchr(line, ' ') + 1;
        int known = -1;
        for (int index = 0; index < 3; index++)
            if (!strcmp(name, special[index])) known = index;
        if (known >= 0) {
            state->special[known] = (struct Area){start, end - start};
            continue;
        }
        if (!strcmp(name, "[vsyscall]") || (start >= WORKSHOP && start < WORKSHOP + state->workshop_bytes)) continue;
        if (!strcmp(name, "[stack]")) { /* the arguments are in it: it stays, room to grow included */
            for (uint64_t index = 0; index < head->map_count; index++)
                if (overlap(start - (64 << 20), end - start + (64 << 20), state->maps[index].start, state->maps[index].size))
                    return -1;
            for (int index = 0; index < 3; index++)
                if (overlap(start, end - start, head->special[index].start, head->special[index].size)) return -1;
            continue;
        }
        if (state->old_count >= OLD_MAPS) return -1;
        state->olds[state->old_count++] = (struct Area){start, end - start};
    }
    for (int one = 0; one < 3; one++) {
        if (state->special[one].size != head->special[one].size) return -1; /* another kernel */
        for (int two = 0; two < 3; two++)
            if (one != two && overlap(state->special[one].start, state->special[one].size, head->special[two].start,
                                      head->special[two].size))
                return -1;
    }
    /* What lies where the kernel's pages go is unmapped before they arrive; the list must not unmap them again. */
    uint64_t count = state->old_count;
    for (uint64_t index = 0; index < count; index++)
        for (int two = 0; two < 3; two++)
            if (overlap(state->olds[index].start, state->olds[index].size, head->special[two].start, head->special[two].size))
                return -1;
    return 0;
}

/* glibc registered its own area for restartable sequences; the kernel must not write there any more. */
static int leave_rseq(void) {
    const ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
    const unsigned *size = dlsym(RTLD_DEFAULT, "__rseq_size");
    if (!offset || !size || !*size) return 0;
    uint64_t fs = 0;
    if (syscall(SYS_arch_prctl, ARCH_GET_FS, &fs)) return -1;
    return (int)syscall(SYS_rseq, fs + (uint64_t)*offset, *size < 32 ? 32 : *size, 1, RSEQ_SIGNATURE);
}

static struct State *get_state(void) { return (struct State *)(WORKSHOP + CODE_BYTES + STACK_BYTES); }
struct Head *image_table(void) { return get_state()->head; }
long image_ignored(void) { return (long)get_state()->ignored; }
int image_is_workshop(uint64_t address) { return address >= WORKSHOP && address < WORKSHOP + (64 << 20); }

void image_restore(const char *path, char **argv, char **envp) {
    struct Head head;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (pread(fd, &head, sizeof head, 0) != sizeof head || head.magic != IMAGE_MAGIC || head.version != IMAGE_VERSION ||
        head.table_bytes > (16 << 20) || head.pid == (uint64_t)getpid()) {
        close(fd);
        return;
    }
    uint64_t state_bytes = (sizeof(struct State) + PAGE - 1) & ~(PAGE - 1);
    uint64_t maps_bytes = 1 << 20;
    uint64_t total = CODE_BYTES + STACK_BYTES + state_bytes + head.table_bytes + maps_bytes;
    char *shop = mmap((void *)WORKSHOP, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (shop != (char *)WORKSHOP) {
        if (shop != MAP_FAILED) munmap(shop, total);
        close(fd);
        return;
    }
    struct State *state = (struct State *)(shop + CODE_BYTES + STACK_BYTES);
    char *table = (char *)state + state_bytes;
    size_t code = (size_t)(__stop_restorer - __start_restorer);
    memcpy(shop, __start_restorer, code);
    state->head = (struct Head *)table;
    state->workshop_bytes = total;
    state->argv = argv;
    state->envp = envp;
    state->image_fd = fd;
    if (code > CODE_BYTES || pread(fd, table, head.table_bytes, 0) != (ssize_t)head.table_bytes ||
        mprotect(shop, CODE_BYTES, PROT_READ | PROT_EXEC))
        goto cold;
    state->files = (struct File *)(table + head.files);
    state->maps = (struct Map *)(table + head.maps);
    state->text = table + head.text;
    for (int number = 1; number <= 64; number++) {
        struct Handler now;
        if (syscall(SYS_rt_sigaction, number, NULL, &now, 8) == 0 && now.handler == (uint64_t)SIG_IGN)
            state->ignored |= 1ull << (number - 1);
    }
    if (plan_restore(state, table + head.table_bytes, maps_bytes)) goto cold;
    if (leave_rseq()) goto cold;
    void (*run)(struct State *) = (void (*)(struct State *))(shop + ((const char *)rebuild - __start_restorer));
    __asm__ volatile("mov %0, %%rsp\n\tmov %1, %%rdi\n\txor %%ebp, %%ebp\n\tcall *%2"
                     :
                     : "r"(shop + CODE_BYTES + STACK_BYTES - 64), "r"(state), "r"(run)
                     : "rdi", "memory");
    __builtin_unreachable();
cold:
    munmap(shop, total);
    close(fd);
}
