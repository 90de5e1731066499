/* An application that runs a script in a subinterpreter and ends the subinterpreter. */
#include <Python.h>

int main(int argc, char **argv)
{
    (void)argc;
    Py_InitializeEx(0);
    PyThreadState *main_state = PyThreadState_Get();
    PyThreadState *state = Py_NewInterpreter();
    if (state == NULL)
        return 3;
    int failed = PyRun_SimpleString(argv[1]);
    Py_EndInterpreter(state);
    PyThreadState_Swap(main_state);
    return Py_FinalizeEx() < 0 || failed ? 2 : 0;
}
