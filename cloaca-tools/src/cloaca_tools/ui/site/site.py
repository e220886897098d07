"""``Site``: the calls by which the page looks and acts. Each is awaited on the server's loop; the
engine answers from its own, so nothing blocks here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.assembly.caller import Caller
from cloaca_core.values.payloads.redaction import Redact, Redaction
from cloaca_core.values.payloads.redaction import without_passwords
from cloaca_tools.observer import Observer
from cloaca_tools.transfer.case import case_call
from cloaca_tools.ui.site.changes import Changes
from cloaca_tools.ui.site.database_name import database_name, short_url
from cloaca_tools.ui.site.health import Health
from cloaca_tools.ui.site.places import Places, exports, streams
from cloaca_tools.ui.site.seen_runs import SeenRuns
from cloaca_tools.ui.site.tenants import Tenants
from cloaca_tools.ui.threads import PAGES, Threads
from cloaca_tools.views.run.item_cells import KeptCells

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Operation
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_core.engine.calls.call import Call

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """One database as the page serves it: ``observer`` looks, ``do`` acts.

    ``read_only`` refuses all acts. ``database`` is the backend, ``database_name`` is how the page
    names the database, and ``short_url`` how a program opens it. ``case`` makes a document of a
    run, to be loaded into a test. ``redact`` hides the client's secrets in payloads and texts.
    ``seen_runs`` has large runs as they were seen last, ``item_cells`` the strips of maps that were
    seen. ``changes`` numbers the changes of the
    database for open pages; ``streams`` counts the live streams of these pages, and ``exports`` the
    files that are being made of runs. ``threads`` make the pages.
    """

    observer: Observer
    caller: Caller
    read_only: bool
    database: str
    database_name: str
    short_url: str
    case: Callable[[str], Call[dict[str, Any]]]
    changes: Changes
    health: Health
    tenants: Tenants
    redact: Redact = field(default_factory=Redaction)
    seen_runs: SeenRuns = field(default_factory=SeenRuns)
    item_cells: KeptCells = field(default_factory=KeptCells)
    streams: Places = field(default_factory=streams)
    exports: Places = field(default_factory=exports)
    threads: Threads = field(default_factory=lambda: Threads("pages", *PAGES))

    def do(self, operation: Operation[T]) -> Call[T]:
        """A call of an operation, to be awaited."""
        return operation.call(self.caller)


def site_of(client: Client | AsyncClient, *, read_only: bool) -> Site:
    """The site of a client, which stays open when the page ends."""
    host = client._host
    observer = Observer(client)
    return Site(
        observer=observer,
        caller=Caller(host),
        read_only=read_only,
        database=host.backend.name,
        database_name=database_name(host.url, host.backend.name),
        short_url=short_url(host.url, host.backend.name),
        case=partial(case_call, client, secrets=True),
        changes=Changes(observer),
        health=Health(client),
        tenants=Tenants(host),
        redact=lambda text: without_passwords(host.redact(text)),
    )
