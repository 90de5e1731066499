/* A hook on the thread state, as _thread._set_sentinel() has one: it drops a reference when the state goes. */
#include <Python.h>

static void released(void *data)
{
    PyObject *callback = data;
    PyObject *name = PyUnicode_FromString("released");
    Py_XDECREF(name);
    Py_DECREF(callback);
}

static PyObject *on_thread_end(PyObject *self, PyObject *callback)
{
    (void)self;
    PyThreadState *state = PyThreadState_Get();
    Py_INCREF(callback);
    state->on_delete_data = callback;
    state->on_delete = released;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"on_thread_end", on_thread_end, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hooks", NULL, -1, methods};

PyMODINIT_FUNC PyInit_hooks(void)
{
    return PyModule_Create(&module);
}
