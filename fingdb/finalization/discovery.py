"""The plan of a binary, read out of its machine code.

The functions that finalize are disassembled, their instructions put in order of execution, and
the functions they call or that were inlined into them listed. What the catalogue or its rule of
names takes for a step becomes a step; nothing runs. Mirrors ``Py_FinalizeEx`` and what it calls
in Python/pylifecycle.c, Python/pystate.c, Python/import.c and Modules/gcmodule.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterator, List, Optional, Set, Tuple

from ..debugger.interface import Debugger, DebuggerError, InlinedBlock, Instruction
from ..elf import ElfSymbol
from ..model.phase import Phase
from ..model.plan import Plan, PlanStep
from . import catalogue
from .flow import NO_RETURN, in_execution_order, ways_to
from .functions import Functions, NoPlan, base_name, is_cold, is_unnamed
from .step_order import alternatives, in_order_of_ways

#: Steps inside steps are followed to this depth; CPython's nest to six.
MAX_DEPTH = 10
#: A function larger than this (bytes) is not a finalization step's own code.
MAX_FUNCTION = 1 << 17


@dataclass
class _Found:
    """A step while its function is being read: `PlanStep` without phase."""

    name: str
    container: str
    inlined: bool
    address: int
    order: int
    sites: List[Tuple[int, int]]
    callee: Optional[ElfSymbol] = None
    blocks: Set[Tuple[int, int]] = field(default_factory=set)
    #: Where each straight run of an inlined step's instructions starts: (order, address, length).
    runs: List[Tuple[int, int, int]] = field(default_factory=list)
    #: Order of the first call of anything among an inlined step's instructions.
    first_call: Optional[int] = None
    #: Other instructions with which it may begin (see `_BodyReader._settle`).
    also: List[int] = field(default_factory=list)
    children: List["_Found"] = field(default_factory=list)


@dataclass
class _Body:
    """What one function's code says."""

    steps: List[_Found]
    flow: List[Tuple[int, int, int]]


class PlanReader:
    """Reads the plan of one module through a debugger that has it open."""

    def __init__(self, debugger: Debugger, functions: Functions, bias: int, thorough: bool = False) -> None:
        """``thorough`` looks for inlined steps in every function, also in those that the catalogue calls leaves."""
        self._thorough = thorough
        self._debugger = debugger
        self._functions = functions
        self._bias = bias
        self._bodies: Dict[str, _Body] = {}
        self._no_return = frozenset(
            s.address for name in NO_RETURN for s in functions.with_base(name)
        )

    def read(self, path: str, build_id: Optional[str]) -> Plan:
        """Return the plan. Raises NoPlan when the module has no function that finalizes."""
        plan = Plan(path, build_id, [])
        for symbol, kind in self._roots():
            first = Phase.AFTER_FINALIZE if kind == "after" else Phase.THREAD_SHUTDOWN
            row = catalogue.step_named(symbol.name)
            steps, _ = self._children(self._body(symbol).steps, first, 0, (symbol.name,))
            root = PlanStep(
                base_name(symbol.name), symbol.name, False, symbol.address, [], first,
                row.key if row else None, children=steps,
            )
            plan.roots.append(root)
        if not any(root.children for root in plan.roots):
            raise NoPlan(f"{path} shows no finalization steps: it has no symbols for them")
        for name, body in self._bodies.items():
            plan.flow[name] = body.flow
        return plan

    def _roots(self) -> Iterator[Tuple[ElfSymbol, str]]:
        """Yield the functions that start a finalization, without those that merely call another one."""
        kinds = catalogue.roots()
        for wanted, kind in kinds.items():
            for symbol in self._functions.with_base(wanted):
                steps = self._body(symbol).steps
                if not steps:
                    continue
                if all(base_name(step.name) in kinds for step in steps):
                    continue  # `Py_FinalizeEx` of 3.13 does nothing but call `_Py_Finalize`
                yield symbol, kind

    def _children(
        self, steps: List[_Found], phase: Phase, depth: int, path: Tuple[str, ...]
    ) -> Tuple[List[PlanStep], Phase]:
        """Return the steps with their phases, and the phase that is reached when all have run."""
        made = []
        for found in steps:
            row = catalogue.step_named(found.name)
            if row is not None and row.root is not None and base_name(found.name) == base_name(path[0]):
                continue  # code that both ends of interpreters share: no interpreter ends within its own end
            if row is not None and row.begins is not None and row.begins.rank > phase.rank:
                phase = row.begins
            step = PlanStep(
                base_name(found.name), found.container, found.inlined, found.address, found.sites, phase,
                row.key if row else None, found.order, also=found.also,
            )
            made.append(step)
            if found.callee is not None and is_unnamed(found.callee.name):
                made.pop()
                further, phase = self._through(found, phase, depth, path)
                made.extend(further)
            elif found.inlined:
                step.children, phase = self._children(found.children, phase, depth, path)
            elif row is not None and row.root is not None:
                pass  # the end of another interpreter is a plan of its own
            elif found.callee is not None and depth < MAX_DEPTH and found.callee.name not in path:
                inner = self._body(found.callee).steps
                step.children, phase = self._children(inner, phase, depth + 1, (*path, found.callee.name))
        return made, phase

    def _through(
        self, found: _Found, phase: Phase, depth: int, path: Tuple[str, ...]
    ) -> Tuple[List[PlanStep], Phase]:
        """Return the steps that a function without a name leads to, in place of the call of it."""
        if found.callee is None or found.callee.name in path or len(path) > 2 * MAX_DEPTH:
            return [], phase
        steps, phase = self._children(self._body(found.callee).steps, phase, depth, (*path, found.callee.name))
        for step in steps:
            step.through[:0] = [(found.container, start, end) for start, end in found.sites]
        return steps, phase

    # -- one function ---------------------------------------------------------------------------
    def _body(self, symbol: ElfSymbol) -> _Body:
        if symbol.name not in self._bodies:
            self._bodies[symbol.name] = _Body([], [])  # in case it calls itself
            self._bodies[symbol.name] = self._read_body(symbol)
        return self._bodies[symbol.name]

    def _read_body(self, symbol: ElfSymbol) -> _Body:
        instructions: List[Instruction] = []
        ranges = self._functions.ranges(symbol)
        for start, end in ranges:
            if end - start > MAX_FUNCTION:
                continue
            try:
                code = self._debugger.disassemble(start + self._bias, end + self._bias)
            except DebuggerError:
                continue
            instructions.extend(code)
        if not instructions:
            return _Body([], [])
        ordered = in_execution_order(instructions, frozenset(a + self._bias for a in self._no_return))
        reader = _BodyReader(symbol.name, self._bias, ways_to(ordered))
        row = catalogue.step_named(symbol.name)
        leaf = row is not None and row.leaf and not self._thorough  # its debug information need not be read
        chain: Tuple[InlinedBlock, ...] = ()
        row_start, row_end = 0, 0
        order = 0
        for instruction in ordered:
            if not leaf and not row_start <= instruction.address < row_end:
                chain, row_start, row_end = self._inlined(instruction, base_name(symbol.name))
            callee = self._callee(instruction, ranges) or self._by_pointer(instruction, chain, symbol)
            reader.see(order, instruction, chain, callee)
            order += instruction.length
        return _Body(reader.finish(ordered), _compress(ordered, self._bias))

    @staticmethod
    def _steps_only(blocks: Tuple[InlinedBlock, ...], own: str) -> Tuple[InlinedBlock, ...]:
        """Return the blocks that are steps, without those of a function split up into itself (``f.part.0``)."""
        chain: List[InlinedBlock] = []
        for block in blocks:
            name = base_name(block.function)
            if catalogue.is_step(name) and name not in (own, *(base_name(b.function) for b in chain)):
                chain.append(block)
        return tuple(chain)

    def _inlined(self, instruction: Instruction, own: str) -> Tuple[Tuple[InlinedBlock, ...], int, int]:
        chain = self._steps_only(self._debugger.inlined_at(instruction.address), own)
        row = self._debugger.source_line(instruction.address)
        if row is None or not row.start <= instruction.address < row.end:
            return chain, instruction.address, instruction.address + instruction.length
        return chain, row.start, row.end

    def _callee(self, instruction: Instruction, own: List[Tuple[int, int]]) -> Optional[ElfSymbol]:
        """Return the step that an instruction calls or jumps to, None if it does not."""
        if instruction.stub is not None:
            symbol = self._functions.named(instruction.stub)
        elif instruction.target is not None and instruction.flow in ("call", "jump", "branch"):
            target = instruction.target - self._bias
            if instruction.flow != "call" and any(start <= target < end for start, end in own):
                return None
            symbol = self._functions.starting_at(target)
        else:
            return None
        if symbol is None or is_cold(symbol.name):
            return None
        return symbol if is_unnamed(symbol.name) or catalogue.is_step(base_name(symbol.name)) else None

    def _by_pointer(
        self, instruction: Instruction, chain: Tuple[InlinedBlock, ...], own: ElfSymbol
    ) -> Optional[ElfSymbol]:
        """Return the step that an indirect call calls, where the catalogue knows that the caller has one."""
        if instruction.flow != "call" or instruction.target is not None or instruction.stub is not None:
            return None
        for name in catalogue.called_by_pointer(chain[-1].function if chain else own.name):
            for symbol in self._functions.with_base(name):
                return symbol
        return None


class _BodyReader:
    """Collects the steps of one function from its instructions in order."""

    def __init__(self, container: str, bias: int, ways: Dict[int, List[int]]) -> None:
        self.steps: List[_Found] = []
        self._container = container
        self._bias = bias
        #: Address -> addresses of the instructions from which the flow comes there (see `flow.ways_to`).
        self._ways = ways
        self._step_calls: List[Tuple[int, FrozenSet[int]]] = []
        #: Addresses of plain jumps and returns. The debug information gives some to a step beside them.
        self._leaving: Set[int] = set()
        #: Address -> length of these, and of registers put away in the stack frame and taken back. The compiler does that on
        #: ways between two parts of the function, without a line of its own: it gets that of a step whose code is next to it.
        self._between: Dict[int, int] = {}

    def see(
        self, order: int, instruction: Instruction, chain: Tuple[InlinedBlock, ...], callee: Optional[ElfSymbol]
    ) -> None:
        """Take the next instruction with what was inlined there and the step it calls."""
        start = instruction.address - self._bias
        if instruction.flow in ("jump", "return"):
            self._leaving.add(start)
        if instruction.flow in ("jump", "return", "spill"):
            self._between[start] = instruction.length
        site = (start, start + instruction.length)
        siblings = self.steps
        around = []
        for block in chain:
            step = self._inlined(siblings, block, order, site)
            around.append(step)
            if instruction.flow == "call" and step.first_call is None:
                step.first_call = order
            siblings = step.children
        if callee is not None:
            self._step_calls.append((order, frozenset(id(step) for step in around)))
        if callee is not None:
            last = siblings[-1] if siblings else None
            if last is not None and not last.inlined and last.callee == callee:
                last.sites.append(site)
            else:
                siblings.append(_Found(callee.name, self._container, False, callee.address, order, [site], callee))

    def _inlined(self, siblings: List[_Found], block: InlinedBlock, order: int, site: Tuple[int, int]) -> _Found:
        key = (block.start, block.end)
        name = block.function
        for index, known in enumerate(reversed(siblings)):
            same_run = index == 0 and base_name(known.name) == base_name(name)
            if known.inlined and (key in known.blocks and known.name == name or same_run):
                known.blocks.add(key)
                if known.sites[-1][1] == site[0]:
                    known.sites[-1] = (known.sites[-1][0], site[1])
                    first, address, length = known.runs[-1]
                    known.runs[-1] = (first, address, length + site[1] - site[0])
                elif known.sites[-1] != site:
                    known.sites.append(site)
                    known.runs.append((order, site[0], site[1] - site[0]))
                return known
        found = _Found(name, self._container, True, site[0], order, [site], blocks={key})
        found.runs.append((order, site[0], site[1] - site[0]))
        siblings.append(found)
        return found

    def finish(self, ordered: List[Instruction]) -> List[_Found]:
        """Return the steps of the function, each inlined one placed where its main part begins."""
        self._settle(self.steps)
        join_copies(self.steps, self._ways, self._bias)
        self._sort(self.steps, ordered)
        return self.steps

    def _sort(self, siblings: List[_Found], ordered: List[Instruction]) -> None:
        """Order steps as each way through the function runs them.

        Where the compiler made two copies of a stretch of code (one for the main interpreter, one for
        the others), a step of both must come behind what precedes it in either.
        """
        if any(len(step.sites) > 1 for step in siblings):
            places = [self._own_places(step) for step in siblings]
            first = [step.order for step in siblings]
            wanted = in_order_of_ways(ordered, self._ways, places, self._bias, first)
            siblings[:] = [siblings[index] for index in wanted]
        for step in siblings:
            self._sort(step.children, ordered)

    def _settle(self, siblings: List[_Found]) -> None:
        """Move the beginning of inlined steps behind what the compiler's scheduler pulled forward.

        A load or test of a step may be placed before the call that precedes the step in the source.
        The step's main part is where it first calls something or, if it never does, its longest run;
        it begins with the first of its instructions after the last other step called before that. A
        loop's preparation may be laid out once for each way that leads there: then there are several
        such instructions, and each run takes one of them.
        """
        for step in siblings:
            self._settle(step.children)
            if not step.inlined or len(step.runs) < 2:
                continue
            longest = max(step.runs, key=lambda run: run[2])[0]
            main = step.first_call if step.first_call is not None else longest
            before = [order for order, around in self._step_calls if order < main and id(step) not in around]
            earliest = max(before, default=-1)
            runs = [run for run in step.runs if run[0] > earliest and not self._is_beside(run)] or step.runs
            step.order, step.address = runs[0][0], runs[0][1]
            step.also = [address for _, address, _ in runs[1:] if self._is_entered(step, address)]
        siblings.sort(key=lambda step: step.order)

    def _is_beside(self, run: Tuple[int, int, int]) -> bool:
        """Tell whether a run is code that the debug information gave to the step next to it."""
        _, address, length = run
        if address in self._leaving:
            return True
        end = address + length
        while address < end and address in self._between:
            address += self._between[address]
        return address >= end

    def _own_places(self, step: _Found) -> List[Tuple[int, int]]:
        """Return the sites of a step without what was pulled forward and what the debug information gave to it."""
        if not step.inlined:
            return step.sites
        order_of = {address: order for order, address, _ in step.runs}
        return [
            site for site in step.sites
            if site[0] not in self._leaving and order_of.get(site[0], step.order) >= step.order
        ]

    def _is_entered(self, step: _Found, address: int) -> bool:
        """Tell whether the flow comes to an instruction of an inlined step from outside of the step."""
        for source in self._ways.get(address + self._bias, ()):
            if not any(start <= source - self._bias < end for start, end in step.sites):
                return True
        return False


def join_copies(siblings: List[_Found], ways: Dict[int, List[int]], bias: int) -> None:
    """Make one step of calls to the same function of which a process makes only one, whichever way it goes."""
    for step in siblings:
        join_copies(step.children, ways, bias)
    called: Dict[str, List[_Found]] = {}
    for step in siblings:
        if step.callee is not None:
            called.setdefault(step.callee.name, []).append(step)
    for same in (steps for steps in called.values() if len(steps) > 1):
        for group in alternatives([[start + bias for start, _ in step.sites] for step in same], ways):
            # By then each of the ways has come to it.
            last = max((same[index] for index in group), key=lambda step: step.order)
            last.sites = sorted(site for index in group for site in same[index].sites)
            merged = [same[index] for index in group if same[index] is not last]
            siblings[:] = [step for step in siblings if not any(step is other for other in merged)]


def _compress(ordered: List[Instruction], bias: int) -> List[Tuple[int, int, int]]:
    """Return (start, end, order of the start) of each straight run; order counts bytes of code."""
    runs: List[Tuple[int, int, int]] = []
    order = 0
    for instruction in ordered:
        start, end = instruction.address - bias, instruction.address - bias + instruction.length
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end, runs[-1][2])
        else:
            runs.append((start, end, order))
        order += instruction.length
    return runs
