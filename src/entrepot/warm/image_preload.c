/* The library that an interpreter is started with to prepare an image (image_restore.c takes it over).
 *
 *   ENTREPOT_PREPARE=descriptor:path  let Python start; when it is about to run the program, with no Python frame
 *                          on the stack, run the text of that file (warm/resident.py) in a namespace of
 *                          its own and hand it the program (`begin`). The code that it gives back is
 *                          evaluated from here, so the program has no frame of ours below it.
 *
 * In a process that took an image over the same code goes on, from the middle of `begin` or of the
 * program's code, to the end of the program (`finish`).
 *
 * madvise(MADV_DONTNEED) promises zeros where memory is anonymous. In such a process that memory comes
 * from a file, so it is exchanged for anonymous memory first; allocators rely on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image.h"
#include "image_parts.h"
#include "image_python.h"

static struct Python python;
static char resident_path[4096];
static long control = -1; /* the descriptor to the keeper */
static int preparing, taken_over, leave_quickly;

/* ---- madvise */

__attribute__((visibility("default"))) int madvise(void *address, size_t size, int advice) {
    if (taken_over && (advice == MADV_DONTNEED || advice == MADV_FREE)) {
        const struct Head *table = LEFT->head;
        const struct Span *spans = (const struct Span *)((const char *)table + table->spans);
        uint64_t from = (uint64_t)address, to = (from + size + PAGE - 1) & ~(PAGE - 1);
        if (from & (PAGE - 1)) goto plain;
        uint64_t low = 0, high = table->span_count; /* spans are in order of address */
        while (low < high) {
            uint64_t middle = (low + high) / 2;
            if (spans[middle].start + spans[middle].size <= from) low = middle + 1;
            else high = middle;
        }
        for (; low < table->span_count && spans[low].start < to; low++) {
            if (!(spans[low].prot & PROT_WRITE)) continue;
            uint64_t start = spans[low].start > from ? spans[low].start : from;
            uint64_t end = spans[low].start + spans[low].size < to ? spans[low].start + spans[low].size : to;
            mmap((void *)start, end - start, (int)spans[low].prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        }
        if (advice == MADV_FREE) return 0;
    }
plain:
    return (int)syscall(SYS_madvise, address, size, advice);
}

/* ---- what the resident code can call */

/* Called with the number of the process that has made this one: end with it, also where it has ended already. */
static Object *end_with(Object *self, Object *parent) {
    (void)self;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a fork does not inherit it */
    if (getppid() != (pid_t)python.PyLong_AsLong(parent)) _exit(0);
    return python.PyLong_FromLong(0);
}

static Object *dump_here(Object *self, Object *path) {
    (void)self;
    const char *name = python.PyBytes_AsString(path);
    if (!name) return NULL;
    taken_over = 1; /* so that it is in the image */
    int result = image_dump(name);
    if (result != 1) taken_over = 0;
    if (result < 0) return python.PyUnicode_FromString(image_error);
    return python.PyLong_FromLong(result);
}

static Object *set_quick(Object *self, Object *flag) {
    (void)self;
    leave_quickly = (int)python.PyLong_AsLong(flag);
    return python.PyLong_FromLong(taken_over ? (long)LEFT->ignored : 0);
}

/* What is run: the letter of the kind, and the place of the program in the arguments. */
static Object *describe_run(Object *self, Object *unused) {
    (void)self;
    (void)unused;
    return python.PyLong_FromLong(taken_over ? (long)LEFT->kind << 16 | (LEFT->entry_at & 0xffff) : 0);
}

/* Whether each name of one dictionary has the same object in another. Looks at no object's reference count, which
 * would be written to: a page of memory copied for each. */
static Object *is_same(Object *self, Object *const *arguments, long count) {
    (void)self;
    long at = 0;
    Object *name, *value;
    if (count != 2) return python.PyLong_FromLong(0);
    while (python.PyDict_Next(arguments[0], &at, &name, &value))
        if (python.PyDict_GetItemWithError(arguments[1], name) != value) {
            python.PyErr_Clear();
            return python.PyLong_FromLong(0);
        }
    return python.PyLong_FromLong(1);
}

static int append_bytes(Object *list, const char *text, size_t size) {
    Object *bytes = python.PyBytes_FromStringAndSize(text, (long)size);
    if (!bytes) return 0;
    int done = !python.PyList_Append(list, bytes);
    python.Py_DecRef(bytes);
    return done;
}

/* Called with an environment's bytes, each variable ended by a zero, and a mapping of bytes. Where they have the same names
 * in the same order: a list of those whose values differ, each with its value of the text after it. Else None. */
static Object *find_changed(Object *self, Object *const *arguments, long count) {
    (void)self;
    const char *text = count == 2 ? python.PyBytes_AsString(arguments[0]) : NULL, *end = text ? text + python.PyBytes_Size(arguments[0]) : NULL;
    Object *changed = text ? python.PyList_New(0) : NULL, *name, *value;
    int is_same = changed != NULL;
    long at = 0;
    while (is_same && python.PyDict_Next(arguments[1], &at, &name, &value)) {
        const char *key = python.PyBytes_AsString(name), *was = python.PyBytes_AsString(value);
        size_t size = key ? strlen(key) : 0;
        is_same = size && was && text < end && !strncmp(text, key, size) && text[size] == '=';
        if (!is_same) break;
        const char *now = text + size + 1;
        text = now + strlen(now) + 1; /* bytes have a zero behind their end */
        if (strcmp(now, was)) is_same = append_bytes(changed, key, size) && append_bytes(changed, now, strlen(now));
    }
    if (is_same && text == end) return changed;
    if (changed) python.Py_DecRef(changed);
    python.PyErr_Clear();
    python.Py_IncRef(python.none);
    return python.none;
}

/* Whether nothing in a namespace has an end that could be told: (names, types of which that is known, type of functions).
 * A function counts if it holds no objects of its own. */
static Object *is_inert(Object *self, Object *const *arguments, long count) {
    (void)self;
    long at = 0, inert = count == 3;
    Object *name, *value;
    while (inert && python.PyDict_Next(arguments[0], &at, &name, &value)) {
        if (!python.PyUnicode_CompareWithASCIIString(name, "__builtins__")) continue;
        Object *type = python.PyObject_Type(value);
        if (type == arguments[2]) {
            Object **names = python._PyObject_GetDictPtr(value);
            inert = !python.PyFunction_GetClosure(value) && !python.PyFunction_GetDefaults(value) &&
                    !python.PyFunction_GetKwDefaults(value) && !(names && *names);
        } else {
            inert = python.PySet_Contains(arguments[1], type) == 1;
        }
        python.Py_DecRef(type);
    }
    python.PyErr_Clear();
    return python.PyLong_FromLong(inert);
}

/* Functions that stand before those of the import system. Written in C they have no frame, and so leave none in the
 * traceback of an error that comes through them. */

#define MAX_ASKED 20000 /* a program may try without end what is not there */

/* Bound to (modules that wait, who hands them over, the genuine function, the names asked for so far): called with a name
 * and `__import__`. */
static Object *find_and_load(Object *bound, Object *const *arguments, long count) {
    Object *name = count == 2 ? arguments[0] : python.none, *import = count == 2 ? arguments[1] : python.none;
    Object *asked = python.PyTuple_GetItem(bound, 3);
    if (python.PyList_Size(asked) < MAX_ASKED && python.PyList_Append(asked, name)) python.PyErr_Clear();
    if (python.PyDict_GetItemWithError(python.PyTuple_GetItem(bound, 0), name)) {
        Object *found = python.PyObject_CallFunctionObjArgs(python.PyTuple_GetItem(bound, 1), name, import, NULL);
        if (found != python.none) return found;
        python.Py_DecRef(found);
    } else if (python.PyErr_Occurred()) {
        python.PyErr_Clear(); /* no text: the genuine function says so */
    }
    return python.PyObject_CallFunctionObjArgs(python.PyTuple_GetItem(bound, 2), name, import, NULL);
}

/* Bound to (who knows code already, who looks at it, the genuine function): called with a loader and a name. */
static Object *get_code(Object *bound, Object *const *arguments, long count) {
    Object *loader = count == 2 ? arguments[0] : python.none, *name = count == 2 ? arguments[1] : python.none;
    Object *code = python.PyObject_CallFunctionObjArgs(python.PyTuple_GetItem(bound, 0), loader, name, NULL);
    if (code == python.none) {
        python.Py_DecRef(code);
        code = python.PyObject_CallFunctionObjArgs(python.PyTuple_GetItem(bound, 2), loader, name, NULL);
    }
    Object *seen = code ? python.PyObject_CallFunctionObjArgs(python.PyTuple_GetItem(bound, 1), code, NULL) : NULL;
    if (seen) {
        python.Py_DecRef(seen);
        return code;
    }
    if (code) python.Py_DecRef(code);
    return NULL;
}

static Method fronts[] = {
    {"_find_and_load", (Object *(*)(Object *, Object *))(void (*)(void))find_and_load, METHOD_FAST, NULL},
    {"get_code", (Object *(*)(Object *, Object *))(void (*)(void))get_code, METHOD_FAST, NULL},
};

static Object *front_find_and_load(Object *self, Object *bound) {
    (void)self;
    return python.PyCFunction_NewEx(&fronts[0], bound, NULL);
}

/* A method: a loader's class has it. */
static Object *front_get_code(Object *self, Object *bound) {
    (void)self;
    Object *function = python.PyCFunction_NewEx(&fronts[1], bound, NULL), *method = function ? python.PyInstanceMethod_New(function) : NULL;
    if (function) python.Py_DecRef(function);
    return method;
}

static Object *note_hot(Object *self, Object *image) {
    (void)self;
    const char *path = python.PyBytes_AsString(image);
    if (path && taken_over) image_note_hot(path);
    return python.PyLong_FromLong(0);
}

static Method methods[] = {
    {"note_hot", note_hot, METHOD_ONE_ARGUMENT, NULL},
    {"front_find_and_load", front_find_and_load, METHOD_ONE_ARGUMENT, NULL},
    {"front_get_code", front_get_code, METHOD_ONE_ARGUMENT, NULL},
    {"find_changed", (Object *(*)(Object *, Object *))(void (*)(void))find_changed, METHOD_FAST, NULL},
    {"is_inert", (Object *(*)(Object *, Object *))(void (*)(void))is_inert, METHOD_FAST, NULL},
    {"is_same", (Object *(*)(Object *, Object *))(void (*)(void))is_same, METHOD_FAST, NULL},
    {"describe_run", describe_run, METHOD_ONE_ARGUMENT, NULL},
    {"dump", dump_here, METHOD_ONE_ARGUMENT, NULL},
    {"end_with", end_with, METHOD_ONE_ARGUMENT, NULL},
    {"set_quick", set_quick, METHOD_ONE_ARGUMENT, NULL},
};

/* ---- the end of a program */

static void call_ignoring(Object *function) {
    Object *result = function ? python.PyObject_CallFunctionObjArgs(function, NULL) : NULL;
    if (result) python.Py_DecRef(result);
    else python.PyErr_Clear();
}

/* The exit status that Python gives to SystemExit, its message printed. */
static int take_system_exit(void) {
    Object *type = NULL, *value = NULL, *trace = NULL;
    python.PyErr_Fetch(&type, &value, &trace);
    python.PyErr_NormalizeException(&type, &value, &trace);
    Object *globals = python.PyDict_New();
    python.PyDict_SetItemString(globals, "__builtins__", python.PyEval_GetBuiltins());
    python.PyDict_SetItemString(globals, "value", value);
    static const char text[] = "import sys as s\n"
                               "c = value.code\n"
                               "t = 0 if c is None else 1 if isinstance(c, str) else int.__and__(c, 0xffffffff)\n"
                               "if isinstance(c, str):\n"
                               "    try:\n"
                               "        s.stderr.write(c)\n"
                               "    except BaseException:\n"
                               "        pass\n"
                               "    s.stderr.write(chr(10))\n";
    Object *done = python.PyRun_String(text, FILE_INPUT, globals, globals);
    if (!done) python.PyErr_Print();
    Object *status = python.PyDict_GetItemString(globals, "t");
    return status ? (int)python.PyLong_AsLong(status) : 1;
}

/* Call one of `ending/resident.py`, whatever exception is on its way, with it where it is asked about; -1 if it fails, or
 * says nothing. */
static long ask(Object *resident, const char *name, int about_exception) {
    Object *type = NULL, *value = NULL, *trace = NULL;
    python.PyErr_Fetch(&type, &value, &trace);
    if (about_exception) python.PyErr_NormalizeException(&type, &value, &trace);
    Object *function = python.PyDict_GetItemString(resident, name);
    Object *result = function ? python.PyObject_CallFunctionObjArgs(function, about_exception ? value : NULL, NULL) : NULL;
    long answer = result ? python.PyLong_AsLong(result) : -1;
    if (result) python.Py_DecRef(result);
    else python.PyErr_Clear();
    python.PyErr_Restore(type, value, trace);
    return answer;
}

/* Have the streams write what they hold; whether they could. After a file Python does so before it tells of an exception
 * (`flush_io` in pythonrun.c), and tells of none here. */
static int flush_streams(void) {
    static const char text[] = "import sys as s\n"
                               "done = 1\n"
                               "for f in s.stderr, s.stdout:\n"
                               "    try:\n"
                               "        f.flush()\n"
                               "    except BaseException:\n"
                               "        done = 0\n";
    Object *type = NULL, *value = NULL, *trace = NULL, *names = python.PyDict_New();
    python.PyErr_Fetch(&type, &value, &trace);
    python.PyDict_SetItemString(names, "__builtins__", python.PyEval_GetBuiltins());
    Object *ran = python.PyRun_String(text, FILE_INPUT, names, names);
    long done = ran ? python.PyLong_AsLong(python.PyDict_GetItemString(names, "done")) : 0;
    if (ran) python.Py_DecRef(ran);
    else python.PyErr_Clear();
    python.Py_DecRef(names);
    python.PyErr_Restore(type, value, trace);
    return (int)done;
}

/* Wait for threads and call what atexit has been given, as Py_FinalizeEx begins: from here, so that it sees no frame of ours. */
static void finish_plainly(void) {
    Object *modules = python.PyObject_GetAttrString(python.PyImport_AddModule("sys"), "modules");
    Object *threading = modules ? python.PyDict_GetItemString(modules, "threading") : NULL;
    if (threading) {
        Object *shutdown = python.PyObject_GetAttrString(threading, "_shutdown");
        Object *done = shutdown ? python.PyObject_CallFunctionObjArgs(shutdown, NULL) : NULL;
        if (done) python.Py_DecRef(done);
        else {
            if (python.PyErr_FormatUnraisable) python.PyErr_FormatUnraisable("Exception ignored on threading shutdown");
            else python.PyErr_WriteUnraisable(threading);
            /* Python calls it once more, and it has not noted that it was called. */
            python.PyObject_SetAttrString(threading, "_shutdown", python.PyDict_GetItemString(python.PyEval_GetBuiltins(), "dict"));
        }
        if (shutdown) python.Py_DecRef(shutdown);
    }
    if (modules) python.Py_DecRef(modules);
    Object *atexit = python.PyImport_ImportModule("atexit");
    Object *run = atexit ? python.PyObject_GetAttrString(atexit, "_run_exitfuncs") : NULL;
    call_ignoring(run);
}

/* Leave without taking down what was inherited: threads, atexit, streams, the program's own objects. Where the program has
 * left something whose end Python itself has to see to, or what it has written cannot be, Python does it, and tells of it. */
static int finish_quickly(Object *resident) {
    finish_plainly();
    if (ask(resident, "leaves_nothing", 0) == 1 && flush_streams()) {
        ask(resident, "finish_objects", 0);
        return flush_streams() ? 0 : -1; /* what an extension has written then */
    }
    leave_quickly = 0;
    ask(resident, "let_go", 0);
    return python.Py_FinalizeEx();
}

static void die_of_interrupt(void) {
    signal(SIGINT, SIG_DFL);
    kill(getpid(), SIGINT);
    _exit(130);
}

__attribute__((noreturn)) static void finish(Object *resident, Object *result) {
    int status = 0, interrupted = 0;
    Object *error = result ? NULL : python.PyErr_Occurred();
    int is_exit = error && python.PyErr_GivenExceptionMatches(error, *python.system_exit);
    if (leave_quickly && ask(resident, "ends_plainly", 0) != 1) leave_quickly = 0;
    if (leave_quickly && is_exit && ask(resident, "has_plain_code", 1) != 1) leave_quickly = 0;
    if (!leave_quickly) { /* before the modules are taken down, or PyErr_Print ends the process */
        ask(resident, "report_late", 0);
        ask(resident, "let_go", 0);
    }
    if (!result) {
        if (is_exit) {
            if (!leave_quickly) python.PyErr_Print(); /* does not come back */
            status = take_system_exit();
        } else {
            interrupted = error && python.PyErr_GivenExceptionMatches(error, *python.interrupt);
            python.PyErr_Print();
            call_ignoring(python.PyDict_GetItemString(resident, "ended"));
            status = 1;
        }
    }
    int flushed = leave_quickly ? finish_quickly(resident) : python.Py_FinalizeEx();
    if (flushed < 0) status = 120;
    if (interrupted) die_of_interrupt();
    if (leave_quickly) {
        fflush(NULL);
        _exit(status);
    }
    exit(status);
}

/* ---- the beginning of a program */

static char *read_text(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    char *text = calloc(1, 1 << 18);
    size_t used = 0;
    ssize_t got;
    while (text && used < (1 << 18) - 1 && (got = read(fd, text + used, (1 << 18) - 1 - used)) > 0) used += (size_t)got;
    close(fd);
    return text;
}

static int take_over(const char *kind, Object *arguments) {
    Object *resident = python.PyDict_New();
    char *text = read_text(resident_path);
    if (!resident || !text) _exit(70);
    python.PyDict_SetItemString(resident, "__builtins__", python.PyEval_GetBuiltins());
    Object *place = python.PyUnicode_FromString(resident_path);
    python.PyDict_SetItemString(resident, "RESIDENT", place);
    python.PyDict_SetItemString(resident, "CONTROL", python.PyLong_FromLong(control));
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++)
        python.PyDict_SetItemString(resident, methods[index].name, python.PyCFunction_NewEx(&methods[index], NULL, NULL));
    Object *loaded = python.PyRun_String(text, FILE_INPUT, resident, resident);
    free(text);
    Object *begin = loaded ? python.PyDict_GetItemString(resident, "begin") : NULL;
    if (!begin) {
        python.PyErr_Print();
        _exit(70);
    }
    Object *subject = python.PyTuple_Size(arguments) ? python.PyTuple_GetItem(arguments, 0) : python.none;
    Object *code = python.PyObject_CallFunctionObjArgs(begin, python.PyUnicode_FromString(kind), subject, NULL);
    if (!code) {
        if (taken_over) return -1; /* the program's own error: Python prints it and ends */
        python.PyErr_Print();
        _exit(71);
    }
    Object *function = python.PyDict_GetItemString(resident, "FUNCTION"), *result;
    if (code == python.none && !function) return 0; /* Python goes on by itself */
    if (function) {
        result = python.PyObject_CallFunctionObjArgs(function, python.PyDict_GetItemString(resident, "FIRST"),
                                                     python.PyDict_GetItemString(resident, "SECOND"), NULL);
    } else {
        Object *names = python.PyModule_GetDict(python.PyImport_AddModule("__main__"));
        result = python.PyEval_EvalCode(code, names, names);
        if (taken_over && (LEFT->kind == 'f' || LEFT->kind == 's')) flush_streams();
    }
    if (!taken_over) { /* the entry point ended, or failed, before it came to the point of waiting */
        if (!result) python.PyErr_Print();
        _exit(result ? 72 : 73);
    }
    Object *ended = python.PyDict_GetItemString(resident, "ended");
    if (result) call_ignoring(ended);
    finish(resident, result);
}

static int on_audit(const char *event, Object *arguments, void *unused) {
    (void)unused;
    if (!preparing || strncmp(event, "cpython.run_", 12)) return 0;
    const char *kind = event + 12;
    if (strcmp(kind, "file") && strcmp(kind, "command") && strcmp(kind, "module") && strcmp(kind, "stdin")) return 0;
    preparing = 0;
    return take_over(kind, arguments);
}

/* The heap grows by mappings of its own: its other way (brk) belongs to each process by itself. */
static void stop_brk(void) {
    char *end = sbrk(0);
    char *page = (char *)(((uintptr_t)end + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    mmap(page, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

__attribute__((constructor)) static void start(void) {
    const char *prepare = getenv("ENTREPOT_PREPARE");
    if (!prepare || !strchr(prepare, ':') || strlen(prepare) >= sizeof resident_path) return;
    control = atol(prepare);
    strcpy(resident_path, strchr(prepare, ':') + 1);
    unsetenv("ENTREPOT_PREPARE");
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* unobserved: nothing is left of a keeper that is killed */
    stop_brk();
    preparing = 1;
    if (!find_python(&python) || python.PySys_AddAuditHook(on_audit, NULL)) _exit(74);
}
