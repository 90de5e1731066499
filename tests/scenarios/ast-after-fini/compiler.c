/* A cache in the interpreter's dict whose destructor parses a piece of source into an AST. */
#include <Python.h>

static void flush(PyObject *capsule)
{
    (void)capsule;
    PyCompilerFlags flags = {PyCF_ONLY_AST, PY_MINOR_VERSION};
    PyObject *tree = Py_CompileStringFlags("1 + 1", "<cache>", Py_eval_input, &flags);
    if (tree == NULL)
        PyErr_Clear();
    Py_XDECREF(tree);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiler", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_compiler(void)
{
    static char cache;
    /* In a cycle: it lives until the last collection. */
    PyObject *entry = PyCapsule_New(&cache, "compiler.cache", flush), *capsule = PyList_New(0);
    PyList_Append(capsule, entry);
    PyList_Append(capsule, capsule);
    Py_DECREF(entry);
    PyObject *own = PyInterpreterState_GetDict(PyThreadState_Get()->interp);
    if (capsule == NULL || own == NULL || PyDict_SetItemString(own, "compiler.cache", capsule) < 0)
        return NULL;
    Py_DECREF(capsule);
    return PyModule_Create(&module);
}
