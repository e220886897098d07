"""Sockets that wake: reached by the same user only, cheap to flood, and gone with their process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.store.changes import Change
from cloaca_sqlite.wakeups import wake_socket
from cloaca_sqlite.wakeups.wake_socket import Delivery, WakeSocket, is_in_own_folder

pytestmark = pytest.mark.asyncio

SOON = 60.0


class Heard(asyncio.Queue[Change]):
    """The reports of a socket."""

    async def next(self) -> Change:
        return await asyncio.wait_for(self.get(), SOON)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files: a short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="wake") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def own_folder(temporary: Path) -> Path:
    return temporary / f"cloaca-{os.geteuid()}"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest_asyncio.fixture
async def listener(temporary: Path, heard: Heard) -> AsyncIterator[WakeSocket]:
    listener = WakeSocket(heard.put_nowait)
    listener.bind()
    yield listener
    listener.close()


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[WakeSocket]:
    sender = WakeSocket(lambda _: None)
    yield sender
    sender.close()


def path_of(listener: WakeSocket) -> str:
    assert listener.path is not None
    return listener.path


def old_socket(path: Path) -> socket.socket:
    """A socket that was bound so long ago that it may be swept when it is dead."""
    path.parent.mkdir(0o700, exist_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    os.utime(path, (0, 0))
    return made


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def make_folder(path: Path, mode: int) -> None:
    path.mkdir()
    path.chmod(mode)


def link(path: Path, to: Path) -> None:
    path.symlink_to(to)


def remove(path: str) -> None:
    """The file and its folder."""
    Path(path).unlink()
    Path(path).parent.rmdir()


# -- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [Change.RUNS, Change.MOVES, Change.ANYTHING])
async def test_a_message_says_what_changed(
    listener: WakeSocket, sender: WakeSocket, heard: Heard, change: Change
) -> None:
    assert sender.send(path_of(listener), change) is Delivery.DONE

    assert await heard.next() is change


@pytest.mark.parametrize("message", [b"", b"?", b"a long one" * 100])
async def test_a_message_that_is_not_understood_may_mean_anything(
    listener: WakeSocket, heard: Heard, message: bytes
) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as raw:
        raw.sendto(message, path_of(listener))

    assert await heard.next() is Change.ANYTHING


async def test_messages_that_come_together_are_one(
    listener: WakeSocket, sender: WakeSocket, heard: Heard
) -> None:
    for change in (Change.RUNS, Change.ANYTHING, Change.RUNS):
        sender.send(path_of(listener), change)

    assert await heard.next() is Change.ANYTHING
    sender.send(path_of(listener), Change.RUNS)
    assert await heard.next() is Change.RUNS
    assert heard.empty()


async def test_after_a_message_none_is_reported_for_a_while(
    listener: WakeSocket, sender: WakeSocket, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a flood leads to one look in each interval."""
    monkeypatch.setattr(wake_socket, "APART_S", 3600.0)
    sender.send(path_of(listener), Change.RUNS)
    await heard.next()

    sender.send(path_of(listener), Change.RUNS)
    for _ in range(10):
        await asyncio.sleep(0)
    assert heard.empty()

    listener._report()
    assert await heard.next() is Change.RUNS
    listener._report()
    assert (heard.empty(), listener._next) == (True, None)


async def test_moves_are_reported_at_once_and_other_changes_with_them_later(
    listener: WakeSocket, sender: WakeSocket, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake_socket, "APART_S", 3600.0)
    sender.send(path_of(listener), Change.RUNS)
    await heard.next()

    for change in (Change.ANYTHING, Change.MOVES):
        sender.send(path_of(listener), change)
    for _ in range(10):
        await asyncio.sleep(0)
    assert heard.get_nowait() is Change.MOVES
    assert heard.empty()

    listener._report()
    assert await heard.next() is Change.ANYTHING


async def test_a_sender_never_waits_for_one_that_does_not_read(
    sender: WakeSocket, own_folder: Path
) -> None:
    with old_socket(own_folder / "deaf"):
        sent = {sender.send(str(own_folder / "deaf"), Change.RUNS) for _ in range(2000)}

    assert sent == {Delivery.DONE}


async def test_a_socket_whose_process_has_ended_is_found_dead_and_its_file_removed(
    sender: WakeSocket, own_folder: Path
) -> None:
    old_socket(own_folder / "dead").close()

    assert sender.send(str(own_folder / "dead"), Change.RUNS) is Delivery.DEAD
    assert names(own_folder) == set()


async def test_a_path_without_a_socket_is_no_proof_of_death(
    sender: WakeSocket, temporary: Path
) -> None:
    (temporary / "file").touch()

    assert sender.send(str(temporary / "nothing"), Change.RUNS) is Delivery.FAILED
    assert sender.send(str(temporary / ("x" * 200)), Change.RUNS) is Delivery.FAILED
    sender.send(str(temporary / "file"), Change.RUNS)
    assert names(temporary) == {"file"}


# -- files ---------------------------------------------------------------------------------------


async def test_only_the_user_may_enter_the_folder(listener: WakeSocket, own_folder: Path) -> None:
    assert Path(path_of(listener)).parent == own_folder
    assert mode_of(own_folder) == 0o700
    assert is_in_own_folder(path_of(listener))


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
async def test_a_folder_that_others_may_enter_is_not_used(
    own_folder: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    make_folder(own_folder, mode)
    listener = WakeSocket(lambda _: None)

    with caplog.at_level(logging.INFO, "cloaca"):
        listener.bind()

    assert listener.path is None
    assert names(own_folder) == set()
    assert "by polling" in caplog.text


async def test_a_folder_of_another_user_is_not_used(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid()
    make_folder(own_folder.with_name(f"cloaca-{me + 1}"), 0o700)
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    listener = WakeSocket(lambda _: None)

    listener.bind()

    assert listener.path is None


async def test_a_link_to_a_folder_is_not_used(own_folder: Path, temporary: Path) -> None:
    make_folder(temporary / "elsewhere", 0o700)
    link(own_folder, temporary / "elsewhere")
    listener = WakeSocket(lambda _: None)

    listener.bind()

    assert listener.path is None


async def test_too_long_a_path_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, sender: WakeSocket
) -> None:
    make_folder(temporary / ("x" * 120), 0o700)
    monkeypatch.setenv("TMPDIR", str(temporary / ("x" * 120)))

    sender.bind()

    assert sender.path is None


async def test_a_loop_that_watches_no_sockets_gets_none(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, sender: WakeSocket
) -> None:
    def add_reader(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
    sender.bind()

    assert sender.path is None
    assert names(own_folder) == set()


async def test_closing_removes_the_file(listener: WakeSocket, own_folder: Path) -> None:
    listener.close()
    listener.close()

    assert names(own_folder) == set()


async def test_binding_again_keeps_the_path_while_its_file_is_there(
    listener: WakeSocket, sender: WakeSocket, heard: Heard
) -> None:
    before = path_of(listener)
    listener.bind()
    assert path_of(listener) == before

    remove(before)
    listener.bind()

    assert path_of(listener) != before
    sender.send(path_of(listener), Change.RUNS)
    assert await heard.next() is Change.RUNS


async def test_sockets_of_killed_processes_are_swept(own_folder: Path) -> None:
    old_socket(own_folder / "dead").close()
    living = old_socket(own_folder / "living")
    old_socket(own_folder / "being bound").close()
    os.utime(own_folder / "being bound")
    (own_folder / "file").touch()
    os.utime(own_folder / "file", (0, 0))
    listener = WakeSocket(lambda _: None)

    listener.bind()

    own = Path(path_of(listener)).name
    assert names(own_folder) == {"living", "being bound", "file", own}
    living.close()
    listener.close()


# -- processes -----------------------------------------------------------------------------------

LISTEN = """
import asyncio, os, sys
from cloaca_sqlite.wakeups.wake_socket import WakeSocket

async def main():
    socket = WakeSocket(print)
    socket.bind()
    print(socket.path, flush=True)

os.environ["TMPDIR"] = sys.argv[1]
asyncio.run(main())
"""


async def test_a_program_that_ends_without_closing_leaves_no_file(
    temporary: Path, own_folder: Path
) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTEN, str(temporary), stdout=subprocess.DEVNULL
    )

    assert await program.wait() == 0
    assert names(own_folder) == set()


@pytest.fixture
def path_of_orphans_parent(temporary: Path) -> Iterator[str]:
    """The socket of a process that has ended, and whose forked child lives."""
    fork = "if not os.fork():\n    print('forked', flush=True)\n    sys.stdin.read()\nos._exit(0)\n"
    program = [sys.executable, "-c", LISTEN + fork, str(temporary)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        path = it.stdout.readline().strip()
        assert it.stdout.readline() == "forked\n"
        it.wait(SOON)
        yield path


async def test_a_forked_child_does_not_keep_its_parents_socket(
    path_of_orphans_parent: str, sender: WakeSocket
) -> None:
    assert sender.send(path_of_orphans_parent, Change.RUNS) is Delivery.DEAD
