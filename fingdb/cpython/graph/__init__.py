"""The graph of objects: who refers to whom, and through which member."""
