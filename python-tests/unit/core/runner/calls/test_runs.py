"""Calls about runs: refused when they are made, sent when they are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from tables import each_row

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.execute.current_work import CURRENT_WORK
from cloaca_core.errors import (
    CloacaError,
    ConfigError,
    ConfigTypeError,
    ContextTypeError,
    ContextValueError,
    DefinitionError,
    RunnerClosedError,
    RunnerUsageError,
    RunNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.runner import history
from cloaca_core.runner.calls import arguments, runs as module
from cloaca_core.runner.calls.arguments import Selection
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.runs import RunCalls, telling_accepted
from cloaca_core.runner.host import EngineHost

WAIT = 20
NAN = float("nan")
UNKNOWN = "019b0000-0000-7000-8000-000000000000"


@pytest.fixture
def runs(host: EngineHost) -> RunCalls:
    return RunCalls(host)


def listed(runs: RunCalls, limit: int = 100) -> list[str]:
    """The ids of all runs that were accepted."""
    return [each.id for each in runs.list_runs(Selection(), limit, None).wait()]


@contextmanager
def body(*, is_async: bool) -> Iterator[None]:
    """Within, it is a body that calls; no runner of these tests has begun it."""
    attempt = Attempt.__new__(Attempt)
    facts = {"id": "run", "epoch": 1, "depth": 0, "cancelled": False, "home": None}
    attempt.owner = SimpleNamespace(**facts)  # type: ignore[assignment]  # all that is asked
    attempt.task = SimpleNamespace(id="task")  # type: ignore[assignment]  # all that is asked
    attempt.is_async, attempt.number, attempt.calls = is_async, 1, 0
    attempt.abandoned = False
    token = CURRENT_WORK.set(attempt)
    try:
        yield
    finally:
        CURRENT_WORK.reset(token)


# -- of a runner ---------------------------------------------------------------------------------


async def test_a_run_is_executed_to_its_end(runs: RunCalls) -> None:
    blocked = runs.execute("flow", {"b": 2}, WAIT).wait()
    awaited = await runs.execute("flow", {"b": 2}, WAIT)

    for result in (blocked, awaited):
        assert (result.status, result.final_context.to_dict()) == ("Completed", {"a": 1, "b": 2})
    assert sorted([blocked.execution_id, awaited.execution_id]) == sorted(listed(runs))


def test_a_call_that_is_not_waited_for_submits_nothing(runs: RunCalls) -> None:
    runs.submit("flow", None, None, None)
    runs.execute("flow", None, None)
    next(runs.submit_many("flow", [None], None))

    assert listed(runs) == []


def test_a_run_is_submitted_with_its_key_and_tags(runs: RunCalls) -> None:
    run_id, created = runs.submit("flow", None, "k", {"colour": "red"}).wait()

    assert created
    assert runs.submit("flow", None, "k", None).wait() == (run_id, False)
    (found,) = runs.list_runs(Selection(None, "flow", {"colour": "red"}), 10, None).wait()
    assert (found.id, found.workflow_name, found.tags) == (run_id, "flow", {"colour": "red"})


def test_a_run_is_found_by_its_id_and_no_other_is(runs: RunCalls) -> None:
    run_id, _ = runs.submit("flow", None, None, None).wait()

    assert runs.get_run(run_id).wait() == run_id
    with pytest.raises(RunNotFoundError):
        runs.get_run(UNKNOWN).wait()


def test_a_database_that_writes_on_its_own_connections_only_gives_no_outbox(
    runs: RunCalls, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, message = runs.outgoing("flow", {"a": 1}, "k", {"b": "c"}).wait()
    assert (run.workflow, run.input, run.tags) == ("public::embedded::flow", '{"a":1}', '{"b":"c"}')
    assert run.owner is None
    assert message is None

    monkeypatch.setattr(host.engine.store, "outbox", None)
    with pytest.raises(ConfigError, match="connection: this backend writes on no connection"):
        runs.outgoing("flow", None, None, None).wait()


def test_a_first_message_goes_with_the_row_that_its_submitter_writes(runs: RunCalls) -> None:
    _, run, message = runs.outgoing("flow", None, None, None, send=("paid", 7)).wait()

    assert message is not None
    assert (message.run_id, message.name, message.payload) == (run.id, "paid", "7")
    assert len(message.id) == 36
    assert message.sent_at > 0


# -- many ----------------------------------------------------------------------------------------


async def test_many_runs_are_accepted_a_page_at_a_time(
    runs: RunCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "RUNS_PER_COMMIT", 2)
    read: list[int] = []

    def contexts() -> Iterator[Mapping[str, int]]:
        for n in range(5):
            read.append(n)
            yield {"n": n}

    sizes, seen = [], []
    for page in runs.submit_many("flow", contexts(), None):
        sizes.append(len(await page))
        seen.append(len(read))

    assert (sizes, seen) == ([2, 2, 1], [2, 4, 5])
    assert len(listed(runs)) == 5


def test_an_error_among_many_tells_what_was_accepted_before() -> None:
    error, handles = CloacaError("no more"), ["first"]
    with pytest.raises(CloacaError, match="no more"), telling_accepted(handles):
        raise error

    assert error.accepted == ["first"]


# -- of a handle ---------------------------------------------------------------------------------


async def test_a_recent_end_is_at_hand_without_the_engine(
    runs: RunCalls, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runs.execute("flow", None, WAIT).wait().execution_id

    def unsent(*_: object) -> None:
        raise AssertionError("it was asked")

    monkeypatch.setattr(host, "send", unsent)

    assert (await runs.result(run_id, 0)).status == runs.result(run_id, 0).wait().status
    assert await runs.end(run_id, 0) == runs.end(run_id, 0).wait() == run_id


def test_tasks_and_events_are_read_on_the_thread_that_waits(
    runs: RunCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's loop has other things to do."""
    threads: list[threading.Thread] = []
    for place, name in ((module, "task_results"), (history, "rfc3339"), (module, "run_info")):
        real = getattr(place, name)

        def read(*given: Any, _real: Callable[..., Any] = real, **options: Any) -> Any:
            threads.append(threading.current_thread())
            return _real(*given, **options)

        monkeypatch.setattr(place, name, read)
    run_id = runs.execute("flow", None, WAIT).wait().execution_id

    tasks = runs.tasks(run_id).wait()
    events = runs.history.events(run_id).wait()
    listed(runs)

    assert {name: each.status for name, each in tasks.items()} == {
        "first": "Completed", "second": "Completed"
    }  # fmt: skip
    assert [events[0].kind, events[-1].kind] == ["created", "ended"]
    assert set(threads) == {threading.current_thread()}
    assert len(threads) > 3


# -- refusals ------------------------------------------------------------------------------------


_REFUSED: list[tuple[Callable[[RunCalls], object], type[Exception]]] = [
    (lambda runs: runs.execute("nowhere", None, None), WorkflowNotFoundError),
    (lambda runs: runs.execute("flow", {"a": NAN}, None), ContextValueError),
    (lambda runs: runs.submit("flow", 7, None, None), ContextTypeError),  # type: ignore[arg-type]  # refused
    (lambda runs: runs.submit("flow", None, "", None), ConfigError),
    (lambda runs: runs.submit("flow", None, None, {"a": 1}), ConfigTypeError),  # type: ignore[dict-item]  # refused
    (lambda runs: runs.outgoing("flow", None, 7, None), ConfigTypeError),  # type: ignore[arg-type]  # refused
    (lambda runs: next(runs.submit_many("flow", 7, None)), ConfigTypeError),  # type: ignore[arg-type]  # refused
    (lambda runs: runs.list_runs(Selection(), 0, None), ConfigError),
]
"""What the engine is not asked for, and is told as soon as the call is made."""


@each_row(("make", "kind"), _REFUSED)
def test_bad_arguments_are_refused_when_the_call_is_made(
    runs: RunCalls, make: Callable[[RunCalls], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        make(runs)


@pytest.mark.parametrize(("make", "kind"), _REFUSED)
def test_a_closed_runner_says_that_it_is_closed_before_it_looks_at_arguments(
    runs: RunCalls,
    host: EngineHost,
    make: Callable[[RunCalls], object],
    kind: type[Exception],
) -> None:
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        make(runs)


@pytest.mark.parametrize(
    "make",
    [
        lambda runs: runs.execute("flow", None, -1),
        lambda runs: runs.result(UNKNOWN, -1),
        lambda runs: runs.end(UNKNOWN, -1),
        lambda runs: runs.get_run(7),
    ],
)
def test_a_timeout_and_an_id_are_looked_at_on_a_closed_runner_too(
    runs: RunCalls, host: EngineHost, make: Callable[[RunCalls], object]
) -> None:
    host.close().result(WAIT)

    with pytest.raises((ConfigError, DefinitionError)):
        make(runs)


@pytest.mark.parametrize(
    "make",
    [
        lambda runs: runs.get_run(UNKNOWN),
        lambda runs: runs.status(UNKNOWN),
        lambda runs: runs.result(UNKNOWN, 0),
        lambda runs: runs.end(UNKNOWN, 0),
        lambda runs: runs.tasks(UNKNOWN),
        lambda runs: runs.info(UNKNOWN),
    ],
)
async def test_the_others_say_so_when_they_are_waited_for(
    runs: RunCalls, host: EngineHost, make: Callable[[RunCalls], Call[object]]
) -> None:
    made = [make(runs), make(runs)]
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        made[0].wait()
    with pytest.raises(RunnerClosedError):
        await made[1]


# -- from bodies ---------------------------------------------------------------------------------


def test_a_call_of_a_body_is_numbered_when_it_is_sent(runs: RunCalls) -> None:
    """Its run is found by the number when the body is run again."""
    with body(is_async=False):
        made = [runs.submit("flow", None, None, None) for _ in range(2)]
        (second, _), (first, _) = made[1].wait(), made[0].wait()
    with body(is_async=False):  # run again
        again = [runs.submit("flow", None, None, None).wait() for _ in range(2)]

    assert again == [(second, False), (first, False)]


async def test_a_call_that_is_refused_takes_no_number_of_the_bodys(runs: RunCalls) -> None:
    with body(is_async=False):
        first, _ = runs.submit("flow", None, None, None).wait()

    with body(is_async=True):
        for refused in (runs.submit("flow", None, None, None), runs.execute("flow", None, None)):
            with pytest.raises(RunnerUsageError, match="use an AsyncRunner and await the call"):
                refused.wait()
        with pytest.raises(ConfigTypeError):
            runs.submit("flow", None, None, {"a": 1})  # type: ignore[dict-item]  # refused
        assert await runs.submit("flow", None, None, None) == (first, False)

    assert listed(runs) == [first]
