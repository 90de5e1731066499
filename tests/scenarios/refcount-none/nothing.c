/* Returns None without taking a reference to it. */
#include <Python.h>

static PyObject *nothing(PyObject *self, PyObject *unused)
{
    return Py_None;
}

static PyMethodDef methods[] = {{"nothing", nothing, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "nothing", NULL, -1, methods};

PyMODINIT_FUNC PyInit_nothing(void)
{
    return PyModule_Create(&module);
}
