/* A module that checks its own books when it is freed. */
#include <Python.h>

static int borrowed = 1;

static void check_books(void *self)
{
    if (borrowed != 0)
        Py_FatalError("guard: 1 handle was never given back");
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "guard", NULL, 8, NULL, .m_free = check_books,
};

PyMODINIT_FUNC PyInit_guard(void)
{
    return PyModule_Create(&module);
}
