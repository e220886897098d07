"""Answers probes of a worker on loopback: ``/health``, ``/ready`` and ``/metrics``.

Each request is answered on a thread of its own, which asks the engine and waits for it at most
``PATIENCE``: an engine that hangs is not healthy. What is asked changes nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, NamedTuple

from cloaca_tools.cli.failures import Failure

PATIENCE: Final = 2.0
"""Seconds that a probe waits for the engine."""
LOOPBACK: Final = "127.0.0.1"
_TEXT: Final = "text/plain; charset=utf-8"
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    text: str
    kind: str = "application/json"


class Probes(NamedTuple):
    """The answers of a worker. ``health`` raises when the engine does not answer; ``metrics``
    is None where the extra is not installed.
    """

    health: Callable[[], dict[str, Any]]
    is_ready: Callable[[], bool]
    metrics: Callable[[], str] | None = None


def answer(probes: Probes, path: str) -> Answer:
    """The answer to a GET of a path."""
    match path.partition("?")[0]:
        case "/health":
            return _health(probes)
        case "/ready":
            ready = probes.is_ready()
            return Answer(200 if ready else 503, json.dumps({"ready": ready}))
        case "/metrics" if probes.metrics is not None:
            return _metrics(probes.metrics)
        case "/metrics":
            text = "metrics need the extra metrics: pip install prometheus-client\n"
            return Answer(404, text, _TEXT)
        case _:
            return Answer(404, "/health, /ready, /metrics\n", _TEXT)


def _health(probes: Probes) -> Answer:
    try:
        found = probes.health()
    except Exception as error:  # noqa: BLE001 - after any error the engine did not answer
        return Answer(503, json.dumps({"error": f"{type(error).__name__}: {error}"}))
    return Answer(200, json.dumps(found, default=str))


def _metrics(render: Callable[[], str]) -> Answer:
    try:
        return Answer(200, render(), "text/plain; version=0.0.4; charset=utf-8")
    except Exception as error:  # noqa: BLE001 - as above; it may shut down
        return Answer(503, f"{type(error).__name__}: {error}\n", _TEXT)


@contextmanager
def served(port: int, probes: Probes) -> Iterator[int]:
    """Answer on this port of loopback within the block, on any free one for 0; the port."""

    class Handler(_Handler):
        asked = probes

    try:
        server = _Server((LOOPBACK, port), Handler)
    except OSError as error:
        raise Failure(f"{LOOPBACK}:{port} cannot be served: {error.strerror}") from error
    thread = Thread(target=server.serve_forever, name="cloaca-endpoints", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing of a client that has gone: a probe that takes too long is killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    asked: Probes
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds that a connection may be silent

    def do_GET(self) -> None:
        """Answer a request, from this computer only: a page in a browser names another host."""
        host = (self.headers.get("Host") or LOOPBACK).rpartition(":")
        name = host[0] if host[1] and host[2].isdigit() else "".join(host)
        if name.lower() not in _HOSTS:
            self._send(Answer(400, "this host is not served\n", _TEXT))
            return
        self._send(answer(self.asked, self.path))

    def _send(self, found: Answer) -> None:
        body = found.text.encode()
        self.send_response(found.status)
        self.send_header("Content-Type", found.kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Write nothing: probes come every few seconds."""
