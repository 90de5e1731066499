/* A heap type whose tp_traverse does not visit the type of the instance, as was right until 3.8. */
#include <Python.h>

typedef struct {
    PyObject_HEAD
    PyObject *path;
} walker_t;

static int walker_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((walker_t *)self)->path);
    return 0;
}

static int walker_clear(PyObject *self)
{
    Py_CLEAR(((walker_t *)self)->path);
    return 0;
}

static void walker_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    walker_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *walker_new(PyTypeObject *type, PyObject *args, PyObject *unused)
{
    PyObject *path;
    (void)unused;
    if (!PyArg_ParseTuple(args, "O", &path))
        return NULL;
    walker_t *self = (walker_t *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(path);
    self->path = path;
    return (PyObject *)self;
}

static PyType_Slot slots[] = {
    {Py_tp_traverse, walker_traverse}, {Py_tp_clear, walker_clear}, {Py_tp_dealloc, walker_dealloc},
    {Py_tp_new, walker_new}, {0, NULL},
};

static PyType_Spec spec = {
    "walker.Walker", sizeof(walker_t), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

static int walker_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL)
        return -1;
    /* One instance for everybody, as a constant of the class would be. */
    PyObject *shared = PyObject_CallFunction(type, "O", Py_None);
    if (shared == NULL || PyObject_SetAttrString(type, "shared", shared) < 0)
        return -1;
    Py_DECREF(shared);
    return PyModule_AddObject(module, "Walker", type);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, walker_exec}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "walker", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_walker(void)
{
    return PyModuleDef_Init(&module);
}
