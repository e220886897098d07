"""A view hears that something may have changed, a few times a second at most."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from model.memory_store import MemoryStore

from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunnerClosedError
from cloaca_core.features.explain.facts import RunnerState
from cloaca_tools.views.notices import APART, NoticeStream

WAIT = 60


class Store(MemoryStore):
    """Notes whether runs are watched."""

    is_watched = False

    def set_watched(self, *, watched: bool) -> None:
        self.is_watched = watched


class SameLoop:
    """A host whose engine is on the loop of its caller; it has watchers, and no runners."""

    def __init__(self) -> None:
        self.store = Store()
        self.watchers = Watchers(self.store, lambda _: None, Subjects())

    def send(self, ask: Any) -> Any:
        engine = cast("Engine", SimpleNamespace(watchers=self.watchers, explainer=self))
        return asyncio.run_coroutine_threadsafe(ask(engine), asyncio.get_running_loop())

    async def leases(self) -> tuple[list[RunnerState], int]:
        return [], 0


def stream_of(host: SameLoop) -> NoticeStream:
    """The notices of a host."""
    return NoticeStream(cast("EngineHost", host))


@pytest.mark.virtual_time
async def test_the_first_comes_at_once_and_many_soon_after_it_are_one() -> None:
    host, loop = SameLoop(), asyncio.get_running_loop()
    async with stream_of(host) as notices:
        start = loop.time()
        host.watchers.wake()
        await anext(notices)
        assert loop.time() == start
        for _ in range(5):
            host.watchers.wake()
        await anext(notices)
        assert loop.time() == pytest.approx(start + APART)

        another = asyncio.ensure_future(anext(notices))
        await asyncio.sleep(10 * APART)
        assert not another.done()
        host.watchers.wake()
        await another


@pytest.mark.virtual_time
async def test_what_comes_while_the_caller_is_slow_is_not_lost() -> None:
    host = SameLoop()
    async with stream_of(host) as notices:
        host.watchers.wake()
        await anext(notices)
        host.watchers.wake()
        await asyncio.sleep(10 * APART)
        await anext(notices)


async def test_who_leaves_is_told_nothing_any_more() -> None:
    host = SameLoop()
    stream = stream_of(host)
    async with stream:
        assert host.store.is_watched
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not host.store.is_watched


async def test_the_end_of_the_runner_ends_them(host: EngineHost) -> None:
    async with NoticeStream(host) as notices:
        hearing = asyncio.ensure_future(heard(notices))
        await asyncio.wrap_future(host.close())
        with pytest.raises(RunnerClosedError):
            await hearing
    host.end_thread()


async def heard(notices: NoticeStream) -> None:
    """Hear notices until they end; some of the last records may come before that."""
    async for _ in notices:
        pass
