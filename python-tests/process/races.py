"""A program whose threads stand still, as a seed chooses, at lines that touch what another thread
reads: for ``test_thread_races.py``. ``meetings.py`` provokes each meeting of two threads by itself.

``python -m process.races URL SEED`` has two runners in one process, runs everything that makes
bodies and callers meet the engine's loop, and prints what was lost or done twice, and where threads
stood still.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import cloaca

SWITCH: Final = 1e-6
"""Seconds after which one thread has to let another one go on."""
PART: Final = 0.2
"""The part of the lines at which a thread stands still."""
PAUSES: Final = (0.0, 0.0, 0.0, 0.001)
MODULES: Final = (
    "engine/runtime/loop_thread.py",
    "engine/runtime/thread_calls.py",
    "engine/execute/threads.py",
    "engine/execute/slot_queue.py",
    "engine/execute/work.py",
    "engine/execute/coroutines.py",
    "engine/execute/attempt.py",
    "features/task_logs/log_book.py",
    "features/steps/memos.py",
    "features/steps/steps.py",
    "features/waits/calls.py",
    "engine/record/journal.py",
    "engine/lifecycle.py",
    "definition/registry.py",
    "assembly/host.py",
    "values/ids.py",
)
"""Modules with state that more than one thread touches."""
ROUNDS: Final = 2
FLOWS: Final = 6
AIMED: Final = (
    "Mailbox.put", "Mailbox._empty", "LoopThread.submit", "LoopThread.park", "LoopThread.unpark",
    "LoopThread._end", "CallFuture._wait", "_arrive", "ParkedCall.result", "BodyThreads._next",
    "BodyThreads._serve", "BodyThreads._has_run", "BodyThreads.release_slot", "BodyThreads._seat",
    "BodyThreads._report", "BodyLoop._begins", "BodyLoop._end", "BodyLoop._report", "LogBook.list",
    "LogBook._time_is_over", "LogBook.take", "Memos._ask", "Memos._begin", "Attempt._end",
)  # fmt: skip
"""Functions at each of whose lines a thread stands still, one function after the other, in flows
with nothing beside them: nothing else wakes what was not woken.
"""
LONG_PAUSE: Final = 0.002
ITEMS: Final = 8
LONGEST_BODY: Final = 0.02
PATIENCE: Final = 20.0


class Pauses:
    """The trace function of all threads. ``met`` are the functions in which threads of each kind
    stood still.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chances = threading.local()
        self._names: dict[CodeType, str | None] = {}
        self.met: set[str] = set()
        self.aimed: str | None = None

    def __call__(self, frame: FrameType, _: str, __: Any) -> Callable[..., Any] | None:
        """A function begins."""
        code = frame.f_code
        try:
            name = self._names[code]
        except KeyError:
            name = self._names[code] = _name_of(code)
        return None if name is None else self._line

    def _line(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if self.aimed is not None:
            if event == "line" and self._names[frame.f_code] == self.aimed:
                self.met.add(f"{self.aimed} on {_kind()}")
                time.sleep(LONG_PAUSE)
            return self._line
        chance = getattr(self._chances, "own", None)
        if chance is None:
            seed = f"{self._seed} {threading.current_thread().name}"
            chance = self._chances.own = random.Random(seed)  # noqa: S311 - no secret
        if event == "line" and chance.random() < PART:
            self.met.add(f"{self._names[frame.f_code]} on {_kind()}")
            time.sleep(chance.choice(PAUSES))
        return self._line


def _kind() -> str:
    """Whose thread this is: of bodies, of coroutines, the engine's, a caller's or a driver's."""
    name = threading.current_thread().name
    if name.startswith("cloaca-"):
        return name.removeprefix("cloaca-")
    return "caller" if name.startswith(("caller", "MainThread")) else "driver"


def _name_of(code: CodeType) -> str | None:
    for module in MODULES:
        if code.co_filename.endswith(f"cloaca_core/{module}"):
            return code.co_qualname
    return None


class Ledger:
    """What bodies did, by run: it is outside of the database."""

    def __init__(self) -> None:
        self.effects: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def note(self, handle: Any, what: str) -> None:
        """A body, or a step of it, has run."""
        with self._lock:
            self.effects[handle.run_id, what] += 1


EFFECTS: Final = (
    "first", "step 0", "step 1", "sleeps", "asks", "async", "last",
    *(f"item {number}" for number in range(ITEMS)),
)  # fmt: skip
"""What the bodies of each flow do, once."""


def define(
    registry: cloaca.Registry, ledger: Ledger, runner: Callable[[], Any], chance: random.Random
) -> None:
    """The workflows: "flow" does everything, "leaf" is submitted by its bodies."""
    with cloaca.WorkflowBuilder("leaf", registry=registry):

        @cloaca.task(id="leaf")
        def leaf(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ledger.note(handle, "leaf")

    with cloaca.WorkflowBuilder("held", registry=registry):

        @cloaca.task(id="held")
        def held(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.sleep(3600)

    with cloaca.WorkflowBuilder("flow", registry=registry):

        @cloaca.task(id="first")
        def first(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ledger.note(handle, "first")
            for number in range(2):
                handle.log(f"line {number}")
                handle.step(f"step {number}", ledger.note, handle, f"step {number}")

        @cloaca.task(id="sleeps", dependencies=["first"])
        def sleeps(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.sleep(0.01)
            ledger.note(handle, "sleeps")
            handle.log("awake")

        @cloaca.task(id="asks", dependencies=["first"])
        def asks(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ledger.note(handle, "asks")
            done = runner().execute("leaf", {})
            context.set("child", done.status)

        @cloaca.task(id="many", map=list(range(ITEMS)), dependencies=["first"])
        def many(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> None:
            time.sleep(chance.uniform(0.0, LONGEST_BODY))  # they end one after the other
            ledger.note(handle, f"item {item}")
            handle.log(f"item {item}")

        @cloaca.task(id="coroutine", dependencies=["first"])
        async def coroutine(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            handle.log("async")
            ledger.note(handle, "async")

        @cloaca.task(id="last", dependencies=["sleeps", "asks", "many", "coroutine"])
        def last(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ledger.note(handle, "last")


def wrong(url: str, seed: int) -> tuple[list[str], Pauses]:
    """Run it all; what was lost or done twice, in words."""
    pauses, ledger, registry = Pauses(seed), Ledger(), cloaca.Registry()
    runners: list[Any] = []
    chance = random.Random(seed)  # noqa: S311 - no secret
    define(registry, ledger, lambda: runners[-1], chance)
    before = sys.getswitchinterval()
    threading.settrace(pauses)
    sys.setswitchinterval(SWITCH)
    try:
        config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=8)
        with (
            cloaca.DefaultRunner(url, config=config, registry=registry) as one,
            cloaca.DefaultRunner(url, config=config, registry=registry) as two,
            ThreadPoolExecutor(4, thread_name_prefix="caller") as callers,
        ):
            runners += [one, two]
            found: list[str] = []
            for _ in range(ROUNDS):
                held = [callers.submit(_cancelled, chance.choice(runners)) for _ in range(2)]
                asked = [
                    callers.submit(chance.choice(runners).execute, "flow", {}) for _ in range(FLOWS)
                ]
                found += [text for each in held if (text := each.result(PATIENCE))]
                for each in asked:
                    found += _judged(one, each.result(PATIENCE), ledger)
            for pauses.aimed in AIMED:
                done = callers.submit(chance.choice(runners).execute, "flow", {})
                found += _judged(one, done.result(PATIENCE), ledger)
            for each in runners:
                health = each.health()
                errors = [health["journal_error"], *(x["error"] for x in health["loops"].values())]
                found += [f"health: {error}" for error in errors if error is not None]
    finally:
        threading.settrace(None)
        sys.setswitchinterval(before)
    return found, pauses


def _cancelled(runner: Any) -> str | None:
    run = runner.submit("held", {})
    run.cancel()
    run.wait(PATIENCE)
    status = run.status()
    return None if status == "Cancelled" else f"a cancelled run is {status}"


def _judged(runner: Any, done: Any, ledger: Ledger) -> list[str]:
    found = [] if done.status == "Completed" else [f"a run is {done.status}: {done}"]
    times = {what: ledger.effects[done.execution_id, what] for what in EFFECTS}
    found += [f"{what}: {count} times" for what, count in times.items() if count != 1]
    lines = Counter(line.message for line in runner.get_run(done.execution_id).logs())
    wanted = Counter(["line 0", "line 1", "awake", "async", *(f"item {n}" for n in range(ITEMS))])
    if lines != wanted:
        found.append(f"lines: {dict(lines)}")
    return found


def main(url: str, seed: int) -> None:
    """Print what is wrong, and where threads stood still."""
    found, pauses = wrong(url, seed)
    cpu = round(time.process_time(), 1)
    sys.stdout.write(json.dumps({"wrong": found, "met": sorted(pauses.met), "cpu": cpu}) + "\n")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    main(sys.argv[1], int(sys.argv[2]))
