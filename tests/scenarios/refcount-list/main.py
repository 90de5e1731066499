import fastlist


class Row:
    def __init__(self, number):
        self.number = number


rows = [Row(n) for n in range(50)]
keep = [[row] for row in rows]
for row in list(rows):
    for _ in range(3):
        fastlist.first([row])
del row
# What is freed is used again, of whichever size it was, while the list still refers to it.
reused = [b"\xa5" * size for size in (15, 31, 47) for _ in range(20000)]
