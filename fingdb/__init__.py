"""fingdb: see what CPython does while it shuts down.

Importing the package costs nothing; its rooms are imported by whoever needs them.
"""

__version__ = "0.1.0"
__all__ = ["__version__", "diagnose"]

TYPE_CHECKING = False  # typing itself would have to be imported for its own
if TYPE_CHECKING:
    from .model.report import Report


def diagnose() -> "Report":
    """Return the report on the core or the process that this debugger has: what `pyfin diagnose` prints.

    For scripts inside gdb. ``report.verdict`` says what went wrong in one sentence, ``report.findings`` whose
    code it was, ``report.phase`` and ``report.steps`` how far the shutdown came; `fingdb.model.report` has
    the records. Raises `fingdb.debugger.interface.DebuggerError`, with one sentence, when there is neither a core
    nor a process or no CPython in it, and ImportError outside a debugger.
    """
    from importlib import import_module

    report: "Report" = import_module("fingdb.commands.diagnose").diagnose_here()
    return report
