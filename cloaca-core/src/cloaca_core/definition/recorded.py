"""A workflow without its code: what its runner records of it, for programs that lack the code.

A runner writes ``content(workflow)`` into the table of definitions when it registers the workflow
(``features/definitions/recorder.py``). ``RecordedWorkflow.read`` makes of it the shape that others
ask for (``features/definitions/recorded_definitions.py``): to submit a run, to show its tasks, to
plan what would run again. Nothing here can be executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, cast

from cloaca_core.definition.maps.options import RecordedMap, read_map, written_map
from cloaca_core.definition.queues import first_queue, named_queues
from cloaca_core.definition.retries.condition import RetryCondition
from cloaca_core.definition.retries.policy import BackoffStrategy, RetryPolicy
from cloaca_core.definition.rules import Rule
from cloaca_core.definition.version_change import fingerprints
from cloaca_core.definition.waits.record import read_wait, written_wait
from cloaca_core.definition.written_rules import (
    parse_rule,
    to_dict,
)
from cloaca_core.values.definition_rows import WhenEndedRow
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_values import JsonValue, decode, encode
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD, NoLimit

if TYPE_CHECKING:
    from cloaca_core.definition.limits.limit import LimitUse
    from cloaca_core.definition.retries.condition import Condition
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.waits.kinds import NodeWait
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.values.definition_rows import DefinitionRow
    from cloaca_core.values.option_names import ExhaustedPolicyName, MergeRuleName

RetriedErrors: TypeAlias = Literal["never", "transient", "all", "pattern", "classes", "function"]
"""How a policy chooses the errors that it retries; the last two choose by code."""

TASK: Final = "task"
"""The kind of a node whose body is a function; other nodes have the kind of their ``wait``."""


@dataclass(frozen=True, slots=True)
class RecordedRetry:
    """A retry policy. ``names`` are the patterns or the classes of the errors that are retried."""

    max_attempts: int
    initial_delay: float
    max_delay: float
    with_jitter: bool
    backoff: BackoffStrategy
    errors: RetriedErrors
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """One node. ``rule`` and ``timeout_seconds`` mean what they mean in ``Task``; its digest,
    body included, is ``fingerprint``: None in a record of an earlier version of cloaca.
    """

    id: str
    kind: str
    dependencies: tuple[str, ...]
    retry: RecordedRetry
    timeout_seconds: float | NoLimit | None
    rule: Rule | None
    is_async: bool
    fingerprint: str | None = None
    wait: NodeWait | None = None
    executor: str | None = None
    map: RecordedMap | None = None
    queue: str | None = None
    limits: tuple[LimitUse, ...] = ()
    invokes: str | None = None
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class RecordedWorkflow:
    """A version of a workflow; ``tasks`` are in definition order. ``recorded_at`` is when a program
    recorded it first, in µs. Its runs begin in the queue ``begins_in`` if none is asked for. Their
    inputs match ``input_schema``; None for any input.
    """

    namespace: str
    name: str
    version: str
    tasks: tuple[RecordedTask, ...]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    exhausted_policy: ExhaustedPolicyName = "fail"
    queue: str | None = None
    limits: tuple[LimitUse, ...] = ()
    input_schema: dict[str, JsonValue] | None = None
    merges: Mapping[str, MergeRuleName] = field(default_factory=lambda: MappingProxyType({}))
    recorded_at: int = field(default=0, compare=False)
    begins_in: str = field(init=False, compare=False)
    queues: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins_in", first_queue(self, None))
        object.__setattr__(self, "queues", named_queues(self))

    @property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """For each task the ids that it depends on, as ``definition.graph`` takes it."""
        return {task.id: task.dependencies for task in self.tasks}

    @property
    def fingerprints(self) -> dict[str, str] | None:
        """The fingerprint of each task; None unless all are known."""
        known = {task.id: task.fingerprint for task in self.tasks if task.fingerprint is not None}
        return known if len(known) == len(self.tasks) else None

    @classmethod
    def read(cls, row: DefinitionRow) -> Self:
        """The workflow of a row. Members that this version does not know are left out."""
        read = cast("dict[str, Any]", decode(row.content))
        return cls(
            namespace=row.workflow,
            name=row.name,
            version=row.version,
            tasks=tuple([_task(each) for each in read["tasks"]]),
            description=read["description"],
            tags=MappingProxyType(read["tags"]),
            exhausted_policy=read.get("exhausted_policy", "fail"),
            queue=read.get("queue"),
            limits=_limits(read),
            input_schema=read.get("input"),
            merges=MappingProxyType(read.get("merges", {})),
            recorded_at=row.recorded_at,
        )


# -- writing -------------------------------------------------------------------------------------


def content(workflow: Workflow) -> str:
    """The JSON of a workflow; its names and its version are columns of their own."""
    known = fingerprints(workflow)
    written: dict[str, JsonValue] = {
        "description": workflow.description,
        "tags": dict(workflow.tags),
        "exhausted_policy": workflow.exhausted_policy,
        "tasks": [_written_task(task, known[task.id]) for task in workflow.tasks],
    }
    if workflow.queue is not None:
        written["queue"] = workflow.queue
    if workflow.limits:
        written["limits"] = _written_limits(workflow.limits)
    if workflow.input is not None:
        written["input"] = workflow.input.schema
    if workflow.merges:
        written["merges"] = dict(workflow.merges)
    return encode(written)


def when_ended_rows(workflow: Workflow) -> tuple[WhenEndedRow, ...]:
    """The rows from which any program that ends a run of a workflow makes the run that follows."""
    name = short_name(workflow.namespace)
    return tuple(
        [
            WhenEndedRow(
                workflow.namespace,
                workflow.version,
                place,
                status,
                each.submit,
                encode({**each.context, "workflow_name": name}),
            )
            for place, each in enumerate(workflow.when_ended)
            for status in each.statuses
        ]
    )


def _written_task(task: Task, fingerprint: str) -> dict[str, JsonValue]:
    limit = task.timeout_seconds
    written: dict[str, JsonValue] = {
        "id": task.id,
        "kind": TASK,
        "dependencies": list(task.dependencies),
        "retry": _written_retry(task.retry),
        "timeout_seconds": WORD if isinstance(limit, NoLimit) else limit,
        "trigger_rules": None if task.rule is None else to_dict(task.rule),
        "is_async": task.is_async,
        "fingerprint": fingerprint,
    }
    if task.wait is not None:
        written |= {"kind": task.wait.kind, "wait": written_wait(task.wait)}
    if task.executor is not None:
        written["executor"] = task.executor
    if task.map is not None:
        written["map"] = written_map(task.map)
    if task.queue is not None:
        written["queue"] = task.queue
    if task.limits:
        written["limits"] = _written_limits(task.limits)
    if task.invokes is not None:
        written["invokes"] = task.invokes
    if task.transactional:
        written["transactional"] = True
    return written


def _written_limits(limits: Sequence[LimitUse]) -> JsonValue:
    from cloaca_core.definition.limits.records import written_uses  # few workflows have limits

    return written_uses(limits)


def _written_retry(policy: RetryPolicy) -> dict[str, JsonValue]:
    errors, names = _written_condition(policy.condition)
    return {
        "max_attempts": policy.max_attempts,
        "initial_delay": policy.initial_delay,
        "max_delay": policy.max_delay,
        "with_jitter": policy.with_jitter,
        "backoff": {
            "kind": policy.backoff.kind,
            "multiplier": policy.backoff.multiplier,
            "base": policy.backoff.base,
        },
        "errors": errors,
        "names": list(names),
    }


def _written_condition(condition: Condition) -> tuple[RetriedErrors, Sequence[str]]:
    match condition:
        case RetryCondition():
            return condition.kind, condition.patterns
        case tuple():
            return "classes", [each.__qualname__ for each in condition]
        case _:
            return "function", ()


# -- reading -------------------------------------------------------------------------------------


def _task(read: Mapping[str, Any]) -> RecordedTask:
    limit, rule = read["timeout_seconds"], read["trigger_rules"]
    return RecordedTask(
        id=read["id"],
        kind=read["kind"],
        dependencies=tuple(read["dependencies"]),
        retry=_retry(read["retry"]),
        timeout_seconds=NO_LIMIT if limit == WORD else limit,
        rule=None if rule is None else parse_rule(rule),
        is_async=read["is_async"],
        fingerprint=read.get("fingerprint"),
        wait=read_wait(read["kind"], read["wait"]) if "wait" in read else None,
        executor=read.get("executor"),
        map=read_map(read["map"]) if "map" in read else None,
        queue=read.get("queue"),
        limits=_limits(read),
        invokes=read.get("invokes"),
        transactional=read.get("transactional", False),
    )


def _limits(read: Mapping[str, Any]) -> tuple[LimitUse, ...]:
    if "limits" not in read:
        return ()
    from cloaca_core.definition.limits.records import read_uses  # few workflows have limits

    return read_uses(read["limits"])


def _retry(read: Mapping[str, Any]) -> RecordedRetry:
    backoff = read["backoff"]
    return RecordedRetry(
        max_attempts=read["max_attempts"],
        initial_delay=read["initial_delay"],
        max_delay=read["max_delay"],
        with_jitter=read["with_jitter"],
        backoff=BackoffStrategy(backoff["kind"], backoff["multiplier"], backoff["base"]),
        errors=read["errors"],
        names=tuple(read["names"]),
    )
