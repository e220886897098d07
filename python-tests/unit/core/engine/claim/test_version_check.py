"""Which claimed runs go on by another version of their workflow, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.runs import nothing

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.recorded import content
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.version_change import Fingerprints, VersionChange, fingerprints
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.claim.version_check import Checked, VersionCheck
from cloaca_core.engine.orchestrate.adoption import NO_PAST, PastRows
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.run.reasons import version_changed
from cloaca_core.run.restore import has_begun
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.option_names import VersionPolicyName
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.rows import NOW, attempt, new_run, runner

EARLIER = "0123456789abcdef"
BEGUN = NO_PAST._replace(attempts=[attempt("r", "a")])


class Recorded:
    """Earlier versions with these fingerprints."""

    def __init__(self, known: Fingerprints | None) -> None:
        self._known = known
        self.asked: list[tuple[str, str]] = []

    async def fingerprints(self, workflow: str, version: str) -> Fingerprints | None:
        self.asked.append((workflow, version))
        return self._known


def define(registry: Registry, policy: VersionPolicyName | None = "fail") -> Workflow:
    with WorkflowBuilder("orders", registry=registry) as builder:
        if policy is not None:
            builder.version_policy(policy)
        task(id="a")(nothing)
        task(id="b")(nothing)
    return builder.workflow


class Scene:
    """A check, and a store with a run ``r`` of the runner ``r1``, begun under another version."""

    def __init__(self, known: Fingerprints | None = None) -> None:
        self.store = MemoryStore()
        self.registry = Registry()
        self.workflow = define(self.registry)
        self.earlier = Recorded(known)
        self.check = VersionCheck(self.store, self.registry, RunnerId("r1"), self.earlier)

    async def run(self, **fields: Any) -> RunRow:
        await self.store.register(runner("r1"))
        await submit(self.store, new_run("r", owner="r1"))
        return (await stored(self.store, "r"))._replace(**fields)

    async def of(self, row: RunRow, past: PastRows = BEGUN) -> Checked:
        (checked,) = await self.check.of([row], {row.id: past})
        return checked


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_run_that_has_begun_under_another_version_does_not_go_on(scene: Scene) -> None:
    row = await scene.run()

    refusal = version_changed(EARLIER, scene.workflow.version, None)
    assert await scene.of(row) == Checked(row, refusal)
    assert (await stored(scene.store, "r")).ran_version is None


async def test_the_version_that_it_ran_by_counts_and_not_the_one_it_was_submitted_with(
    scene: Scene,
) -> None:
    row = await scene.run(ran_version=scene.workflow.version)
    assert await scene.of(row) == Checked(row)

    row = await scene.run(version=scene.workflow.version, ran_version="between")
    refusal = version_changed("between", scene.workflow.version, None)
    assert await scene.of(row) == Checked(row, refusal)
    assert scene.earlier.asked == [(scene.workflow.namespace, "between")]


async def test_a_version_is_read_once_for_all_runs_of_a_claim(scene: Scene) -> None:
    """Also one that nobody has recorded."""
    row = await scene.run()
    rows = [row, row._replace(id="s")]

    checked = await scene.check.of(rows, {each.id: BEGUN for each in rows})

    assert [each.refusal is None for each in checked] == [False, False]
    assert scene.earlier.asked == [(scene.workflow.namespace, EARLIER)]


async def test_tasks_that_it_has_begun_and_that_are_gone_are_named(scene: Scene) -> None:
    begun = [attempt("r", "gone"), attempt("r", "a"), attempt("r", "gone", 2)]
    past = NO_PAST._replace(attempts=begun)

    refusal = (await scene.of(await scene.run(), past)).refusal

    assert refusal is not None
    assert refusal.tasks == ("gone",)


async def test_what_was_recorded_of_the_earlier_version_names_them_all() -> None:
    scene = Scene({"a": "other", "old": "1"})

    refusal = (await scene.of(await scene.run())).refusal

    change = VersionChange(added=("b",), removed=("old",), changed=("a",))
    assert refusal == version_changed(EARLIER, scene.workflow.version, change)
    assert scene.earlier.asked == [(scene.workflow.namespace, EARLIER)]


async def test_what_runners_have_recorded_of_it_counts(scene: Scene) -> None:
    with WorkflowBuilder("orders", registry=Registry()) as builder:
        task(id="a")(nothing)
        task(id="gone")(nothing)
    names = (scene.workflow.namespace, EARLIER, "orders")
    row = DefinitionRow(*names, content(builder.workflow), NOW)
    await scene.store.record_definitions([row], [])
    recorded = RecordedDefinitions(scene.store, scene.registry)

    known = await recorded.fingerprints(scene.workflow.namespace, EARLIER)

    assert known == fingerprints(builder.workflow)
    assert await recorded.fingerprints(scene.workflow.namespace, "another") is None
    check = VersionCheck(scene.store, scene.registry, RunnerId("r1"), recorded)
    (checked,) = await check.of([await scene.run()], {"r": BEGUN})
    assert checked.refusal is not None
    assert checked.refusal.tasks == ("gone", "b")


async def test_one_whose_tasks_are_the_same_goes_on() -> None:
    """Only the description, say, has changed."""
    scene = Scene()
    scene.earlier._known = fingerprints(scene.workflow)
    row = await scene.run()

    assert await scene.of(row) == Checked(row._replace(ran_version=scene.workflow.version))
    assert (await stored(scene.store, "r")).ran_version == scene.workflow.version


async def test_the_version_by_which_one_begins_is_noted(scene: Scene) -> None:
    row = await scene.run()

    checked = await scene.of(row, NO_PAST)

    assert checked == Checked(row._replace(ran_version=scene.workflow.version))
    noted = await stored(scene.store, "r")
    assert (noted.version, noted.ran_version) == (EARLIER, scene.workflow.version)
    assert scene.earlier.asked == []


async def test_one_that_comes_back_to_the_version_it_was_submitted_with_has_no_other(
    scene: Scene,
) -> None:
    define(scene.registry, "continue")
    row = await scene.run(version=scene.workflow.version, ran_version="between")

    assert await scene.of(row) == Checked(row._replace(ran_version=None))


@pytest.mark.parametrize("version", ["its own", ""])
async def test_one_of_the_same_version_or_of_none_goes_on(scene: Scene, version: str) -> None:
    row = await scene.run(version=version and scene.workflow.version)

    assert await scene.of(row) == Checked(row)
    assert scene.earlier.asked == []


@pytest.mark.parametrize("policy", ["continue", None])
async def test_without_the_policy_it_goes_on_by_the_ids_of_its_tasks(
    scene: Scene, policy: VersionPolicyName | None
) -> None:
    define(scene.registry, policy)
    row = await scene.run()

    goes_on = Checked(row._replace(ran_version=scene.workflow.version))
    assert await scene.of(row) == goes_on
    assert await scene.of(row, NO_PAST) == goes_on
    assert (await stored(scene.store, "r")).ran_version == scene.workflow.version


async def test_one_whose_workflow_has_gone_is_left_to_the_claimer(scene: Scene) -> None:
    row = await scene.run(workflow="public::embedded::other")

    assert await scene.of(row) == Checked(row)


# -- begun ---------------------------------------------------------------------------------------


SKIPPED = attempt("r", "a", 0, status=TaskStatus.SKIPPED, reason="trigger_rule")


@pytest.mark.parametrize(
    ("begun", "fields", "attempts"),
    [
        (False, {}, []),  # its first owner released it before any body
        (True, {}, [attempt("r", "a")]),
        (True, {}, [SKIPPED._replace(started_at=None)]),
        (True, {"recoveries": 1}, []),  # the owner that died may have begun one without a trace
        # in a later round only the attempts of that round count
        (False, {"round": 2, "started_at": NOW + 100}, [attempt("r", "a")]),
        (False, {"round": 2, "started_at": NOW + 100}, [SKIPPED._replace(started_at=None)]),
        (True, {"round": 2, "started_at": NOW + 5}, [attempt("r", "a")]),
        (
            True,
            {"round": 2, "started_at": NOW},
            [attempt("r", "a", status=TaskStatus.RUNNING)],
        ),
    ],
)
async def test_a_run_has_begun_once_a_body_may_have(
    scene: Scene, begun: bool, fields: dict[str, Any], attempts: list[AttemptRow]
) -> None:
    assert has_begun(await scene.run(**fields), attempts) is begun
