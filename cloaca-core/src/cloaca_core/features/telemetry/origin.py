"""The trace by which a run was submitted, as its row has it; and the ids of its spans. Pure.

Any process makes the same ids, so the spans of a run fit together although several made them.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, NamedTuple

from cloaca_core.run.rows import THE_TASK

_LINK: Final = "link "
_TRACEPARENT: Final = re.compile(
    r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_BETWEEN: Final = "\x1f"


class Origin(NamedTuple):
    """The span of a submission. A run that ``is_within`` belongs to its trace; another one has a
    trace of its own, with a link to that span.
    """

    trace_id: int
    span_id: int
    flags: int
    is_within: bool

    def text(self) -> str:
        """It as a row has it: a W3C traceparent, after "link " for a run that is not within."""
        traceparent = f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"
        return traceparent if self.is_within else _LINK + traceparent


def origin_of(text: str | None) -> Origin | None:
    """The origin in a row; None for no text, and for a text that this version cannot read."""
    if text is None:
        return None
    match = _TRACEPARENT.fullmatch(text.removeprefix(_LINK))
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    return Origin(trace_id, span_id, flags, not text.startswith(_LINK))


def trace_id_of(run_id: str, number: int) -> int:
    """The id of the run's trace in this round; 0 for the trace of its schedule's tick."""
    return _number(16, "trace", run_id, number)


def run_span_id(run_id: str, number: int) -> int:
    """The id of the run's span in this round; 0 for the span of its schedule's tick."""
    return _number(8, "run", run_id, number)


def task_span_id(run_id: str, task_id: str, attempt: int, item: int = THE_TASK) -> int:
    """The id of the span of an attempt: the same when it is run again after a crash."""
    if item == THE_TASK:
        return _number(8, "task", run_id, task_id, attempt)
    return _number(8, "item", run_id, task_id, item, attempt)


def wait_span_id(run_id: str, task_id: str, attempt: int, *wait: str | int) -> int:
    """The id of the span of a wait."""
    return _number(8, "wait", run_id, task_id, attempt, *wait)


def _number(size: int, *parts: str | int) -> int:
    text = _BETWEEN.join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big") or 1
