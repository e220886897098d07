"""Serves the page of a client on a free port, from a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn

import cloaca

if TYPE_CHECKING:
    from cloaca_tools.ui.application import Application

PATIENCE: Final = 60
"""Seconds until a test gives up; what it waits for comes well before."""


class Served:
    """``address`` is that of the page, without a slash at its end. Counts its open streams."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._streams = 0
        self._changed = threading.Condition()

    @property
    def port(self) -> int:
        """Where it is served."""
        return int(self.address.rpartition(":")[2])

    @property
    def streams(self) -> int:
        """How many pages are told of changes now."""
        return self._streams

    def wait_for_streams(self, number: int) -> None:
        """Wait until so many pages are told of changes."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._streams == number, PATIENCE)
        assert came, f"{self._streams} streams are open, not {number}"

    def counted(self, app: Application) -> Application:
        """The application, whose streams are counted."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if not scope.get("path", "").endswith("/live"):
                await app(scope, receive, send)
                return
            self._count(1)
            try:
                await app(scope, receive, send)
            finally:
                self._count(-1)

        return answer

    def _count(self, by: int) -> None:
        with self._changed:
            self._streams += by
            self._changed.notify_all()


@contextmanager
def served(client: cloaca.Client, *, port: int = 0, **settings: Any) -> Iterator[Served]:
    """Serve the page of a client; ``settings`` are those of ``cloaca.ui``. ``port`` 0 is any."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        page = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = cloaca.ui(client, **{"auth": cloaca.ui_without_auth, **settings})
        server = _Server(page.counted(app))
        thread = threading.Thread(target=server.run, args=([listener],), name="page")
        thread.start()
        try:
            assert server.answers.wait(PATIENCE), "the server did not start"
            yield page
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server did not end"


class _Server(uvicorn.Server):
    """A server that says when it answers. Streams, which never end, do not hold up its end."""

    def __init__(self, app: Application) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        self.answers = threading.Event()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()  # asyncio 3.12 waits for them, as long as they are open
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()
