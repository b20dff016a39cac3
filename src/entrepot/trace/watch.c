/* The two places of a traced program that are passed tens of thousands of times, in C.
 *
 *     watch(real, events, failed, flush)    what stands for builtins.__import__: notes a statement, then does it
 *     is_statement(frame)                   whether the innermost statement of this thread stands in that frame
 *     around(real, begin, end, failed)      what stands for _find_and_load: begin(name) before; end(name) or failed(name, error) after
 *     searching(real)                       what stands for FileFinder.find_spec: notes the folder
 *     reading(real, code_of)                what stands for SourceFileLoader.path_stats: notes the file
 *     fold(getsignal, *objects)             a number that differs when a handler of a signal or one of the objects is another
 *     listen(hook), stop()                  call hook(event, args) for audit events that matter
 *
 * statements/resident.py and effects/resident.py say what is noted and why, and do the same in Python where this
 * library is not there. Beside its speed: a C function leaves no frame in tracebacks, makes no object that the garbage
 * collector counts, and takes no room on the stack of Python's frames. (That grows in pieces of 16 KiB; where a loop
 * happens to cross from one to the next, each of its calls maps memory and gives it back: a few frames more
 * or less below it can make a program a third slower.)
 *
 * What is said of audit events is watch_audit.c's; what is called of Python, and why without its headers, is in watch.h.
 */
#include <time.h>

#include "watch.h"

static Object *real_find, *on_begin, *on_end, *on_failed, *real_search, *real_read, *code_of;
static Object *text_F, *text_path, *text_read;
static Object *real_import, *events, *on_failure, *on_full;
static Object *text_S, *text_filename, *text_qualname, *text_name, *text_lines, *text_first_line, *empty, *zero;
static long full_at;
static __thread Object *statement_frame; /* of the innermost statement; only compared, never touched */

static Object *now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time); /* what time.perf_counter reads */
    return PyFloat_FromDouble((double)time.tv_sec + (double)time.tv_nsec * 1e-9);
}

/* Add the fields of S to the events, all or none. Takes over a reference to each. */
static int add_all(Object **fields, int number)
{
    int is_whole = 1, each;
    for (each = 0; each < number; each++)
        is_whole &= fields[each] != NULL;
    for (each = 0; each < number; each++) {
        if (is_whole)
            PyList_Append(events, fields[each]);
        if (fields[each] != NULL)
            Py_DecRef(fields[each]);
    }
    if (!is_whole)
        PyErr_Clear();
    return is_whole;
}

/* How far a code's table of lines has been read: `line` (from the code's first) is that before the entry at `next`, which
 * is for the instructions from `offset` on. The table is held, so that its address stands for it. */
typedef struct { Object *table; const unsigned char *next, *end; int offset, line; } Position;
static Position positions[64];

static int read_signed(const unsigned char *from)
{
    unsigned value = *from & 63, shift = 0;
    while (*from & 64)
        value |= (unsigned)(*++from & 63) << (shift += 6);
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

/* The line that a frame is at. The interpreter reads the table from its beginning each time: for the statements of a
 * long module that was a fifth of what watching them took. Here it is read on from where the last statement was. */
static int find_line(Object *frame, Object *code)
{
    int at = PyFrame_GetLasti(frame), line = -1;
    Object *table = PyObject_GetAttr(code, text_lines), *first = PyObject_GetAttr(code, text_first_line);
    Position *position;
    const unsigned char *begin = table ? (const unsigned char *)PyBytes_AsString(table) : NULL;
    if (at < 0 || begin == NULL || first == NULL) {
        PyErr_Clear();
        line = PyFrame_GetLineNumber(frame);
    } else {
        position = &positions[((size_t)table >> 5) % (sizeof positions / sizeof *positions)];
        if (position->table != table || at < position->offset) {
            Object *before = position->table;
            *position = (Position){keep(table), begin, begin + PyBytes_Size(table), 0, 0};
            if (before != NULL)
                Py_DecRef(before);
        }
        while (position->next < position->end) {
            /* 0x80, the kind of entry (4 bits), the number of instructions less one (3 bits) */
            int kind = *position->next >> 3 & 15, length = ((*position->next & 7) + 1) * 2;
            int more = kind == 13 || kind == 14 ? read_signed(position->next + 1) : kind >= 10 && kind <= 12 ? kind - 10 : 0;
            if (at < position->offset + length) {
                line = kind == 15 ? -1 : (int)PyLong_AsLong(first) + position->line + more;
                break;
            }
            position->line += more;
            position->offset += length;
            while (++position->next < position->end && !(*position->next & 0x80))
                ;
        }
    }
    if (table != NULL)
        Py_DecRef(table);
    if (first != NULL)
        Py_DecRef(first);
    return line;
}

static void note_statement(Object *frame, Object *at, Object *name, Object *names, Object *level)
{
    Object *code = PyFrame_GetCode(frame), *globals = PyFrame_GetGlobals(frame);
    Object *importer = PyDict_GetItem(globals, text_name);
    Object *fields[] = {
        keep(text_S), PyLong_FromUnsignedLong(PyThread_get_thread_ident()), keep(at),
        PyLong_FromLong(find_line(frame, code)), PyObject_GetAttr(code, text_filename),
        PyObject_GetAttr(code, text_qualname), keep(importer ? importer : &_Py_NoneStruct),
        keep(name), keep(names), keep(level),
    };
    add_all(fields, 10);
    Py_DecRef(code);
    Py_DecRef(globals);
    if (PyList_Size(events) > full_at) {
        Object *done = PyObject_CallFunctionObjArgs(on_full, NULL);
        if (done != NULL)
            Py_DecRef(done);
        else
            PyErr_Clear();
    }
}

static void note_failure(Object *at)
{
    Object *type, *value, *traceback, *done;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    done = PyObject_CallFunctionObjArgs(on_failure, at, value ? value : &_Py_NoneStruct, NULL);
    if (done != NULL)
        Py_DecRef(done);
    else
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

/* __import__(name, globals=None, locals=None, fromlist=(), level=0) */
static Object *import_noted(Object *self, Object *const *args, long number, Object *keywords)
{
    Object *frame = PyEval_GetFrame(), *around = statement_frame, *at, *result;
    Object *name = &_Py_NoneStruct, *names = empty, *level = zero;
    long each, count = keywords ? PyTuple_Size(keywords) : 0;
    (void)self;
    if (frame == NULL || (at = now()) == NULL) {
        PyErr_Clear();
        return PyObject_Vectorcall(real_import, args, (size_t)number, keywords);
    }
    if (number > 0) name = args[0];
    if (number > 3) names = args[3];
    if (number > 4) level = args[4];
    for (each = 0; each < count; each++) {
        Object *word = PyTuple_GetItem(keywords, each);
        if (!PyUnicode_CompareWithASCIIString(word, "name")) name = args[number + each];
        else if (!PyUnicode_CompareWithASCIIString(word, "fromlist")) names = args[number + each];
        else if (!PyUnicode_CompareWithASCIIString(word, "level")) level = args[number + each];
    }
    note_statement(frame, at, name, names, level);
    statement_frame = frame;
    result = PyObject_Vectorcall(real_import, args, (size_t)number, keywords);
    statement_frame = around;
    if (result == NULL)
        note_failure(at);
    Py_DecRef(at);
    return result;
}

static Method import_method = {
    "__import__", (void *)import_noted, METHOD_FAST_KEYWORDS,
    "Import a module, as the function that it stands for does.",
};

static Object *watch(Object *self, Object *const *args, long number)
{
    Object *module = PyUnicode_FromString("builtins"), *made;
    (void)self;
    (void)number;
    real_import = keep(args[0]);
    events = keep(args[1]);
    on_failure = keep(args[2]);
    on_full = keep(args[3]);
    made = PyCFunction_NewEx(&import_method, NULL, module);
    Py_DecRef(module);
    return made;
}

/* _find_and_load(name, import_) */
static Object *find_noted(Object *self, Object *const *args, long number, Object *keywords)
{
    Object *begun = PyObject_CallFunctionObjArgs(on_begin, args[0], NULL), *result, *done;
    Object *type, *value, *traceback;
    int is_noted = begun == &_Py_TrueStruct;
    (void)self;
    if (begun == NULL)
        return NULL; /* Ctrl-C in the middle of it */
    Py_DecRef(begun);
    result = PyObject_Vectorcall(real_find, args, (size_t)number, keywords);
    if (!is_noted)
        return result;
    if (result != NULL) {
        done = PyObject_CallFunctionObjArgs(on_end, args[0], NULL);
        if (done == NULL) {
            Py_DecRef(result);
            return NULL;
        }
        Py_DecRef(done);
        return result;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    done = PyObject_CallFunctionObjArgs(on_failed, args[0], value ? value : &_Py_NoneStruct, NULL);
    if (done != NULL)
        Py_DecRef(done);
    else
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static Method find_method = {"_find_and_load", (void *)find_noted, METHOD_FAST_KEYWORDS, "Find and load the module."};

static Object *around(Object *self, Object *const *args, long number)
{
    (void)self;
    (void)number;
    real_find = keep(args[0]);
    on_begin = keep(args[1]);
    on_end = keep(args[2]);
    on_failed = keep(args[3]);
    return PyCFunction_NewEx(&find_method, NULL, NULL);
}

/* FileFinder.find_spec(self, fullname, target=None) */
static Object *search_noted(Object *self, Object *const *args, long number, Object *keywords)
{
    (void)self;
    if (number > 0) {
        Object *fields[] = {
            keep(text_F), PyLong_FromUnsignedLong(PyThread_get_thread_ident()), PyObject_GetAttr(args[0], text_path),
        };
        add_all(fields, 3);
    }
    return PyObject_Vectorcall(real_search, args, (size_t)number, keywords);
}

static Method search_method = {"find_spec", (void *)search_noted, METHOD_FAST_KEYWORDS, "Try to find a spec for the module."};

static Object *searching(Object *self, Object *const *args, long number)
{
    Object *function = PyCFunction_NewEx(&search_method, NULL, NULL);
    (void)self;
    (void)number;
    real_search = keep(args[0]);
    return PyInstanceMethod_New(function);
}

/* SourceFileLoader.path_stats(self, path) */
static Object *read_noted(Object *self, Object *const *args, long number, Object *keywords)
{
    (void)self;
    if (number > 1 && PyDict_SetItem(code_of, args[1], text_read))
        PyErr_Clear();
    return PyObject_Vectorcall(real_read, args, (size_t)number, keywords);
}

static Method read_method = {"path_stats", (void *)read_noted, METHOD_FAST_KEYWORDS, "Return the metadata for the path."};

static Object *reading(Object *self, Object *const *args, long number)
{
    Object *function = PyCFunction_NewEx(&read_method, NULL, NULL);
    (void)self;
    (void)number;
    real_read = keep(args[0]);
    code_of = keep(args[1]);
    return PyInstanceMethod_New(function);
}

static Object *is_statement(Object *self, Object *const *args, long number)
{
    (void)self;
    return keep(number == 1 && args[0] == statement_frame ? &_Py_TrueStruct : &_Py_FalseStruct);
}

/* By address, as id() tells them: that asks the audit hooks each time, and this is asked twice a module. */
static Object *fold(Object *self, Object *const *args, long number)
{
    size_t folded = 0;
    long each;
    (void)self;
    for (each = 1; each < 32; each++) {
        Object *signal = PyLong_FromLong(each), *handler = PyObject_Vectorcall(args[0], &signal, 1, NULL);
        Py_DecRef(signal);
        if (handler == NULL)
            return NULL;
        folded = (folded ^ (size_t)handler) * 0x9E3779B97F4A7C15u;
        Py_DecRef(handler);
    }
    for (each = 1; each < number; each++)
        folded = (folded ^ (size_t)args[each]) * 0x9E3779B97F4A7C15u;
    return PyLong_FromUnsignedLong(folded);
}

static Method methods[] = {
    {"watch", (void *)watch, METHOD_FAST, "watch(real, events, failed, flush): what stands for builtins.__import__"},
    {"around", (void *)around, METHOD_FAST, "around(real, begin, end, failed): what stands for _find_and_load"},
    {"searching", (void *)searching, METHOD_FAST, "searching(real): what stands for FileFinder.find_spec"},
    {"reading", (void *)reading, METHOD_FAST, "reading(real, code_of): what stands for SourceFileLoader.path_stats"},
    {"is_statement", (void *)is_statement, METHOD_FAST, "is_statement(frame)"},
    {"fold", (void *)fold, METHOD_FAST, "fold(getsignal, *objects): a number for the handlers and the objects"},
    {"listen", (void *)audit_listen, METHOD_FAST, "listen(hook): call it for audit events that matter"},
    {"stop", (void *)audit_stop, METHOD_FAST, "stop(): call the hook no more"},
    {NULL, NULL, 0, NULL},
};
static Module module = {
    {1, NULL}, NULL, 0, NULL, "_watch", "Noting import statements and audit events.", -1, methods, NULL, NULL, NULL, NULL,
};

__attribute__((visibility("default"))) Object *PyInit__watch(void)
{
    text_S = PyUnicode_InternFromString("S");
    text_F = PyUnicode_InternFromString("F");
    text_path = PyUnicode_InternFromString("path");
    text_read = PyUnicode_InternFromString("read");
    text_filename = PyUnicode_InternFromString("co_filename");
    text_qualname = PyUnicode_InternFromString("co_qualname");
    text_name = PyUnicode_InternFromString("__name__");
    text_lines = PyUnicode_InternFromString("co_linetable");
    text_first_line = PyUnicode_InternFromString("co_firstlineno");
    empty = PyTuple_New(0);
    zero = PyLong_FromLong(0);
    full_at = 40000;
    if (!text_S || !text_filename || !text_qualname || !text_name || !text_F || !text_path || !text_read || !text_lines ||
        !text_first_line || !empty || !zero)
        return NULL;
    return PyModule_Create2(&module, ABI_VERSION);
}
