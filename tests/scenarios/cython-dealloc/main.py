import codecs

import session

kept = session.Session("main")


def search(name, kept=kept):
    return None


# The codec registry keeps it alive until the interpreter is cleared.
codecs.register(search)
