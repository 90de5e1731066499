/* A linked list whose deallocator frees the next link by recursion, without the trashcan. */
#include <Python.h>

typedef struct {
    PyObject_HEAD
    PyObject *next;
} Link;

static void link_dealloc(PyObject *self)
{
    Py_XDECREF(((Link *)self)->next);
    PyObject_Free(self);
}

static PyTypeObject LinkType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "chain.Link",
    .tp_basicsize = sizeof(Link),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = link_dealloc,
};

static PyObject *prepend(PyObject *self, PyObject *next)
{
    Link *made = PyObject_New(Link, &LinkType);
    Py_INCREF(next);
    made->next = next;
    return (PyObject *)made;
}

static PyMethodDef methods[] = {{"prepend", prepend, METH_O, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "chain", NULL, -1, methods};

PyMODINIT_FUNC PyInit_chain(void)
{
    if (PyType_Ready(&LinkType) < 0)
        return NULL;
    return PyModule_Create(&module);
}
