"""What has been going on, shaped from rows and read from a store."""

from __future__ import annotations

import pytest
from model.families import FLOW, LATE, START, at, run
from model.observed import Observed
from tables import each_row

from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.search.records import Failure
from cloaca_core.run.rows import RunRow
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner
from cloaca_tools.views.workflows import activity as views
from cloaca_tools.views.workflows.activity import Seen, activity

OTHER = "public::embedded::other"
HOUR = 3600 * SECOND


def seen(**fields: object) -> Seen:
    empty = Seen(LATE, LATE - HOUR, 50, {}, [], {}, [], {}, frozenset(), [])
    return empty._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def ended(run_id: str, status: str, seconds: float, error: str = "it broke") -> RunRow:
    return run(run_id, status, ended_at=at(seconds), error_message=error)


def test_lanes_with_failures_are_first_then_those_with_more_runs() -> None:
    found = activity(
        seen(
            made={"a::b::few": (1, 0), "a::b::many": (3, 4), "a::b::none": (0, 0), FLOW: (1, 1)},
            failures=[Failure("f", FLOW, at(9) or 0)],
        )
    )

    assert [(lane.workflow_name, lane.total) for lane in found.lanes] == [
        ("flow", 2),
        ("many", 7),
        ("few", 1),
    ]
    assert found.lanes[0].failures == (("f", "2023-11-14T22:13:29.000000+00:00"),)
    assert found.all_failures


def test_a_workflow_that_only_waits_has_a_lane() -> None:
    waits = run("w", "Waiting")
    (lane,) = activity(seen(made={FLOW: (0,)}, rows=[waits], waits={"w": at(3)})).lanes

    assert [(each.id, each.status, each.waits_since) for each in lane.runs] == [
        ("w", "Waiting", "2023-11-14T22:13:23.000000+00:00")
    ]


def test_failures_before_the_time_are_in_no_lane() -> None:
    early = Failure("f", FLOW, LATE - HOUR - 1)

    assert activity(seen(made={FLOW: (1,)}, failures=[early])).lanes[0].failures == ()


def test_a_workflow_fails_if_its_last_run_has() -> None:
    last = [
        ended("d", "Failed", 40),
        ended("c", "Failed", 30),
        ended("b", "Completed", 20),
        ended("a", "Failed", 10),
    ]
    (failing,) = activity(seen(last={FLOW: last}, paused=frozenset([FLOW]))).failing

    assert failing.newest.id == "d"
    assert failing.last == ("Failed", "Completed", "Failed", "Failed")
    assert (failing.in_a_row, failing.same_error, failing.is_paused) == (2, True, True)
    assert failing.since == "2023-11-14T22:13:50.000000+00:00"


@each_row(
    ("states", "fails"), [("CF", True), ("CFF", True), ("CCF", False), ("C", False), ("", False)]
)
def test_a_workflow_has_recovered_once_most_of_its_runs_complete(states: str, fails: bool) -> None:
    names = {"C": "Completed", "F": "Failed"}
    last = [ended(str(n), names[each], 90 - n) for n, each in enumerate(states)]

    assert bool(activity(seen(last={FLOW: last})).failing) is fails


def test_other_errors_are_told() -> None:
    last = [ended("b", "Failed", 2, "one"), ended("a", "Failed", 1, "other")]

    assert not activity(seen(last={FLOW: last})).failing[0].same_error


def schedule(name: str, cron: str, next_tick: int | None) -> ScheduleRow:
    return ScheduleRow(
        id=name,
        name=name,
        workflow=FLOW,
        cron_expression=cron,
        timezone="UTC",
        enabled=True,
        catchup_policy="skip",
        overlap_policy="allow",
        jitter_seconds=0,
        start_date=None,
        end_date=None,
        params="{}",
        decided_until=START,
        next_tick=next_tick,
        due_at=next_tick,
        last_tick=None,
        generation=1,
        created_at=START,
        updated_at=START,
    )


def test_ticks_of_the_next_sixth_of_the_time_are_told() -> None:
    often, late = schedule("often", "*/5 * * * *", at(200)), schedule("late", "0 0 * * *", at(150))
    odd, over = schedule("odd", "not cron", at(300)), schedule("over", "* * * * *", None)
    found = activity(seen(schedules=[often, late, odd, over._replace(enabled=False)]))

    # it is 22:15 and looks 10 minutes ahead
    assert [each.at for each in found.ticks if each.schedule == "often"] == [
        "2023-11-14T22:20:00.000000+00:00",
        "2023-11-14T22:25:00.000000+00:00",
    ]
    assert [each.schedule for each in found.next] == ["late", "often", "odd"]


async def test_few_runs_are_read_and_many_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    observed = Observed()
    store = observed.store
    now = await store.now()
    for workflow in (FLOW, OTHER):
        await store.record_definitions([DefinitionRow(workflow, "v", workflow[-5:], "{}", now)])
    await store.register(runner("r1"))
    monkeypatch.setattr(views, "FEW", 2)
    made = [
        new_run(f"{first_id_of(now - n * SECOND)}-7-{n}", workflow=workflow)
        for n, workflow in enumerate([FLOW, FLOW, FLOW, OTHER, OTHER], 1)
    ]
    await submit(store, *[each._replace(created_at=now) for each in made])

    found = activity(await views.read(observed.engine, HOUR))

    assert [(each.workflow, each.total, each.is_busy, len(each.runs)) for each in found.lanes] == [
        (FLOW, 3, True, 3),
        (OTHER, 2, False, 2),
    ]
    assert len(found.lanes[0].made) == views.PARTS
    assert found.lanes[0].made[-1] == 3
