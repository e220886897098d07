"""What a worker answers to probes."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from typing import Any

import pytest
from tables import each_row

from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.services.endpoints import LOOPBACK, Probes, answer, served


def healthy() -> dict[str, Any]:
    return {"active_runs": 3}


def hanging() -> dict[str, Any]:
    raise TimeoutError("no answer after 2 s")


READY = Probes(healthy, lambda: True, lambda: "cloaca_runs_total 7\n")
DRAINING = Probes(hanging, lambda: False)


def closed() -> str:
    raise RuntimeError("the runner has been shut down")


CLOSED = Probes(healthy, lambda: True, closed)


@each_row(
    ("status", "text", "probes", "path"),
    [
        (200, '{"active_runs": 3}', READY, "/health"),
        (200, '{"active_runs": 3}', READY, "/health?verbose=1"),
        (503, '{"error": "TimeoutError: no answer after 2 s"}', DRAINING, "/health"),
        (200, '{"ready": true}', READY, "/ready"),
        (503, '{"ready": false}', DRAINING, "/ready"),
        (200, "cloaca_runs_total 7\n", READY, "/metrics"),
        (503, "RuntimeError: the runner has been shut down\n", CLOSED, "/metrics"),
        (
            404,
            "metrics need the extra metrics: pip install prometheus-client\n",
            DRAINING,
            "/metrics",
        ),
        (404, "/health, /ready, /metrics\n", READY, "/"),
    ],
)
def test_each_path_has_its_answer(status: int, text: str, probes: Probes, path: str) -> None:
    assert answer(probes, path)[:2] == (status, text)


def asked(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    try:
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_they_are_served_on_loopback_while_the_block_lasts() -> None:
    with served(0, READY) as port:
        status, body = asked(port, "/health")

        assert (status, json.loads(body)) == (200, {"active_runs": 3})
    with pytest.raises(ConnectionRefusedError):
        asked(port, "/health")


@each_row(
    ("status", "host"),
    [(200, "localhost"), (200, "localhost:9000"), (200, "[::1]:9000"), (200, "127.0.0.1"),
     (400, "evil.example"), (400, "evil.example:80"), (400, "localhost.evil.example")],
)  # fmt: skip
def test_a_page_in_a_browser_that_names_another_host_is_refused(status: int, host: str) -> None:
    with served(0, READY) as port:
        assert asked(port, "/ready", host)[0] == status


def reset(connection: socket.socket) -> None:
    """End it as a client does that is killed: by a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("said", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\n\r\n"])
def test_nothing_is_written_of_a_client_that_resets_its_connection(
    said: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before its request is read, within it, and before the answer is written."""
    asks, is_gone = threading.Event(), threading.Event()

    def health() -> dict[str, Any]:
        asks.set()
        is_gone.wait(60)
        return {"active_runs": 3}

    with served(0, READY._replace(health=health)) as port:
        connection = socket.create_connection((LOOPBACK, port))
        connection.sendall(said)
        if said.endswith(b"\r\n\r\n"):
            assert asks.wait(60)
        assert asked(port, "/ready")[0] == 200  # so it was accepted before
        reset(connection)
        is_gone.set()
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join()

    assert capfd.readouterr().err == ""


def test_an_error_of_ours_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    def is_ready() -> bool:
        raise LookupError("ours")

    with served(0, READY._replace(is_ready=is_ready)) as port:
        with pytest.raises(http.client.RemoteDisconnected):
            asked(port, "/ready")
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join()

    assert "LookupError: ours" in capfd.readouterr().err


def test_a_port_that_is_taken_is_named() -> None:
    with (
        served(0, READY) as port,
        pytest.raises(Failure, match=f"{LOOPBACK}:{port} cannot be served: "),
        served(port, READY),
    ):
        pass
