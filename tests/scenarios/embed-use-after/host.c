/* The application keeps an object beyond Py_FinalizeEx and uses it. */
#include <Python.h>

static PyObject *settings;

static void save_settings(void)
{
    PyObject *text = PyObject_Str(settings);
    PyObject *made = PyDict_Copy(settings);
    Py_XDECREF(made);
    Py_XDECREF(text);
    PyRun_SimpleString("x = 1");
}

int main(void)
{
    Py_InitializeEx(0);
    settings = Py_BuildValue("{s:i}", "depth", 3);
    Py_FinalizeEx();
    save_settings();
    return 0;
}
