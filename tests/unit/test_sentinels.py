"""Sentinels: what comes too often is left alone, and for longer each time where there is no end of it."""

from __future__ import annotations

from fingdb.debugger.fake import FakeDebugger
from fingdb.findings.sentinels import LEAST_PATIENCE, PATIENCE, Sentinels


def hits_until_left_alone(sentinels: Sentinels, storm: bool) -> int:
    count = 1
    while not sentinels.idle(0x1000, storm):
        count += 1
    return count


def test_patience() -> None:
    debugger = FakeDebugger()
    sentinels = Sentinels(debugger)
    sentinels.watch_address(0x1000, "PyGILState_Ensure", lambda _hit, _name: False)
    (place,) = debugger.breakpoints
    for storm, expected in (
        (False, PATIENCE), (False, PATIENCE), (True, PATIENCE), (True, PATIENCE >> 2), (True, LEAST_PATIENCE),
        (True, LEAST_PATIENCE),
    ):  # fmt: skip
        assert place.enabled
        assert hits_until_left_alone(sentinels, storm) == expected
        assert not place.enabled
        sentinels.wake()
    sentinels.stop()
    sentinels.watch_address(0x1000, "PyGILState_Ensure", lambda _hit, _name: False)
    assert hits_until_left_alone(sentinels, True) == PATIENCE  # of another life nobody knows yet
