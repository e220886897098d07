"""What is known of a run comes from one read, and from this process where it knows more."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene, There
from model.runs import graph_of

from cloaca_core.assembly.store import Store
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.recover.process_identity import ProcessIdentity, this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.explain.explainer import Explainer
from cloaca_core.features.explain.facts import Facts, Here, RunnerState
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.option_names import VersionPolicyName
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import WORKFLOW, attempt, new_run, runner

THIS = this_process()


class LeasedStore(MemoryStore):
    """Its clocks stand still; leases may end with a boot."""

    ends_with_boot = False

    def wall(self) -> int:
        return 1_000

    def lease_clock(self) -> int:
        return 50

    @property
    def lease_ends_with_boot(self) -> bool:
        return self.ends_with_boot


class Desk:
    """An explainer of a store with a run ``r`` of the runner ``r1``."""

    def __init__(self, *, works: bool = True, recovers: bool = True) -> None:
        self.scene = Scene(max_active_runs=3)
        self.store = LeasedStore()
        self.registry = Registry()
        self.works, self.recovers = works, recovers

    async def facts(self) -> Facts:
        return await self.explainer().facts("r")

    def explainer(self) -> Explainer:
        store: Store = self.store
        definitions = RecordedDefinitions(store, self.registry)
        return Explainer(
            store,
            self.registry,
            self.scene.runs,
            RunReader(store, self.scene.runs, definitions.of_run),
            definitions,
            THIS,
            RunnerId("r1") if self.works else None,
            self.scene.capacity if self.works else None,
            self.scene.executor,
            recovers=self.recovers,
        )

    async def here(self) -> Here:
        here = (await self.facts()).here
        assert here is not None
        return here

    async def add(self, row: RunnerRow) -> RunnerState:
        """Register another runner; its state."""
        await self.store.register(row)
        (state,) = [each for each in (await self.facts()).runners if each.load.row.id == row.id]
        return state

    def define(self, name: str, policy: VersionPolicyName | None = None) -> Workflow:
        with WorkflowBuilder(name, registry=self.registry) as builder:
            if policy is not None:
                builder.version_policy(policy)
            task(id="load")(lambda context: None)
        return builder.workflow


@pytest.fixture
async def desk() -> Desk:
    return await opened()


async def opened(**options: Any) -> Desk:
    desk = Desk(**options)
    await desk.store.register(runner("r1"))
    await submit(desk.store, new_run("r"))
    return desk


def alive(runner_id: str, **fields: object) -> RunnerRow:
    """A runner in this process."""
    row = runner(runner_id)._replace(**THIS._asdict())
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


async def test_a_run_that_is_not_there_is_told_by_its_id() -> None:
    with pytest.raises(RunNotFoundError, match="no run with id 'r'"):
        await Desk().facts()


async def test_records_of_a_run_of_others_come_from_the_table(desk: Desk) -> None:
    await record(desk.store, [attempt("r", "load")])

    facts = await desk.facts()

    assert [each.task_id for each in facts.recorded.attempts] == ["load"]
    assert (facts.now, facts.active) == (1_000, None)


# -- what this process knows of a run of its own -------------------------------------------------


async def test_bodies_that_run_here_are_known_before_that_is_written(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.scene.begin()  # the other one is queued

    facts = await desk.facts()

    assert [(each.task_id, each.status) for each in facts.recorded.attempts] == [("a", "Running")]
    assert facts.active is not None
    assert facts.active.running == frozenset(["a"])
    assert facts.active.queued == {"b": "max_concurrent_tasks"}
    assert facts.tasks is not None
    assert [each.id for each in facts.tasks] == ["a", "b"]


async def test_how_the_executors_of_its_tasks_are_used_is_known(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {"cpu": Usage(2, 1, 3, 1)}
    monkeypatch.setattr(desk.scene.executor, "usage", lambda: usage)
    desk.scene.adopt(graph_of(a={"executor": "cpu"}))

    active = (await desk.facts()).active

    assert active is not None
    assert active.queued == {"a": "executor_slots"}
    assert active.executors == usage


async def test_a_suspect_that_keeps_others_from_beginning_is_known(desk: Desk) -> None:
    desk.scene.adopt(graph_of(a={}))
    past = [attempt("r", "burn", status="Running", crashes=2)]
    desk.scene.adopt(graph_of(burn={}), past=past, recoveries=2, id="other")

    active = (await desk.facts()).active
    assert active is not None
    assert active.suspects == {None: ("burn", "other")}


async def test_one_that_keeps_others_from_beginning_on_its_executor_is_known_by_that(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = SimpleNamespace(attempt=There, domain="executor there")
    monkeypatch.setattr(desk.scene.executor, "pool", lambda *_: pool)
    lost = attempt("r", "burn", status="Failed", error="WorkerLost", crashes=2)
    past = [lost._replace(ended_at=1, retry_at=2, reason_code="pool_broke")]
    desk.scene.adopt(graph_of(burn={"executor": "cpu"}), past=past, id="other")
    desk.scene.adopt(graph_of(a={"executor": "cpu"}))

    active = (await desk.facts()).active
    assert active is not None
    assert active.suspects == {"cpu": ("burn", "other")}


async def test_a_recorded_attempt_is_there_once(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.scene.begin()
    await record(desk.store, [attempt("r", "a")])

    facts = await desk.facts()

    assert [(each.task_id, each.status) for each in facts.recorded.attempts] == [("a", "Completed")]


async def test_a_run_that_others_have_taken_since_is_theirs(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.store.runs["r"] = desk.store.runs["r"]._replace(epoch=2, owner="r2")

    assert (await desk.facts()).active is None


# -- definitions ---------------------------------------------------------------------------------


async def test_without_a_definition_no_tasks_are_known(desk: Desk) -> None:
    facts = await desk.facts()
    assert (facts.tasks, facts.known_version, facts.newest) == (None, None, None)


async def test_the_version_of_the_run_is_preferred_to_the_newest(desk: Desk) -> None:
    newest = desk.define("orders")
    facts = await desk.facts()
    assert facts.known_version == newest.version
    desk.store.runs["r"] = desk.store.runs["r"]._replace(version=newest.version)
    assert (await desk.facts()).known_version == newest.version

    recorder = DefinitionRecorder(desk.store, desk.registry, desk.scene.clock, Subjects())
    await recorder.record()
    desk.registry = Registry()
    facts = await desk.facts()
    assert facts.tasks is not None
    assert [each.id for each in facts.tasks] == ["load"]
    assert facts.known_version == newest.version
    assert facts.newest == (newest.version, ("load",))


# -- runners -------------------------------------------------------------------------------------


async def test_a_client_is_no_runner() -> None:
    desk = await opened(works=False)
    facts = await desk.facts()
    assert facts.here is None
    assert [each.is_here for each in facts.runners] == [False]


async def test_of_the_runner_here_all_is_known(desk: Desk) -> None:
    workflow = desk.define("orders", "fail")
    assert workflow.namespace == WORKFLOW
    assert await desk.here() == Here(
        claims=True,
        most=3,
        free=3,
        recovers=True,
        version=workflow.version,
        tasks=("load",),
        refuses=True,
    )
    desk.scene.adopt(PAIR)
    desk.scene.capacity.paused = True
    desk.recovers = False
    here = await desk.here()
    assert (here.claims, here.free, here.recovers) == (False, 2, False)


async def test_executors_that_this_runner_lacks_are_named_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.scene.executor, "lacks", lambda name: name != "cpu")
    with WorkflowBuilder("orders", registry=desk.registry):
        for name, executor in {"a": "gpu", "b": "cpu", "c": None, "d": "gpu"}.items():
            task(id=name, executor=executor)(lambda context: None)

    assert (await desk.here()).lacks == ("gpu",)


async def test_a_workflow_of_almost_that_name_may_have_been_meant(desk: Desk) -> None:
    desk.define("order")
    here = await desk.here()
    assert (here.version, here.near) == (None, "public::embedded::order")
    assert not here.refuses


async def test_which_runner_is_the_one_here(desk: Desk) -> None:
    await desk.store.register(runner("r2", started_at=2**60))
    facts = await desk.facts()
    assert [each.is_here for each in facts.runners] == [True, False]
    assert [each.load.owned for each in facts.runners] == [1, 0]


async def test_the_end_of_a_lease_is_told_as_an_instant(desk: Desk) -> None:
    assert (await desk.add(alive("r2", lease_until=70))).lease_until == 1_020
    assert (await desk.add(alive("r3", lease_until=20))).lease_until == 970


async def test_a_lease_of_an_earlier_boot_is_over(desk: Desk) -> None:
    desk.store.ends_with_boot = True
    state = await desk.add(alive("r2", lease_until=70, boot_id="before"))
    assert state.lease_until == 950  # when this boot began
    assert state.is_gone(1_000)
    assert (await desk.add(alive("r3", lease_until=70))).lease_until == 1_020


async def test_a_process_of_this_machine_that_has_ended_is_known(desk: Desk) -> None:
    here: ProcessIdentity = THIS
    if not (here.boot_id and here.pid_namespace and here.process_start):
        pytest.skip("this platform tells nothing of processes")
    assert not (await desk.add(alive("r2"))).process_ended
    assert (await desk.add(alive("r3", process_start=here.process_start - 1))).process_ended


async def test_this_runner_has_not_ended_even_if_its_row_says_so(desk: Desk) -> None:
    (state,) = (await desk.facts()).runners
    assert not state.process_ended
    assert not replace(state, lease_until=1).is_gone(1_000)


async def test_leases_are_told_without_a_count_of_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view asks for them after each change."""
    await desk.add(alive("other", lease_until=60))
    monkeypatch.setattr(LeasedStore, "count_owned", None)

    states, now = await desk.explainer().leases()

    found = {each.load.row.id: (each.lease_until, each.is_here) for each in states}
    assert (now, found["other"], found["r1"][1]) == (1_000, (1_010, False), True)
