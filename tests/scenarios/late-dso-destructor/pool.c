/* The library's own destructor function, run by ld.so when the process exits. */
#include <Python.h>

static PyObject *workers;

__attribute__((destructor)) static void release_pool(void)
{
    if (workers != NULL) {
        PyObject *result = PyObject_CallMethod(workers, "clear", NULL);
        Py_XDECREF(result);
    }
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pool", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_pool(void)
{
    workers = PyDict_New();
    return PyModule_Create(&module);
}
