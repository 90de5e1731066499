import catalog

catalog.set_default({"a": 1})
