/* Returns a borrowed reference as if it were its own: one reference too few. */
#include <Python.h>

static PyObject *first(PyObject *self, PyObject *list)
{
    return PyList_GetItem(list, 0);
}

static PyMethodDef methods[] = {{"first", first, METH_O, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastlist", NULL, -1, methods};

PyMODINIT_FUNC PyInit_fastlist(void)
{
    return PyModule_Create(&module);
}
