// A C++ static that owns a Python object: its destructor runs in exit(), after Py_FinalizeEx.
#include <Python.h>

class Owned {
public:
    explicit Owned(PyObject *object = nullptr) : object_(object) {}
    ~Owned() { Py_XDECREF(object_); }
    void reset(PyObject *object) { Py_XINCREF(object); Py_XDECREF(object_); object_ = object; }
private:
    PyObject *object_;
};

static Owned default_handler;

static PyObject *set_handler(PyObject *, PyObject *value)
{
    default_handler.reset(value);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"set_handler", set_handler, METH_O, nullptr}, {}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "registry", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_registry(void)
{
    return PyModule_Create(&module);
}
