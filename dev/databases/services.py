"""A PostgreSQL that stays up between tasks: by docker compose, or else a private server.

A file in ``.services``, which only its owner can read, describes the server: its URL has a
password, which no task ever prints. The data is kept when the server is stopped or has died, until
``services.down --volumes`` removes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeGuard
from urllib.parse import quote, urlsplit

from dev.console import TaskFailed, environment, run, say, step
from dev.databases import maintenance, programs, urls
from dev.databases.cluster import Cluster, can_hold_a_server, url_of
from dev.environments.bootstrap import only_one
from dev.files import write_atomically
from dev.project import ROOT

FOLDER = ROOT / ".services"
DATABASE = "cloaca"
_COMPOSE = ("docker", "compose")
_SERVICE = "postgres"
_TEMPORARY = "cloaca-services-"
# A hanging engine counts as missing. Starting may have to fetch an image first.
_QUESTION_SECONDS = 20
_START_SECONDS = 900
_STOP_SECONDS = 120
_KEPT = "services.up goes on with its data, services.down --volumes removes it"


@dataclass(frozen=True, slots=True)
class Started:
    """A server that ``up`` started, with the facts needed to restart or stop it."""

    kind: Literal["docker", "private"]
    url: str
    folder: str = ""
    binaries: str = ""
    stopped: bool = False

    @property
    def cluster(self) -> Cluster:
        """The cluster of a private server."""
        return Cluster(Path(self.folder), Path(self.binaries))

    def is_up(self) -> bool:
        """True when it accepts our login."""
        return not self.stopped and not maintenance.why_no_answer(self.url)

    def is_dead(self) -> bool:
        """True when a private server's process has died; docker restarts its own."""
        return self.kind == "private" and not self.cluster.is_running()

    def __str__(self) -> str:
        return f"{urls.masked(self.url)} ({self.kind})"


# -- the tasks -----------------------------------------------------------------------------------


def up() -> None:
    """Start a PostgreSQL, or say that it is up; a concurrent second call waits and finds it up."""
    with _alone():
        started = recorded()
        if started is not None and started.is_up():
            say(f"already up: {started}")
            return
        started = _again(started) if _can_go_on(started) else _anew()
        _record(started)
    say(f"up: {started}")
    say(
        "the tests find it by themselves; its URL, with the password, is in .services/postgres.json"
    )


def down(*, volumes: bool = False) -> None:
    """Stop the server that ``up`` started; with ``volumes`` remove its data too."""
    with _alone():
        started = recorded()
        if started is None or (started.stopped and not volumes):
            say("nothing is up" if started is None else f"nothing is up; {_KEPT}")
        elif volumes:
            _remove(started)
            say(f"down, and its data is removed: {started}")
        else:
            _stop(started)
            _record(replace(started, stopped=True))
            say(f"down: {started}; {_KEPT}")


def reset() -> None:
    """Drop every database of the server, and make the usual one again."""
    started = recorded()
    if started is None or not started.is_up():
        raise TaskFailed("nothing is up; start it with `python tasks.py services.up`")
    usual = urls.with_database(started.url, maintenance.MAINTENANCE)
    for name in maintenance.names(usual):
        maintenance.drop(usual, name)
    maintenance.create(usual, DATABASE)
    say(f"reset: {started}")


def status() -> None:
    """Say whether a server is up."""
    started = recorded()
    if started is None:
        say("nothing is up")
    elif started.stopped:
        say(f"stopped: {started}; {_KEPT}")
    elif started.is_up():
        say(f"up: {started}")
    elif started.is_dead():
        say(f"it has died: {started}; {_KEPT}")
    else:
        raise TaskFailed(f"it does not answer: {started}; `python tasks.py services.down` ends it")


def _alone() -> AbstractContextManager[None]:
    FOLDER.mkdir(exist_ok=True)
    return only_one(FOLDER / "lock")


# -- the record ----------------------------------------------------------------------------------


def recorded() -> Started | None:
    """The server that ``up`` started last, unless it was removed; running or not."""
    try:
        return Started(**json.loads(_record_path().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise TaskFailed(f"{_record_path()} cannot be read; remove it: {error}") from error


def url_of_started() -> str | None:
    """The URL of the server that ``up`` started, if it still answers."""
    started = recorded()
    return started.url if started is not None and started.is_up() else None


def _record(started: Started) -> None:
    FOLDER.mkdir(exist_ok=True)
    _record_path().touch(mode=0o600)
    write_atomically(_record_path(), json.dumps(asdict(started), indent=1).encode())


def _record_path() -> Path:
    return FOLDER / "postgres.json"


# -- ending one ----------------------------------------------------------------------------------


def _stop(started: Started) -> None:
    if started.kind == "private":
        started.cluster.stop()
        return
    if not _docker_answers():  # its container may still run, so keep the record
        raise TaskFailed(
            "docker does not answer; start it and try again, or forget the server and leave its "
            "container and volume with `python tasks.py services.down --volumes`"
        )
    run([*_COMPOSE, "down"], cwd=ROOT, quiet=True, seconds=_STOP_SECONDS)


def _remove(started: Started) -> None:
    if started.kind == "private":
        started.cluster.remove()
        _remove_if_temporary(Path(started.folder).parent)
    elif _docker_answers():
        run([*_COMPOSE, "down", "--volumes"], cwd=ROOT, quiet=True, seconds=_STOP_SECONDS)
    else:
        say("docker does not answer, so its container and its volume stay")
    _record_path().unlink(missing_ok=True)


def _remove_if_temporary(folder: Path) -> None:
    if folder.name.startswith(_TEMPORARY):
        shutil.rmtree(folder, ignore_errors=True)


# -- starting one --------------------------------------------------------------------------------


def _can_go_on(started: Started | None) -> TypeGuard[Started]:
    """True when there is a private server with its data; docker keeps its volume by itself."""
    return started is not None and started.kind == "private" and started.cluster.data.is_dir()


def _again(started: Started) -> Started:
    """Start it in its folder, on its port if that is free, with its user and password."""
    step(f"starting the private PostgreSQL again: {started}")
    server, port = started.cluster, urlsplit(started.url).port
    server.stop()
    try:
        port = server.start(durable=True, port=port)
    except TaskFailed:
        port = server.start(durable=True)
    return replace(started, url=urls.with_port(started.url, port), stopped=False)


def _anew() -> Started:
    return _start_in_docker() if _docker_answers() else _start_private()


def _docker_answers() -> bool:
    """True when docker's engine and compose work; the program alone proves neither."""
    docker = shutil.which(_COMPOSE[0])
    if docker is None:
        return False
    return all(_answers([docker, *words]) for words in (["info"], ["compose", "version"]))


def _answers(command: Sequence[str]) -> bool:
    try:
        _ask(command)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _ask(command: Sequence[str]) -> str:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_QUESTION_SECONDS,
        check=True,
    ).stdout


def _start_in_docker() -> Started:
    step("starting PostgreSQL by docker compose")
    run([*_COMPOSE, "up", "--detach", "--wait"], cwd=ROOT, quiet=True, seconds=_START_SECONDS)
    try:
        said = _ask([*_COMPOSE, "config", "--format", "json"])
    except subprocess.SubprocessError as error:
        raise TaskFailed(f"docker compose does not say what it started: {error}") from error
    return Started("docker", composed_url(said))


def composed_url(said: str) -> str:
    """The URL of the server, from the resolved ``docker-compose.yaml``, which alone has the port,
    the user and the database.
    """
    try:
        service = json.loads(said)["services"][_SERVICE]
        (port,) = service["ports"]
        settings = service["environment"]
        words = [settings[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB")]
        address = f"{port['host_ip']}:{port['published']}"
    except (ValueError, KeyError, TypeError) as error:
        told = "docker compose config does not say where the server listens"
        raise TaskFailed(f"{told}: {type(error).__name__} {error}") from error
    user, password, database = (quote(word, safe="") for word in words)
    return f"postgresql://{user}:{password}@{address}/{database}"


def _start_private() -> Started:
    """Start a server in ``.services``, or in a temporary folder if its user cannot reach that."""
    folder = FOLDER / "postgres"
    if not can_hold_a_server(folder):
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY)) / "postgres"
        folder.parent.chmod(0o711)
    binaries = programs.installed() or programs.embedded(folder / "embedded")
    step(f"starting a private PostgreSQL from {binaries}")
    cluster = Cluster(folder, binaries)
    try:
        password = cluster.create()
        url = url_of(password, cluster.start(durable=True))
        maintenance.create(url, DATABASE)
    except BaseException:
        cluster.remove()
        raise
    url = urls.with_database(url, DATABASE)
    return Started("private", url, os.fspath(folder), os.fspath(binaries))
