"""The open waits of one run and its unread messages, and which of them meet. Pure.

A wait is that of a node or of a body. One of a body ends only while the body is there, or has left
because of it: a body that was lost with its process comes to the same place again, and finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.waits.records import ClosedWait, WaitRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.waits import EVENT

if TYPE_CHECKING:
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume


class WaitKey(NamedTuple):
    """A wait within its run: the index of its task, then as in ``WaitRow``. In the order in which
    waits get messages.
    """

    task: int
    number: int
    kind: str
    name: str


class OpenWait:
    """``durable`` once its row is; ``ending`` while its end is on the way to the table;
    ``attended`` while the body is there that waits. ``cut_off`` once the body has given it up while
    its end was on the way.
    """

    __slots__ = ("attended", "cut_off", "durable", "ending", "key", "row")

    def __init__(self, key: WaitKey, row: WaitRow, *, durable: bool) -> None:
        self.key: WaitKey = key
        self.row: WaitRow = row
        self.durable: bool = durable
        self.ending: bool = False
        self.attended: bool = False
        self.cut_off: bool = False

    @property
    def is_for_event(self) -> bool:
        """Whether an event ends it, which may come at any moment."""
        return self.row.kind == EVENT

    def closed(self, message: int | None = None) -> ClosedWait:
        """Its end in the table."""
        row = self.row
        return ClosedWait(row.run_id, row.task_id, row.kind, row.name, row.number, message)


class OpenWaits:
    """``told`` is how many messages the run was sent, as far as a commit has said; ``seen`` how
    many of them were read. ``left`` are the tasks whose bodies have left, each with how to go on
    with it; ``ended`` the memos of waits of bodies that have ended here. ``undelivered`` are those
    with a message that came as its wait was cut off: the next wait of the same body for the same
    gets it. ``opening`` is how many rows of waits are on their way. ``due_now`` is an instant that
    has come by the clock that let the run go.
    """

    __slots__ = (
        "_unread",
        "_waits",
        "due_now",
        "ended",
        "left",
        "opening",
        "seen",
        "told",
        "undelivered",
    )

    def __init__(self, told: int = 0) -> None:
        self._waits: dict[WaitKey, OpenWait] = {}
        self._unread: list[MessageRow] = []
        self.left: dict[int, Resume] = {}
        self.ended: dict[WaitKey, MemoRow] = {}
        self.undelivered: dict[tuple[int, str, str], MemoRow] = {}
        self.told: int = told
        self.seen: int = 0
        self.due_now: int = 0
        self.opening: int = 0

    def __iter__(self) -> Iterator[OpenWait]:
        return iter(list(self._waits.values()))

    def __len__(self) -> int:
        return len(self._waits)

    def of(self, task: int) -> list[OpenWait]:
        """The open waits of a task."""
        return [wait for wait in self._waits.values() if wait.key.task == task]

    def get(self, key: WaitKey) -> OpenWait | None:
        """The wait of this key, if it is open."""
        return self._waits.get(key)

    def has(self, wait: OpenWait) -> bool:
        """Whether this wait is open."""
        return self._waits.get(wait.key) is wait

    def add(self, task: int, row: WaitRow, *, durable: bool = False) -> OpenWait:
        """A wait begins; one that was there with its key is replaced."""
        key = WaitKey(task, row.number, row.kind, row.name)
        wait = self._waits[key] = OpenWait(key, row, durable=durable)
        return wait

    def remove(self, wait: OpenWait) -> None:
        """The wait is over."""
        if self.has(wait):
            del self._waits[wait.key]

    def forget_ended(self, task: int) -> None:
        """The attempt of a task has ended: no body comes for its waits that have ended."""
        for key in [key for key in self.ended if key.task == task]:
            del self.ended[key]
        for place in [place for place in self.undelivered if place[0] == task]:
            del self.undelivered[place]

    def deliver(self, wait: OpenWait, memo: MemoRow) -> OpenWait | None:
        """A wait that was cut off has ended by a message: returns the next wait of the same body
        for the same, which it ends in its place; None if the body has not come to one yet.
        """
        key = wait.key
        for other in self.of(key.task):
            same = (other.key.kind, other.key.name) == (key.kind, key.name)
            if same and other.attended and not other.ending:
                self.remove(other)
                return other
        self.undelivered[key.task, key.kind, key.name] = memo
        return None

    def put(self, unread: Collection[MessageRow], told: int) -> None:
        """These are the unread messages of the run that were not ``seen``, as the table had them
        after it was known that ``told`` were sent. Some of them may have come here meanwhile.
        """
        self._unread += [each for each in unread if each.number > self.seen]
        self.seen = max([self.seen, told, *(each.number for each in unread)])
        self.told = max(self.told, self.seen)

    def append(self, message: MessageRow) -> bool:
        """A message was sent; false if there are others before it that were not read."""
        if message.number != self.seen + 1:
            return False
        self._unread.append(message)
        self.seen = message.number
        self.told = max(self.told, self.seen)
        return True

    @property
    def has_news(self) -> bool:
        """Whether messages have come that were not read."""
        return self.told > self.seen

    def matches(self, *, bodies_only: bool) -> list[tuple[OpenWait, MessageRow]]:
        """Which waits end, by which messages: they are ending from now on. Of two waits for one
        event the first in definition order is first, and of two messages the older one.
        """
        if not self._unread:
            return []
        found: list[tuple[OpenWait, MessageRow]] = []
        for key in sorted(self._waits):
            wait = self._waits[key]
            if not self._may_end(wait, bodies_only=bodies_only) or wait.row.timed_out:
                continue
            message = self._first(wait.row)
            if message is not None:
                self._unread.remove(message)
                wait.ending = True
                found.append((wait, message))
        return found

    def _first(self, row: WaitRow) -> MessageRow | None:
        wanted = (row.kind, row.name)
        return next((each for each in self._unread if (each.kind, each.name) == wanted), None)

    def due(self, now: int, *, bodies_only: bool) -> list[OpenWait]:
        """The waits whose time is over, in the order of their tasks."""
        now = max(now, self.due_now)
        return [
            wait
            for _, wait in sorted(self._waits.items())
            if self._may_end(wait, bodies_only=bodies_only)
            and (wait.row.timed_out or (wait.row.due_at is not None and wait.row.due_at <= now))
        ]

    def next_due(self, *, bodies_only: bool = False) -> int | None:
        """When the first wait is over by time that may end now."""
        return min(
            [
                wait.row.due_at
                for wait in self._waits.values()
                if wait.row.due_at is not None and self._may_end(wait, bodies_only=bodies_only)
            ],
            default=None,
        )

    def _may_end(self, wait: OpenWait, *, bodies_only: bool) -> bool:
        if wait.ending or not wait.durable:
            return False
        if wait.attended:
            return True
        return not bodies_only and (wait.row.is_of_node or wait.key.task in self.left)

    def resting(self) -> set[int]:
        """The tasks that go on only when a wait of theirs ends. One whose row is not durable may
        end by a message that is known already.
        """
        opening = {key.task for key, wait in self._waits.items() if not wait.durable}
        return self.without_body() - opening

    def without_body(self) -> set[int]:
        """The tasks that wait and have no body here, also those whose rows are on their way."""
        nodes = {key.task for key, wait in self._waits.items() if wait.row.is_of_node}
        return nodes | self.left.keys()

    def attended(self) -> Counter[int]:
        """In how many waits the body of each task is that is here."""
        return Counter(key.task for key, wait in self._waits.items() if wait.attended)

    def is_ending(self) -> bool:
        """Whether the end of any wait is on the way to the table."""
        return any(wait.ending for wait in self._waits.values())

    def newest_for_event(self) -> int | None:
        """When the newest wait for an event was opened."""
        return max([w.row.opened_at for w in self._waits.values() if w.is_for_event], default=None)


def waits_of(run: ActiveRun) -> OpenWaits | None:
    """The waits of a run; None before the first one."""
    waits = run.waits
    assert waits is None or isinstance(waits, OpenWaits), "only this feature makes them"
    return waits


def open_waits(run: ActiveRun) -> OpenWaits:
    """The waits of a run; it has some from now on."""
    waits = waits_of(run)
    if waits is None:
        waits = run.waits = OpenWaits(run.row.messages)
    return waits


def restored(
    position: Mapping[str, int],
    rows: Iterable[WaitRow],
    unread: Sequence[MessageRow],
    told: int,
    resume: Mapping[int, Resume],
) -> OpenWaits:
    """The waits of a run that was claimed; ``told`` is how many messages its row knew of,
    ``resume`` says how its tasks go on. Waits of tasks that the workflow no longer has are left
    out.
    """
    waits = OpenWaits(told)
    for row in rows:
        if (task := position.get(row.task_id)) is not None:
            waits.add(task, row, durable=True)
            if task in resume and resume[task].was_suspended:
                waits.left[task] = resume[task]
    waits.put(unread, told)
    return waits
