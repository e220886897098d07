"""Lines of workers arrive in order, and none is waited for in vain."""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from unit.core.features.executors.remote.heard import Heard

from cloaca_core.features.executors.remote.line_socket import LONGEST, LineSocket, Sender, SentLines
from cloaca_core.features.task_logs.task_log import Told

LINES = [(1, '[5,"INFO","app","ü"]'), (2, '[6,"INFO","app","b",{"rows":1}]')]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[LineSocket]:
    made = LineSocket(tmp_path / "lines")
    yield made
    made.close()


def test_lines_come_as_they_were_sent(lines: LineSocket) -> None:
    came = Heard()
    lines.on("one", came)
    sent = SentLines(LINES, Told(1, 2.0, "x", 7))
    with Sender(lines.path) as sender:
        sender.send("one", sent)
        sender.send("one", SentLines(LINES[:1]))
    lines.sync("one")

    assert came.lines == [sent, SentLines(LINES[:1])]


def test_a_body_that_has_begun_is_told_of(lines: LineSocket) -> None:
    one, two = Heard(), Heard()
    lines.on("one", one)
    lines.on("two", two)
    with Sender(lines.path) as sender:
        for name, seconds in [("one", 0.0), ("two", 2.5), ("three", 1.0)]:
            sender.send(name, seconds)
    lines.sync("one")

    assert (one.seconds, two.seconds) == ([0.0], [2.5])


def test_each_attempt_has_its_own(lines: LineSocket) -> None:
    came = {"one": Heard(), "two": Heard()}
    for name, heard in came.items():
        lines.on(name, heard)
    with Sender(lines.path) as sender:
        for name in ("one", "two", "three"):
            sender.send(name, SentLines(LINES))
        lines.sync("one")
        lines.off("two")
        sender.send("two", SentLines(LINES))
    lines.sync("one")

    assert [heard.lines for heard in came.values()] == [[SentLines(LINES)], [SentLines(LINES)]]


def test_a_message_of_others_is_passed_over(lines: LineSocket) -> None:
    came = Heard()
    lines.on("one", came)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for message in (
            b"",
            b"{",
            b"3",
            b'["one", 3]',
            b'["one"]',
            b'["one", [3, 4]]',
            b'["one", true]',
        ):
            stranger.sendto(message, str(lines.path))
    with Sender(lines.path) as sender:
        sender.send("one", SentLines(LINES))
    lines.sync("one")

    assert (came.lines, came.seconds) == ([SentLines(LINES)], [])


def test_one_that_cannot_be_taken_costs_no_other(lines: LineSocket) -> None:
    """All bodies would wait for their beginning to be told."""

    class Refusing(Heard):
        def take_lines(self, _: SentLines) -> None:
            raise RecursionError

    came = Heard()
    lines.on("refusing", Refusing())
    lines.on("one", came)
    with Sender(lines.path) as sender:
        sender.send("refusing", SentLines(LINES))
        sender.send("one", 0.0)
    lines.sync("one")

    assert came.seconds == [0.0]


def test_too_long_a_message_is_refused(lines: LineSocket) -> None:
    with Sender(lines.path) as sender, pytest.raises(OSError, match="too long"):
        sender.send("one", SentLines([(1, "x" * LONGEST)]))


def test_sending_never_waits(lines: LineSocket) -> None:
    """Its reader is held up: the socket is full some time."""
    hold, held = threading.Event(), threading.Event()

    class Held(Heard):
        def take_lines(self, _: SentLines) -> None:
            held.set()
            hold.wait()

    lines.on("one", Held())
    with Sender(lines.path) as sender:
        sender.send("one", SentLines(LINES))
        held.wait()
        with pytest.raises(BlockingIOError):
            _send_for_ever(sender)
        hold.set()
    lines.sync("one")


def _send_for_ever(sender: Sender) -> None:
    while True:
        sender.send("one", SentLines(LINES))


def test_the_system_wakes_one_that_waits(tmp_path: Path) -> None:
    """Until there is room it is not ready, so a wait takes no processor."""
    path = tmp_path / "lines"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as never_read:
        never_read.bind(str(path))
        with Sender(path) as sender:
            assert select.select([], [sender._socket], [], 0)[1]
            with pytest.raises(BlockingIOError):
                _send_for_ever(sender)
            assert not select.select([], [sender._socket], [], 0)[1]


def test_its_thread_ends_when_the_socket_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of failing again, as fast as it can."""

    asked: list[object] = []

    class Failing(socket.socket):
        def recv(self, *args: object) -> bytes:
            asked.append(args)
            if len(asked) > 1:
                raise SystemExit  # which ends a thread
            raise OSError(errno.EBADF, "the program has closed it")

    before = set(threading.enumerate())
    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", Failing)
        lines = LineSocket(tmp_path / "lines")
    for thread in set(threading.enumerate()) - before:
        thread.join()

    assert len(asked) == 1
    lines.sync("one")  # does not wait
    lines.close()


@pytest.mark.parametrize("is_there", [True, False])
def test_its_thread_ends_with_it(tmp_path: Path, is_there: bool) -> None:
    """Also if its file was removed, as old temporary files are."""
    before = set(threading.enumerate())
    lines = LineSocket(tmp_path / "lines")
    (thread,) = set(threading.enumerate()) - before
    if not is_there:
        lines.path.unlink()

    lines.close()
    thread.join()

    with suppress(OSError):
        lines.sync("one")  # does not hang
