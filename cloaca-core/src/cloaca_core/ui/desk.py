"""``Desk``: the calls by which the page looks and acts. Each is awaited on the server's loop; the
engine answers from its own, so nothing blocks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.observe import Observer
from cloaca_core.runner.calls.operations import Operations
from cloaca_core.ui.neighbours import Neighbours

if TYPE_CHECKING:
    from cloaca_core.runner.async_client import AsyncClient
    from cloaca_core.runner.client import Client


@dataclass(frozen=True, slots=True)
class Desk:
    """An open client's calls: ``observer`` looks, ``calls`` act. ``read_only`` refuses all acts;
    ``database`` is how the foot of the page names the database, ``neighbours`` are its tenants.
    """

    observer: Observer
    calls: Operations
    read_only: bool
    database: str
    neighbours: Neighbours


def desk_of(client: Client | AsyncClient, *, read_only: bool) -> Desk:
    """The desk of a client, which stays its owner's."""
    host = client._host
    return Desk(Observer(client), Operations(host), read_only, host.backend_name, Neighbours(host))
