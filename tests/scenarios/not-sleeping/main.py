"""A server that waits for its next customer."""
import socket
import threading
import time


def housekeeping():
    while True:
        time.sleep(60)


def serve():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    print("ready", flush=True)
    server.accept()


threading.Thread(target=housekeeping, daemon=True).start()
serve()
