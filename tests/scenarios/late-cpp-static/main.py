import registry


def records():
    try:
        while True:
            yield
    finally:
        print("closed")


def start():
    handler = records()
    next(handler)
    return handler


registry.set_handler(start())
