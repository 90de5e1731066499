import codecs

import codecx

encoder = codecx.Encoder()


def search(name, encoder=encoder):
    return None


# The codec registry is cleared after the modules are gone.
codecs.register(search)
