/* A static pointer to the module, without a reference, that a deallocator asks for the module's state. */
#include <Python.h>

typedef struct {
    long colours;
} state_t;

static PyObject *self_module;

static void colour_dealloc(PyObject *self)
{
    state_t *state = PyModule_GetState(self_module);
    PyObject_Free(self);
    state->colours--;
}

static PyTypeObject ColourType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "palette.Colour",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = colour_dealloc,
    .tp_new = PyType_GenericNew,
};

/* m_free asks for the state too, as it may: the module is whole until it returns. */
static void palette_free(void *module)
{
    state_t *state = PyModule_GetState((PyObject *)module);
    state->colours = 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "palette", NULL, sizeof(state_t), NULL, .m_free = palette_free,
};

PyMODINIT_FUNC PyInit_palette(void)
{
    self_module = PyModule_Create(&module);
    if (self_module == NULL || PyType_Ready(&ColourType) < 0)
        return NULL;
    Py_INCREF(&ColourType);
    PyModule_AddObject(self_module, "Colour", (PyObject *)&ColourType);
    return self_module;
}
