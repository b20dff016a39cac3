/* Give this process the memory of an image (see image.h) and go on there.
 *
 * An auditor of the dynamic loader (rtld-audit(7), LD_AUDIT): `la_version` is called when the
 * interpreter has been executed and none of its libraries is mapped yet, with one thread and nothing to
 * lose. What belongs to the kernel's side of the process (its id, parent, session, terminal,
 * descriptors, limits, signal mask) stays as it is; only memory and the registers that point to it are
 * exchanged. This library depends on no other and calls nothing but the kernel.
 *
 * The work is done by `rebuild` (image_rebuild.c), a copy of which stands with its stack and tables at WORKSHOP, where
 * neither the old nor the new memory is. Here is what comes before: everything is read, checked and laid out there.
 *
 * The client may have had it start before it was known whether the image is still right: a child of this process
 * decides meanwhile (client.c), and the program begins when it has answered and is gone.
 *
 * Before anything is given up, everything that can be known is checked; then `la_version` returns 0,
 * the loader forgets this library, and the interpreter starts as ever.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <asm/prctl.h>

#include "image_restore.h"

#define PUBLIC __attribute__((visibility("default")))
#define IN_THE_WAY -2
#define TRIES 3 /* so often once more, where something is; it is in one run of 300 */

extern const char __start_restorer[], __stop_restorer[]; /* of the library, made by the linker */

/* What a freestanding library has to bring along. */
static uint64_t count_text(const char *text) {
    uint64_t size = 0;
    while (text[size]) size++;
    return size;
}

static int is_same(const char *one, const char *other) {
    while (*one && *one == *other) one++, other++;
    return *one == *other;
}

static const char *find_value(const char *item, const char *name) {
    while (*name && *item == *name) item++, name++;
    return *name || *item != '=' ? NULL : item + 1;
}

static void copy(void *to, const void *from, uint64_t size) {
    for (uint64_t index = 0; index < size; index++) ((volatile char *)to)[index] = ((const char *)from)[index];
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

/* Note what is mapped now, and find out whether anything that must stay is in the way: -2, by chance (the kernel draws
 * where the stack is); -1: this cannot be done. */
static int plan_restore(struct State *state, char *buffer, uint64_t size) {
    long fd = call6(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0, 0, 0);
    uint64_t used = 0;
    long got;
    if (fd < 0) return -1;
    while (used < size - 1 && (got = call3(SYS_read, fd, (long)buffer + (long)used, (long)(size - 1 - used))) > 0) used += (uint64_t)got;
    call3(SYS_close, fd, 0, 0);
    if (used >= size - 1) return -1;
    buffer[used] = 0;
    struct Head *head = state->left.head;
    for (char *line = buffer, *next; line && *line; line = next) {
        char *name = line;
        for (next = line; *next && *next != '\n'; next++)
            if (*next == ' ') name = next + 1;
        if (*next) *next++ = 0;
        const char *at = line;
        uint64_t start, end;
        if (!hex(&at, &start) || *at++ != '-' || !hex(&at, &end)) return -1;
        int known = is_same(name, "[vvar]") ? 0 : is_same(name, "[vvar_vclock]") ? 1 : is_same(name, "[vdso]") ? 2 : -1;
        if (known >= 0) {
            state->special[known] = (struct Area){start, end - start};
            continue;
        }
        if (is_same(name, "[vsyscall]") || (start >= WORKSHOP && start < WORKSHOP + state->workshop_bytes)) continue;
        if (is_same(name, "[stack]")) { /* the arguments are in it: it stays, room to grow included */
            for (uint64_t index = 0; index < head->map_count; index++)
                if (overlap(start - (64 << 20), end - start + (64 << 20), state->maps[index].start, state->maps[index].size))
                    return IN_THE_WAY;
            for (int index = 0; index < 3; index++)
                if (overlap(start, end - start, head->special[index].start, head->special[index].size)) return IN_THE_WAY;
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
                return IN_THE_WAY;
    }
    /* What lies where the kernel's pages go is unmapped before they arrive; the list must not unmap them again. */
    for (uint64_t index = 0; index < state->old_count; index++)
        for (int two = 0; two < 3; two++)
            if (overlap(state->olds[index].start, state->olds[index].size, head->special[two].start, head->special[two].size))
                return IN_THE_WAY;
    return 0;
}

/* glibc has its own area for restartable sequences; the kernel must not write there any more. */
static int leave_rseq(const struct Head *head) {
    uint64_t fs = 0, own[8] __attribute__((aligned(32))) = {0};
    if (call3(SYS_arch_prctl, ARCH_GET_FS, (long)&fs, 0)) return -1;
    if (head->rseq_size &&
        !call6(SYS_rseq, (long)(fs + (uint64_t)head->rseq_offset), (long)head->rseq_size, 1, RSEQ_SIGNATURE, 0, 0))
        return 0;
    /* It is not where the image's C library has it: then there must be none at all. */
    if (call6(SYS_rseq, (long)own, 32, 0, RSEQ_SIGNATURE, 0, 0) == 0)
        return (int)call6(SYS_rseq, (long)own, 32, 1, RSEQ_SIGNATURE, 0, 0);
    /* Nor has the kernel any: the image's C library must not count on it (each new thread would end the process). */
    return !head->rseq_size && call6(SYS_rseq, (long)own, 32, 2, RSEQ_SIGNATURE, 0, 0) == -ENOSYS ? 0 : -1;
}

static void read_hot(struct State *state, const char *path) {
    char name[4200];
    uint64_t length = count_text(path);
    copy(name, path, length);
    copy(name + length, ".hot", 5);
    long fd = call6(SYS_openat, AT_FDCWD, (long)name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0, 0, 0);
    if (fd < 0) return;
    long got = call3(SYS_read, fd, (long)state->hot, sizeof state->hot);
    if (got > 0) state->left.hot = (uint64_t)got / sizeof *state->hot;
    call3(SYS_close, fd, 0, 0);
}

static void note_ignored(struct State *state) {
    for (int number = 1; number <= 64; number++) {
        struct Handler now;
        if (call6(SYS_rt_sigaction, number, 0, (long)&now, 8, 0, 0) == 0 && now.handler == (uint64_t)SIG_IGN)
            state->left.ignored |= 1ull << (number - 1);
    }
}

static int take_number(const char **at) {
    int number = 0;
    while (**at >= '0' && **at <= '9') number = number * 10 + (*(*at)++ - '0');
    return number;
}

static struct Ahead ahead;
static char variables[2][4200]; /* LD_AUDIT and ENTREPOT_IMAGE, as they came */

/* Start the interpreter with this image again: the kernel draws anew. */
static void try_again(char **argv, char **envp) {
    char **end = envp;
    while (*end) end++;
    add_variables(envp, variables[0], variables[1]);
    call3(SYS_execve, (long)"/proc/self/exe", (long)argv, (long)envp);
    *end = 0;
}

/* Whether the answer is there already, and is another one than was guessed. */
static int is_refused(void) {
    struct pollfd poll = {ahead.answer, POLLIN, 0};
    return ahead.pid && call3(SYS_poll, (long)&poll, 1, 0) == 1 && !is_right(&ahead);
}

/* `what`: a plus for each time that something was in the way, the letter of the kind, the place of the program in the
 * arguments; where a child decides meanwhile its descriptors and process id, each after a comma; a colon, the path of
 * the image. */
static void restore(const char *what, char **argv, char **envp) {
    struct Head head;
    int tries = 0;
    while (*what == '+') what++, tries++;
    const char *path = what + 1;
    int entry_at = take_number(&path);
    if (*path == ',') {
        path++, ahead.answer = take_number(&path);
        path++, ahead.hold = take_number(&path);
        path++, ahead.pid = take_number(&path);
    }
    if (*path++ != ':') return;
    /* Not blocking: if there is a pipe by now, nobody writes to it. */
    long fd = call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0, 0, 0);
    if (fd < 0) return;
    if (call6(SYS_pread64, fd, (long)&head, sizeof head, 0, 0, 0) != sizeof head || head.magic != IMAGE_MAGIC ||
        head.version != IMAGE_VERSION || head.table_bytes > (16 << 20) || head.pid == (uint64_t)call3(SYS_getpid, 0, 0, 0)) {
        call3(SYS_close, fd, 0, 0);
        return;
    }
    uint64_t state_bytes = (sizeof(struct State) + PAGE - 1) & ~(PAGE - 1);
    uint64_t maps_bytes = 1 << 18;
    uint64_t total = WORKSHOP_CODE + WORKSHOP_STACK + state_bytes + head.table_bytes + maps_bytes;
    char *shop = (char *)call6(SYS_mmap, (long)WORKSHOP, (long)total, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (shop != (char *)WORKSHOP) {
        if ((unsigned long)shop < -4096ul) call3(SYS_munmap, (long)shop, (long)total, 0);
        call3(SYS_close, fd, 0, 0);
        return;
    }
    struct State *state = (struct State *)(shop + WORKSHOP_CODE + WORKSHOP_STACK);
    char *table = (char *)state + state_bytes;
    uint64_t code = (uint64_t)(__stop_restorer - __start_restorer);
    if (code > WORKSHOP_CODE) goto cold;
    copy(shop, __start_restorer, code);
    state->left.head = (struct Head *)table;
    state->left.kind = *what;
    state->left.entry_at = entry_at;
    state->workshop_bytes = total;
    state->argv = argv;
    state->envp = envp;
    static const char exe[] = "/proc/self/exe";
    for (unsigned index = 0; index < sizeof exe; index++) state->exe[index] = exe[index];
    state->image_fd = fd;
    if (call6(SYS_pread64, fd, (long)table, (long)head.table_bytes, 0, 0, 0) != (long)head.table_bytes ||
        call3(SYS_mprotect, (long)shop, WORKSHOP_CODE, PROT_READ | PROT_EXEC))
        goto cold;
    head.sum = state->left.head->sum;
    state->left.head->sum = 0;
    if (image_sum(table, head.table_bytes, 0) != head.sum) goto cold;
    state->files = (struct File *)(table + head.files);
    state->maps = (struct Map *)(table + head.maps);
    state->text = table + head.text;
    note_ignored(state);
    read_hot(state, path);
    int obstacle = plan_restore(state, table + head.table_bytes, maps_bytes);
    if (obstacle == IN_THE_WAY && tries < TRIES) try_again(argv, envp);
    if (obstacle) goto cold;
    if (is_refused()) goto cold;
    if (leave_rseq(state->left.head)) goto cold;
    copy(&state->ahead, &ahead, sizeof ahead);
    void (*run)(struct State *) = (void (*)(struct State *))(shop + ((const char *)rebuild - __start_restorer));
    __asm__ volatile("mov %0, %%rsp\n\tmov %1, %%rdi\n\txor %%ebp, %%ebp\n\tcall *%2"
                     :
                     : "r"(shop + WORKSHOP_CODE + WORKSHOP_STACK - 64), "r"(state), "r"(run)
                     : "rdi", "memory");
    __builtin_unreachable();
cold:
    call3(SYS_munmap, (long)shop, (long)total, 0);
    call3(SYS_close, fd, 0, 0);
}

/* Take a variable out of the environment, its text too: /proc shows the text. */
static void scrub(char **at) {
    for (volatile char *byte = *at; *byte; byte++) *byte = 0;
    for (char **next = at; (*next = next[1]); next++) {}
}

/* Where the kernel has put the arguments: their number, they, a zero, the environment, a zero, the auxiliary vector (ABI
 * of x86-64, 3.4.1), all of it above this frame. Texts lie above that, so no other word is followed by such lists: the
 * number itself would be among them, and it is no place. The loader knows (__libc_stack_end), but to ask it this library
 * would have to depend on it, and the loader would search for itself in all folders that the interpreter names. */
static char **find_arguments(void) {
    for (uint64_t *start = __builtin_frame_address(0);; start++) {
        uint64_t count = *start, *at = start + 1;
        while (*at > (uint64_t)start && *at < 1ull << 47) at++;
        if (!count || *at || (uint64_t)(at - start) != count + 1) continue;
        while (*++at > (uint64_t)start && *at < 1ull << 47) {}
        if (*at) continue;
        for (at++; *at && *at < 256; at += 2)
            if (*at == AT_PAGESZ && at[1] == PAGE) return (char **)start + 1;
    }
}

/* Keep a variable; whether there was room. */
static int keep(char *to, const char *item, int plus) {
    uint64_t at = 0;
    if (count_text(item) + 2 > sizeof variables[0]) return 0;
    do {
        to[at++] = *item;
        if (plus && *item == '=') to[at++] = '+', plus = 0;
    } while (*item++);
    return 1;
}

PUBLIC unsigned la_version(unsigned version) {
    (void)version;
    char **argv = find_arguments(), **envp = argv + (long)argv[-1] + 1;
    int kept = 0;
    for (char **at = envp; *at;) {
        int is_image = find_value(*at, "ENTREPOT_IMAGE") != NULL;
        if (is_image || find_value(*at, "LD_AUDIT")) {
            kept |= keep(variables[is_image], *at, is_image) << is_image;
            scrub(at);
        } else at++;
    }
    if (kept == 3) {
        restore(find_value(variables[1], "ENTREPOT_IMAGE") + 1, argv, envp); /* comes back where that cannot be */
        if (!is_right(&ahead) && *ahead.text) start_again(&ahead, "/proc/self/exe", argv, envp);
    }
    return 0;
}
