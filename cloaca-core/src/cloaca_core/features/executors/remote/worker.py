"""Runs one body in a worker, which has no engine: it gets only the facts of the attempt."""

from __future__ import annotations

import asyncio
import contextvars
import json
import pickle
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.engine.execute.body_log import CURRENT_LOG
from cloaca_core.engine.execute.forked import OneProcess
from cloaca_core.engine.execute.item_calls import item_arguments, item_change
from cloaca_core.engine.execute.returned import change_of
from cloaca_core.errors import BodyCancelled, ExecutorError, RunnerUsageError, no_connection
from cloaca_core.features.executors.names import found
from cloaca_core.features.executors.remote.answer import Answer
from cloaca_core.features.executors.remote.call import RemoteCall
from cloaca_core.features.executors.remote.interrupts import Interrupts
from cloaca_core.features.executors.remote.line_socket import NAME, Sender
from cloaca_core.features.executors.remote.worker_error import answer_of
from cloaca_core.features.executors.remote.worker_log import WorkerLog
from cloaca_core.features.task_logs.capture import CAPTURE
from cloaca_core.values.map_items import Item
from cloaca_core.values.payloads.json_values import JsonValue, decode

if TYPE_CHECKING:
    from cloaca_core.features.executors.dask_starts import Start
    from cloaca_core.features.task_logs.task_log import TaskLog

_TELL_SECONDS: Final = 10.0
"""How long a body may wait for its runner to take notice that it begins."""


class _Sent(NamedTuple):
    """The message from the runner."""

    call: RemoteCall
    given: str
    function: bytes | None
    reported: AbstractContextManager[None]


def run(call: str, given: str, function: bytes | None, start: Start | None = None) -> Answer:
    """Call the body, and answer. ``function`` is the body itself if it was sent by value, ``start``
    reports that it runs, on Dask.

    Called by the executor, so it must stay importable by this name. Raises nothing but errors of
    the interpreter.
    """
    reported = nullcontext() if start is None else start.reported()  # which asks the context
    return contextvars.Context().run(_answer, call, given, function, reported)


def _answer(
    call: str, given: str, function: bytes | None, reported: AbstractContextManager[None]
) -> Answer:
    try:
        sent = _Sent(RemoteCall.from_json(call), given, function, reported)
    except Exception as error:  # noqa: BLE001 - the runner has another version
        return answer_of(error)
    try:
        return _with_lines(sent)
    except (BodyCancelled, KeyboardInterrupt):  # by a signal, just before the body or after it
        return Answer()


def _with_lines(sent: _Sent) -> Answer:
    """The answer, with what the body has logged."""
    log = WorkerLog(sent.call)
    with _captured(log):
        answer = _answered(sent, log)
    lines = log.close()
    return answer._replace(lines=json.dumps(lines.to_json())) if any(lines) else answer


@contextmanager
def _captured(log: TaskLog) -> Iterator[None]:
    """A block whose records of ``logging`` are lines of this log."""
    CURRENT_LOG.set(log)
    CAPTURE.begin()
    try:
        yield
    finally:
        CAPTURE.end()


def _answered(sent: _Sent, log: TaskLog) -> Answer:
    attempt, interrupts = WorkerAttempt(sent.call, log), Interrupts()
    try:
        with interrupts:
            return Answer(change=_change(sent, attempt))
    except UnheardError:
        return Answer(is_apart=True)
    except BaseException as error:  # noqa: BLE001 - a body's SystemExit fails its attempt, no more
        return Answer() if _was_told(attempt, interrupts, error) else answer_of(error)


def _was_told(attempt: WorkerAttempt, interrupts: Interrupts, error: BaseException) -> bool:
    """Whether this is a signal to end, and no error that the body has raised by itself."""
    return interrupts.raised(error) or (isinstance(error, BodyCancelled) and attempt.cancelled)


def _change(sent: _Sent, attempt: WorkerAttempt) -> str:
    call, function = sent.call, sent.function
    given = _read(sent.given) if call.given_file is None else _shared(call.given_file)
    body = found(call.module, call.function) if function is None else _loaded(function)
    context = Context._view(given)
    if attempt.cancelled:  # the signal may have come before there was a body to end
        raise BodyCancelled(f"run {call.run_id} is being cancelled")
    if call.tells_start:
        attempt.tell_start()
    # A child that the body forks ends before it needs the lock of the reports: it may be held.
    with sent.reported, OneProcess():
        value = _called(call, attempt, body, context)
    if attempt.item is not None:
        return item_change(call.task_id, attempt.item, value).to_json()
    return change_of(call.task_id, given, context, value).to_json()


def _read(text: str) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", decode(text))


@lru_cache(maxsize=2)
def _shared(file: str) -> dict[str, JsonValue]:
    """The context that the items of a map share, which no body changes."""
    try:
        return _read(Path(file).read_text(encoding="utf-8"))
    except OSError as gone:
        raise UnheardError from gone


def _loaded(function: bytes) -> Callable[..., object]:
    try:
        loaded: Callable[..., object] = pickle.loads(function)  # noqa: S301 - the user gave it to this
    except Exception as error:
        raise ExecutorError(
            f"the worker cannot load the function: {type(error).__name__}: {error}"
        ) from error
    return loaded


def _called(
    call: RemoteCall, attempt: WorkerAttempt, body: Callable[..., object], context: Context
) -> object:
    handle = AsyncTaskHandle if call.is_async else TaskHandle
    if attempt.item is not None:
        own = handle(attempt, NoCalls(call))
        value = body(context, **item_arguments(attempt.item, call.parameters, own))
    elif call.wants_handle:
        value = body(context, handle(attempt, NoCalls(call)))
    else:
        value = body(context)
    return _awaited(cast("Coroutine[Any, Any, object]", value)) if call.is_async else value


def _awaited(coroutine: Coroutine[Any, Any, object]) -> object:
    """The value of an async body. If it is asked to end while it waits, it is cancelled there, as
    on the loop of a runner: it may clean up, and may still return a value.
    """
    with asyncio.Runner() as runner:
        loop, told = runner.get_loop(), list[BodyCancelled]()
        body = loop.create_task(coroutine)
        loop.set_exception_handler(partial(_handle, body, told))
        try:
            return _ended(loop, body, told)
        except asyncio.CancelledError:
            if told:
                raise told[0] from None
            raise


def _ended(
    loop: asyncio.AbstractEventLoop, body: asyncio.Task[object], told: list[BodyCancelled]
) -> object:
    try:
        return loop.run_until_complete(body)
    except BodyCancelled as error:
        if body.done():  # it was raised in the body
            raise
        _tell(body, told, error)
    return loop.run_until_complete(body)


def _handle(
    body: asyncio.Task[object],
    told: list[BodyCancelled],
    loop: asyncio.AbstractEventLoop,
    context: dict[str, Any],
) -> None:
    """Cancel the body if a callback raised a signal: the loop only logs what callbacks raise."""
    if isinstance(error := context.get("exception"), BodyCancelled):
        _tell(body, told, error)
    else:
        loop.default_exception_handler(context)


def _tell(body: asyncio.Task[object], told: list[BodyCancelled], error: BodyCancelled) -> None:
    told.append(error)
    body.cancel()


class UnheardError(Exception):
    """The worker cannot report to the runner that the body begins."""


class WorkerAttempt:
    """The facts of an attempt, as its runner knew them when the body was sent; ``cancelled`` is
    asked for anew where the worker sees the runner's files, and is False elsewhere.
    """

    def __init__(self, call: RemoteCall, log: TaskLog) -> None:
        self.task_log: TaskLog = log
        self.run_id: str = call.run_id
        self.task_id: str = call.task_id
        self.number: int = call.number
        self.epoch: int = call.epoch
        self.item: Item | None = None if call.item is None else Item(0, *call.item)
        self.holds_slot: bool = True
        self.abandoned: bool = False
        self._file = Path(call.cancel_file)
        self._sees_runner = _may_be_looked_into(self._file.parent)

    @property
    def cancelled(self) -> bool:
        """Whether the body should end: the runner says so, or has gone."""
        return self._sees_runner and (self._file.exists() or not self._file.parent.is_dir())

    @property
    def connection(self) -> object:
        """None is there: a transactional body has no executor."""
        raise no_connection(self.task_id)

    def tell_start(self) -> None:
        """Tell the runner that the body begins; before that, as it may let no other thread run.
        ``UnheardError`` if that cannot be done: the body would have no time limit.
        """
        try:
            with Sender(self._file.with_name(NAME), wait=_TELL_SECONDS) as sender:
                sender.send(self._file.name, 0.0)
        except OSError as error:
            raise UnheardError from error


def _may_be_looked_into(folder: Path) -> bool:
    """Whether this is a folder of this host, and of this worker's user."""
    try:
        (folder / "any").stat()
    except PermissionError:
        return False
    except OSError:
        return folder.is_dir()
    return True


class NoCalls:
    """Refuses the calls of a handle that only an engine answers."""

    def __init__(self, call: RemoteCall) -> None:
        self._task_id = call.task_id

    def step(self, *_: object) -> NoReturn:
        """Refuse a step."""
        self._refuse("step", "return its value, and let a further task go on from there")

    def with_options(self, *_: object, **__: object) -> NoReturn:
        """Refuse steps with options."""
        self._refuse("with_options", "return its value, and let a further task go on from there")

    def wait(self, *_: object) -> NoReturn:
        """Refuse a wait."""
        self._refuse("sleep, wait_for or approval", "wait in a task before this one, or in a node")

    def defer(self, *_: object) -> NoReturn:
        """Refuse to wait for a condition."""
        self._refuse("defer_until", "wait in a task before this one")

    def submit(self, *_: object) -> NoReturn:
        """Refuse to submit a run."""
        self._refuse("submit", "return what to submit, and call submit in a task after this one")

    def results(self, *_: object) -> NoReturn:
        """Refuse to read items of maps."""
        self._refuse("results", "read them in a task before this one, which hands them on")

    def submit_many(self, *_: object) -> NoReturn:
        """Refuse to submit runs."""
        self._refuse(
            "submit_many", "return what to submit, and call submit_many in a task after this one"
        )

    def start_workflow(self, *_: object) -> NoReturn:
        """Refuse to run a workflow."""
        self._refuse(
            "run_workflow or start_workflow",
            "return its context, and run the workflow in a task after this one",
        )

    def child_result(self, *_: object) -> NoReturn:
        """As ``start_workflow``."""
        self.start_workflow()

    async def start_workflow_async(self, *_: object) -> NoReturn:
        """As ``start_workflow``."""
        self.start_workflow()

    async def child_result_async(self, *_: object) -> NoReturn:
        """As ``start_workflow``."""
        self.start_workflow()

    async def submit_async(self, *_: object) -> NoReturn:
        """As ``submit``."""
        self.submit()

    async def submit_many_async(self, *_: object) -> NoReturn:
        """As ``submit_many``."""
        self.submit_many()

    async def step_async(self, *_: object) -> NoReturn:
        """As ``step``."""
        self.step()

    async def wait_async(self, *_: object) -> NoReturn:
        """As ``wait``."""
        self.wait()

    async def defer_async(self, *_: object) -> NoReturn:
        """As ``defer``."""
        self.defer()

    def _refuse(self, call: str, instead: str) -> NoReturn:
        raise RunnerUsageError(
            f"task {self._task_id!r} runs on an executor, where its handle has no {call}: only "
            f"bodies in the runner's own process have it. Instead, {instead}"
        )
