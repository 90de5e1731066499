"""A finalizer that never ends, run while modules are torn down."""


class Pump:
    def __init__(self):
        self.left = 1

    def __del__(self):
        while self.left:
            self.left += 1


pump = Pump()
print("ready", flush=True)
