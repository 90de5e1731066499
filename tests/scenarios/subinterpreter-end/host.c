/* A capsule in a subinterpreter's dictionary whose destructor uses what that interpreter no longer has. */
#include <Python.h>

static void log_close(PyObject *capsule)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyDict_SetItemString(modules, "closed", capsule);
    PyObject *stream = PySys_GetObject("stdout");
    PyFile_WriteString(PyDict_GET_SIZE(modules) > 0 ? "some" : "none", stream);
}

static void run_plugin(void)
{
    PyThreadState *own = Py_NewInterpreter();
    PyObject *capsule = PyCapsule_New(&run_plugin, NULL, log_close);
    PyDict_SetItemString(PyInterpreterState_GetDict(own->interp), "log", capsule);
    Py_DECREF(capsule);
    Py_EndInterpreter(own);
}

int main(void)
{
    Py_InitializeEx(0);
    PyThreadState *main_state = PyThreadState_Get();
    run_plugin();
    PyThreadState_Swap(main_state);
    Py_FinalizeEx();
    return 0;
}
