/* A module with state; objects of its type outlive the module and look its state up when they die. */
#include <Python.h>
#include <structmember.h>

typedef struct {
    PyObject *cache;
    long closed;
} state_t;

static struct PyModuleDef module;

static void encoder_dealloc(PyObject *self)
{
    PyObject *found = PyState_FindModule(&module);
    state_t *state = found ? PyModule_GetState(found) : NULL;
    PyTypeObject *type = Py_TYPE(self);
    state->closed++;
    PyObject_Free(self);
    (void)type;
}

static PyTypeObject EncoderType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "codecx.Encoder",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = encoder_dealloc,
    .tp_new = PyType_GenericNew,
};

static int codecx_clear(PyObject *self)
{
    state_t *state = PyModule_GetState(self);
    if (state != NULL)
        Py_CLEAR(state->cache);
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "codecx", NULL, sizeof(state_t), NULL, .m_clear = codecx_clear,
};

PyMODINIT_FUNC PyInit_codecx(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || PyType_Ready(&EncoderType) < 0)
        return NULL;
    state_t *state = PyModule_GetState(self);
    state->cache = PyDict_New();
    Py_INCREF(&EncoderType);
    PyModule_AddObject(self, "Encoder", (PyObject *)&EncoderType);
    return self;
}
