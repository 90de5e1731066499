/* Writes behind the end of its buffer; libc notices when the buffer is freed with the module. */
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define USABLE 2008 /* what malloc gives for 2000 bytes; then the size of the next chunk */

static char *buffer, *neighbour;

static void blob_free(void *self)
{
    free(buffer);
    free(neighbour);
}

static PyObject *fill(PyObject *self, PyObject *unused)
{
    /* 'y' is odd: the next chunk still calls the buffer allocated, so that only its own free() notices. */
    memset(buffer, 'y', USABLE + 16);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"fill", fill, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "blob", NULL, 8, methods, .m_free = blob_free,
};

PyMODINIT_FUNC PyInit_blob(void)
{
    do { /* Until the two lie side by side. What came before is lost, and may be. */
        buffer = malloc(2000);
        neighbour = malloc(2000);
    } while ((uintptr_t)neighbour - (uintptr_t)buffer != USABLE + 8);
    return PyModule_Create(&module);
}
