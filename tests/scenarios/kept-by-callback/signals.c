/* An extension whose C library has a list of listeners: each has the Python function to call as its user data. */
#include <Python.h>
#include <stdlib.h>

struct listener {
    int event;
    void *user;
    struct listener *next;
};

static struct listener *listeners;

static PyObject *signals_connect(PyObject *self, PyObject *function)
{
    (void)self;
    struct listener *made = malloc(sizeof(*made));
    if (made == NULL)
        return PyErr_NoMemory();
    Py_INCREF(function);
    made->event = 1;
    made->user = function;
    made->next = listeners;
    listeners = made;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"connect", signals_connect, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "signals", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_signals(void)
{
    return PyModuleDef_Init(&module);
}
