/* An application with plugins in subinterpreters, that changes back to its own before it ends one. */
#include <Python.h>

static void close_plugin(PyThreadState *plugin, PyThreadState *own)
{
    PyThreadState_Swap(own);
    Py_EndInterpreter(plugin);
}

int main(void)
{
    Py_Initialize();
    PyThreadState *own = PyThreadState_Get();
    PyThreadState *plugin = Py_NewInterpreter();
    PyRun_SimpleString("import json");
    close_plugin(plugin, own);
    Py_FinalizeEx();
    return 0;
}
