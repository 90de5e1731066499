/* publish() holds the bus's mutex and asks for the GIL; close() holds the GIL and asks for the mutex. */
#include <Python.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t bus_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_bus(void)
{
    pthread_mutex_lock(&bus_mutex);
}

static void call_subscribers(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyErr_Clear();
    PyGILState_Release(state);
}

static void *publish(void *unused)
{
    lock_bus();
    usleep(300000);
    call_subscribers();
    pthread_mutex_unlock(&bus_mutex);
    return unused;
}

static PyObject *start(PyObject *self, PyObject *unused)
{
    pthread_t thread;
    pthread_create(&thread, NULL, publish, NULL);
    Py_RETURN_NONE;
}

static PyObject *close_bus(PyObject *self, PyObject *unused)
{
    lock_bus();
    pthread_mutex_unlock(&bus_mutex);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, NULL}, {"close", close_bus, METH_NOARGS, NULL}, {NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "bus", NULL, -1, methods};

PyMODINIT_FUNC PyInit_bus(void)
{
    return PyModule_Create(&module);
}
