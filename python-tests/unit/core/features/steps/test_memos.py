"""Each call of a body is answered once: by what it asked for, or by a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from model.orchestration import Scene
from model.quiet import quiet
from model.runs import attempt_of, cancel, graph_of
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import BodyCancelled, StoreError, StoreUnavailableError
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.memo_entry import MemoEntry, write_memo
from cloaca_core.features.steps.memos import BodyCall, Memos
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.steps.steps import Answer
from cloaca_testing.conformance.rows import memo

pytestmark = pytest.mark.virtual_time

MEMO = memo("r", task_id="t")
ASKED = AskedWait("event", "go", 1, None, None, "hash", may_suspend=True)


class Kept:
    """Memos over a journal in the test's hands; reads answer what is in ``answers``, in turn."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.answers: list[Sequence[MemoRow] | Exception] = [[MEMO]]
        self.reads = 0
        self.waited: list[tuple[BodyCall, AskedWait | float]] = []
        self.withdrawn: list[BodyCall] = []
        self.cleared: list[Attempt] = []
        write = partial(write_memo, self.scene.orchestrator.control.records)
        self.memos = Memos(write, self._read, self.cleared.append)
        self.memos.waiter = self
        self.run = self.scene.adopt(graph_of(t={}))
        self.attempt = self.scene.begin()
        self.told: list[Answer] = []

    async def _read(self, run_id: str, task_id: str, item: int) -> Sequence[MemoRow]:
        assert (run_id, task_id, item) == ("r", "t", -1)
        self.reads += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(self, call: BodyCall, asked: AskedWait) -> None:
        self.waited.append((call, asked))

    def defer(self, call: BodyCall, seconds: float) -> None:
        self.waited.append((call, seconds))

    def withdraw(self, call: BodyCall) -> None:
        self.withdrawn.append(call)

    def signals(self) -> list[str]:
        assert all(isinstance(answer, BodyCancelled) for answer in self.told)
        return [str(answer) for answer in self.told]


async def test_memos_are_read() -> None:
    kept = Kept()

    kept.memos.load(kept.attempt, kept.told.append)
    await quiet()

    assert kept.told == [[MEMO]]


async def test_a_read_waits_for_the_database() -> None:
    kept = Kept()
    kept.answers = [StoreUnavailableError("away"), StoreUnavailableError("away"), [MEMO]]

    kept.memos.load(kept.attempt, kept.told.append)
    await asyncio.sleep(10)

    assert kept.told == [[MEMO]]
    assert kept.reads == 3


async def test_an_error_that_lasts_is_the_bodys() -> None:
    kept, error = Kept(), StoreError("broken")
    kept.answers = [error]

    kept.memos.load(kept.attempt, kept.told.append)
    await quiet()

    assert kept.told == [error]


async def test_a_memo_is_told_when_it_is_durable() -> None:
    kept = Kept()

    kept.memos.keep(kept.attempt, MEMO, kept.told.append)
    entry = await kept.scene.journal.entry()
    assert kept.told == []
    assert isinstance(entry, MemoEntry)
    assert (entry.memo, entry.attempts) == (MEMO, [])
    kept.scene.journal.waiting.append(entry)
    await kept.scene.journal.commit()

    assert kept.told == [None]
    assert kept.memos.calls == {}


async def test_a_memo_shows_that_a_body_has_come_further_than_where_processes_died() -> None:
    kept = Kept()
    kept.attempt.crashes = 2

    for _ in range(2):
        kept.memos.keep(kept.attempt, MEMO, kept.told.append)
    first, second = [await kept.scene.journal.entry() for _ in range(2)]

    assert [(row.status, row.crashes) for row in first.attempts] == [("Running", 0)]
    assert second.attempts == []
    assert kept.cleared == []
    kept.scene.journal.waiting += [first, second]
    await kept.scene.journal.commit()
    await kept.scene.journal.commit()

    assert kept.cleared == [kept.attempt]
    assert kept.told == [None, None]


async def test_a_body_that_is_given_up_is_told_at_once_and_once() -> None:
    kept = Kept()
    kept.answers = [StoreUnavailableError("away")] * 99
    kept.memos.load(kept.attempt, kept.told.append)
    kept.memos.keep(kept.attempt, MEMO, kept.told.append)
    kept.memos.pause(kept.attempt, 60, kept.told.append)
    entry = await kept.scene.journal.entry()

    kept.memos.give_up(kept.attempt)
    kept.scene.journal.waiting.append(entry)
    await kept.scene.journal.commit()
    reads = kept.reads
    await asyncio.sleep(100)

    expected = "run r task t attempt 1 was given up: it is not recorded any more"
    assert kept.signals() == [expected] * 3
    assert kept.reads == reads


@each_row("state", ["abandoned", "over"])
async def test_a_body_that_was_given_up_asks_for_nothing(state: str) -> None:
    kept = Kept()
    kept.attempt.abandoned = state == "abandoned"
    if state == "over":
        kept.run.life.over()

    kept.memos.load(kept.attempt, kept.told.append)
    kept.memos.keep(kept.attempt, MEMO, kept.told.append)
    await quiet()

    assert len(kept.signals()) == 2
    assert (kept.reads, kept.scene.journal.waiting) == (0, [])


async def test_a_pause_takes_its_time() -> None:
    kept = Kept()
    begun = the_loop().time()

    answered = asyncio.Event()
    kept.memos.pause(kept.attempt, 60, lambda _: answered.set())
    await answered.wait()

    assert the_loop().time() - begun == pytest.approx(60)
    assert kept.memos.calls == {}


async def test_a_cancel_ends_pauses_and_lets_memos_be_written() -> None:
    kept = Kept()
    written: list[Answer] = []
    kept.memos.pause(kept.attempt, 60, kept.told.append)
    kept.memos.keep(kept.attempt, MEMO, written.append)
    await quiet()
    cancel(kept.run)

    kept.memos.interrupt(kept.attempt)
    kept.memos.pause(kept.attempt, 60, kept.told.append)
    await quiet()
    await kept.scene.journal.commit()

    assert kept.signals() == ["run r is being cancelled"] * 2
    assert written == [None]


async def test_a_body_waits_until_its_call_is_concluded() -> None:
    kept = Kept()

    kept.memos.wait(kept.attempt, ASKED, kept.told.append)
    kept.memos.defer(kept.attempt, 60, kept.told.append)
    await quiet()
    assert kept.told == []
    ((first, asked), (second, seconds)) = kept.waited
    assert (asked, seconds) == (ASKED, 60)
    kept.memos.conclude(first, [MEMO])
    kept.memos.conclude(second, None)

    assert kept.told == [[MEMO], None]
    assert kept.memos.calls == {}


async def test_a_cancel_interrupts_waits_and_lets_none_begin() -> None:
    kept = Kept()
    kept.memos.wait(kept.attempt, ASKED, kept.told.append)
    await quiet()
    ((call, _),) = kept.waited
    interrupted: list[BodyCall] = []
    call.interrupted = lambda: interrupted.append(call)
    cancel(kept.run)

    kept.memos.interrupt(kept.attempt)
    kept.memos.wait(kept.attempt, ASKED, kept.told.append)
    kept.memos.defer(kept.attempt, 60, kept.told.append)
    await quiet()

    assert interrupted == [call]
    assert len(kept.waited) == 1
    assert kept.signals() == ["run r is being cancelled"] * 2


async def test_a_body_that_has_ended_does_not_begin_to_wait() -> None:
    """A thread of its own has outlived it, and asks just now."""
    kept = Kept()
    kept.attempt.stage = Stage.RAN

    kept.memos.wait(kept.attempt, ASKED, kept.told.append)
    kept.memos.defer(kept.attempt, 60, kept.told.append)
    await quiet()

    assert kept.waited == []
    assert len(kept.signals()) == 2


async def test_a_coroutine_that_waits_no_more_withdraws_its_call() -> None:
    kept = Kept()
    withdraw = kept.memos.wait(kept.attempt, ASKED, kept.told.append)
    await quiet()
    ((call, _),) = kept.waited
    call.interrupted = pytest.fail  # its run is not being cancelled

    withdraw()
    await quiet()
    assert kept.withdrawn == [call]

    kept.memos.conclude(call, [MEMO])  # as its waiter does once it has its slot again
    withdraw()
    await quiet()
    assert kept.withdrawn == [call]


async def test_the_end_of_an_attempt_answers_its_calls() -> None:
    """The launcher gives them up, however the attempt ends."""
    kept = Kept()
    memos = kept.scene.bodies.memos
    memos.pause(kept.attempt, 60, kept.told.append)
    await quiet()

    kept.scene.orchestrator.control.drop(kept.run)

    assert len(kept.signals()) == 1


async def test_all_calls_are_answered_when_the_loop_dies() -> None:
    kept = Kept()
    other = attempt_of(kept.run, number=2)
    for each in (kept.attempt, other):
        kept.memos.pause(each, 60, kept.told.append)
    await quiet()

    kept.memos.give_up_all()

    assert len(kept.signals()) == 2


def test_a_call_after_the_end_of_the_loop_is_answered() -> None:
    async def make() -> tuple[Memos, Attempt]:
        kept = Kept()
        return kept.memos, kept.attempt

    with asyncio.Runner() as runner:
        memos, attempt = runner.run(make())
    told: list[Answer] = []

    memos.load(attempt, told.append)

    assert [type(answer) for answer in told] == [BodyCancelled]
