/* What the files of the library that watches call of Python, and of each other.
 *
 * No header of Python is needed, so one library serves all versions from 3.11 on: what is called is of the stable ABI
 * (PEP 384), or (PyFrame_GetGlobals, PyFrame_GetLasti, PyObject_Vectorcall, PyThreadState_EnterTracing,
 * PySys_AddAuditHook, the table of lines in Objects/locations.md) has not changed from 3.11 to 3.13. Not for builds
 * without the GIL or with debugging: their objects are laid out differently.
 */
#ifndef ENTREPOT_WATCH_H
#define ENTREPOT_WATCH_H
#include <stddef.h>

typedef struct { long references; void *type; } Object;
typedef Object *(*Function)(Object *, Object *const *, long, Object *);
typedef struct { const char *name; void *function; int flags; const char *doc; } Method;
typedef struct {
    Object head; Object *(*init)(void); long index; Object *copy;
    const char *name, *doc; long size; Method *methods; void *slots, *traverse, *clear, *free;
} Module;

#define METHOD_FAST_KEYWORDS 0x82
#define METHOD_FAST 0x80
#define ABI_VERSION 3

extern Object _Py_NoneStruct, _Py_TrueStruct, _Py_FalseStruct;
extern Object *PyModule_Create2(Module *, int), *PyCFunction_NewEx(Method *, Object *, Object *);
extern Object *PyEval_GetFrame(void), *PyFrame_GetCode(Object *), *PyFrame_GetGlobals(Object *);
extern Object *PyObject_GetAttr(Object *, Object *), *PyDict_GetItem(Object *, Object *);
extern Object *PyUnicode_InternFromString(const char *), *PyUnicode_FromString(const char *);
extern Object *PyLong_FromLong(long), *PyLong_FromUnsignedLong(unsigned long), *PyFloat_FromDouble(double);
extern Object *PyTuple_New(long), *PyTuple_GetItem(Object *, long);
extern Object *PyObject_Vectorcall(Object *, Object *const *, size_t, Object *);
extern Object *PyObject_CallFunctionObjArgs(Object *, ...);
extern Object *PyInstanceMethod_New(Object *);
extern int PyDict_SetItem(Object *, Object *, Object *);
extern int PyFrame_GetLineNumber(Object *), PyFrame_GetLasti(Object *), PyList_Append(Object *, Object *);
extern char *PyBytes_AsString(Object *);
extern long PyBytes_Size(Object *), PyLong_AsLong(Object *);
extern int PyUnicode_CompareWithASCIIString(Object *, const char *);
extern long PyList_Size(Object *), PyTuple_Size(Object *);
extern unsigned long PyThread_get_thread_ident(void);
extern void Py_IncRef(Object *), Py_DecRef(Object *), PyErr_Clear(void);
extern void PyErr_Fetch(Object **, Object **, Object **), PyErr_Restore(Object *, Object *, Object *);
extern void PyErr_NormalizeException(Object **, Object **, Object **);
extern int PySys_AddAuditHook(int (*)(const char *, Object *, void *), void *);
extern void *PyThreadState_Get(void), *PyInterpreterState_Get(void);
extern void PyThreadState_EnterTracing(void *), PyThreadState_LeaveTracing(void *);

/* watch_audit.c: listen(hook), stop() */
__attribute__((visibility("hidden"))) Object *audit_listen(Object *self, Object *const *args, long number);
__attribute__((visibility("hidden"))) Object *audit_stop(Object *self, Object *const *args, long number);

static inline Object *keep(Object *object)
{
    Py_IncRef(object);
    return object;
}
#endif
