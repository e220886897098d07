"""The contract of an outbox, which writes runs and messages in transactions of the user's program.

Only here does a backend work outside of the engine's loop, on a connection of the program. It
depends on no setting of that connection, and changes none.
"""

from __future__ import annotations

from typing import Final, Protocol

from cloaca_core.errors import ConfigError, ConfigTypeError, no_run, takes_no_message
from cloaca_core.run.rows import NewRun
from cloaca_core.store.messages import NewMessage, Sent

_FIELD = "connection"
_SQLALCHEMY: Final = {
    "Connection": "its .connection.driver_connection",
    "Session": "its .connection().connection.driver_connection",
    "scoped_session": "its .connection().connection.driver_connection",
    "AsyncConnection": "(await it.get_raw_connection()).driver_connection",
    "AsyncSession": "(await (await it.connection()).get_raw_connection()).driver_connection",
    "async_scoped_session": (
        "(await (await it.connection()).get_raw_connection()).driver_connection"
    ),
    "_ConnectionFairy": "its .driver_connection",
    "Engine": "the .connection.driver_connection of a connection of its",
    "AsyncEngine": "the driver_connection of a raw connection of its",
}
"""For each class of SQLAlchemy: how to get the driver's connection."""
_OF_DJANGO: Final = (
    "its .connection, after its .ensure_connection() (within transaction.atomic() it is there)"
)
_HINTS: Final = {
    "sqlalchemy": _SQLALCHEMY,
    "django": {"ConnectionProxy": _OF_DJANGO, "BaseDatabaseWrapper": _OF_DJANGO},
}
"""The hints by package. No package need be installed: classes are recognised by their names."""


class Outbox(Protocol):
    """Writes runs and messages on users' connections.

    ``submit`` inserts a run without owner. Returns its id, or the id of the run that has its
    (workflow, idempotency_key); while that run is not committed, it waits for it as the database
    does. Other connections see the run, and waiting runners are notified, when the connection's
    transaction commits; at once on a connection that commits each statement itself. A ``message``
    is sent to the run whose id is returned; its ``run_id`` is filled in. Raises ``RunEndedError``
    if that run has ended.

    ``send`` does the same with a message to a run, which gets its number later
    (``SteeringStore.number_messages``). It answers like ``WaitStore.send``, with number 0, and
    refuses only if the run has ended. A message is dropped when it would get its number, with its
    act, if its key was taken by a message that the transaction does not see.

    The user's transaction may stay open for long. It must hold no lock that a commit of a store
    would wait for. So it announces the keys of the runs that it writes (see ``RunStore.commit``),
    its lock on the run of a message only keeps the run from being deleted, and it notes the queue
    of a run only where that makes no commit wait (``notes_queues``): elsewhere its caller does,
    before.

    The run, its tags and the message are written as one unit. After an error the transaction is as
    it was before. Errors: ``ConfigTypeError`` for an object that is no connection of this
    database's driver, ``ConfigError`` for a connection that cannot be used now or leads to another
    database, ``StoreError`` for a refusal of the database. Any thread may call.
    """

    @property
    def notes_queues(self) -> bool:
        """Whether it notes the queues that submissions ask for."""

    def submit(self, connection: object, run: NewRun, message: NewMessage | None = None) -> str:
        """Insert on the caller's thread, on a connection whose calls block."""

    async def submit_awaited(
        self, connection: object, run: NewRun, message: NewMessage | None = None
    ) -> str:
        """Insert on the caller's loop, on a connection of either kind. A connection that blocks
        also blocks the loop.
        """

    def send(self, connection: object, message: NewMessage) -> Sent | None:
        """Send on the caller's thread, on a connection whose calls block."""

    async def send_awaited(self, connection: object, message: NewMessage) -> Sent | None:
        """Send on the caller's loop, like ``submit_awaited``."""


def wrong_type(accepted: str, given: object) -> ConfigTypeError:
    """Make the error for an object that is no connection; the caller raises it."""
    kind = type(given)  # with its module: many drivers have a "Connection"
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return ConfigTypeError(
        f"connection must be {accepted}, not {name}{_hint_for(kind)}", field=_FIELD
    )


def _hint_for(kind: type) -> str:
    """The attribute to give instead of an object, also for a derived class; "" for other
    classes.
    """
    for base in kind.__mro__:
        hints = _HINTS.get(base.__module__.partition(".")[0], {})
        if base.__name__ in hints:
            return f": give {hints[base.__name__]}"
    return ""


def unusable(reason: str) -> ConfigError:
    """Make the error for a connection that cannot be used; the caller raises it."""
    return ConfigError(f"connection {reason}", field=_FIELD)


def delivered(message: NewMessage, sent: Sent | None) -> Sent:
    """The answer of ``Outbox.send``. Raises ``RunNotFoundError`` or ``RunEndedError`` if the run
    did not get the message.
    """
    if sent is None:
        raise no_run(message.run_id)
    if sent.number is None:
        raise takes_no_message(message.run_id, sent.status)
    return sent
