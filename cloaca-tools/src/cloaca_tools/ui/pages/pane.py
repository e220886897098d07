"""The pane of the page of a run: all about the selected task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.values.wording import counted, duration
from cloaca_tools.ui.forms.schema_fields import Field, fields_of
from cloaca_tools.ui.pages.items import ItemPart, item_part, read_items
from cloaca_tools.ui.payloads import json_lines, tracebacks
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.runs.allowed_acts import ENDED
from cloaca_tools.ui.words.clock import seconds_between

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import AttemptInfo
    from cloaca_tools.ui.visit import Visit
    from cloaca_tools.views.lists.listing import RunLine
    from cloaca_tools.views.run.task_details import KeptValue, TaskDetails, TaskLook, TaskMessage
    from cloaca_tools.views.run.tree import RunTree, TaskNode

LINES: Final = 60
"""Lines of a log that show at first; a link shows the older ones."""
WIDE_LINES: Final = 1_000
"""As above, where the pane has the page."""
_ALL_LINES: Final = 10_000
_SOON: Final = 0.001
"""Least number of seconds that is shown."""
_OF_A_LIMIT: Final = " for a place of limit "
_FOR: Final = {"approval": " for a person", "event": " for an event"}
_SHOWN: Final = 100
"""Steps, messages and children that show at most."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The error of an attempt."""

    text: json_lines.Text
    traceback: tracebacks.Traceback
    whole: json_lines.Text


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt in the list: ``says`` is its error, or "same error" if the next attempt has it
    too, and ``waited`` the seconds until the next one began.
    """

    info: AttemptInfo
    says: str
    seconds: float | None
    waited: float | None


@dataclass(frozen=True, slots=True)
class Log:
    """The newest lines of an attempt; ``hidden`` counts those before. ``more`` is how many lines a
    link to older ones shows.
    """

    lines: tuple[LogLine, ...]
    hidden: int
    more: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A step, or a message, with its value as lines."""

    name: str
    detail: KeptValue | TaskMessage
    value: json_lines.Payload


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a task in this round; None where they are not known, or there are none."""

    queued: float | None
    ran: float | None
    waited: float | None


@dataclass(frozen=True, slots=True)
class Pane:
    """The content of the pane, of one task. Error, input, change and logs belong to ``attempt``.
    ``fields`` belong to an open approval, ``event`` is an event that can be sent,
    ``items`` are those of a map.
    """

    run: RunLine
    node: TaskNode
    details: TaskDetails
    attempt: AttemptInfo | None
    times: Times
    trouble: Trouble | None
    tries: tuple[Try, ...]
    steps: tuple[Shown, ...]
    messages: tuple[Shown, ...]
    input: json_lines.Payload | None
    changed: tuple[json_lines.Line, ...]
    changed_words: str
    result: json_lines.Payload | None
    log: Log
    why: str
    fields: tuple[Field, ...]
    decided: json_lines.Payload | None
    event: str | None
    children: tuple[RunTree, ...]
    items: ItemPart | None = None

    @property
    def task(self) -> str:
        """The id of the task."""
        return self.node.task_id

    @property
    def words(self) -> str:
        """Its effort: ``3 of 3 attempts · queued 1.6 s · ran 52 s``; of a map without attempts,
        which are those of its items.
        """
        count = sum(each.attempt >= self.details.first_attempt for each in _begun(self.details))
        most, kind = self.details.most_attempts, self.details.kind
        told = []
        if count and kind in (None, "task") and not self.node.is_map:
            is_over = most is None or self.node.status == "Completed"
            told.append(counted(count, "attempt") if is_over else _of_most(count, most or count))
        waited = "took" if kind in ("child", "loop") else "waited"
        for verb, seconds in (
            ("queued", self.times.queued),
            ("ran", self.times.ran),
            (waited, self.times.waited),
        ):
            if seconds is not None and seconds >= _SOON:
                whom = _FOR.get(str(kind), "") if verb == "waited" else ""
                told.append(f"{verb} {duration(seconds)}{whom}")
        return " · ".join(told)


def _of_most(count: int, most: int) -> str:
    if most <= 1 or count > most:
        return counted(count, "attempt")
    return f"{count} of {counted(most, 'attempt')}"


def selected(tree: RunTree, wanted: str = "") -> str:
    """The task that is selected: the one that is wanted, else the first that failed, waits or runs,
    else the last that has ended; "" for a run without tasks.
    """
    names = [each.task_id for each in tree.tasks]
    if wanted in names:
        return wanted
    for status in ("Failed", "Waiting", "Running"):
        for each in tree.tasks:
            if each.status == status:
                return each.task_id
    ended = [each for each in tree.tasks if each.ended_at is not None and each.status != "Skipped"]
    if ended:
        return max(ended, key=lambda each: each.ended_at or "").task_id
    return names[0] if names else ""


async def facts(
    visit: Visit, tree: RunTree, task: str = "", explanation: Explanation | None = None
) -> Pane | None:
    """The content of the pane for a task of this run, by default the task that ``selected``
    chooses; for its latest attempt, or the attempt in the address. None for a run without tasks.
    """
    name = selected(tree, task)
    node = next((each for each in tree.tasks if each.task_id == name), None)
    if node is None:
        return None
    explained = explanation is None and node.status not in ("Completed", "Failed", "Running")
    has_failed = node.status == "Failed"
    read = None
    if node.is_map:
        read = await read_items(visit, tree.run.id, name, has_failed=has_failed)
    item = None if read is None or read.found.item is None else read.found.item.index
    look = await visit.site.observer.look_at_task(
        tree.run.id, name, attempt=_attempt_asked(visit), explained=explained, item=item
    )
    log, why = _log(visit, look), _why(node, explanation or look.explanation, tree.run.id)
    shown = await visit.on_thread(
        shaped, tree, node, look.details, log, why, visit.site.redact, is_wide(visit)
    )
    if read is None:
        return shown
    read = replace(read, value=look.item)
    items = await item_part(visit, read, node.children, has_failed=has_failed)
    return replace(shown, items=items)


def is_wide(visit: Visit) -> bool:
    """Whether the pane has the whole page."""
    return visit.query("wide") == "on"


def shaped(
    tree: RunTree,
    node: TaskNode,
    details: TaskDetails,
    log: Log,
    why: str,
    redact: Redact,
    wide: bool = False,
) -> Pane:
    """The pane of what was read; a ``wide`` one has the page, and shows more of payloads."""
    attempt, change, question = _shown_attempt(details), details.change, details.question
    is_open = question is not None and question.is_open and tree.run.status not in ENDED
    given = None if change is None else change.input
    result = change.result if change is not None and change.status == "Completed" else None
    decision = details.decision
    has_map = any(each.is_map for each in tree.tasks)
    limit = json_lines.LIMIT_WIDE if wide else json_lines.LIMIT
    most = json_lines.LIMIT_BESIDE_MAPS if has_map and not wide else limit
    return Pane(
        run=tree.run,
        node=node,
        details=details,
        attempt=attempt,
        times=_times(tree, node, details),
        trouble=_trouble(attempt, redact),
        tries=tuple(_tries(details, redact)),
        steps=tuple([_kept(each, redact) for each in details.kept[:_SHOWN]]),
        messages=tuple([_message(each, redact) for each in details.messages[:_SHOWN]]),
        input=None if given is None else json_lines.payload(given, redact, most=most),
        changed=() if change is None else json_lines.changes(change.changes, redact, most=most),
        changed_words="" if change is None else json_lines.changed_words(change.changes),
        result=json_lines.payload(result, redact, most=most) if result else None,
        log=log,
        why=redact(why),
        fields=fields_of(question.schema) if question is not None and is_open else (),
        decided=_data(None if decision is None else decision.data, redact),
        event=_event(tree, node, details),
        children=node.children[-_SHOWN:] if node.kind == "loop" else node.children[:_SHOWN],
    )


def _attempt_asked(visit: Visit) -> int | None:
    text = visit.query("attempt")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise RefusedError(404, "There is no such attempt", "An attempt is named by its number.")
    return int(text)


def _shown_attempt(details: TaskDetails) -> AttemptInfo | None:
    """The attempt that the change is of; none for a task that was only skipped."""
    number = 0 if details.change is None else details.change.attempt
    return next((each for each in _begun(details) if each.attempt == number), None)


def _begun(details: TaskDetails) -> list[AttemptInfo]:
    """The attempts, without the marks of a task that was skipped."""
    return [each for each in details.attempts if each.status != "Skipped"]


# -- what it took --------------------------------------------------------------------------------


def _times(tree: RunTree, node: TaskNode, details: TaskDetails) -> Times:
    own = [each for each in _begun(details) if each.attempt >= details.first_attempt]
    first = own[0].started_at if own else None
    gaps = [gap for each in pairwise(own) if (gap := _between(*each)) is not None]
    if details.kind not in (None, "task"):
        return Times(None, None, node.seconds)
    ran = [each for each in map(_seconds, own) if each is not None]
    if node.status == "Running" and node.seconds is not None:
        ran.append(node.seconds)
    return Times(
        queued=None if own and own[0].crashes else seconds_between(_ready(tree, node), first),
        ran=sum(ran) if ran else None,
        waited=sum(gaps) if gaps else None,
    )


def _ready(tree: RunTree, node: TaskNode) -> str | None:
    """When a task could begin: after those that it depends on, with the round at the earliest."""
    ended = {each.task_id: each.ended_at for each in tree.tasks}
    found = [tree.run.started_at, *[ended.get(name) for name in node.depends_on]]
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) else None


def _seconds(attempt: AttemptInfo) -> float | None:
    return seconds_between(attempt.started_at, attempt.ended_at)


def _between(one: AttemptInfo, other: AttemptInfo) -> float | None:
    """Seconds between two attempts; None between two rounds: the run had ended."""
    if one.round != other.round:
        return None
    return seconds_between(one.ended_at, other.started_at)


def _tries(details: TaskDetails, redact: Redact) -> Iterator[Try]:
    """The attempts, newest first. The error of the one that is shown stands above the list."""
    newest_first = _begun(details)[::-1]
    shown = _shown_attempt(details)
    later: AttemptInfo | None = None
    for each in newest_first[:_SHOWN]:
        waited = None if later is None else _between(each, later)
        yield Try(each, _said(each, later, shown, redact), _seconds(each), waited)
        later = each


def _said(
    attempt: AttemptInfo, later: AttemptInfo | None, shown: AttemptInfo | None, redact: Redact
) -> str:
    """The error of an attempt in the list."""
    if attempt.error is None or attempt is shown:
        return ""
    if later is not None and later.error == attempt.error:
        return "same error"
    return json_lines.text(attempt.error, redact).text.strip().partition("\n")[0]


# -- what went wrong, and what it waits for ------------------------------------------------------


def _trouble(attempt: AttemptInfo | None, redact: Redact) -> Trouble | None:
    if attempt is None or attempt.error is None:
        return None
    whole = json_lines.text(attempt.traceback, redact)
    error = json_lines.text(attempt.error, redact)
    return Trouble(error, tracebacks.parsed(whole.text), whole)


def _why(node: TaskNode, explanation: Explanation | None, run_id: str) -> str:
    """Why a task is as it is, unless its state says it all."""
    if explanation is None or node.status in ("Completed", "Failed"):
        return ""
    if node.waits_for is not None:
        return ""  # the pane tells it with its times
    told = next((each.why for each in explanation.tasks if each.task_id == node.task_id), "")
    if node.status == "Running":  # the items of a map tell the rest
        parts = told.split("; ") if node.is_map else []
        limited = next((part for part in parts if _OF_A_LIMIT in part), "")
        return limited.replace(f"run {run_id}", "this run")
    return "" if told == node.status.lower() else told


def _event(tree: RunTree, node: TaskNode, details: TaskDetails) -> str | None:
    """The event that a waiting task would go on with."""
    if tree.run.status in ENDED or node.status != "Waiting":
        return None
    if node.waits_for is not None and node.waits_for.kind == "event":
        return node.waits_for.name or details.event
    return None


# -- values --------------------------------------------------------------------------------------


def _kept(kept: KeptValue, redact: Redact) -> Shown:
    name = redact(kept.name) or kept.kind
    number = f" {kept.number}" if kept.number > 1 else ""
    return Shown(f"{name}{number}", kept, json_lines.payload(kept.value, redact, kept.name))


def _message(message: TaskMessage, redact: Redact) -> Shown:
    return Shown(redact(message.name), message, json_lines.payload(message.payload, redact))


def _data(data: object, redact: Redact) -> json_lines.Payload | None:
    return None if data is None else json_lines.payload(data, redact)


def _log(visit: Visit, look: TaskLook) -> Log:
    """The newest lines of the attempt that is shown."""
    if _shown_attempt(look.details) is None or look.details.kind not in (None, "task"):
        return Log((), 0, 0)
    if visit.query("lines") == "all":
        return newest(look.log, _ALL_LINES)
    return newest(look.log, WIDE_LINES if is_wide(visit) else LINES)


def newest(lines: Sequence[LogLine], most: int) -> Log:
    """The newest ``most`` lines, as many as the limit of characters lets show."""
    left, first = json_lines.LIMIT * (1 if most == LINES else 8), len(lines)
    while first > max(len(lines) - most, 0) and left > 0:
        first -= 1
        left -= len(lines[first].message)
    return Log(tuple(lines[first:]), first, min(len(lines), _ALL_LINES))


async def task_of(visit: Visit, run_id: str, task: str) -> TaskDetails:
    """One task of a run, by name; refuses a name that is missing."""
    if not task:
        raise TaskNotFoundError("name a task: ?task=…", task_id="")
    return await visit.site.observer.task(run_id, task, attempt=_attempt_asked(visit))
