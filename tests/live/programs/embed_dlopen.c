/* Loads the libpython that it is told, privately, and runs Python in it; then again another one if there is. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        void (*initialize)(void) = (void (*)(void)) dlsym(library, "Py_Initialize");
        int (*finalize)(void) = (int (*)(void)) dlsym(library, "Py_FinalizeEx");
        initialize();
        finalize();
    }
    return 5;
}
