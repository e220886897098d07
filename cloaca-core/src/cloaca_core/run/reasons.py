"""The reason why a run ended without completing, or why a task was skipped: a code, and a text for
people.

Decisions depend on the code alone. The text is read only in rows without a code, and only here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core.definition.version_change import VersionChange
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.run.time_limit import Deadline


_OVERDUE_TEXT: Final = "Pipeline timeout after "
_UPSTREAM_FAILED: Final = "upstream failed: "
_REJECTED: Final = "rejected: "


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is a ``ReasonCode``, or a code that a newer version wrote and this version does not
    know. ``limit_seconds`` is the deadline that was exceeded, ``tasks`` are the tasks that have
    changed.
    """

    code: str
    text: str
    limit_seconds: int | None = None
    tasks: tuple[str, ...] = ()


RULE_NOT_MET: Final = Reason(ReasonCode.TRIGGER_RULE, "Trigger rules not satisfied")
"""The rule of a task does not hold."""


def upstream_failed(task: str) -> Reason:
    """A task is skipped because this task above it failed, or was skipped after a failure."""
    return Reason(ReasonCode.UPSTREAM_FAILED, f"{_UPSTREAM_FAILED}{task}")


def rejected(task: str) -> Reason:
    """A task is skipped because this approval above it was rejected."""
    return Reason(ReasonCode.REJECTED, f"{_REJECTED}{task}")


def blamed_task(text: str) -> str | None:
    """The task in the text of ``upstream_failed``; None in any other text."""
    return text.removeprefix(_UPSTREAM_FAILED) if text.startswith(_UPSTREAM_FAILED) else None


def rejected_task(text: str) -> str:
    """The task in the text of ``rejected``."""
    return text.removeprefix(_REJECTED)


def version_changed(earlier: str, later: str, change: VersionChange | None) -> Reason:
    """The run began under another version. ``change`` is None when it is not known which tasks
    changed.
    """
    text = f"the workflow has changed since this run began, from version {earlier} to {later}"
    if change is None:
        return Reason(ReasonCode.VERSION_CHANGED, f"{text}; it is not known which of its tasks")
    named = [("changed", change.changed), ("removed", change.removed), ("added", change.added)]
    parts = [f"{kind}: {', '.join(tasks)}" for kind, tasks in named if tasks]
    return Reason(
        ReasonCode.VERSION_CHANGED, storable_text("; ".join([text, *parts])), tasks=change.tasks
    )


def changed_tasks(row: RunRow) -> tuple[str, ...] | None:
    """The tasks whose change made the run fail; None for a run that ended otherwise."""
    if row.reason_code != ReasonCode.VERSION_CHANGED:
        return None
    return tuple(cast("list[str]", decode(row.reason_tasks or "[]")))


def overdue(deadline: Deadline) -> Reason:
    """The run has passed this deadline. The row has whole seconds; a fraction counts as one
    second.
    """
    text = overdue_message(deadline.seconds)
    if deadline.inherited:
        text += ": the time of the run that submitted it is over"
    return Reason(ReasonCode.DEADLINE_EXCEEDED, text, math.ceil(deadline.seconds))


def overdue_message(seconds: float) -> str:
    """The error of a run that took longer than this time."""
    return f"{_OVERDUE_TEXT}{seconds:.10g}s"


def overdue_text(row: RunRow, seconds: int) -> str:
    """The error of a run that has passed its deadline: the text of its row, which has fractions of
    a second, or a text with the whole ``seconds`` of the row.
    """
    told = row.error_message or ""
    return told if told.startswith(_OVERDUE_TEXT) else overdue_message(seconds)


# -- reasons in rows -----------------------------------------------------------------------------


def passed_limit(row: RunRow) -> int | None:
    """The deadline in seconds that a run has exceeded; None for a run that ended otherwise."""
    if row.reason_code is None:
        return _limit_in(row.error_message)
    return row.limit_seconds if row.reason_code == ReasonCode.DEADLINE_EXCEEDED else None


def skip_reason(row: AttemptRow) -> Reason:
    """The reason why the task of this row was skipped."""
    text = row.skip_reason or ""
    return Reason(row.reason_code or _skip_code_of(text), text)


def skip_code(row: AttemptRow) -> str | None:
    """The code of the reason why the task of this row was skipped; None if it was not."""
    return skip_reason(row).code if row.status == TaskStatus.SKIPPED else None


# -- rows without a code -------------------------------------------------------------------------
#
# Versions before the migration "reason_codes" wrote none, and their runners write none while they
# are still open on a database that was migrated. This is needed until a migration refuses those
# runners and the runs that they had begun have ended.

_OVERDUE: Final = re.compile(r"Pipeline timeout after (?P<seconds>[0-9]+)s(?:; .*)?", re.DOTALL)
"""More errors may follow at the end of the message. No other message of an end has this form."""


def _limit_in(error_message: str | None) -> int | None:
    match = None if error_message is None else _OVERDUE.fullmatch(error_message)
    return None if match is None else int(match["seconds"])


def _skip_code_of(text: str) -> ReasonCode:
    if text.startswith("upstream failed"):
        return ReasonCode.UPSTREAM_FAILED
    return ReasonCode.TRIGGER_RULE
