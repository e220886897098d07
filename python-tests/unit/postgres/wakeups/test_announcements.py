"""Which changes are announced to other runners, and when."""

from __future__ import annotations

from tables import each_row
from unit.postgres.wakeups.announced import announced, beat, named

from cloaca_core.run.rows import Park
from cloaca_core.store.sql.dialect import Step
from cloaca_postgres.wakeups.announcements import Announcements, Message, since
from cloaca_postgres.wakeups.late_runs import LATE
from cloaca_testing.conformance.rows import NOW


@each_row(("name", "expected"), [("end_run", Message.NEWS), ("claim", None)])
def test_what_runs_do_is_told_after_it_is_committed(name: str, expected: Message | None) -> None:
    announcements = announced()

    assert announcements.within([named(name)]) == ()
    assert announcements.wrote([named(name)], [[]]) is expected


def test_what_runners_do_is_told_in_its_own_transaction() -> None:
    announcements, steps = announced(), [named("end_run"), named("release")]

    assert announcements.within(steps) == [announcements.of(Message.LATE)]
    assert not announcements.wrote(steps, [[], []])


def test_a_move_of_a_run_is_told_in_its_own_transaction_and_once_more_later() -> None:
    announcements, park = announced(), named("park_run").statement
    row = Park("a", None, NOW, queue="gpu")._asdict()
    steps = [Step(park, rows=[tuple(row.get(name) for name in park.parameters)])]

    assert announcements.within(steps) == [announcements.of(Message.MOVES)]
    assert announcements.wrote(steps, [[]]) is Message.MOVES


@each_row(
    ("names", "within", "afterwards"),
    [
        (["end_run", "leave_run"], None, Message.LATE),
        (["release"], Message.LATE, None),
        (["note_cancel", "start_next"], Message.NEWS, Message.LATE),  # known by its answer only
    ],
)
def test_runs_that_claims_may_look_past_are_told_as_such(
    names: list[str], within: Message | None, afterwards: Message | None
) -> None:
    late: list[str] = []
    announcements, steps = announced(lambda: late.append("here")), list(map(named, names))

    told = announcements.within(steps)

    assert list(told) == ([] if within is None else [announcements.of(within)])
    assert announcements.wrote(steps, [[("a",)] for _ in steps]) is afterwards
    assert late == ["here"]


@each_row(
    ("kind", "expected"),
    [
        ("", False),
        (Message.STEPS.value, False),
        (Message.LATE.value, True),
        (since(NOW - LATE), False),
        (since(NOW - LATE - 1), True),
        ("since ever", True),  # by a program that is not ours
    ],
)
def test_who_hears_of_runs_judges_whether_its_claims_may_look_past_them(
    kind: str, expected: bool
) -> None:
    late: list[str] = []
    announcements = Announcements("s", lambda: NOW, lambda: late.append("elsewhere"))

    announcements.heard(kind)

    assert late == ["elsewhere"] * expected


def test_a_lease_is_told_until_it_is_committed() -> None:
    announcements = announced()
    announcements.within([beat(5)])
    assert announcements.within([beat(5)]) == [announcements.of(Message.NEWS)]

    announcements.wrote([beat(5)], [[]])

    assert announcements.within([beat(6)]) == ()
