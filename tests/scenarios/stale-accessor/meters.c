/* Counts its live objects in memory that belongs to the module. */
#include <Python.h>
#include <stdlib.h>

static int *counts;

__attribute__((noinline)) static int *get_counts(void)
{
    return counts;
}

static PyObject *meter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL)
        get_counts()[1]++;
    return self;
}

static void meter_dealloc(PyObject *self)
{
    get_counts()[1]--;
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject Meter = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "meters.Meter",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = meter_new,
    .tp_dealloc = meter_dealloc,
};

static void meters_free(void *module)
{
    free(counts);
    counts = NULL;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "meters", NULL, 8, NULL, NULL, NULL, NULL, meters_free,
};

PyMODINIT_FUNC PyInit_meters(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&Meter) < 0)
        return NULL;
    counts = calloc(4, sizeof *counts);
    Py_INCREF(&Meter);
    PyModule_AddObject(self, "Meter", (PyObject *)&Meter);
    PyObject *total = PyObject_CallObject((PyObject *)&Meter, NULL);
    PyDict_SetItemString(PyInterpreterState_GetDict(PyThreadState_Get()->interp), "meters.total", total);
    Py_XDECREF(total);
    return self;
}
