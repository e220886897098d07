"""A run that was exported from a database: its tasks can be called alone, with what they had."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.errors import ConfigError, TaskNotFoundError
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.tables import BY_NAME, Table
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.times.instants import read_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.values.times.instants import Instant

SCHEMA: Final = 1
KIND: Final = "cloaca case"


class Prepared(NamedTuple):
    """The rows of a run that has only one task left to do; ``now`` is when that began."""

    run_id: str
    workflow: str
    now: Instant
    rows: Mapping[str, list[tuple[Any, ...]]]


class Case:
    """An exported run; ``Harness.load`` makes it. ``data`` is the document as it was exported."""

    def __init__(
        self, data: Mapping[str, Any], call: Callable[[Prepared, str], dict[str, Any]]
    ) -> None:
        self.data: Mapping[str, Any] = data
        self._call = call

    @property
    def input(self) -> dict[str, Any]:
        """The input of the run."""
        return dict(self.data["input"])

    @property
    def workflow(self) -> str:
        """The full name of its workflow."""
        return str(self.data["run"]["workflow"])

    @property
    def error(self) -> str | None:
        """Why the run did not complete."""
        error: str | None = self.data["run"]["error"]
        return error

    @property
    def failed(self) -> list[str]:
        """The ids of its failed tasks, in definition order."""
        return [name for name, task in self.data["tasks"].items() if task["status"] == "Failed"]

    def only_task(self, task: str | None = None) -> dict[str, Any]:
        """Call the body of one task with exactly what it had in the exported run, and return the
        context after it; its error comes out as it was raised, so that a debugger stops there.

        It has the same input, attempt number, run id and instant; steps and waits bring what they
        had brought by then, and messages that were unread are there. None is the one task that has
        failed. ``TaskNotFoundError`` for a task that had not begun.
        """
        name = self._only_failed() if task is None else task
        if name not in self.data["tasks"]:
            begun = ", ".join(self.data["tasks"])
            raise TaskNotFoundError(
                f"task {name!r} had not begun in this run; begun were: {begun}", task_id=name
            )
        return self._call(prepared(self.data, name), name)

    def _only_failed(self) -> str:
        if len(self.failed) != 1:
            raise ConfigError(
                f"name the task: in this run {', '.join(self.failed) or 'none'} failed",
                field="task",
            )
        return self.failed[0]

    def __repr__(self) -> str:
        return f"<case of {self.workflow!r}: {self.data['run']['status']}; {self.error}>"


def read_case(case: str | os.PathLike[str] | Mapping[str, Any]) -> Mapping[str, Any]:
    """The document of a case, from its file or as it is; ``ConfigError`` for anything else."""
    data: Any = case if isinstance(case, Mapping) else _read(Path(case))
    if not isinstance(data, Mapping) or data.get("kind") != KIND:
        raise ConfigError(f"this is no case that cloaca has exported: {case!r:.80}", field="case")
    if data.get("schema") != SCHEMA:
        raise ConfigError(
            f"the case has the form {data.get('schema')}, this version reads {SCHEMA}",
            field="case",
        )
    return data


def _read(file: Path) -> Any:
    """The JSON of a file; None for one that has no JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:  # of the encoding, too
        return None


# -- rows ----------------------------------------------------------------------------------------


def prepared(data: Mapping[str, Any], name: str) -> Prepared:
    """The rows of the run, as it was just before an attempt of this task."""
    task, run = data["tasks"][name], data["run"]
    started = task["started_at"] or run["created_at"]
    now = read_instant("started_at", started)
    number = max(1, task["attempt"])
    unread = [each for each in data["messages"] if each["taken_by"] is None]
    rows = {
        "run": [_run(data, task["input"], now, len(unread))],
        "attempt": [_attempt_before(run["id"], name, number, now)] if number > 1 else [],
        "memo": [_memo(run["id"], name, task, each, now) for each in task["memos"]],
        "message": [_message(run["id"], at, each, now) for at, each in enumerate(unread, 1)],
    }
    return Prepared(run["id"], run["workflow"], now, rows)


def _run(
    data: Mapping[str, Any], context: Mapping[str, Any], now: Instant, messages: int
) -> tuple[Any, ...]:
    """A run that was begun before, so that the values that it has kept count."""
    run = data["run"]
    return _row(
        BY_NAME["run"],
        id=run["id"],
        workflow=run["workflow"],
        version=run["version"],
        status="Pending",
        epoch=1,
        recoveries=0,
        created_at=now,
        started_at=now,
        claimable_at=now,
        tags=encode(run["tags"]),
        input=encode(dict(context)),
        round=1,
        messages=messages,
        queue=DEFAULT_QUEUE,
        **dict.fromkeys(("priority", "came_due", "stood_still", "detached", "replacements"), 0),
    )


def _attempt_before(run_id: str, task: str, number: int, now: Instant) -> tuple[Any, ...]:
    """The attempt before, which failed, and after which this one was due."""
    return _row(
        BY_NAME["attempt"],
        run_id=run_id,
        task_id=task,
        item=THE_TASK,
        attempt=number - 1,
        epoch=1,
        status="Failed",
        started_at=now,
        ended_at=now,
        retry_at=now,
        crashes=0,
        error_type="Exception",
        error_message="the attempt before",
        replacements=0,
    )


def _memo(
    run_id: str, task_id: str, task: Mapping[str, Any], memo: Mapping[str, Any], now: Instant
) -> tuple[Any, ...]:
    return _row(
        BY_NAME["memo"],
        run_id=run_id,
        task_id=task_id,
        item=THE_TASK,
        kind=memo["kind"],
        name=memo["name"],
        number=memo["number"],
        input_hash=digest_of(task["input"]),
        attempt=0,
        value=encode(memo["value"]),
        calls=memo["calls"],
        created_at=now,
    )


def _message(run_id: str, number: int, message: Mapping[str, Any], now: Instant) -> tuple[Any, ...]:
    return _row(
        BY_NAME["message"],
        run_id=run_id,
        id=f"message-{number}",
        number=number,
        kind=message["kind"],
        name=message["name"],
        payload=encode(message["payload"]),
        sent_by=message["sent_by"],
        sent_at=now,
        taken_item=THE_TASK,
        for_item=THE_TASK,
    )


def _row(table: Table, **values: Any) -> tuple[Any, ...]:
    """A row with these values; the others are None."""
    assert values.keys() <= set(table.columns)
    return tuple([values.get(name) for name in table.columns])
