/* Sets an environment variable with putenv(), which keeps the pointer: the bytes object owns the memory. */
#include <Python.h>
#include <stdlib.h>

static PyObject *kept;

static PyObject *configure(PyObject *module, PyObject *name)
{
    (void)module;
    PyObject *entry = PyBytes_FromFormat("APP_MODE=%s", PyUnicode_AsUTF8(name));
    if (entry == NULL)
        return NULL;
    putenv(PyBytes_AS_STRING(entry));
    Py_XSETREF(kept, entry);
    Py_RETURN_NONE;
}

static void release(void *unused)
{
    (void)unused;
    Py_CLEAR(kept);
}

static PyMethodDef methods[] = {{"configure", configure, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "settings", NULL, 0, methods, .m_free = release};

PyMODINIT_FUNC PyInit_settings(void)
{
    return PyModule_Create(&module);
}
