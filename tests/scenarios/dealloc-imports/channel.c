/* A type whose deallocator imports a module to log that it is gone. */
#include <Python.h>

static void channel_dealloc(PyObject *self)
{
    PyObject *logging = PyImport_ImportModule("logging");
    if (logging == NULL)
        PyErr_Clear();
    Py_XDECREF(logging);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
}

static PyTypeObject ChannelType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "channel.Channel",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = channel_dealloc,
    .tp_new = PyType_GenericNew,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "channel", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_channel(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&ChannelType) < 0)
        return NULL;
    Py_INCREF(&ChannelType);
    PyModule_AddObject(self, "Channel", (PyObject *)&ChannelType);
    return self;
}
