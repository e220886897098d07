"""Which work no runner takes up: by workflow, and only as long as it stays as it is."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.features.unserved.rules import (
    Followed,
    Unmet,
    follow,
    lasting,
    nearest,
    next_look,
    unmet_work,
    warning_about,
)
from cloaca_core.run.rows import WaitingRow
from cloaca_core.store.batch import Waiting
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.rows import NOW, trigger_row

HERE = "public::embedded::nightly"
GONE = "public::embedded::nightlies"
RUN = WaitingRow("run", GONE, "r1", NOW - 5, 3)
DUE = WaitingRow("schedule", GONE, "", NOW, 1)
LATER = DUE._replace(due_at=NOW + 1)


def fires(workflow: str | None, name: str = "t", *, enabled: bool = True) -> TriggerRow:
    return trigger_row(name)._replace(workflow=workflow, enabled=enabled)


def found(*rows: WaitingRow, others: int = 0, triggers: tuple[TriggerRow, ...] = ()) -> list[Unmet]:
    return unmet_work(Waiting(list(rows), others), triggers, [HERE], NOW)


class TestUnmetWork:
    @each_row("others", [0, 1])
    def test_a_run_that_is_nobodys(self, others: int) -> None:
        assert found(RUN, others=others) == [Unmet("run", GONE, 3, "r1", NOW - 5)]

    @each_row("others", [0, 1])
    def test_work_for_what_is_registered_here_is_ours(self, others: int) -> None:
        ours = [row._replace(workflow=HERE) for row in (RUN, DUE)]
        assert found(*ours, others=others, triggers=(fires(HERE),)) == []

    def test_a_schedule_that_is_due_beside_others_that_leave_it(self) -> None:
        assert found(DUE, others=1) == [Unmet("schedule", GONE, 1, str(NOW))]

    def test_one_that_is_not_due_yet_may_be_the_business_of_others(self) -> None:
        assert found(LATER, others=1) == []

    def test_where_there_is_no_other_it_is_nobodys(self) -> None:
        assert found(LATER) == [Unmet("schedule", GONE, 1, "")]

    def test_a_trigger_where_there_is_no_other_runner(self) -> None:
        triggers = (fires(GONE), fires(GONE, "u"), fires("public::embedded::other", "v"))
        assert found(triggers=triggers) == [
            Unmet("trigger", GONE, 2, ""),
            Unmet("trigger", "public::embedded::other", 1, ""),
        ]
        assert found(triggers=triggers, others=1) == []

    def test_a_trigger_that_is_off_or_a_declaration_fires_nothing(self) -> None:
        assert found(triggers=(fires(GONE, enabled=False), fires(None))) == []


class TestFollow:
    def test_the_same_work_is_followed_from_when_it_was_first_seen(self) -> None:
        first = follow({}, found(RUN), 100.0, NOW, 0.0)
        again = follow(first, found(RUN._replace(found=9)), 131.0, NOW + 31, 0.0)
        assert [(each.seen_at, each.unmet.number) for each in again.values()] == [(100.0, 9)]

    def test_other_work_begins_anew(self) -> None:
        first = follow({}, found(RUN), 100.0, NOW, 0.0)
        again = follow(first, found(RUN._replace(first_run="r2")), 131.0, NOW, 0.0)
        assert [each.seen_at for each in again.values()] == [131.0]

    def test_so_does_a_schedule_that_somebody_has_fired(self) -> None:
        first = follow({}, found(DUE, others=1), 100.0, NOW, 0.0)
        fired = DUE._replace(due_at=NOW - 1)
        again = follow(first, found(fired, others=1), 131.0, NOW, 0.0)
        assert [each.seen_at for each in again.values()] == [131.0]

    def test_what_is_not_there_any_more_is_forgotten(self) -> None:
        first = follow({}, found(RUN), 100.0, NOW, 0.0)
        assert follow(first, [], 131.0, NOW, 31.0) == {}

    def test_a_run_waits_since_it_was_made_and_the_rest_since_it_was_seen(self) -> None:
        followed = follow({}, found(RUN, DUE), 100.0, NOW + 4, 0.0)
        assert [each.since for each in followed.values()] == [NOW - 5, NOW + 4]

    @each_row(
        ("made", "begun"),
        [
            (20, 110.0),  # since the last look, which did not find it
            (30, 100.0),
            (31, 130.0),  # before that: it may have been released just now
            (-1, 130.0),  # by a clock that is ahead of the store's
        ],
    )
    def test_a_run_made_since_the_last_look_has_waited_from_then_on(
        self, made: int, begun: float
    ) -> None:
        row = RUN._replace(due_at=NOW - made * SECOND)
        followed = follow({}, found(row, DUE), 130.0, NOW, 30.0)
        assert [each.seen_at for each in followed.values()] == [begun, 130.0]


class TestNextLook:
    def test_it_is_when_the_first_of_the_work_may_have_waited_for_long(self) -> None:
        followed = follow({}, found(RUN._replace(due_at=NOW - 20 * SECOND)), 130.0, NOW, 30.0)
        followed |= follow({}, found(DUE), 130.0, NOW, 30.0)
        assert next_look(followed, 130.0, 30.0) == 10.0

    def test_what_has_is_looked_at_as_seldom_as_before_it_was(self) -> None:
        followed = follow({}, found(RUN), 100.0, NOW, 0.0)
        assert next_look(followed, 130.0, 30.0) == 30.0


class TestLasting:
    @each_row(("seen_at", "kinds"), [(129.9, []), (130.0, ["run", "schedule"])])
    def test_it_is_what_has_been_so_for_long(self, seen_at: float, kinds: list[str]) -> None:
        followed = follow({}, found(RUN, DUE), 100.0, NOW, 0.0)
        unserved = lasting(followed, seen_at, 30.0)
        assert [each.unmet.kind for work in unserved.values() for each in work] == kinds
        assert list(unserved) == [GONE] * bool(kinds)


class TestWords:
    @each_row(
        ("meant", "workflow"),
        [
            (HERE, GONE),
            (HERE, "other::embedded::nightly"),  # another tenant's
            (None, "public::embedded::zzz"),  # alike in all but the name
        ],
    )
    def test_the_nearest_is_told_by_the_last_part(self, meant: str | None, workflow: str) -> None:
        assert nearest(workflow, ["public::embedded::weekly", HERE]) == meant

    def test_without_any_workflow_there_is_no_nearest(self) -> None:
        assert nearest(GONE, []) is None

    def test_the_warning_counts_each_kind_and_names_what_may_have_been_meant(self) -> None:
        work = [Followed(each, 0.0, NOW) for each in found(RUN, DUE)]
        assert warning_about(GONE, work, HERE) == (
            f"no runner takes up workflow '{GONE}', which is not registered here: "
            f"3 runs and 1 schedule waiting for it; did you mean '{HERE}'?"
        )
        assert warning_about(GONE, work[1:], None) == (
            f"no runner takes up workflow '{GONE}', which is not registered here: "
            "1 schedule waiting for it"
        )
