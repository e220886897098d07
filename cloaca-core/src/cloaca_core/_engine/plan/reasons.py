"""Why a run ended without completing, or why a task was skipped: a code, and a text for people.

Decisions rest on the code alone. The text is read only in rows without a code, and only here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.records.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core._engine.plan.deadline import Deadline
    from cloaca_core.records.runs import AttemptRow, RunRow


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is a ``ReasonCode``, or one that a newer version wrote and this one does not know.
    ``limit_seconds`` is the deadline that was exceeded.
    """

    code: str
    text: str
    limit_seconds: int | None = None


def overdue(deadline: Deadline) -> Reason:
    """The run has passed this deadline. The row has whole seconds, a fraction counting as one."""
    text = overdue_message(deadline.seconds)
    if deadline.inherited:
        text += ": the time of the run that submitted it is over"
    return Reason(ReasonCode.DEADLINE_EXCEEDED, text, math.ceil(deadline.seconds))


def overdue_message(seconds: float) -> str:
    """The error of a run that took longer than this."""
    return f"Pipeline timeout after {seconds:.10g}s"


# -- reasons in rows -----------------------------------------------------------------------------


def passed_limit(row: RunRow) -> int | None:
    """The deadline in seconds that a run has exceeded; None for one that ended otherwise."""
    if row.reason_code is None:
        return _limit_in(row.error_message)
    return row.limit_seconds if row.reason_code == ReasonCode.DEADLINE_EXCEEDED else None


def skip_reason(row: AttemptRow) -> Reason:
    """Why the task of this row was skipped."""
    text = row.skip_reason or ""
    return Reason(row.reason_code or _skip_code_of(text), text)


# -- rows without a code -------------------------------------------------------------------------
#
# Versions before the migration "reason_codes" wrote none, and their runners write none while they
# are still open on a database that was migrated. This is needed until a migration refuses those
# runners and the runs that they had begun have ended.

_OVERDUE: Final = re.compile(r"Pipeline timeout after (?P<seconds>[0-9]+)s(?:; .*)?", re.DOTALL)
"""Further errors at the end of the run may follow. No other message of an end has this form."""


def _limit_in(error_message: str | None) -> int | None:
    match = None if error_message is None else _OVERDUE.fullmatch(error_message)
    return None if match is None else int(match["seconds"])


def _skip_code_of(text: str) -> ReasonCode:
    if text.startswith("upstream failed"):
        return ReasonCode.UPSTREAM_FAILED
    return ReasonCode.TRIGGER_RULE
