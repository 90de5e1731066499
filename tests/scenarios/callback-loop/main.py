"""An exit callback that waits for a state which nobody brings about any more."""
import atexit

done = False


def poll():
    return done


@atexit.register
def wait_for_done():
    while not poll():
        pass


print("ready", flush=True)
