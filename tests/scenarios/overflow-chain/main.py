import chain

head = None
for _ in range(1000000):
    head = chain.prepend(head)
