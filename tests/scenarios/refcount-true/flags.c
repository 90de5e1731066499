/* Gives away references to an object that it never had. */
#include <Python.h>

static PyObject *forget(PyObject *self, PyObject *args)
{
    PyObject *object;
    int times;
    if (!PyArg_ParseTuple(args, "Oi", &object, &times))
        return NULL;
    while (times-- > 0)
        Py_DECREF(object);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"forget", forget, METH_VARARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "flags", NULL, -1, methods};

PyMODINIT_FUNC PyInit_flags(void)
{
    return PyModule_Create(&module);
}
