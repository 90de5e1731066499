"""``python -m fingdb``: the same as the ``fingdb`` program."""

from __future__ import annotations

from fingdb.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
