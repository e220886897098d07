"""``Database``: the client and the observer that tools call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cloaca_tools.observer import Observer

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Operation
    from cloaca_core.client.client import Client
    from cloaca_core.values.payloads.redaction import Redact

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Database:
    """A client that is open and stays its owner's, and where its database is. Any thread may
    use it.
    """

    client: Client
    url: str
    schema: str | None = None

    @property
    def redact(self) -> Redact:
        """Hides the secrets of the client."""
        return self.client._host.redact

    def do(self, operation: Operation[T]) -> T:
        """The result of an operation; blocks."""
        return self.client._do(operation)

    @property
    def observer(self) -> Observer:
        """Looks at runs through the client."""
        return Observer(self.client)

    def run_id(self, ref: str) -> str:
        """The id of the run that a reference names; see ``Observer``."""
        return self.observer.resolve(ref).wait()
