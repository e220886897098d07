"""The details of one task: its attempts, its change, kept values, messages and decisions.

Reads the rows of a run once, for any number of its tasks.
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from cloaca_core.definition.waits.kinds import Approval, WaitFor
from cloaca_core.engine.observe.run_reader import with_begun
from cloaca_core.errors import ContextValueError, TaskNotFoundError
from cloaca_core.features.task_logs.operations import lines_of
from cloaca_core.features.task_logs.run_logs import Wanted, chunks_read
from cloaca_core.features.waits.decisions import asked_in, decided_in
from cloaca_core.run.counting import counted_attempts, first_attempts
from cloaca_core.run.graph import plan_graph
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.payloads.json_places import at_path
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.waits import APPROVAL, EVENT
from cloaca_core.views.explain.answer import explanation
from cloaca_core.views.history import AttemptInfo, attempt_infos
from cloaca_core.views.run_past import History, messages_of
from cloaca_tools.views.run.changes import Seen, TaskChange, task_change
from cloaca_tools.views.run.tree import kind_of

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store
    from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.features.explain.facts import Facts
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.features.task_logs.records import LogChunk
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.graph import Node, NodeGraph
    from cloaca_core.run.rows import (
        AttemptRow,
        ForkRow,
        ReplacementRow,
        RestartRow,
        RoundRow,
        RunRow,
    )
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.store.runner_rows import RunnerName
    from cloaca_core.views.explain.explanation import Explanation

LINES: Final = 10_000
"""Lines of the log of an attempt at most."""


@dataclass(frozen=True, slots=True)
class KeptValue(Shown):
    """A value that a body gets again when it runs again: ``kind`` is ``step``, or that of a wait
    which is over. ``counts`` is False for one that was kept for another input of the task, None
    where that cannot be told.
    """

    kind: str
    name: str
    number: int
    attempt: int
    at: str
    value: Any
    counts: bool | None


@dataclass(frozen=True, slots=True)
class TaskMessage(Shown):
    """A message that a task has taken, or that waits for it. ``kind`` is event or approval."""

    kind: str
    name: str
    payload: Any
    sent_by: str | None
    sent_at: str
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Question(Shown):
    """What an approval asks: ``schema`` is that of the data that go with a choice. ``is_open``
    while it waits for an answer, since ``opened_at``, until ``expires_at`` where that has an end.
    ``name`` is what ``approve`` takes: of a question in a body not the task's. ``item`` is the
    index of the item of a map whose body asks; of several, of the first without an answer.
    """

    name: str
    prompt: str
    choices: tuple[str, ...]
    schema: Mapping[str, Any] | None
    opened_at: str | None
    expires_at: str | None
    is_open: bool
    item: int | None = None


@dataclass(frozen=True, slots=True)
class TaskDecision(Shown):
    """The answer to an approval. ``by`` is None for the choice that a timeout has made."""

    choice: str
    by: str | None
    at: str | None
    note: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class TaskDetails(Shown):
    """A task of a run. ``attempts`` are all, of all rounds, oldest first; ``change`` is that of one
    attempt, None for a task without any. ``most_attempts`` bounds the attempts of a round, and
    ``event`` is the one that a node waits for; None where they are not known.
    """

    run_id: str
    task: str
    kind: str | None
    event: str | None
    most_attempts: int | None
    first_attempt: int
    attempts: tuple[AttemptInfo, ...]
    change: TaskChange | None
    kept: tuple[KeptValue, ...]
    messages: tuple[TaskMessage, ...]
    question: Question | None
    decision: TaskDecision | None


class TaskLook(NamedTuple):
    """A task of a run with the log of the attempt; with the explanation of the run on request. Of a
    map ``item`` has the value of the item that was asked for, and is empty where it is not known.
    """

    details: TaskDetails
    log: Sequence[LogLine]
    explanation: Explanation | None
    item: tuple[JsonValue] | tuple[()] = ()


class Rows(NamedTuple):
    """The rows of a run that its tasks are told from; ``memos`` are those of ``tasks`` alone."""

    tasks: Sequence[str]
    attempt: int | None
    run: RunRow
    attempts: Sequence[AttemptRow]
    restarts: Sequence[RestartRow]
    rounds: Sequence[RoundRow]
    definition: Workflow | RecordedWorkflow | None
    forks: Sequence[ForkRow]
    replacements: Sequence[ReplacementRow]
    waits: Sequence[WaitRow]
    messages: Sequence[MessageRow]
    memos: Mapping[str, Sequence[MemoRow]]
    names: Sequence[RunnerName] = ()

    @property
    def nodes(self) -> Mapping[str, Task | RecordedTask]:
        """The tasks of the definition by id."""
        return {} if self.definition is None else {each.id: each for each in self.definition.tasks}


class Close(NamedTuple):
    """The rows of one task, of the log of the attempt, and of an explanation of the run. ``item``
    is the index of an item of a map whose value is asked for.
    """

    rows: Rows
    wanted: Wanted
    chunks: Sequence[LogChunk]
    facts: Facts | None
    item: int | None = None


async def read(engine: Looks, run_id: str, tasks: Collection[str], attempt: int | None) -> Rows:
    """All that is known of tasks of a run, of an attempt or (None) the latest; runs on the engine's
    loop.
    """
    store = engine.store.together()
    rows = await _rows(engine, store, run_id, tasks, attempt)
    return await _named(engine, store, rows)


async def read_closely(
    engine: Looks,
    run_id: str,
    task: str,
    attempt: int | None,
    *,
    explained: bool,
    item: int | None = None,
) -> Close:
    """The same of one task, with the log of the attempt; with facts if it is to be explained."""
    store = engine.store.together()
    rows, facts = await gather(
        _rows(engine, store, run_id, [task], attempt),
        _facts(engine, run_id, store, explained=explained),
    )
    own = [row.attempt for row in rows.attempts if row.task_id == task]
    shown = max(own, default=0) if attempt is None else attempt
    wanted = Wanted(run_id, task, shown, 0, LINES)
    named, chunks = await gather(_named(engine, store, rows), chunks_read(store, wanted))
    return Close(named, wanted, chunks, facts, item)


async def _rows(
    engine: Looks, store: Store, run_id: str, tasks: Collection[str], attempt: int | None
) -> Rows:
    begun = engine.reader.begun(run_id)
    of_run = gather(store.forks([run_id]), store.replacements([run_id]), store.waits([run_id]))
    run, attempts, again, (forks, replacements, waits), messages, memos = await gather(
        engine.reader.get_run(run_id, store),
        store.load_attempts([run_id]),
        gather(store.restarts([run_id]), store.rounds(run_id)),
        of_run,
        messages_of(store, run_id),
        gather(*[store.memos(run_id, task) for task in tasks]),
    )
    restarts, rounds = again
    return Rows(
        tasks=list(tasks),
        attempt=attempt,
        run=run,
        attempts=with_begun(attempts, begun),
        restarts=restarts,
        rounds=[each for each in rounds if each.round < run.round],
        definition=None,
        forks=forks,
        replacements=replacements,
        waits=[] if run.ended_at is not None else waits,
        messages=messages,
        memos=dict(zip(tasks, memos, strict=True)),
    )


async def _named(engine: Looks, store: Store, rows: Rows) -> Rows:
    """With the definition, and the names of the runners."""
    own = [row for row in rows.attempts if row.task_id in rows.tasks]
    definition, names = await gather(
        engine.definitions.of_run(rows.run, store), engine.reader.names(own, store)
    )
    return rows._replace(definition=definition, names=names)


async def _facts(engine: Looks, run_id: str, store: Store, *, explained: bool) -> Facts | None:
    return await engine.explainer.facts(run_id, store) if explained else None


def task_look(close: Close) -> TaskLook:
    """One task with its log, and with the explanation of the run on request."""
    details = task_details(close.rows)[0]
    return TaskLook(
        details=details,
        log=lines_of(close.wanted)(close.chunks),
        explanation=None if close.facts is None else explanation(close.facts),
        item=() if close.item is None else _item(close.rows, details, close.item),
    )


def _item(rows: Rows, details: TaskDetails, index: int) -> tuple[JsonValue] | tuple[()]:
    """The value of an item of a map; empty where the context that the map saw is not known."""
    node = rows.nodes.get(details.task)
    known = None if details.change is None else details.change.input
    if node is None or node.map is None or node.map.path is None or known is None:
        return ()
    data = at_path(known, node.map.path).value
    values = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(values, list) or index >= len(values):
        return ()
    return (values[index],)


def task_details(rows: Rows) -> tuple[TaskDetails, ...]:
    """The details of each requested task, in that order."""
    nodes, first = rows.nodes, first_attempts(rows.restarts)
    counting = counted_attempts(rows.attempts, rows.restarts)
    graph = None if rows.definition is None else plan_graph(rows.definition)
    past = _Past(counting, graph)
    return tuple([_details(rows, task, nodes, past, first.get(task, 1)) for task in rows.tasks])


class _Past(NamedTuple):
    """The attempts that count, and the graph of the definition."""

    counting: Sequence[AttemptRow]
    graph: NodeGraph[Node] | None


def _details(
    rows: Rows,
    task: str,
    nodes: Mapping[str, Task | RecordedTask],
    past: _Past,
    first: int,
) -> TaskDetails:
    own = [row for row in rows.attempts if row.task_id == task]
    node = nodes.get(task)
    if node is None and not own:
        raise TaskNotFoundError(f"run {rows.run.id} has no task {task!r}", task_id=task)
    change = _change(rows, task, own, past)
    waits = [each for each in rows.waits if each.task_id == task]
    wait = None if node is None else node.wait
    question = _question(task, node, waits)
    return TaskDetails(
        run_id=rows.run.id,
        task=task,
        kind=kind_of(node),
        event=wait.event if isinstance(wait, WaitFor) else None,
        most_attempts=None if node is None or wait is not None else max(node.retry.max_attempts, 1),
        first_attempt=first,
        attempts=_attempts(rows, task, own),
        change=change,
        kept=tuple(_kept(rows.memos.get(task, ()), change)),
        messages=tuple(_told(rows.messages, task, {w.name for w in waits if w.kind == EVENT})),
        question=question,
        decision=_decision(rows, task, question, change),
    )


def _attempts(rows: Rows, task: str, own: Sequence[AttemptRow]) -> tuple[AttemptInfo, ...]:
    restarts = [each for each in rows.restarts if each.task_id == task]
    past = History(rows.run, list(own), restarts, list(rows.rounds), [], names=rows.names)
    return tuple(attempt_infos(past, [task]))


def _change(rows: Rows, task: str, own: Sequence[AttemptRow], past: _Past) -> TaskChange | None:
    found = {row.attempt: row for row in own}
    if rows.attempt is not None and rows.attempt not in found:
        message = f"run {rows.run.id} has no attempt {rows.attempt} of a task {task!r}"
        raise TaskNotFoundError(message, task_id=task)
    if not found:
        return None
    row = found[max(found) if rows.attempt is None else rows.attempt]
    definition, forks = rows.definition, rows.forks
    seen = Seen(rows.run, row, past.counting, definition, forks, rows.replacements, past.graph)
    return task_change(seen)


def _kept(memos: Sequence[MemoRow], change: TaskChange | None) -> list[KeptValue]:
    """The values in the order in which they were kept."""
    known = None if change is None else change.input
    current = None if known is None else digest_of(cast("JsonValue", known))
    return [
        KeptValue(
            kind=memo.kind,
            name=memo.name,
            number=memo.number,
            attempt=memo.attempt,
            at=rfc3339(memo.created_at),
            value=_value(memo.value),
            counts=None if current is None else memo.input_hash == current,
        )
        for memo in sorted(memos, key=lambda memo: memo.created_at)
    ]


def _told(messages: Sequence[MessageRow], task: str, awaited: set[str]) -> list[TaskMessage]:
    """The events that a task has taken, and the events that wait for it."""
    return [
        TaskMessage(
            kind=each.kind,
            name=each.name,
            payload=_value(each.payload),
            sent_by=each.sent_by or None,
            sent_at=rfc3339(each.sent_at),
            is_taken=each.taken_by is not None,
        )
        for each in messages
        if each.kind == EVENT
        and (
            each.taken_by == task
            or (each.taken_by is None and each.name in awaited and each.for_task in (None, task))
        )
    ]


def _question(
    task: str, node: Task | RecordedTask | None, waits: Sequence[WaitRow]
) -> Question | None:
    """The question of an approval: from its open wait, else from its definition."""
    asked = [each for each in waits if each.kind == APPROVAL]
    undecided = [each for each in asked if not each.timed_out and not each.answered]
    opened = next(iter(undecided or asked), None)
    wait = None if node is None else node.wait
    if opened is not None:
        prompt, choices, schema, _ = asked_in(opened.detail)
    elif isinstance(wait, Approval):
        prompt, choices = wait.prompt, wait.choices
        schema = None if wait.schema is None else dict(wait.schema)
    else:
        return None
    name = task if opened is None else opened.name
    return Question(
        name=name,
        prompt=prompt,
        choices=tuple(choices),
        schema=schema,
        opened_at=None if opened is None else rfc3339(opened.opened_at),
        expires_at=None if opened is None else rfc3339_or_none(opened.due_at),
        is_open=bool(undecided),
        item=None if opened is None or opened.item == THE_TASK else opened.item,
    )


def _decision(
    rows: Rows, task: str, question: Question | None, change: TaskChange | None
) -> TaskDecision | None:
    """The answer that counts: the last one sent, else that which a timeout has recorded."""
    if question is None or question.is_open:
        return None
    name = question.name
    sent = [each for each in rows.messages if each.kind == APPROVAL and each.name == name]
    if sent:
        found, told = _value(sent[-1].payload), decided_in(sent[-1].payload)
        data = found.get("data") if isinstance(found, dict) else None
        by = told.by or sent[-1].sent_by or None
        return TaskDecision(told.choice, by, rfc3339(sent[-1].sent_at), told.note, data)
    recorded = None if change is None else change.result.get(task)
    if not isinstance(recorded, dict) or not isinstance(recorded.get("choice"), str):
        return None
    at = recorded.get("at")
    return TaskDecision(recorded["choice"], None, at if isinstance(at, str) else None, None, None)


def _value(text: str) -> Any:
    """A value of a row; of a damaged one its text."""
    try:
        return decode(text)
    except ContextValueError:
        return text
