"""Schedules that are due become rows: a run for each tick, and how the schedule goes on."""

from __future__ import annotations

import json

import pytest
from model.firing_by_hand import HOUR, MINUTE, NOON, WORKFLOW

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.schedules.tick_rows import (
    POSTPONED,
    TICKS_PER_COMMIT,
    Fired,
    TickRows,
)
from cloaca_core.values.ids import RunIds
from cloaca_testing.conformance.rows import schedule


@pytest.fixture
def made() -> TickRows:
    return TickRows(Registry(), DefaultRunnerConfig(), RunIds())


def _hourly(**changes: object) -> ScheduleRow:
    """Decided until noon, and due at one o'clock."""
    hourly = schedule(due_at=NOON + HOUR)._replace(
        workflow=WORKFLOW,
        cron_expression="@hourly",
        catchup_policy="run_all",
        decided_until=NOON,
        generation=7,
    )
    return hourly._replace(**changes)  # type: ignore[arg-type]  # each test knows the field's type


def _ticks(fired: Fired) -> list[int]:
    return [tick.tick for tick in fired.ticks]


def test_a_tick_makes_a_run_and_moves_its_schedule_on(made: TickRows) -> None:
    fired = made.fire(_hourly(), (), NOON + HOUR)

    (tick,) = fired.ticks
    assert (tick.tick, tick.generation, tick.outcome) == (NOON + HOUR, 7, "Fired")
    assert (tick.workflow, tick.created_at) == (WORKFLOW, NOON + HOUR)
    firing = fired.firing
    assert (firing.decided_until, firing.last_tick) == (NOON + HOUR, NOON + HOUR)
    assert (firing.next_tick, firing.due_at) == (NOON + 2 * HOUR, NOON + 2 * HOUR)
    assert (firing.generation, firing.lost, firing.decided_at) == (7, 0, NOON + HOUR)


def test_the_run_begins_with_the_parameters_and_which_tick_it_is(made: TickRows) -> None:
    # Parameters cannot replace the facts about the tick.
    row = _hourly(params='{"a":1,"schedule_id":"mine"}')
    (tick,) = made.fire(row, (), NOON + HOUR).ticks

    assert json.loads(tick.input) == {
        "a": 1,
        "schedule_id": "s",
        "scheduled_time": "2026-03-10T13:00:00+00:00",
        "schedule_timezone": "UTC",
        "schedule_expression": "@hourly",
    }


def test_the_run_asks_for_the_queue_of_its_schedule_and_begins_where_its_first_tasks_ask() -> None:
    registry = Registry()
    with WorkflowBuilder("orders", registry=registry) as builder:
        builder.queue("big")
        task(id="a", queue="tape")(lambda context: None)
    with WorkflowBuilder("plain", registry=registry):
        task(id="b", queue=None)(lambda context: None)
    made = TickRows(registry, DefaultRunnerConfig(), RunIds())

    def queues(**changes: object) -> tuple[str | None, str | None]:
        (tick,) = made.fire(_hourly(**changes), (), NOON + HOUR).ticks
        return tick.queue, tick.asked_queue

    assert queues() == (None, None)  # the statement that inserts the run knows that of the workflow
    assert queues(queue="gpu") == ("tape", "gpu")  # its first task names one itself
    assert queues(queue="gpu", workflow="public::embedded::plain") == ("gpu", "gpu")
    assert queues(queue="gpu", workflow="unknown") == ("gpu", "gpu")
    (filled,) = made.filled(_hourly(queue="gpu"), [NOON], NOON + HOUR).values()
    assert (filled.queue, filled.asked_queue) == ("tape", "gpu")


def test_a_tick_that_has_a_run_gets_no_other(made: TickRows) -> None:
    fired = made.fire(_hourly(), (), NOON + 3 * HOUR, has_run=[NOON + 2 * HOUR])

    assert _ticks(fired) == [NOON + HOUR, NOON + 3 * HOUR]
    assert fired.firing.decided_until == NOON + 3 * HOUR


def test_no_more_is_decided_than_one_commit_takes() -> None:
    """The ticks of one schedule are never parted, and what is left stays due."""
    half = TICKS_PER_COMMIT // 2
    config = DefaultRunnerConfig(cron_max_catchup_executions=half)
    many = TickRows(Registry(), config, RunIds())
    minutely = _hourly(cron_expression="* * * * *")
    later = NOON + TICKS_PER_COMMIT * MINUTE

    fired = many.fire_some([minutely, minutely, minutely], {}, later)

    assert len(fired) == 2
    assert all(len(each.ticks) >= half for each in fired)


def test_one_that_cannot_be_read_is_put_off(made: TickRows) -> None:
    unreadable = _hourly(timezone="Mars/Olympus")

    put_off, other = made.fire_some([unreadable, _hourly()], {}, NOON + HOUR)

    assert put_off.ticks == ()
    assert put_off.firing.due_at == NOON + HOUR + POSTPONED
    assert put_off.firing.decided_until == NOON
    assert _ticks(other) == [NOON + HOUR]


def test_what_a_person_asks_for_belongs_to_no_firing(made: TickRows) -> None:
    filled = made.filled(_hourly(), [NOON - HOUR], NOON)

    (tick,) = filled.values()
    assert list(filled) == [tick.tick] == [NOON - HOUR]
    assert (tick.generation, tick.outcome) == (None, "Backfilled")
    assert json.loads(tick.input)["is_recovery"]
