import codecs

import geometry

shape = geometry.Shape()


def search(name, shape=shape):
    return None


codecs.register(search)
