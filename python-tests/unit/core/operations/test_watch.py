"""A watch gives the first snapshot at once, then one for each change, and ends with the run."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.operations.watch import Watch


class Counter:
    """Numbers that are read one after the other; after each the watchers are woken."""

    def __init__(self, host: EngineHost, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.reads = 0
        self.watch = Watch(host, self.read, lambda n: n, str, lambda n: n < 0)

    async def read(self, engine: Engine) -> int:
        self.reads += 1
        asyncio.get_running_loop().call_soon(engine.watchers.wake)
        return self.numbers.pop(0)


def test_a_notice_of_something_else_is_no_snapshot(host: EngineHost) -> None:
    counter = Counter(host, 1, 1, 2, 2, 2, -1, 5)

    assert list(counter.watch) == ["1", "2", "-1"]
    assert counter.reads == 6
    assert list(counter.watch) == []


async def test_a_loop_gets_the_same(host: EngineHost) -> None:
    counter = Counter(host, 1, 1, -1)

    assert [each async for each in counter.watch] == ["1", "-1"]
    with pytest.raises(StopAsyncIteration):
        await anext(counter.watch)


def test_an_error_of_the_store_comes_through(host: EngineHost) -> None:
    async def failing(engine: Engine) -> int:
        raise StoreUnavailableError("busy")

    with pytest.raises(StoreUnavailableError):
        next(Watch(host, failing, lambda n: n, str, lambda n: False))
