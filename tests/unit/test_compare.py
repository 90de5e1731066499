"""Two orders of steps: as few as can be count as moved, and a frame around steps moves none of them."""

from __future__ import annotations

from typing import List, Tuple, Union

from fingdb.finalization.compare import StepTree, compare_trees
from fingdb.model.comparison import Change, Comparison, FinalizationComparison, Side
from fingdb.report.comparison_text import comparison_to_dict, render_comparison
from fingdb.report.style import Style
from fingdb.report.width import display_width

Shape = Union[str, Tuple[str, List["Shape"]]]  # type: ignore[misc]


def tree(shape: Shape, phase: str = "atexit") -> StepTree:
    name, children = (shape, []) if isinstance(shape, str) else shape
    return StepTree(name, phase, [tree(child, phase) for child in children])


def compared(a: List[Shape], b: List[Shape]) -> FinalizationComparison:
    return compare_trees("main", tree(("Py_FinalizeEx", a)), tree(("_Py_Finalize", b)))


def names(changes: List[Change]) -> List[str]:
    return [change.step for change in changes]


def lists(result: FinalizationComparison) -> Tuple[List[str], List[str], List[str]]:
    return names(result.moved), names(result.new), names(result.gone)


def test_one_step_that_passes_three_others_is_the_one_that_moved() -> None:
    result = compared(["x", "p", "q", "r", "z"], ["p", "q", "r", "x", "z"])
    assert lists(result) == (["x"], [], [])
    (moved,) = result.moved
    assert moved.a is not None and (moved.a.container, moved.a.after, moved.a.before) == ("Py_FinalizeEx", None, "p")
    assert moved.b is not None and (moved.b.container, moved.b.after, moved.b.before) == ("_Py_Finalize", "r", "z")
    assert (moved.now_after, moved.now_before) == (["p", "q", "r"], [])
    assert [(c.a.name, c.b.name) for c in result.renamed if c.a and c.b] == [("Py_FinalizeEx", "_Py_Finalize")]


def test_a_new_frame_moves_nothing() -> None:
    result = compared(["p", "q", "r"], ["p", ("frame", ["q", ("inner", ["r"])])])
    assert lists(result) == ([], ["frame", "inner"], [])
    assert result.new[0].holds == ["q", "r"]
    assert [(row.a, row.b, row.mark) for row in result.rows] == [
        ("Py_FinalizeEx", "_Py_Finalize", "renamed"), ("p", "p", "same"), ("", "frame", "new"), ("q", "q", "same"),
        ("", "inner", "new"), ("r", "r", "same"),
    ]  # fmt: skip


def test_from_one_container_to_another_is_moved_and_its_parts_go_with_it() -> None:
    result = compared([("one", ["p", ("x", ["y"])]), ("two", ["q"])], [("one", ["p"]), ("two", [("x", ["y"]), "q"])])
    assert lists(result) == (["x"], [], [])
    assert [(row.a, row.b, row.mark) for row in result.rows if row.mark != "same"][1:] == [
        ("x", "", "moved"), ("y", "", "inside"), ("", "x", "moved"), ("", "y", "inside"),
    ]  # fmt: skip


def test_what_is_inside_a_function_is_told_once() -> None:
    gc: Shape = ("collect", ["clear_a", "clear_b"])
    result = compared([gc, "p", gc], [gc, "p", gc])
    assert (result.steps_a, result.steps_b, result.differs) == (6, 6, False)
    swapped: Shape = ("collect", ["clear_b", "clear_a"])
    assert lists(compared([gc, "p", gc], [swapped, "p", swapped])) == (["clear_b"], [], []) or lists(
        compared([gc, "p", gc], [swapped, "p", swapped])
    ) == (["clear_a"], [], [])


def test_called_once_more_is_new_and_says_where_else_it_is() -> None:
    result = compared(["p", ("one", ["x"])], [("two", ["x"]), "p", ("one", ["x"])])
    assert lists(result) == ([], ["two", "x"], [])
    assert result.new[1].also_in == ["one"]


def test_names_of_the_catalogue() -> None:
    """A step is known under its names of all versions, and where a row of its own goes on with an older one."""
    result = compared(["PyTuple_Fini", "PyLong_Fini", "PyImport_Cleanup"], ["_PyTuple_Fini", "_PyLong_Fini", "finalize_modules"])
    assert lists(result) == ([], [], []) and not result.differs
    assert names(result.renamed) == ["_Py_Finalize", "_PyTuple_Fini", "_PyLong_Fini", "finalize_modules"]


def test_phase_of_a_step_that_did_not_move() -> None:
    a, b = tree(("Py_FinalizeEx", ["p", "q"])), tree(("Py_FinalizeEx", ["p", "q"]))
    b.children[1].phase = "daemon-threads"
    result = compare_trees("main", a, b)
    assert names(result.rephased) == ["q"] and result.differs


def test_counts_make_no_other_order() -> None:
    a, b = tree(("Py_FinalizeEx", ["p"])), tree(("Py_FinalizeEx", ["p"]))
    a.children[0].count, b.children[0].count = 3, 4
    a.children[0].state = b.children[0].state = "done"
    result = compare_trees("main", a, b)
    assert names(result.counted) == ["p"] and not result.differs


def test_text_fits_and_hides_control_characters() -> None:
    result = compared(["x", "p" * 70, "q", "r", "evil\x1b[2J"], ["p" * 70, "q", "r", "x"])
    comparison = Comparison(Side("a\x1b[31m", "plan", "/a"), Side("b", "plan", "/b"), [result])
    text = render_comparison(comparison, Style(False, unicode=True), 80)
    assert "\x1b" not in text and "\\x1b" in text
    long = [line for line in text.splitlines() if display_width(line) > 80]
    assert all("p" * 70 in line for line in long)  # a name is not cut in the middle of a sentence
    assert comparison_to_dict(comparison)["differs"] is True
