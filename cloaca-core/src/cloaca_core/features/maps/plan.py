"""Decides which items of a map begin, and when and how the map is over. Pure.

An item costs a byte until it begins. Facts go in, one by one; the caller asks what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.values.option_names import ItemPolicyName

_UNBEGUN: Final = 0
_OPEN: Final = 1
_ENDED: Final = 2


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """The failed item that is first in the order of the items."""

    index: int
    error: str


class ItemPlan:
    """``open`` are the items that have begun and not ended, ``completed`` and ``failed`` count the
    others. ``stopped`` once no more items begin.
    """

    __slots__ = ("_next", "_policy", "_states", "completed", "failed", "first", "open", "stopped")

    def __init__(self, count: int, policy: ItemPolicyName) -> None:
        self._states = bytearray(count)
        self._policy = policy
        self._next = 0
        self.open: set[int] = set()
        self.completed: int = 0
        self.failed: int = 0
        self.first: FirstFailure | None = None
        self.stopped: bool = False

    def __len__(self) -> int:
        return len(self._states)

    # -- facts -------------------------------------------------------------------------------

    def resume(self, item: int) -> None:
        """The item had begun under an earlier owner, and goes on."""
        self._states[item] = _OPEN
        self.open.add(item)

    def complete(self, item: int) -> None:
        """The item has completed."""
        self.open.discard(item)
        self._states[item] = _ENDED
        self.completed += 1

    def fail(self, item: int, error: str, *, is_earlier: bool = False) -> None:
        """The item has failed and is not tried again; before the map was opened if it
        ``is_earlier``: that stops nothing.
        """
        self.open.discard(item)
        self._states[item] = _ENDED
        self.failed += 1
        if self.first is None or item < self.first.index:
            self.first = FirstFailure(item, error)
        if self._policy == "stop" and not is_earlier:
            self.stopped = True

    def withdraw(self, item: int) -> None:
        """The item was open, and its body has not begun. It is among the next to begin."""
        self._states[item] = _UNBEGUN
        self._next = min(self._next, item)
        self.open.remove(item)

    def stop(self) -> None:
        """No more items begin, by another reason than their policy."""
        self.stopped = True

    # -- consequences ------------------------------------------------------------------------

    def begin(self, most: int) -> list[int]:
        """The next items, in their order and at most so many: they are open from now on."""
        found: list[int] = []
        states = self._states
        while not self.stopped and len(found) < most:
            item = states.find(_UNBEGUN, self._next)
            if item < 0:
                self._next = len(states)
                break
            states[item] = _OPEN
            self._next = item + 1
            found.append(item)
        self.open.update(found)
        return found

    def begin_item(self, item: int) -> bool:
        """The item is open from now on; False if it has begun already."""
        if self._states[item] != _UNBEGUN:
            return False
        self._states[item] = _OPEN
        self.open.add(item)
        return True

    def unbegun(self) -> list[int]:
        """The items that have not begun, in their order."""
        return [item for item, state in enumerate(self._states) if state == _UNBEGUN]

    @property
    def has_more(self) -> bool:
        """Whether more items are to begin."""
        ended = self.completed + self.failed
        return not self.stopped and ended + len(self.open) < len(self._states)

    @property
    def is_over(self) -> bool:
        """Whether nothing of the map is to begin or to end any more."""
        if self.open:
            return False
        return self.stopped or self.completed + self.failed == len(self._states)

    @property
    def may_stop(self) -> bool:
        """Whether no more items begin after a failure."""
        return self._policy == "stop"

    @property
    def has_failed(self) -> bool:
        """Whether the map fails because of its failed items, when it is over."""
        return self.failed > 0 and self._policy != "collect"
