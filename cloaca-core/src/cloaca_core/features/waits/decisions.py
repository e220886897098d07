"""Checks a person's decision against the choices and schema of its approval. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.waits.kinds import REJECT
from cloaca_core.errors import ConfigError, ContextValueError
from cloaca_core.features.waits.node_waits import decision
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.payloads.json_schema import Schema, mismatch
from cloaca_core.values.payloads.json_values import decode, encode
from cloaca_core.values.times.instants import Instant
from cloaca_core.values.waits import APPROVAL

if TYPE_CHECKING:
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.values.payloads.json_values import JsonValue


class Asked(NamedTuple):
    """The contents of an approval: text for people, the choices, the schema of the data, if any,
    and the choice at the end of its time, if it is known.
    """

    prompt: str
    choices: tuple[str, ...]
    schema: Schema | None
    default: str | None = None


class Decision(NamedTuple):
    """The answer of a person to an approval."""

    name: str
    choice: str
    by: str
    note: str | None
    data: JsonValue

    def message(
        self, message_id: str, wait: WaitRow, now: Instant, item: str | None = None
    ) -> NewMessage:
        """The message that carries it to the run, for this wait; ``item`` is the name of the item
        of a map whose body waits.
        """
        payload = decision(self.choice, at=now, by=self.by, note=self.note, data=self.data)
        return NewMessage(
            id=message_id,
            run_id=wait.run_id,
            kind=APPROVAL,
            name=self.name,
            payload=encode(payload),
            dedupe_key=None,
            sent_by=self.by,
            sent_at=now,
            reason=f"{self.name}: {words(self.choice, self.note, item)}",
            for_task=wait.task_id,
            for_item=wait.item,
        )


def asked_in(detail: str) -> Asked:
    """Read the detail of an open approval. A damaged row is read as far as possible."""
    found = _object(detail)
    prompt, choices, schema = found.get("prompt"), found.get("choices"), found.get("schema")
    return Asked(
        prompt if isinstance(prompt, str) else "",
        tuple([each for each in choices if isinstance(each, str)])
        if isinstance(choices, list)
        else (),
        schema if isinstance(schema, dict) else None,
        _text(found.get("default")),
    )


def refuse_wrong(made: Decision, asked: Asked) -> None:
    """Raise ``ConfigError``, a ValueError, for a choice that is not offered, or for data that do
    not match the schema. A rejection needs no data.
    """
    if made.choice not in asked.choices:
        known, given = ", ".join(repr(each) for each in asked.choices), made.choice
        raise ConfigError(
            f"choice must be one of {known} for {made.name!r}, got {given!r:.80}",
            field="choice",
        )
    if asked.schema is None or (made.data is None and made.choice == REJECT):
        return
    if (reason := mismatch(asked.schema, made.data, "data")) is not None:
        raise ConfigError(reason, field="data")


def words(choice: str, note: str | None, item: str | None = None) -> str:
    """A decision as text for people, about an item of a map if one is named."""
    told = choice if item is None else f"{choice}, for {item}"
    return told if note is None else f"{told}, {note}"


class Decided(NamedTuple):
    """The decision of a person, as far as it is known: by whom, when, and how."""

    by: str | None = None
    at: str | None = None
    choice: str = ""
    note: str | None = None


def decided_in(payload: str) -> Decided:
    """Read the payload of a decision; empty for another text."""
    found = _object(payload)
    choice = _text(found.get("choice"))
    return Decided(
        _text(found.get("by")), _text(found.get("at")), choice or "", _text(found.get("note"))
    )


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _object(text: str) -> dict[str, JsonValue]:
    try:
        value = decode(text)
    except ContextValueError:
        return {}
    return value if isinstance(value, dict) else {}
