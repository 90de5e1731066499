import codecs

import palette

# The codec registry is cleared after the modules are gone.
codecs.register({"": palette.Colour()}.get)
