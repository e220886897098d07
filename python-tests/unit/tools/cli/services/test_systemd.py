"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cloaca_tools.cli.services import systemd


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="only systems with such sockets")
class TestTell:
    def test_it_sends_states_to_the_socket_that_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(path)
            receiver.settimeout(30)
            monkeypatch.setenv("NOTIFY_SOCKET", path)
            systemd.tell("READY=1", "MAINPID=7")

            assert receiver.recv(100) == b"READY=1\nMAINPID=7"

    def test_without_a_socket_nothing_happens(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        systemd.tell("READY=1")
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
        systemd.tell("READY=1")
