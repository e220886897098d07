"""Runs a transaction that decides about its last steps: in several round trips, with locks held
between them. The commit goes with the last steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreError
from cloaca_core.store.sql.dialect import More
from cloaca_postgres.statements import STATEMENTS, step

if TYPE_CHECKING:
    from collections.abc import Generator

    from cloaca_core.store.sql.dialect import Answers, Step, Then
    from cloaca_postgres.sessions.session import Session

_BEGIN: Final = step(STATEMENTS.begin)
_CLOCK: Final = step(STATEMENTS.clock)
_COMMIT: Final = step(STATEMENTS.commit)
_ROLLBACK: Final = step(STATEMENTS.rollback)
_NO_MORE: Final = More((), last=True)


class Decider:
    """Runs one transaction, and runs it again if it conflicts with others. ``announced`` makes the
    steps that announce these steps to other processes, in the same transaction. ``done`` has all
    steps of the transaction that was committed, and ``answers`` their answers.
    """

    def __init__(self, then: Then, announced: Callable[[Sequence[Step]], Sequence[Step]]) -> None:
        self._then = then
        self._announced = announced
        self.done: list[Step] = []
        self.answers: Answers = []

    async def run(self, session: Session, steps: Sequence[Step], deadline: float) -> Answers:
        """Run the transaction once, from its beginning. Returns the answers of ``steps``."""
        ended = False
        try:
            _, *first, ((now,),) = await session.run([_BEGIN, *steps, _CLOCK], deadline)
            self.done, self.answers = list(steps), list(first)
            deciding = self._then(now, first)
            more = next(deciding, _NO_MORE)
            while not more.last:
                found = await session.run(more.steps, deadline, begun=True)
                self._add(more.steps, found)
                more = _sent(deciding, found)
            announced = self._announced([*self.done, *more.steps])
            found = await session.run([*more.steps, *announced, _COMMIT], deadline, begun=True)
            ended = True
            self._add(more.steps, found[: len(more.steps)])
            _sent(deciding, found[: len(more.steps)])
        except StoreError:
            if not session.closed:
                await session.run([_ROLLBACK], deadline, begun=True)
            ended = True
            raise
        finally:
            if not ended:  # the caller was cancelled: the locks end with the session
                session.close()
        return first

    def _add(self, steps: Sequence[Step], answers: Answers) -> None:
        self.done += steps
        self.answers += answers


def _sent(deciding: Generator[More, Answers, None], found: Answers) -> More:
    try:
        return deciding.send(found)
    except StopIteration:
        return _NO_MORE
