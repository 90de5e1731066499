"""Take over a finalization that is under way: what each thread's frames say about it."""

from __future__ import annotations

from typing import Dict, List, Optional, Set, Tuple

from ..debugger.interface import Debugger, DebuggerError, NativeThread
from ..model.phase import Phase
from ..model.plan import Plan, PlanStep
from ..model.report import NativeFrame
from . import catalogue
from .functions import base_name
from .position import behind, holding, led_to, position
from .reach import can_lead, leading_to
from .runtime_module import NoPlan, RuntimeModule
from .trace import DONE, StepRun, Trace, innermost_function

#: Frames looked at per thread: a finalization nests some ten functions, but deallocations in it recurse.
FRAME_LIMIT = 20000


def adopt(debugger: Debugger, runtime: RuntimeModule) -> List[Tuple[Trace, List[int]]]:
    """Return the finalizations under way, the outermost first, each with the addresses it returns to.

    Steps that lie behind the program counter of a function count as done; whether a conditional
    one really ran cannot be known, and is not claimed: the traces are marked ``adopted``.
    """
    try:
        plan = runtime.plan()
    except NoPlan:
        return []
    kinds = catalogue.roots()
    found: List[Tuple[Trace, List[int]]] = []
    for thread in debugger.threads():
        frames = [f for f in debugger.frames(thread.debugger_id, FRAME_LIMIT) if not f.inlined]
        roots = [
            index for index, frame in enumerate(frames)
            if kinds.get(function_of(runtime, frame) or "") in ("main", "subinterpreter")
        ]
        # The compiler may have split the function: what it was split into calls the part with the steps, nothing else.
        named = {index: function_of(runtime, frames[index]) for index in roots}
        roots = [i for i in roots if i - 1 not in named or named[i - 1] != named[i]]
        for index in reversed(roots):
            inner = [r for r in roots if r < index]
            first = max(inner) + 1 if inner else 0
            outside = frames[index + 1 :]
            # A frame that gdb made up for a function that jumped: it has no place on the stack, nothing returns to it.
            while len(outside) > 1 and outside[0].sp == outside[1].sp:
                outside = outside[1:]
            taken = _trace(debugger, plan, runtime, thread, frames[first : index + 1], outside)
            if taken is not None:
                found.append(taken)
    return found


def function_of(runtime: RuntimeModule, frame: NativeFrame) -> Optional[str]:
    """Return the name of a frame's function, also where only the plan's own look at the code gave it one."""
    if frame.function:
        return base_name(frame.function)  # spares reading the symbol table
    symbol = runtime.functions.covering(frame.pc - runtime.bias)
    return base_name(symbol.name.split(".cold", 1)[0]) if symbol is not None else None


def _trace(
    debugger: Debugger,
    plan: Plan,
    runtime: RuntimeModule,
    thread: NativeThread,
    frames: List[NativeFrame],
    outside: List[NativeFrame],
) -> Optional[Tuple[Trace, List[int]]]:
    name = function_of(runtime, frames[-1]) or ""
    root = plan.root(name)
    if root is None or not outside:
        return None
    kind = catalogue.roots()[name]
    run = StepRun(name, root, Phase.THREAD_SHUTDOWN, _entry_sp(outside[0]), False, thread.native_id, None)
    trace = Trace(run, kind, 1, 0 if kind == "main" else -1, thread.pid, thread.native_id, adopted=True)
    if kind != "main":
        trace.thread_state = debugger.frame_argument(thread.debugger_id, frames[-1].level, "tstate") or 0
    stack = [run]
    returns = [outside[0].pc]
    newest: Optional[StepRun] = None
    narrowed: Optional[Tuple[StepRun, List[PlanStep]]] = None
    for depth in range(len(frames) - 1, -1, -1):
        frame = frames[depth]
        # A caller's pc is behind its call instruction: step back into it.
        pc = frame.pc - runtime.bias - (1 if depth else 0)
        base = innermost_function(stack)
        called, newest = newest, None
        if base is None or base.node is None:
            continue
        if not is_body_of(plan, base.node, pc):
            function = function_of(runtime, frame)
            way: List[PlanStep] = []
            if base is called:
                jumped = _jumps(debugger, runtime.bias, base.node)
                way = _way_to(base.node.children, function, jumped) or _way_to(base.node.children, function)
            if not way:
                continue
            # The step called last jumped to this function, which has its place on the stack.
            steps = base.node.children
            for step in steps[: steps.index(way[0])]:
                base.children.append(_passed(step, base, trace))
            for step in way:
                stack.append(_open(step, stack[-1], trace, base.sp, thread))
            base = stack[-1]
            if base.node is None or not is_body_of(plan, base.node, pc):
                continue
        node = base.node
        assert node is not None
        # Below a call of a function without a name only the steps that it leads to are in question.
        steps = narrowed[1] if narrowed is not None and narrowed[0] is base else node.children
        done, _ = behind(plan, steps, pc)
        chain = holding(steps, pc)
        narrowed = (base, led_to(plan, steps, pc) or steps)
        for step in done:
            if step not in chain and _leads_to(debugger, runtime, plan, step, pc):
                base.children.append(_passed(step, base, trace))
        for step in chain:
            stack.append(_open(step, stack[-1], trace, base.sp, thread))
            if not step.inlined and depth:
                stack[-1].sp = _entry_sp(frame)
                returns.append(frame.pc)
        newest = stack[-1]
    trace.stacks[thread.native_id] = stack
    trace.begun = sum(1 for _ in run.walk())
    return trace, returns


def entered_with(debugger: Debugger, thread: NativeThread) -> Dict[int, Tuple[int, int]]:
    """Return where a thread's functions stand, and where they return to, by the stack pointer at their entry.

    Of a function that has called another, where it stands is inside the call instruction.
    """
    frames = [f for f in debugger.frames(thread.debugger_id, FRAME_LIMIT) if not f.inlined]
    found: Dict[int, Tuple[int, int]] = {}
    for depth, (frame, caller) in enumerate(zip(frames, frames[1:])):
        found.setdefault(_entry_sp(caller), (frame.pc - (1 if depth else 0), caller.pc))
    return found


def _leads_to(debugger: Debugger, runtime: RuntimeModule, plan: Plan, step: PlanStep, pc: int) -> bool:
    """Tell whether the flow can have come from a step that is behind ``pc`` to ``pc``.

    Asked of a step that is called in several places, some of them ahead: those behind may belong to another way.
    """
    if step.inlined or len(step.sites) < 2:
        return True
    here = position(plan, step.container, pc)
    places = [position(plan, step.container, start) for start, _end in step.sites]
    if here is None or not any(place is not None and place > here for place in places):
        return True
    reached = leading_to(debugger, plan, runtime.functions, runtime.bias, step.container, pc)
    return not reached or can_lead(step, step.container, reached)


def _jumps(debugger: Debugger, bias: int, node: PlanStep) -> Set[int]:
    """Return the addresses of the jumps among the instructions that call the steps of a function.

    Where a function is gone from the stack it jumped: of two calls of the same step only a jump can have been the one.
    """
    found: Set[int] = set()
    for step in node.walk():
        for start, end in step.sites if not step.inlined else ():
            try:
                code = debugger.disassemble(start + bias, end + bias)
            except DebuggerError:
                continue
            if any(instruction.flow in ("jump", "branch") for instruction in code):
                found.add(start)
    return found


def _way_to(
    steps: List[PlanStep], function: Optional[str], at: Optional[Set[int]] = None
) -> List[PlanStep]:
    """Return the way through inlined steps to the called one that is ``function``, none if there is none.

    ``at``: only one that is called at one of these addresses.
    """
    for step in steps:
        if step.name == function and not step.inlined and (at is None or any(start in at for start, _end in step.sites)):
            return [step]
        way = _way_to(step.children, function, at) if step.inlined else []
        if way:
            return [step, *way]
    return []


def is_body_of(plan: Plan, node: PlanStep, pc: int) -> bool:
    """Tell whether a pc is in the code of a step, where that holds others."""
    containers = {name for child in node.children for name in child.containers()}
    return any(start <= pc < end for c in containers for start, end, _ in plan.flow.get(c, ()))


def _entry_sp(caller: NativeFrame) -> int:
    """Return the stack pointer at the callee's entry: one word below the caller's at the call's end."""
    return caller.sp - 8


def _passed(step: PlanStep, parent: StepRun, trace: Trace) -> StepRun:
    trace.phase = max(trace.phase, step.phase, key=lambda p: p.rank)
    parent.begun.add(id(step))
    return StepRun(step.name, step, step.phase, parent.sp, step.inlined, parent.thread, parent, DONE)


def _open(step: PlanStep, parent: StepRun, trace: Trace, sp: int, thread: NativeThread) -> StepRun:
    trace.phase = max(trace.phase, step.phase, key=lambda p: p.rank)
    run = StepRun(step.name, step, step.phase, sp, step.inlined, thread.native_id, parent)
    parent.children.append(run)
    parent.begun.add(id(step))
    return run
