"""The contract for a run that is written in a transaction of its submitter's own.

The only thing that a backend does outside of the engine's loop and on a connection that is not its
own. It rests on nothing that such a connection may have set otherwise, and changes none of it.
"""

from __future__ import annotations

from typing import Final, Protocol

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.records.runs import NewRun

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
"""How to get the driver's connection from each class of SQLAlchemy's."""


class Outbox(Protocol):
    """Writes runs on connections of others.

    Both methods insert a run without owner and answer the id of the run that stands for it: its
    own, or that of the run that has its (workflow, idempotency_key); while that one is not
    committed, they wait for it as the database does. The run is there for others, and those who
    wait for changes hear of it, when the transaction that the connection is in commits; a
    connection that begins none by itself commits it at once.

    That transaction may stay open for long. Until it ends it must hold nothing that a commit of a
    store would wait for, so it says which keys it writes (see ``Store.commit``).

    The run and its tags are written as one unit. After a raise the transaction is as it was:
    ``ConfigTypeError`` for what is no connection of this database's driver, ``ConfigError`` for
    one that cannot be used now or leads to another database, ``StoreError`` for what the database
    refused. Any thread may call.
    """

    def submit(self, connection: object, run: NewRun) -> str:
        """On the caller's thread, on a connection whose calls block."""

    async def submit_awaited(self, connection: object, run: NewRun) -> str:
        """On the caller's loop, on a connection of either kind; one that blocks blocks the loop."""


def wrong_type(accepted: str, given: object) -> ConfigTypeError:
    """The error for something that is no connection."""
    kind = type(given)  # with its module: many drivers have a "Connection"
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return ConfigTypeError(
        f"connection must be {accepted}, not {name}{_hint_for(kind)}", field=_FIELD
    )


def _hint_for(kind: type) -> str:
    """Names the attribute of a SQLAlchemy object to give instead, also for derived classes; "" for
    other objects. SQLAlchemy may not be installed, so its classes are known by their names.
    """
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "sqlalchemy" and base.__name__ in _SQLALCHEMY:
            return f": give {_SQLALCHEMY[base.__name__]}"
    return ""


def unusable(reason: str) -> ConfigError:
    """The error for a connection that cannot be written on."""
    return ConfigError(f"connection {reason}", field=_FIELD)
