/* Global variables that m_free clears; a method of an object that outlives the module uses them. */
#include <Python.h>

static PyObject *shapes;

static void geometry_free(void *self)
{
    Py_CLEAR(shapes);
}

static void shape_dealloc(PyObject *self)
{
    PyObject *key = PyLong_FromVoidPtr(self);
    if (PyDict_DelItem(shapes, key) < 0)
        PyErr_Clear();
    Py_DECREF(key);
    Py_ssize_t left = ((PyDictObject *)shapes)->ma_used;
    PyObject_Free(self);
    (void)left;
}

static PyTypeObject ShapeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "geometry.Shape",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = shape_dealloc,
    .tp_new = PyType_GenericNew,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "geometry", NULL, 8, NULL, .m_free = geometry_free,
};

PyMODINIT_FUNC PyInit_geometry(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&ShapeType) < 0)
        return NULL;
    shapes = PyDict_New();
    Py_INCREF(&ShapeType);
    PyModule_AddObject(self, "Shape", (PyObject *)&ShapeType);
    return self;
}
