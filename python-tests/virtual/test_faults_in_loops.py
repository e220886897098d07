"""An error at any call of a background loop: nothing is lost, and the loop goes on, or the engine
ends with a reason.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from model.faults import Calls, Site
from model.virtual_engine import Program, World, world

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.submission import StartOptions
from cloaca_core.definition.task import task
from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.order import Order
from cloaca_core.engine.runtime.supervisor import SupervisedLoop
from cloaca_core.errors import CloacaError
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.times.backoff import Backoff
from cloaca_core.values.waits import EVENT

pytestmark = pytest.mark.virtual_time

LEASE = 15.0
MINUTES = 3
WAKEUP = "engine/runtime/supervisor.py"
PARTS = {
    "changes": ("engine/observe", "engine/kernel.py", WAKEUP),
    "claim": ("engine/claim", WAKEUP),
    "definitions": ("features/definitions", WAKEUP),
    "journal": ("engine/kernel.py", "engine/record", "engine/submit", "features/task_logs"),
    "lease": ("engine/kernel.py", "engine/recover", WAKEUP),
    "lost-lease": ("engine/kernel.py", "engine/record", "engine/recover", WAKEUP),
    "schedules": ("features/schedules", "engine/record", WAKEUP),
    "steering": ("engine/kernel.py", "features/steering", "features/reruns", WAKEUP),
    "takeover": ("engine/kernel.py", "engine/recover", WAKEUP),
    "triggers": ("features/triggers", WAKEUP),
    "unserved": ("features/unserved", WAKEUP),
    "upkeep": ("features/upkeep", WAKEUP),
}
SHARED = {
    "asking": ("engine/claim", WAKEUP),
    "giving": ("engine/claim", WAKEUP),
    "limits": ("features/limits/desk", "features/limits/recorder.py", WAKEUP),
    "overdue": ("features/queues", WAKEUP),
    "queues": ("features/queues", WAKEUP),
}
"""Loops, and the folders and files of the core that they are made of. What they call beyond these
are steps of runs, an error in which ends the run.
"""


class Story:
    """What happens in a program that uses all of its loops, in some minutes.

    ``begun`` has the attempts whose bodies have begun, ``broken`` the reasons for which the engine
    has ended.
    """

    def __init__(self, w: World) -> None:
        self.w = w
        self.begun: list[tuple[str, str, int, int]] = []
        self.broken: list[str] = []
        self._fired = itertools.count()
        with WorkflowBuilder("flow", registry=w.registry):
            task(id="quick")(self._quick)
            task(id="slow", dependencies=["quick"], retry_attempts=2, retry_delay_ms=500)(
                self._slow
            )
        with WorkflowBuilder("long", registry=w.registry):
            task(id="t")(self._long)
        with WorkflowBuilder("asks", registry=w.registry):
            wait_for("answer")
            task(id="after", dependencies=["answer"])(self._quick)

    def _note(self) -> int:
        work = calling_work()
        assert work is not None
        attempt = work.attempt
        self.begun.append((attempt.run_id, attempt.task_id, attempt.number, attempt.epoch))
        return attempt.number

    def _quick(self, _: Context) -> None:
        self._note()

    async def _slow(self, _: Context) -> None:
        await asyncio.sleep(2)
        if self._note() == 1:
            raise ValueError("not yet")

    async def _long(self, _: Context) -> None:
        self._note()
        await asyncio.sleep(40)

    def _fires(self) -> TriggerResult:
        return TriggerResult.fire(idempotency_key=str(next(self._fired)))

    # -- the course --------------------------------------------------------------------------

    async def play(self, calls: Calls) -> None:
        """All of it, with the fault of these calls."""
        dead = await self._dies()
        mine = await self.w.start(
            lease_seconds=LEASE, max_active_runs=4, retention_days=2, broken=self.broken.append
        )
        await mine.schedule("* * * * *")
        self.w.trigger(self._fires, poll_interval="30s")
        with calls.watching():
            await self._works(mine)
        if not self.broken:
            self._check(mine, dead)

    async def _dies(self) -> str:
        """A program dies in a run, days after another one that may be deleted by now; its id."""
        before = await self.w.start(lease_seconds=LEASE)
        await before.execute("flow")
        await before.stop()  # else it would note for days that it is there
        await asyncio.sleep(timedelta(days=3).total_seconds())
        program = await self.w.start(lease_seconds=LEASE)
        run_id = await program.submit("long")
        await asyncio.sleep(1)
        program.store.answers.clear()
        return run_id

    async def _works(self, mine: Program) -> None:
        asked: list[Coroutine[Any, Any, object]] = [
            *(mine.execute("flow") for _ in range(5)),
            mine.execute("flow", start=StartOptions(delay=timedelta(seconds=50))),
            self._is_cancelled(mine),
            self._is_paused(mine),
            self._asks(mine),
            self._is_fenced(mine),
        ]
        calls = [asyncio.create_task(each) for each in asked]
        for _ in range(MINUTES * 4):
            await asyncio.sleep(15)
            mine.store._news.set()  # another program has written something
        done, waiting = await asyncio.wait(calls, timeout=1)
        for each in waiting:
            each.cancel()
        if not self.broken:
            assert not waiting, f"{len(waiting)} callers wait for ever"
        for each in done:
            error = each.exception()
            assert error is None or isinstance(error, CloacaError), error

    async def _is_cancelled(self, mine: Program) -> None:
        run_id = await mine.submit("long")
        await asyncio.sleep(10)
        await mine.engine.steering.cancel([run_id], Order("cancel", "ann", None), 5, children=True)
        assert (await mine.wait(run_id)).row.status in {"Cancelled", "Failed"}

    async def _is_paused(self, mine: Program) -> None:
        run_id = await mine.submit("flow")
        await mine.engine.steering.pause([run_id], Order("pause", "ann", None), None, children=True)
        await asyncio.sleep(20)
        await mine.engine.steering.resume([run_id], Order("resume", "ann", None))
        await mine.wait(run_id)

    async def _asks(self, mine: Program) -> None:
        run_id = await mine.submit("asks")
        await asyncio.sleep(60)
        message = NewMessage(mine.engine.ids.next(), run_id, EVENT, "answer", "1", None, None, 0)
        await mine.engine.messages.send(message)
        await mine.wait(run_id)

    async def _is_fenced(self, mine: Program) -> None:
        await asyncio.sleep(71)
        (row,) = [each for each in await self.w.store.runners() if each.id == mine.runner_id]
        assert await self.w.store.fence(row.id, row.beat)

    # -- what must be so in the end ----------------------------------------------------------

    def _check(self, mine: Program, dead: str) -> None:
        now = self.w.clock.wall()
        for run in self.w.runs():
            if run.created_at < now - 60_000_000 and run.due_at is None:
                assert run.ended_at is not None, f"{run.workflow} {run.status} {run.owner}"
        assert self.w.run(dead).ended_at is not None
        assert len(self.w.ticks()) == MINUTES
        assert len(self.w.store.events) >= MINUTES * 2 - 2  # a poll that was taken may be lost
        assert len(self.begun) == len(set(self.begun)), "a body has begun twice"
        assert all(not each._task.done() for each in mine.engine._parts.loops if each._task)


class Crowd:
    """What happens between two runners: one has more than it can run, and work of which one body at
    a time may run; the other one comes later, and asks for some. A run moves to a queue that no
    runner serves, and its time limit passes there.
    """

    def __init__(self, w: World) -> None:
        self.w = w
        self.begun: list[tuple[str, int]] = []
        self.at_once = self.most = 0
        w.define(self._short, "short")
        w.define(self._alone, "alone", limits=[Limit("one", total=1)])
        with WorkflowBuilder("elsewhere", registry=w.registry) as builder:
            builder.time_limit(timedelta(seconds=60))
            task(id="here")(self._short)
            task(id="there", dependencies=["here"], queue="far")(self._short)

    async def _short(self, _: Context, handle: AsyncTaskHandle) -> None:
        self.begun.append((handle.run_id, handle.epoch))
        await asyncio.sleep(10)

    async def _alone(self, _: Context, handle: AsyncTaskHandle) -> None:
        self.begun.append((handle.run_id, handle.epoch))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(5)
        finally:
            self.at_once -= 1

    async def play(self, calls: Calls) -> None:
        """All of it, with the faults of these calls."""
        settings: dict[str, Any] = {"max_concurrent_async_tasks": 2, "lease_seconds": LEASE}
        mine = await self.w.start(queues=["default", "gpu"], **settings)
        with calls.watching():
            ids = [await mine.submit(name) for name in ("short", "alone") for _ in range(6)]
            late = await mine.submit("elsewhere")
            await asyncio.sleep(5)
            await self.w.start(queues=["default"], **settings)
            waiting = [asyncio.create_task(mine.wait(each)) for each in (*ids, late)]
            done, left = await asyncio.wait(waiting, timeout=MINUTES * 60)
        rows = [(each.workflow, each.status, each.queue) for each in self.w.runs()]
        assert not left, f"{len(left)} runs have not ended: {rows}"
        ended = Counter([(await each).row.status for each in done])
        assert ended == {"Completed": len(ids), "Failed": 1}
        assert self.w.run(late).status == "Failed"
        assert sorted(self.begun) == sorted(set(self.begun)), "a body has begun twice"
        assert self.most == 1, "more bodies at once than the limit has places"


async def played(
    faults: Mapping[str, Site],
    story: type[Story | Crowd] = Story,
    parts_of: Mapping[str, tuple[str, ...]] = PARTS,
) -> dict[str, list[Site]]:
    """Play the story with these faults; the calls of each loop of functions of its own parts."""
    calls = Calls(faults)
    async with world() as w:
        with _health_tells(w):
            await story(w).play(calls)
    return {
        loop: sorted(site for site in calls.met.get(loop, ()) if site.file.startswith(parts))
        for loop, parts in parts_of.items()
    }


@contextmanager
def _health_tells(w: World) -> Iterator[None]:
    """Within, ``health`` has the error of each turn that has failed, until one succeeds."""
    pause = SupervisedLoop._pause

    async def look(loop: SupervisedLoop, backoff: Backoff) -> None:
        told = [
            each.engine._parts.health.report()["loops"].get(loop.name, {}) for each in w.programs
        ]
        assert str(loop.failure) in [each.get("error") for each in told]
        await pause(loop, backoff)

    with mock.patch.object(SupervisedLoop, "_pause", look):
        yield


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_no_error_in_a_turn_loses_anything(caplog: pytest.LogCaptureFixture) -> None:
    """The journal's faults come one by one, as they may end the engine; one of each other loop at
    once.
    """
    caplog.set_level(logging.CRITICAL + 1, "cloaca")  # its records would keep what has failed
    sites = await played({})
    assert all(sites.values()), "the story does not use all loops"
    faults: list[dict[str, Site]] = [{"journal": site} for site in sites.pop("journal")]
    faults += [
        {loop: site for loop, site in zip(sites, some, strict=True) if site}
        for some in itertools.zip_longest(*sites.values())
    ]

    for each in faults:
        try:
            await played(each)
        except BaseException as error:
            error.add_note(f"after faults at {each}")
            raise
    gc.collect()  # here: of coroutines that were given to a call which has failed


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_no_error_in_a_turn_loses_work_that_two_runners_share(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL + 1, "cloaca")
    sites = await played({}, Crowd, SHARED)
    assert all(sites.values()), "the story does not use all loops"

    for some in itertools.zip_longest(*sites.values()):
        faults = {loop: site for loop, site in zip(sites, some, strict=True) if site}
        try:
            await played(faults, Crowd, SHARED)
        except BaseException as error:
            error.add_note(f"after faults at {faults}")
            raise
    gc.collect()
