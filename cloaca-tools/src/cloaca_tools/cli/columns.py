"""The columns of lists that several commands show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloaca_core.values.waits import answered_text
from cloaca_core.values.wording import duration, first_line
from cloaca_tools.cli.output import Column, Form
from cloaca_tools.cli.words import ago

SHORTEST_ID: Final = 18
"""Characters of an id: its millisecond and what tells apart nearly all runs of one."""


def text(key: str) -> Column:
    """A column for the text of a field."""
    return Column(key.replace("_", " ").upper(), lambda row: str(row.get(key) or ""))


def number(key: str) -> Column:
    """A column for a number."""
    return Column(key.replace("_", " ").upper(), lambda row: str(row[key]), right=True)


def when(title: str, key: str) -> Column:
    """A column for an instant: how long ago it is, or the instant itself where nothing is cut."""
    return Column(title, lambda row: ago(row.get(key)), lambda row: row.get(key) or "")


def run_columns(rows: Sequence[Form]) -> list[Column]:
    """The columns of a list of runs."""
    most = short_of([row["id"] for row in rows])
    return [
        Column("RUN", lambda row: row["id"][:most], lambda row: row["id"]),
        Column("WORKFLOW", lambda row: row["workflow_name"], gives_way=True),
        Column("STATUS", lambda row: row["status"], is_status=True),
        when("CREATED", "created_at"),
        Column("TOOK", lambda row: duration(row["seconds"]), right=True),
        *([_CHILDREN] if any(row.get("children") for row in rows) else []),
        Column("ABOUT", run_remark, gives_way=True),
    ]


_CHILDREN = Column("CHILDREN", lambda row: str(row["children"] or ""), right=True)


def fact_lines(facts: Mapping[str, str | None]) -> list[str]:
    """The facts of one thing, a line each; those that it has not are left out."""
    return [f"{name:12}{value}" for name, value in facts.items() if value]


def moment(at: str | None) -> str | None:
    """An instant, and how long ago it is."""
    return None if at is None else f"{at} ({ago(at)})"


def short_of(ids: Sequence[str]) -> int:
    """How many first characters tell these ids apart."""
    most = SHORTEST_ID
    while most < max(map(len, ids), default=0) and len({each[:most] for each in ids}) < len(ids):
        most += 4
    return most


def run_remark(row: Form) -> str:
    """The remark in a list of runs: that its runner is gone, error, reason, wait, due time or tags,
    the first there is.
    """
    if row.get("runner_gone"):
        return "its runner is gone"
    if row["error_message"]:
        return first_line(row["error_message"])
    if row["reason"]:
        return str(row["reason"])
    if (wait := row.get("waits_for")) is not None:
        return wait_text(wait)
    if row["due_at"] is not None and row["ended_at"] is None:
        return f"due {ago(row['due_at'])}"
    return tags_text(row["tags"])


def tags_text(tags: Mapping[str, str]) -> str:
    """Tags in one line."""
    return " ".join([f"{key}={value}" for key, value in tags.items()])


def wait_text(wait: Form) -> str:
    """The wait of a task or run, in words."""
    kind, name, until = wait["kind"], wait.get("name"), wait.get("until")
    if wait.get("answered"):
        return answered_text(kind, name)
    words = {
        "retry": "waits for its next attempt",
        "run": f"waits for run {name}" if name else "waits for a run",
        "sleep": "waits for its time",
        "event": f"waits for event {name!r}",
        "approval": f"waits for a decision: {name}",
        "limit": f"waits for a place that {name} bounds",
    }
    text = words.get(kind, str(kind))
    if not until:
        return text
    return f"{text}, {'time-out ' if kind in ('event', 'approval') else ''}{ago(until)}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts by state in one line; states without a run are left out."""
    return ", ".join([f"{number:,} {name}" for name, number in counts.items() if number])
