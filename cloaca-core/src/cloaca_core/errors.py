"""Every exception that cloaca raises, in one tree.

    CloacaError
    ├── ContextError                    a value or a key that a Context cannot take
    │   ├── ContextValueError           (ValueError)
    │   ├── InputError                  (ValueError) an input that its workflow does not take
    │   ├── ContextTypeError            (TypeError)
    │   ├── ContextKeyError             (KeyError)
    │   ├── SecretsNotConfiguredError   (RuntimeError)
    │   └── SecretDeniedError           (PermissionError)
    ├── DefinitionError                 (ValueError) a task, rule or workflow is defined wrongly
    │   ├── DefinitionTypeError         (TypeError) … or an argument has an unsupported type
    │   ├── NodeNotDefinedError         (AttributeError) a node of a graph has no function
    │   └── WorkflowValidationError     the graph of a workflow does not hold together
    ├── ConfigError                     (ValueError) a setting has an unacceptable value
    │   ├── ConfigTypeError             (TypeError) … or an unsupported type
    │   └── UnknownSettingError         (AttributeError) there is no such setting
    ├── VariableNotSetError             (KeyError) var() of a variable that is not set
    ├── NotHereError                    (NotImplementedError, RuntimeError) what 0.12 alone has
    ├── FilterError                     (ValueError) a term of a filter is written wrongly
    ├── ScheduleError                   (ValueError) a schedule is given wrongly
    │   └── CronExpressionError         its cron expression or its time zone
    ├── WorkflowExecutionError          (ValueError) a run could not be started
    │   ├── WorkflowNotFoundError       (KeyError)
    │   └── AmbiguousWorkflowError      a short name that several workflows have
    ├── TaskNotFoundError               (KeyError)
    ├── LimitNotFoundError              (KeyError)
    ├── RunNotFoundError                (KeyError)
    │   └── AmbiguousRunError           the beginning of the ids of several runs
    ├── RunFailedError                  (RuntimeError) from raise_for_status()
    │   ├── RunCancelledError           … of a run that was cancelled
    │   ├── ChildFailedError            … of the child run of a node
    │   └── VersionChangedError         the workflow has changed since the run began
    ├── LoopError                       (RuntimeError) no iteration satisfied a loop
    ├── RunStateError                   (RuntimeError) a run is in another state than this needs
    │   ├── SingletonError              … another run has its singleton key
    │   ├── RunEndedError               … it has ended
    │   └── AlreadyDecidedError         an approval has been decided, or its time is over
    ├── MailboxFullError                (RuntimeError) too many messages of a run are unread
    ├── PipelineTimeoutError            (TimeoutError, ValueError) a run or a wait took too long
    ├── EventTimeoutError               (TimeoutError) an event or a decision did not come in time
    ├── ApprovalRejectedError           (RuntimeError) an approval ended with "reject"
    ├── GraphRunError                   (ValueError) a node failed in graph.execute()
    ├── MergeError                      (ValueError) a rule cannot merge what branches wrote
    ├── MapError                        (ValueError) a map has no items that it could run
    ├── MapFailedError                  (RuntimeError) items of a map failed
    ├── LimitKeyError                   (ValueError) a limit has no key that it could count by
    ├── RecoveryLimitError              (RuntimeError) a task took its process down too often
    ├── ExecutorError                   (RuntimeError) a body cannot run on its executor
    │   ├── ExecutorUnavailableError    … as long as the executor takes no call
    │   └── WorkerLost                  … as its worker died under it
    ├── RunnerClosedError               (RuntimeError, ValueError) after shutdown()
    ├── RunnerUsageError                (RuntimeError) a call from where it would block for ever
    ├── StepInUseError                  (RuntimeError) a step within a step
    ├── MissingExtraError               (ImportError) a package of an extra is not installed
    ├── BackendError                    (ImportError)
    │   ├── BackendNotFoundError
    │   ├── AmbiguousBackendError
    │   ├── BackendVersionError
    │   ├── BackendUnusableError        installed, but it cannot work
    │   └── BackendForcedError          (ValueError) CLOACA_BACKEND forces another than the URL's
    ├── TenantError                     (RuntimeError) a tenant could not be made or removed
    │   └── TenantNameError             (ValueError) its name cannot be one
    ├── TransferError                   (RuntimeError) a database could not be copied or imported
    │   └── RunsInFlightError           … as runs in it have not ended
    └── StoreError                      (RuntimeError) the database said no
        ├── StoreOpenError              (ValueError) it cannot be opened as given
        │   ├── NotADatabaseError
        │   ├── ForeignDatabaseError    made by another program, or by cloaca 0.x
        │   └── NewerSchemaError
        ├── StoreUnavailableError       transient: busy, unreachable, out of connections
        │   └── StoreFullError          no space left
        ├── StoreReadOnlyError
        └── StoreDataError              the database refuses a value of this batch

Beside it stand the signals that unwind a task's body. They are no errors, so ``except Exception``
lets them pass, and they fail no attempt.

    BodySignal                          (BaseException)
    └── BodyCancelled                   the run is being cancelled: clean up and return

Each class also derives from the built-in that cloaca 0.x raised in its place, so that
``except ValueError`` in older programs goes on working. Facts are attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from cloaca_core._version import __version__

OpenReason: TypeAlias = Literal["missing", "unreachable", "unfit"]


class CloacaError(Exception):
    """The root of every exception that cloaca raises on purpose.

    ``accepted`` holds the handles of the runs that ``submit_many`` had accepted before.
    """

    accepted: Sequence[Any] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the handles of runs: in another process they would have no runner."""
        return _rebuilt, (type(self), self.args), self._facts()

    def _facts(self) -> dict[str, Any]:
        return {name: fact for name, fact in vars(self).items() if name != "accepted"}


def _rebuilt(kind: type[CloacaError], args: tuple[Any, ...]) -> CloacaError:
    """Rebuild an error without its ``__init__``, which requires the facts as keywords."""
    error = kind.__new__(kind)
    error.args = args
    return error


class _PlainKeyError(CloacaError, KeyError):
    """A KeyError whose text is its message, not the message's repr."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ContextError(CloacaError):
    """A value or a key that a Context cannot take. ``path`` names the place in the value."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class ContextValueError(ContextError, ValueError):
    """The type is supported, the value is not (NaN, a lone surrogate, too deep, too large)."""


class InputError(ContextError, ValueError):
    """The input of a run is not of the type that its workflow declares. ``path`` names the place,
    ``wanted`` the type that is wanted there, ``met`` the value there, as JSON, or "nothing".
    """

    def __init__(self, message: str, *, path: str = "", wanted: str = "", met: str = "") -> None:
        super().__init__(message, path=path)
        self.wanted = wanted
        self.met = met


class ContextTypeError(ContextError, TypeError):
    """A type that JSON has no form for."""


class ContextKeyError(ContextError, _PlainKeyError):
    """The key is not in the context."""


class SecretsNotConfiguredError(ContextError, RuntimeError):
    """The runner has no secret provider."""


class SecretDeniedError(ContextError, PermissionError):
    """The provider does not grant this secret to this workflow."""


class DefinitionError(CloacaError, ValueError):
    """A task, a rule or a workflow is defined wrongly."""


class DefinitionTypeError(DefinitionError, TypeError):
    """An argument of a definition has an unsupported type. 0.x raised ValueError for some."""


class NodeNotDefinedError(DefinitionError, AttributeError):
    """A computation graph has a node without a function. ``graph`` and ``node`` are their names."""

    def __init__(self, message: str, *, graph: str, node: str) -> None:
        super().__init__(message)
        self.graph = graph
        self.node = node


class WorkflowValidationError(DefinitionError):
    """The graph of a workflow does not hold together.

    ``missing`` is the unknown task that a dependency names, if that is the reason.
    """

    def __init__(self, message: str, *, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing


class ConfigError(CloacaError, ValueError):
    """A setting has an unacceptable value. ``field`` names it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ConfigTypeError(ConfigError, TypeError):
    """A setting has an unsupported type."""


class UnknownSettingError(ConfigError, AttributeError):
    """There is no setting of this name. ``field`` is the name that was used."""


class VariableNotSetError(_PlainKeyError):
    """The environment has no variable for this ``name``."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class NotHereError(CloacaError, NotImplementedError):
    """cloaca 0.12 had this, and this version does not: the message says why, and what to use."""


class FilterError(CloacaError, ValueError):
    """A term of a filter is written wrongly. ``term`` is the text that holds it."""

    def __init__(self, message: str, *, term: str) -> None:
        super().__init__(message)
        self.term = term


class ScheduleError(CloacaError, ValueError):
    """A schedule is given wrongly."""


class CronExpressionError(ScheduleError):
    """A cron expression or a time zone cannot be taken.

    ``field`` is the wrong part ("minute", "timezone", …), "" for the expression as a whole;
    ``given`` is the text found there.
    """

    def __init__(self, message: str, *, field: str = "", given: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.given = given


class WorkflowExecutionError(CloacaError, ValueError):
    """A run could not be started."""


class WorkflowNotFoundError(WorkflowExecutionError, _PlainKeyError):
    """No workflow of this name is registered. ``name`` is the requested name; ``near`` are names
    like it that are known, the nearest first, where they were looked for.
    """

    def __init__(self, message: str, *, name: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.near = near


class AmbiguousWorkflowError(WorkflowExecutionError):
    """Several workflows have this short name. ``candidates`` are their full namespaces."""

    def __init__(self, message: str, *, name: str, candidates: tuple[str, ...]) -> None:
        super().__init__(message)
        self.name = name
        self.candidates = candidates


class TaskNotFoundError(_PlainKeyError):
    """The workflow has no task of this id."""

    def __init__(self, message: str, *, task_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id


class LimitNotFoundError(_PlainKeyError):
    """No program has recorded a limit of this name. ``near`` are names like it that are known, the
    nearest first.
    """

    def __init__(self, message: str, *, limit: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.limit = limit
        self.near = near


class RunNotFoundError(_PlainKeyError):
    """The database knows no run of this id."""

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class AmbiguousRunError(RunNotFoundError):
    """Several runs have ids that begin so. ``candidates`` are some of them, the newest first."""

    def __init__(self, message: str, *, run_id: str, candidates: tuple[str, ...]) -> None:
        super().__init__(message, run_id=run_id)
        self.candidates = candidates


def lost_parent(run_id: str | None) -> RunNotFoundError:
    """The error for a run that a body submits whose own run has ended and was pruned."""
    message = f"the run that submits this one has been pruned: {run_id}"
    return RunNotFoundError(message, run_id=str(run_id))


def no_run(run_id: str) -> RunNotFoundError:
    """The error for an id that the database does not have."""
    return RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)


class RunFailedError(CloacaError, RuntimeError):
    """The run ended in another state than Completed."""

    def __init__(self, message: str, *, run_id: str, status: str) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.status = status


class ChildFailedError(RunFailedError):
    """The child run of a node has failed: ``run_id`` is the child's."""


class LoopError(CloacaError, RuntimeError):
    """No iteration of a loop has satisfied its condition: ``run_id`` is the last one's."""

    def __init__(self, message: str, *, task_id: str, iterations: int, run_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.iterations = iterations
        self.run_id = run_id


class RunCancelledError(RunFailedError):
    """The run was cancelled; the message holds the reason."""


class VersionChangedError(RunFailedError):
    """The workflow has changed since the run began, and its version policy is "fail"; or a body has
    started the child run that it names by a key with another input.

    ``tasks`` are the ids of those that differ, as far as that is known.
    """

    def __init__(
        self, message: str, *, run_id: str, status: str, tasks: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, run_id=run_id, status=status)
        self.tasks = tasks


class RunStateError(CloacaError, RuntimeError):
    """A run is not in a state in which this can be done to it.

    ``status`` is its state, ``accepted`` are those in which it can.
    """

    def __init__(
        self, message: str, *, run_id: str, status: str, accepted: tuple[str, ...]
    ) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.status = status
        self.accepted: tuple[str, ...] = accepted

    def _facts(self) -> dict[str, Any]:
        return vars(self)  # here ``accepted`` is no list of handles


class SingletonError(RunStateError):
    """Another run of the workflow with the same singleton key is under way: ``run_id``."""


class RunEndedError(RunStateError):
    """The run has ended."""


def key_held(workflow: str, key: str, run_id: str, status: str) -> SingletonError:
    """The error for a run that may not begin while another with its singleton key is under way."""
    return SingletonError(
        f"run {run_id} of {workflow} with singleton key {key!r} is {status}: only one is under way",
        run_id=run_id,
        status=str(status),
        accepted=("Completed", "Failed", "Cancelled"),
    )


def takes_no_message(run_id: str, status: str) -> RunEndedError:
    """The error for a message to a run that has ended."""
    return RunEndedError(
        f"run {run_id} is {status}: only a run that has not ended takes messages",
        run_id=run_id,
        status=str(status),
        accepted=("Pending", "Running", "Waiting", "Paused", "Cancelling"),
    )


class AlreadyDecidedError(RunStateError):
    """An approval has been decided, or its time is over.

    ``task_id`` is the approval. ``by`` is who decided and ``at`` when, RFC 3339 in UTC; ``by`` is
    None if its time was over, both are None where that is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        run_id: str,
        status: str,
        task_id: str,
        by: str | None = None,
        at: str | None = None,
    ) -> None:
        super().__init__(message, run_id=run_id, status=status, accepted=())
        self.task_id = task_id
        self.by = by
        self.at = at


class MailboxFullError(CloacaError, RuntimeError):
    """A run has so many unread messages that it takes no more. ``limit`` is how many that are."""

    def __init__(self, message: str, *, run_id: str, limit: int) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.limit = limit


class BodySignal(BaseException):
    """Unwinds a task's body. It is no Exception, so that ``except Exception`` lets it pass, and it
    fails no attempt.
    """


class BodySuspended(BodySignal):
    """This body leaves memory while it waits. It runs again from its top when its wait is over, and
    gets the values of its steps and waits as they were. A body that does not let this signal pass
    fails its attempt by this name.
    """


class BodyCancelled(BodySignal):
    """The run of this body is being cancelled: it should clean up and return."""


# TimeoutError first: it is an OSError, which only OSError's own ``__new__`` can create.
class PipelineTimeoutError(CloacaError, TimeoutError, ValueError):
    """A run passed its deadline, or a wait for it ended first.

    ``run_id`` is None when the wait ended before the run was accepted; ``timeout`` is in seconds.
    """

    def __init__(
        self, message: str, *, run_id: str | None = None, timeout: float | None = None
    ) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.timeout = timeout


class EventTimeoutError(CloacaError, TimeoutError):
    """An event did not come, or an approval was not decided, within the time of the wait.

    ``task_id`` is the task that waited, ``event`` the name of the event, None for an approval;
    ``timeout`` is in seconds.
    """

    def __init__(self, message: str, *, task_id: str, event: str | None, timeout: float) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.event = event
        self.timeout = timeout


def no_event(task_id: str, event: str, timeout: float) -> EventTimeoutError:
    """Make the error for a wait of a task that ended without its event; the caller raises it."""
    message = f"task {task_id!r} waited {timeout:.10g}s for the event {event!r}"
    return EventTimeoutError(message, task_id=task_id, event=event, timeout=timeout)


def name_taken(task_id: str, name: str, other: str) -> DefinitionError:
    """Make the error for an approval whose name people cannot tell from another one's."""
    return DefinitionError(
        f"task {task_id!r} asks for an approval {name!r}, by which task {other!r} of the run is "
        "known: name it otherwise"
    )


def no_decision(task_id: str, name: str, timeout: float) -> EventTimeoutError:
    """Make the error for an approval without a decision in time; the caller raises it."""
    of = "" if name == task_id else f" {name!r}"
    message = f"task {task_id!r} waited {timeout:.10g}s for a decision{of}"
    return EventTimeoutError(message, task_id=task_id, event=None, timeout=timeout)


class ApprovalRejectedError(CloacaError, RuntimeError):
    """An approval with ``reject_policy="fail"`` was rejected. ``task_id`` is its id."""

    def __init__(self, message: str, *, task_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id


class GraphRunError(CloacaError, ValueError):
    """A node failed while ``execute`` of its computation graph ran it; its own error is the cause.
    ``graph`` and ``node`` are their names.
    """

    def __init__(self, message: str, *, graph: str, node: str) -> None:
        super().__init__(message)
        self.graph = graph
        self.node = node


class MergeError(CloacaError, ValueError):
    """Branches wrote values that the rule of their key cannot merge.

    ``task_id`` is the task at which they meet; ``key`` and ``rule`` are those of ``builder.merge``.
    """

    def __init__(self, message: str, *, task_id: str, key: str, rule: str) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.key = key
        self.rule = rule


class MapError(CloacaError, ValueError):
    """The data of a map cannot be its items, or is not that of its first start in this round.

    ``task_id`` is the map, ``path`` the place in its context; of data in its definition it begins
    with ``map``. It is "" if the data are not those of the first start.
    """

    def __init__(self, message: str, *, task_id: str, path: str = "") -> None:
        super().__init__(message)
        self.task_id = task_id
        self.path = path


class MapFailedError(CloacaError, RuntimeError):
    """Items of a map have failed. ``failed`` of its ``items`` did; ``first`` is the label of the
    first one in their order, and ``error`` its error.
    """

    def __init__(
        self,
        message: str,
        *,
        task_id: str,
        failed: int,
        items: int,
        first: str | int,
        error: str,
    ) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.failed = failed
        self.items = items
        self.first = first
        self.error = error


class LimitKeyError(CloacaError, ValueError):
    """The key of a limit is not in the context, or cannot be a key.

    ``task_id`` is the task, None for the limit of a run; ``limit`` is the name of the limit,
    ``path`` the place in the context.
    """

    def __init__(self, message: str, *, task_id: str | None, limit: str, path: str) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.limit = limit
        self.path = path


class RecoveryLimitError(CloacaError, RuntimeError):
    """More than ``max_recovery_attempts`` processes died while a task ran alone in them, after two
    that died while it ran beside others; or so many workers of its executor.

    ``recoveries`` counts all of these processes, ``limit`` is that setting.
    """

    def __init__(
        self, message: str, *, run_id: str, task_id: str, recoveries: int, limit: int
    ) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.task_id = task_id
        self.recoveries = recoveries
        self.limit = limit


SHUT_DOWN = "the runner has been shut down"
"""Message of most ``RunnerClosedError``."""


class ExecutorError(CloacaError, RuntimeError):
    """A body cannot be sent to its executor, or not be found by the worker there."""


class ExecutorUnavailableError(ExecutorError):
    """The executor takes no call. The attempt does not count, and is tried again."""


class WorkerLost(ExecutorError):  # noqa: N818 - the name under which attempts record it
    """The worker of a call died while it ran it, or could not start. Such an attempt does not count
    as one of the task's, but more than ``max_recovery_attempts`` of them fail the task.

    ``exit_code`` is that of the process, minus the signal's number if a signal ended it; None if it
    is not known.
    """

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RunnerClosedError(CloacaError, RuntimeError, ValueError):
    """The runner has been shut down."""


class RunnerUsageError(CloacaError, RuntimeError):
    """A call from a thread, process or transaction where it would block for ever or corrupt
    state.
    """


def no_connection(task_id: str) -> RunnerUsageError:
    """Make the error for ``handle.connection`` of another task; the caller raises it."""
    return RunnerUsageError(
        f"task {task_id!r} has no handle.connection: that is of a transactional task, "
        "@task(transactional=True)"
    )


class StepInUseError(CloacaError, RuntimeError):
    """A step was called within a step. ``name`` is that of the inner one."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class MissingExtraError(CloacaError, ImportError):
    """A feature needs a package that an extra of ``cloaca`` installs, ours in this very version.
    ``extra`` is that extra, ``package`` the module that is missing.
    """

    def __init__(self, message: str, *, extra: str, package: str) -> None:
        super().__init__(message)
        self.extra = extra
        self.package = package


def missing_extra(feature: str, extra: str, package: str) -> MissingExtraError:
    """Make the error for a feature whose package is not installed; the caller raises it from the
    ImportError. Its command has the version: without one, pip would install another project's code.
    """
    command = f'pip install "cloaca[{extra}]=={__version__}"'
    message = f"{feature} needs the package {package}: {command}"
    return MissingExtraError(message, extra=extra, package=package)


class BackendError(CloacaError, ImportError):
    """A storage backend cannot be had. ``backend`` is its name, if one was asked for."""

    def __init__(self, message: str, *, backend: str | None = None) -> None:
        super().__init__(message)
        self.backend = backend


class BackendNotFoundError(BackendError):
    """No usable backend is installed, none of this name, or none for URLs of this ``scheme``."""

    def __init__(
        self, message: str, *, backend: str | None = None, scheme: str | None = None
    ) -> None:
        super().__init__(message, backend=backend)
        self.scheme = scheme


class AmbiguousBackendError(BackendError):
    """Several backends (``names``) are installed and no URL or variable chooses one."""

    def __init__(self, message: str, *, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.names: tuple[str, ...] = tuple(names)


class BackendVersionError(BackendError):
    """A backend, or ``cloaca`` itself, has version ``found``; the core has ``expected``."""

    def __init__(self, message: str, *, backend: str, found: str, expected: str) -> None:
        super().__init__(message, backend=backend)
        self.found = found
        self.expected = expected


class BackendUnusableError(BackendError):
    """The backend is installed but cannot work; the message gives the backend's reason."""


class BackendForcedError(BackendError, ValueError):
    """``CLOACA_BACKEND`` forces the backend ``forced`` and the URL is another's, ``wanted``."""

    def __init__(self, message: str, *, forced: str, wanted: str) -> None:
        super().__init__(message, backend=wanted)
        self.forced = forced
        self.wanted = wanted


class TenantError(CloacaError, RuntimeError):
    """A tenant could not be made, listed or removed. ``tenant`` is its name, or "" without one."""

    def __init__(self, message: str, *, tenant: str = "") -> None:
        super().__init__(message)
        self.tenant = tenant


class TenantNameError(TenantError, ValueError):
    """A tenant cannot have this name."""


class TransferError(CloacaError, RuntimeError):
    """A database could not be copied, backed up or imported as it is."""


class RunsInFlightError(TransferError):
    """Runs in the database have not ended, or are held by runners. ``runs`` is their number."""

    def __init__(self, message: str, *, runs: int) -> None:
        super().__init__(message)
        self.runs = runs


class StoreError(CloacaError, RuntimeError):
    """The database refused or failed an operation.

    ``database`` names the database: for a file its absolute path; never a password. None when it
    is not known, as for a URL that cannot be read. ``is_gone`` is true where the file was deleted,
    moved, replaced or emptied while it was open.
    """

    def __init__(self, message: str, *, database: str | None = None, is_gone: bool = False) -> None:
        super().__init__(message)
        self.database = database
        self.is_gone = is_gone


class StoreOpenError(StoreError, ValueError):
    """The database cannot be opened as given.

    ``reason`` is "missing" for a database that is not there, and that opening it to write would
    make; "unreachable" where a server cannot be reached or lets nobody in, so that the same call
    may succeed later; else "unfit".
    """

    def __init__(
        self, message: str, *, database: str | None = None, reason: OpenReason = "unfit"
    ) -> None:
        super().__init__(message, database=database)
        self.reason: OpenReason = reason


class NotADatabaseError(StoreOpenError):
    """The file is no database."""


class ForeignDatabaseError(StoreOpenError):
    """The database was made by another program, or by cloaca 0.x."""


class NewerSchemaError(StoreOpenError):
    """The database was migrated by a newer cloaca. ``found`` and ``known`` are schema numbers."""

    def __init__(self, message: str, *, found: int, known: int) -> None:
        super().__init__(message)
        self.found = found
        self.known = known


class StoreUnavailableError(StoreError):
    """Transient: the database is busy or cannot be reached; the same call may succeed later."""


class StoreFullError(StoreUnavailableError):
    """No space is left; work goes on when there is space again."""


class StoreReadOnlyError(StoreError):
    """The database cannot be written.

    ``is_unmade`` is true where it was opened to be looked at, and its schema or tables are missing
    or of an earlier version: opening it to write would make them.
    """

    def __init__(
        self, message: str, *, database: str | None = None, is_unmade: bool = False
    ) -> None:
        super().__init__(message, database=database)
        self.is_unmade = is_unmade


class StoreDataError(StoreError):
    """The database refuses a value; the rest of its batch may be stored without it."""
