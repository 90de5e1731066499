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
# What is freed is used again, while the list still refers to it.
reused = [b"\xa5" * 15 for _ in range(20000)]
