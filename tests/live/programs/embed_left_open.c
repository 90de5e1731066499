/* Embeds Python and forgets to end a subinterpreter: Python ends it by itself (3.13), or dies of it (before). */
#include <Python.h>

int main(void)
{
    Py_Initialize();
    PyThreadState *main_state = PyThreadState_Get();
    if (Py_NewInterpreter() == NULL) {
        return 3;
    }
    PyThreadState_Swap(main_state);
    return Py_FinalizeEx();
}
