/* The few functions of Python that the image library calls, found in the process at run time.
 *
 * One library serves every version of Python, with no headers of Python: these are of the stable ABI
 * (PEP 384), or (PyRun_String, PyEval_GetBuiltins, those of functions) have not changed since Python 3.0.
 */
#ifndef ENTREPOT_IMAGE_PYTHON_H
#define ENTREPOT_IMAGE_PYTHON_H
#define _GNU_SOURCE
#include <dlfcn.h>

typedef void Object;

typedef struct {
    const char *name;
    Object *(*function)(Object *self, Object *argument);
    int flags;
    const char *doc;
} Method;
#define METHOD_ONE_ARGUMENT 8
#define METHOD_FAST 0x80
#define FILE_INPUT 257

#define PYTHON_FUNCTIONS(F)                                              \
    F(int, PySys_AddAuditHook, (int (*)(const char *, Object *, void *), void *)) \
    F(Object *, PyDict_New, (void))                                      \
    F(int, PyDict_SetItemString, (Object *, const char *, Object *))     \
    F(Object *, PyDict_GetItemString, (Object *, const char *))          \
    F(int, PyDict_Next, (Object *, long *, Object **, Object **))        \
    F(Object *, PyDict_GetItemWithError, (Object *, Object *))           \
    F(Object *, PyObject_Type, (Object *))                               \
    F(int, PySet_Contains, (Object *, Object *))                         \
    F(int, PyUnicode_CompareWithASCIIString, (Object *, const char *))   \
    F(Object *, PyFunction_GetClosure, (Object *))                       \
    F(Object *, PyFunction_GetDefaults, (Object *))                      \
    F(Object *, PyFunction_GetKwDefaults, (Object *))                    \
    F(Object **, _PyObject_GetDictPtr, (Object *))                       \
    F(Object *, PyEval_GetBuiltins, (void))                              \
    F(Object *, PyEval_EvalCode, (Object *, Object *, Object *))         \
    F(Object *, PyRun_String, (const char *, int, Object *, Object *))   \
    F(Object *, PyCFunction_NewEx, (Method *, Object *, Object *))       \
    F(Object *, PyInstanceMethod_New, (Object *))                        \
    F(Object *, PyObject_CallFunctionObjArgs, (Object *, ...))           \
    F(Object *, PyObject_GetAttrString, (Object *, const char *))        \
    F(int, PyObject_SetAttrString, (Object *, const char *, Object *))   \
    F(Object *, PyUnicode_FromString, (const char *))                    \
    F(Object *, PyBytes_FromStringAndSize, (const char *, long))         \
    F(const char *, PyBytes_AsString, (Object *))                        \
    F(long, PyBytes_Size, (Object *))                                    \
    F(Object *, PyList_New, (long))                                      \
    F(int, PyList_Append, (Object *, Object *))                          \
    F(long, PyList_Size, (Object *))                                     \
    F(Object *, PyTuple_GetItem, (Object *, long))                       \
    F(long, PyTuple_Size, (Object *))                                    \
    F(Object *, PyLong_FromLong, (long))                                 \
    F(long, PyLong_AsLong, (Object *))                                   \
    F(Object *, PyImport_AddModule, (const char *))                      \
    F(Object *, PyImport_ImportModule, (const char *))                   \
    F(Object *, PyModule_GetDict, (Object *))                            \
    F(Object *, PyErr_Occurred, (void))                                  \
    F(void, PyErr_Print, (void))                                         \
    F(void, PyErr_Clear, (void))                                         \
    F(void, PyErr_WriteUnraisable, (Object *))                           \
    F(int, PyErr_GivenExceptionMatches, (Object *, Object *))            \
    F(void, PyErr_Fetch, (Object **, Object **, Object **))              \
    F(void, PyErr_Restore, (Object *, Object *, Object *))               \
    F(void, PyErr_NormalizeException, (Object **, Object **, Object **)) \
    F(int, Py_FinalizeEx, (void))                                        \
    F(void, Py_IncRef, (Object *))                                       \
    F(void, Py_DecRef, (Object *))

#define DECLARE(result, name, arguments) result(*name) arguments;
struct Python {
    PYTHON_FUNCTIONS(DECLARE)
    Object *none;            /* Py_None */
    Object **system_exit;    /* PyExc_SystemExit */
    Object **interrupt;      /* PyExc_KeyboardInterrupt */
    void (*PyErr_FormatUnraisable)(const char *, ...); /* from 3.13 on, else NULL */
};
#undef DECLARE

static int find_python(struct Python *python) {
    int found = 1;
#define FIND(result, name, arguments) found &= (*(void **)&python->name = dlsym(RTLD_DEFAULT, #name)) != 0;
    PYTHON_FUNCTIONS(FIND)
#undef FIND
    *(void **)&python->PyErr_FormatUnraisable = dlsym(RTLD_DEFAULT, "PyErr_FormatUnraisable");
    python->none = dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
    python->system_exit = dlsym(RTLD_DEFAULT, "PyExc_SystemExit");
    python->interrupt = dlsym(RTLD_DEFAULT, "PyExc_KeyboardInterrupt");
    return found && python->none && python->system_exit && python->interrupt;
}
#endif
