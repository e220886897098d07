"""Tells the other stores of a file what was committed, and knows who they are.

A store that listens has a row in the file, which it writes and removes in transactions that are
made anyway, as far as there are any. The rows are read when the file has changed, so a lone runner
does nothing for each run. Messages are best effort: changes that are not heard of are found by
polling (see ``changes``).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cloaca_core.engine.recover.process_identity import ProcessIdentity, is_gone, this_process
from cloaca_core.store.changes import Change, stronger
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.news import News
from cloaca_core.store.sql.queries import Row, Statement, load_statements
from cloaca_core.values.times.clock import Clock
from cloaca_sqlite.driver import WORDING
from cloaca_sqlite.wakeups.wake_socket import (
    APART_S,
    Delivery,
    WakeSocket,
    is_in_own_folder,
)

_OF_RUNNERS: Final = frozenset(("register", "unregister"))
"""Statements with which a store begins and ends to listen."""
_DAY_US: Final = 86_400_000_000


class _Statements(NamedTuple):
    """The statements of ``listeners.sql``."""

    note_listener: Statement
    forget_listener: Statement
    forget_strangers: Statement
    list_listeners: Statement


_STATEMENTS: Final = _Statements(
    **load_statements(
        [package_files(__package__).joinpath("listeners.sql").read_text("utf-8")],
        required=_Statements._fields,
        wording=WORDING,
    )
)


class Wakeups:
    """Belongs to the store's loop. ``heard`` is called there when another store has sent word."""

    def __init__(self, clock: Clock) -> None:
        self.heard: Callable[[Change], None] = lambda _: None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._process = this_process()
        self._uid = os.geteuid()
        self._socket = WakeSocket(lambda change: self.heard(change))
        self._news = News()
        self._wants_to_hear = False
        self._noted: str | None = None
        self._has_met_others = False
        self._is_alone = False
        self._others: dict[str, ProcessIdentity] = {}
        self._unreachable: set[str] = set()
        self._gone: set[str] = set()
        self._untold: Change | None = None
        self._resting: asyncio.TimerHandle | None = None
        self.list_others: Step = self._step(_STATEMENTS.list_listeners)

    def _step(self, statement: Statement, **values: object) -> Step:
        return Step.of(statement, self._process._asdict() | {"uid": self._uid} | values)

    # -- rows --------------------------------------------------------------------------------

    @property
    def listens(self) -> bool:
        """True when others know where this store listens."""
        return self._noted is not None and self._noted == self._socket.path

    @property
    def is_to_be_noted(self) -> bool:
        """True when this store listens and has no row, or the row of another path."""
        return self._wants_to_hear and self._socket.path is not None and not self.listens

    @property
    def is_to_be_forgotten(self) -> bool:
        """True when this store has a row and listens no more."""
        return self._noted is not None and not self._wants_to_hear

    def listen(self) -> None:
        """Have a socket; its row is written by the next transaction."""
        self._wants_to_hear = True
        self._is_alone = False
        before = self._socket.path
        self._socket.bind()
        if before is not None and before != self._socket.path:
            self._gone.add(before)

    def leave(self) -> None:
        """Be no listener any more; the row is removed by the next transaction."""
        self._wants_to_hear = False
        self._is_alone = False

    def has_no_part_in(self, steps: Sequence[Step]) -> bool:
        """True for nearly all transactions of a store that has no other to notify: for these
        neither ``within`` nor ``wrote`` need be called.
        """
        if not self._is_alone:
            return False
        names = [each.statement.name for each in steps]
        return _OF_RUNNERS.isdisjoint(names)

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Steps to run in the same transaction, after these; nearly always none."""
        for each in steps:
            if each.statement.name == "register":
                self.listen()
            elif each.statement.name == "unregister":
                self.leave()
        if self._is_settled():
            return ()
        return [*self._removals(), *self._note(), self.list_others]

    def _is_settled(self) -> bool:
        """True when there is no row of this store's to write or to remove."""
        return self._has_met_others and not (
            self._gone or self.is_to_be_noted or self.is_to_be_forgotten
        )

    def _removals(self) -> list[Step]:
        paths = sorted(self._gone)
        if self.is_to_be_forgotten:
            paths.append(str(self._noted))
        return [self._step(_STATEMENTS.forget_listener, path=path) for path in paths]

    def _note(self) -> list[Step]:
        if not self.is_to_be_noted:
            return []
        now, q = self._clock.wall(), _STATEMENTS
        return [
            self._step(q.forget_strangers, long_ago=now - _DAY_US),
            self._step(q.note_listener, path=self._socket.path, noted_at=now),
        ]

    def wrote(self, steps: Sequence[Step], added: Sequence[Step], answers: Answers) -> None:
        """Tell the others of steps that were committed, if they are news. ``added`` are the steps
        of ``within`` that were committed with them, ``answers`` theirs.
        """
        was_noted = self._noted
        for each in added:
            self._settle(each)
        if added:
            self.met(answers[-1])
        if not self._others:
            self._is_alone = self._is_settled()
            return
        change = self._news.of(steps) if self._noted in (was_noted, None) else Change.ANYTHING
        self._news.wrote(steps)
        if change is not None:
            self._tell(change)

    def _settle(self, step: Step) -> None:
        if step.statement is _STATEMENTS.note_listener:
            self._noted = step.params[0]
        elif step.statement is _STATEMENTS.forget_listener:
            (path,) = step.params
            self._gone.discard(path)
            if path == self._noted:
                self._noted = None

    def met(self, rows: Sequence[Row]) -> None:
        """Take over the list of listeners as it is now."""
        self._has_met_others = True
        self._is_alone = False
        listed = {path: ProcessIdentity(*process) for path, *process in rows}
        if self._noted not in listed:
            self._noted = None
        self._unreachable &= listed.keys()
        passed_over = self._unreachable | self._gone
        self._others = {
            path: process
            for path, process in listed.items()
            if path not in passed_over and path != self._socket.path and self._may_send_to(path)
        }
        if not self._others:
            self._news = News()  # a lease that begins or ends meanwhile is not noted

    def _may_send_to(self, path: str) -> bool:
        """Whether only processes of this user can listen there: any program may write rows."""
        return path in self._others or is_in_own_folder(path)

    # -- messages ----------------------------------------------------------------------------

    def _tell(self, change: Change) -> None:
        """Send at once, or with other changes when some time has passed since the last message.
        Moves of runs are sent at once in any case, and with other changes once more.
        """
        is_move = change is Change.MOVES
        if self._resting is None or is_move:
            self._send(change)
        if self._resting is not None or is_move:
            self._untold = stronger(self._untold, Change.RUNS if is_move else change)
        if self._resting is None:
            self._resting = self._loop.call_later(APART_S, self._tell_more)

    def _tell_more(self) -> None:
        self._resting = None
        if (change := self._untold) is not None:
            self._untold = None
            self._tell(change)

    def _send(self, change: Change) -> None:
        for path, process in list(self._others.items()):
            delivery = self._socket.send(path, change)
            if delivery is Delivery.DONE:
                continue
            del self._others[path]
            if delivery is Delivery.DEAD or self._has_ended(process):
                self._gone.add(path)
            else:
                self._unreachable.add(path)

    def _has_ended(self, process: ProcessIdentity) -> bool:
        """Whether a process whose socket's file is gone has ended too. Another one may have a
        temporary folder of its own. Where processes cannot be identified there are no such folders.
        """
        return not process.process_start or is_gone(self._process, process)

    def close(self) -> None:
        """Tell what is untold, and close the socket."""
        if self._resting is not None:
            self._resting.cancel()
        if self._untold is not None:
            self._send(self._untold)
        self._untold = None
        self._socket.close()
