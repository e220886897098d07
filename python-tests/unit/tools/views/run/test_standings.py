"""How far runs have come."""

from __future__ import annotations

from model.families import LATE, at, attempt, run
from model.observed import Observed
from tables import each_row

from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.values.states import ReasonCode
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run
from cloaca_tools.views.run import standings as views
from cloaca_tools.views.run.standings import Rows, Standing, standings


def standing(row: RunRow, *attempts: AttemptRow, **fields: object) -> Standing:
    rows = Rows(LATE, [row], {row.id: 4}, attempts, [], [], frozenset(), {})
    (found,) = standings(rows._replace(**fields))  # type: ignore[arg-type]  # checked by _replace
    return found


def skipped(task: str, reason: str) -> AttemptRow:
    return attempt(task, 0, None, 2, "Skipped")._replace(reason_code=reason)


def test_tasks_that_completed_or_were_skipped_by_a_rule_are_over() -> None:
    found = standing(
        run(status="Failed"),
        attempt("a"),
        attempt("b", 1, status="Failed", retry=5),
        attempt("b", 2),
        skipped("c", ReasonCode.TRIGGER_RULE),
        skipped("d", ReasonCode.UPSTREAM_FAILED),
    )

    assert (found.done, found.tasks) == (3, 4)


def test_of_a_completed_run_all_tasks_are_over() -> None:
    assert standing(run()).done == 4


def test_a_task_that_was_restarted_is_not_over() -> None:
    restart = RestartRow("r", "a", 2, 2)

    assert standing(run(status="Running"), attempt("a"), restarts=[restart]).done == 0


def test_a_run_with_an_unknown_number_of_tasks_tells_none() -> None:
    found = standing(run(status="Running"), tasks={})

    assert (found.done, found.tasks) == (None, None)


def test_what_a_person_is_asked_is_told() -> None:
    row = run(status="Waiting")
    detail = '{"prompt":"Send it?","choices":["yes"]}'
    wait = WaitRow("r", "sign", "approval", "sign", 0, 1, "", at(3) or 0, None, detail)
    found = standing(row, waits=[wait])

    assert found.asks == "Send it?"
    assert found.run.waits_for is not None
    assert found.run.waits_for.kind == "approval"


@each_row(("status", "expected"), [("Paused", "b"), ("Running", None), ("Failed", None)])
def test_a_run_that_a_failure_has_paused_names_the_task(status: str, expected: str | None) -> None:
    failed = attempt("b", 2, status="Failed")._replace(reason_code=ReasonCode.EXHAUSTED)

    assert standing(run(status=status), attempt("a"), failed).stopped_by == expected


def test_a_pause_after_a_later_attempt_has_another_reason() -> None:
    failed = attempt("b", 2, status="Failed")._replace(reason_code=ReasonCode.EXHAUSTED)

    assert standing(run(status="Paused"), failed, attempt("b", 3)).stopped_by is None


def test_a_run_whose_runner_is_gone_says_so() -> None:
    assert standing(run(status="Running"), lost={"r"}).run.runner_gone is True


async def test_runs_that_are_gone_are_left_out() -> None:
    observed = Observed()
    await submit(observed.store, new_run("a", owner=None), new_run("b", owner=None))

    found = standings(await views.read(observed.engine, ["a", "gone", "b"]))

    assert [(each.run.id, each.done, each.tasks) for each in found] == [
        ("b", None, None),
        ("a", None, None),
    ]
