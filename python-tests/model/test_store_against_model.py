"""Any sequence of operations gives the same answers from a backend as from the model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from model.memory_store import MemoryStore
from own_database import OwnDatabases

from cloaca_core.backends import backend_for
from cloaca_core.store.protocol import Store, StoreOptions
from cloaca_core.store.records import Batch, NewRun
from cloaca_core.store.states import RunStatus, TaskStatus
from cloaca_core.testing.rows import WORKFLOW, any_run, attempt, new_run, run_end, runner

T = TypeVar("T")

# Small alphabets, so that operations meet: on the same run, key, runner and epoch.
RUNNERS = st.sampled_from(["r1", "r2", "r3"])
RUNS = st.sampled_from(["a", "b", "c", "d", "e"])
WORKFLOWS = st.sampled_from([WORKFLOW, "public::embedded::other"])
OFFSETS = st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1])
ENDS = st.sampled_from([(), (), ("a",), ("b",), ("c", "a")])
LIMITS = st.integers(0, 3)
TAGS = st.sampled_from([("team", "x"), ("team", "y"), ("tier", "1")])
RUN_STATES = st.sampled_from(list(RunStatus))
NEW_RUNS = st.lists(
    st.builds(
        new_run,
        RUNS,
        owner=st.sampled_from(["r1", "r1", "r2", "r3", None]),
        workflow=WORKFLOWS,
        key=st.sampled_from([None, None, "k1", "k2"]),
        tags=st.sampled_from(["{}", '{"team":"x"}', '{"team":"y","tier":"1"}']),
    ),
    min_size=1,
    max_size=4,
)
TASKS = st.sampled_from(["load", "load", "save"])
TASK_STATES = st.sampled_from(
    [TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED]
)
FINAL = st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])


class StoreAgainstModel(RuleBasedStateMachine):
    """Every rule asks both and compares; the invariant compares what they then hold."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.model: Store = MemoryStore()
        self.store: Store = self.loop.run(backend_for(url).open(url, StoreOptions()))
        self.sent: dict[str, NewRun] = {}
        for name in ("r1", "r2"):
            self.register(runner_id=name)
        # Without a beginning most stories end before there is a run to tell of.
        runs = [new_run("a"), new_run("b", tags='{"team":"x"}'), new_run("c", owner=None)]
        self.submit(runner_id="r1", new_runs=runs)

    def teardown(self) -> None:
        self.loop.run(self.store.close())
        self.loop.close()

    def same(self, expected: Coroutine[Any, Any, T], given: Coroutine[Any, Any, T]) -> None:
        assert self.loop.run(expected) == self.loop.run(given)

    @rule(runner_id=RUNNERS, new_runs=NEW_RUNS)
    def submit(self, runner_id: str, new_runs: list[NewRun]) -> None:
        # A run id names one run for ever: what was sent first is what is sent again.
        runs = [self.sent.setdefault(run.id, run) for run in new_runs]
        batch = Batch(runner_id, list(dict.fromkeys(runs)), [], [], {})
        self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(data=st.data(), count=st.integers(1, 4), again=st.booleans())
    def record(self, data: st.DataObject, count: int, again: bool) -> None:
        for _ in range(count):
            batch = self._records(data)
            self.same(self.model.commit(batch), self.store.commit(batch))
            if again:
                self.same(self.model.commit(batch), self.store.commit(batch))

    @rule(runner_id=RUNNERS, workflows=st.sets(WORKFLOWS), limit=LIMITS)
    def claim(self, runner_id: str, workflows: set[str], limit: int) -> None:
        arguments = (runner_id, workflows, limit, 7)
        self.same(self.model.claim(*arguments), self.store.claim(*arguments))

    @rule(runner_id=RUNNERS, held=st.sets(RUNS))
    def release(self, runner_id: str, held: set[str]) -> None:
        self.same(self.model.release(runner_id, held), self.store.release(runner_id, held))

    @rule(runner_id=RUNNERS)
    def register(self, runner_id: str) -> None:
        row = runner(runner_id)
        self.same(self.model.register(row), self.store.register(row))

    @rule(runner_id=RUNNERS, really=st.sampled_from([False, False, True]))
    def unregister(self, runner_id: str, really: bool) -> None:
        # Runners that live long make longer stories; the fenced ones may always come back.
        fenced = {row.id for row in self.loop.run(self.model.runners()) if row.fenced}
        if runner_id not in fenced and not really:
            return
        self.same(self.model.unregister(runner_id), self.store.unregister(runner_id))

    @rule(runner_id=RUNNERS, lease_until=st.integers(0, 2**62))
    def beat(self, runner_id: str, lease_until: int) -> None:
        self.same(self.model.beat(runner_id, lease_until), self.store.beat(runner_id, lease_until))

    @rule(runner_id=RUNNERS, offset=st.sampled_from([-1, 1, 0]))
    def fence(self, runner_id: str, offset: int) -> None:
        beats = {row.id: row.beat for row in self.loop.run(self.model.runners())}
        seen_beat = beats.get(runner_id, 0) + offset
        self.same(self.model.fence(runner_id, seen_beat), self.store.fence(runner_id, seen_beat))

    @rule(runner_id=RUNNERS, limit=LIMITS)
    def take_over(self, runner_id: str, limit: int) -> None:
        self.same(self.model.take_over(runner_id, limit), self.store.take_over(runner_id, limit))

    @rule(
        status=st.none() | RUN_STATES,
        workflow=st.none() | WORKFLOWS,
        tags=st.lists(TAGS, max_size=2).map(tuple),
        before=st.none() | RUNS,
        limit=LIMITS,
    )
    def list_runs(
        self,
        status: str | None,
        workflow: str | None,
        tags: tuple[tuple[str, str], ...],
        before: str | None,
        limit: int,
    ) -> None:
        wanted = any_run(status=status, workflow=workflow, tags=tags, before=before, limit=limit)
        self.same(self.model.list_runs(wanted), self.store.list_runs(wanted))

    @invariant()
    def they_hold_the_same(self) -> None:
        runs = self._run_ids()
        for run_id in runs:
            self.same(self.model.get_run(run_id), self.store.get_run(run_id))
        self.same(self.model.list_runs(any_run()), self.store.list_runs(any_run()))
        self.same(self.model.load_attempts(runs), self.store.load_attempts(runs))
        self.same(self.model.ended(runs), self.store.ended(runs))
        self.same(self.model.runners(), self.store.runners())

    def _records(self, data: st.DataObject) -> Batch:
        """Attempts and ends, mostly by the owner under its epoch, sometimes stale or foreign."""
        runs = self.loop.run(self.model.list_runs(any_run()))
        owners = [run.owner for run in runs if run.owner is not None] or ["r1"]
        runner_id = data.draw(st.sampled_from(owners) | st.sampled_from(owners) | RUNNERS)
        epochs = {run.id: max(0, run.epoch + data.draw(OFFSETS)) for run in runs} or {"a": 1}
        some = st.lists(st.sampled_from(sorted(epochs)), min_size=1, max_size=4)
        attempts = [
            attempt(run, data.draw(TASKS), 1, epoch=epochs[run], status=data.draw(TASK_STATES))
            for run in data.draw(some)
        ]
        ends = [
            run_end(run, epoch=epochs[run], status=data.draw(FINAL))
            for run in data.draw(ENDS)
            if run in epochs
        ]
        return Batch(runner_id, [], attempts, ends, epochs)

    def _run_ids(self) -> list[str]:
        return [run.id for run in self.loop.run(self.model.list_runs(any_run()))]


# A server answers each of a thousand statements of a story over a socket.
EXAMPLES = {"sqlite": 100, "postgres": 30}


@pytest.mark.timeout(300)
def test_a_backend_answers_as_the_model_does(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    class OnThisBackend(StoreAgainstModel):
        def __init__(self) -> None:
            super().__init__(own_databases.new_for_one_store())

    run_state_machine_as_test(
        OnThisBackend,
        settings=settings(
            max_examples=EXAMPLES[backend_name],
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
