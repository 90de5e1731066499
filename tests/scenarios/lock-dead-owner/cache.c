/* A daemon thread holds the cache's mutex when CPython ends it at its request for the GIL; the module's m_free
   waits for that mutex ever after. */
#include <Python.h>
#include <pthread.h>
#include <unistd.h>

#if PY_VERSION_HEX < 0x030D0000
#define Py_IsFinalizing _Py_IsFinalizing
#endif

static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int held;

static PyObject *refresh(PyObject *self, PyObject *unused)
{
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&cache_mutex);
    held = 1;
    while (!Py_IsFinalizing()) /* no fixed time: under a debugger the main thread may take long to get there */
        usleep(10000);
    Py_END_ALLOW_THREADS
    pthread_mutex_unlock(&cache_mutex);
    Py_RETURN_NONE;
}

static PyObject *is_held(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(held);
}

static void drop_cache(PyObject *capsule)
{
    usleep(600000);
    pthread_mutex_lock(&cache_mutex);
    pthread_mutex_unlock(&cache_mutex);
}

static PyMethodDef methods[] = {{"refresh", refresh, METH_NOARGS, NULL}, {"is_held", is_held, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "cache", NULL, -1, methods};

PyMODINIT_FUNC PyInit_cache(void)
{
    PyObject *self = PyModule_Create(&module);
    PyModule_AddObject(self, "handle", PyCapsule_New(&cache_mutex, NULL, drop_cache));
    return self;
}
