"""Sends bodies to one executor, and tells what their answers, or its failures, mean.

Decides nothing about what follows for the run.
"""

from __future__ import annotations

import importlib
import pickle
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.outcome import (
    CutOff,
    Outcome,
    Raised,
    Succeeded,
    outcome_of,
    raised,
)
from cloaca_core.engine.execute.returned import check_size, succeeded_item
from cloaca_core.engine.execute.work import ENGINE_PROCESS
from cloaca_core.errors import (
    BodyCancelled,
    ExecutorError,
    ExecutorUnavailableError,
    WorkerLost,
)
from cloaca_core.features.executors.losses import is_worker_lost
from cloaca_core.features.executors.names import cannot_travel, why_task_not_by_name
from cloaca_core.features.executors.remote import worker
from cloaca_core.features.executors.remote.answer import RemoteError
from cloaca_core.features.executors.remote.attempt import RemoteAttempt, RemoteThreads
from cloaca_core.features.executors.remote.call import RemoteCall
from cloaca_core.features.executors.remote.cancel_files import CancelFiles
from cloaca_core.features.executors.remote.line_socket import NAME
from cloaca_core.features.executors.remote.shared_files import SharedFiles
from cloaca_core.logs import SafeLogger
from cloaca_core.run.restore import change_from_json
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.attempt import Attempt, AttemptTools
    from cloaca_core.features.executors.kinds import OnStart
    from cloaca_core.features.executors.remote.answer import Answer
    from cloaca_core.features.executors.remote.line_socket import LineSocket
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue

log = SafeLogger("cloaca.engine")

LONGEST_PAUSE: Final = 60.0
"""Seconds before an attempt after a loss, at most; after the first loss it is one second."""
MOST_DOUBLED: Final = 6
"""Losses after which the pause grows no more: an executor may be away for any number of them."""

GIVE_A_FUNCTION: Final = (
    ". It stays so, as it is the program's own: give a function that makes it, which the runner "
    "calls again, or restart the program"
)
"""Advice for a program whose executor has broken, or was shut down."""

UNHEARD: Final = (
    "has a worker that could not tell this runner that the body begins, as one of another user or "
    "host, and did not call it. From now on time limits there count from when the executor has the "
    "body"
)
"""Why a body is called by another attempt."""

TOLD: Final = "it was told to end"
"""Why a body came to no end of its own, though its worker lives."""


class Pool:
    """``threads`` wait for the answers, one for each call that the executor runs at once. Methods
    are called on them. ``first_name`` is another name of the same executor, if it has several.

    When a body begins the executor tells, or a worker that sees this runner's folder. Elsewhere
    each is taken to begin when it is handed over.
    """

    def __init__(
        self,
        supply: Supply,
        loop: asyncio.AbstractEventLoop,
        cancel_files: CancelFiles,
        line_socket: Callable[[], LineSocket | None] = lambda: None,
        first_name: str | None = None,
    ) -> None:
        self.place: str = place_of(supply.name)
        self.domain: str = (
            ENGINE_PROCESS if supply.is_in_process else place_of(first_name or supply.name)
        )
        self.threads: RemoteThreads = RemoteThreads(supply.slots, loop)
        self.cancel_files: CancelFiles = cancel_files
        self._shared_files = SharedFiles(cancel_files)
        self.line_socket: Callable[[], LineSocket | None] = line_socket
        self._supply = supply
        self._is_away = False
        self._is_seen = supply.is_local

    def attempt(
        self,
        owner: ActiveRun,
        index: int,
        given: dict[str, JsonValue],
        resume: Resume,
        tools: AttemptTools,
        item: Item | None = None,
    ) -> RemoteAttempt:
        """Make an attempt that runs here."""
        return RemoteAttempt(self, owner, index, given, resume, tools, item)

    def runs_next(self) -> bool:
        """Whether a body that is handed over now runs at once; its thread is counted already."""
        at_once = self._supply.at_once
        return at_once is None or len(self.threads.running) <= at_once

    def submit(self, attempt: Attempt, on_start: OnStart) -> Future[Answer]:
        """Submit a body. If its begin cannot be reported, it counts as begun now. Raises
        ``ExecutorError`` if it cannot be sent; other errors come from the executor.
        """
        file = self.cancel_files.path(attempt)
        by_executor = self._supply.tells_starts
        by_worker = not by_executor and self._is_seen and self._hears(file)
        function, name = self._sent(attempt.task)
        call = _call_of(attempt, name, file, tells_start=by_worker)
        given = self._given(attempt)
        if isinstance(given, Path):
            call, given = call._replace(given_file=str(given)), ""
        future = self._supply.submit(
            worker.run,
            call.to_json(),
            given,
            function,
            on_start=on_start if by_executor else None,
        )
        self._is_away = False
        if not (by_executor or by_worker):
            on_start.begun(0.0)
        return future

    def _given(self, attempt: Attempt) -> str | Path:
        """The context of a body, as it is sent: JSON, or the file with that."""
        if attempt.item is None:
            return encode(attempt.given)
        shared = attempt.item.shared
        assert shared is not None, "only a worker has an item without"
        file = self._shared_files.file(shared) if self._is_seen else None
        return shared.text if file is None else file

    def _hears(self, file: Path) -> bool:
        """Whether there is a socket beside this file. Old temporary files may have been removed."""
        return self.line_socket() is not None and file.with_name(NAME).exists()

    def _sent(self, task: Task) -> tuple[bytes | None, tuple[str, str]]:
        """The body itself, if it is sent, and the name by which a worker imports it otherwise. A
        body that runs a computation graph is sent as the names of its functions.
        """
        if self._supply.by_value:
            return _by_value(task), ("", "")
        name = self._name_of(task)
        return None if task.invokes is None else pickle.dumps(task.function), name

    def _name_of(self, task: Task) -> tuple[str, str]:
        """The module and the name by which a worker imports the body."""
        if (reason := why_task_not_by_name(task)) is not None:
            raise ExecutorError(cannot_travel(task.id, self._supply.name, reason))
        return task.function.__module__, task.function.__qualname__

    def interrupt(self, call: Future[Answer]) -> None:
        """Have the executor tell a call to end, if it can."""
        self._supply.interrupt(call)

    def cancel(self, call: Future[Answer]) -> None:
        """Have the executor end a call, if it can."""
        self._supply.cancel(call)

    def frees_worker(self, call: Future[Answer]) -> bool:
        """Whether the body of a call has returned, on a worker whose next call may be submitted
        from this callback. If it raised, user code may have to judge that first.
        """
        if not self._supply.calls_back(call) or call.cancelled() or call.exception() is not None:
            return False
        return call.result().change is not None

    def not_sent(self, attempt: Attempt, error: BaseException) -> Raised:
        """The outcome of an attempt that ``submit`` refused."""
        if isinstance(error, ExecutorUnavailableError):
            return self._put_off(attempt, error)
        if isinstance(error, ExecutorError):
            return _judged(attempt, error)
        hint = GIVE_A_FUNCTION if self._supply.stays_broken(error) else ""
        return self._unavailable(attempt, f"takes no call: {_text(error)}{hint}")

    def outcome(
        self, attempt: Attempt, future: Future[Answer], *, has_begun: bool = True
    ) -> Outcome:
        """The outcome of an attempt whose call is done. One of a body that is not known to have
        begun is not to blame for the end of its worker.
        """
        if future.cancelled():
            if attempt.abandoned:  # cancelled by its own thread
                return CutOff()
            return self._unavailable(attempt, "has cancelled the call")
        if (error := future.exception()) is not None:
            return self._failed(attempt, error, has_begun=has_begun)
        answer = future.result()
        if answer.is_apart:
            return self._not_called(attempt)
        if answer.change is not None:
            return _returned(attempt, answer.change)
        if answer.error is None:
            return self._lost(attempt, TOLD)
        told = RemoteError.from_json(answer.error)
        return _raised(attempt, told, told.exception(answer.pickled, answer.behind))

    def _not_called(self, attempt: Attempt) -> Outcome:
        """The outcome of a body that no worker has called, as it could not tell when it begins.
        From now on none is asked to.
        """
        error = ExecutorUnavailableError(f"executor {self._supply.name!r} {UNHEARD}")
        if self._is_seen:
            self._is_seen = False
            self.threads.count_from_now()
            log.warning("%s", error)
        return CutOff() if attempt.cancelled else _again(attempt, error, after=attempt.uncounted)

    def _failed(self, attempt: Attempt, error: BaseException, *, has_begun: bool) -> Outcome:
        """The outcome when the executor itself has an error to tell."""
        if is_worker_lost(error):
            shared = isinstance(error, BrokenExecutor) or self._supply.shares_workers()
            return self._lost(attempt, _text(error), has_begun=has_begun, shared=shared)
        if isinstance(error, KeyboardInterrupt | BodyCancelled):  # after the body, in the worker
            return self._lost(attempt, TOLD)
        wrapped = ExecutorError(f"executor {self._supply.name!r} could not run it: {_text(error)}")
        wrapped.__cause__ = error
        return _judged(attempt, wrapped)

    def _lost(
        self, attempt: Attempt, why: str, *, has_begun: bool = True, shared: bool = False
    ) -> Outcome:
        """The outcome when the worker is gone, which this body may have caused. The first time it
        is not blamed: a body that kills its worker at once is not known to have begun. Later it was
        lost together with the body before it, if not with all bodies of a pool that breaks as a
        whole.
        """
        if attempt.cancelled:
            return CutOff()
        error = WorkerLost(f"executor {self._supply.name!r} lost the worker of this body: {why}")
        outcome = _again(attempt, error, after=attempt.crashes)
        if not has_begun and not attempt.uncounted:
            return outcome
        return replace(outcome, crashed=True, shared=shared or not has_begun)

    def _unavailable(self, attempt: Attempt, why: str) -> Raised:
        error = ExecutorUnavailableError(f"executor {self._supply.name!r} {why}")
        return self._put_off(attempt, error)

    def _put_off(self, attempt: Attempt, error: ExecutorUnavailableError) -> Raised:
        """Log it once, as it may concern a thousand attempts, until a call is taken again."""
        if not self._is_away:
            self._is_away = True
            log.warning("bodies are put off until their executor takes calls: %.500s", error)
        return _again(attempt, error, after=attempt.uncounted)


def place_of(executor: str) -> str:
    """The place of work that runs on the executor of this name."""
    return f"executor {executor}"


def _call_of(
    attempt: Attempt, name: tuple[str, str], file: Path, *, tells_start: bool
) -> RemoteCall:
    """The call of a body that is imported by module and name; ``file`` tells it to end."""
    module, function = name
    return RemoteCall(
        module=module,
        function=function,
        is_async=attempt.task.is_async,
        wants_handle=attempt.task.wants_handle,
        run_id=attempt.run_id,
        task_id=attempt.task_id,
        number=attempt.number,
        epoch=attempt.epoch,
        cancel_file=str(file),
        log_level=attempt.task_log.least,
        tells_start=tells_start,
        item=None if attempt.item is None else attempt.item.sent(),
        parameters=() if attempt.task.map is None else attempt.task.map.parameters,
    )


def _by_value(task: Task) -> bytes:
    dumps: Callable[[object], bytes] = importlib.import_module("cloudpickle").dumps
    try:
        return dumps(task.function)
    except Exception as error:
        raise ExecutorError(f"task {task.id!r} cannot be sent by value: {_text(error)}") from error


def _again(attempt: Attempt, error: BaseException, *, after: int) -> Raised:
    """The outcome of an attempt that does not count as one of the task's; the next comes ``after``
    this time.
    """
    pause = min(2.0 ** min(after, MOST_DOUBLED), LONGEST_PAUSE)
    shown = replace(raised(error, again=True, redact=attempt.redact), traceback="")
    return replace(shown, after=pause, counts=False)


def _judged(attempt: Attempt, error: BaseException) -> Raised:
    return outcome_of(attempt, error, skip_frames=0)


def _returned(attempt: Attempt, text: str) -> Outcome:
    try:
        change = change_from_json(text)
        if attempt.item is not None:
            return succeeded_item(attempt, change)
        check_size(attempt, change, text)
    except Exception as error:  # noqa: BLE001 - a too large result fails its attempt
        return _judged(attempt, error)
    return Succeeded(change, text)


def _raised(attempt: Attempt, told: RemoteError, error: BaseException) -> Outcome:
    """The outcome of a body that raised, with the texts of its worker, which knows no secret."""
    outcome, redact = _judged(attempt, error), attempt.redact
    kind, message, traceback = map(redact, (told.type, told.message, told.traceback))
    return replace(outcome, type=kind, message=message, traceback=traceback)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
