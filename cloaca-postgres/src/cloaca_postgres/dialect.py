"""PostgreSQL for ``SqlStore``: sessions that write, that read, and one for the heartbeat.

So lists never wait for a flush, nor a flush for lists, and a heartbeat waits for neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreReadOnlyError, StoreUnavailableError
from cloaca_core.store.changes import Change
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, Step, Then
from cloaca_postgres.claim_marks import APART_POLLING_S, APART_S, ClaimMarks
from cloaca_postgres.key_waits import KeyWaits
from cloaca_postgres.outbox import PostgresOutbox
from cloaca_postgres.sessions.clock import DatabaseClock
from cloaca_postgres.sessions.connecting import Connector
from cloaca_postgres.sessions.decider import Decider
from cloaca_postgres.sessions.pool import Pool
from cloaca_postgres.statements import STATEMENTS, WORDING, step
from cloaca_postgres.url import Target
from cloaca_postgres.wakeups.announcements import Announcements, Wakeups
from cloaca_postgres.wakeups.listener import Listener
from cloaca_postgres.wakeups.poller import Poller

if TYPE_CHECKING:
    from cloaca_postgres.transactions import PostgresTransactions

_WRITERS: Final = 2
"""Sessions that write: the journal's, and one for work such as claims, which must not wait."""
_MOST_KEYS: Final = 200
"""Number of keys that a batch locks until its commit: the server has room for about 64 locks
for each connection that it allows, and a runner uses three of them or more.
"""


def _transactions(target: Target, schema: str, timeout: float) -> PostgresTransactions:
    from cloaca_postgres.transactions import PostgresTransactions  # few programs have any

    return PostgresTransactions(target, schema, timeout)


class PostgresDialect:
    """An open, migrated PostgreSQL schema. Contracts: see ``Dialect``.

    ``options.pool_size`` bounds the sessions that read and write (at least one of each). Besides,
    the heartbeat and the wake-ups have one each, and all submits that wait for a key share one. A
    session is opened when it is first needed. A beat that gets none of its own takes a writing one.
    """

    wording = WORDING
    sql_package = __package__
    most_keys: int | None = _MOST_KEYS

    def __init__(
        self,
        connector: Connector,
        clock: DatabaseClock,
        target: Target,
        schema: str,
        options: StoreOptions,
        outbox: PostgresOutbox,
    ) -> None:
        self.outbox = outbox
        self.transactions = partial(_transactions, target, schema, options.connect_timeout)
        self._connector = connector
        self.writable: bool = not target.read_only
        self._clock = clock
        self.wall: Callable[[], int] = clock.now
        self._place = place = target.place
        pool_size = options.pool_size
        writers = min(_WRITERS, max(1, pool_size // 2))
        self._writes = Pool(connector.connect_writer, writers, place=place)
        self._reads = Pool(connector.connect_reader, max(1, pool_size - writers), place=place)
        self._heart = Pool(connector.connect_writer, 1, place=place)
        self._key_waits = KeyWaits(connector.connect_writer, place)
        apart = APART_POLLING_S if target.pooler else APART_S
        self.marks = ClaimMarks(self.wall, asyncio.get_running_loop().time, apart)
        announcements = Announcements(schema, self.wall, self.marks.begin_with_oldest)
        self._wakeups: Wakeups
        if target.pooler:
            self._wakeups = Poller(self._reads, announcements, options.poll_interval)
        else:
            self._wakeups = Listener(connector.connect_reader, announcements)
        self.marks.again = self._wakeups.return_in

    def array(self, values: Collection[str | int]) -> object:
        """A list, which the driver sends as an array."""
        return list(values)

    async def write(
        self,
        steps: Sequence[Step],
        *,
        urgent: bool = False,
        on_commit: Callable[[Answers], None] | None = None,
        then: Then | None = None,
    ) -> Answers:
        self._refuse_writes()
        if then is not None:
            return await self._write_more(steps, then, on_commit)
        all_steps = [*steps, *self._wakeups.within(steps)]
        if urgent:
            pool = self._heart if self._heart.is_open() else self._writes
            answers = await self._timed(pool, all_steps, first=True)
        else:
            answers = await self._writes.run(all_steps)
        answers = answers[: len(steps)]
        self._wakeups.wrote(steps, answers)
        if on_commit is not None:
            on_commit(answers)
        return answers

    async def _write_more(
        self, steps: Sequence[Step], then: Then, on_commit: Callable[[Answers], None] | None
    ) -> Answers:
        """Run a transaction that decides about its last steps."""
        decider = Decider(then, self._wakeups.within)
        answers = await self._writes.run(steps, decider=decider)
        self._wakeups.wrote(decider.done, decider.answers)
        if on_commit is not None:
            on_commit(answers)
        return answers

    async def write_apart(self, steps: Sequence[Step], key: str) -> Answers:
        self._refuse_writes()
        answers = await self._key_waits.write(steps, key)
        self._wakeups.wrote(steps, answers)
        return answers

    def _refuse_writes(self) -> None:
        """Refuse before the server would, which would cost the session (see ``Pool``)."""
        if not self.writable:
            raise StoreReadOnlyError(
                f"{self._place}: the database was opened with mode=ro, to be looked at only"
            )

    async def read(self, steps: Sequence[Step]) -> Answers:
        try:
            return await self._timed(self._reads, steps)
        except StoreUnavailableError:
            # Reading may be repeated: the use of a broken connection reveals it, and then the
            # pool has no idle one.
            return await self._timed(self._reads, steps)

    async def _timed(self, pool: Pool, steps: Sequence[Step], *, first: bool = False) -> Answers:
        """Run the steps; answers of beats and of looks at leases update the clock."""
        sent = self._clock.start()
        *answers, ((now,),) = await pool.run([*steps, step(STATEMENTS.clock)], first=first)
        self._clock.read(sent, now)
        return answers

    def lease_clock(self) -> int:
        """The database's clock: runners that share it may be on different machines."""
        return self._clock.now()

    @property
    def lease_ends_with_boot(self) -> bool:
        """False: the database's clock outlasts a restart of this machine."""
        return False

    async def now(self) -> int:
        """Ask the database for its clock, which may have been set since the last beat."""
        (((now,),),) = await self._reads.run([step(STATEMENTS.clock)])
        return int(now)

    async def identity(self) -> str | None:
        """Ask the server: several names may lead to it."""
        (((identity,),),) = await self._reads.run([step(STATEMENTS.which_database)])
        return str(identity)

    async def give_back(self, limit: int) -> int | None:  # noqa: ARG002 - the server does it
        """Do nothing: the server's vacuum makes the space of deleted rows free."""
        return None

    async def wait_changed(self) -> Change:
        return await self._wakeups.wait()

    def set_watched(self, *, watched: bool) -> None:
        self._wakeups.set_watched(watched=watched)

    def set_contended(self, *, contended: bool) -> None:
        self._wakeups.set_contended(contended=contended)

    def on_connected(self, connected: Callable[[], None]) -> None:
        self._connector.connected = connected

    async def close(self) -> None:
        await self._wakeups.close()
        await self._key_waits.close()
        for pool in (self._reads, self._writes, self._heart):
            await pool.close()
        self._connector.close()
