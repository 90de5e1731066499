// A thread_local object of the main thread is destroyed in exit(), after Py_FinalizeEx.
#include <Python.h>

struct Session {
    PyObject *user = nullptr;
    ~Session()
    {
        if (user != nullptr) {
            PyErr_WriteUnraisable(user);
            Py_DECREF(user);
        }
    }
};

static thread_local Session session;

static PyObject *login(PyObject *, PyObject *user)
{
    Py_INCREF(user);
    session.user = user;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"login", login, METH_O, nullptr}, {}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "session", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_session(void)
{
    return PyModule_Create(&module);
}
