/* An application that finalizes Python and initializes it again, while one of its threads still calls in. */
#include <Python.h>
#include <pthread.h>
#include <unistd.h>

static pthread_barrier_t between;

static void post_event(int number)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *value = PyLong_FromLong(number + 100000);
    Py_XDECREF(value);
    PyGILState_Release(state);
}

static void *poll_events(void *unused)
{
    pthread_barrier_wait(&between);
    post_event(1);
    return unused;
}

static void run_script(const char *script)
{
    Py_InitializeEx(0);
    PyRun_SimpleString(script);
    Py_FinalizeEx();
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&between, NULL, 2);
    pthread_create(&thread, NULL, poll_events, NULL);
    run_script("x = 1");
    pthread_barrier_wait(&between);
    pthread_join(thread, NULL);
    run_script("x = 2");
    return 0;
}
