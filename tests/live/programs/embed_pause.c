/* Stops itself (SIGSTOP) at the moment that its argument names: in a subinterpreter's end, or after finalization. */
#include <Python.h>
#include <signal.h>
#include <string.h>

static const char *PAUSE =
    "import os\n"
    "class Last:\n"
    "    def __del__(self, kill=os.kill, pid=os.getpid()): kill(pid, 19)\n"
    "last = Last()\n";

int main(int argc, char **argv)
{
    const char *when = argc > 1 ? argv[1] : "";
    Py_Initialize();
    if (strcmp(when, "sub") == 0) {
        PyThreadState *main_thread = PyThreadState_Get();
        PyThreadState *sub = Py_NewInterpreter();
        PyRun_SimpleString(PAUSE);
        Py_EndInterpreter(sub);
        PyThreadState_Swap(main_thread);
    }
    Py_FinalizeEx();
    if (strcmp(when, "after") == 0)
        raise(SIGSTOP);
    return 3;
}
