"""The contract of body transactions: a transaction in which a task's body writes its own tables,
and the store the record of its success.

Like the outbox, it works outside of the engine's loop, on connections of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from cloaca_core.errors import RunnerUsageError, StoreUnavailableError


class CommitUnknownError(StoreUnavailableError):
    """The database did not answer a COMMIT. ``RunStore.is_recorded`` finds its outcome."""


class Recording(NamedTuple):
    """The statements that record a success, as the store has them, and whether it counts by their
    answers: otherwise the runner does not own the run any more.
    """

    steps: Sequence[Any]
    counts: Callable[[Sequence[Sequence[Any]]], bool]


class BodyTransaction(Protocol):
    """An open transaction, and the connection that the body gets. Methods are called on the body's
    thread, but for ``end_now``. After ``commit`` and ``roll_back`` the connection is closed.
    """

    @property
    def connection(self) -> object:
        """The driver's connection. It refuses by name to commit, roll back and close."""

    def commit(self, recording: Recording) -> bool:
        """Lock the run, record the success of the body, and commit. False if the success does not
        count: all is rolled back. ``CommitUnknownError`` if the database does not answer; after any
        other error all is rolled back. Raises ``RunnerUsageError`` if the body has ended its
        transaction itself.
        """

    def roll_back(self) -> None:
        """Undo all. Never raises."""

    def end_now(self) -> None:
        """Undo all soon, while the body still runs: its next statement fails, and a running one is
        interrupted. Any thread may call it; returns at once. ``roll_back`` follows.
        """


class AwaitedTransaction(Protocol):
    """As ``BodyTransaction``, for a coroutine on its loop."""

    @property
    def connection(self) -> object:
        """The driver's connection, whose calls are awaited."""

    async def commit(self, recording: Recording) -> bool:
        """See ``BodyTransaction``."""

    async def roll_back(self) -> None:
        """See ``BodyTransaction``."""

    def end_now(self) -> None:
        """See ``BodyTransaction``."""


class Transactions(Protocol):
    """Opens transactions for bodies, on connections apart from those of the store."""

    @property
    def excludes_writers(self) -> bool:
        """Whether no other transaction of the database can write while one is open."""

    @property
    def refusal(self) -> str | None:
        """The reason why none can be opened here; None if they can."""

    def begin(self) -> BodyTransaction:
        """Open a transaction, on a thread that may block. Waits for its turn where it
        ``excludes_writers``. Raises ``StoreError``.
        """

    async def begin_awaited(self) -> AwaitedTransaction:
        """Open a transaction on a loop."""


def ended_by_body() -> RunnerUsageError:
    """Make the error for a body that has ended its transaction; the caller raises it."""
    return RunnerUsageError(
        "the body has ended its transaction, which is the engine's to commit with the record of "
        "the task's success: this attempt fails"
    )


def not_by_body(call: str) -> RunnerUsageError:
    """Make the error for a call by which a body would end its transaction; the caller raises it."""
    return RunnerUsageError(
        f"a transactional body does not call {call}: its transaction commits with the record of "
        "the task's success when it returns, and is rolled back when it raises"
    )
