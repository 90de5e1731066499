import gc

import lexer

# As in any program that runs for a while: the type is old when the instance is made, and is cleared first.
gc.collect()
rules = []
rules.append(lexer.Token(rules))
