"""``services.*``: a server that stays up between tasks, and what is written down about it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dev import services
from dev.console import TaskFailed
from dev.services import Started

URL = "postgresql://me:secret@127.0.0.1:1/cloaca"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for ``.services`` that is not the real one."""
    monkeypatch.setattr(services, "FOLDER", tmp_path / ".services")
    monkeypatch.setattr(services, "ROOT", tmp_path)
    return tmp_path / ".services"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker that writes down what it is asked, and the place where it does."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path / "asked"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server lets us in."""
    monkeypatch.setattr("dev.databases.why_no_answer", lambda url: "")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server lets us in."""
    monkeypatch.setattr("dev.databases.why_no_answer", lambda url: "refused")


def test_with_an_engine_it_is_composed_and_its_health_awaited(
    folder: Path, docker: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    services.up()

    asked = docker.read_text().splitlines()
    assert asked == ["info", "compose version", "compose up --detach --wait"]
    assert services.url_of_started() == services.COMPOSE_URL
    assert "postgresql://cloaca@127.0.0.1:5432/cloaca (docker)" in capsys.readouterr().out


def test_what_is_up_is_not_started_again(
    folder: Path, docker: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    services.up()
    docker.unlink()

    services.up()

    assert not docker.exists()
    assert "already up" in capsys.readouterr().out


def test_two_at_once_start_one(
    folder: Path, docker: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        for each in [pool.submit(services.up) for _ in range(2)]:
            each.result()

    assert docker.read_text().splitlines().count("compose up --detach --wait") == 1
    assert "already up" in capsys.readouterr().out


def test_down_removes_the_volumes_too(folder: Path, docker: Path, answering: None) -> None:
    services.up()
    services.down()

    assert docker.read_text().splitlines()[-1] == "compose down --volumes"
    assert services.recorded() is None


def test_down_works_although_docker_has_gone(
    folder: Path, silent: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    services._record(Started("docker", URL))
    monkeypatch.setenv("PATH", "")

    services.down()

    assert "its volume stays" in capsys.readouterr().out
    assert services.recorded() is None


def test_no_task_prints_a_password(
    folder: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    services._record(Started("docker", URL))

    services.up()
    services.status()

    assert "secret" not in capsys.readouterr().out


def test_the_record_is_for_its_owner_alone(folder: Path) -> None:
    services._record(Started("docker", URL))

    (record,) = folder.iterdir()
    assert record.stat().st_mode & 0o077 == 0


def test_a_server_that_does_not_answer_is_none_that_tests_could_use(
    folder: Path, silent: None
) -> None:
    services._record(Started("docker", URL))

    assert services.url_of_started() is None
    with pytest.raises(TaskFailed, match=r"does not answer: postgresql://me@127\.0\.0\.1:1/cloaca"):
        services.status()


def test_reset_needs_something_that_is_up(folder: Path) -> None:
    with pytest.raises(TaskFailed, match=r"services\.up"):
        services.reset()


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"kind": "docker"})])
def test_a_record_that_cannot_be_read_is_named(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "postgres.json").write_text(text)
    with pytest.raises(TaskFailed, match=r"postgres\.json cannot be read; remove it"):
        services.recorded()
