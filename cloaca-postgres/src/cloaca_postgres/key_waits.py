"""Inserts runs whose idempotency key another transaction is writing, each by itself.

Such a transaction may be open for hours, and an insert has to wait for it. All these inserts share
one session, open only while there are any, and take turns. Each round first tries the runs whose
key seems to be free, by the locks that outboxes take; then the first of the others waits for a
second, or longer while it is alone. The locks are only a sign, which any role could set: no insert
waits for one, and each run gets its turn even if its lock is never free.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_postgres.errors import is_canceled, is_conflict, is_in_use
from cloaca_postgres.sessions.pool import STATEMENT_DEADLINE_S
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, step

log: Final = SafeLogger("cloaca.store")

QUICK_TRY_S: Final = 0.05
"""Wait of an insert whose key seems free: a batch that writes the key ends within it."""
TURN_S: Final = 1.0
"""Wait of an insert while other keys may become free."""
LONGEST_TURN_S: Final = 0.7 * STATEMENT_DEADLINE_S
"""Longest wait of an insert that is alone: the server ends statements not much later."""
MOST_ASKED: Final = 200
"""Keys per query, which locks each of them while it runs."""
_BEGIN: Final = step(STATEMENTS.begin)
_COMMIT: Final = step(STATEMENTS.commit)
_ROLLBACK: Final = step(STATEMENTS.rollback)


@dataclass(slots=True, eq=False)
class _Wait:
    """A transaction that waits for a key. ``seemed_free`` is true when the key seemed free and was
    not: then it is tried again only at its turn.
    """

    steps: Sequence[Step]
    key: str
    answer: asyncio.Future[Answers] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    seemed_free: bool = False


class KeyWaits:
    """Waiting inserts; all methods belong to the loop. ``connect`` opens a session that writes."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], place: str) -> None:
        self._connect = connect
        self._place = place
        self._waits: deque[_Wait] = deque()
        self._task: asyncio.Task[None] | None = None
        self._turn_s = TURN_S
        self._arrived = asyncio.Event()
        self._closed = False

    async def write(self, steps: Sequence[Step], key: str) -> Answers:
        """Run the steps in one transaction, without a limit to their wait for another one.

        Cancelling the caller ends the transaction, unless its commit is on the way.
        """
        if self._closed:
            raise self._is_closed()
        wait = _Wait(steps, key)
        self._waits.append(wait)
        self._arrived.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="cloaca-key-waits")
        try:
            return await wait.answer
        finally:
            if wait in self._waits:
                self._waits.remove(wait)

    async def close(self) -> None:
        """Stop; all waiting callers get a ``StoreError``."""
        self._closed = True
        self._fail_all(self._is_closed())
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _is_closed(self) -> StoreError:
        return StoreError(f"{self._place}: the store is closed")

    # -- take turns --------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Take turns until none waits. A lost session is an error for all: they may call again."""
        self._turn_s = TURN_S
        try:
            session = await self._connect()
            try:
                while self._waits:
                    await self._round(session)
            finally:
                session.close()
        except StoreError as error:
            self._fail_all(error)
        except Exception as error:  # a bug here must not leave callers waiting for ever
            log.exception("waiting for keys failed")
            self._fail_all(StoreError(f"{self._place}: waiting for keys failed: {error!r}"))

    async def _round(self, session: Session) -> None:
        ready = await self._ready(session)
        for wait in ready:
            wait.seemed_free = True
            await self._try(session, wait, QUICK_TRY_S)
        for wait in self._waits:
            if wait not in ready:
                wait.seemed_free = False
                await self._turn(session, wait)
                break

    async def _turn(self, session: Session, wait: _Wait) -> None:
        """Let one insert wait for its key.

        While it is alone, each turn is longer than the one before, and ends when another insert
        arrives.
        """
        if len(self._waits) > 1:
            self._turn_s = TURN_S
            await self._try(session, wait, TURN_S)
            return
        self._arrived.clear()
        trying = asyncio.create_task(self._try(session, wait, self._turn_s))
        arrival = asyncio.create_task(self._arrived.wait())
        self._turn_s = min(2 * self._turn_s, LONGEST_TURN_S)
        try:
            await asyncio.wait([trying, arrival], return_when=asyncio.FIRST_COMPLETED)
            if not trying.done():
                await session.cancel(STATEMENT_DEADLINE_S)
            await trying
        finally:
            trying.cancel()
            arrival.cancel()

    async def _ready(self, session: Session) -> list[_Wait]:
        """Find the inserts whose key seems free."""
        asked = [wait for wait in self._waits if not wait.seemed_free][:MOST_ASKED]
        if len(asked) == MOST_ASKED:
            self._waits.rotate(-MOST_ASKED)  # ask for the others next time
        keys = sorted({wait.key for wait in asked})
        (rows,) = await session.run([step(STATEMENTS.free_keys, keys=keys)], STATEMENT_DEADLINE_S)
        free = {key for (key,) in rows}
        return [wait for wait in asked if wait.key in free]

    async def _try(self, session: Session, wait: _Wait, seconds: float) -> None:
        """Try an insert for ``seconds``; if it still waits then, put it at the queue's end."""
        if wait.answer.done():  # its caller has given up meanwhile
            return
        try:
            answers = await self._run(session, wait, seconds)
        except StoreError as error:
            if session.closed:
                raise
            await session.run([_ROLLBACK], STATEMENT_DEADLINE_S, begun=True)
            if not (is_in_use(error) or is_canceled(error) or is_conflict(error)):
                _refuse(wait, error)
            elif wait in self._waits:
                self._waits.remove(wait)
                self._waits.append(wait)
        else:
            if not wait.answer.done():
                wait.answer.set_result(answers)
                self._waits.remove(wait)

    async def _run(self, session: Session, wait: _Wait, seconds: float) -> Answers:
        """Run the insert; send the commit only after its answer.

        A server also runs the statements of a client that is gone: these must not hold a commit.
        """
        limit = step(STATEMENTS.wait_at_most, lock_timeout=f"{int(seconds * 1000)}ms")
        _, _, *answers = await session.run([_BEGIN, limit, *wait.steps], STATEMENT_DEADLINE_S)
        end = _ROLLBACK if wait.answer.done() else _COMMIT
        await session.run([end], STATEMENT_DEADLINE_S, begun=True)
        return answers

    def _fail_all(self, error: StoreError) -> None:
        while self._waits:
            _refuse(self._waits.popleft(), error)


def _refuse(wait: _Wait, error: StoreError) -> None:
    if not wait.answer.done():
        wait.answer.set_exception(error)
