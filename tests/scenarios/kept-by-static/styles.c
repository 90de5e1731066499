/* An extension that remembers the last theme in a static variable. */
#include <Python.h>

static PyObject *last_theme;

static PyObject *styles_use(PyObject *self, PyObject *theme)
{
    (void)self;
    Py_INCREF(theme);
    Py_XSETREF(last_theme, theme);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"use", styles_use, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "styles", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_styles(void)
{
    return PyModuleDef_Init(&module);
}
