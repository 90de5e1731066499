/* Writes behind the end of its buffer; libc notices when the buffer is freed with the module. */
#include <Python.h>
#include <stdlib.h>
#include <string.h>

static char *buffer, *neighbour;

static void blob_free(void *self)
{
    free(buffer);
    free(neighbour);
}

static PyObject *fill(PyObject *self, PyObject *unused)
{
    memset(buffer, 'x', 2000 + 24);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"fill", fill, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "blob", NULL, 8, methods, .m_free = blob_free,
};

PyMODINIT_FUNC PyInit_blob(void)
{
    buffer = malloc(2000);
    neighbour = malloc(2000);
    return PyModule_Create(&module);
}
