"""A workflow: a checked, immutable graph of tasks with a name and a version.

It answers questions about its shape and draws it. The builder collects its tasks, the registry
finds it by name, the engine runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cloaca_core.definition import graph
from cloaca_core.definition.fingerprint import fingerprint
from cloaca_core.definition.queues import first_queue, named_queues
from cloaca_core.definition.rules import (
    Chosen,
    rule_choices,
    rule_tasks,
)
from cloaca_core.definition.task import Task
from cloaca_core.errors import TaskNotFoundError, WorkflowValidationError
from cloaca_core.values.arguments import nearest_name, text
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.option_names import (
    ExhaustedPolicyName,
    MergeRuleName,
    VersionPolicyName,
)
from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.values.times.retention import Retention
from cloaca_core.values.times.time_limits import TimeLimit

if TYPE_CHECKING:
    from cloaca_core.definition.inputs.declared import Input
    from cloaca_core.definition.limits.limit import Limit, LimitUse
    from cloaca_core.definition.waits.kinds import NodeWait
    from cloaca_core.definition.when_ended import WhenEnded

CYCLE_END: Final = 5
"""Number of tasks that a message names at each end of a long cycle."""


class Workflow:
    """A named graph of tasks, made by ``WorkflowBuilder`` from a block of ``@task`` functions."""

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        tasks: Sequence[Task],
        description: str = "",
        tags: Mapping[str, str] | None = None,
        time_limit: TimeLimit | None = None,
        version_policy: VersionPolicyName = "continue",
        when_ended: Sequence[WhenEnded] = (),
        exhausted_policy: ExhaustedPolicyName = "fail",
        retention: Retention | None = None,
        queue: str | None = None,
        limits: Sequence[LimitUse] = (),
        input_type: Input | None = None,
        merges: Mapping[str, MergeRuleName] | None = None,
    ) -> None:
        self._namespace = namespace
        self._name = name
        self._description = description
        self._tags = MappingProxyType(dict(tags or {}))
        self._tasks = {task.id: task for task in tasks}
        self._graph = {task.id: task.dependencies for task in tasks}
        self.validate()
        self._time_limit = time_limit
        self._version_policy: VersionPolicyName = version_policy
        self._when_ended = tuple(when_ended)
        self._exhausted_policy: ExhaustedPolicyName = exhausted_policy
        self._retention = retention
        self._queue = queue
        self.input: Final[Input | None] = input_type
        """The input that its runs must have; None for any."""
        self.input_schema: Final[dict[str, JsonValue] | None] = input_type and input_type.schema
        """The JSON schema of that input."""
        self.limits: Final[tuple[LimitUse, ...]] = tuple(limits)
        """The limits of its runs, in the order of their names; its tasks have their own."""
        self.defined_limits: Final[Mapping[str, Limit]] = _defined_limits(namespace, tasks, limits)
        """The limits that it defines by using them, by their names."""
        self.merges: Final[Mapping[str, MergeRuleName]] = MappingProxyType(dict(merges or {}))
        """The rules by which keys are merged that several branches have changed."""
        self.begins_in: Final[str] = first_queue(self, None)
        """The queue in which its runs begin, where their submission asks for none."""
        self.queues: Final[tuple[str, ...]] = named_queues(self)
        """The queues that it names, but for the usual one."""
        self._version = self._fingerprint()

    def _fingerprint(self) -> str:
        """Settings that were not given leave the version as it was before there were any. The
        version policy is about versions, and no part of them: a change of it changes no task. Nor
        does one of the retention.
        """
        definition: list[object] = [self.tasks, self._description, dict(self._tags)]
        if self._time_limit is not None:
            definition.append({"time_limit": self._time_limit})
        if self._when_ended:
            told = [[e.statuses, e.submit, encode(dict(e.context))] for e in self._when_ended]
            definition.append({"when_ended": told})
        if self._exhausted_policy != "fail":
            definition.append({"exhausted_policy": self._exhausted_policy})
        if self._queue is not None:
            definition.append({"queue": self._queue})
        if self.limits:
            definition.append({"limits": self.limits})
        if self.input is not None:
            definition.append({"input": self.input.text})
        if self.merges:
            definition.append({"merges": dict(self.merges)})
        return fingerprint(definition)

    def __repr__(self) -> str:
        return f"Workflow(name={self._name!r}, tasks={len(self._tasks)})"

    @property
    def namespace(self) -> str:
        """The full name: ``tenant::package::workflow``."""
        return self._namespace

    @property
    def name(self) -> str:
        """The name that the builder was given."""
        return self._name

    @property
    def description(self) -> str:
        """The purpose of the workflow; empty when none was given."""
        return self._description

    @property
    def tags(self) -> Mapping[str, str]:
        """The labels of the workflow, as a read-only mapping."""
        return self._tags

    @property
    def time_limit(self) -> float | NoLimit | None:
        """The seconds that a run may take; None when the runner decides."""
        return self._time_limit

    @property
    def version_policy(self) -> VersionPolicyName:
        """How runs that began under another version meet this one."""
        return self._version_policy

    @property
    def when_ended(self) -> tuple[WhenEnded, ...]:
        """The workflows of which a run follows the end of one of this."""
        return self._when_ended

    @property
    def exhausted_policy(self) -> ExhaustedPolicyName:
        """Whether a task that has used up its attempts fails, or pauses the run."""
        return self._exhausted_policy

    @property
    def retention(self) -> float | NoLimit | None:
        """The days for which ended runs are kept; None when the runner decides."""
        return self._retention

    @property
    def queue(self) -> str | None:
        """The queue of its tasks that name none; None for the usual one."""
        return self._queue

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks in definition order."""
        return tuple(self._tasks.values())

    @property
    def version(self) -> str:
        """16 hex digits: equal definitions have equal versions, bodies included."""
        return self._version

    def task(self, task_id: str) -> Task:
        """Return the task of this id, short or full; ``TaskNotFoundError`` when there is none."""
        text("task_id", task_id)
        found = self._tasks.get(task_id.removeprefix(self._namespace + SEPARATOR))
        if found is None:
            raise TaskNotFoundError(f"No task '{task_id}' in {self!r}", task_id=task_id)
        return found

    def validate(self) -> None:
        """Check the graph; always passes, since an invalid workflow cannot be made."""
        check_graph(self._namespace, self.tasks)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed in the definition and may be a mistake, one sentence each: rules that let
        a task run although a dependency failed, without mentioning it.
        """
        if all(task.rule is None for task in self._tasks.values()):
            return ()
        # Imported here: few workflows have rules, and each module is time to the first result.
        from cloaca_core.definition.ignored_failures import ignored_failures

        return tuple(map(str, ignored_failures(self.tasks)))

    # -- shape -----------------------------------------------------------------------------------

    def topological_sort(self) -> list[str]:
        """Full names of the tasks, each after its dependencies."""
        return self._full(graph.topological_order(self._graph))

    def get_execution_levels(self) -> list[list[str]]:
        """Full names grouped by level; the tasks of a level can run at the same time."""
        return [self._full(level) for level in graph.levels(self._graph)]

    def get_roots(self) -> list[str]:
        """Full names of the tasks without dependencies."""
        return self._full(graph.roots(self._graph))

    def get_leaves(self) -> list[str]:
        """Full names of the tasks that no other depends on."""
        return self._full(graph.leaves(self._graph))

    def _full(self, task_ids: Iterable[str]) -> list[str]:
        return [f"{self._namespace}{SEPARATOR}{task_id}" for task_id in task_ids]

    # -- drawings --------------------------------------------------------------------------------

    def to_mermaid(self) -> str:
        """Draw the graph as a Mermaid flowchart; nodes that wait are hexagons."""
        from cloaca_core.definition.drawings import mermaid  # few programs draw

        return mermaid(self.tasks)

    def to_dot(self) -> str:
        """Draw the graph in the language of Graphviz; nodes that wait are hexagons."""
        from cloaca_core.definition.drawings import dot

        return dot(self._name, self.tasks)


def _defined_limits(
    namespace: str, tasks: Sequence[Task], of_runs: Sequence[LimitUse]
) -> Mapping[str, Limit]:
    if not of_runs and not any(task.limits for task in tasks):
        return {}
    # Imported here: few workflows have limits, and each module is time to the first result.
    from cloaca_core.definition.limits.known import limits_of

    return limits_of(namespace, tasks, of_runs)


# -- validation ----------------------------------------------------------------------------------


def check_graph(namespace: str, tasks: Sequence[Task]) -> None:
    """Raise ``WorkflowValidationError`` for the first fault of the graph."""
    if not tasks:
        raise WorkflowValidationError("Workflow cannot be empty")
    waits = {task.id: task.wait for task in tasks}
    dependencies = {task.id: task.dependencies for task in tasks}
    _check_dependencies(namespace, dependencies)
    _check_cycles(namespace, dependencies)
    for task in tasks:
        if task.rule is not None:
            _check_rule(namespace, task.id, rule_tasks(task.rule), dependencies)
            for condition in rule_choices(task.rule):
                _check_choice(namespace, task.id, condition, waits[condition.task])


def _check_dependencies(namespace: str, dependencies: graph.Graph) -> None:
    found = graph.find_missing(dependencies)
    if found is not None:
        task_id, missing = found
        near = nearest_name(missing, dependencies)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise WorkflowValidationError(
            f"Missing dependency: task '{_full(namespace, task_id)}' depends on "
            f"'{_full(namespace, missing)}' which is not registered{hint}",
            missing=missing,
        )


def _check_cycles(namespace: str, dependencies: graph.Graph) -> None:
    cycle = graph.find_cycle(dependencies)
    if cycle is not None:
        path = [_full(namespace, task_id) for task_id in cycle]
        raise WorkflowValidationError(f"Circular dependency detected: {_shown_cycle(path)}")


def _shown_cycle(path: Sequence[str]) -> str:
    """The path as a list; a long one as both ends and its number of tasks."""
    if len(path) <= 2 * CYCLE_END:
        return json.dumps(path, ensure_ascii=False)
    ends = [*path[:CYCLE_END], "…", *path[-CYCLE_END:]]
    return f"{json.dumps(ends, ensure_ascii=False)} ({len(path) - 1} tasks)"


def _check_rule(
    namespace: str, task_id: str, named: Iterable[str], dependencies: graph.Graph
) -> None:
    """Refuse a rule about a task that may end later, or never: it could wait for ever."""
    unknown = set(named).difference(dependencies[task_id])
    for name in sorted(unknown and unknown - graph.ancestors(dependencies, task_id)):
        told = "not one of its direct or transitive dependencies"
        if name not in dependencies:
            near = nearest_name(name, dependencies)
            told = "no task of the workflow" + (f" (did you mean {near!r}?)" if near else "")
        raise WorkflowValidationError(
            "@cloaca.task(trigger_rules=...): invalid trigger rule: task "
            f"'{_full(namespace, task_id)}' names '{_full(namespace, name)}', which is {told}"
        )


def _check_choice(namespace: str, task_id: str, condition: Chosen, wait: NodeWait | None) -> None:
    """Refuse a condition about a choice that cannot be made."""
    choices = wait.choices if wait is not None and wait.kind == "approval" else ()
    if condition.choice in choices:
        return
    has = f"has the choices {', '.join(choices)}" if choices else "is no approval"
    raise WorkflowValidationError(
        "@cloaca.task(trigger_rules=...): invalid trigger rule: task "
        f"'{_full(namespace, task_id)}' asks for the choice {condition.choice!a:.80} of "
        f"'{_full(namespace, condition.task)}', which {has}"
    )


def _full(namespace: str, name: str) -> str:
    """The full name of a task id; a name that is full already stays as it is."""
    return name if SEPARATOR in name else f"{namespace}{SEPARATOR}{name}"
