"""Hides secrets in what programs wrote: texts that are known as secrets, values under keys that
name one, and passwords in URLs.

A page shows payloads to every visitor who may look; a key such as ``api_token`` says that its value
is not for them. Everything that the page and the tools of assistants show or send of a payload
passes through ``masked``. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cloaca_core.values.payloads.redaction import HIDDEN, without_passwords
from cloaca_core.values.payloads.secret_names import is_secret

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact


def masked(value: Any, redact: Redact, key: str = "") -> Any:
    """A copy of a JSON value without secrets, in keys too; ``key`` is its own. None, true and false
    stay.
    """
    if value is None or isinstance(value, bool):
        return value
    if key and is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return without_passwords(redact(value))
    if isinstance(value, Mapping):
        return {redact(str(name)): masked(each, redact, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each, redact) for each in value]
    return value


def unmasked(given: Any, kept: Any, redact: Redact, key: str = "") -> Any:
    """What a person has made of ``masked(kept)``, with the values that were hidden back in their
    places; ``key`` is its own. ``ValueError`` where it is not certain which value is meant.

    An item of a list has its hidden values back if it is the same as before, wherever it stands
    now, or if it is the only item that has changed.
    """
    shown = masked(kept, redact, key)
    if are_same(given, shown):
        return kept
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        return _unmasked_keys(given, kept, redact)
    if isinstance(given, list) and isinstance(kept, list | tuple):
        return _unmasked_items(given, kept, redact)
    has_own = HIDDEN in _json(kept) and are_same(kept, shown)  # the text itself has these stars
    if HIDDEN in _json(given) and not has_own:
        raise ValueError(f"{HIDDEN} stands for a hidden value that is not known here: write it")
    return given


def are_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    return _json(one) == _json(other)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _unmasked_keys(
    given: Mapping[str, Any], kept: Mapping[str, Any], redact: Redact
) -> dict[str, Any]:
    names: dict[str, list[str]] = {}
    for name in kept:
        names.setdefault(redact(name), []).append(name)
    found = {}
    for name, each in given.items():
        meant = names.get(name, [])
        if len(meant) > 1 or (HIDDEN in name and not meant):
            raise ValueError(f"{HIDDEN} stands for a hidden key that is not known here: write it")
        real = meant[0] if meant else name
        found[real] = unmasked(each, kept.get(real), redact, real)
    return found


def _unmasked_items(given: Sequence[Any], kept: Sequence[Any], redact: Redact) -> list[Any]:
    shown = [_json(masked(each, redact)) for each in kept]
    texts = list(map(_json, given))
    in_place = len(given) == len(kept)
    same = [text == before for text, before in zip(texts, shown, strict=False)]
    only = in_place and same.count(False) == 1
    found = []
    for at, (each, text) in enumerate(zip(given, texts, strict=True)):
        if in_place and (same[at] or only):
            found.append(unmasked(each, kept[at], redact))
        elif text in shown and _agree(kept, shown, text):
            found.append(kept[shown.index(text)])
        else:
            found.append(unmasked(each, None, redact))
    return found


def _agree(kept: Sequence[Any], shown: Sequence[str], text: str) -> bool:
    """Whether all items that are shown so are one and the same."""
    meant = [value for value, each in zip(kept, shown, strict=True) if each == text]
    return all(are_same(value, meant[0]) for value in meant)
