"""Inserts runs whose idempotency key a transaction of others is writing, each by itself.

Such a transaction may be open for hours. To insert is to wait for it, on a session of its own: one
for all of them, which is there only while there is something to wait for. So they take turns: those
come first whose key seems to be free, by the locks that outboxes take, and while there are none the
next one waits for a second. Those locks are only a sign, which anybody could set: none is waited
for, and each gets its turn whatever they say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.dialect import Answers, Step
from cloaca_postgres.driver import Session
from cloaca_postgres.errors import is_conflict, is_in_use
from cloaca_postgres.pool import STATEMENT_DEADLINE_S
from cloaca_postgres.statements import STATEMENTS, step

log = SafeLogger("cloaca.store")

QUICK_TRY_S: Final = 0.05
"""How long one waits whose key seems to be free: batches that write the key end meanwhile."""
TURN_S: Final = 1.0
"""How long one waits while others may become free unnoticed."""
MOST_ASKED: Final = 200
"""Keys per question: each is locked for as long as that takes."""
_BEGIN: Final = step(STATEMENTS.begin)
_COMMIT: Final = step(STATEMENTS.commit)
_ROLLBACK: Final = step(STATEMENTS.rollback)


@dataclass(slots=True, eq=False)
class _Wait:
    """A transaction that waits. ``misled`` says that its key seemed to be free and was not: it is
    tried again when its turn comes.
    """

    steps: Sequence[Step]
    key: str
    answer: asyncio.Future[Answers] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    misled: bool = False


class KeyWaits:
    """All methods belong to the loop. ``connect`` makes a session that writes."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], place: str) -> None:
        self._connect = connect
        self._place = place
        self._waits: deque[_Wait] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, steps: Sequence[Step], key: str) -> Answers:
        """Run the steps in one transaction, however long they wait for another one.

        A caller that is cancelled ends the transaction, unless its commit is on the way.
        """
        if self._closed:
            raise self._is_closed()
        wait = _Wait(steps, key)
        self._waits.append(wait)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="cloaca-key-waits")
        try:
            return await wait.answer
        finally:
            if wait in self._waits:
                self._waits.remove(wait)

    async def close(self) -> None:
        """End; all callers that wait get a ``StoreError``."""
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
        try:
            session = await self._connect()
            try:
                while self._waits:
                    await self._round(session)
            finally:
                session.close()
        except StoreError as error:
            self._fail_all(error)
        except Exception as error:  # a flaw here must not leave callers waiting for ever
            log.exception("waiting for keys failed")
            self._fail_all(StoreError(f"{self._place}: waiting for keys failed: {error!r}"))

    async def _round(self, session: Session) -> None:
        ready = await self._ready(session)
        for wait in ready:
            await self._try(session, wait, QUICK_TRY_S)
        for wait in list(self._waits)[: 0 if ready else 1]:
            await self._try(session, wait, TURN_S)

    async def _ready(self, session: Session) -> list[_Wait]:
        """Those whose key seems to be free."""
        asked = [wait for wait in self._waits if not wait.misled][:MOST_ASKED]
        if len(asked) == MOST_ASKED:
            self._waits.rotate(-MOST_ASKED)  # the others are asked for next time
        keys = sorted({wait.key for wait in asked})
        (rows,) = await session.run([step(STATEMENTS.free_keys, keys=keys)], STATEMENT_DEADLINE_S)
        free = {key for (key,) in rows}
        return [wait for wait in asked if wait.key in free]

    async def _try(self, session: Session, wait: _Wait, seconds: float) -> None:
        """Let it wait for so long; if that is not enough it goes to the end of the line."""
        if wait.answer.done():  # its caller has given up meanwhile
            return
        wait.misled = seconds < TURN_S
        try:
            answers = await self._run(session, wait, seconds)
        except StoreError as error:
            if session.closed:
                raise
            await session.run([_ROLLBACK], STATEMENT_DEADLINE_S, begun=True)
            if not (is_in_use(error) or is_conflict(error)):
                _refuse(wait, error)
            elif wait in self._waits:
                self._waits.remove(wait)
                self._waits.append(wait)
        else:
            if not wait.answer.done():
                wait.answer.set_result(answers)
                self._waits.remove(wait)

    async def _run(self, session: Session, wait: _Wait, seconds: float) -> Answers:
        """In two parts: a server goes on with what was sent by a client that is gone. So it finds
        no commit there.
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
