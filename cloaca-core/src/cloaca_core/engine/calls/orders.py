"""Makes orders to steer runs, with the caller's name and reason."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cloaca_core.engine.order import Order
from cloaca_core.errors import ConfigError
from cloaca_core.values.text import checked_text, storable_text

if TYPE_CHECKING:
    from cloaca_core.engine.submit.request import Request


def checked_order(kind: str, reason: str | None, by: str | None) -> Order:
    """Check the caller's name and reason."""
    return Order(kind, asker(by), None if reason is None else checked_text("reason", reason))


def asker(by: str | None) -> str:
    """The caller's name: as given, otherwise this user at this host."""
    if by is None:
        return _this_user()
    if not (who := checked_text("by", by)).strip():
        raise ConfigError(f"by must name who asks, got {by!r:.80}", field="by")
    return who


@lru_cache(maxsize=1)
def _this_user() -> str:
    """The name of a caller who gives none: ``user@host``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        user = "user"
    return storable_text(f"{user}@{socket.gethostname()}")[:255]


def asked_for(request: Request, by: str) -> Request:
    """The request with the name of its caller, also if it restarts an earlier run."""
    who = asker(by)
    retry = None if request.retry is None else replace(request.retry, asked_by=who)
    return replace(request, asked_by=who, retry=retry)


def order_of_submission() -> Order:
    """The order for the next round of a run that was submitted again."""
    return checked_order("retry", "submitted again", None)
