import registry


class Handler:
    def __init__(self):
        self.items = [object() for _ in range(10)]

    def __del__(self):
        self.items.clear()


registry.set_handler(Handler())
