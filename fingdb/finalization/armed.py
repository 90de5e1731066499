"""The breakpoints of a tracer: which are set, and which of them are silent for the moment."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Optional

from ..debugger.interface import Breakpoint, Debugger, Hit
from ..model.plan import Plan, PlanStep
from . import catalogue

Action = Callable[[Hit], bool]


class Armed:
    """Breakpoints at the functions that start a finalization, at its steps, and where these return to."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._entries: List[Breakpoint] = []
        self._calls: Dict[int, Breakpoint] = {}
        self._inlined: Dict[int, Breakpoint] = {}
        self._returns: Dict[int, Breakpoint] = {}
        self._nodes_at: Dict[int, List[PlanStep]] = {}
        #: Those of inlined steps that lie in a loop, by what they wait for (see `rest`).
        self._resting: Dict[int, List[Breakpoint]] = {}
        #: Those of called steps that nobody counts on for the moment.
        self._not_counted: List[Breakpoint] = []

    # -- setting them -----------------------------------------------------------------------------
    def wait_for(self, address: int, action: Action) -> None:
        """Set one at a function that starts a finalization."""
        self._entries.append(self._debugger.breakpoint(address, action))

    def arm(self, plan: Plan, bias: int, called: Action, inlined: Action) -> None:
        """Set those of all steps, at the plan's addresses plus ``bias``; once they are there, let them speak again."""
        if self._calls or self._inlined:
            for handle in self._of_steps():
                handle.enabled = True
            return
        roots = {root.address for root in plan.roots}
        for node in plan.walk():
            row = catalogue.step_named(node.name)
            if (node.address in roots and not node.inlined) or (row is not None and row.quiet):
                continue
            kind, action = (self._inlined, inlined) if node.inlined else (self._calls, called)
            for address in (node.address + bias, *(also + bias for also in node.also)):
                self._nodes_at.setdefault(address, []).append(node)
                if address not in kind:
                    kind[address] = self._debugger.breakpoint(address, action)

    def watch_return(self, address: int, action: Action) -> None:
        """Set one where a step returns to."""
        known = self._returns.get(address)
        if known is None:
            self._returns[address] = self._debugger.breakpoint(address, action)
        else:
            known.enabled = True

    # -- what is set ------------------------------------------------------------------------------
    def steps_at(self, address: int) -> List[PlanStep]:
        """Return the steps that begin at an address where one of these breakpoints is."""
        return self._nodes_at[address]

    def is_called(self, address: int) -> bool:
        """Tell whether a called step begins at an address."""
        return address in self._calls

    def is_inlined(self, address: int) -> bool:
        """Tell whether an inlined step begins at an address."""
        return address in self._inlined

    def is_return(self, address: int) -> bool:
        """Tell whether a step was seen to return to an address."""
        return address in self._returns

    # -- silence ----------------------------------------------------------------------------------
    def rest(self, owner: object, address: int) -> None:
        """Silence that of an inlined step until `wake` is called for ``owner``."""
        handle = self._inlined[address]
        handle.enabled = False
        self._resting.setdefault(id(owner), []).append(handle)

    def wake(self, owner: object) -> None:
        """Let those speak again that were silenced for ``owner``."""
        for handle in self._resting.pop(id(owner), ()):
            handle.enabled = True

    def stop_counting(self, address: int) -> None:
        """Silence that of a called step until `count_again`."""
        handle = self._calls[address]
        handle.enabled = False
        self._not_counted.append(handle)

    def count_again(self, but: Optional[int] = None) -> None:
        """Let all speak again that `stop_counting` silenced, ``but`` the one at an address."""
        kept = self._calls.get(but) if but is not None and self.is_silenced(but) else None
        for handle in self._not_counted:
            if handle is not kept:
                handle.enabled = True
        self._not_counted[:] = [kept] if kept is not None else []

    def is_silenced(self, address: int) -> bool:
        """Tell whether `stop_counting` has silenced that of a called step."""
        handle = self._calls.get(address)
        return handle is not None and handle in self._not_counted

    @property
    def any_silenced(self) -> bool:
        """Whether `stop_counting` has silenced one."""
        return bool(self._not_counted)

    def silence(self) -> None:
        """Silence those of all steps: no finalization is under way."""
        for handle in self._of_steps():
            handle.enabled = False
        self._resting.clear()
        self._not_counted.clear()

    def delete(self) -> None:
        """Delete all."""
        for handle in (*self._entries, *self._of_steps()):
            handle.delete()
        self._entries.clear()
        self._forget_steps()

    def delete_steps(self) -> None:
        """Delete those of all steps: they are of another process, which the debugger has beside this one."""
        for handle in self._of_steps():
            handle.delete()
        self._forget_steps()

    def _forget_steps(self) -> None:
        for kind in (self._calls, self._inlined, self._returns):
            kind.clear()
        self._nodes_at.clear()
        self._resting.clear()
        self._not_counted.clear()

    def _of_steps(self) -> Iterator[Breakpoint]:
        yield from (*self._calls.values(), *self._inlined.values(), *self._returns.values())
