"""The form of a schedule: its fields as texts, and the settings that they mean. Pure.

A field that is not in a form that was sent stays as it is in the schedule.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD
from cloaca_tools.duration_texts import seconds_of
from cloaca_tools.masking import masked, unmasked
from cloaca_tools.ui.forms.form_texts import object_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_core.values.times.no_limit import NoLimit
    from cloaca_tools.ui.words.clock import Clock
    from cloaca_tools.views.schedules import ScheduleLine

FIELDS: Final = (
    "name",
    "workflow",
    "cron",
    "timezone",
    "catchup",
    "overlap",
    "jitter",
    "start",
    "end",
    "limit",
    "queue",
    "params",
)
NEW: Final[Mapping[str, str]] = {"timezone": "UTC"}
"""The texts of the form of a new schedule, where they are not empty."""
_NAMED: Final = 5


class Settings(NamedTuple):
    """The settings that a form means, in the order of ``ChangeSchedule``."""

    workflow_name: str
    cron_expression: str
    timezone: str
    params: dict[str, JsonValue] | None
    catchup_policy: str | None
    overlap_policy: str | None
    jitter_seconds: int | None
    start_date: Any
    end_date: Any
    time_limit: float | NoLimit | None
    by: str
    queue: str | None


class Choice(NamedTuple):
    """A workflow that can be chosen: its full namespace, and the name by which people know it."""

    value: str
    label: str


def choices(namespaces: Sequence[str], chosen: str = "") -> list[Choice]:
    """The known workflows and the ``chosen`` workflow, by name."""
    known = sorted({*namespaces, *([chosen] if chosen else [])})
    count = Counter(map(short_name, known))
    named = [(short_name(each) if count[short_name(each)] == 1 else each) for each in known]
    return sorted(map(Choice, known, named), key=lambda choice: choice.label)


def texts_of(line: ScheduleLine, clock: Clock, redact: Redact) -> dict[str, str]:
    """The texts of the form of a schedule, without secrets."""
    params = json.dumps(masked(line.params, redact), indent=2, ensure_ascii=False)
    limit = line.time_limit
    return {
        "name": line.name or "",
        "workflow": line.workflow,
        "cron": line.cron_expression,
        "timezone": line.timezone,
        "catchup": line.catchup_policy,
        "overlap": line.overlap_policy,
        "jitter": str(line.jitter_seconds or ""),
        "start": _local(line.start_date, clock),
        "end": _local(line.end_date, clock),
        "limit": limit if isinstance(limit, str) else "" if limit is None else _duration(limit),
        "queue": line.queue or "",
        "params": params if line.params else "",
    }


def _duration(seconds: float) -> str:
    """Seconds as a person would write them: ``2h``, ``90s``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.15g}s"


def _local(instant: str | None, clock: Clock) -> str:
    """An instant as a field of a form has it: by the reader's clock, without an offset."""
    if instant is None:
        return ""
    at = clock.local(instant)
    return at.strftime("%Y-%m-%dT%H:%M:%S" if at.second else "%Y-%m-%dT%H:%M")


def settings_of(
    given: Mapping[str, str],
    namespaces: Sequence[str],
    clock: Clock,
    redact: Redact,
    by: str,
    line: ScheduleLine | None = None,
) -> Settings:
    """The settings of a form that was sent, of a new schedule or of ``line``. ``ValueError`` or
    ``ConfigError`` says what is wrong with it.
    """
    known = {} if line is None else texts_of(line, clock, redact)
    given = {**NEW, **known, **{name: text.strip() for name, text in given.items()}}

    def date(name: str) -> Any:
        if line is not None and given.get(name, "") == known[name]:
            return line.start_date if name == "start" else line.end_date
        return _date(given.get(name, ""), clock.instant)

    params = object_of(given.get("params", ""), "context")
    kept = {} if line is None else line.params
    return Settings(
        _workflow(given.get("workflow", ""), namespaces, "" if line is None else line.workflow),
        given.get("cron", ""),
        given["timezone"] or "UTC",
        None if params is None else unmasked(params, kept, redact),
        given.get("catchup") or None,
        given.get("overlap") or None,
        _whole(jitter) if (jitter := given.get("jitter", "")) else None,
        date("start"),
        date("end"),
        _limit(given.get("limit", "")),
        by,
        given.get("queue") or None,
    )


def _workflow(name: str, namespaces: Sequence[str], before: str) -> str:
    """The full namespace of a workflow that is known; the workflow that the schedule had ``before``
    is meant by its short name, also if other namespaces have that name.
    """
    if before and name in (before, short_name(before)):
        return before
    found = [each for each in namespaces if name in (each, short_name(each))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"Several workflows are named {name!r:.80}: {_named(found)}.")
    if not namespaces:
        raise ValueError("No workflow is known: a runner records its workflows when it starts.")
    names = [each.label for each in choices(namespaces)]
    raise ValueError(f"There is no workflow {name!r:.80}. Known: {_named(names)}.")


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _whole(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise ValueError("The spread must be a number of seconds.")


def _date(text: str, instant: Callable[[str], Any]) -> Any:
    if not text:
        return None
    if (found := instant(text)) is None:
        raise ValueError(f"A date cannot be read: {text!r:.80}.")
    return found


def _limit(text: str) -> float | NoLimit | None:
    if not text:
        return None
    if text == WORD:
        return NO_LIMIT
    if (seconds := seconds_of(text)) is None:
        raise ValueError(f"A time limit is written 90, 15m, 2h or none, not {text!r:.80}.")
    return seconds
