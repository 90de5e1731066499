/* Registers an exit handler by on_exit(), which does not keep the library loaded. */
#include <stdlib.h>

static void unregister(int status, void *data)
{
    (void)status;
    ++*(int *)data;
}

static int count;

void plugin_start(void)
{
    on_exit(unregister, &count);
}
