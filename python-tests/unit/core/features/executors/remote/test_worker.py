"""A worker runs a body by its name, tells it the facts, and answers whatever comes."""

from __future__ import annotations

import contextvars
import os
import pickle
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from tables import each_row
from unit.core.features.executors.remote import bodies
from unit.core.features.executors.remote.bodies import NotFoundError
from unit.core.features.executors.remote.heard import Heard

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.errors import BodyCancelled
from cloaca_core.features.executors.dask_starts import Start
from cloaca_core.features.executors.remote import worker
from cloaca_core.features.executors.remote.answer import Answer, RemoteError
from cloaca_core.features.executors.remote.call import RemoteCall
from cloaca_core.features.executors.remote.line_socket import NAME, LineSocket
from cloaca_core.values.payloads.json_values import JsonValue, decode, encode

BEFORE = contextvars.ContextVar("before", default="unset")


@pytest.fixture
def _python_handles_sigint() -> Iterator[None]:
    """As it does in a worker; the tests may have been started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _handles_the_signal_to_end() -> Iterator[None]:
    """As a worker of the process executor does."""

    def end(*_: object) -> None:
        raise BodyCancelled("told to end")

    before = signal.signal(signal.SIGUSR1, end)
    yield
    signal.signal(signal.SIGUSR1, before)


def call_of(
    body: Callable[..., object] = bodies.nothing,
    *,
    is_async: bool = False,
    wants_handle: bool = False,
    **fields: Any,
) -> RemoteCall:
    """A call of this body. No folder of a runner can be seen from it."""
    call = RemoteCall(
        module=body.__module__,
        function=body.__qualname__,
        is_async=is_async,
        wants_handle=wants_handle,
        run_id="r",
        task_id="t",
        number=2,
        epoch=7,
        cancel_file=str(Path("not", "there")),
    )
    return call._replace(**fields)


def answer(call: RemoteCall, given: dict[str, JsonValue] | None = None) -> Answer:
    return worker.run(call.to_json(), encode(given or {}), None)


def change(call: RemoteCall, given: dict[str, JsonValue] | None = None) -> Any:
    """The change that a body made, which returned."""
    answered = answer(call, given)
    assert answered.change is not None, answered.error
    assert (answered.error, answered.pickled) == (None, None)
    return decode(answered.change)


def error(call: RemoteCall, given: dict[str, JsonValue] | None = None) -> RemoteError:
    answered = answer(call, given)
    assert answered.error is not None
    assert answered.change is None
    return RemoteError.from_json(answered.error)


class TestBodies:
    def test_one_changes_its_context(self) -> None:
        changed = change(call_of(bodies.changes), {"trail": ["a"], "old": 1, "same": 2})

        assert changed == {"set": {"trail": ["a", "here"], "value": 1}, "removed": ["old"]}

    def test_a_coroutine_has_a_loop(self) -> None:
        call = call_of(bodies.awaits, is_async=True)

        assert change(call, {"value": 1}) == {"set": {"value": 2}, "removed": []}

    @each_row(("body", "is_async"), [(bodies.tells_facts, False), (bodies.tells_facts_later, True)])
    def test_its_handle_tells_the_facts(self, body: Callable[..., Any], is_async: bool) -> None:
        facts = change(call_of(body, is_async=is_async, wants_handle=True))["set"]

        assert facts.pop("idempotency_key")
        assert facts == {
            "run_id": "r",
            "task_id": "t",
            "attempt": 2,
            "epoch": 7,
            "cancelled": False,
        }

    def test_it_is_told_to_end_and_that_its_runner_has_gone(self, tmp_path: Path) -> None:
        (tmp_path / "runner").mkdir()
        file = str(tmp_path / "runner" / "r-0-2")
        call = call_of(bodies.is_told, wants_handle=True, cancel_file=file)

        assert change(call, {"file": file})["set"] == {"seen": [False, True, True]}

    def test_its_context_variables_are_fresh(self) -> None:
        BEFORE.set("of the executor")

        assert change(call_of(_sees_variable))["set"] == {"seen": "unset"}
        assert BEFORE.get() == "of the executor"

    def test_one_that_was_sent_by_value_is_not_looked_for(self) -> None:
        call = call_of(module="nowhere", function="f.<locals>.g")
        answered = worker.run(call.to_json(), "{}", pickle.dumps(bodies.changes))

        assert answered.change is not None


def _sees_variable(context: Any) -> dict[str, str]:
    seen = {"seen": BEFORE.get()}
    BEFORE.set("of the body")
    return seen


class Refused(NamedTuple):
    call: str
    arguments: list[JsonValue]
    instead: str


WITH_STEPS = "return its value, and let a further task go on from there"
WITH_WAITS = "wait in a task before this one"
REFUSED = [
    Refused("step", ["name", None], f"no step: … Instead, {WITH_STEPS}"),
    Refused("sleep", [1], f"no sleep, wait_for or approval: … Instead, {WITH_WAITS}, or in a node"),
    Refused(
        "wait_for",
        ["mail"],
        f"no sleep, wait_for or approval: … Instead, {WITH_WAITS}, or in a node",
    ),
]


class TestCallsOfTheEngine:
    @pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.call)
    @pytest.mark.parametrize(
        ("body", "is_async"), [(bodies.asks, False), (bodies.asks_later, True)]
    )
    def test_they_are_refused_with_what_to_do_instead(
        self, body: Callable[..., Any], is_async: bool, refused: Refused
    ) -> None:
        call = call_of(body, is_async=is_async, wants_handle=True)
        given: dict[str, JsonValue] = {"call": refused.call, "arguments": refused.arguments}
        raised = error(call, given)

        assert raised.type == "RunnerUsageError"
        beginning, _, end = refused.instead.partition("…")
        assert raised.message.startswith(
            f"task 't' runs on an executor, where its handle has {beginning}"
        )
        assert raised.message.endswith(end)

    @each_row(
        ("body", "is_async"),
        [(bodies.defers, False), (bodies.defers_later, True), (bodies.steps_with_options, False)],
    )
    def test_those_with_functions_are_refused_too(
        self, body: Callable[..., Any], is_async: bool
    ) -> None:
        raised = error(call_of(body, is_async=is_async, wants_handle=True))

        assert raised.type == "RunnerUsageError"


class TestErrors:
    def test_one_that_can_be_pickled_comes_with_its_texts(self) -> None:
        answered = answer(call_of(bodies.fails_plainly))
        assert answered.error is not None
        assert answered.pickled is not None

        raised = RemoteError.from_json(answered.error)
        assert (raised.type, raised.message) == ("ValueError", "bad")
        assert (raised.module, raised.name) == ("builtins", "ValueError")
        assert raised.bases == (("builtins", "Exception"), ("builtins", "BaseException"))
        assert (raised.after, raised.counts) == (None, True)
        assert pickle.loads(answered.pickled).args == ("bad",)  # noqa: S301 - our own

    @each_row(("body", "is_async"), [(bodies.fails_plainly, False), (bodies.fails_later, True)])
    def test_its_traceback_begins_at_the_body(
        self, body: Callable[..., Any], is_async: bool
    ) -> None:
        lines = error(call_of(body, is_async=is_async)).traceback.splitlines()

        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].endswith(f"in {body.__name__}")
        assert lines[-1] == "ValueError: bad"

    def test_one_that_cannot_be_pickled_comes_as_texts(self) -> None:
        answered = answer(call_of(bodies.fails))
        assert answered.error is not None

        assert answered.pickled is None
        assert isinstance(RemoteError.from_json(answered.error).exception(None), NotFoundError)

    def test_a_wish_for_another_attempt(self) -> None:
        asked = error(call_of(bodies.asks_for_another))
        assert (asked.type, asked.after, asked.counts) == ("RetryAfter", 7.0, False)

        back = asked.exception(answer(call_of(bodies.asks_for_another)).pickled)
        assert isinstance(back, RetryAfter)
        assert back.cause is None

    def test_a_wish_with_a_cause_has_the_error_of_the_cause_and_both_tracebacks(self) -> None:
        asked = error(call_of(bodies.asks_because))

        assert (asked.type, asked.message, asked.after) == ("NotFoundError", "users has no 7", 7.0)
        assert "NotFoundError: users has no 7\n" in asked.traceback
        assert asked.traceback.splitlines()[-1].endswith("RetryAfter: try again after 7 s")

    @each_row(
        ("body", "expected"),
        [
            (bodies.fails_without_pickle, "UnpicklableError"),
            (bodies.fails_frozen, "FrozenError"),
            (bodies.fails_nameless, "NamelessError"),
        ],
    )
    def test_odd_classes_of_errors_are_told_as_others(
        self, body: Callable[..., Any], expected: str
    ) -> None:
        raised = error(call_of(body))

        assert (raised.type, raised.message) == (expected, "m")
        assert raised.traceback

    def test_exit_fails_the_attempt_alone(self) -> None:
        assert error(call_of(bodies.exits)).type == "SystemExit"

    @pytest.mark.usefixtures("_python_handles_sigint")
    @each_row("body", [bodies.is_interrupted, bodies.is_interrupted_later])
    def test_an_interrupt_from_outside_is_no_error_of_the_body(
        self, body: Callable[..., Any]
    ) -> None:
        is_async = body is bodies.is_interrupted_later

        assert answer(call_of(body, is_async=is_async)) == Answer()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    @pytest.mark.usefixtures("_handles_the_signal_to_end")
    def test_a_coroutine_is_cancelled_by_a_signal_in_a_callback(self) -> None:
        call = call_of(bodies.is_told_in_a_callback, is_async=True)

        assert change(call, {"cleans": "up"})["set"] == {"cleaned": "up"}
        assert answer(call) == Answer()

    def test_what_else_callbacks_raise_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        assert answer(call_of(bodies.fails_in_a_callback, is_async=True)).change == NO_CHANGE
        assert "pop from empty list" in caplog.text

    def test_to_be_told_to_end_is_no_error_of_the_body(self, tmp_path: Path) -> None:
        file = tmp_path / "cancel"

        assert answer(call_of(bodies.is_cut_off, cancel_file=str(file)), {"file": str(file)}) == (
            Answer()
        )

    @pytest.mark.parametrize(
        ("body", "type_"),
        [
            (bodies.interrupts_itself, "KeyboardInterrupt"),
            (bodies.cuts_itself_off, "BodyCancelled"),
        ],
    )
    def test_what_the_signals_raise_is_an_error_if_the_body_raises_it_itself(
        self, tmp_path: Path, body: Callable[..., Any], type_: str
    ) -> None:
        raised = error(call_of(body, cancel_file=str(tmp_path / "cancel")))

        assert (raised.type, raised.message) == (type_, "by hand")

    def test_elsewhere_than_on_the_main_thread_an_interrupt_is_the_body_s_own(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            raised = pool.submit(error, call_of(bodies.interrupts_itself)).result()

        assert raised.type == "KeyboardInterrupt"

    def test_a_value_that_is_no_change(self) -> None:
        raised = error(call_of(bodies.returns_a_number))

        assert raised.type == "ContextTypeError"
        assert raised.message.startswith("task 't' returned int")

    @each_row(
        ("module", "function", "expected"),
        [
            (bodies.__name__, "gone", f"the worker finds no gone in the module {bodies.__name__}"),
            ("not_a_module", "f", "the worker finds no f in the module not_a_module"),
            (bodies.__name__, "NO_FUNCTION", "is no function in the worker"),
        ],
    )
    def test_a_body_that_is_not_there(self, module: str, function: str, expected: str) -> None:
        raised = error(call_of(module=module, function=function))

        assert raised.type == "ExecutorError"
        assert expected in raised.message

    @pytest.mark.parametrize("line", ["raise ValueError('no license')", "import sys; sys.exit(3)"])
    def test_a_module_that_cannot_be_imported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
    ) -> None:
        (tmp_path / "broken_bodies.py").write_text(f"{line}\n")
        monkeypatch.syspath_prepend(tmp_path)

        raised = error(call_of(module="broken_bodies", function="f"))

        assert raised.type == "ExecutorError"
        assert "the worker cannot import the module broken_bodies: " in raised.message

    def test_a_function_by_value_that_cannot_be_loaded(self) -> None:
        answered = worker.run(call_of().to_json(), "{}", b"cno_such_module\nf\n.")
        assert answered.error is not None
        raised = RemoteError.from_json(answered.error)

        assert raised.type == "ExecutorError"
        assert "cannot load the function: ModuleNotFoundError" in raised.message

    def test_a_call_of_another_version(self) -> None:
        raised = error(call_of(version="0.1"))

        assert (raised.type, "install the same version" in raised.message) == (
            "ExecutorError",
            True,
        )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="drops its rights")
def test_a_worker_of_another_user_sees_no_files_of_the_runner(tmp_path: Path) -> None:
    """The folder of the runner is there, and only its user may look into it."""
    file = tmp_path / "cancel"
    file.touch()
    tmp_path.chmod(0o700)
    call = call_of(bodies.tells_facts, wants_handle=True, cancel_file=str(file))
    assert answer(call) == Answer()  # it is told to end

    os.seteuid(65534)
    try:
        answered = answer(call)
    finally:
        os.seteuid(0)
    assert answered.change is not None
    assert '"cancelled":false' in answered.change


class TestBeginnings:
    """A body is told to have begun."""

    def test_to_the_runner_on_this_host(self, tmp_path: Path) -> None:
        lines, heard = LineSocket(tmp_path / NAME), Heard()
        lines.on("r-0-2", heard)
        call = call_of(cancel_file=str(tmp_path / "r-0-2"), tells_start=True)
        assert answer(call) == Answer(NO_CHANGE)
        lines.sync("r-0-2")
        lines.close()

        assert heard.seconds == [0.0]

    def test_one_whose_runner_cannot_be_told_is_not_called(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If it never ended its time limit would not end it."""
        monkeypatch.setattr(worker, "_called", pytest.fail)
        call = call_of(cancel_file=str(tmp_path / "r-0-2"), tells_start=True)

        assert answer(call) == Answer(is_apart=True)

    @pytest.mark.parametrize("by", ["none", "worker", "executor"])
    def test_the_import_of_its_module_is_not_its_time(
        self, monkeypatch: pytest.MonkeyPatch, by: str
    ) -> None:
        """On threads it has been imported already."""
        steps = []

        def found(*_: str) -> Callable[..., object]:
            steps.append("found")
            return lambda _: steps.append("runs")

        monkeypatch.setattr(worker, "found", found)
        tell = lambda _: steps.append("worker")  # noqa: E731 - a method
        monkeypatch.setattr(worker.WorkerAttempt, "tell_start", tell)
        start = cast("Start", HandStart(steps)) if by == "executor" else None
        BROUGHT.set(True)
        worker.run(call_of(tells_start=by == "worker").to_json(), "{}", None, start)

        assert steps == ["found", *([] if by == "none" else [by]), "runs"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_child_that_a_body_has_forked_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before: a thread of its parent may have held the lock of the reports."""
    parent, children = os.getpid(), list[int]()

    @contextmanager
    def block() -> Iterator[None]:
        yield
        if os.getpid() != parent:
            os._exit(99)  # it has left the block of its body

    def forks(_: object) -> None:
        if (child := os.fork()) != 0:
            children.append(child)

    monkeypatch.setattr(worker, "found", lambda *_: forks)
    start = cast("Start", SimpleNamespace(reported=block))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
        assert worker.run(call_of().to_json(), "{}", None, start).change == NO_CHANGE

    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


BROUGHT = contextvars.ContextVar("brought", default=False)


class HandStart:
    """As that of Dask, which asks the context of the call for its worker."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps

    def reported(self) -> AbstractContextManager[None]:
        assert BROUGHT.get()
        return self._block()

    @contextmanager
    def _block(self) -> Iterator[None]:
        self.steps.append("executor")
        yield


NO_CHANGE = '{"set":{},"removed":[]}'


def test_a_worker_loads_no_engine() -> None:
    """Each of its processes would pay for that."""
    program = (
        "import sys, cloaca_core.features.executors.remote.worker\n"
        "heavy = [name for name in sys.modules if name.startswith(("
        "'cloaca_core.client', 'cloaca_core.store', 'cloaca_core.engine.orchestrate', 'sqlite3'"
        "))]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ.copy())
