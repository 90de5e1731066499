/* Python is initialized by the main thread and finalized by another one. */
#include <Python.h>
#include <pthread.h>

static PyThreadState *saved;

static void *finalizer(void *unused)
{
    PyEval_RestoreThread(saved);
    Py_FinalizeEx();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    Py_NoSiteFlag = 1; /* site may import threading, whose end waits for the main thread since 3.9 */
    Py_Initialize();
    saved = PyEval_SaveThread();
    pthread_create(&thread, NULL, finalizer, NULL);
    pthread_join(thread, NULL);
    return 7;
}
