"""A TCP proxy that can stop passing anything on: what a half-open connection looks like."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
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
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *sockets: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=sockets, daemon=True))
        self._threads[-1].start()

    def freeze(self) -> None:
        """Swallow: connections stay open, and nothing comes through any more."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held back as well."""
        self._flowing.set()

    def cut(self) -> None:
        """Break all connections; new ones may be made."""
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it with all its connections."""
        self._flowing.set()
        _end(self._door)
        self._threads[0].join()  # from here on no connection is added
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._sockets.append(client)
                self._flowing.wait()
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # the server is away
                    _end(client)
                    continue
                self._sockets.append(server)
                self._start(self._pump, client, server)
                self._start(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def _end(each: socket.socket) -> None:
    """Close it, and wake the thread that waits in it, which closing alone would not."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """A proxy in front of the server that the URL names."""
    between = Proxy(url)
    try:
        yield between
    finally:
        between.close()
