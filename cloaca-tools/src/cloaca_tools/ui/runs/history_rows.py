"""The history of a run in words, a row for each event and act. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.words.texts import first_error, times

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.views.run.history import Happening

MOST: Final = 200
"""Rows of the list, the newest."""
_ASKED: Final[Mapping[str, str]] = {
    "created": "started the run",
    "cancel_requested": "cancelled the run",
    "paused": "paused the run",
    "resumed": "resumed the run",
    "retried": "retried the run",
    "forked": "forked the run",
    "expired": "let the run expire",
    "sent": "sent",
    "approved": "decided",
}
"""The acts of people, after their names."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """``state`` chooses the sign, else ``icon`` names one. An act begins with ``who``, an event of
    a task with ``task``. ``why`` is the reason in the words of a person, ``error`` what went wrong.
    A row ``is_course`` if the timeline shows it, too.
    """

    at: str
    state: str
    what: str
    who: str = ""
    task: str = ""
    attempt: int | None = None
    why: str = ""
    error: str = ""
    is_course: bool = False
    icon: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """The rows, newest first. ``asked`` counts the acts among them; ``hidden`` older rows."""

    rows: tuple[HistoryRow, ...]
    asked: int
    hidden: int

    @property
    def course(self) -> int:
        """How many rows the timeline shows, too."""
        return sum(each.is_course for each in self.rows)


def history_part(history: Sequence[Happening], redact: Redact) -> HistoryPart:
    """The newest rows of a history."""
    rows = tuple(_told_once([_row(each, redact) for each in history[:MOST]]))
    return HistoryPart(rows, sum(bool(each.who) for each in rows), len(history) - len(rows))


def _told_once(rows: Sequence[HistoryRow]) -> Iterator[HistoryRow]:
    """The rows, but without the error of a run that is the one of the task just before it."""
    for place, row in enumerate(rows):
        before = next((each for each in rows[place + 1 :] if not each.is_course), None)
        is_again = row.error and not row.task and before is not None and before.task
        if is_again and before and before.error and row.error.endswith(before.error):
            yield replace(row, error="")
        else:
            yield row


def _row(each: Happening, redact: Redact) -> HistoryRow:
    if each.by is not None:
        return _act(each, each.by, redact)
    if each.task is not None:
        return _of_task(each, each.task, redact)
    number = "" if each.round in (None, 1) else f"Round {each.round} "
    if each.kind == "created":
        return HistoryRow(each.at, "Pending", "Created")
    if each.kind == "started":
        started = f"{number}started" if number else "Started"
        return HistoryRow(each.at, "", started, icon="i-play")
    status = each.status or ""
    error = "" if each.detail is None else redact(first_error(each.detail))
    return HistoryRow(
        each.at, status, f"{number}{status.lower()}" if number else status, error=error
    )


def _act(each: Happening, by: str, redact: Redact) -> HistoryRow:
    what = _ASKED.get(each.kind, each.kind)
    reason = redact(each.reason or "")
    if each.kind in ("sent", "approved"):
        what, reason = f"{what} {reason}", ""
    if not each.changed:
        what = f"{what}, which changed nothing"
    return HistoryRow(each.at, "", what, who=by, why=reason, icon="i-user")


def _of_task(each: Happening, task: str, redact: Redact) -> HistoryRow:
    what = each.kind.removeprefix("task_")
    if each.attempt is not None and each.attempt > 1:
        what = f"{what}, attempt {each.attempt}"
    if each.crashes:
        what = f"{what}; its process died {times(each.crashes)}"
    state = each.status or ("Failed" if each.crashes else "")
    detail = "" if each.detail is None else redact(first_error(each.detail))
    is_error = each.kind in ("task_failed", "task_cancelled")
    return HistoryRow(
        at=each.at,
        state=state,
        what=what,
        task=task,
        attempt=each.attempt,
        why="" if is_error else detail,
        error=detail if is_error else "",
        is_course=each.is_course,
        icon="" if state else "i-play",
    )
