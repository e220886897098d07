"""A pooler in transaction mode: each transaction runs in the next of a few sessions in turn.

PgBouncer's worst day: it resets nothing, knows of no prepared statements, and never gives a client
the session that it had before. It lets in every client, as the user of its own URL.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg

from dev.databases.urls import for_libpq, with_query

_ENCRYPTION = (80877103, 80877104)
"""What a client says that asks for TLS or GSS."""
_PID = 0x7FFFFFFF
"""The process that clients hear of; Linux has none of that number."""


class _Session(NamedTuple):
    """One connection to the server, which a transaction has for itself."""

    raw: psycopg.Connection
    socket: socket.socket
    free: threading.Lock


class Pooler:
    """Stands before the server of a URL; ``begin`` is run once in each of its sessions."""

    def __init__(self, url: str, sessions: int, begin: str = "") -> None:
        self._sessions = [_connected(url, begin) for _ in range(sessions)]
        self._turns = itertools.cycle(self._sessions)
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        place = f"any_user@127.0.0.1:{self._door.getsockname()[1]}"
        direct = urlunsplit(urlsplit(url)._replace(netloc=place))
        self.url = with_query(direct, pooler="true")
        self._start(self._accept)

    def cut(self) -> None:
        """Break the connections of all clients, as a restart does."""
        for client in list(self._clients):
            _end(client)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """The answers of all sessions to this statement, after every client has gone."""
        self.close()
        found = []
        for session in self._sessions:
            session.socket.setblocking(False)  # as the driver wants it
            found += session.raw.execute(statement.encode()).fetchall()
            session.raw.close()
        return found

    def close(self) -> None:
        """End every client; the sessions stay until they are asked, or forgotten."""
        _end(self._door)
        self._threads[0].join()  # from here on no client is added
        self.cut()
        for thread in self._threads:
            thread.join()

    # -- clients -----------------------------------------------------------------------------

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._clients.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), client:
            _let_in(client)
            while True:
                self._transaction(client, _until(client, b"SQ"))

    def _transaction(self, client: socket.socket, sent: bytes) -> None:
        session = next(self._turns)
        with session.free:
            while not _is_over(answer := _exchange(session.socket, sent)):
                try:
                    client.sendall(answer)
                    sent = _until(client, b"SQ")
                except (OSError, EOFError):
                    _exchange(session.socket, _message(b"Q", b"ROLLBACK\0"))
                    raise
        client.sendall(answer)


def _connected(url: str, begin: str) -> _Session:
    raw = psycopg.connect(for_libpq(url), autocommit=True, sslmode="disable", gssencmode="disable")
    if begin:
        raw.execute(begin.encode())
    wire = socket.socket(fileno=socket.dup(raw.fileno()))
    wire.setblocking(True)
    return _Session(raw, wire, threading.Lock())


# -- the protocol --------------------------------------------------------------------------------


def _let_in(client: socket.socket) -> None:
    while True:
        size, code = struct.unpack("!ii", _exactly(client, 8))
        if code not in _ENCRYPTION:
            break
        client.sendall(b"N")
    _exactly(client, size - 8)
    facts = {"server_version": "13.0", "client_encoding": "UTF8", "server_encoding": "UTF8"}
    said = [_message(b"S", f"{name}\0{value}\0".encode()) for name, value in facts.items()]
    key = _message(b"K", struct.pack("!ii", _PID, 0))
    ready = _message(b"Z", b"I")
    client.sendall(b"".join([_message(b"R", struct.pack("!i", 0)), *said, key, ready]))


def _exchange(server: socket.socket, sent: bytes) -> bytes:
    server.sendall(sent)
    return _until(server, b"Z")


def _is_over(answer: bytes) -> bool:
    """Whether no transaction is open after this."""
    return answer[-1:] == b"I"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _until(source: socket.socket, kinds: bytes) -> bytes:
    """Messages up to and with the first of one of these kinds."""
    found = b""
    while True:
        head = _exactly(source, 5)
        body = _exactly(source, struct.unpack("!i", head[1:])[0] - 4)
        found += head + body
        if head[:1] in kinds:
            return found


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (some := source.recv(size - len(found))):
            raise EOFError
        found += some
    return found


def _end(each: socket.socket) -> None:
    """Close it, and wake the thread that waits in it, which closing alone would not."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def pooler(url: str, sessions: int = 3, begin: str = "") -> Iterator[Pooler]:
    """A pooler before the server that the URL names."""
    between = Pooler(url, sessions, begin)
    try:
        yield between
    finally:
        between.close()
        for session in between._sessions:
            session.socket.close()
            session.raw.close()
