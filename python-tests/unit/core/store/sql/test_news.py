"""Which commits other processes must hear of soon."""

from __future__ import annotations

from every_statement import every_statement
from tables import each_row

from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import Sharing
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.news import News
from cloaca_core.store.sql.queries import Statement
from cloaca_sqlite.driver import WORDING

_KNOWN = every_statement("cloaca_sqlite", WORDING)


def insert(*owners: str | None) -> Step:
    return Step(Statement("insert_run", "", ("id", "owner")), rows=[("x", each) for each in owners])


def beat(lease_until: int, sharing: str | None = None) -> Step:
    parameters = ("lease_until", "sharing", "id")
    return Step(Statement("beat", "", parameters), (lease_until, sharing, "r1"))


def parks(*parks: tuple[str | None, int | None]) -> Step:
    """A step that gives runs back, each to a queue and with the instant at which it is due."""
    statement = Statement("park_run", "", ("due_at", "queue"), _KNOWN["park_run"].news)
    return Step(statement, rows=[(due_at, queue) for queue, due_at in parks])


def named(*names: str) -> list[Step]:
    return [Step(_KNOWN[name]) for name in names]


@each_row(
    ("steps", "expected"),
    [
        ([], None),
        ([insert("r1", "r1")], None),  # runs that no other runner may claim
        ([insert("r1", None)], Change.RUNS),
        (named("fence_runs", "record_attempt"), None),
        (named("fence_runs", "record_attempt", "end_run"), Change.RUNS),
        (
            named("lock_runs", "note_unserved", "leave_run"),
            Change.RUNS,
        ),  # others may have its tasks
        (named("fence_runs", "park_run"), Change.RUNS),  # another runner may know its time sooner
        ([parks((None, None), ("gpu", 9))], Change.RUNS),  # none may be claimed in another queue
        ([parks((None, None), ("gpu", None))], Change.MOVES),
        ([parks(("gpu", None)), *named("end_run")], Change.MOVES),
        ([*named("end_run"), parks(("gpu", None))], Change.MOVES),
        ([parks(("gpu", None)), *named("release")], Change.ANYTHING),
        (named("make_due_claimable"), Change.RUNS),
        (named("claim"), None),
        (named("lock_triggers", "insert_event", "insert_event_run"), Change.RUNS),
        (named("take_poll"), None),  # later than it was due: no runner has to look sooner
        (named("lock_steered", "note_cancel", "cancel_unowned", "cancel_owned"), Change.ANYTHING),
        (named("lock_steered", "note_pause", "pause_runs"), Change.ANYTHING),
        (named("lock_steered", "note_resume", "resume_runs"), Change.ANYTHING),
        (named("lock_steered", "note_retry", "reopen_run"), Change.ANYTHING),
        (named("lock_steered", "insert_message", "count_messages"), Change.ANYTHING),
        (named("lock_steered", "number_messages", "count_messages"), Change.ANYTHING),
        (named("release"), Change.ANYTHING),
        (named("unregister", "end_cancelled", "release"), Change.ANYTHING),
        (named("take_over_runs"), Change.ANYTHING),
        (named("register", "get_runner"), Change.ANYTHING),
        (named("fence"), Change.ANYTHING),
        (named("put_schedule"), Change.ANYTHING),
        (named("add_trigger"), Change.ANYTHING),
        (named("change_trigger"), Change.ANYTHING),
        (named("end_run", "release"), Change.ANYTHING),
    ],
)
def test_a_commit_is_news_by_its_statements(steps: list[Step], expected: Change | None) -> None:
    assert News().of(steps) is expected


def test_a_lease_that_ends_sooner_than_others_know_is_news() -> None:
    news = News()
    told: list[Change | None] = []
    for until in (5, 6, 70, 70, 8, 9):
        told.append(news.of([beat(until)]))
        news.wrote([beat(until)])

    told_of = Change.ANYTHING
    assert told == [told_of, None, None, None, told_of, None]


def test_an_ask_is_news_when_it_is_a_new_one_and_when_it_is_over() -> None:
    news = News()
    told: list[Change | None] = []
    for number, backlog in ((0, 0), (0, 4), (1, 0), (1, 0), (0, 0), (1, 0), (2, 0)):
        step = beat(5, Sharing(number, (), backlog).text())
        told.append(news.of([step]))
        news.wrote([step])

    told_of = Change.ANYTHING
    assert told == [told_of, None, told_of, None, told_of, told_of, told_of]


def test_a_lease_whose_beat_failed_is_news_still() -> None:
    news = News()
    news.of([beat(5)])

    assert news.of([beat(5)]) is Change.ANYTHING
