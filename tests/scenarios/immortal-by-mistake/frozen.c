/* "So that nobody frees it while C code uses it": a count far too large, which makes the object immortal since 3.12. */
#include <Python.h>
#include <limits.h>

static PyObject *frozen_pin(PyObject *self, PyObject *object)
{
    (void)self;
#ifdef Py_GIL_DISABLED
    object->ob_ref_local = UINT_MAX;
#else
    object->ob_refcnt = UINT_MAX / 4 * 3;  /* debug builds take what is larger for a negative count */
#endif
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"pin", frozen_pin, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "frozen", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_frozen(void)
{
    return PyModuleDef_Init(&module);
}
