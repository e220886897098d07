"""The open waits of one run and its unread messages, and which of them match. Pure.

A wait belongs to a node or to a body. The wait of a body ends only while the body is here, or is
suspended in it. A body that was lost with its process comes to the same wait again, and finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.waits.mailbox import Mailbox
from cloaca_core.features.waits.records import ClosedWait, WaitRow
from cloaca_core.run.items.units import TASK, unit_of
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.waits import APPROVAL, EVENT, RUN

if TYPE_CHECKING:
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume


class WaitKey(NamedTuple):
    """The key of a wait within its run: the unit that waits, then as in ``WaitRow``."""

    task: int
    number: int
    kind: str
    name: str


class OpenWait:
    """``durable`` is set once its row is; ``ending`` while its end is being written; ``attended``
    while the waiting body is here. ``cut_off`` is set when the body has given the wait up while its
    end was being written.
    """

    __slots__ = (
        "attended",
        "cut_off",
        "durable",
        "ending",
        "is_for_event",
        "is_of_node",
        "key",
        "row",
    )

    def __init__(self, key: WaitKey, row: WaitRow, *, durable: bool) -> None:
        self.key: WaitKey = key
        self.row: WaitRow = row
        self.durable: bool = durable
        self.ending: bool = False
        self.attended: bool = False
        self.cut_off: bool = False
        self.is_of_node: bool = row.is_of_node
        self.is_for_event: bool = row.kind in (EVENT, RUN)
        """Whether an event or the end of a run ends it; that may come at any moment."""

    def closed(self, message: str | None = None) -> ClosedWait:
        """The row that closes it."""
        row = self.row
        return ClosedWait(
            row.run_id, row.task_id, row.kind, row.name, row.number, message, row.item
        )


class OpenWaits:
    """``sent`` is the number of messages that were sent to the run, as far as a commit has said;
    ``seen`` the number of them that were read, ``unread`` those that no wait has. ``suspended`` are
    the tasks whose bodies are suspended, each with its resumption. ``ended`` are the memos of ended
    waits of bodies that are here. ``undelivered`` are memos of messages that came as a wait was cut
    off: the next wait of the same body for the same event gets the message. ``opening`` counts the
    rows of waits that are being written. ``due_now`` is an instant that has come by the clock that
    made the run due.
    """

    __slots__ = (
        "_of",
        "_waits",
        "due_now",
        "ended",
        "opening",
        "seen",
        "sent",
        "suspended",
        "undelivered",
        "unread",
    )

    def __init__(self, sent: int = 0) -> None:
        self._waits: dict[WaitKey, OpenWait] = {}
        self._of: dict[int, list[OpenWait]] = {}
        self.unread: Mailbox = Mailbox()
        self.suspended: dict[int, Resume] = {}
        self.ended: dict[WaitKey, MemoRow] = {}
        self.undelivered: dict[tuple[int, str, str], MemoRow] = {}
        self.sent: int = sent
        self.seen: int = 0
        self.due_now: int = 0
        self.opening: int = 0

    def __iter__(self) -> Iterator[OpenWait]:
        return iter(list(self._waits.values()))

    def __len__(self) -> int:
        return len(self._waits)

    def of(self, task: int) -> list[OpenWait]:
        """The open waits of a task."""
        return list(self._of.get(task, ()))

    def get(self, key: WaitKey) -> OpenWait | None:
        """The open wait with this key, or None."""
        return self._waits.get(key)

    def has(self, wait: OpenWait) -> bool:
        """Whether this wait is open."""
        return self._waits.get(wait.key) is wait

    def add(self, task: int, row: WaitRow, *, durable: bool = False) -> OpenWait:
        """A wait begins. It replaces a wait with the same key."""
        key = WaitKey(task, row.number, row.kind, row.name)
        if (before := self._waits.get(key)) is not None:
            self.remove(before)
        wait = self._waits[key] = OpenWait(key, row, durable=durable)
        self._of.setdefault(task, []).append(wait)
        return wait

    def remove(self, wait: OpenWait) -> None:
        """The wait is over."""
        if self.has(wait):
            del self._waits[wait.key]
            others = self._of[wait.key.task]
            others.remove(wait)
            if not others:
                del self._of[wait.key.task]

    def forget_ended(self, task: int) -> None:
        """The attempt of a task has ended: its body does not come to waits that have ended."""
        for key in [key for key in self.ended if key.task == task]:
            del self.ended[key]
        for place in [place for place in self.undelivered if place[0] == task]:
            del self.undelivered[place]

    def deliver(self, wait: OpenWait, memo: MemoRow) -> OpenWait | None:
        """A wait that was cut off has ended by a message. Returns the next wait of the same body
        for the same event, which the message ends instead; None if the body has not come to one
        yet.
        """
        key = wait.key
        for other in self.of(key.task):
            same = (other.key.kind, other.key.name) == (key.kind, key.name)
            if same and other.attended and not other.ending:
                self.remove(other)
                return other
        self.undelivered[key.task, key.kind, key.name] = memo
        return None

    def suspended_before(self, resumes: Mapping[int, Resume]) -> None:
        """As in ``Waiting``."""
        for unit in self._of.keys() & resumes.keys():
            self.suspended[unit] = resumes[unit]

    def put(self, unread: Collection[MessageRow], sent: int) -> None:
        """Take the unread messages of the run that were not ``seen``. The table was read after
        ``sent`` messages were known to be sent. Some of them may have come here meanwhile.
        """
        for each in unread:
            if each.number > self.seen:
                self.unread.put(each)
        self.seen = max([self.seen, sent, *(each.number for each in unread)])
        self.sent = max(self.sent, self.seen)

    def append(self, message: MessageRow) -> bool:
        """A message was sent. False if messages before it were not read."""
        if message.number != self.seen + 1:
            return False
        self.unread.put(message)
        self.seen = message.number
        self.sent = max(self.sent, self.seen)
        return True

    @property
    def has_news(self) -> bool:
        """Whether messages were sent that are not read yet."""
        return self.sent > self.seen

    def matches(self, *, bodies_only: bool) -> list[tuple[OpenWait, MessageRow]]:
        """Match waits with messages; these waits are ending from now on. Of two waits for one
        event, the first in definition order is first; of two messages, the older one, but first
        those that are sent to the task or the item itself.
        """
        if not self.unread:
            return []
        found: list[tuple[OpenWait, MessageRow]] = []
        for key in self._in_turn():
            wait = self._waits[key]
            if not self._may_end(wait, bodies_only=bodies_only) or wait.row.timed_out:
                continue
            message = self.unread.take(wait.row)
            if message is not None:
                wait.ending = True
                found.append((wait, message))
        return found

    def _in_turn(self) -> list[WaitKey]:
        """The order in which waits get messages: of tasks, then of the items of each."""
        keys = sorted(self._waits)
        if keys and keys[-1].task > TASK:
            keys.sort(key=lambda key: key.task & TASK)  # stable: the items stay in their order
        return keys

    def due(self, now: int, *, bodies_only: bool) -> list[OpenWait]:
        """The waits whose time is over, in the order of their tasks."""
        now = max(now, self.due_now)
        return [
            wait
            for wait in map(self._waits.__getitem__, self._in_turn())
            if self._may_end(wait, bodies_only=bodies_only)
            and (wait.row.timed_out or (wait.row.due_at is not None and wait.row.due_at <= now))
        ]

    def next_due(self, *, bodies_only: bool = False) -> int | None:
        """The earliest instant at which a wait ends by time that may end now."""
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
        return not bodies_only and (wait.is_of_node or wait.key.task in self.suspended)

    def resting(self) -> set[int]:
        """The tasks that continue only when one of their waits ends. A wait whose row is not
        durable may end by a message that is already known.
        """
        opening = {key.task for key, wait in self._waits.items() if not wait.durable}
        return self.without_body() - opening

    def without_body(self) -> set[int]:
        """The tasks that wait and have no body in this process, also tasks whose wait is still
        being written.
        """
        nodes = {key.task for key, wait in self._waits.items() if wait.is_of_node}
        return nodes | self.suspended.keys()

    def attended(self) -> Counter[int]:
        """For each task whose body is in this process: the number of waits that the body is in."""
        return Counter(key.task for key, wait in self._waits.items() if wait.attended)

    @property
    def has_runs(self) -> bool:
        """Whether any is for the end of a run."""
        return RUN in [key.kind for key in self._waits]  # a generator is called for each wait

    def is_ending(self) -> bool:
        """Whether the end of a wait is being written."""
        return True in [wait.ending for wait in self._waits.values()]

    def newest_for_event(self) -> int | None:
        """The instant at which the newest wait for an event was opened; None without such a
        wait.
        """
        return max([w.row.opened_at for w in self._waits.values() if w.is_for_event], default=None)


def waits_of(run: ActiveRun) -> OpenWaits | None:
    """The waits of a run; None before the first one."""
    waits = run.waits
    assert waits is None or isinstance(waits, OpenWaits), "only this feature makes them"
    return waits


def open_waits(run: ActiveRun) -> OpenWaits:
    """The waits of a run, made if there are none yet."""
    waits = run.waits
    if isinstance(waits, OpenWaits):
        return waits
    assert waits is None, "only this feature makes them"
    waits = run.waits = OpenWaits(run.row.messages)
    return waits


def asker_of(run: ActiveRun, unit: int, name: str) -> str | None:
    """Another task with an approval of this name: people could not tell the two apart. Items of one
    map they can.
    """
    own = unit & TASK
    if (node := run.graph.position.get(name, own)) != own:
        return run.graph.tasks[node].id
    for wait in open_waits(run):
        if (wait.row.kind, wait.row.name) == (APPROVAL, name) and wait.key.task & TASK != own:
            return wait.row.task_id
    return None


def restored(
    position: Mapping[str, int],
    rows: Iterable[WaitRow],
    unread: Sequence[MessageRow],
    sent: int,
    resume: Mapping[int, Resume],
) -> OpenWaits:
    """The waits of a claimed run. ``sent`` is the number of messages that its row has, ``resume``
    the resumptions of its tasks. Waits of tasks that the workflow no longer has are left out.
    """
    waits = OpenWaits(sent)
    for row in rows:
        if (task := position.get(row.task_id)) is not None:
            unit = unit_of(task, row.item)
            waits.add(unit, row, durable=True)
            if unit in resume and resume[unit].was_suspended:
                waits.suspended[unit] = resume[unit]
    waits.put(unread, sent)
    return waits
