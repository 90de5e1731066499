/* A cache of numbers that is filled and never emptied; nothing refers to it any more when the interpreter ends. */
#include <Python.h>

static PyObject *hoard_fill(PyObject *self, PyObject *count)
{
    (void)self;
    long wanted = PyLong_AsLong(count);
    for (long i = 0; i < wanted; i++)
        if (PyComplex_FromDoubles((double)i, 1.0) == NULL)
            return NULL;
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"fill", hoard_fill, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "hoard", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_hoard(void)
{
    return PyModuleDef_Init(&module);
}
