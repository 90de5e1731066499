import codecs

import channel

kept = channel.Channel()


def search(name, kept=kept):
    return None


# The codec registry keeps it alive until the interpreter is cleared.
codecs.register(search)
