import table
table.mark()
