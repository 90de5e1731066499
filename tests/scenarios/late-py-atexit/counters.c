/* Py_AtExit(): the last thing inside Py_FinalizeEx, when there is no interpreter any more. */
#include <Python.h>

static PyObject *counters;

static void report_counters(void)
{
    PyObject *text = PyUnicode_FromFormat("%R", counters);
    PySys_FormatStderr("%U\n", text);
    Py_XDECREF(text);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "counters", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_counters(void)
{
    counters = PyDict_New();
    Py_AtExit(report_counters);
    return PyModule_Create(&module);
}
