"""Open decisions of people, as users see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloaca_core.features.waits.decisions import asked_in
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.namespace import short_name
from cloaca_core.values.tags import tags_of
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from cloaca_core.features.waits.records import OpenApprovalRow


@dataclass(frozen=True, slots=True)
class OpenApproval:
    """An approval that waits for a person: the run continues when ``approve`` gives it one of the
    ``choices``. ``name`` is the argument for ``approve``: the id of the node, or the name that the
    body of ``task_id`` gave. ``item`` is the index of the item of a map whose body asks; several
    may ask by one name, and ``approve`` takes it as ``item=(task_id, item)``.

    ``schema`` is the JSON schema of the ``data`` that go with the choice, None for none.
    ``opened_at`` is the beginning of the wait, ``expires_at`` its end by time, None without one;
    both RFC 3339 in UTC. ``tags`` are the tags of the run. ``print`` shows all of it.
    """

    run_id: str
    workflow_name: str
    task_id: str
    prompt: str
    choices: tuple[str, ...]
    schema: Mapping[str, Any] | None
    opened_at: str
    expires_at: str | None
    tags: Mapping[str, str]
    name: str
    item: int | None = None

    def __str__(self) -> str:
        lines = [
            f"{self.name} of {self.workflow_name}: {self.prompt}",
            f"  choices  {', '.join(self.choices)}",
            f"  run      {self.run_id}",
            f"  since    {self.opened_at}",
        ]
        if self.item is not None:
            lines.append(f"  item     {self.task_id}[{self.item}]")
        if self.expires_at is not None:
            lines.append(f"  until    {self.expires_at}")
        if self.schema is not None:
            lines.append(f"  data     {', '.join(_fields(self.schema)) or 'see its schema'}")
        if self.tags:
            lines.append(f"  tags     {', '.join(f'{k}={v}' for k, v in self.tags.items())}")
        return "\n".join(lines)


def open_approvals(rows: Sequence[OpenApprovalRow]) -> list[OpenApproval]:
    """The approvals of rows, in the same order."""
    return [_open_approval(row) for row in rows]


def _open_approval(row: OpenApprovalRow) -> OpenApproval:
    asked = asked_in(row.detail)
    return OpenApproval(
        run_id=row.run_id,
        workflow_name=short_name(row.workflow),
        task_id=row.task_id,
        prompt=asked.prompt,
        choices=asked.choices,
        schema=asked.schema,
        opened_at=rfc3339(row.opened_at),
        expires_at=rfc3339_or_none(row.due_at),
        tags=tags_of(row.tags),
        name=row.name,
        item=None if row.item == THE_TASK else row.item,
    )


def _fields(schema: Mapping[str, Any]) -> list[str]:
    """The names of the fields. Optional ones have a question mark."""
    required = schema.get("required") or ()
    return [name if name in required else f"{name}?" for name in schema.get("properties") or ()]
