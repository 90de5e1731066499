/* Initializes and finalizes Python three times, each time a little differently. */
#include <Python.h>

int main(int argc, char **argv)
{
    const char *work[] = {"import json", "import atexit; atexit.register(len, '')", "pass"};
    for (int life = 0; life < 3; life++) {
        Py_Initialize();
        if (PyRun_SimpleString(work[life]) != 0)
            return 1;
        if (Py_FinalizeEx() != 0)
            return 2;
        Py_Finalize(); /* does nothing the second time */
    }
    return 42;
}
