"""Sizes, states, errors and names as the page writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cloaca_core.run.reasons import RULE_NOT_MET, blamed_task
from cloaca_core.values.payloads.redaction import without_passwords
from cloaca_core.values.waits import answered_text
from cloaca_core.values.wording import counted, duration, first_failure, first_line
from cloaca_core.views.task_results import Progress, Wait
from cloaca_tools.shell import command
from cloaca_tools.views import GraphNode, TaskNode
from cloaca_tools.views.limits import key_text
from cloaca_tools.views.lists.filters import Term

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CODES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, and moves of the cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[ -/]*[0-~]"
    rf"|{_CONTROL.pattern}"
)
_THOUSAND: Final = 1_000
_SHORT: Final = 13
"""Letters of an id that is shown whole."""

STATES: Final[Mapping[str, str]] = {
    "Pending": "pending",
    "NotStarted": "pending",
    "Running": "running",
    "Waiting": "waiting",
    "Paused": "paused",
    "Cancelling": "cancelling",
    "Completed": "completed",
    "Failed": "failed",
    "Cancelled": "cancelled",
    "Skipped": "skipped",
}
"""The name of each state in classes and symbols."""


def brief(seconds: float | None) -> str:
    """A duration without the unit of its second number, for narrow columns: ``1 m 04``."""
    text = duration(seconds)
    return text.rpartition(" ")[0] if text.count(" ") > 1 else text


def short_id(run_id: str) -> str:
    """Both ends of an id: runs of one millisecond differ only at the end of theirs."""
    return run_id if len(run_id) <= _SHORT else f"{run_id[:8]}…{run_id[-4:]}"


def up_to_99(number: int) -> str:
    """A number that was not counted further than that: ``7``, ``99+``."""
    return "99+" if number > 99 else str(number)


def size(number: int | None) -> str:
    """So many bytes: ``1.2 GB``; nothing for None."""
    if number is None:
        return ""
    if number < _THOUSAND:
        return counted(number, "byte")
    left = float(number)
    for unit in ("kB", "MB", "GB"):
        left /= _THOUSAND
        if left < _THOUSAND:
            return f"{left:.0f} {unit}" if left >= 100 else f"{left:.1f} {unit}"
    return f"{left / _THOUSAND:,.1f} TB"


def first_error(text: str | None) -> str:
    """The first error of a run in one line, without the counts of its tasks before it."""
    line = without_passwords(plain(first_line(text)))
    return first_failure(line)


def term(value: str) -> str:
    """A value as a term of a filter has it."""
    return str(Term("", (value,)))[1:]


def sentence(text: str) -> str:
    """A text with a capital at its beginning and a full stop at its end. A first word that a
    program chose, such as ``check_rows``, stays as it is.
    """
    if not text:
        return ""
    first = text.split(maxsplit=1)[0].rstrip(".,:;!?")
    begin = text[0].upper() if first.replace("-", "").isalpha() else text[0]
    return f"{begin}{text[1:]}{'' if text[-1] in '.!?' else '.'}"


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def words_of(name: str) -> str:
    """A name of a program as words, for a label or a button: ``Send it`` for ``send_it``."""
    words = name.replace("_", " ").strip() or name
    return f"{words[:1].upper()}{words[1:]}"


def item_word(status: str) -> str:
    """A state of an item in the middle of a line."""
    return "not started" if status == "NotStarted" else status.lower()


def plain(text: str) -> str:
    """A text without the codes by which programs colour terminals, and without other control
    characters but ends of lines and tabs.
    """
    return _CODES.sub("", text) if _CONTROL.search(text) else text


def level(name: str) -> str:
    """A level of a log in one short word."""
    return {"WARNING": "warn", "CRITICAL": "fatal"}.get(name.upper(), name.lower())


def level_class(name: str) -> str:
    """The class of a level that is to be seen."""
    return {"WARNING": " lv-w", "ERROR": " lv-e", "CRITICAL": " lv-e"}.get(name.upper(), "")


def in_json(value: object) -> str:
    """A value in one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def graph_note(node: GraphNode) -> str:
    """The second line of a task of a run in its graph: what it took, else how it is; of a map how
    far it has come, and of a failed task first how often it was tried, as in the timeline.
    """
    if node.is_map and node.progress is not None and node.progress.total:
        return _of_items(node.progress, is_over=node.status != "Running")
    took = duration(node.seconds) if node.status != "Skipped" else ""
    attempts = f"{node.attempts} attempts" if node.attempts > 1 else ""
    if node.status == "Failed":
        took, attempts = attempts, took
    status = "not begun" if node.status == "NotStarted" else str(node.status).lower()
    return " · ".join(filter(None, (took, attempts))) or status


def _of_items(told: Progress, *, is_over: bool) -> str:
    """``138 of 300``, and once it is over ``4 failed · 300 items``."""
    if not is_over:
        return f"{told.done:,.10g} of {told.total:,.10g}"
    return " · ".join(filter(None, (told.text, counted(int(told.total or 0), "item"))))


def awaited(wait: Wait) -> str:
    """What the body of an item waits for."""
    match wait.kind:
        case _ if wait.answered:
            return "a runner to go on"
        case "event":
            return f"the event {wait.name}"
        case "approval":
            return "a decision"
        case "retry":
            return "its next attempt"
        case "run":
            return "its run"
        case "limit":
            return f"a place of {wait.name}"
        case _:
            return "an instant"


def waits_by_time(tasks: Sequence[TaskNode]) -> bool:
    """Whether the wait of a task ends by itself at an instant."""
    return any(
        node.retry_at or (node.waits_for is not None and node.waits_for.until) for node in tasks
    )


def skipped(reason: str) -> str:
    """Why a task was skipped, in few words."""
    if (name := blamed_task(reason)) is not None:
        return f"{name} failed"
    return "rule not met" if reason == RULE_NOT_MET.text else reason


def parted(text: str, word: str) -> list[str]:
    """A text in parts, of which each second one is the word, in capitals or not."""
    return re.split(f"({re.escape(word)})", text, flags=re.IGNORECASE) if word else [text]


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "duration": duration,
    "brief": brief,
    "command": command,
    "short_id": short_id,
    "size": size,
    "without_passwords": without_passwords,
    "first_line": lambda text: without_passwords(plain(first_line(text))),
    "first_error": first_error,
    "term": term,
    "skipped": skipped,
    "awaited": awaited,
    "answered": lambda wait: answered_text(wait.kind, wait.name),
    "waits_by_time": waits_by_time,
    "graph_note": graph_note,
    "counted": counted,
    "up_to_99": up_to_99,
    "sentence": sentence,
    "times": times,
    "words_of": words_of,
    "item_word": item_word,
    "plain": plain,
    "level_word": level,
    "level_class": level_class,
    "in_json": in_json,
    "parted": parted,
    "limit_key": key_text,
}
"""The filters of templates."""
