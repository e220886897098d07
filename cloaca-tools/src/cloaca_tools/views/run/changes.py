"""A task's input, the change it made in the context as a diff, and its result."""

from __future__ import annotations

import json
from asyncio import gather
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from cloaca_core.engine.observe.run_reader import with_begun
from cloaca_core.engine.orchestrate.adoption import defaults_of, keys_of, patches_of
from cloaca_core.errors import ContextValueError, TaskNotFoundError
from cloaca_core.run.contexts import Contexts
from cloaca_core.run.counting import counted_attempts
from cloaca_core.run.graph import plan_graph
from cloaca_core.run.merge import Change
from cloaca_core.run.restore import change_from_json
from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_core.values.states import TaskStatus as State
from cloaca_core.views.task_results import left_by, task_status_name
from cloaca_tools.masking import masked

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.run.graph import Node, NodeGraph
    from cloaca_core.run.rows import AttemptRow, ForkRow, ReplacementRow, RunRow
    from cloaca_core.values.payloads.redaction import Redact

LINES: Final = 400
"""Lines of a diff at most."""
COMPARED: Final = 4_000
"""Lines of both values that are compared line by line; that takes long for many."""
ChangeKind: TypeAlias = Literal["added", "changed", "removed"]
_FINAL: Final = (State.COMPLETED, State.FAILED, State.SKIPPED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class KeyChange(Shown):
    """A key that a task has ``added``, ``changed`` or ``removed``. ``before`` and ``after`` are
    None where there was, or is, no value. ``diff`` are lines with ``+``, ``-`` or a space before
    them, of the values as indented JSON.
    """

    key: str
    kind: ChangeKind
    before: Any
    after: Any
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskChange(Shown):
    """An attempt of a task: its ``input``, None where it cannot be told, and by key the changes
    that it made, none until it has completed. ``result`` are the keys that it set.
    """

    run_id: str
    task: str
    attempt: int
    status: TaskStatus
    input: Mapping[str, Any] | None
    changes: tuple[KeyChange, ...]
    result: Mapping[str, Any]
    error: str | None
    traceback: str | None


class Seen(NamedTuple):
    """The rows from which the input of an attempt is told: ``attempts`` are those that count,
    ``row`` is the attempt in question. ``graph`` is that of the definition, where it is made
    already: that takes long for many tasks.
    """

    run: RunRow
    row: AttemptRow
    attempts: Sequence[AttemptRow]
    definition: Workflow | RecordedWorkflow | None
    forks: Sequence[ForkRow]
    replacements: Sequence[ReplacementRow]
    graph: NodeGraph[Node] | None = None


async def read(engine: Looks, run_id: str, task: str, attempt: int | None) -> Seen:
    """All that an attempt of a task has seen and made; runs on the engine's loop."""
    store, reader = engine.store.together(), engine.reader
    begun = reader.begun(run_id)
    run, attempts, restarts, forks, replacements = await gather(
        reader.get_run(run_id, store),
        store.load_attempts([run_id]),
        store.restarts([run_id]),
        store.forks([run_id]),
        store.replacements([run_id]),
    )
    everything = with_begun(attempts, begun)
    found = {row.attempt: row for row in everything if row.task_id == task}
    number = max(found, default=None) if attempt is None else attempt
    if number is None or number not in found:
        which = "no attempt" if attempt is None else f"no attempt {attempt}"
        message = f"run {run_id} has {which} of a task {task!r}"
        raise TaskNotFoundError(message, task_id=task)
    return Seen(
        run=run,
        row=found[number],
        attempts=counted_attempts(everything, restarts),
        definition=await reader.definition(run),
        forks=forks,
        replacements=replacements,
    )


def task_change(seen: Seen) -> TaskChange:
    """The input, the change and the result of an attempt."""
    row = left_by(seen.row, seen.run)
    given = _input(seen)
    change = change_from_json(row.change or "{}")
    return TaskChange(
        run_id=seen.run.id,
        task=row.task_id,
        attempt=row.attempt,
        status=task_status_name(row),
        input=given,
        changes=tuple(_changes(given or {}, change)),
        result=dict(change.set),
        error=row.error,
        traceback=row.error_traceback,
    )


def _changes(given: Mapping[str, JsonValue], change: Change) -> Iterator[KeyChange]:
    """The changes by key. A key that is set to the value that it had is none."""
    for key, after in change.set.items():
        if key not in given:
            yield key_change(key, "added", None, after)
        elif given[key] != after:
            yield key_change(key, "changed", given[key], after)
    for key in change.removed:
        yield key_change(key, "removed", given.get(key), None)


def key_change(key: str, kind: ChangeKind, before: JsonValue, after: JsonValue) -> KeyChange:
    """A change of a key, with its diff."""
    old = () if kind == "added" else _lines(before)
    new = () if kind == "removed" else _lines(after)
    return KeyChange(key, kind, before, after, tuple(_diff(old, new)))


def masked_change(change: KeyChange, redact: Redact) -> KeyChange:
    """The change of the values without secrets. Its diff is made anew: it has them too."""
    key = redact(change.key)
    before, after = [masked(each, redact, change.key) for each in (change.before, change.after)]
    if (key, before, after) == (change.key, change.before, change.after):
        return change
    return key_change(key, change.kind, before, after)


def _lines(value: JsonValue) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")


def _diff(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The lines of both, with those around a difference; without the lines that name files."""
    if len(before) + len(after) > COMPARED:
        whole = [*[f"-{line}" for line in before], *[f"+{line}" for line in after]]
        return islice(whole, LINES)
    return islice(unified_diff(before, after, lineterm=""), 3, LINES)


def _input(seen: Seen) -> dict[str, JsonValue] | None:
    """The context that the attempt saw; None where its definition is not known, where what came
    before it counts no more, or where rows are damaged.
    """
    if seen.definition is None or seen.row not in seen.attempts:
        return None
    graph: NodeGraph[Node] = seen.graph or plan_graph(seen.definition)
    target = graph.position.get(seen.row.task_id)
    if target is None:
        return None
    try:
        return _walked(seen, graph, target)
    except ContextValueError:
        return None


def _walked(seen: Seen, graph: NodeGraph[Node], target: int) -> dict[str, JsonValue] | None:
    """Go through all tasks above the target, as the run did."""
    given = decode(seen.run.input)
    if not isinstance(given, dict):
        return None
    patches, replaced = patches_of(graph, seen.forks), keys_of(seen.replacements)
    contexts = Contexts(graph, {**given, **defaults_of(seen.replacements)}, patches, replaced)
    latest: dict[int, AttemptRow] = {}
    for row in seen.attempts:
        if (index := graph.position.get(row.task_id)) is not None:
            latest[index] = row
    for task in _above(graph, target):
        if task not in latest or latest[task].status not in _FINAL:
            return None
        row = latest[task]
        contexts.enter(task, row.replacements)
        done = row.status == State.COMPLETED
        contexts.leave(task, change_from_json(row.change or "{}") if done else None)
    contexts.enter(target, seen.row.replacements)
    return dict(contexts.given(target))


def _above(graph: NodeGraph[Node], target: int) -> list[int]:
    """The ancestors of a task, each after its own dependencies."""
    order: dict[int, None] = {}
    left = list(graph.dependencies[target])
    while left:
        task = left[-1]
        missing = [each for each in graph.dependencies[task] if each not in order]
        if missing:
            left += missing
        else:
            order[left.pop()] = None
    return list(order)
