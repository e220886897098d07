"""``services.*``: a server that stays up between tasks, and what is written down about it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.databases import maintenance, services
from dev.databases.services import Started
from dev.project import ROOT

URL = "postgresql://me:secret@127.0.0.1:1/cloaca"
# The configuration that docker compose reads from docker-compose.yaml, in short.
COMPOSED = {
    "services": {
        "postgres": {
            "environment": {
                "POSTGRES_USER": "me",
                "POSTGRES_PASSWORD": "with/slash",
                "POSTGRES_DB": "work",
            },
            "ports": [{"host_ip": "127.0.0.1", "target": 5432, "published": "5433"}],
        }
    }
}


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
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f'case "$*" in *config*) cat {tmp_path}/composed;; esac\n'
    )
    program.chmod(0o755)
    (tmp_path / "composed").write_text(json.dumps(COMPOSED))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path / "asked"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server lets us in."""
    monkeypatch.setattr("dev.databases.maintenance.why_no_answer", lambda url: "")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server lets us in."""
    monkeypatch.setattr("dev.databases.maintenance.why_no_answer", lambda url: "refused")


def test_with_an_engine_it_is_composed_and_its_health_awaited(
    folder: Path, docker: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    services.up()

    asked = docker.read_text().splitlines()
    assert asked[:3] == ["info", "compose version", "compose up --detach --wait"]
    assert "postgresql://me@127.0.0.1:5433/work (docker)" in capsys.readouterr().out


def test_port_user_and_database_are_those_that_compose_says(
    folder: Path, docker: Path, answering: None
) -> None:
    services.up()

    assert docker.read_text().splitlines()[3:] == ["compose config --format json"]
    expected = "postgresql://me:with%2Fslash@127.0.0.1:5433/work"
    assert services.url_of_started() == expected


@each_row("said", ["", "[]", "{}", json.dumps({"services": {"postgres": {}}})])
def test_an_answer_of_compose_that_says_no_address_is_told_of(said: str) -> None:
    with pytest.raises(TaskFailed, match="does not say where the server listens"):
        services.composed_url(said)


def test_no_other_file_states_what_the_compose_file_does() -> None:
    text = (ROOT / "dev" / "databases" / "services.py").read_text(encoding="utf-8")
    assert "5432" not in text
    assert "cloaca:cloaca" not in text


def test_an_engine_that_hangs_is_as_one_that_is_not_there(
    folder: Path, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_QUESTION_SECONDS", 0.1)
    (docker.parent / "bin" / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    assert not services._docker_answers()


def test_docker_is_not_waited_for_without_end(folder: Path, docker: Path) -> None:
    program = docker.parent / "bin" / "docker"
    program.write_text('#!/bin/sh\ncase "$*" in *up*) exec sleep 60;; esac\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "_START_SECONDS", 0.1)
        with pytest.raises(TaskFailed, match="not done after 0 s: docker compose up"):
            services.up()


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


def test_down_keeps_the_volume_for_the_next_start(
    folder: Path, docker: Path, answering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    services.up()
    services.down()

    assert docker.read_text().splitlines()[-1] == "compose down"
    assert services.url_of_started() is None
    services.status()
    assert "stopped: postgresql://me@127.0.0.1:5433/work (docker); services.up goes on with" in (
        capsys.readouterr().out
    )
    services.up()
    assert services.url_of_started() is not None


def test_down_removes_the_volume_when_it_is_told_to(
    folder: Path, docker: Path, answering: None
) -> None:
    services.up()
    services.down(volumes=True)

    assert docker.read_text().splitlines()[-1] == "compose down --volumes"
    assert services.recorded() is None


def test_the_volume_of_what_is_stopped_already_can_be_removed(
    folder: Path, docker: Path, answering: None
) -> None:
    services.up()
    services.down()
    asked = len(docker.read_text().splitlines())
    services.down()
    assert len(docker.read_text().splitlines()) == asked  # there was nothing to stop

    services.down(volumes=True)

    assert docker.read_text().splitlines()[-1] == "compose down --volumes"


@pytest.fixture
def private(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without docker; its server is gone afterwards, with the folder that it was in."""
    monkeypatch.setattr(services, "_docker_answers", lambda: False)
    yield folder
    started = services.recorded()
    assert started is not None
    services.down(volumes=True)
    assert not Path(started.folder).exists()
    assert not Path(started.folder).parent.name.startswith("cloaca-services-") or (
        not Path(started.folder).parent.exists()
    )


NUMBER = "SELECT count(*) FROM pg_database WHERE datname = 'kept'"


def kept() -> int:
    """How many databases of that name the server that is up holds."""
    url = services.url_of_started()
    assert url is not None
    ((number,),) = maintenance.query(url, NUMBER)
    return int(number)


def test_what_a_private_server_holds_outlives_a_stop_and_a_crash(private: Path) -> None:
    """Also when its port is another's by then."""
    services.up()
    started = services.recorded()
    assert started is not None
    maintenance.create(started.url, "kept")

    services.down()
    assert services.url_of_started() is None
    services.up()
    assert services.url_of_started() == started.url
    assert kept() == 1

    started.cluster.stop(mode="immediate")
    services.status()
    with socket.socket() as other:
        # Connections to the server that has died may linger on the port.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", urlsplit(started.url).port or 0))
        other.listen()
        with closing_each(other):
            services.up()
    assert services.url_of_started() != started.url
    assert kept() == 1


@contextmanager
def closing_each(listener: socket.socket) -> Iterator[None]:
    """End connections to the listener at once: none waits for an answer."""
    over = threading.Event()

    def close_each() -> None:
        while not over.is_set():
            listener.accept()[0].close()

    closing = threading.Thread(target=close_each)
    closing.start()
    try:
        yield
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()
        closing.join()


def test_what_docker_may_still_run_is_not_taken_for_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next start would forget it and begin a private server beside it."""
    services._record(Started("docker", URL))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(TaskFailed, match="docker does not answer; start it and try again"):
        services.down()

    assert services.recorded() == Started("docker", URL)


def test_what_docker_had_can_be_forgotten_when_it_has_gone(
    folder: Path, silent: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    services._record(Started("docker", URL))
    monkeypatch.setenv("PATH", "")

    services.down(volumes=True)

    assert "its container and its volume stay" in capsys.readouterr().out
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
