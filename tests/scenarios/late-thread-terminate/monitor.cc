// A daemon thread in C++: when it asks for the GIL during finalization, CPython ends it with
// pthread_exit(), whose unwinding meets a noexcept function: std::terminate().
#include <Python.h>
#include <unistd.h>

static void wait_for_event() noexcept
{
    Py_BEGIN_ALLOW_THREADS
    usleep(300000);
    Py_END_ALLOW_THREADS
}

static PyObject *watch(PyObject *, PyObject *)
{
    for (;;)
        wait_for_event();
}

static PyMethodDef methods[] = {{"watch", watch, METH_NOARGS, nullptr}, {}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "monitor", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_monitor(void)
{
    return PyModule_Create(&module);
}
