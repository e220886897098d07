"""A TCP proxy that can stop passing anything on: what a half-open connection looks like."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Passes bytes between its clients and one server, as long as it is not ``frozen``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._server = (parts.hostname, parts.port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        port = self._door.getsockname()[1]
        who = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{port}"))
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Swallow: connections stay open, and nothing comes through any more."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held back as well."""
        self._flowing.set()

    def close(self) -> None:
        """End it with all its connections."""
        self._flowing.set()
        for each in (self._door, *self._sockets):
            # A thread may be waiting in it; closing alone would not wake that.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._flowing.wait()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """A proxy in front of the server that the URL names."""
    between = Proxy(url)
    try:
        yield between
    finally:
        between.close()
