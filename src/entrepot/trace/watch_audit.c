/* Audit events of a traced program, in C: most of them by far matter to nobody, and end here.
 *
 *     listen(hook)    call hook(event, args) for those that matter, from now on
 *     stop()          call it no more
 *
 * Does not know what an event says: effects/resident.py does.
 */
#include <string.h>

#include "watch.h"

static Object *audit_hook;
static void *interpreter;

/* Whether nobody is interested in an audit event: most of them by far. */
static int is_ignored(const char *event, Object *args)
{
    switch (event[0]) {
    case 'b': return !strcmp(event, "builtins.id");
    case 'e': return !strcmp(event, "exec");
    case 'f': return !strncmp(event, "function.", 9);
    case 'g': return !strncmp(event, "gc.", 3);
    case 'm': return !strncmp(event, "marshal.", 8);
    case 'c': return !strcmp(event, "code.__new__");
    case 's': return !strncmp(event, "sys._getframe", 13);
    case 'o': return !strncmp(event, "object.", 7);
    case 'i': /* of the imports only those of a library of machine code, which have a file */
        return !strcmp(event, "import") && (PyTuple_Size(args) < 2 || PyTuple_GetItem(args, 1) == &_Py_NoneStruct);
    }
    return 0;
}

static int audit(const char *event, Object *args, void *data)
{
    Object *text, *result;
    void *thread;
    (void)data;
    if (audit_hook == NULL || args == NULL || is_ignored(event, args) || PyInterpreterState_Get() != interpreter)
        return 0;
    text = PyUnicode_FromString(event);
    if (text == NULL)
        return -1;
    thread = PyThreadState_Get();
    PyThreadState_EnterTracing(thread); /* a debugger of the program does not see the watching */
    result = PyObject_CallFunctionObjArgs(audit_hook, text, args, NULL);
    PyThreadState_LeaveTracing(thread);
    Py_DecRef(text);
    if (result == NULL)
        return -1;
    Py_DecRef(result);
    return 0;
}

Object *audit_listen(Object *self, Object *const *args, long number)
{
    (void)self;
    (void)number;
    interpreter = PyInterpreterState_Get();
    audit_hook = keep(args[0]);
    if (PySys_AddAuditHook(audit, NULL))
        return NULL;
    return keep(&_Py_NoneStruct);
}

Object *audit_stop(Object *self, Object *const *args, long number)
{
    (void)self;
    (void)args;
    (void)number;
    audit_hook = NULL;
    return keep(&_Py_NoneStruct);
}
