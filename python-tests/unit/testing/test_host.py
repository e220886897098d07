"""The engines of a harness: one after the other on one database, without a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import cloaca
from cloaca.testing import Harness, harness
from cloaca_testing.host import DrivenThread, _end_all

T = TypeVar("T")


@pytest.fixture
def registry() -> cloaca.Registry:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("flow", registry=registry):

        @cloaca.task
        def body(context: cloaca.Context) -> None: ...

    return registry


@pytest.fixture(params=["in memory", "in a file"])
def h(
    request: pytest.FixtureRequest, registry: cloaca.Registry, tmp_path: Path
) -> Iterator[Harness]:
    url = tmp_path / "work.db" if request.param == "in a file" else None
    with harness(registry, url=url) as made:
        yield made


async def this_thread(_: object) -> threading.Thread:
    return threading.current_thread()


def asked(h: Harness, ask: Callable[[Any], Awaitable[T]]) -> T:
    """The answer of the harness's engine."""

    async def answer(engine: Any) -> T:
        return await ask(engine)

    return h._host.send(answer).result()


def test_its_loop_is_driven_by_callers(h: Harness) -> None:
    thread = h._host._thread

    assert isinstance(thread, DrivenThread)
    assert not thread.is_current()
    assert asked(h, this_thread) == threading.current_thread()


def test_the_next_engine_finds_the_rows_of_the_one_that_was_killed(h: Harness) -> None:
    before = asked(h, lambda engine: engine.store.runners())
    h.crash_at("journal.before_commit")

    run = h.run("flow")

    assert run.status == "Completed"
    after = asked(h, lambda engine: engine.store.runners())
    assert len(before) == 1
    assert [row.fenced for row in after if row.id == before[0].id] in ([], [True])
    assert [row.fenced for row in after if row.id != before[0].id] == [False]


def test_an_engine_that_is_killed_as_it_starts_has_a_next_one(h: Harness) -> None:
    h.crash_at("journal.before_commit")
    h.crash_at("takeover.after_fence")

    assert h.run("flow").status == "Completed"


def test_it_looks_for_what_others_write_when_it_is_told(
    registry: cloaca.Registry, tmp_path: Path
) -> None:
    url = tmp_path / "work.db"
    with harness(registry, url=url) as h:
        with cloaca.Client(url, registry=registry) as client:
            client.submit("flow")
        h.clock.advance(minutes=1)
        assert h.runner.count_runs(status="Completed") == 0

        assert h.drain() == {"Completed": 1}


@pytest.mark.parametrize("url", [":memory:", "work.db"])
def test_threads_of_the_database_end_and_others_are_not_waited_for(
    registry: cloaca.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before, go = set(threading.enumerate()), threading.Event()
    h = harness(registry, url=url)
    mine = threading.Thread(target=go.wait, daemon=True)
    mine.start()
    h.run("flow")
    monkeypatch.setattr(mine, "join", None)  # it would not return
    h.close()
    h._host.close_database()  # once is enough

    assert set(threading.enumerate()) - before == {mine}
    go.set()


def test_code_of_a_killed_engine_ends_where_it_stands() -> None:
    """Some of it awaits as it ends, or makes tasks that would go on."""
    loop = asyncio.new_event_loop()
    ended: list[str] = []
    made: list[asyncio.Task[None]] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            made.append(loop.create_task(asyncio.sleep(3600)))
            ended.append("stubborn")
            await asyncio.sleep(1)

    async def calm() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("calm")

    tasks = [loop.create_task(coroutine()) for coroutine in (stubborn, calm)]
    loop.run_until_complete(asyncio.sleep(0))

    _end_all(loop)

    assert sorted(ended) == ["calm", "stubborn"]
    assert len(made) == 1
    for task in [*tasks, *made]:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # as in a killed engine
    loop.close()
