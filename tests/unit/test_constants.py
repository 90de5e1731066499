"""Constant texts that a call was given, read from machine code as compilers write it."""

from __future__ import annotations

import struct
from typing import Dict

import pytest

from fingdb.debugger.fake import FakeDebugger
from fingdb.findings.constants import constants_given, function_and_message
from fingdb.model.report import NativeFrame

CODE, TEXTS = 0x400000, 0x500000
FUNCTION, MESSAGE, FORMAT = TEXTS, TEXTS + 64, TEXTS + 128
WORDS = {FUNCTION: "none_dealloc", MESSAGE: "deallocating None", FORMAT: "no lock for %s"}
CALL, INDIRECT, NOTHING = "e8 11 22 33 44", "ff 15 11 22 33 44", "90"
RDI, RSI, RESULT, NO_VECTORS = "48 8d 3d", "48 8d 35", "48 89 c7", "31 c0"


def given(*instructions: object) -> Dict[str, str]:
    """Put instructions (text, or a load and the address it loads) before a return address, and ask."""
    code = b"\x90" * 128
    for each in instructions:
        if isinstance(each, tuple):
            load, address = each
            code += bytes.fromhex(load)
            code += struct.pack("<i", address - (CODE + len(code) + 4))
        else:
            code += bytes.fromhex(str(each))
    debugger = FakeDebugger()
    debugger.map(CODE, code)
    return constants_given(debugger, NativeFrame(1, CODE + len(code), 0, None, None), lambda at: WORDS.get(at, ""))


@pytest.mark.parametrize("call", [CALL, INDIRECT])
def test_a_function_and_a_message(call: str) -> None:
    for loads in (((RDI, FUNCTION), (RSI, MESSAGE)), ((RSI, MESSAGE), (RDI, FUNCTION), NO_VECTORS)):
        assert function_and_message(given(*loads, call)) == ("none_dealloc", "deallocating None")


def test_addresses_in_a_program_that_is_not_moved() -> None:
    loads = (f"be {MESSAGE.to_bytes(4, 'little').hex()}", f"bf {FUNCTION.to_bytes(4, 'little').hex()}")
    assert function_and_message(given(*loads, NO_VECTORS, CALL)) == ("none_dealloc", "deallocating None")


def test_a_message_alone() -> None:
    found = given((RDI, MESSAGE), CALL)
    assert found == {"rdi": "deallocating None"} and function_and_message(found) is None


def test_what_another_call_has_made_of_it() -> None:
    assert given((RDI, FORMAT), NO_VECTORS, CALL, RESULT, CALL, RESULT, CALL) == {"rdi": "no lock for %s"}


def test_what_belongs_to_something_else_does_not_count() -> None:
    assert given((RDI, MESSAGE), NOTHING, CALL) == {}
    assert given((RDI, MESSAGE), CALL, NOTHING) == {}  # no call ends where it returns to
    assert given((RDI, MESSAGE), CALL, CALL) == {}
    assert given((RDI, TEXTS + 1000), CALL) == {}
    assert given((RDI, FUNCTION), (RDI, MESSAGE), CALL) == {"rdi": "deallocating None"}
    assert function_and_message({"rdi": "two words", "rsi": "deallocating None"}) is None
    assert function_and_message({"rdi": "none_dealloc", "rsi": "word"}) is None


def test_code_that_cannot_be_read_tells_nothing() -> None:
    assert constants_given(FakeDebugger(), NativeFrame(1, CODE, 0, None, None), lambda at: "text") == {}
