"""The messages of one run that are known here and that no wait has read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.run.rows import THE_TASK

if TYPE_CHECKING:
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.store.messages import MessageRow

_Place: TypeAlias = "tuple[str, str, str | None, int]"


class Mailbox:
    """Messages by their kind, their name, and the task or the item that they are for, the oldest
    first. They are kept by their ids: a message may be heard of, and be read.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[_Place, dict[str, MessageRow]] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def put(self, message: MessageRow) -> None:
        """Keep a message, which is newer than all others, or one of them with its number."""
        self._places.setdefault(_place(message), {})[message.id] = message

    def hear(self, end: MessageRow) -> None:
        """A child has ended here: its message has no number yet, unless it was read before."""
        self._places.setdefault(_place(end), {}).setdefault(end.id, end)

    def drop_unnumbered(self) -> bool:
        """Drop the messages without a number that end no wait now: they come again once they have
        one. Returns whether there were any.
        """
        dropped = False
        for place, messages in list(self._places.items()):
            for message in [each for each in messages.values() if not each.number]:
                dropped = True
                self._remove(place, message)
        return dropped

    def take(self, row: WaitRow) -> MessageRow | None:
        """The message that ends this wait, which is not given again: the oldest, but first those
        that are sent to its task or item itself.
        """
        for place in (
            (row.kind, row.name, row.task_id, row.item),
            (row.kind, row.name, None, THE_TASK),
        ):
            for message in self._places.get(place, {}).values():
                self._remove(place, message)
                return message
        return None

    def _remove(self, place: _Place, message: MessageRow) -> None:
        messages = self._places[place]
        del messages[message.id]
        if not messages:
            del self._places[place]


def _place(message: MessageRow) -> _Place:
    return (message.kind, message.name, message.for_task, message.for_item)
