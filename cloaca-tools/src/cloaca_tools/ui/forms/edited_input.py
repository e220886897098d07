"""The input of a task as the text of a form, the edits of a visitor in it, and their diff.

The text has no secrets: a value that is hidden there keeps what it hides, as long as it stays in
its place. A key that is left out of the text stays as it is. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.errors import ConfigError
from cloaca_core.values.wording import counted
from cloaca_tools.masking import are_same, masked, unmasked
from cloaca_tools.ui.forms.context_input import ContextInput
from cloaca_tools.ui.forms.form_texts import object_of
from cloaca_tools.ui.payloads import json_lines
from cloaca_tools.views.run.changes import key_change

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.views.run.changes import KeyChange

NAME: Final = "context"
"""The field of the form."""
LIMIT: Final = json_lines.LIMIT
"""Characters of an input that can be edited: keys beyond them are not in the text."""


class Edits(NamedTuple):
    """The keys that a text changes: as they were ``typed``, and with what is hidden in them."""

    typed: Mapping[str, Any] = {}
    keys: Mapping[str, Any] = {}

    def elsewhere(self, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The edits that can be made in another input too: they have no hidden value, or the key
        has the same value in both inputs.
        """
        return {
            name: value
            for (name, value), (key, whole) in zip(
                self.typed.items(), self.keys.items(), strict=True
            )
            if are_same(value, whole) or (key in given and are_same(before.get(key), given[key]))
        }


@dataclass(frozen=True, slots=True)
class InputBox:
    """The input of the task ``base`` in a form. ``is_known`` is False where it cannot be told;
    ``left_out`` says which part of it is too large to be edited. ``changed`` are the edits as a
    diff, and ``says`` counts them. ``words`` are the options of ``cloaca runs fork`` that make the
    same edits; None if they would tell a hidden value, or the text cannot be meant. ``inputs`` are
    what the text is edited in.
    """

    base: str
    text: str
    is_known: bool
    left_out: str = ""
    changed: tuple[json_lines.Line, ...] = ()
    says: str = ""
    error: str = ""
    edits: Edits = field(default_factory=Edits)
    words: tuple[str, ...] | None = ()
    inputs: ContextInput = field(default_factory=ContextInput)


def box(
    base: str, given: Mapping[str, Any] | None, redact: Redact, typed: Mapping[str, Any]
) -> InputBox:
    """The input of a task, with keys that were typed for it or for another task."""
    shown = {redact(key): masked(value, redact, key) for key, value in (given or {}).items()}
    kept, left = dict[str, Any](), LIMIT
    for key, value in {**shown, **typed}.items():
        size = len(_pretty({key: value}))
        if size <= left or key in typed:
            kept[key] = value
            left -= size
    missing = len(shown.keys() - kept.keys())
    text = _pretty(kept) if kept else ""
    left_out = counted(missing, "larger key") if missing else ""
    return edited(InputBox(base, text, given is not None, left_out), given, redact)


def edited(of: InputBox, given: Mapping[str, Any] | None, redact: Redact) -> InputBox:
    """The box with what its text changes in the input, or why that cannot be told."""
    try:
        edits = edits_of(of.text, given or {}, redact)
    except ConfigError as error:
        return replace(of, error=str(error), words=None)
    changes = _changes(edits, given or {})
    lines = json_lines.changes(changes, redact)
    says, words = json_lines.changed_words(changes), _words(edits, redact)
    return replace(of, changed=lines, says=says, edits=edits, words=words)


def _words(edits: Edits, redact: Redact) -> tuple[str, ...] | None:
    found: list[str] = []
    for (name, typed), (key, value) in zip(edits.typed.items(), edits.keys.items(), strict=True):
        is_open = name == key == redact(key) and are_same(typed, masked(value, redact, key))
        if not is_open or not are_same(typed, value) or not key or "=" in key:
            return None
        found += ["-P", f"{key}:={json.dumps(value, ensure_ascii=False)}"]
    return tuple(found)


def edits_of(text: str, given: Mapping[str, Any], redact: Redact) -> Edits:
    """The keys of a text that are not in the input, or have other values there; ``ConfigError``
    says why it is none.
    """
    typed, keys = dict[str, Any](), dict[str, Any]()
    names = {redact(key): key for key in given}
    for name, value in (object_of(text, "input") or {}).items():
        key = names.get(name, name)
        if key not in given:
            typed[name] = keys[name] = value
        elif not are_same(value, masked(given[key], redact, key)):
            typed[name], keys[key] = value, _whole(value, given[key], redact, key, name)
    return Edits(typed, keys)


def _whole(value: Any, given: Any, redact: Redact, key: str, name: str) -> Any:
    """A value as it was typed under ``name``, with what is hidden in its places."""
    try:
        return unmasked(value, given, redact, key)
    except ValueError as error:
        raise ConfigError(f"{name!r}: {error}, or leave the key out") from error


def _changes(edits: Edits, given: Mapping[str, Any]) -> list[KeyChange]:
    return [
        key_change(key, "changed", given[key], value)
        if key in given
        else key_change(key, "added", None, value)
        for key, value in edits.keys.items()
    ]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
