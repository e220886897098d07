"""Which claimed runs a runner leaves to others, and what it says of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore
from model.runs import nothing
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.claim.unserved_runs import UnservedRuns
from cloaca_core.engine.orchestrate.adoption import NO_PAST
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.run.rows import AttemptRow, ForkRow, RestartRow, RunRow, Unserved
from cloaca_core.values.option_names import VersionPolicyName
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.rows import LATER, NOW, attempt, new_run, runner

FORK = ForkRow("r", "s", "b", None, LATER)
ENDED = [attempt("r", "a"), attempt("r", "b", status=TaskStatus.FAILED)]


def define(
    registry: Registry,
    tasks: str,
    policy: VersionPolicyName = "continue",
    description: str = "",
) -> Workflow:
    with WorkflowBuilder("flow", registry=registry) as builder:
        builder.version_policy(policy).description(description)
        for each in tasks:
            task(id=each)(nothing)
    return builder.workflow


class Store(MemoryStore):
    """The model, which counts reads of definitions and keeps what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.given: list[Unserved] = []
        self.forgotten: list[list[str]] = []

    async def release_unserved(self, runner_id: str, runs: Collection[Unserved]) -> set[str]:
        self.given += runs
        return await super().release_unserved(runner_id, runs)

    async def forget_unserved(self, runner_id: str, workflows: Collection[str]) -> None:
        self.forgotten.append(list(workflows))
        await super().forget_unserved(runner_id, workflows)


class Scene:
    """Runs of ``r1``, in which a version with fewer tasks is registered than was recorded."""

    def __init__(self, *, strict: bool = False) -> None:
        self.store, self.registry = Store(), Registry()
        self.here = define(self.registry, "a", "fail" if strict else "continue")
        self.planned = "not recorded"
        definitions = RecordedDefinitions(self.store, self.registry)
        self.told = 0
        subjects = Subjects()
        subjects.unserved.subscribe(self._runs_left)
        self.runs = UnservedRuns(self.store, self.registry, RunnerId("r1"), definitions, subjects)

    def _runs_left(self) -> None:
        self.told += 1

    async def record(self, tasks: str, description: str = "", at: int = 0) -> None:
        """A runner elsewhere registers a version with these tasks; runs are planned by it."""
        elsewhere = Registry()
        self.planned = define(elsewhere, tasks, description=description).version
        await DefinitionRecorder(self.store, elsewhere, HandClock(at / 1e6), Subjects()).record()

    async def run(self, run_id: str = "r", *, round_: int = 2) -> RunRow:
        """A run that ``r1`` has claimed in this round, planned by the recorded version."""
        await self.store.register(runner("r1"))
        await submit(self.store, new_run(run_id, workflow=self.here.namespace, owner=None))
        row = (await stored(self.store, run_id))._replace(round=round_, version=self.planned)
        self.store.runs[run_id] = row
        (claimed,) = await self.store.claim("r1", [self.here.namespace], 1, LATER)
        return claimed

    async def left(
        self, row: RunRow, attempts: list[AttemptRow] = ENDED, *restarts: RestartRow
    ) -> list[str]:
        """The tasks for which a run is left; none if it is not."""
        past = NO_PAST._replace(attempts=attempts, restarts=list(restarts))
        ids = await self.runs.release([row], {row.id: past})
        assert ids == {each.run_id for each in self.store.given}
        return [each.tasks for each in self.store.given]


@pytest.fixture
def scene() -> Scene:
    return Scene()


RESTART = RestartRow("r", "b", 2, 2)


async def test_a_retry_that_lacks_a_task_is_left_and_said_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.record("abc")
    row = await scene.run()

    with caplog.at_level(logging.WARNING, "cloaca.engine"):
        assert not scene.runs.has_released()
        assert await scene.left(row, ENDED, RESTART) == ['["b", "c"]']

    assert (scene.runs.has_released(), scene.told) == (True, 1)
    assert scene.store.given == [Unserved("r", 1, '["b", "c"]', 0)]
    left = await stored(scene.store, "r")
    assert (left.owner, left.status, left.started_at) == (None, RunStatus.PENDING, None)
    text = (
        f"run r is left to another runner: it is of version {scene.planned} of workflow "
        f"{row.workflow}, and version {scene.here.version}, which is registered here, lacks b, c"
    )
    assert [each.message for each in caplog.records] == [text]


@pytest.mark.parametrize(
    ("tasks", "attempts", "restarts"),
    [
        ('["b"]', [], []),  # it has not begun
        ('["b"]', [attempt("r", "b", status=TaskStatus.RUNNING)], []),
        ('["b"]', [attempt("r", "b", status=TaskStatus.FAILED)._replace(retry_at=1)], []),
        ("", [attempt("r", "b")], []),  # its result is kept
        ("", [attempt("r", "b", status=TaskStatus.FAILED)], []),  # it was not chosen
        ("", [attempt("r", "b")._replace(change="no JSON")], []),
        ('["b"]', [attempt("r", "b")], [RESTART]),  # it runs again
        ("", [attempt("r", "b"), attempt("r", "b", 2)], [RESTART]),  # and has done so
    ],
)
async def test_only_a_task_that_is_to_run_counts(
    scene: Scene, tasks: str, attempts: list[AttemptRow], restarts: list[RestartRow]
) -> None:
    await scene.record("ab")

    found = await scene.left(await scene.run(), attempts, *restarts)

    assert found == ([tasks] if tasks else [])


async def test_a_fork_is_left_as_well(scene: Scene) -> None:
    await scene.record("ab")
    fork = await scene.run("r", round_=1)
    past = NO_PAST._replace(attempts=[attempt("r", "a", epoch=0)], forks=[FORK])

    assert await scene.runs.release([fork], {"r": past}) == {"r"}
    # the result that it begins with is none of its own
    assert scene.store.given == [Unserved("r", 1, '["b"]', 0)]


@pytest.mark.parametrize(
    ("recorded_at", "left"),
    [
        (NOW - 1, ["b"]),  # the version here was known when the run was submitted
        (NOW, ["b"]),
        (NOW + 1, []),  # it came later: the task was taken out
        (None, []),  # nobody has recorded it before, so it comes now
    ],
)
async def test_a_run_of_the_first_round_is_left_unless_the_version_here_is_newer_than_it(
    scene: Scene, recorded_at: int | None, left: list[str]
) -> None:
    await scene.record("ab")
    if recorded_at is not None:
        await scene.record("a", at=recorded_at)
        await scene.record("ab")
    new, begun = await scene.run("n", round_=1), await scene.run("r", round_=1)
    past = {"r": NO_PAST._replace(attempts=[attempt("r", "a")])}

    assert await scene.runs.release([new, begun], past) == ({"n", "r"} if left else set())
    tasks = [(each.run_id, json.loads(each.tasks), each.has_begun) for each in scene.store.given]
    assert tasks == ([("n", ["b"], 0), ("r", ["b"], 1)] if left else [])


async def test_of_many_runs_that_are_left_the_first_one_is_a_warning(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.record("a", at=NOW)
    await scene.record("ab")
    rows = [await scene.run(name, round_=1) for name in ("p", "q", "r")]

    with caplog.at_level(logging.INFO, "cloaca.engine"):
        await scene.runs.release(rows, {})

    assert [each.levelname for each in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert scene.told == 1


# -- version_policy("fail") ----------------------------------------------------------------------


@each_row("tasks", ["a", "ab", None])  # with this or another task, or unknown
async def test_a_run_that_has_not_begun_is_for_a_runner_of_its_version(tasks: str | None) -> None:
    scene = Scene(strict=True)
    if tasks is not None:
        await scene.record(tasks, description="another")
    row = await scene.run(round_=1)

    with_same_tasks = tasks == "a"
    assert await scene.runs.release([row], {}) == (set() if with_same_tasks else {"r"})
    assert scene.store.given == ([] if with_same_tasks else [Unserved("r", 1, "[]", 0)])


async def test_one_that_has_begun_is_for_the_check_of_versions() -> None:
    scene = Scene(strict=True)
    await scene.record("ab")
    row = await scene.run(round_=1)

    assert await scene.left(row, [attempt("r", "a")]) == []


async def test_one_that_a_retry_has_planned_is_left_for_its_tasks_first() -> None:
    scene = Scene(strict=True)
    await scene.record("ab")

    assert await scene.left(await scene.run(), []) == ['["b"]']


async def test_one_that_has_begun_in_its_round_stays_begun(scene: Scene) -> None:
    await scene.record("ab")
    row = await scene.run()
    begun = attempt("r", "a", 2)._replace(started_at=LATER, ended_at=LATER)

    assert await scene.left(row, [begun]) == ['["b"]']
    assert scene.store.given[0].has_begun == 1
    assert (await stored(scene.store, "r")).started_at == LATER


async def test_versions_with_all_its_tasks_or_unknown_ones_go_on(scene: Scene) -> None:
    assert await scene.left(await scene.run("x")) == []  # planned by one that was not recorded
    await scene.record("a")
    assert scene.planned == scene.here.version
    assert await scene.left(await scene.run("y")) == []
    define(scene.registry, "abz")
    await scene.record("ab")
    assert await scene.left(await scene.run("r")) == []


async def test_a_run_whose_workflow_has_gone_is_left_to_the_claimer(scene: Scene) -> None:
    await scene.record("ab")
    row = await scene.run()

    assert await scene.left(row._replace(workflow="public::embedded::other")) == []


async def test_one_that_is_to_be_cancelled_is_not_said_to_be_left(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.record("ab")
    row = await scene.run()
    scene.store.marks_of(row).cancel_at = LATER

    assert await scene.left(row, []) == ['["b"]']
    assert (await stored(scene.store, "r")).owner == "r1"
    assert caplog.records == []


# -- later versions ------------------------------------------------------------------------------


async def test_runs_are_claimed_again_under_a_version_that_is_registered_later(
    scene: Scene,
) -> None:
    await scene.record("ab")
    assert scene.runs.serves() == [scene.here.namespace]
    await scene.left(await scene.run(), [])
    await scene.runs.claim_again()
    assert scene.store.forgotten == []
    assert scene.runs.serves() == []  # it asks for no more of them

    define(scene.registry, "ab")
    await scene.runs.claim_again()
    await scene.runs.claim_again()

    assert scene.store.forgotten == [[scene.here.namespace]]
    assert scene.runs.serves() == [scene.here.namespace]
    assert await scene.store.has_claimable("r1", [scene.here.namespace])


async def test_no_version_at_all_is_none_to_claim_them_under(scene: Scene) -> None:
    await scene.record("ab")
    await scene.left(await scene.run(), [])

    scene.registry.clear()
    await scene.runs.claim_again()

    assert scene.store.forgotten == []
