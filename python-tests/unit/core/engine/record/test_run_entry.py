"""The outcomes of a run's rows are told in the right order, and once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.definition.version_change import VersionChange
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.record.entries import Draft
from cloaca_core.engine.record.run_entry import RunEntry, end_row
from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.features.waits.open_waits import OpenWaits
from cloaca_core.features.waits.records import WAITS, WaitRow
from cloaca_core.features.waits.rows import WaitRows
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.planner import RunOver
from cloaca_core.run.reasons import overdue, version_changed
from cloaca_core.run.rows import RunEnd
from cloaca_core.run.time_limit import Deadline
from cloaca_core.store.batch import Committed
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import attempt as attempt_row

REFUSAL = StoreDataError("not this")


class Notes:
    """Listens, and notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.flaw: Exception | None = None

    def start_reserved(self, attempts: Iterable[Attempt]) -> None:
        if self.flaw is not None:
            raise self.flaw
        self.heard.append(("let go", list(attempts)))

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        self.heard.append(("messages sent", run, messages))

    def decided(self, _: ActiveRun, __: Committed) -> None:
        raise AssertionError("no run has limits")

    def call_off(self, entry: RunEntry) -> None:
        self.heard.append(("called off", entry.stop_request))

    def recorded(self, entry: RunEntry) -> None:
        self.heard.append(("recorded", entry))

    def lost(self, entry: RunEntry) -> None:
        self.heard.append(("lost", entry))

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        self.heard.append(("refused", entry, error))


@pytest.fixture
def notes() -> Notes:
    return Notes()


RUN = active_run(graph_of(t={}))
END = RunEnd(RUN.id, RUN.epoch, "Completed", "{}", None, 0)
OURS = Committed(frozenset(), {}, frozenset([RUN.id]))
NOT_OURS = Committed(frozenset(), {}, frozenset())


def entry(notes: Notes, *ahead: Attempt) -> RunEntry:
    return RunEntry(notes, RUN, [], END, [1], ahead)


def land(one: RunEntry, committed: Committed) -> None:
    assert one.on_commit is not None
    one.on_commit(committed)


def test_its_rows_count_under_the_epoch_of_the_run(notes: Notes) -> None:
    row = attempt_row(RUN.id, "t")
    draft = Draft()
    RunEntry(notes, RUN, [row], END).add_to(draft)

    assert (draft.attempts, draft.ends, draft.fences) == ([row], [END], {RUN.id: RUN.epoch})


def test_what_follows_its_end_is_in_the_same_batch_and_counts(notes: Notes) -> None:
    row = NewFollowUp("f", RUN.id, 0, "Completed", "alert", "x" * 100)
    draft = Draft()
    one = RunEntry(notes, RUN, [], END, with_end=FOLLOW_UPS.rows([row]))
    one.add_to(draft)

    assert draft.batch("r1").of(FOLLOW_UPS) == [row]
    assert one.weight == entry(notes).weight + FOLLOW_UPS.weight([row])


def test_it_says_what_became_of_a_run(notes: Notes) -> None:
    assert entry(notes).is_of_run


def test_what_was_got_ready_is_let_go_when_it_has_landed(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    one = entry(notes, attempt)

    land(one, OURS)

    assert notes.heard == [("let go", [attempt])]


def test_it_is_not_let_go_when_the_run_is_somebody_elses(notes: Notes) -> None:
    one = entry(notes, attempt_of(RUN))

    land(one, NOT_OURS)
    one.settled(NOT_OURS)

    assert notes.heard == [("lost", one)]


def test_it_is_let_go_once_even_if_a_store_should_say_it_again(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    one = entry(notes, attempt)
    on_commit = one.on_commit
    assert on_commit is not None
    on_commit(OURS)
    on_commit(OURS)

    one.settled(OURS)

    assert notes.heard == [("let go", [attempt]), ("recorded", one)]


def test_a_store_that_does_not_say_so_only_makes_it_later(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    one = entry(notes, attempt)

    one.settled(OURS)

    assert notes.heard == [("let go", [attempt]), ("recorded", one)]


def test_a_run_that_waits_is_told_of_its_messages_before_it_goes_on(notes: Notes) -> None:
    run = active_run(graph_of(t={}))
    one = RunEntry(notes, run, [], None)
    run.waits = OpenWaits()
    sent = OURS._replace(messages={"r": 3, "other": 4})

    one.settled(sent)
    RunEntry(notes, RUN, [], None).settled(sent)  # which waits for nothing
    one.settled(OURS)

    told, first, *others = notes.heard
    assert (told, first, len(others)) == (("messages sent", run, 3), ("recorded", one), 2)
    assert one.messages == 3


def test_rows_of_waits_are_in_the_same_batch_and_count(notes: Notes) -> None:
    wait = WaitRow("r", "t", EVENT, "go", 0, 1, "", 0, None, "x" * 100)
    draft = Draft()
    one = RunEntry(notes, RUN, [], None, beside=[WaitRows([wait])])
    one.add_to(draft)

    assert draft.batch("r1").of(WAITS) == [wait]
    assert one.weight == WAITS.weight([wait])


def test_nothing_is_let_go_where_nothing_was_got_ready(notes: Notes) -> None:
    one = entry(notes)
    assert one.on_commit is None

    one.settled(OURS)

    assert notes.heard == [("recorded", one)]


def test_a_flaw_where_it_lands_is_for_the_loop_to_tell(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    notes.flaw = LookupError("a flaw of ours")
    one = entry(notes, attempt_of(RUN))

    land(one, OURS)

    assert (notes.heard, one.flaw) == ([], notes.flaw)
    assert "cannot go on" in caplog.text


def test_a_refusal_is_handed_on(notes: Notes) -> None:
    one = entry(notes, attempt_of(RUN))

    one.refused(REFUSAL)

    assert notes.heard == [("refused", one, REFUSAL)]


TICKED = active_run(graph_of(t={}), schedule_id="s")


def test_a_run_that_has_completed_has_no_reason() -> None:
    row = end_row(TICKED, RunOver(RunStatus.COMPLETED, None), '{"a":1}', 5)

    assert row == RunEnd("r", 1, "Completed", '{"a":1}', None, 5, "s", None, None)


def test_the_code_and_the_limit_of_a_deadline_are_kept_beside_its_text() -> None:
    row = end_row(TICKED, RunOver(RunStatus.FAILED, overdue(Deadline(9, 60))), "{}", 5)

    assert (row.status, row.reason_code, row.limit_seconds) == ("Failed", "deadline_exceeded", 60)
    assert row.error_message == "Pipeline timeout after 60s"
    assert row.reason_tasks is None


def test_the_tasks_that_have_changed_are_kept_beside_the_text() -> None:
    reason = version_changed("1", "2", VersionChange(changed=("t", "u")))

    row = end_row(TICKED, RunOver(RunStatus.FAILED, reason), "{}", 5)

    assert (row.reason_code, row.reason_tasks) == ("version_changed", '["t","u"]')
