"""Results, task results and events are read off the rows of a run."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import RunFailedError, VersionChangedError
from cloaca_core.features.reruns.results import Plan, PlanItem
from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import NEVER, SLEEP
from cloaca_core.views.results import PipelineResult, RunInfo, WorkflowResult, run_info
from cloaca_testing.conformance.rows import approval, wait

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""


def run(status: str = "Completed", **fields: object) -> RunRow:
    row = RunRow(
        id="r",
        workflow="public::embedded::flow",
        version="0123456789abcdef",
        status=status,
        owner="r1",
        epoch=1,
        recoveries=0,
        input="",
        tags='{"team":"x"}',
        parent_id=None,
        final_context='{"a":[1]}',
        error_message=None if status == "Completed" else "it broke",
        created_at=START,
        started_at=START + SECOND,
        ended_at=START + 3 * SECOND,
    )
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


class TestInstants:
    @each_row(
        ("instant", "text"),
        [
            (START, "2023-11-14T22:13:20.000000+00:00"),
            (START + 1, "2023-11-14T22:13:20.000001+00:00"),  # whole microseconds, no float
            (START + 999_999, "2023-11-14T22:13:20.999999+00:00"),
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (-(2**62), "1970-01-01T00:00:00.000000+00:00"),  # of a damaged row, as the next
            (2**62, "9999-12-31T23:59:59.999999+00:00"),
        ],
    )
    def test_they_are_rfc_3339_in_utc(self, instant: int, text: str) -> None:
        assert rfc3339(instant) == text


class TestPipelineResult:
    def test_it_says_what_became_of_the_run(self) -> None:
        result = PipelineResult(run(), [])

        assert (result.status, result.error_message, result.error) == ("Completed", None, None)
        assert (result.execution_id, result.workflow_name) == ("r", "flow")
        assert result.version == "0123456789abcdef"
        assert result.start_time == "2023-11-14T22:13:21.000000+00:00"
        assert result.end_time == "2023-11-14T22:13:23.000000+00:00"
        assert result.duration == 2.0

    def test_its_context_is_a_fresh_copy_each_time(self) -> None:
        result = PipelineResult(run(), [])
        result.final_context["a"] = 2

        assert result.final_context.to_dict() == {"a": [1]}

    def test_a_run_that_never_started_began_when_it_was_created(self) -> None:
        result = PipelineResult(run(started_at=None), [])

        assert result.start_time == "2023-11-14T22:13:20.000000+00:00"

    def test_a_completed_one_raises_nothing(self) -> None:
        PipelineResult(run(), []).raise_for_status()

    @each_row("status", ["Failed", "Cancelled"])
    def test_any_other_raises_with_the_reason(self, status: str) -> None:
        with pytest.raises(
            RunFailedError, match=f"run r of 'flow' is {status}: it broke"
        ) as caught:
            PipelineResult(run(status), []).raise_for_status()

        assert (caught.value.run_id, caught.value.status) == ("r", status)

    def test_one_that_failed_by_a_change_of_its_workflow_raises_with_the_tasks(self) -> None:
        row = run("Failed")._replace(reason_code="version_changed", reason_tasks='["a"]')

        with pytest.raises(VersionChangedError, match="run r of 'flow' is Failed") as caught:
            PipelineResult(row, []).raise_for_status()

        assert (caught.value.run_id, caught.value.tasks) == ("r", ("a",))

    def test_it_has_two_names(self) -> None:
        assert WorkflowResult is PipelineResult


def test_a_plan_prints_in_columns() -> None:
    run = (PlanItem("load", "failed"), PlanItem("tell", "depends on load"))
    keep = (PlanItem("fetch", "succeeded"),)

    assert str(Plan(keep, run, ())).splitlines() == [
        "keep  fetch  succeeded",
        "run   load   failed",
        "run   tell   depends on load",
    ]
    assert str(Plan((), run, ())).splitlines()[0] == "run  load  failed"
    assert str(Plan((), (), ())) == ""


def test_a_listing_names_the_workflow_shortly_and_has_the_tags() -> None:
    info = run_info(run(), START)

    assert (info.workflow_name, info.tags) == ("flow", {"team": "x"})
    assert info.ended_at == "2023-11-14T22:13:23.000000+00:00"
    assert (info.round, info.parent_id, info.reason, info.due_at) == (1, None, None, None)
    assert info.active_bodies is None


def test_a_run_is_made_in_the_order_in_which_its_fields_were_published() -> None:
    made = RunInfo("r", "flow", "v", "Paused", "t1", "t2", None, "no", {}, 2, 1, "p", "by", "t3", 4)

    assert (made.version, made.status, made.error_message) == ("v", "Paused", "no")
    assert (made.round, made.priority, made.parent_id) == (2, 1, "p")
    assert (made.reason, made.due_at, made.active_bodies) == ("by", "t3", 4)


def test_a_run_alone_has_all_that_is_told_of_it() -> None:
    row = run("Paused", round=2, parent_id="p", steer_reason="paused by ann", due_at=START)
    info = run_info(row, START, 3)

    assert (info.round, info.parent_id, info.reason) == (2, "p", "paused by ann")
    assert (info.due_at, info.active_bodies) == (rfc3339(START), 3)
    assert run_info(row._replace(due_at=NEVER), START).due_at is None


@each_row("tags", ["", "{", "\ufffd{}", "[1]", '"team"', "[" * 100_000])
def test_a_run_whose_tags_are_damaged_is_listed_without_them(tags: str) -> None:
    assert run_info(run(tags=tags), START).tags == {}


def test_a_run_tells_first_what_a_person_can_end() -> None:
    waits = [
        wait("r", "", kind=SLEEP, task_id="nap", opened_at=START),
        wait("r", "paid", opened_at=START),
        approval("r", "late", opened_at=START + 2),
        approval("r", "sign", opened_at=START + 1),
    ]

    told = [run_info(run(), START, waits=waits[:number]).waits_for for number in range(5)]

    names = [None if each is None else (each.kind, each.name) for each in told]
    assert names == [
        None,
        ("sleep", "nap"),
        ("event", "paid"),
        ("approval", "late"),
        ("approval", "sign"),
    ]
