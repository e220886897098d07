"""Bodies that leave at each of their waits come to the same result as bodies that stay, and call
each of their steps once: random bodies, against a plain reading of what they do.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from model.virtual_engine import Program, World, at, world
from model.virtual_time import BEGINNING
from tables import each_row
from virtual.test_waits import PAUSE, RESUME, send

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.task import task
from cloaca_core.values.times.instants import SECOND, from_datetime

pytestmark = pytest.mark.virtual_time

SEEDS = range(40)
NEVER = 10**6
"""Seconds after which no body leaves that these tests have."""
EVENTS = ("a", "b")
TRIES = 3

Operation: TypeAlias = "tuple[str, Any]"


# -- bodies --------------------------------------------------------------------------------------


def operations(rng: random.Random, count: int, *, nested: bool = False) -> list[Operation]:
    """What a body does. Within a gathering no name occurs twice: its order would be open."""
    made: list[Operation] = []
    names = [*EVENTS, "n1", "n2", "n3"]
    rng.shuffle(names)
    for _ in range(count):
        kinds = ["step", "sleep", "until", "event", "late"]
        kind = rng.choice(kinds if nested else [*kinds, "event", "gather", "fail"])
        name = names.pop() if nested else rng.choice(names)
        if kind == "gather":
            made.append((kind, operations(rng, rng.randint(2, 4), nested=True)))
        elif kind == "event":
            made.append((kind, name if name in EVENTS else "c" if nested else EVENTS[0]))
        elif kind in ("sleep", "until"):
            made.append((kind, rng.choice([0, 1, 8, 3000])))
        else:
            made.append((kind, name))
    return made


def flat(operations: list[Operation]) -> Iterator[Operation]:
    for kind, detail in operations:
        if kind == "gather":
            yield from flat(detail)
        else:
            yield kind, detail


@dataclass
class Expected:
    """What a body returns and which steps it calls, by reading it."""

    sent: Counter[str]
    met: Counter[str] = field(default_factory=Counter)
    steps: list[str] = field(default_factory=list)

    def of(self, operations: list[Operation]) -> list[Any]:
        return [self._one(kind, detail) for kind, detail in operations if kind != "fail"]

    def _one(self, kind: str, detail: Any) -> Any:
        if kind == "gather":
            return self.of(detail)
        if kind == "step":
            self.met[detail] += 1
            self.steps.append(f"{detail} {self.met[detail]}")
            return self.steps[-1]
        if kind == "event":
            self.sent[detail] += 1
            return f"{detail} {self.sent[detail]}"
        return "late" if kind == "late" else None


@dataclass
class Body:
    """The same body, for a handle. It fails at its first operations named so."""

    operations: list[Operation]
    calls: Counter[str] = field(default_factory=Counter)

    async def run(self, _: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
        failures = iter(range(1, TRIES))
        met: Counter[str] = Counter()
        values = []
        for kind, detail in self.operations:
            if kind == "fail":
                if handle.attempt == next(failures, None):
                    raise ValueError("not yet")
            else:
                values.append(await self._one(handle, met, kind, detail))
        return {handle.task_id: values}

    async def _one(self, handle: AsyncTaskHandle, met: Counter[str], kind: str, detail: Any) -> Any:
        match kind:
            case "gather":
                return await asyncio.gather(*[self._one(handle, met, *each) for each in detail])
            case "step":
                met[detail] += 1
                return await handle.step(detail, self._call, f"{detail} {met[detail]}")
            case "sleep":
                return await handle.sleep(detail)
            case "until":
                return await handle.sleep_until(at(from_datetime(BEGINNING) + detail * SECOND))
            case "event":
                return await handle.wait_for(detail)
            case _:
                return await handle.wait_for(f"never {detail}", timeout=7, default="late")

    async def _call(self, name: str) -> str:
        self.calls[name] += 1
        await asyncio.sleep(0.01)
        return name


def define(w: World, rng: random.Random) -> list[Body]:
    """A workflow: a body, waits of nodes below it, another body below these."""
    bodies = [Body(operations(rng, rng.randint(1, 6))) for _ in range(2)]
    options: dict[str, Any] = {"retry_attempts": TRIES, "retry_delay_ms": 1000}
    with WorkflowBuilder("flow", registry=w.registry):
        task(id="first", **options)(bodies[0].run)
        nap = sleep("nap", seconds=rng.choice([0, 3, 3000]), dependencies=["first"])
        node = wait_for("node", dependencies=[nap])
        task(id="second", dependencies=[node], **options)(bodies[1].run)
    return bodies


# -- those who send and steer --------------------------------------------------------------------


async def meddle(by: Program, run_id: str, sent: Counter[str], rng: random.Random) -> None:
    """Send all events of a run, those of a name in their order, and pause it now and then."""
    names = rng.sample(list(sent.elements()), sent.total())
    numbers: Counter[str] = Counter()
    for name in names:
        await asyncio.sleep(rng.choice([0, 0, 0.02, 5, 100, 4000]))
        if rng.random() < 0.2:
            await by.engine.steering.pause([run_id], PAUSE, None, children=True)
            await asyncio.sleep(rng.choice([0, 0.02, 50]))
        numbers[name] += 1
        await send(by, run_id, f'"{name} {numbers[name]}"', event=name)
        if rng.random() < 0.7:
            await by.engine.steering.resume([run_id], RESUME)
    await by.engine.steering.resume([run_id], RESUME)


async def check(seed: int, *, evict_after: float, programs: int = 1) -> None:
    """Let a run of the seed's workflow end, and look at what it has done. All programs but the
    first are stopped meanwhile.
    """
    async with world() as w:
        rng = random.Random(seed)  # noqa: S311 - to be repeated, no secret
        bodies = define(w, rng)
        sent: Counter[str] = Counter()
        expected = [Expected(sent), Expected(sent)]
        values = [each.of(body.operations) for each, body in zip(expected, bodies, strict=True)]
        sent["node"] += 1
        started = [await w.start(evict_after_seconds=evict_after) for _ in range(programs)]
        run_id = await started[-1].submit()
        meddling = asyncio.create_task(meddle(started[0], run_id, sent, rng))
        for each in started[1:]:
            await asyncio.sleep(rng.choice([0, 0.05, 30, 2000]))
            await each.stop()
        ended = await started[0].wait(run_id)
        await meddling

    assert ended.row.status == "Completed", ended.row.error_message
    assert json.loads(str(ended.row.final_context)) == {
        "first": values[0],
        "node": "node 1",
        "second": values[1],
    }
    assert w.store.open_waits == {}
    for body, plain in zip(bodies, expected, strict=True):
        assert body.calls.keys() == set(plain.steps)
        # A body that is cut off with its program may be in a step, or in several at once.
        assert max(body.calls.values(), default=0) <= programs


@each_row("seed", SEEDS)
async def test_a_body_that_leaves_at_each_wait_does_all_it_says_once(seed: int) -> None:
    await check(seed, evict_after=0)


@each_row("seed", SEEDS[::4])
async def test_so_does_one_that_never_leaves(seed: int) -> None:
    await check(seed, evict_after=NEVER)


@each_row("seed", SEEDS[::2])
async def test_so_does_one_whose_programs_stop(seed: int) -> None:
    await check(seed, evict_after=seed % 3, programs=3)
