"""``WorkflowBuilder``: a block in which ``@task`` functions become a workflow.

The block is all or nothing: its workflow is checked and registered when the block ends, and
nothing is registered when its body raised or the graph is invalid.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from cloaca_core.definition.limits.limit import LimitLike, LimitUse, limit_uses
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import (
    Collector,
    DeclaredTask,
    current_collector,
    no_open_block,
)
from cloaca_core.definition.task_block import Block
from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import DefinitionError, DefinitionTypeError, WorkflowValidationError
from cloaca_core.values.arguments import one_of, text, wrong_type
from cloaca_core.values.namespace import SEPARATOR, check_name
from cloaca_core.values.node import Node, Reference, is_reference
from cloaca_core.values.option_names import (
    ExhaustedPolicyName,
    MergeRuleName,
    VersionPolicyName,
)
from cloaca_core.values.payloads.json_values import normalise_key
from cloaca_core.values.queue_names import checked_queue
from cloaca_core.values.times.retention import Retention, read_retention
from cloaca_core.values.times.time_limits import TimeLimit, read_time_limit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from cloaca_core.definition.context import ContextLike
    from cloaca_core.definition.inputs.declared import Input
    from cloaca_core.definition.inputs.params import WorkflowParams
    from cloaca_core.definition.when_ended import WhenEnded
    from cloaca_core.values.option_names import RunStatus
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

_VERSION_POLICIES: Final[dict[str, VersionPolicyName]] = {"continue": "continue", "fail": "fail"}

_EXHAUSTED_POLICIES: Final[dict[str, ExhaustedPolicyName]] = {"fail": "fail", "pause": "pause"}

_MERGE_RULES: Final[dict[str, MergeRuleName]] = {
    "append": "append",
    "last": "last",
    "sum": "sum",
    "min": "min",
    "max": "max",
}

_Place: TypeAlias = "tuple[int, asyncio.Task[object] | None]"
"""Where code runs: its thread, and its asyncio task if it has one."""


class WorkflowBuilder:
    """Collects the tasks that are defined inside its ``with`` block.

    The workflow's full name is ``tenant::package::workflow``; these default to ``public``,
    ``embedded`` and ``name``. (A tenant here is only a name, it isolates nothing.) A second block
    of the same name replaces the workflow when it ends. ``registry`` defaults to the program's.
    """

    def __init__(
        self,
        name: str,
        *,
        tenant: str | None = None,
        package: str | None = None,
        workflow: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        self._name = check_name(name, "WorkflowBuilder(name=...)")
        self._namespace = SEPARATOR.join(
            (
                _part("tenant", tenant, default="public"),
                _part("package", package, default="embedded"),
                _part("workflow", workflow, default=self._name),
            )
        )
        self._registry = default_registry() if registry is None else _registry(registry)
        self._description = ""
        self._tags: dict[str, str] = {}
        self._time_limit: TimeLimit | None = None
        self._version_policy: VersionPolicyName = "continue"
        self._when_ended: list[WhenEnded] = []
        self._exhausted_policy: ExhaustedPolicyName = "fail"
        self._retention: Retention | None = None
        self._queue: str | None = None
        self._limits: tuple[LimitUse, ...] = ()
        self._input: Input | None = None
        self._merges: dict[str, MergeRuleName] = {}
        self._result: Workflow | None = None
        self._outer: Collector | None = None
        self._opened_in: _Place | None = None
        self._start()

    def _start(self) -> None:
        self._block = Block(self._namespace)
        self._named: set[str] = set()

    def __repr__(self) -> str:
        return f"WorkflowBuilder({self._namespace!r})"

    def description(self, description: str) -> Self:
        """Describe the purpose of the workflow."""
        self._description = text("description", description)
        return self

    def tag(self, key: str, value: str) -> Self:
        """Label the workflow; a key given again gets the new value."""
        self._tags[text("key", key)] = text("value", value)
        return self

    def time_limit(self, limit: Duration | NoLimit) -> Self:
        """Limit how long a run may take from its start, in seconds or as a timedelta, in place of
        ``pipeline_timeout_seconds``; ``cloaca.NO_LIMIT`` is for any time.
        """
        self._time_limit = read_time_limit("limit", limit)
        return self

    def version_policy(self, policy: VersionPolicyName) -> Self:
        """Say what becomes of a run that began under another version of the workflow: "continue",
        the default, goes on with it by the ids of its tasks; "fail" lets it fail, and its
        ``raise_for_status()`` raises ``VersionChangedError``. A run that has not begun runs under
        this version in either case, and one whose tasks are known to be the same goes on.
        """
        self._version_policy = one_of("version_policy", policy, _VERSION_POLICIES)
        return self

    def input(self, kind: type[object] | WorkflowParams) -> Self:
        """Declare the input of the workflow's runs: a dataclass, a ``TypedDict``, a pydantic model,
        or ``workflow_params(order_id=int, limit=(int, 10))``.

        An input that is not of this type is refused with ``InputError`` wherever a run is asked
        for, and ends a run before its first task. Then missing keys get their defaults. Other keys
        are let through. The type's JSON schema is recorded, and counts in the version.
        """
        # Imported here: few workflows declare one, and each module is time to the first result.
        from cloaca_core.definition.inputs.declared import input_of

        self._input = input_of(kind)
        return self

    def when_ended(
        self, statuses: RunStatus | Iterable[RunStatus], submit: str, context: ContextLike = None
    ) -> Self:
        """Have a run of the workflow ``submit`` follow each run that ends in one of ``statuses``:
        "Completed", "Failed" or "Cancelled". May be called several times.

        The commit that records such an end, wherever that is, inserts exactly one run, once in each
        round. Its input is ``context`` with ``run_id``, ``workflow_name``, ``status`` and ``error``
        of the run that has ended. It is no child of that run. A short name is that of a workflow of
        the same tenant and package.
        """
        # Imported here: few workflows ask for it, and each module is time to the first result.
        from cloaca_core.definition.when_ended import read_when_ended

        self._when_ended.append(read_when_ended(self._namespace, statuses, submit, context))
        return self

    def exhausted_policy(self, policy: ExhaustedPolicyName) -> Self:
        """Say what becomes of a run when one of its tasks has used up its attempts, or has failed
        with an error that is not retried: with "fail", the default, the task is Failed; with
        "pause" the run is Paused until it is resumed, and then the task has all its attempts anew.
        """
        self._exhausted_policy = one_of("exhausted_policy", policy, _EXHAUSTED_POLICIES)
        return self

    def retention(self, days: float | NoLimit) -> Self:
        """Say for how many days a run is kept when it has ended, in place of ``retention_days`` of
        the runners; ``cloaca.NO_LIMIT`` is for ever. It is recorded in the database and no part of
        the version. A run that another one has submitted is kept and goes with that one.
        """
        self._retention = read_retention("days", days)
        return self

    def queue(self, name: str) -> Self:
        """Have only runners that serve this queue run the tasks that name no other, in place of
        ``default``. A run that is submitted with a queue has that one instead.
        """
        self._queue = checked_queue("name", name)
        return self

    def limits(self, *limits: LimitLike) -> Self:
        """Have runs begin only as these limits allow, each a ``Limit``, its ``key(...)`` or its
        name. A run holds its places from its first start to its end, waiting included; until it has
        them it is Pending. Keys are those of its input. A run takes no place that a run above it
        has, nor does a task of a run that has it. May be called several times.
        """
        self._limits = limit_uses("limits", (*self._limits, *limits))
        return self

    def merge(self, key: str, rule: MergeRuleName) -> Self:
        """Say how the values of ``key`` are merged where branches that changed it meet, in place of
        the usual rules. "sum" adds what each branch added to the number that it found, "append"
        does so for the items of lists, "min" and "max" take the least or greatest number, and
        "last" the value of the dependency that is declared last. Other values let the task fail at
        which they meet, with ``MergeError``. May be called once for each key.
        """
        if text("key", key) in self._merges:
            raise DefinitionError(f"key {key!r} is merged by {self._merges[key]} already")
        self._merges[normalise_key(key)] = one_of("rule", rule, _MERGE_RULES)
        return self

    def add_task(self, task: Reference) -> Self:
        """Add a task of the registered workflow of this name to this block.

        A task that this block already defines is accepted without effect. Adding a task twice is
        a DefinitionError.
        """
        if not is_reference(task):
            raise DefinitionTypeError(
                "Task must be either a string task ID or a function object with __name__ "
                f"attribute, got {type(task).__name__}"
            )
        task_id = self._block.find(task) or self._take_in(task)
        if task_id is None:
            raise DefinitionError(
                f"Task '{_shown(task)}' not found in registry. "
                "Make sure it was decorated with @task."
            )
        if task_id in self._named:
            raise DefinitionError(
                f"Failed to add task: Duplicate task: {self._namespace}{SEPARATOR}{task_id}"
            )
        self._named.add(task_id)
        return self

    def _take_in(self, task: Reference) -> str | None:
        registered = self._registry.get(self._namespace)
        if registered is None:
            return None
        earlier = {each.id: DeclaredTask.again(each) for each in registered.tasks}
        known = Block(self._namespace)
        for declared in earlier.values():
            known.add(declared)
        task_id = known.find(task)
        if task_id is not None:
            self._block.add(earlier[task_id])
        return task_id

    def declare(self, declared: DeclaredTask) -> None:
        """Take a decorated function; ``@task`` calls this.

        Refuses threads and asyncio tasks started inside the block: they could declare a task
        after the block has ended and its workflow was made.
        """
        if self._opened_in != _here():
            raise no_open_block()
        self._block.add(declared)

    def build(self) -> Workflow:
        """The workflow of the tasks so far. Registers nothing: only the end of the block does."""
        return self._workflow("Failed to build workflow: ")

    @property
    def workflow(self) -> Workflow:
        """The workflow that the block made; available once the block has ended."""
        if self._result is None:
            raise DefinitionError(f"{self!r}.workflow is there once its block has ended")
        return self._result

    def _workflow(self, prefix: str) -> Workflow:
        try:
            return Workflow(
                namespace=self._namespace,
                name=self._name,
                tasks=self._block.tasks(),
                description=self._description,
                tags=self._tags,
                time_limit=self._time_limit,
                version_policy=self._version_policy,
                when_ended=self._when_ended,
                exhausted_policy=self._exhausted_policy,
                retention=self._retention,
                queue=self._queue,
                limits=self._limits,
                input_type=self._input,
                merges=self._merges,
            )
        except WorkflowValidationError as error:
            raise WorkflowValidationError(
                f"{prefix}{error}{self._hint(error.missing)}", missing=error.missing
            ) from None

    def _hint(self, missing: str | None) -> str:
        if missing is None or not self._registry.had_task(self._namespace, missing):
            return ""
        return (
            f"; an earlier block of this name had '{missing}', but a block defines its workflow "
            "anew and has to contain all its tasks"
        )

    # -- the block -------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._opened_in is not None:
            raise DefinitionError(f"The block of {self!r} is already open")
        self._start()
        self._opened_in = _here()
        self._result = None
        self._outer = current_collector.get()
        current_collector.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        current_collector.set(self._outer)
        self._outer = None
        self._opened_in = None
        if exc_type is None:
            self._result = self._workflow("Workflow validation failed: ")
            self._registry.register(self._result)


def _shown(task: Reference) -> str:
    if isinstance(task, str):
        return task
    return task.id if isinstance(task, Node) else task.__name__


def _here() -> _Place:
    return threading.get_ident(), _current_task()


def _current_task() -> asyncio.Task[object] | None:
    if "asyncio" not in sys.modules:  # then no loop runs, and the import takes time
        return None
    from asyncio import current_task

    try:
        return current_task()
    except RuntimeError:  # no loop runs in this thread
        return None


def _part(parameter: str, given: str | None, *, default: str) -> str:
    return default if given is None else check_name(given, f"WorkflowBuilder({parameter}=...)")


def _registry(value: object) -> Registry:
    if not isinstance(value, Registry):
        raise wrong_type("registry", "a Registry or None", value)
    return value
