"""A finalizer that ends the process when something was left open."""
import os


class Ledger:
    def __init__(self):
        self.open = True

    def __del__(self, abort=os.abort):
        if self.open:
            abort()


ledger = Ledger()
