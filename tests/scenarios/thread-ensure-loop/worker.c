/* Native threads that enter Python again and again, and that nobody stops before Python ends. */
#include <Python.h>
#include <pthread.h>
#include <time.h>

static void *work(void *unused)
{
    struct timespec pause = {0, 200000};
    for (;;) {
        PyGILState_STATE state = PyGILState_Ensure();
        PyObject *item = PyList_New(1);
        Py_XDECREF(item);
        PyGILState_Release(state);
        nanosleep(&pause, NULL);
    }
    return unused;
}

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "worker", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_worker(void)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, NULL);
        pthread_detach(thread);
    }
    return PyModule_Create(&module);
}
