import tracelib
tracelib.record("started")
