"""Which memory an instruction reaches for."""

from __future__ import annotations

from typing import Dict, List, Optional

import pytest

from fingdb.findings.operands import reach

PC = 0x400000
REGISTERS: Dict[str, int] = {
    "rax": 0x1000, "rcx": 0x20, "rdx": 0x3000, "rbx": 0x4000, "rsp": 0x7FFF0000, "rbp": 0x7FFF0100, "rsi": 0x6000,
    "rdi": 0x7000, "r8": 0x8000, "r12": 0xC000, "r13": 0xD000, "fs_base": 0x7F0000000000,
}  # fmt: skip


@pytest.mark.parametrize(
    "code, addresses",
    [
        ("48 8b 47 10", [0x7010]),  # mov 0x10(%rdi),%rax
        ("8b 04 88", [0x1080]),  # mov (%rax,%rcx,4),%eax
        ("49 8b 45 00", [0xD000]),  # mov 0x0(%r13),%rax
        ("4d 89 04 24", [0xC000]),  # mov %r8,(%r12)
        ("48 8b 87 f8 ff ff ff", [0x6FF8]),  # mov -0x8(%rdi),%rax
        ("48 8b 05 00 01 00 00", [PC + 0x107]),  # mov 0x100(%rip),%rax
        ("64 48 8b 04 25 28 00 00 00", [0x7F0000000028]),  # mov %fs:0x28,%rax
        ("8b 04 8d 00 10 00 00", [0x1080]),  # mov 0x1000(,%rcx,4),%eax
        ("c5 fe 7f 07", [0x7000]),  # vmovdqu %ymm0,(%rdi)
        ("c4 c1 7e 6f 44 24 20", [0xC020]),  # vmovdqu 0x20(%r12),%ymm0
        ("0f b6 06", [0x6000]),  # movzbl (%rsi),%eax
        ("f3 48 a5", [0x6000, 0x7000]),  # rep movsq
        ("ff 50 08", [0x1008, 0x7FFEFFF8]),  # call *0x8(%rax)
        ("55", [0x7FFEFFF8]),  # push %rbp
        ("c3", [0x7FFF0000]),  # ret
        ("c9", [0x7FFF0100]),  # leave
        ("48 8d 47 10", []),  # lea 0x10(%rdi),%rax
        ("48 89 c3", []),  # mov %rax,%rbx
        ("0f 0b", []),  # ud2
        ("f4", []),  # hlt
    ],
)
def test_addresses(code: str, addresses: List[int]) -> None:
    found = reach(bytes.fromhex(code) + bytes(8), PC, REGISTERS.get)
    assert found is not None and found.addresses == addresses


@pytest.mark.parametrize(
    "code",
    [
        "62 f1 7c 48 10 07",  # vmovups (%rdi),%zmm0
        "c4 e2 69 92 04 07",  # vgatherdps
        "0f ae 07",  # fxsave (%rdi)
        "67 8b 07",  # mov (%edi),%eax
        "4d 8b 3e",  # mov (%r14),%r15: a register that is not known
        "48 8b",  # cut off
        "",
    ],
)
def test_what_cannot_be_told(code: str) -> None:
    assert reach(bytes.fromhex(code), PC, REGISTERS.get) is None


def test_addresses_wrap_around() -> None:
    def register(name: str) -> Optional[int]:
        return (1 << 64) - 8 if name == "rdi" else None

    found = reach(bytes.fromhex("488b4710"), PC, lambda name: register(name) if name != "rsp" else 0)
    assert found is not None and found.addresses == [8]


def test_what_else_an_instruction_may_fault_for() -> None:
    load = reach(bytes.fromhex("488b4710"), PC, REGISTERS.get)
    assert load is not None and load.plain
    for code in ("ff5008", "c3", "c5fe7f07", "48f73f"):  # a call leads astray, an operand is not aligned, or 0
        found = reach(bytes.fromhex(code) + bytes(4), PC, REGISTERS.get)
        assert found is not None and not found.plain
