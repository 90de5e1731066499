/* A native thread that goes on using Python while the process exits. */
#include <Python.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static pthread_t feeder;
static sem_t go;

static void deliver(const char *text)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *value = PyUnicode_FromString(text);
    Py_XDECREF(value);
    PyGILState_Release(state);
}

static void *feed(void *unused)
{
    sem_wait(&go);
    deliver("last record");
    return unused;
}

static void stop_feeder(void)
{
    sem_post(&go);
    pthread_join(feeder, NULL);
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "feeder", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_feeder(void)
{
    sem_init(&go, 0, 0);
    atexit(stop_feeder);
    pthread_create(&feeder, NULL, feed, NULL);
    return PyModule_Create(&module);
}
