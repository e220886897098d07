"""The past of a run is read off its rows: events, attempts, rounds, outputs, and what was asked."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.follow_ups.records import FollowUpRow
from cloaca_core.features.task_logs.records import ProgressRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RoundRow, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.store.runner_rows import RunnerName
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import APPROVAL, EVENT
from cloaca_core.views.history import (
    Action,
    actions,
    attempt_infos,
    outputs,
    round_infos,
    run_events,
)
from cloaca_core.views.run_past import History
from cloaca_testing.conformance.rows import attempt

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
        tags="{}",
        parent_id=None,
        final_context='{"a":[1]}',
        error_message=None if status == "Completed" else "it broke",
        created_at=START,
        started_at=START + SECOND,
        ended_at=START + 3 * SECOND,
    )
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def act(kind: str, at: int, *, reason: str | None = None, changed: int = 1) -> ActRow:
    return ActRow("x", "r", "public::embedded::flow", 1, kind, "ann", reason, changed, at)


def of(row: RunRow, *attempts: AttemptRow, acts: tuple[ActRow, ...] = ()) -> History:
    """A run of one round."""
    return History(row, list(attempts), [], [], list(acts))


def retried(*attempts: AttemptRow, restarts: tuple[RestartRow, ...] = ()) -> History:
    """A run in round 2, which began 10 s after the first had ended."""
    first = RoundRow("r", 1, "Failed", "it broke", None, None, "{}", START + 1, START + 3 * SECOND)
    row = run("Running", round=2, started_at=START + 13 * SECOND, ended_at=None, final_context=None)
    return History(row, list(attempts), list(restarts), [first], [])


NAMED = attempt("r", "t")._replace(runner=7)
NAMES = (RunnerName(7, "r1", "web-1", 4711),)


class TestRunners:
    def test_an_attempt_names_the_runner_that_ran_it(self) -> None:
        history = of(run(), NAMED)._replace(names=NAMES)

        (info,) = attempt_infos(history, ["t"])
        assert (info.runner, info.process, info.host) == ("r1", 4711, "web-1")
        (started,) = [e.detail for e in run_events(history) if e.kind == "task_started"]
        assert started == "process 4711 on web-1"

    def test_one_that_nobody_ran_or_knows_names_none(self) -> None:
        skipped = NAMED._replace(attempt=0, status=TaskStatus.SKIPPED, started_at=None)
        rows = (skipped, NAMED._replace(runner=8), NAMED._replace(attempt=2, runner=None))

        infos = attempt_infos(of(run(), *rows)._replace(names=NAMES), ["t"])
        assert {(each.runner, each.process, each.host) for each in infos} == {(None, None, None)}


class TestEvents:
    def test_they_are_in_the_order_of_time(self) -> None:
        done = attempt("r", "t")._replace(started_at=START + SECOND, ended_at=START + 2 * SECOND)
        events = run_events(of(run(), done))

        assert [(e.kind, e.task_id) for e in events] == [
            ("created", None),
            ("started", None),
            ("task_started", "t"),
            ("task_completed", "t"),
            ("ended", None),
        ]
        assert [e.at for e in events] == sorted(e.at for e in events)

    def test_the_end_of_a_map_counts_its_items_unless_it_has_an_error(self) -> None:
        done = attempt("r", "each", 2)._replace(started_at=START + SECOND, ended_at=START + SECOND)
        told = [
            ProgressRow("r", "each", 1, 9, 9, None, START),
            ProgressRow("r", "each", 2, 1200, 1200, "3 failed", START),
        ]

        (_, end) = [e for e in run_events(of(run(), done)._replace(of_maps=told)) if e.task_id]
        assert (end.kind, end.detail) == ("task_completed", "1,200 of 1,200 items, 3 failed")

        failed = done._replace(status="Failed", error_type="MapFailedError", error_message="no")
        (_, end) = [e for e in run_events(of(run(), failed)._replace(of_maps=told)) if e.task_id]
        assert end.detail == "MapFailedError: no"

    def test_the_results_that_a_fork_began_with_follow_its_creation(self) -> None:
        earlier = [
            attempt("r", name)._replace(started_at=START - at, ended_at=START - at + 1)
            for name, at in (("a", 30), ("b", 90))
        ]
        own = attempt("r", "c")._replace(started_at=START + SECOND, ended_at=START + 2 * SECOND)
        events = run_events(of(run(), own, *earlier))

        assert [(e.kind, e.task_id) for e in events] == [
            ("created", None),
            ("task_started", "b"),
            ("task_completed", "b"),
            ("task_started", "a"),
            ("task_completed", "a"),
            ("started", None),
            ("task_started", "c"),
            ("task_completed", "c"),
            ("ended", None),
        ]
        assert events[1].at == rfc3339(START - 90)

    def test_what_follows_the_end_is_told_after_it(self) -> None:
        flow, end = "public::embedded::alert", START + 3 * SECOND
        rows = [FollowUpRow("f", flow, "r", 1, end), FollowUpRow("r", "w", "earlier", 1, START)]

        first, *_, last_but_one, last = run_events(of(run())._replace(follow_ups=rows))

        assert (first.kind, first.detail) == ("created", "follows run earlier")
        assert last_but_one.kind == "ended"
        assert (last.kind, last.detail) == ("followed", "by run f of alert")
        assert last.at == rfc3339(end)

    def test_a_failure_is_told_with_its_error(self) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED, error="ValueError")
        row = row._replace(error_message="bad", started_at=None, ended_at=START)
        (event,) = [e for e in run_events(of(run("Failed"), row)) if e.task_id]

        assert (event.kind, event.detail, event.attempt) == ("task_failed", "ValueError: bad", 1)

    def test_an_attempt_that_was_left_open_ends_before_its_run(self) -> None:
        row = attempt("r", "t")._replace(status=TaskStatus.RUNNING, ended_at=None)
        events = run_events(of(run("Failed"), row))

        assert [(e.kind, e.task_id) for e in events][-2:] == [
            ("task_cancelled", "t"),
            ("ended", None),
        ]

    def test_the_end_tells_how(self) -> None:
        assert run_events(of(run("Failed")))[-1].detail == "it broke"
        assert run_events(of(run()))[-1].detail == "Completed"

    def test_a_run_that_goes_on_has_no_end(self) -> None:
        assert [e.kind for e in run_events(of(run("Running", ended_at=None)))][-1] == "started"

    @each_row(
        ("asked", "kind", "detail"),
        [
            (act("cancel", START, reason="no use"), "cancel_requested", "by ann: no use"),
            (act("pause", START), "paused", "by ann"),
            (act("resume", START, changed=0), "resumed", "by ann (nothing changed)"),
            (act("retry", START, reason="again"), "retried", "by ann: again"),
            (act("fork", START), "forked", "by ann"),
            (act("expire", START, reason="late"), "expired", "by ann: late"),
            (act("other", START), "other", "by ann"),  # of a later version
        ],
    )
    def test_what_was_asked_is_told_with_who_and_why(
        self, asked: ActRow, kind: str, detail: str
    ) -> None:
        (event,) = [e for e in run_events(of(run(), acts=(asked,))) if e.detail == detail]

        assert (event.kind, event.at, event.task_id) == (kind, rfc3339(START), None)

    def test_what_was_sent_is_told_with_who_and_which_event(self) -> None:
        sent = MessageRow("r", 1, "m", EVENT, "paid", "7", None, "ann", START, None)
        by_none = sent._replace(sent_by=None, name="shipped", number=0)
        history = of(run())._replace(messages=[sent, by_none])

        told = [event for event in run_events(history) if event.kind == "sent"]

        assert [event.detail for event in told] == ["by ann: paid", "shipped"]
        assert {(event.at, event.task_id) for event in told} == {(rfc3339(START), None)}

    def test_a_message_that_came_with_the_run_follows_its_beginning(self) -> None:
        sent = MessageRow("r", 1, "m", EVENT, "paid", "7", None, "ann", START - 1, None)
        events = run_events(of(run())._replace(messages=[sent]))
        assert [event.kind for event in events][:2] == ["created", "sent"]

    @each_row(
        ("payload", "detail"),
        [
            ('{"choice":"reject","note":null}', "by ann: reject"),
            ('{"choice":"approve","note":"in time"}', "by ann: approve, in time"),
        ],
    )
    def test_a_decision_is_told_with_its_task(self, payload: str, detail: str) -> None:
        sent = MessageRow("r", 1, "m", APPROVAL, "signed", payload, None, "ann", START, "signed")
        events = run_events(of(run())._replace(messages=[sent]))
        (told,) = [event for event in events if event.kind == "approved"]

        assert (told.task_id, told.detail, told.at) == ("signed", detail, rfc3339(START))

    def test_what_was_sent_to_an_item_names_it(self) -> None:
        payload = '{"choice":"approve","note":null}'
        sent = MessageRow("r", 1, "m", EVENT, "paid", "7", None, "ann", START, None, "each", 2)
        decided = sent._replace(kind=APPROVAL, name="signed", payload=payload)
        events = run_events(of(run())._replace(messages=[sent, decided]))

        told = [event.detail for event in events if event.kind in ("sent", "approved")]
        assert told == ["by ann: paid for each[2]", "by ann: approve, for each[2]"]

    def test_what_was_asked_at_one_instant_keeps_its_order(self) -> None:
        newest_first = (act("resume", START), act("pause", START))
        events = run_events(of(run(started_at=None, ended_at=None), acts=newest_first))

        assert [e.kind for e in events] == ["created", "paused", "resumed"]

    def test_each_round_has_started_and_ended(self) -> None:
        open_one = attempt("r", "t")._replace(started_at=START + 2, ended_at=None, status="Running")
        history = retried(open_one, restarts=(RestartRow("r", "t", 2, 2),))
        asked = act("retry", START + 10 * SECOND)

        events = run_events(history._replace(acts=[asked]))

        assert [(e.kind, e.detail) for e in events] == [
            ("created", None),
            ("started", None),
            ("task_started", None),
            ("task_cancelled", None),  # at the end of the round that it was in
            ("ended", "it broke"),
            ("retried", "by ann"),
            ("started", None),
        ]


class TestAttempts:
    def test_they_are_in_the_order_of_the_definition_then_of_their_numbers(self) -> None:
        rows = [attempt("r", "b", 2), attempt("r", "gone"), attempt("r", "b"), attempt("r", "a")]
        infos = attempt_infos(of(run(), *rows), ["a", "b"])

        assert [(i.task_id, i.attempt) for i in infos] == [
            ("a", 1),
            ("b", 1),
            ("b", 2),
            ("gone", 1),
        ]
        assert {i.round for i in infos} == {1}

    def test_each_has_its_times_and_its_error(self) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED, error="bad", crashes=2)
        row = row._replace(started_at=START, ended_at=START + 1, error_traceback="Trace")
        row = row._replace(retry_at=START + 2 * SECOND)
        (info,) = attempt_infos(of(run("Running", ended_at=None), row), [])

        assert (info.started_at, info.ended_at) == (rfc3339(START), rfc3339(START + 1))
        assert (info.status, info.error, info.error_type) == (
            "Failed",
            "ValueError: bad",
            "ValueError",
        )
        assert (info.traceback, info.crashes, info.skip_reason) == ("Trace", 2, None)
        assert info.retry_at == rfc3339(START + 2 * SECOND)

    def test_one_that_was_left_open_was_cut_short_by_the_end_of_its_round(self) -> None:
        row = attempt("r", "t")._replace(status="Running", started_at=START, ended_at=None)
        history = retried(row, restarts=(RestartRow("r", "t", 2, 2),))
        (info,) = attempt_infos(history, [])

        assert (info.status, info.ended_at) == ("Cancelled", rfc3339(START + 3 * SECOND))

    @each_row(
        ("number", "started_at", "restarts", "expected"),
        [
            (1, START, (RestartRow("r", "t", 2, 2),), 1),  # before the restart
            (1, START + 20 * SECOND, (RestartRow("r", "t", 2, 2),), 1),  # whatever a clock says
            (2, START, (RestartRow("r", "t", 2, 2),), 2),  # since the restart
            (1, START, (), 1),  # a task whose result was kept
            (1, START + 20 * SECOND, (), 2),  # one that had never started before
            (1, START + 20 * SECOND, (RestartRow("r", "other", 2, 2),), 2),
        ],
    )
    def test_each_has_the_round_that_it_was_in(
        self, number: int, started_at: int, restarts: tuple[RestartRow, ...], expected: int
    ) -> None:
        row = attempt("r", "t", number)._replace(started_at=started_at)
        (info,) = attempt_infos(retried(row, restarts=restarts), [])

        assert info.round == expected

    def test_a_skipped_task_has_the_round_in_which_that_was_found(self) -> None:
        row = attempt("r", "t", 0, status=TaskStatus.SKIPPED, reason="upstream_failed")
        row = row._replace(started_at=None, ended_at=START + 2)
        (info,) = attempt_infos(retried(row), [])

        assert (info.round, info.skip_reason) == (1, "why it did not run")


class TestOutputs:
    def test_each_completed_task_has_what_it_has_set(self) -> None:
        b = attempt("r", "b")._replace(change='{"set":{"n":[1]},"removed":["m"]}')
        c = attempt("r", "c", status=TaskStatus.FAILED, error="bad")
        a = attempt("r", "a")._replace(change=None)

        assert outputs([b, c, a], ["a", "b", "c"]) == {"a": {}, "b": {"n": [1]}}

    def test_they_are_in_the_order_of_the_definition(self) -> None:
        rows = [attempt("r", task_id) for task_id in ("gone", "b", "a")]

        assert list(outputs(rows, ["a", "b"])) == ["a", "b", "gone"]


class TestRounds:
    def test_the_last_is_the_present_one(self) -> None:
        first, second = round_infos(retried())

        assert (first.round, first.status, first.error_message) == (1, "Failed", "it broke")
        assert (first.started_at, first.ended_at) == (rfc3339(START + 1), rfc3339(START + 3000000))
        assert first.final_context is not None
        assert first.final_context.to_dict() == {}
        assert (second.round, second.status, second.ended_at) == (2, "Running", None)
        assert second.final_context is None

    def test_a_run_that_was_not_retried_has_one(self) -> None:
        (only,) = round_infos(of(run()))

        assert (only.round, only.status, only.error_message) == (1, "Completed", None)
        assert only.final_context is not None
        assert only.final_context.to_dict() == {"a": [1]}


def test_an_action_is_about_a_run_or_a_workflow() -> None:
    asked = act("pause", START, reason="no disk", changed=0)

    assert actions([asked, asked._replace(run_id="", changed=1)]) == [
        Action("x", rfc3339(START), "pause", "r", "flow", "ann", "no disk", False),
        Action("x", rfc3339(START), "pause", None, "flow", "ann", "no disk", True),
    ]
