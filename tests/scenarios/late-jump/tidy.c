/* A C exit handler whose last act is a call of the C API: compiled to a jump. */
#include <Python.h>
#include <stdlib.h>
#include <unistd.h>

static int forgotten;

__attribute__((optimize("O2"))) static void forget(void)
{
    forgotten = getppid(); /* another call first: no register that the caller may lose is as it was */
    PyErr_Clear();
}

static PyObject *tidy_at_exit(PyObject *self, PyObject *unused)
{
    if (atexit(forget))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"tidy_at_exit", tidy_at_exit, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tidy", NULL, -1, methods};

PyMODINIT_FUNC PyInit_tidy(void)
{
    return PyModule_Create(&module);
}
