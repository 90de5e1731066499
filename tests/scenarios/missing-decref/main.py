import ledger

books = {}
ledger.open(books)
books["entries"].extend([{"amount": 1}, {"amount": 2}, {"amount": 3}])
