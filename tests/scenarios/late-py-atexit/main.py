import counters
