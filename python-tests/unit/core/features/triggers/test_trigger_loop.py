"""Triggers are polled when they are due, by a clock that the tests hold in their hands."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio
from unit.triggering import PATIENCE, SECOND, WORKFLOW, Part, Store

from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.triggers import trigger_loop
from cloaca_core.features.triggers.records import TURNS, TriggerRow
from cloaca_core.features.triggers.trigger_loop import LONGEST_SLEEP
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit

pytestmark = pytest.mark.asyncio
Open = Callable[..., Part]
DAY = 86_400 * SECOND


@pytest.fixture
def store() -> Store:
    return Store()


@pytest_asyncio.fixture
async def opened(store: Store) -> AsyncIterator[Open]:
    parts: list[Part] = []

    def open_one(**settings: Any) -> Part:
        parts.append(Part(store, **settings))
        return parts[-1]

    yield open_one
    for part in parts:
        await part.close()


# -- when ----------------------------------------------------------------------------------------


async def test_a_runner_without_triggers_asks_for_nothing(store: Store, opened: Open) -> None:
    part = opened()
    store.asked.clear()

    assert await part.poll() is None
    part.loop.wake()
    assert await part.poll() is None

    assert not store.asked


async def test_a_declaration_costs_nothing_once_it_is_known(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: True, on=None)
    assert await part.poll() is None
    store.asked.clear()

    assert await part.poll() is None

    assert not store.asked
    assert store.inputs() == []


async def test_the_first_poll_comes_one_interval_after_registration(
    store: Store, opened: Open
) -> None:
    part = opened()
    part.define(lambda: TriggerResult.fire({"a": 1}), poll_interval="5s")
    assert await part.poll() == 5

    store.time += 5 * SECOND - 1
    assert await part.poll() == pytest.approx(1e-6)
    assert store.inputs() == []
    store.time += 1
    await part.poll()

    assert store.inputs() == [
        {"a": 1, "trigger_name": "t", "triggered_at": "2026-03-10T12:00:05+00:00"}
    ]
    assert part.made.is_set()
    (run,) = store.runs.values()
    assert (run.workflow, run.status, run.owner) == (WORKFLOW, "Pending", None)


async def test_a_clock_that_was_ahead_silences_no_trigger_once_it_is_right(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    part = opened()
    part.define(lambda: True, poll_interval="5s", allow_concurrent=True)
    await part.poll()
    store.time += 365 * DAY
    await part.poll()
    store.time -= 365 * DAY

    await part.poll()
    store.time += 5 * SECOND
    await part.poll()

    assert len(store.inputs()) == 2
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("trigger 't' was due next at 2027-03-10T12:00:05+00:00 ")


async def test_no_tick_runs_twice_when_the_clock_is_put_back(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: True, poll_interval=None, cron="* * * * *", allow_concurrent=True)
    await part.poll()
    for _ in range(5):
        store.time += 60 * SECOND
        await part.poll()
    store.time -= 240 * SECOND
    for _ in range(6):
        await part.poll()
        store.time += 60 * SECOND

    ticks = [context["scheduled_time"][11:16] for context in store.inputs()]
    assert ticks == ["12:01", "12:02", "12:03", "12:04", "12:05", "12:06"]


async def test_one_that_cannot_be_read_keeps_no_other_from_being_put_right(
    store: Store, opened: Open
) -> None:
    part = opened()
    part.define(lambda: True, name="a", poll_interval=None, cron="* * * * *")
    part.define(lambda: True, name="b", poll_interval="5s")
    await part.poll()
    ahead = store.time + DAY
    for each in store.triggers.values():
        zone = "Mars/Olympus" if each.name == "a" else None
        store.triggers[each.id] = each._replace(next_poll_at=ahead, timezone=zone)

    await part.poll()

    due = {each.name: each.next_poll_at for each in store.triggers.values()}
    assert due == {"a": ahead, "b": store.time + 5 * SECOND}


async def test_it_sleeps_no_longer_than_a_clock_may_be_trusted(opened: Open) -> None:
    part = opened()
    part.define(lambda: True, poll_interval="5h")

    assert await part.poll() == LONGEST_SLEEP


async def test_a_poll_that_is_late_comes_once(store: Store, opened: Open) -> None:
    polls = itertools.count()
    part = opened()
    part.define(lambda: next(polls) < 0, poll_interval="5s")
    await part.poll()

    store.time += 60 * SECOND
    for _ in range(3):
        await part.poll()

    assert next(polls) == 1
    (row,) = store.triggers.values()
    assert (row.last_poll_at, row.next_poll_at) == (store.time, store.time + 5 * SECOND)


async def test_of_two_runners_one_polls(store: Store, opened: Open) -> None:
    polls: list[str] = []

    def poll() -> bool:
        polls.append("polled")
        return False

    one = opened()
    one.define(poll, poll_interval="5s")
    two = opened(registry=one.registry)
    await asyncio.gather(one.poll(), two.poll())

    for count in range(1, 4):
        store.time += 5 * SECOND
        await asyncio.gather(one.poll(), two.poll())
        assert len(polls) == count

    assert len(store.triggers) == 1


async def test_who_comes_too_late_for_a_poll_calls_nothing(store: Store, opened: Open) -> None:
    calls = itertools.count()
    one, two = opened(), opened()
    for each in (one, two):
        each.define(lambda: next(calls) < 0, poll_interval="5s")
        await each.poll()
    store.time += 5 * SECOND
    take = store.take_polls

    async def late(polls: Sequence[TriggerRow]) -> set[str]:
        store.take_polls = take  # type: ignore[method-assign]  # once
        await one.poll()
        return await take(polls)

    store.take_polls = late  # type: ignore[method-assign]  # between what was seen and the taking
    await two.poll()

    assert next(calls) == 1


async def test_a_disabled_trigger_is_not_polled(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: True)
    await part.calls.set_enabled("t", False)

    store.time += 60 * SECOND
    assert await part.poll() is None

    assert store.inputs() == []


async def test_it_wakes_when_something_may_be_due_sooner(store: Store, opened: Open) -> None:
    part = opened()
    turn = asyncio.create_task(part.loop.turn())
    await asyncio.sleep(0)
    assert not turn.done()

    part.loop.wake()

    await asyncio.wait_for(turn, PATIENCE)


async def test_a_row_that_somebody_removes_is_put_there_again(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: True, poll_interval="5s")
    await part.poll()
    store.triggers.clear()

    await part.poll()
    await part.poll()

    assert [row.name for row in store.triggers.values()] == ["t"]


# -- what a function does ------------------------------------------------------------------------


async def due(part: Part, store: Store) -> None:
    """Let the next poll of everything come, and wait for what comes of it."""
    await part.poll()
    store.time += 30 * SECOND
    await part.poll()


async def test_a_skip_fires_nothing(store: Store, opened: Open) -> None:
    part = opened()
    part.define(TriggerResult.skip, name="t")
    part.define(lambda: False, name="u")

    await due(part, store)

    assert store.inputs() == []


async def test_what_goes_wrong_is_said_once_until_something_else_does(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    part = opened()
    answers: list[object] = [None, None, "yes", True]
    part.define(lambda: answers.pop(0), name="t")

    said = []
    for _ in range(4):
        await due(part, store)
        said.append("".join(part.loop.failures.values()).rpartition("got ")[2])

    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert [each.getMessage().rpartition("got ")[2] for each in errors] == ["NoneType", "str"]
    assert said == ["NoneType", "NoneType", "str", ""]


async def test_the_last_error_is_kept_without_a_write_at_each_poll(
    store: Store, opened: Open
) -> None:
    part = opened()
    answers = [f"no answer in {n} s" for n in range(3)] + ["refused", ""]

    def fail() -> bool:
        if text := answers.pop(0):
            raise ConnectionError(f"https://ann:sesam@shop/ {text}")
        return False

    part.define(fail, name="t")
    kept, written = [], []
    for _ in range(5):
        await due(part, store)
        (row,) = await store.triggers_named(["t"])
        kept.append((row.last_error, row.failed_polls))
        written.append(store.asked["note_poll"])

    text = "ConnectionError: https://ann:***@shop/ "
    assert kept == [
        (f"{text}no answer in 0 s", 1),
        (f"{text}no answer in 0 s", 2),
        (f"{text}no answer in 0 s", 3),
        (f"{text}refused", 4),
        (None, 0),
    ]
    assert written == [1, 1, 1, 2, 3]


async def test_a_good_poll_writes_nothing(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: False, name="t")
    await due(part, store)

    assert store.asked["note_poll"] == 0


async def test_one_that_fires_too_much_fails_until_it_does_not_and_is_told_of_once(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """At each poll it fires something of another size."""
    part = opened(max_context_bytes=1024)
    sizes = [2000, 3000, 1, 2000]
    part.define(lambda: TriggerResult.fire({"n": "x" * sizes.pop(0)}), name="t")

    failing = []
    for _ in range(4):
        await due(part, store)
        failing.append("".join(part.loop.failures.values())[:55])

    told = "trigger 't' fired a context that cannot be stored: cont"
    assert failing == [told, told, "", told]
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert [each.getMessage()[:55] for each in errors] == [told, told]


async def test_another_error_is_told_of_although_the_last_one_begins_like_it(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    part = opened()
    texts = ["no such file", "no such file", "no"]

    class BriefError(Exception):
        def __repr__(self) -> str:
            return str(self)

    def fail() -> bool:
        raise BriefError(texts.pop(0))

    part.define(fail, name="t")
    for _ in range(3):
        await due(part, store)

    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 2


async def test_of_many_that_are_too_large_the_first_is_told_and_how_many(
    store: Store, opened: Open
) -> None:
    part = opened(max_context_bytes=1024)
    fired = [TriggerResult.fire({"n": "x" * 2000}, idempotency_key=key) for key in "abc"]
    part.define(lambda: fired, name="t")
    await due(part, store)

    assert part.loop.failures["t"].endswith("max_context_bytes is 1024 (and 2 more)")


async def test_what_was_wrong_with_one_that_is_gone_is_forgotten(
    store: Store, opened: Open
) -> None:
    part = opened()
    part.define(lambda: None, name="t")
    await due(part, store)
    failed = list(part.loop.failures)
    part.registry.clear()
    await part.poll()

    assert (failed, part.loop.failures) == (["t"], {})


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 1 / 0, "trigger 't' failed: ZeroDivisionError"),
        (lambda: None, "got NoneType"),
        (lambda: [TriggerResult.fire(), 3], "got int"),
        (lambda: TriggerResult.fire({"a": object()}), "ContextTypeError"),
    ],
)
async def test_what_goes_wrong_is_logged_and_the_others_fire(
    store: Store,
    opened: Open,
    caplog: pytest.LogCaptureFixture,
    function: Callable[[], object],
    message: str,
) -> None:
    part = opened()
    part.define(function, name="t")
    part.define(lambda: True, name="u")

    await due(part, store)

    assert [context["trigger_name"] for context in store.inputs()] == ["u"]
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert message in record.getMessage()
    assert record.trigger == "t"  # type: ignore[attr-defined]  # given as extra


async def test_one_that_hangs_is_told_of_and_polled_again_when_it_returns(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, release = asyncio.Event(), threading.Event()
    polls: list[str] = []
    tell = trigger_loop._tell_of_hanging

    def told_of(name: str) -> None:
        tell(name)
        told.set()

    monkeypatch.setattr(trigger_loop, "_tell_of_hanging", told_of)
    monkeypatch.setattr(trigger_loop, "HANGS", 0.0)

    def hang() -> bool:
        polls.append("polled")
        release.wait()
        return False

    part = opened()
    part.define(hang, poll_interval="5s")
    await part.poll()
    store.time += 5 * SECOND
    await part.loop.poll_due()
    async with asyncio.timeout(PATIENCE):
        await told.wait()
    store.time += 60 * SECOND

    assert await part.loop.poll_due() is None  # it is due, but not for us

    release.set()
    await part.poll()
    await part.poll()
    assert polls == ["polled"] * 2
    assert "trigger 't' has not returned" in caplog.text


async def test_another_runner_polls_what_hangs_here(store: Store, opened: Open) -> None:
    release = threading.Event()
    here, there = opened(), opened()
    here.define(release.wait, poll_interval="5s")
    there.define(lambda: True, poll_interval="5s")
    await here.poll()
    await there.poll()
    store.time += 5 * SECOND
    await here.loop.poll_due()
    store.time += 5 * SECOND

    await there.poll()

    assert len(store.inputs()) == 1
    release.set()
    await here.poll()


async def test_a_trigger_that_is_defined_anew_need_not_wait_for_the_old_one(
    store: Store, opened: Open
) -> None:
    release = threading.Event()
    part = opened()
    part.define(lambda: not release.wait(), poll_interval="5s")
    await part.poll()
    store.time += 5 * SECOND
    await part.loop.poll_due()

    part.define(lambda: TriggerResult.fire({"new": True}), poll_interval="5s")
    await part.loop.poll_due()
    store.time += 5 * SECOND
    await part.loop.poll_due()
    async with asyncio.timeout(PATIENCE):
        await part.made.wait()

    assert [context["new"] for context in store.inputs()] == [True]
    release.set()


async def test_after_a_shutdown_began_nothing_is_fired(store: Store, opened: Open) -> None:
    part = opened()
    part.define(lambda: True, poll_interval="5s")
    part.define(lambda: True, name="c", cron="* * * * *")
    await part.poll()
    store.time += 60 * SECOND
    await part.loop.poll_due()

    part.loop.drain()
    await part.poll()

    assert [context["trigger_name"] for context in store.inputs()] == ["c"]  # before it began
    store.time += 60 * SECOND
    assert await part.poll() is None
    assert len(store.inputs()) == 1


async def test_closing_waits_for_no_function(store: Store, opened: Open) -> None:
    release = threading.Event()
    part = opened()
    part.define(lambda: bool(release.wait()), poll_interval="5s")
    await part.poll()
    store.time += 5 * SECOND
    await part.loop.poll_due()

    await part.loop.close()  # returns

    release.set()
    await part.poll()  # the loop is closed: it begins no work that no caller would wait for
    assert not part.loop._concluding


# -- what cannot be written ----------------------------------------------------------------------


class Broken(Store):
    """Takes polls, and fails once with what was fired."""

    fails = True

    async def now(self) -> int:
        if self.fails and any(row.last_poll_at for row in self.triggers.values()):
            self.fails = False
            raise StoreUnavailableError("gone")
        return await super().now()


async def test_what_was_not_written_is_found_by_the_next_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Broken()
    part = Part(store)
    part.define(lambda: TriggerResult.fire(idempotency_key="k"), poll_interval="5s")
    await part.poll()
    store.time += 5 * SECOND
    await part.poll()
    assert store.inputs() == []
    assert "the events of trigger 't' were not written" in caplog.text

    store.time += 5 * SECOND
    await part.poll()

    assert len(store.inputs()) == 1
    await part.close()


# -- cron ----------------------------------------------------------------------------------------


def never() -> bool:
    raise AssertionError("the function of a cron trigger is not called")


async def test_a_cron_trigger_fires_at_its_ticks_and_calls_nothing(
    store: Store, opened: Open
) -> None:
    part = opened()
    part.define(never, cron="* * * * *", timezone="Europe/Berlin")
    assert await part.poll() == 60

    store.time += 60 * SECOND
    await part.poll()
    assert await part.poll() == 60

    (row,) = store.triggers.values()
    assert store.inputs() == [
        {
            "scheduled_time": "2026-03-10T12:01:00+00:00",
            "schedule_id": row.id,
            "schedule_timezone": "Europe/Berlin",
            "schedule_expression": "* * * * *",
            "trigger_name": "t",
            "triggered_at": "2026-03-10T12:01:00+00:00",
        }
    ]
    assert row.last_poll_at == store.time


async def test_two_runners_fire_each_tick_once(store: Store, opened: Open) -> None:
    one = opened()
    one.define(never, cron="* * * * *", allow_concurrent=True)
    two = opened(registry=one.registry)

    for _ in range(3):
        await asyncio.gather(one.poll(), two.poll())
        store.time += 60 * SECOND
    await asyncio.gather(one.poll(), two.poll())

    times = [context["scheduled_time"] for context in store.inputs()]
    assert times == [f"2026-03-10T12:0{minute}:00+00:00" for minute in (1, 2, 3)]


async def test_a_tick_waits_for_no_run_but_is_left_out_while_one_is_active(
    store: Store, opened: Open
) -> None:
    part = opened()
    part.define(never, cron="* * * * *")
    await part.poll()
    for _ in range(2):
        store.time += 60 * SECOND
        await part.poll()
    assert len(store.inputs()) == 1

    await store.end_all()
    store.time += 60 * SECOND
    await part.poll()

    times = [context["scheduled_time"] for context in store.inputs()]
    assert times == ["2026-03-10T12:01:00+00:00", "2026-03-10T12:03:00+00:00"]


@pytest.mark.virtual_time
async def test_a_tick_whose_commit_has_an_unknown_outcome_is_fired_once(opened: Open) -> None:
    class Lossy(Store):
        answer_lost = False

        async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            lost = bool(batch.of(TURNS)) and not self.answer_lost
            committed = await super().commit(batch, None if lost else on_commit)
            if lost:
                self.answer_lost = True
                raise OSError("the connection was lost")
            return committed

    store = Lossy()
    part = Part(store)
    part.define(never, cron="* * * * *", allow_concurrent=True)
    await part.poll()
    store.time += 60 * SECOND
    await part.poll()

    assert store.answer_lost
    assert len(store.inputs()) == 1
    await part.close()


async def test_a_cron_trigger_that_cannot_be_read_here_stops_no_other(
    store: Store, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    part = opened()
    part.define(never, cron="* * * * *")
    part.define(lambda: True, name="u", poll_interval="60s")
    await part.poll()
    (row,) = [each for each in store.triggers.values() if each.name == "t"]
    store.triggers[row.id] = row._replace(timezone="Mars/Base")  # by a newer tzdata than ours
    store.time += 60 * SECOND

    assert await part.poll() == LONGEST_SLEEP

    assert [context["trigger_name"] for context in store.inputs()] == ["u"]
    assert await part.poll() == LONGEST_SLEEP
    assert caplog.text.count("trigger 't' cannot be fired here") == 1  # not at each poll of "u"
