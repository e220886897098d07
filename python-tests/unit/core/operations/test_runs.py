"""Calls about runs: refused when they are made, sent when they are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.engine.calls import arguments
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.engine.calls.call import Call
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
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
from cloaca_core.operations import runs as module
from cloaca_core.operations.history import Events
from cloaca_core.operations.runs import End, GetRun, Info, ListRuns, Result, Status, Tasks
from cloaca_core.operations.submissions import Execute, Submit, SubmitMany, telling_accepted
from cloaca_core.views import history

WAIT = 60
NAN = float("nan")
UNKNOWN = "019b0000-0000-7000-8000-000000000000"


def listed(do: Do, limit: int = 100) -> list[str]:
    """The ids of all runs that were accepted."""
    return [each.id for each in do(ListRuns(Selection(), limit))]


@contextmanager
def body(*, is_async: bool) -> Iterator[None]:
    """Within, it is a body that calls; no runner of these tests has begun it."""
    attempt = Attempt.__new__(Attempt)
    facts = {"id": "run", "epoch": 1, "depth": 0, "cancelled": False, "home": None}
    attempt.owner = SimpleNamespace(**facts)  # type: ignore[assignment]  # all that is asked
    attempt.task = SimpleNamespace(id="task", transactional=False)  # type: ignore[assignment]
    attempt.is_async, attempt.number, attempt.calls = is_async, 1, 0
    attempt.abandoned, attempt.item = False, None
    token = CURRENT_WORK.set(attempt)
    try:
        yield
    finally:
        CURRENT_WORK.reset(token)


# -- of a runner ---------------------------------------------------------------------------------


async def test_a_run_is_executed_to_its_end(do: Do, caller: Caller) -> None:
    blocked = do(Execute("flow", {"b": 2}, WAIT))
    awaited = await Execute("flow", {"b": 2}, WAIT).call(caller)

    for result in (blocked, awaited):
        assert (result.status, result.final_context.to_dict()) == ("Completed", {"a": 1, "b": 2})
    assert sorted([blocked.execution_id, awaited.execution_id]) == sorted(listed(do))


def test_a_call_that_is_not_waited_for_submits_nothing(do: Do, caller: Caller) -> None:
    Submit("flow").call(caller)
    Execute("flow").call(caller)
    next(SubmitMany("flow", [None]).pages(caller))

    assert listed(do) == []


def test_a_run_is_submitted_with_its_key_and_tags(do: Do) -> None:
    run_id, created = do(Submit("flow", idempotency_key="k", tags={"colour": "red"}))

    assert created
    assert do(Submit("flow", idempotency_key="k")) == (run_id, False)
    (found,) = do(ListRuns(Selection(None, "flow", {"colour": "red"}), 10))
    assert (found.id, found.workflow_name, found.tags) == (run_id, "flow", {"colour": "red"})


def test_a_run_is_found_by_its_id_and_no_other_is(do: Do) -> None:
    run_id, _ = do(Submit("flow"))

    assert do(GetRun(run_id)) == run_id
    with pytest.raises(RunNotFoundError):
        do(GetRun(UNKNOWN))


def test_a_database_that_writes_on_its_own_connections_only_gives_no_outbox(
    caller: Caller, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, message = Submit("flow", {"a": 1}, "k", tags={"b": "c"}).outgoing(caller).wait()
    assert (run.workflow, run.input, run.tags) == ("public::embedded::flow", '{"a":1}', '{"b":"c"}')
    assert run.owner is None
    assert message is None

    monkeypatch.setattr(host.engine.store, "outbox", None)
    with pytest.raises(ConfigError, match="connection: this backend writes on no connection"):
        Submit("flow").outgoing(caller).wait()


def test_a_first_message_goes_with_the_row_that_its_submitter_writes(caller: Caller) -> None:
    _, run, message = Submit("flow", send=("paid", 7)).outgoing(caller).wait()

    assert message is not None
    assert (message.run_id, message.name, message.payload) == (run.id, "paid", "7")
    assert len(message.id) == 36
    assert message.sent_at > 0


# -- many ----------------------------------------------------------------------------------------


async def test_many_runs_are_accepted_a_page_at_a_time(
    do: Do, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "RUNS_PER_COMMIT", 2)
    read: list[int] = []

    def contexts() -> Iterator[Mapping[str, int]]:
        for n in range(5):
            read.append(n)
            yield {"n": n}

    sizes, seen = [], []
    for page in SubmitMany("flow", contexts()).pages(caller):
        sizes.append(len(await page))
        seen.append(len(read))

    assert (sizes, seen) == ([2, 2, 1], [2, 4, 5])
    assert len(listed(do)) == 5


def test_an_error_among_many_tells_what_was_accepted_before() -> None:
    error, handles = CloacaError("no more"), ["first"]
    with pytest.raises(CloacaError, match="no more"), telling_accepted(handles):
        raise error

    assert error.accepted == ["first"]


# -- of a handle ---------------------------------------------------------------------------------


async def test_a_recent_end_is_at_hand_without_the_engine(
    do: Do, caller: Caller, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = do(Execute("flow", timeout=WAIT)).execution_id

    def unsent(*_: object) -> None:
        raise AssertionError("it was asked")

    monkeypatch.setattr(host, "send", unsent)

    assert (await Result(run_id, 0).call(caller)).status == do(Result(run_id, 0)).status
    assert await End(run_id, 0).call(caller) == do(End(run_id, 0)) == run_id


def test_tasks_and_events_are_read_on_the_thread_that_waits(
    do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's loop has other things to do."""
    threads: list[threading.Thread] = []
    for place, name in ((module, "task_results"), (history, "rfc3339"), (module, "run_info")):
        real = getattr(place, name)

        def read(*given: Any, _real: Callable[..., Any] = real, **options: Any) -> Any:
            threads.append(threading.current_thread())
            return _real(*given, **options)

        monkeypatch.setattr(place, name, read)
    run_id = do(Execute("flow", timeout=WAIT)).execution_id

    tasks = do(Tasks(run_id))
    events = do(Events(run_id))
    listed(do)

    assert {name: each.status for name, each in tasks.items()} == {
        "first": "Completed", "second": "Completed"
    }  # fmt: skip
    assert [events[0].kind, events[-1].kind] == ["created", "ended"]
    assert set(threads) == {threading.current_thread()}
    assert len(threads) > 3


# -- refusals ------------------------------------------------------------------------------------


_REFUSED: list[tuple[Callable[[Caller], object], type[Exception]]] = [
    (lambda caller: Execute("nowhere").call(caller), WorkflowNotFoundError),
    (lambda caller: Execute("flow", {"a": NAN}).call(caller), ContextValueError),
    (lambda caller: Submit("flow", 7).call(caller), ContextTypeError),  # type: ignore[arg-type]  # refused
    (lambda caller: Submit("flow", idempotency_key="").call(caller), ConfigError),
    (lambda caller: Submit("flow", tags={"a": 1}).call(caller), ConfigTypeError),  # type: ignore[dict-item]  # refused
    (lambda caller: Submit("flow", idempotency_key=7).outgoing(caller), ConfigTypeError),  # type: ignore[arg-type]  # refused
    (lambda caller: next(SubmitMany("flow", 7).pages(caller)), ConfigTypeError),  # type: ignore[arg-type]  # refused
    (lambda caller: ListRuns(Selection(), 0).call(caller), ConfigError),
]
"""What the engine is not asked for, and is told as soon as the call is made."""


@each_row(("make", "kind"), _REFUSED)
def test_bad_arguments_are_refused_when_the_call_is_made(
    caller: Caller, make: Callable[[Caller], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        make(caller)


@each_row(("make", "kind"), _REFUSED)
def test_a_closed_runner_says_that_it_is_closed_before_it_looks_at_arguments(
    caller: Caller,
    host: EngineHost,
    make: Callable[[Caller], object],
    kind: type[Exception],
) -> None:
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        make(caller)


@each_row(
    "make",
    [
        lambda caller: Execute("flow", timeout=-1).call(caller),
        lambda caller: Result(UNKNOWN, -1).call(caller),
        lambda caller: End(UNKNOWN, -1).call(caller),
        lambda caller: GetRun(cast(Any, 7)).call(caller),
    ],
)
def test_a_timeout_and_an_id_are_looked_at_on_a_closed_runner_too(
    caller: Caller, host: EngineHost, make: Callable[[Caller], object]
) -> None:
    host.close().result(WAIT)

    with pytest.raises((ConfigError, DefinitionError)):
        make(caller)


@each_row(
    "make",
    [
        lambda caller: GetRun(UNKNOWN).call(caller),
        lambda caller: Status(UNKNOWN).call(caller),
        lambda caller: Result(UNKNOWN, 0).call(caller),
        lambda caller: End(UNKNOWN, 0).call(caller),
        lambda caller: Tasks(UNKNOWN).call(caller),
        lambda caller: Info(UNKNOWN).call(caller),
    ],
)
async def test_the_others_say_so_when_they_are_waited_for(
    caller: Caller, host: EngineHost, make: Callable[[Caller], Call[object]]
) -> None:
    made = [make(caller), make(caller)]
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        made[0].wait()
    with pytest.raises(RunnerClosedError):
        await made[1]


# -- from bodies ---------------------------------------------------------------------------------


def test_a_call_of_a_body_is_numbered_when_it_is_sent(do: Do, caller: Caller) -> None:
    """Its run is found by the number when the body is run again."""
    with body(is_async=False):
        made = [Submit("flow").call(caller) for _ in range(2)]
        (second, _), (first, _) = made[1].wait(), made[0].wait()
    with body(is_async=False):  # run again
        again = [do(Submit("flow")) for _ in range(2)]

    assert again == [(second, False), (first, False)]


async def test_a_call_that_is_refused_takes_no_number_of_the_bodys(do: Do, caller: Caller) -> None:
    with body(is_async=False):
        first, _ = do(Submit("flow"))

    with body(is_async=True):
        for refused in (Submit("flow").call(caller), Execute("flow").call(caller)):
            with pytest.raises(RunnerUsageError, match="use an AsyncRunner and await the call"):
                refused.wait()
        with pytest.raises(ConfigTypeError):
            Submit("flow", tags={"a": 1}).call(caller)  # type: ignore[dict-item]  # refused
        assert await Submit("flow").call(caller) == (first, False)

    assert listed(do) == [first]
