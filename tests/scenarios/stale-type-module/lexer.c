/* A heap type and its instance die in one collection: the type loses its module before the instance asks for it. */
#include <Python.h>

typedef struct {
    long open;
} state_t;

typedef struct {
    PyObject_HEAD
    PyObject *rule;
} token_t;

static int token_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((token_t *)self)->rule);
    return 0;
}

static int token_clear(PyObject *self)
{
    Py_CLEAR(((token_t *)self)->rule);
    return 0;
}

static void token_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    token_clear(self);
    state_t *state = PyType_GetModuleState(type);
    if (state != NULL)
        state->open--;
    else
        PyErr_Clear();
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *token_new(PyTypeObject *type, PyObject *args, PyObject *unused)
{
    token_t *self = (token_t *)type->tp_alloc(type, 0);
    (void)unused;
    if (self == NULL || !PyArg_ParseTuple(args, "O", &self->rule))
        return NULL;
    Py_INCREF(self->rule);
    return (PyObject *)self;
}

static PyType_Slot slots[] = {
    {Py_tp_traverse, token_traverse}, {Py_tp_clear, token_clear}, {Py_tp_dealloc, token_dealloc},
    {Py_tp_new, token_new}, {0, NULL},
};

static PyType_Spec spec = {
    "lexer.Token", sizeof(token_t), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

static int lexer_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    return type == NULL ? -1 : PyModule_AddObject(module, "Token", type);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, lexer_exec}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "lexer", NULL, sizeof(state_t), NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_lexer(void)
{
    return PyModuleDef_Init(&module);
}
