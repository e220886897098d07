"""An orchestrator whose executor and journal are in the test's hands, and graphs for it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from model.by_hand import HandExecutor, HandJournal
from model.hand_clock import LoopClock
from model.runs import active_run, graph_of
from model.virtual_time import the_loop

from cloaca_core.assembly.bodies import Bodies
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.context import Context
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import Work
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
from cloaca_core.engine.orchestrate.ports import Ports
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.engine.record.attempt_rows import StartMarks
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.inputs.filled import filled
from cloaca_core.features.task_logs.log_book import LogBook
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.rows import RunEnd

SHORT = 60.0
"""Seconds of a time limit that passes while a test waits, in virtual time."""


def fail(context: Context) -> None:
    raise ValueError("bad")


CHAIN = graph_of(a={"body": lambda context: {"x": 1}}, b={"dependencies": ["a"]})


FAILING = graph_of(
    a={"body": fail, "retry_attempts": 1}, b={"dependencies": ["a"]}, c={"dependencies": ["b"]}
)


PAIR = graph_of(a={}, b={})


SHORT_PAIR = graph_of(**{n: {"timeout_seconds": SHORT, "retry_attempts": 1} for n in ("a", "b")})


class Places(Capacity):
    """``told`` has, for each time that a place may have become free, how many runs have one."""

    def __init__(self, most: int, runs: ActiveRuns) -> None:
        super().__init__(most, runs)
        self.told: list[int] = []

    def changed(self) -> None:
        self.told.append(self.most - self.free())
        super().changed()


class SettableClock(LoopClock):
    """That of the loop, whose wall time a test may set."""

    def __init__(self) -> None:
        self.shown: int | None = None

    def wall(self) -> int:
        return super().wall() if self.shown is None else self.shown


class There(Attempt):
    """An attempt on an executor."""

    __slots__ = ("domain",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.place = self.domain = "executor there"


class Scene:
    """An orchestrator whose executor and journal are in the test's hands; without ``features`` its
    ports are empty.

    ``ended`` has the runs that have ended and how, ``ended_elsewhere`` those whose end only the
    tables have; ``stop_requests`` counts how often it was told that something is asked of a run,
    ``given_back`` how often that one may be claimed.
    """

    bodies: Bodies

    def __init__(
        self, *, never_evicts: bool = False, features: bool = True, **settings: Any
    ) -> None:
        config = DefaultRunnerConfig(**settings)
        self.executor = HandExecutor(config.max_concurrent_tasks)
        self.ended: list[tuple[ActiveRun, RunEnd]] = []
        self.ended_elsewhere: list[ActiveRun] = []
        self.stop_requests = 0
        self.given_back = 0
        self.clock = SettableClock()
        self.start_marks = StartMarks(self.executor)
        self.journal = HandJournal(self.start_marks)
        self.journal.store.wall_clock = self.clock.wall
        self.runs = ActiveRuns()
        self.capacity = Places(config.max_active_runs, self.runs)
        self.subjects = Subjects()
        self.subjects.ended.subscribe(self._end)
        self.subjects.steered.subscribe(self._steered)
        self.subjects.claimable_here.subscribe(self._give_back)
        self.orchestrator = Orchestrator(
            config,
            self.executor,
            self.journal,
            self.runs,
            self.capacity,
            self.clock,
            self.subjects,
            Ports(),
            LogBook(config.task_log_level, self.clock),
            never_evicts=never_evicts,
        )
        self.served = Served(config.queues)
        if features:
            self.orchestrator.control.ports.filled = filled
            self.bodies = Bodies(
                self.orchestrator,
                self.journal.store,
                self.executor,
                self.clock,
                config,
                iter(map(str, itertools.count(1))).__next__,
                self.served,
                self.capacity,
                self.subjects.claimable_here.publish,
            )
        self.drain = self.orchestrator.attempts.drain
        self.body_times = self.orchestrator.attempts._body_times
        self.waiting_bodies = self.orchestrator.attempts.waiting_bodies

    def _end(self, run: ActiveRun, end: RunEnd | None) -> None:
        if end is None:
            self.ended_elsewhere.append(run)
        else:
            self.ended.append((run, end))

    def _steered(self) -> None:
        self.stop_requests += 1

    def _give_back(self) -> None:
        self.given_back += 1

    def attempts(self, run: ActiveRun) -> dict[int, Attempt]:
        """The attempts that the run has under way, by task."""
        return self.runs._attempts.get(run, {})

    def retries(self, run: ActiveRun) -> dict[int, asyncio.TimerHandle]:
        """The timers of the run's retries, by task."""
        waiting = self.orchestrator.control.launcher.back_offs.waiting
        return {task: timer for task, (timer, _) in waiting.get(run, {}).items()}

    def next_attempt_in(self, run: ActiveRun) -> float:
        """Seconds until the first retry of the run: by a timer here, or once a park is over."""
        parks = [entry.park for entry in self.journal.waiting if entry.park is not None]
        if not parks:
            return min(timer.when() for timer in self.retries(run).values()) - the_loop().time()
        (park,) = parks
        assert park.due_at is not None
        return (park.due_at - park.parked_at) / 1e6

    def adopt(self, *arguments: Any, **fields: Any) -> ActiveRun:
        run = active_run(*arguments, **fields)
        self.orchestrator.adopt(run)
        return run

    def queued(self) -> list[str]:
        """The tasks whose bodies, and the attempts whose callbacks, were sent off."""
        return [name_of(work) for work in self.executor.queued]

    def expected(self) -> list[str]:
        """The tasks whose bodies wait to be let go."""
        return [name_of(work) for work in self.executor.expected]

    def begin(self, place: int = 0) -> Attempt:
        """A body of those that were sent off begins."""
        attempt = self.executor.begin(self.executor.queued[place])
        assert isinstance(attempt, Attempt)
        attempt.clock.start()
        return attempt

    async def finish(self) -> list[tuple[str, int, str]]:
        """Let everything run and be recorded; what was recorded."""
        written: list[tuple[str, int, str]] = []
        while self.executor.queued or self.journal.waiting:
            while self.executor.queued:
                self.executor.run()
            while self.journal.waiting:
                written += rows_of(await self.journal.commit())
        return written

    async def the_end(self) -> RunEnd:
        """How the one run ended that did."""
        await self.finish()
        ((_, end),) = self.ended
        assert end is not None
        return end


def name_of(work: Work) -> str:
    return work.task.id if isinstance(work, Attempt) else type(work).__name__


def rows_of(record: RunEntry) -> list[tuple[str, int, str]]:
    return [(row.task_id, row.attempt, row.status) for row in record.attempts]
