/* A daemon thread holds the cache's mutex when CPython ends it at its request for the GIL; the module's m_free
   waits for that mutex ever after. */
#include <Python.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;

static PyObject *refresh(PyObject *self, PyObject *unused)
{
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&cache_mutex);
    usleep(300000);
    Py_END_ALLOW_THREADS
    pthread_mutex_unlock(&cache_mutex);
    Py_RETURN_NONE;
}

static void drop_cache(PyObject *capsule)
{
    usleep(600000);
    pthread_mutex_lock(&cache_mutex);
    pthread_mutex_unlock(&cache_mutex);
}

static PyMethodDef methods[] = {{"refresh", refresh, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "cache", NULL, -1, methods};

PyMODINIT_FUNC PyInit_cache(void)
{
    PyObject *self = PyModule_Create(&module);
    PyModule_AddObject(self, "handle", PyCapsule_New(&cache_mutex, NULL, drop_cache));
    return self;
}
