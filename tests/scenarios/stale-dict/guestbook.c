/* A borrowed reference to sys.modules, kept in a static variable, that a deallocator uses. */
#include <Python.h>

static PyObject *modules; /* borrowed */

typedef struct {
    PyObject_HEAD
    PyObject *notes;
} visitor_t;

static void visitor_dealloc(PyObject *self)
{
    PyObject *notes = ((visitor_t *)self)->notes;
    PyDict_GetItemString(notes, "name"); /* as it may: the dict is our own */
    PyDict_GetItemString(modules, "json");
    Py_DECREF(notes);
    PyObject_Free(self);
}

static PyObject *visitor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    visitor_t *self = (visitor_t *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->notes = PyDict_New();
    return (PyObject *)self;
}

static PyTypeObject VisitorType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "guestbook.Visitor",
    .tp_basicsize = sizeof(visitor_t),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = visitor_dealloc,
    .tp_new = visitor_new,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "guestbook", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_guestbook(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&VisitorType) < 0)
        return NULL;
    modules = PyImport_GetModuleDict();
    Py_INCREF(&VisitorType);
    PyModule_AddObject(self, "Visitor", (PyObject *)&VisitorType);
    return self;
}
