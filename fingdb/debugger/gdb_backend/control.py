"""Running the target, and events about it."""

from __future__ import annotations

import os
import signal as signals
import time
from typing import Callable, Optional

import gdb

from ..interface import DebuggerError, ExitEvent, StopEvent
from ..process import bury_threads, catches, end_of, exists, traced_by_us
from .failures import listener_for_gdb
from .postponed import Postponed
from .signals import has_own_trap

#: Signals for what a thread itself did: they cannot be ignored, and end a process that has no handler for them.
_FATAL = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL")
#: So long (seconds) a process that gdb lost sight of may take to end.
_LAST_WORDS = 2.0
#: The same where most probably nothing is wrong with the process, and the user waits.
_QUICK_WORDS = 0.2


class Control(Postponed):
    """Starts and continues the inferior as the user's own commands would."""

    def __init__(self) -> None:
        super().__init__()
        #: How a process ended whose end gdb itself has missed.
        self._missed: Optional[ExitEvent] = None
        self._expected: Optional[ExitEvent] = None
        #: The inferior that was made last, until something runs or stops again.
        self._newest: Optional[gdb.Inferior] = None
        gdb.events.new_inferior.connect(self._note_inferior)
        gdb.events.stop.connect(self._note_signal)
        gdb.events.cont.connect(self._forget_signal)

    def _note_signal(self, event: gdb.StopEvent) -> None:
        self._newest = None
        self.last_signal = event.stop_signal if isinstance(event, gdb.SignalEvent) else None

    def _forget_signal(self, _event: object) -> None:
        self._newest = None
        self.last_signal = None

    def start(self) -> None:
        """Run the program from its beginning; return when it stops. Raises DebuggerError."""
        self._execute("run")

    def resume(self, signal: Optional[str] = None) -> None:
        """Continue a live process, with a signal if one is named, or run the program when there is none. Raises DebuggerError."""
        recording = gdb.current_recording()
        if recording is not None and recording.method == "full":
            raise DebuggerError('gdb records each instruction, and a step of the shutdown takes minutes; "record stop" ends that')
        go_on = f"signal {signal}" if signal else "continue"
        self._execute(go_on if gdb.selected_inferior().pid else "run")

    def _execute(self, command: str) -> None:
        before, self._missed = gdb.selected_inferior().pid, None
        if before and self.last_signal in _FATAL and catches(before, self.last_signal) is False:
            self._expected = ExitEvent(before, None, self.last_signal)
        try:
            gdb.execute(command, from_tty=False)
        except gdb.error as error:
            if not before or not self._recover(_LAST_WORDS):
                raise DebuggerError(str(error).rstrip(".")) from None
        except KeyboardInterrupt:
            # Control-C, or gdb failed inside itself and was told to `outlive_failures`.
            if not before or not self._recover(_QUICK_WORDS) or gdb.selected_inferior().pid:
                raise

    def _recover(self, patience: float) -> bool:
        """Come back from a failure of gdb in the middle of a run; tell whether that went well.

        When a process with several threads exits, these vanish under gdb's hands: "Couldn't get
        registers: No such process", "Cannot find user-level thread". gdb then takes the rest for
        running and refuses everything. How the process ended the kernel still knows, or `expect_exit`.
        One that is about to end gets ``patience`` seconds for that.
        """
        inferior = gdb.selected_inferior()
        deadline = time.monotonic() + patience
        while inferior.pid:
            gone = not exists(inferior.pid)  # gdb has waited for it, and then forgot what it was told
            self._missed = self._expected_end(inferior.pid) if gone else end_of(inferior.pid)
            if self._missed is not None:
                bury_threads(inferior.pid)
                return _forget(inferior.num)
            if time.monotonic() > deadline:
                return _select_stopped(inferior)
            time.sleep(0.01)
        return True

    def leave(self) -> None:
        """End gdb, unless it still has a process. In order it takes ten milliseconds, to free what ends with it anyway."""
        if not any(inferior.pid for inferior in gdb.inferiors()):
            gdb.flush()
            os._exit(0)

    def outlive_failures(self) -> None:
        """Let gdb go on after a failure inside itself: for one that we started, which has findings to tell.

        It fails ("wait returned unexpected status") when a thread is made while the process dies.
        """
        gdb.execute("maintenance set internal-error quit no", to_string=True)

    def expect_exit(self, pid: int, code: int) -> None:
        """Note with which code a process is about to exit, for the case that gdb misses its end."""
        self._expected = ExitEvent(pid, code & 0xFF)

    def _expected_end(self, pid: int) -> ExitEvent:
        if self._expected is not None and self._expected.pid == pid:
            return self._expected
        return ExitEvent(pid)

    def on_stop(self, listener: Callable[[StopEvent], None]) -> None:
        """Tell ``listener`` whenever the inferior stopped for the user."""

        def stopped(event: gdb.StopEvent) -> None:
            if isinstance(event, gdb.SignalEvent):
                listener(StopEvent("signal", event.stop_signal))
            elif isinstance(event, gdb.BreakpointEvent):
                listener(StopEvent("breakpoint"))
            elif has_own_trap():
                listener(StopEvent("signal", "SIGTRAP"))
            else:
                listener(StopEvent("step"))

        gdb.events.stop.connect(listener_for_gdb(stopped))

    def on_exit(self, listener: Callable[[ExitEvent], None]) -> None:
        """Tell ``listener`` whenever an inferior ended."""

        def exited(event: gdb.ExitedEvent) -> None:
            missed = self._missed
            if missed is not None and missed.pid == event.inferior.pid:
                listener(missed)
                return
            code: Optional[int] = getattr(event, "exit_code", None)
            name = None
            if code is None and _lives_on(event.inferior.pid):
                # gdb calls this an exit too: the user's "detach", or a parent that is left for its child.
                listener(ExitEvent(event.inferior.pid, detached=True, child=_other_process(event.inferior)))
                return
            if code is None:
                number = gdb.convenience_variable("_exitsignal")
                if number is not None:
                    try:
                        name = signals.Signals(int(number)).name
                    except ValueError:
                        name = f"signal {int(number)}"
            listener(ExitEvent(event.inferior.pid, code, name))

        gdb.events.exited.connect(listener_for_gdb(exited))

    def on_modules_changed(self, listener: Callable[[str], None]) -> None:
        """Tell ``listener`` the path of each file that is loaded, "" when all are forgotten."""

        def loaded(event: gdb.NewObjFileEvent) -> None:
            if not self._between_parent_and_child() and not self.reading_symbols:
                listener(event.new_objfile.filename or "")

        def cleared(_event: gdb.ClearObjFilesEvent) -> None:
            if not self._between_parent_and_child() and not self.reading_symbols:
                listener("")

        gdb.events.new_objfile.connect(listener_for_gdb(loaded))
        gdb.events.clear_objfiles.connect(listener_for_gdb(cleared))
        self.mapped_listeners.append(listener)

    def _between_parent_and_child(self) -> bool:
        """Tell whether gdb is about to leave a parent for its child.

        The child takes over the parent's files, and the parent gets new ones that nobody will look at.
        """
        selected = gdb.selected_inferior()
        return bool(
            self._newest is not None and self._newest.is_valid() and self._newest.num != selected.num
            and self._newest.pid and selected.pid and self._newest.pid != selected.pid
        )  # fmt: skip

    def _note_inferior(self, event: gdb.NewInferiorEvent) -> None:
        self._newest = event.inferior

    def on_resume(self, listener: Callable[[], None]) -> None:
        """Tell ``listener`` whenever the target goes on."""
        gdb.events.cont.connect(listener_for_gdb(lambda _event: listener()))


def _lives_on(pid: int) -> bool:
    """Tell whether a process goes on without gdb."""
    return bool(pid) and exists(pid) and end_of(pid) is None and not traced_by_us(pid)


def _other_process(left: gdb.Inferior) -> int:
    """Return the process that gdb has besides the one that it leaves, 0 if there is none."""
    others = [inferior.pid for inferior in gdb.inferiors() if inferior.pid and inferior.num != left.num]
    return others[-1] if others else 0


def _forget(number: int) -> bool:
    """Let gdb drop a process that has ended."""
    try:
        gdb.execute(f"kill inferiors {number}", to_string=True)
    except gdb.error:
        return False
    return True


def _select_stopped(inferior: gdb.Inferior) -> bool:
    """Select a thread that gdb can let go on."""
    for thread in inferior.threads():
        try:
            if thread.is_valid() and thread.is_stopped():
                thread.switch()
                return True
        except gdb.error:
            continue
    return False
