/* A function registered with Py_AtExit makes small objects when the free lists are finalized. */
#include <Python.h>

static void write_last_record(void)
{
    PyObject *record = PyTuple_New(2);
    Py_XDECREF(record);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "journal", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_journal(void)
{
    Py_AtExit(write_last_record);
    return PyModule_Create(&module);
}
