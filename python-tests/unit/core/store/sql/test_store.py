"""Reads that are awaited at the same time are one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest

from cloaca_core.errors import StoreError
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_core.store.sql.store import ReadsTogether

if TYPE_CHECKING:
    from cloaca_core.store.sql.dialect import Dialect


class Recorder:
    """Answers each step with its name; a step "wrong" fails its transaction."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []

    async def read(self, steps: Sequence[Step]) -> Answers:
        names = [step.statement.name for step in steps]
        self.transactions.append(names)
        if "wrong" in names:
            raise StoreError("no such table")
        return [[(name,)] for name in names]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def together(recorder: Recorder) -> ReadsTogether:
    return ReadsTogether(cast("Dialect", recorder))


def steps(names: str) -> list[Step]:
    """A step of each letter."""
    return [Step(Statement(name, "", ())) for name in names]


async def within(together: ReadsTogether, *parts: str) -> list[Answers]:
    """Read these at the same time, within another task."""
    return await asyncio.gather(*[together.read(steps(each)) for each in parts])


async def test_reads_at_the_same_time_are_one(together: ReadsTogether, recorder: Recorder) -> None:
    one, other = await within(together, "ab", "c")

    assert (one, other) == ([[("a",)], [("b",)]], [[("c",)]])
    assert recorder.transactions == [["a", "b", "c"]]


async def test_so_are_reads_within_tasks_of_tasks(
    together: ReadsTogether, recorder: Recorder
) -> None:
    await asyncio.gather(together.read(steps("a")), within(together, "b", "c"))

    assert [sorted(each) for each in recorder.transactions] == [["a", "b", "c"]]


async def test_reads_one_after_the_other_are_two(
    together: ReadsTogether, recorder: Recorder
) -> None:
    await together.read(steps("a"))
    await together.read(steps("b"))

    assert recorder.transactions == [["a"], ["b"]]


async def test_an_error_reaches_all(together: ReadsTogether) -> None:
    wrong = [Step(Statement("wrong", "", ()))]
    found = await asyncio.gather(
        together.read(steps("a")), together.read(wrong), return_exceptions=True
    )

    assert [type(each) for each in found] == [StoreError, StoreError]


async def test_who_is_cancelled_holds_up_no_other(together: ReadsTogether) -> None:
    gone = asyncio.ensure_future(together.read(steps("a")))
    left = asyncio.ensure_future(together.read(steps("b")))
    asyncio.get_running_loop().call_soon(gone.cancel)

    assert await left == [[("b",)]]
    assert gone.cancelled()
