/* Writes one byte behind a block of PyMem_Malloc; PYTHONMALLOC=debug notices when it is freed. */
#include <Python.h>

static char *cells;

static void table_free(void *self)
{
    PyMem_Free(cells);
}

static PyObject *mark(PyObject *self, PyObject *unused)
{
    cells[100] = 'x';
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"mark", mark, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "table", NULL, 8, methods, .m_free = table_free,
};

PyMODINIT_FUNC PyInit_table(void)
{
    cells = PyMem_Malloc(100);
    return PyModule_Create(&module);
}
