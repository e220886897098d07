"""The items of a map: as their bodies see them, and as they have ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from cloaca_core.values.option_names import TaskStatus
    from cloaca_core.values.payloads.json_values import JsonValue


ITEM_KEYS: Final = frozenset({"item", "index", "label"})
"""The keys that the input of an item's child run has beside those of its map's context."""

_NUMBERED: Final = re.compile(r".*@[0-9]+", re.DOTALL)


class SharedInput:
    """The input that all items of a map share: the context that the map sees. Its JSON, the size
    of that in bytes and its digest are made once, when the first item needs them.
    """

    def __init__(self, given: dict[str, JsonValue]) -> None:
        self._given = given

    @cached_property
    def text(self) -> str:
        """Its JSON."""
        return encode(self._given)

    @cached_property
    def size(self) -> int:
        """The bytes of its JSON."""
        return len(self.text.encode())

    @cached_property
    def digest(self) -> str:
        """Its digest."""
        return digest_of(self._given)


@dataclass(slots=True)
class Item:
    """An item of a map, as its body sees it. ``task`` is the index of the map in the graph,
    ``label`` the index where the map's data has no labels. ``count`` is the number of items.
    ``decision`` counts, from 1, the different data that the map has had in this run. A worker has
    no ``shared`` input. It is never changed; a frozen dataclass would take longer to make.
    """

    task: int
    index: int
    label: str | int
    value: JsonValue
    count: int
    decision: int
    shared: SharedInput | None = field(default=None, compare=False, repr=False)

    def sent(self) -> tuple[int, str | int, JsonValue, int, int]:
        """Its facts, as they are sent to a worker."""
        return self.index, self.label, self.value, self.count, self.decision

    @property
    def key(self) -> str:
        """Its name in idempotency keys: the label, followed by ``@`` and the decision from the
        second one on. A label that looks numbered itself is always numbered.
        """
        label = str(self.label)
        is_plain = self.decision == 1 and _NUMBERED.fullmatch(label) is None
        return label if is_plain else f"{label}@{self.decision}"

    @property
    def key_part(self) -> str:
        """Its name in the keys of the runs that its body submits."""
        return f"i{self.index}" if self.decision == 1 else f"i{self.index}@{self.decision}"

    def with_input(self) -> JsonValue:
        """The item and the input of its map: values that its body keeps count for these."""
        assert self.shared is not None, "a worker keeps no values"
        return [self.shared.digest, self.value]

    def as_input(self) -> dict[str, JsonValue]:
        """What its child run gets of it."""
        return {"item": self.value, "index": self.index, "label": self.label}

    def name(self, task_id: str) -> str:
        """Its name for people."""
        return f"{task_id}[{self.label}]"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item of a map: its place in the data, from 0, and its label, which is its place where the
    data has no labels. ``result`` is that of a completed one, ``error`` that of its last attempt if
    it failed, as ``Type: message``.
    """

    index: int
    label: str | int
    status: TaskStatus
    result: JsonValue = None
    error: str | None = None
