/* A pool in the interpreter's dict that warns about what was not closed when it is destroyed, and collects. */
#include <Python.h>

static void destroy(PyObject *capsule)
{
    (void)capsule;
    if (PyErr_WarnEx(PyExc_ResourceWarning, "unclosed pool", 1) < 0)
        PyErr_Clear();
    PyGC_Collect();
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pool", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_pool(void)
{
    static char connections;
    /* In a cycle: it lives until the last collection. */
    PyObject *entry = PyCapsule_New(&connections, "pool.connections", destroy), *capsule = PyList_New(0);
    PyList_Append(capsule, entry);
    PyList_Append(capsule, capsule);
    Py_DECREF(entry);
    PyObject *own = PyInterpreterState_GetDict(PyThreadState_Get()->interp);
    if (capsule == NULL || own == NULL || PyDict_SetItemString(own, "pool.connections", capsule) < 0)
        return NULL;
    Py_DECREF(capsule);
    return PyModule_Create(&module);
}
