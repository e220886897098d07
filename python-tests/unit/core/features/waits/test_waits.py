"""Waits open and end by one commit each; a message that has come wins against time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from model.by_hand import waits_of
from model.orchestration import Scene, rows_of
from model.quiet import quiet
from model.runs import active_run, cancel, graph_of

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.outcome import CutOff, Outcome, Raised, Suspended
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.errors import (
    BodyCancelled,
    BodySuspended,
    DefinitionError,
    StoreError,
    StoreUnavailableError,
)
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.steps.steps import Answer
from cloaca_core.features.waits.open_waits import open_waits, restored
from cloaca_core.features.waits.records import ClosedWait, WaitRow
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.life import State
from cloaca_core.run.reasons import Reason
from cloaca_core.store.batch import Committed
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_core.values.waits import APPROVAL, EVENT, NEVER, SLEEP
from cloaca_testing.conformance.rows import attempt as attempt_row, message

pytestmark = pytest.mark.virtual_time

NOW = 1_000_000_000
SECOND = 1_000_000
ASKED = AskedWait(EVENT, "go", 1, None, None, "h", may_suspend=True)
NAP = AskedWait(SLEEP, "", 1, 60.0, None, "h", may_suspend=True)


def nodes(*make: Callable[[], object]) -> PlanGraph:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        for each in make:
            each()
    return plan_graph(builder.workflow)


GO = nodes(lambda: wait_for("go"))
SHORT = nodes(lambda: wait_for("go", timeout=60, default="late"))
BODY = graph_of(t={})
PAIR = graph_of(t={}, other={})
"""The second body keeps the run here."""


class Desk:
    """A run whose rows become durable when the test says so, and the messages to it. Its clock
    stands still.
    """

    def __init__(self) -> None:
        self.scene = Scene(pipeline_timeout_seconds=NO_LIMIT)
        self.scene.clock.shown = NOW
        self.journal, self.orchestrator = self.scene.journal, self.scene.orchestrator
        self.waits, self.memos = self.scene.bodies.waits, self.scene.bodies.memos
        self.written: list[RunEntry] = []
        self.told: list[Answer] = []
        self.reads = 0
        self._read = self.journal.store.messages
        self.journal.store.messages = self._count  # type: ignore[method-assign]  # to see it

    async def _count(self, run_ids: Any, after: int = 0) -> list[MessageRow]:
        self.reads += 1
        return await self._read(run_ids, after)

    def put(self, number: int, payload: str = "1", event: str = "go") -> None:
        """A message is sent to the run. Commits from now on tell of it."""
        row = MessageRow("r", number, f"m{number}", EVENT, event, payload, None, None, 0, None)
        self.journal.store.mailbox["r", row.id] = row
        self.journal.messages["r"] = max(number, self.journal.messages.get("r", 0))

    async def commit(self) -> RunEntry:
        """The oldest record becomes durable, and all that can happen then happens."""
        entry = await self.journal.commit()
        self.written.append(entry)
        await quiet()
        return entry

    async def undecided(self) -> None:
        """The oldest record is durable, and no wait was timed out: there are messages without a
        number.
        """
        entry = await self.journal.entry()
        entry.settled(Committed(frozenset(), {}, frozenset(["r"])))
        await quiet()

    async def commit_all(self) -> list[RunEntry]:
        """The same with all records."""
        before = len(self.written)
        while self.journal.waiting:
            await self.commit()
        return self.written[before:]

    async def pass_time(self, seconds: float) -> None:
        assert self.scene.clock.shown is not None
        self.scene.clock.shown += round(seconds * SECOND)
        await asyncio.sleep(seconds)
        await quiet()

    async def opened(self, graph: PlanGraph) -> ActiveRun:
        """A run whose nodes wait."""
        run = self.scene.adopt(graph)
        await self.commit_all()
        return run

    async def waiting(self, asked: AskedWait = ASKED, graph: PlanGraph = BODY) -> Attempt:
        """A body that waits."""
        self.scene.adopt(graph)
        attempt = self.scene.begin()
        await self.ask(attempt, asked)
        await self.commit_all()
        return attempt

    async def ask(self, attempt: Attempt, asked: AskedWait = ASKED) -> None:
        self.memos.wait(attempt, asked, self.told.append)
        await quiet()

    def conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        """The body ends like that."""
        attempt.outcome = outcome
        self.scene.executor.report(attempt)

    async def left(self, graph: PlanGraph = PAIR) -> Attempt:
        """A body that has left, as that is durable. Another one may keep its run here."""
        attempt = await self.waiting(graph=graph)
        await self.pass_time(11)
        self.conclude(attempt, Suspended())
        await self.commit_all()
        return attempt


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def opened_in(entry: RunEntry) -> Sequence[WaitRow]:
    return waits_of(entry).opened


def closed_in(entry: RunEntry) -> list[str | None]:
    """The messages by which waits are closed."""
    return [each.message for each in waits_of(entry).closed]


def memos_in(entry: RunEntry) -> list[str]:
    return [each.value for each in waits_of(entry).memos]


def change_in(entry: RunEntry) -> str | None:
    (row,) = entry.attempts
    return row.change


class TestNodes:
    async def test_one_opens_by_one_commit(self, desk: Desk) -> None:
        run = desk.scene.adopt(SHORT)
        entry = await desk.commit()

        assert rows_of(entry) == [("go", 1, "Waiting")]
        (row,) = opened_in(entry)
        assert (row.opened_at, row.due_at) == (NOW, NOW + 60 * SECOND)
        assert desk.journal.waiting == []
        assert desk.scene.runs.get("r") is run

    async def test_those_that_open_together_are_looked_at_once(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checks: list[ActiveRun] = []
        desk.scene.adopt(nodes(*[partial(wait_for, name) for name in ("a", "b", "c")]))
        monkeypatch.setattr(desk.waits, "check", checks.append)
        await desk.commit_all()

        assert len(checks) == 1

    async def test_a_sleep_that_is_over_only_gets_its_end(self, desk: Desk) -> None:
        desk.scene.adopt(nodes(lambda: sleep("nap", until="1970-01-01T00:00:01Z")))
        entry = await desk.commit()

        assert rows_of(entry) == [("nap", 1, "Completed")]
        assert not entry.beside
        assert entry.end is not None

    async def test_one_whose_instant_is_missing_fails(self, desk: Desk) -> None:
        desk.scene.adopt(nodes(lambda: sleep("nap", until_key="due")))
        entry = await desk.commit()

        assert [(row.status, row.error_type) for row in entry.attempts] == [
            ("Failed", "ContextValueError")
        ]

    async def test_it_ends_by_the_commit_that_takes_the_message(self, desk: Desk) -> None:
        run = await desk.opened(GO)
        desk.put(1, '{"a":1}')
        desk.waits.messages_sent(run, 1)
        await quiet()
        entry = await desk.commit()

        assert rows_of(entry) == [("go", 1, "Completed")]
        assert change_in(entry) == '{"set":{"go":{"a":1}},"removed":[]}'
        assert waits_of(entry).closed == [ClosedWait("r", "go", EVENT, "go", 0, "m1")]
        assert entry.end is not None

    async def test_a_message_that_the_opening_finds_is_read_before_time_is_looked_at(
        self, desk: Desk
    ) -> None:
        desk.scene.adopt(SHORT)
        desk.put(1, '"in time"')
        assert desk.scene.clock.shown is not None
        desk.scene.clock.shown += 3600 * SECOND  # its commit took an hour
        first, second = await desk.commit_all()

        assert (len(opened_in(first)), desk.reads) == (1, 1)
        assert change_in(second) == '{"set":{"go":"in time"},"removed":[]}'
        assert closed_in(second) == ["m1"]

    async def test_a_run_without_messages_reads_none(self, desk: Desk) -> None:
        await desk.opened(SHORT)
        await desk.pass_time(61)
        await desk.commit_all()

        assert desk.reads == 0

    async def test_the_table_decides_that_its_time_is_over(self, desk: Desk) -> None:
        await desk.opened(SHORT)
        await desk.pass_time(61)
        timeout, end = await desk.commit_all()

        assert [each.seen for each in waits_of(timeout).timeouts] == [0]
        assert (change_in(end), closed_in(end)) == ('{"set":{"go":"late"},"removed":[]}', [None])

    async def test_a_message_that_only_the_table_knows_wins_against_time(self, desk: Desk) -> None:
        await desk.opened(SHORT)
        await desk.pass_time(61)
        desk.put(1, '"in time"')
        _, end = await desk.commit_all()

        assert (change_in(end), closed_in(end)) == ('{"set":{"go":"in time"},"removed":[]}', ["m1"])

    async def test_a_message_without_a_number_gets_one_first(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.opened(SHORT)
        await desk.pass_time(61)

        async def number(run_ids: Any, now: int) -> None:
            assert (run_ids, now) == (["r"], NOW + 61 * SECOND)
            desk.put(1, '"in time"')

        monkeypatch.setattr(desk.journal.store, "number_messages", number)
        await desk.undecided()
        (end,) = await desk.commit_all()

        assert change_in(end) == '{"set":{"go":"in time"},"removed":[]}'

    async def test_one_that_is_ending_is_not_ended_twice(self, desk: Desk) -> None:
        run = await desk.opened(SHORT)
        await desk.pass_time(61)
        desk.waits.check(run)
        assert len(desk.journal.waiting) == 1
        await desk.commit()
        desk.waits.check(run)
        assert len(desk.journal.waiting) == 1

    async def test_without_a_default_it_fails(self, desk: Desk) -> None:
        await desk.opened(nodes(lambda: approval("signed", "Sign?", timeout=timedelta(seconds=4))))
        await desk.pass_time(4)
        _, end = await desk.commit_all()

        assert [(row.status, row.error_type) for row in end.attempts] == [
            ("Failed", "EventTimeoutError")
        ]
        assert closed_in(end) == [None]

    async def test_a_sleep_ends_without_asking(self, desk: Desk) -> None:
        """No message could end it."""
        await desk.opened(nodes(lambda: sleep("nap", seconds=60), lambda: wait_for("go")))
        await desk.pass_time(61)
        entry = await desk.commit()

        assert rows_of(entry) == [("nap", 1, "Completed")]
        assert closed_in(entry) == [None]

    async def test_an_earlier_owner_has_opened_it(self, desk: Desk) -> None:
        past = [attempt_row("r", "go", 1, status="Waiting")._replace(started_at=NOW)]
        run = active_run(GO, past=past, epoch=2)
        row = WaitRow("r", "go", EVENT, "go", 0, 1, "", NOW, None)
        run.waits = restored({"go": 0}, [row], [], 0, run.resume)

        desk.orchestrator.adopt(run)

        assert desk.journal.waiting == []

    async def test_one_that_it_opened_in_an_earlier_attempt_is_opened_again(
        self, desk: Desk
    ) -> None:
        past = [attempt_row("r", "go", 2, status="Waiting")._replace(started_at=NOW)]
        run = active_run(GO, past=past, epoch=2)
        row = WaitRow("r", "go", EVENT, "go", 0, 1, "", NOW, None)
        run.waits = restored({"go": 0}, [row], [], 0, run.resume)

        desk.orchestrator.adopt(run)

        (entry,) = desk.journal.waiting
        assert [each.attempt for each in opened_in(entry)] == [2]


class TestReading:
    async def test_what_is_told_meanwhile_is_read_as_well(self, desk: Desk) -> None:
        run = await desk.opened(nodes(lambda: wait_for("go"), lambda: wait_for("stop")))
        desk.put(1)
        answer = asyncio.Event()
        read = desk.journal.store.messages

        async def late(run_ids: Any, after: int = 0) -> list[MessageRow]:
            found = await read(run_ids, after)
            await answer.wait()
            return found

        desk.journal.store.messages = late  # type: ignore[method-assign]  # the test holds it
        desk.waits.messages_sent(run, 1)
        await quiet()
        desk.put(2, event="stop")
        desk.waits.messages_sent(run, 2)
        await quiet()
        answer.set()
        await quiet()
        written = await desk.commit_all()

        assert [closed_in(entry) for entry in written] == [["m1"], ["m2"]]
        assert desk.reads == 2

    async def test_it_waits_for_the_database(self, desk: Desk) -> None:
        run = await desk.opened(GO)
        desk.put(1)
        read, away = desk.journal.store.messages, [StoreUnavailableError("away")] * 3

        async def perhaps(run_ids: Any, after: int = 0) -> list[MessageRow]:
            if away:
                raise away.pop()
            return await read(run_ids, after)

        desk.journal.store.messages = perhaps  # type: ignore[method-assign]  # it fails at first
        desk.waits.messages_sent(run, 1)
        await asyncio.sleep(10)
        (entry,) = await desk.commit_all()

        assert closed_in(entry) == ["m1"]

    async def test_an_error_that_lasts_ends_the_run(self, desk: Desk) -> None:
        run = await desk.opened(GO)

        async def broken(run_ids: Any, after: int = 0) -> list[MessageRow]:
            raise StoreError("broken")

        desk.journal.store.messages = broken  # type: ignore[method-assign]  # it fails for good
        desk.waits.messages_sent(run, 1)
        await quiet()

        end = await desk.scene.the_end()
        assert (end.status, end.reason_code) == (RunStatus.FAILED, ReasonCode.INTERNAL_ERROR)

    async def test_nothing_is_left_of_a_run_that_is_dropped(self, desk: Desk) -> None:
        run = await desk.opened(SHORT)
        desk.put(1)
        desk.waits.messages_sent(run, 1)  # its reading has not begun
        desk.orchestrator.control.drop(run)
        await desk.pass_time(120)

        assert desk.journal.waiting == []
        assert (desk.waits._timers, desk.waits._mail._reading, desk.reads) == ({}, {}, 0)


class TestSteered:
    async def test_a_paused_run_ends_no_wait_of_a_node(self, desk: Desk) -> None:
        run = await desk.opened(SHORT)
        run.life.state = State.PAUSING
        desk.put(1)
        desk.waits.messages_sent(run, 1)
        await desk.pass_time(61)
        (entry,) = await desk.commit_all()

        assert entry.park is not None
        assert closed_in(entry) == []

    async def test_one_on_its_way_to_the_table_ends_no_wait(self, desk: Desk) -> None:
        run = await desk.opened(SHORT)
        run.life.state = State.LEAVING
        desk.put(1)
        desk.waits.messages_sent(run, 1)
        await desk.pass_time(61)

        assert (desk.journal.waiting, desk.reads) == ([], 0)
        assert not desk.waits.came(message("m", run.id), 2)

    async def test_one_that_stays_has_heard_of_a_message(self, desk: Desk) -> None:
        run = await desk.opened(SHORT)

        assert desk.waits.came(message("m", run.id), 1)

    async def test_one_that_was_sent_a_message_on_its_way_to_the_table_may_be_claimed(
        self, desk: Desk
    ) -> None:
        desk.scene.adopt(nodes(lambda: approval("signed", "Sign?")))
        await desk.commit()
        desk.put(1)
        park = await desk.commit()

        assert park.park is not None
        assert desk.scene.given_back == 1

    async def test_the_end_of_the_run_closes_all_waits_and_cuts_their_tasks(
        self, desk: Desk
    ) -> None:
        """Also of nodes whose wait is not durable yet."""
        run = desk.scene.adopt(nodes(lambda: wait_for("a"), lambda: wait_for("b")))
        await desk.commit()
        desk.orchestrator.control.fail(run, reason())
        _, end = await desk.commit_all()

        assert rows_of(end) == [("a", 1, "Cancelled"), ("b", 1, "Cancelled")]
        assert closed_in(end) == [None, None]
        assert end.end is not None


def reason() -> Reason:
    return Reason(ReasonCode.DEADLINE_EXCEEDED, "late")


class TestBodies:
    async def test_its_wait_is_written_and_its_slot_given_back(self, desk: Desk) -> None:
        attempt = await desk.waiting()

        assert [row for entry in desk.written for row in opened_in(entry)] == [
            WaitRow("r", "t", EVENT, "go", 1, 1, "h", NOW, None)
        ]
        assert [row for entry in desk.written for row in rows_of(entry)] == [("t", 1, "Waiting")]
        assert (attempt.holds_slot, desk.told) == (False, [])

    async def test_it_goes_on_when_it_is_durable_how_its_wait_has_ended(self, desk: Desk) -> None:
        attempt = await desk.waiting()
        desk.put(1, '{"a":1}')
        desk.waits.messages_sent(attempt.owner, 1)
        await quiet()
        before = list(desk.told)
        entry = await desk.commit()

        assert (memos_in(entry), closed_in(entry)) == (['{"payload":{"a":1}}'], ["m1"])
        ((memo,),) = [answer for answer in desk.told if isinstance(answer, list)]
        assert isinstance(memo, MemoRow)
        assert (before, memo.value) == ([], '{"payload":{"a":1}}')
        assert attempt.holds_slot

    async def test_a_wait_that_is_over_is_not_kept_in_memory(self, desk: Desk) -> None:
        attempt = await desk.waiting()
        desk.put(1)
        desk.waits.messages_sent(attempt.owner, 1)
        await quiet()
        await desk.commit_all()

        waits = open_waits(attempt.owner)
        assert (len(waits), waits.ended) == (0, {})

    async def test_its_sleep_is_over_by_time(self, desk: Desk) -> None:
        await desk.waiting(NAP._replace(may_suspend=False))
        await desk.pass_time(61)
        (entry,) = await desk.commit_all()

        assert (memos_in(entry), closed_in(entry)) == (["{}"], [None])

    async def test_when_the_time_of_its_approval_is_over_is_kept(self, desk: Desk) -> None:
        """So that the default decision is the same each time that the body runs."""
        asked = AskedWait(APPROVAL, "sign", 1, 60.0, None, "h", may_suspend=False, detail='{"a":1}')
        await desk.waiting(asked)
        assert [row.detail for each in desk.written for row in opened_in(each)] == ['{"a":1}']
        await desk.pass_time(61)
        _, end = await desk.commit_all()

        assert memos_in(end) == ['{"over_at":"1970-01-01T00:17:41+00:00"}']

    async def test_two_tasks_do_not_ask_by_one_name(self, desk: Desk) -> None:
        asked = AskedWait(APPROVAL, "sign", 1, None, None, "h", may_suspend=False)
        first = await desk.waiting(asked, graph=PAIR)
        before = len(desk.written)
        other = desk.scene.begin()
        for name in ("sign", "t"):
            await desk.ask(other, asked._replace(name=name))

        assert [type(answer) for answer in desk.told] == [DefinitionError, DefinitionError]
        assert (len(desk.written), len(open_waits(first.owner))) == (before, 1)

    async def test_the_table_decides_about_its_event(self, desk: Desk) -> None:
        await desk.waiting(ASKED._replace(seconds=60.0, may_suspend=False))
        await desk.pass_time(61)
        _, end = await desk.commit_all()

        assert (memos_in(end), closed_in(end)) == (["{}"], [None])

    async def test_one_that_leaves_runs_again_when_its_wait_is_over(self, desk: Desk) -> None:
        attempt = await desk.left()
        assert [type(answer) for answer in desk.told] == [BodySuspended]
        assert [row.reason_code for row in desk.written[-1].attempts] == ["has_left"]

        desk.put(1)
        desk.waits.messages_sent(attempt.owner, 1)
        await quiet()
        assert desk.scene.queued() == ["other"]
        await desk.commit_all()

        assert desk.scene.queued() == ["other", "t"]
        again = desk.scene.begin(1)
        assert (again.number, again.was_suspended, again.started_at) == (
            1,
            True,
            attempt.started_at,
        )

    async def test_a_run_whose_body_has_left_is_given_back(self, desk: Desk) -> None:
        await desk.left(BODY)

        (park,) = [entry.park for entry in desk.written if entry.park is not None]
        assert park.due_at == NEVER
        assert desk.scene.runs.get("r") is None

    async def test_a_wait_that_ends_as_its_body_leaves_brings_it_back_once(
        self, desk: Desk
    ) -> None:
        attempt = await desk.waiting(graph=PAIR)
        await desk.pass_time(11)
        desk.put(1)
        desk.waits.messages_sent(attempt.owner, 1)
        await quiet()
        assert desk.journal.waiting == []  # nothing ends it before the body has left
        desk.conclude(attempt, Suspended())
        await desk.commit_all()

        assert desk.scene.queued() == ["other", "t"]

    async def test_one_whose_wait_is_ending_is_not_asked_to_leave(self, desk: Desk) -> None:
        attempt = await desk.waiting()
        desk.put(1)
        desk.waits.messages_sent(attempt.owner, 1)
        await quiet()
        await desk.pass_time(60)
        assert not attempt.is_suspending
        await desk.commit_all()

        assert len(desk.told) == 1
        assert isinstance(desk.told[0], list)

    async def test_one_that_was_lost_goes_on_with_the_wait_that_it_had_begun(
        self, desk: Desk
    ) -> None:
        attempt, _ = await self.lost(desk, WaitRow("r", "t", SLEEP, "", 1, 1, "h", 0, NOW + SECOND))
        await desk.ask(attempt, NAP)
        assert [row for entry in await desk.commit_all() for row in opened_in(entry)] == []
        await desk.pass_time(1)
        (entry,) = await desk.commit_all()

        assert memos_in(entry) == ["{}"]

    @pytest.mark.parametrize("other", [{"attempt": 7}, {"input_hash": "other"}])
    async def test_a_wait_of_another_attempt_or_input_is_begun_anew(
        self, desk: Desk, other: dict[str, Any]
    ) -> None:
        row = WaitRow("r", "t", SLEEP, "", 1, 1, "h", 0, NOW + SECOND)
        attempt, _ = await self.lost(desk, row._replace(**other))
        await desk.ask(attempt, NAP)
        (opened,) = [row for entry in await desk.commit_all() for row in opened_in(entry)]

        assert (opened.attempt, opened.input_hash, opened.due_at) == (1, "h", NOW + 60 * SECOND)

    async def test_a_wait_whose_body_is_lost_ends_by_nothing(self, desk: Desk) -> None:
        _, run = await self.lost(desk, WaitRow("r", "t", EVENT, "go", 1, 1, "h", 0, NOW + SECOND))
        desk.put(1)
        desk.waits.messages_sent(run, 1)
        await desk.pass_time(60)

        assert desk.journal.waiting == []

    async def lost(self, desk: Desk, row: WaitRow) -> tuple[Attempt, ActiveRun]:
        """The body of an attempt whose last process has died, and that had begun this wait."""
        past = [attempt_row("r", "t", 1, status="Waiting")._replace(started_at=1)]
        run = active_run(BODY, past=past, epoch=2)
        run.waits = restored({"t": 0}, [row], [], 0, run.resume)
        desk.orchestrator.adopt(run)
        return desk.scene.begin(), run

    async def test_one_that_has_read_its_memos_finds_a_wait_that_has_ended_since(
        self, desk: Desk
    ) -> None:
        """It has left with two open waits, and both end at once."""
        attempt = await desk.waiting(graph=PAIR)
        other = ASKED._replace(name="stop", may_suspend=False)
        await desk.ask(attempt, other)
        await desk.commit_all()
        await desk.pass_time(11)
        desk.conclude(attempt, Suspended())
        await desk.commit_all()
        desk.put(1)
        desk.put(2, "2", event="stop")
        desk.waits.messages_sent(attempt.owner, 2)
        await quiet()
        await desk.commit()  # the end of the first: the body runs again
        again = desk.scene.begin(1)
        await desk.commit()  # the end of the other, after it has read its memos
        told = len(desk.told)
        await desk.ask(again, other)

        (answer,) = desk.told[told:]
        assert isinstance(answer, list)
        assert answer[0].value == '{"payload":2}'
        assert again.holds_slot

    @pytest.mark.parametrize("ending", [False, True])
    async def test_its_waits_are_closed_with_its_attempt(self, desk: Desk, ending: bool) -> None:
        attempt = await desk.waiting(ASKED._replace(seconds=60.0, may_suspend=False))
        if ending:
            await desk.pass_time(61)
        desk.conclude(attempt, raised())
        written = await desk.commit_all()

        assert closed_in(written[-1]) == [None]
        assert rows_of(written[-1]) == [("t", 1, "Failed")]
        assert len(open_waits(attempt.owner)) == 0
        assert [memos_in(entry) for entry in written] == [[]] * len(written)

    async def test_a_cancel_ends_its_wait_and_it_has_its_slot(self, desk: Desk) -> None:
        attempt = await desk.waiting()
        run = attempt.owner
        cancel(run)
        desk.orchestrator.attempts.interrupt(attempt)
        await quiet()

        assert [type(answer) for answer in desk.told] == [BodyCancelled]
        assert attempt.holds_slot
        desk.put(1)
        desk.waits.messages_sent(run, 1)
        await quiet()
        assert desk.reads == 0

    async def test_an_error_as_it_begins_to_wait_ends_its_run(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk.scene.adopt(BODY)
        attempt = desk.scene.begin()
        monkeypatch.setattr(desk.waits, "check", lambda run: 1 // 0)
        await desk.ask(attempt)

        assert [type(answer) for answer in desk.told] == [BodyCancelled]
        end = await desk.scene.the_end()
        assert end.reason_code == ReasonCode.INTERNAL_ERROR

    async def test_its_callbacks_are_for_its_end(self, desk: Desk) -> None:
        called: list[str] = []
        graph = graph_of(t={"on_failure": lambda task_id, error, context: called.append(error)})
        attempt = await desk.waiting(graph=graph)
        await desk.pass_time(11)
        desk.conclude(attempt, Suspended())

        assert (desk.scene.queued(), called) == ([], [])

    async def test_one_that_is_cut_off_while_it_leaves_is_cancelled(self, desk: Desk) -> None:
        attempt = await desk.waiting()
        await desk.pass_time(11)
        desk.orchestrator.control.cancel(attempt.owner, reason(), NOW + 60 * SECOND)
        desk.conclude(attempt, CutOff())
        written = await desk.commit_all()

        assert rows_of(written[-1]) == [("t", 1, "Cancelled")]
        assert closed_in(written[-1]) == [None]


def raised() -> Outcome:
    return Raised("ValueError", "bad", "", again=False)
