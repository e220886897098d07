"""A process is gone only when that is certain; one that cannot be read counts as alive."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tables import each_row

from cloaca_core.engine.recover import process_identity
from cloaca_core.engine.recover.process_identity import (
    ProcessIdentity,
    is_gone,
    is_neighbour,
    this_process,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
ME = this_process()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its stdin is closed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def identity_of(pid: int) -> ProcessIdentity:
    found = process_identity._stat(pid)
    assert found is not None
    return ME._replace(pid=pid, process_start=found[1])


class TestThisProcess:
    def test_it_is_named_by_boot_namespace_pid_and_start(self) -> None:
        assert ME.boot_id
        assert ME.pid_namespace.startswith("pid:[")
        assert ME.pid == os.getpid()
        assert ME.process_start > 0

    def test_it_is_always_the_same(self) -> None:
        assert this_process() == ME


class TestIsNeighbour:
    def test_the_same_boot_and_namespace(self) -> None:
        assert is_neighbour(ME, ME._replace(pid=1))

    def test_not_another_boot_and_not_another_container(self) -> None:
        assert not is_neighbour(ME, ME._replace(boot_id="another"))
        assert not is_neighbour(ME, ME._replace(pid_namespace="pid:[1]"))

    @each_row("me", [ME._replace(boot_id=""), ME._replace(pid_namespace="")])
    def test_not_when_the_platform_does_not_tell(self, me: ProcessIdentity) -> None:
        assert not is_neighbour(me, me)


class TestIsGone:
    def test_not_a_living_process(self, child: subprocess.Popen[bytes]) -> None:
        assert not is_gone(ME, identity_of(child.pid))

    def test_a_process_that_has_ended(self, child: subprocess.Popen[bytes]) -> None:
        other = identity_of(child.pid)
        child.communicate(b"\n")

        assert is_gone(ME, other)

    def test_a_zombie(self, child: subprocess.Popen[bytes]) -> None:
        """It has ended and its parent has not asked for its exit code yet."""
        other = identity_of(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert is_gone(ME, other)

    def test_a_zombie_that_is_collected_while_it_is_looked_at(
        self, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = identity_of(child.pid)
        read = process_identity._stat

        def collected(pid: int) -> tuple[str, int] | None:
            child.wait()
            return read(pid)

        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        monkeypatch.setattr(process_identity, "_stat", collected)

        assert is_gone(ME, other)

    def test_a_pid_that_was_given_to_another_process(self, child: subprocess.Popen[bytes]) -> None:
        other = identity_of(child.pid)

        assert is_gone(ME, other._replace(process_start=other.process_start - 1))

    def test_never_a_process_of_another_machine_or_container(self) -> None:
        assert not is_gone(ME, ME._replace(boot_id="another", pid=2**22 - 1))
        assert not is_gone(ME, ME._replace(pid_namespace="pid:[1]", pid=2**22 - 1))

    def test_never_one_whose_start_is_not_known(self) -> None:
        assert not is_gone(ME, ME._replace(pid=2**22 - 1, process_start=0))

    def test_never_one_that_cannot_be_read(
        self, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = identity_of(child.pid)._replace(process_start=1)
        monkeypatch.setattr(process_identity, "_PROC", Path("/nowhere"))

        assert not is_gone(ME, other)

    def test_one_of_another_user_is_there(
        self, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(pid: int, number: int) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "kill", refuse)

        assert not is_gone(ME, identity_of(child.pid))


def test_a_name_with_parentheses_and_spaces_is_no_trouble(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(sys.executable)
    process = subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert process_identity._stat(process.pid) is not None
        assert not is_gone(ME, identity_of(process.pid))
    finally:
        process.communicate(b"\n")
