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
    Py_Initialize();
    PyRun_SimpleString("import threading");
    saved = PyEval_SaveThread();
    pthread_create(&thread, NULL, finalizer, NULL);
    pthread_join(thread, NULL);
    return 7;
}
