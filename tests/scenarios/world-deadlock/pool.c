/* shrink() holds the pool's mutex and runs the garbage collector; drain() is attached to Python and wants the mutex. */
#include <Python.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_pool(void)
{
    pthread_mutex_lock(&pool_mutex);
}

static void drop_cycles(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyGC_Collect();
    PyGILState_Release(state);
}

static void *shrink(void *unused)
{
    lock_pool();
    usleep(300000);
    drop_cycles();
    pthread_mutex_unlock(&pool_mutex);
    return unused;
}

static PyObject *start(PyObject *self, PyObject *unused)
{
    pthread_t thread;
    pthread_create(&thread, NULL, shrink, NULL);
    Py_RETURN_NONE;
}

static PyObject *drain(PyObject *self, PyObject *unused)
{
    lock_pool();
    pthread_mutex_unlock(&pool_mutex);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, NULL}, {"drain", drain, METH_NOARGS, NULL}, {NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pool", NULL, -1, methods};

PyMODINIT_FUNC PyInit_pool(void)
{
    PyObject *made = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED
    if (made != NULL) {
        PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
    }
#endif
    return made;
}
