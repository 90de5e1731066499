"""An exit callback that waits for an answer on a socket."""
import atexit
import socket

ours, theirs = socket.socketpair()


@atexit.register
def say_goodbye():
    ours.sendall(b"bye")
    ours.recv(1)


print("ready", flush=True)
