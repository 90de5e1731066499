"""Two threads that take two locks in opposite order."""
import threading

first = threading.RLock()
second = threading.RLock()
barrier = threading.Barrier(2)


def debit():
    with first:
        barrier.wait()
        with second:
            pass


def credit():
    with second:
        barrier.wait()
        with first:
            pass


threading.Thread(target=debit, name="debit").start()
threading.Thread(target=credit, name="credit").start()
print("ready", flush=True)
