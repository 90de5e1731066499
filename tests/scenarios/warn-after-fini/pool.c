/* A pool in the interpreter's dict that warns about what was not closed when it is destroyed, and leaves a
   report in sys whose destructor asks for a collection. */
#include <Python.h>

static char connections, lines;

static void destroy_report(PyObject *capsule)
{
    (void)capsule;
    PyGC_Collect();
}

static void destroy(PyObject *capsule)
{
    (void)capsule;
    if (PyErr_WarnEx(PyExc_ResourceWarning, "unclosed pool", 1) < 0)
        PyErr_Clear();
    PyObject *report = PyCapsule_New(&lines, "pool.report", destroy_report);
    if (report == NULL || PySys_SetObject("pool_report", report) < 0)
        PyErr_Clear();
    Py_XDECREF(report);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pool", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_pool(void)
{
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
