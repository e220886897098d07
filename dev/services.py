"""The PostgreSQL that stays up between tasks: by docker compose, or else a private server.

What was started is written down in ``.services``, which only its owner can read: the URL in it
holds a password, and no task ever prints one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dev import databases, postgres_programs as programs
from dev.bootstrap import only_one
from dev.cluster import Cluster, can_hold_a_server, url_of
from dev.console import TaskFailed, run, say, step
from dev.files import write_atomically
from dev.project import ROOT

FOLDER = ROOT / ".services"
# What docker-compose.yaml says; it guards a database that only this machine can reach.
COMPOSE_URL = "postgresql://cloaca:cloaca@127.0.0.1:5432/cloaca"
DATABASE = "cloaca"
_COMPOSE = ("docker", "compose")


@dataclass(frozen=True, slots=True)
class Started:
    """A server that ``up`` started, and what is needed to end it."""

    kind: Literal["docker", "private"]
    url: str
    folder: str = ""
    binaries: str = ""

    @property
    def cluster(self) -> Cluster:
        """Its server, when it is a private one."""
        return Cluster(Path(self.folder), Path(self.binaries))

    def is_up(self) -> bool:
        """Whether it lets us in."""
        return not databases.why_no_answer(self.url)

    def is_dead(self) -> bool:
        """Whether its process has ended without us; docker starts its own again."""
        return self.kind == "private" and not self.cluster.is_running()

    def __str__(self) -> str:
        return f"{databases.masked(self.url)} ({self.kind})"


# -- the tasks -----------------------------------------------------------------------------------


def up() -> None:
    """Start a PostgreSQL, or say that it is up already; of two at once, the second finds it up."""
    FOLDER.mkdir(exist_ok=True)
    with only_one(FOLDER / "lock"):
        _up()


def _up() -> None:
    started = recorded()
    if started is not None and started.is_up():
        say(f"already up: {started}")
        return
    if started is not None:
        _clear(started)
    started = _start_in_docker() if _docker_answers() else _start_private()
    _record(started)
    say(f"up: {started}")
    say(
        "the tests find it by themselves; its URL, with the password, is in .services/postgres.json"
    )


def down() -> None:
    """Stop what ``up`` started, with all that it holds."""
    started = recorded()
    if started is None:
        say("nothing is up")
        return
    _clear(started)
    say(f"down: {started}")


def reset() -> None:
    """Drop every database that the server holds, and make the usual one anew."""
    started = recorded()
    if started is None or not started.is_up():
        raise TaskFailed("nothing is up; start it with `python tasks.py services.up`")
    maintenance = databases.with_database(started.url, databases.MAINTENANCE)
    for name in databases.names(maintenance):
        databases.drop(maintenance, name)
    databases.create(maintenance, DATABASE)
    say(f"reset: {started}")


def status() -> None:
    """Say what is up; what a server that died left behind is cleared away."""
    started = recorded()
    if started is None:
        say("nothing is up")
    elif started.is_up():
        say(f"up: {started}")
    elif started.is_dead():
        _clear(started)
        say(f"it had died and was cleared away: {started}")
    else:
        raise TaskFailed(f"it does not answer: {started}; `python tasks.py services.down` ends it")


# -- what was written down -----------------------------------------------------------------------


def recorded() -> Started | None:
    """What ``up`` started last and nobody ended, alive or not."""
    try:
        return Started(**json.loads(_record_path().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise TaskFailed(f"{_record_path()} cannot be read; remove it: {error}") from error


def url_of_started() -> str | None:
    """The URL of the server that ``up`` started, when it still answers."""
    started = recorded()
    return started.url if started is not None and started.is_up() else None


def _record(started: Started) -> None:
    FOLDER.mkdir(exist_ok=True)
    _record_path().touch(mode=0o600)
    write_atomically(_record_path(), json.dumps(asdict(started), indent=1).encode())


def _record_path() -> Path:
    return FOLDER / "postgres.json"


def _clear(started: Started) -> None:
    if started.kind == "private":
        started.cluster.remove()
    elif _docker_answers():
        run([*_COMPOSE, "down", "--volumes"], cwd=ROOT, quiet=True)
    else:
        say("docker does not answer, so its volume stays")
    _record_path().unlink(missing_ok=True)


# -- starting one --------------------------------------------------------------------------------


def _docker_answers() -> bool:
    """Whether an engine is there, and compose with it; the program alone proves neither."""
    docker = shutil.which(_COMPOSE[0])
    if docker is None:
        return False
    questions = ([docker, "info"], [docker, "compose", "version"])
    return all(
        subprocess.run(each, capture_output=True, check=False).returncode == 0 for each in questions
    )


def _start_in_docker() -> Started:
    step("starting PostgreSQL by docker compose")
    run([*_COMPOSE, "up", "--detach", "--wait"], cwd=ROOT, quiet=True)
    return Started("docker", COMPOSE_URL)


def _start_private() -> Started:
    """In ``.services``, or, where root's stand-in cannot reach the checkout, in a temporary one."""
    folder = FOLDER / "postgres"
    if not can_hold_a_server(folder):
        folder = Path(tempfile.mkdtemp(prefix="cloaca-services-")) / "postgres"
        folder.parent.chmod(0o711)
    binaries = programs.installed() or programs.embedded(folder / "embedded")
    step(f"starting a private PostgreSQL from {binaries}")
    cluster = Cluster(folder, binaries)
    try:
        password = cluster.create()
        url = url_of(password, cluster.start(durable=True))
        databases.create(url, DATABASE)
    except BaseException:
        cluster.remove()
        raise
    url = databases.with_database(url, DATABASE)
    return Started("private", url, os.fspath(folder), os.fspath(binaries))
