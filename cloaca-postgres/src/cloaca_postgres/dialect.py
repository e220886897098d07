"""PostgreSQL as ``SqlStore`` sees it: sessions that write, that read, and one for the heartbeat.

Lists never wait for a flush that way, nor a flush for lists, and a beat waits for neither.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.resources import files
from typing import Final

from cloaca_core.store.dialect import Step
from cloaca_core.store.queries import Row
from cloaca_postgres.clock import DatabaseClock
from cloaca_postgres.connecting import Connector
from cloaca_postgres.driver import Session
from cloaca_postgres.pool import Pool
from cloaca_postgres.statements import PLACEHOLDER, STATEMENTS, step
from cloaca_postgres.url import Target
from cloaca_postgres.wakeups import Listener, Poller, Wakeups

_WRITERS: Final = 2
"""Sessions that write: the journal's, and one for what must not wait for it, such as claims."""


class PostgresDialect:
    """An open, migrated PostgreSQL schema. Contracts: see ``Dialect``.

    ``pool_size`` bounds the sessions that read and write, of which there is at least one each;
    the heartbeat and the wake-ups have one each beside them.
    """

    placeholder = PLACEHOLDER

    def __init__(
        self,
        connector: Connector,
        writer: Session,
        heart: Session,
        clock: DatabaseClock,
        target: Target,
        schema: str,
        pool_size: int,
    ) -> None:
        self.overrides = files(__package__).joinpath("overrides.sql").read_text("utf-8")
        self._clock = clock
        place = target.place
        writers = min(_WRITERS, max(1, pool_size // 2))
        self._writes = Pool(connector.connect_writer, writers, place=place)
        self._writes.add(writer)
        self._reads = Pool(connector.connect_reader, max(1, pool_size - writers), place=place)
        self._heart = Pool(connector.connect_writer, 1, place=place)
        self._heart.add(heart)
        self._wakeups: Wakeups
        if target.pooler:
            self._wakeups = Poller(self._reads, schema)
        else:
            self._wakeups = Listener(connector.connect_reader, schema)

    def array(self, values: Collection[str]) -> object:
        """A list, which PostgreSQL takes as it is."""
        return list(values)

    async def write(self, steps: Sequence[Step], *, urgent: bool = False) -> list[list[Row]]:
        all_steps = [*steps, *self._wakeups.within(steps)]
        answers = await (self._beat(all_steps) if urgent else self._writes.run(all_steps))
        self._wakeups.wrote(steps)
        return answers[: len(steps)]

    async def _beat(self, steps: Sequence[Step]) -> list[list[Row]]:
        """Urgent writes are rare and regular: they bring the database's clock along."""
        sent = self._clock.start()
        *answers, ((now,),) = await self._heart.run([*steps, step(STATEMENTS.clock)])
        self._clock.read(sent, now)
        return answers

    async def read(self, steps: Sequence[Step]) -> list[list[Row]]:
        return await self._reads.run(steps)

    def lease_clock(self) -> int:
        """The database's clock: all who share it can be anywhere."""
        return self._clock.now()

    @property
    def lease_ends_with_boot(self) -> bool:
        """False: the database's clock goes on."""
        return False

    async def now(self) -> int:
        """The database's clock, asked: it may have been set since the last beat."""
        (((now,),),) = await self._reads.run([step(STATEMENTS.clock)])
        return int(now)

    async def wait_changed(self) -> None:
        await self._wakeups.wait()

    def set_contended(self, *, contended: bool) -> None:
        self._wakeups.set_contended(contended=contended)

    async def close(self) -> None:
        await self._wakeups.close()
        for pool in (self._reads, self._writes, self._heart):
            await pool.close()
