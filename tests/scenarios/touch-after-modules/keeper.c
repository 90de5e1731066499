/* A capsule that lives in the interpreter's own dictionary: it is destroyed when that is cleared, and its
   destructor still wants to print. */
#include <Python.h>

static void say_goodbye(PyObject *capsule)
{
    PyObject *stream = PySys_GetObject("stderr");
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *name = PyUnicode_FromFormat("%zd", PyDict_Size(modules));
    if (PyFile_WriteObject(name, stream, Py_PRINT_RAW) < 0)
        PyErr_Clear();
    PyObject *module = PyImport_AddModule("keeper_farewell");
    PyDict_SetItemString(PyModule_GetDict(module), "n", name);
    Py_XDECREF(name);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "keeper", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_keeper(void)
{
    PyObject *capsule = PyCapsule_New(&module, "keeper", say_goodbye);
    PyObject *dict = PyInterpreterState_GetDict(PyThreadState_Get()->interp);
    PyDict_SetItemString(dict, "keeper", capsule);
    Py_DECREF(capsule);
    return PyModule_Create(&module);
}
