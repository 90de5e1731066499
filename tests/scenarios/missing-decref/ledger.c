/* A function that gives a list away twice: PyDict_SetItemString takes a reference of its own. */
#include <Python.h>

static PyObject *ledger_open(PyObject *self, PyObject *books)
{
    (void)self;
    if (!PyDict_Check(books)) {
        PyErr_SetString(PyExc_TypeError, "books must be a dict");
        return NULL;
    }
    PyObject *entries = PyList_New(0);
    if (entries == NULL || PyDict_SetItemString(books, "entries", entries) < 0)
        return NULL;
    /* Py_DECREF(entries) is missing. */
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"open", ledger_open, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "ledger", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_ledger(void)
{
    return PyModuleDef_Init(&module);
}
