"""Breakpoints at functions that need a subsystem which is gone; set only when it is gone."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Optional, Set

from ..debugger.interface import Breakpoint, Debugger, DebuggerError, Hit
from ..finalization.runtime_module import RuntimeModule

#: A place that CPython itself keeps coming to is left alone after so many hits.
PATIENCE = 60
#: Later, when it was watched again, after fewer and fewer, but not before so many.
LEAST_PATIENCE = 4

TouchCallback = Callable[[Hit, str], bool]


class Sentinels:
    """Watches functions of the runtime by address."""

    def __init__(self, debugger: Debugger, patience: int = PATIENCE) -> None:
        self._debugger = debugger
        self._patience = patience
        self._watched: Dict[int, Breakpoint] = {}
        self._idle: Dict[int, int] = {}
        #: How often a place was left alone because of a storm.
        self._storms: Dict[int, int] = {}
        #: Who is asked besides, at places that are free for another callback yet.
        self._beside: Dict[int, TouchCallback] = {}
        #: Places that go to whoever needs them later.
        self._yielding: Set[int] = set()

    def watch(
        self, runtime: RuntimeModule, names: Iterable[str], touched: TouchCallback, beside: bool = False
    ) -> List[str]:
        """Call ``touched(hit, name)`` when one of the functions is entered; return the names that are there.

        Functions that the build does not have, or that were inlined, cannot be watched. A function that needs two
        subsystems is watched for the one that ended last: that is why it fails. One that was given with
        ``beside`` leaves the place to another and is asked after it; what is watched for all calls keeps it.
        """
        found = []
        for name in names:
            for symbol in runtime.functions.with_base(name):
                address = symbol.address + runtime.bias
                found.append(name)
                if address in self._yielding:
                    self.stop([address])
                free = address not in self._watched
                self.add(address, name, touched)
                if free and beside:
                    self._beside[address] = touched
                elif free:
                    self._yielding.add(address)
        return found

    def watch_address(self, address: int, name: str, touched: TouchCallback) -> None:
        """Call ``touched(hit, name)`` when ``address`` is reached."""
        try:
            self._watched[address] = self._debugger.breakpoint(address, lambda hit: touched(hit, name))
        except DebuggerError:
            pass  # not code: a symbol without a function behind it

    def add(self, address: int, name: str, touched: TouchCallback) -> None:
        """Watch a place unless somebody does already who has it for himself."""
        other = self._beside.pop(address, None)
        if other is None:
            if address not in self._watched:
                self.watch_address(address, name, touched)
            return

        def both(hit: Hit, name: str) -> bool:
            stops = touched(hit, name)
            return other(hit, name) or stops

        self._watched.pop(address).delete()
        self.watch_address(address, name, both)

    def is_watched(self, address: int) -> bool:
        """Tell whether there is a sentinel at an address."""
        return address in self._watched

    def watched(self) -> List[int]:
        """Return the addresses that are watched."""
        return list(self._watched)

    def idle(self, address: int, storm: bool = False) -> bool:
        """Note a hit that told nothing new; after so many of them the place is left alone, and True returned.

        ``storm`` says that they come from where they always come from, as fast as they can: there will be no end of
        them, so each time that the place is watched again it takes fewer.
        """
        patience = max(self._patience >> 2 * self._storms.get(address, 0), LEAST_PATIENCE)
        self._idle[address] = self._idle.get(address, 0) + 1
        if self._idle[address] < patience:
            return False
        self._watched[address].enabled = False
        if storm:
            self._storms[address] = self._storms.get(address, 0) + 1
        return True

    def wake(self) -> None:
        """Watch again what was left alone."""
        for address in self._idle:
            if address in self._watched:
                self._watched[address].enabled = True
        self._idle.clear()

    def stop(self, addresses: Optional[Iterable[int]] = None) -> None:
        """Remove sentinels, all of them by default."""
        for address in list(addresses if addresses is not None else self._watched):
            self._beside.pop(address, None)
            self._yielding.discard(address)
            handle = self._watched.pop(address, None)
            if handle is not None:
                handle.delete()
        if not self._watched:
            self._idle.clear()
            self._storms.clear()
