import signals

history = []


def on_change(value):
    history.append(value)


signals.connect(on_change)
