"""The end of a process of this host is told at once."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys

import pytest
from tables import each_row

from cloaca_core.engine.recover.process_identity import ProcessIdentity, this_process
from cloaca_core.engine.recover.process_watch import ProcessWatch


@pytest.fixture
def ended() -> ProcessIdentity:
    """The identity of a process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return this_process()._replace(pid=process.pid, process_start=1)


def refuse_handles(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the system answer with this error."""

    def refuse(_: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)


class TestProcessWatch:
    async def test_the_end_of_a_process_is_reported(self) -> None:
        died = asyncio.Event()
        watch = ProcessWatch(died.set)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=subprocess.PIPE
        )
        watch.watch([process.pid])
        assert not died.is_set()

        await process.communicate(b"\n")
        await died.wait()

        watch.watch([])

    async def test_a_process_that_has_ended_before_is_reported_too(
        self, ended: ProcessIdentity
    ) -> None:
        died = asyncio.Event()
        watch = ProcessWatch(died.set)

        watch.watch([ended.pid])
        await died.wait()

        assert not watch._fds

    @each_row("number", [errno.EINVAL, errno.ENOENT])
    async def test_so_is_a_process_whose_number_is_being_freed(
        self, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        """Or is still the number of its group."""
        reports: list[None] = []
        refuse_handles(monkeypatch, number)

        ProcessWatch(lambda: reports.append(None)).watch([1])

        assert reports == [None]

    async def test_a_process_that_cannot_be_watched_is_not_reported(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reports: list[None] = []
        refuse_handles(monkeypatch, errno.EMFILE)

        ProcessWatch(lambda: reports.append(None)).watch([1])

        assert not reports

    async def test_an_end_is_reported_once_while_somebody_takes_it_for_alive(
        self, ended: ProcessIdentity
    ) -> None:
        reports: list[None] = []
        watch = ProcessWatch(lambda: reports.append(None))
        for _ in range(3):
            watch.watch([ended.pid])
        assert len(reports) == 1

        watch.watch([])
        watch.watch([ended.pid])  # the pid of another runner by now

        assert len(reports) == 2

    async def test_its_own_process_is_not_watched(self) -> None:
        watch = ProcessWatch(lambda: None)

        watch.watch([this_process().pid])

        assert not watch._fds
