"""Rows that are ours become runs: new ones begin, others go on from what was recorded."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from model.orchestration import Scene
from model.runs import nothing

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.orchestrate.adoption import NO_PAST, Adoption, PastRows
from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
from cloaca_core.engine.submit.request import owned_row
from cloaca_core.features.inputs.filled import FilledInputRows
from cloaca_core.features.inputs.records import FilledInput
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.features.waits.past import go_on_waiting
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.reasons import Reason
from cloaca_core.run.rows import ForkRow, ReplacementRow, RunRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import attempt, new_run


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.fixture
def adoption(scene: Scene) -> Adoption:
    return Adoption(scene.orchestrator, "none_failed", scene.clock)


@pytest.fixture
def workflow() -> Workflow:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        task(id="a")(nothing)
        task(id="b", dependencies=["a"])(nothing)
    assert builder.workflow is not None
    return builder.workflow


def row(run_id: str = "r", **fields: Any) -> RunRow:
    """The row of a run that has been started just now."""
    now = SYSTEM_CLOCK.wall()
    return owned_row(new_run(run_id, owner="r1"))._replace(started_at=now, **fields)


async def test_new_runs_begin_at_the_depth_of_their_request(
    scene: Scene, adoption: Adoption, workflow: Workflow
) -> None:
    adoption.begin(workflow, [(row("one"), {"n": 1}), (row("two"), {})], depth=3)

    assert [(run.id, run.depth) for run in scene.runs] == [("one", 3), ("two", 3)]
    assert scene.queued() == ["a", "a"]
    assert scene.begin().given == {"n": 1}


def typed(**params: Any) -> Workflow:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        builder.input(workflow_params(**params))
        task(id="a")(nothing)
        task(id="b", dependencies=["a"])(nothing)
    return builder.workflow


async def test_defaults_are_written_before_the_first_task_begins(
    scene: Scene, adoption: Adoption
) -> None:
    new = row("r", input='{"n":1,"more":2}')
    adoption.begin(typed(n=int, most=(int, 7)), [(new, {"n": 1, "more": 2})], depth=3)

    (run,) = scene.runs
    assert (run.depth, run.has_defaults) == (3, True)
    (entry,) = scene.journal.waiting
    (filled,) = entry.beside
    assert isinstance(filled, FilledInputRows)
    assert filled.row._replace(created_at=0) == FilledInput("r", '{"most":7}', 0)
    assert (list(entry.attempts), entry.end) == ([], None)
    assert scene.queued() == []
    await scene.journal.commit()
    assert scene.begin().given == {"n": 1, "more": 2, "most": 7}


async def test_an_input_without_missing_defaults_writes_nothing(
    scene: Scene, adoption: Adoption
) -> None:
    adoption.begin(typed(n=(int, 1)), [(row("r", input='{"n":2}'), {"n": 2})], depth=0)

    assert not scene.journal.waiting
    assert scene.begin().given == {"n": 2}


async def test_recorded_defaults_count_and_those_of_another_version_do_not(
    scene: Scene, adoption: Adoption
) -> None:
    known = ReplacementRow("r", 0, '{"most":7}', 1)
    past = PastRows([], [], [], [known], [], [])
    adoption.resume(typed(n=int, most=(int, 8)), row("r", input='{"n":1}'), past)

    (run,) = scene.runs
    assert not scene.journal.waiting
    assert run.plan.contexts.replacements == 0
    assert scene.begin().given == {"n": 1, "most": 7}


async def test_a_run_that_has_begun_is_not_checked_again(scene: Scene, adoption: Adoption) -> None:
    past = PastRows([attempt("r", "a")], [], [], [], [], [])
    adoption.resume(typed(n=int), row("r", input="{}"), past)

    assert scene.begin().given == {"x": 1}


@pytest.mark.parametrize("key", [None, "replaced", "forked"])
async def test_an_input_that_does_not_fit_ends_the_run_unless_its_first_tasks_see_another(
    scene: Scene, adoption: Adoption, key: str | None
) -> None:
    replaced = [ReplacementRow("r", 1, '{"n":1}', 1)] if key == "replaced" else []
    forks = [ForkRow("r", "source", "a", '{"n":1}', 1)] if key == "forked" else []
    past = PastRows([], [], forks, replaced, [], [])
    adoption.resume(typed(n=int), row("r", input='{"n":"x"}'), past)

    if key is not None:
        assert scene.begin().given == {"n": 1}
        return
    (entry,) = scene.journal.waiting
    end = entry.end
    assert end is not None
    assert (end.status, end.reason_code) == (RunStatus.FAILED, ReasonCode.INPUT)
    assert end.error_message == (
        'its workflow does not take this input: n: expected an integer, got "x"'
    )
    assert list(entry.attempts) == []


async def test_a_flaw_in_one_keeps_no_other_from_beginning(
    scene: Scene, adoption: Adoption, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt = Orchestrator.adopt

    def flawed(self: Orchestrator, run: ActiveRun) -> None:
        if run.id == "bad":
            raise LookupError("a flaw of ours")
        adopt(self, run)

    monkeypatch.setattr(Orchestrator, "adopt", flawed)
    adoption.begin(workflow, [(row("bad"), {}), (row("good"), {})], depth=0)

    assert "good" in scene.runs
    assert scene.queued() == ["a"]


async def test_a_claimed_run_goes_on_from_what_was_recorded(
    scene: Scene, adoption: Adoption, workflow: Workflow
) -> None:
    adoption.resume(workflow, row(epoch=2), NO_PAST._replace(attempts=[attempt("r", "a")]))

    assert scene.queued() == ["b"]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("[]", None),  # no JSON object
        ("{", None),  # no JSON
        ("{}", "{"),  # the input can be read, a recorded change cannot
    ],
)
async def test_one_whose_rows_are_damaged_ends_with_the_reason(
    scene: Scene, adoption: Adoption, workflow: Workflow, text: str, change: str | None
) -> None:
    past = [attempt("r", "a")._replace(change=change)] if change is not None else []
    adoption.resume(workflow, row(input=text, epoch=2), NO_PAST._replace(attempts=past))

    end = await scene.the_end()
    assert (end.status, end.reason_code) == (RunStatus.FAILED, ReasonCode.UNREADABLE)
    assert end.final_context == "{}"  # as its input its readers might find the damaged text
    assert scene.executor.queued == []


@pytest.mark.parametrize(("came_due", "is_over"), [(0, False), (1, True)])
async def test_one_that_waits_goes_on_with_its_waits_and_messages(
    scene: Scene, adoption: Adoption, came_due: int, is_over: bool
) -> None:
    """If it was let go because its time had come, that has come by any machine's clock."""
    with WorkflowBuilder("w", registry=Registry()) as builder:
        wait_for("go", timeout=60, default="late")
    assert builder.workflow is not None
    due_at = scene.clock.wall() + 3_000_000
    wait = WaitRow("r", "go", EVENT, "go", 0, 1, "", 0, due_at)
    other = MessageRow("r", 4, "m4", EVENT, "stop", "1", None, None, 0, None)
    past = NO_PAST._replace(
        attempts=[attempt("r", "go", status="Waiting")],
        adopt=[partial(go_on_waiting, [wait], [other])],
        due=[due_at],
    )

    adoption.resume(builder.workflow, row(epoch=2, messages=5, came_due=came_due), past)

    run = scene.runs.get("r")
    assert run is not None
    waits = open_waits(run)
    assert ([each.row for each in waits], waits.seen) == ([wait], 5)
    assert [bool(entry.beside) for entry in scene.journal.waiting] == [True] * is_over


async def test_one_whose_body_has_left_waits_until_its_wait_is_over(
    scene: Scene, adoption: Adoption, workflow: Workflow
) -> None:
    left = attempt("r", "a", status="Waiting")._replace(reason_code="has_left", started_at=7)
    wait = WaitRow("r", "a", EVENT, "go", 1, 1, "", 0, None)
    past = NO_PAST._replace(attempts=[left], adopt=[partial(go_on_waiting, [wait], [])])

    adoption.resume(workflow, row("waits", epoch=2), past)
    adoption.resume(workflow, row("over", epoch=2), past._replace(adopt=[]))

    assert [work.run_id for work in scene.executor.queued if isinstance(work, Attempt)] == ["over"]
    (again,) = scene.executor.queued
    assert isinstance(again, Attempt)
    assert (again.number, again.begun_at) == (1, 7)


async def test_one_that_is_refused_ends_with_the_reason_and_keeps_what_was_recorded(
    scene: Scene, adoption: Adoption, workflow: Workflow
) -> None:
    reason = Reason(ReasonCode.VERSION_CHANGED, "another version", tasks=("a",))
    past = NO_PAST._replace(attempts=[attempt("r", "a")])

    adoption.resume(workflow, row(epoch=2, input='{"n":1}'), past, reason)

    assert scene.queued() == []
    end = await scene.the_end()
    assert (end.status, end.error_message) == (RunStatus.FAILED, "another version")
    assert (end.final_context, end.reason_tasks) == (None, '["a"]')
    assert list(scene.ended[0][0].latest.values()) == past.attempts
