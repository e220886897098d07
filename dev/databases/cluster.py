"""A private PostgreSQL server in one folder: creates, starts, stops and removes it.

Everything is in that folder (data, log, and binaries if they came from the index), and the server
listens on a free port of this machine with a random password. PostgreSQL refuses to run as root;
then its programs are started as an unprivileged user, who owns the folder.

``python -m dev.databases.cluster FOLDER BINARIES [--durable]`` runs a server as long as its stdin
is open: when the process that started it ends, in any way, the pipe closes, the server stops and
the folder is removed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dev.console import TaskFailed, environment
from dev.project import ROOT

USER = "cloaca"
PREFIX = "cloaca-postgres-"
CONNECTIONS = 200
# Root cannot run PostgreSQL; the first of these users that exists does.
UNPRIVILEGED = ("postgres", "nobody")
_KEEPER = "keeper.json"
_KEEP = (sys.executable, "-m", "dev.databases.cluster")
_DURABLE = "--durable"
_STARTS = 3
_WITHOUT_DISK = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The server in ``folder``, run by the programs in ``binaries``."""

    folder: Path
    binaries: Path

    def create(self) -> str:
        """Make the data directory and the only user; return the user's password."""
        password = secrets.token_urlsafe(24)
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(verifier(password))
        _give_away(self.folder, secret)
        options = ["--encoding=UTF8", "--no-locale", "--auth=scram-sha-256", "--no-sync"]
        if sys.platform == "linux":  # the letters of all scripts; others may lack it
            options.append("--lc-ctype=C.UTF-8")
        try:
            self._run("initdb", *options, f"--username={USER}", f"--pwfile={secret}")
        finally:
            secret.unlink(missing_ok=True)
        return password

    def start(self, *, durable: bool, port: int | None = None) -> int:
        """Start it and wait until it answers; return its port, a free one unless given.

        A server only for tests leaves out fsync: its data is removed anyway. Commits are ordered
        and acknowledged as in production.
        """
        if port is not None:
            return self._start_on(port, durable=durable)
        for _ in range(_STARTS - 1):
            try:
                return self._start_on(_free_port(), durable=durable)
            except TaskFailed:  # another program may have taken the port in between
                continue
        return self._start_on(_free_port(), durable=durable)

    def _start_on(self, port: int, *, durable: bool) -> int:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            # No socket file: its usual folder may be read-only, and a deep path is too long.
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS),
            "synchronous_commit": "on",
            **({} if durable else _WITHOUT_DISK),
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "--wait", f"--log={self.log}", f"--options={options}", "start")
        return port

    def is_running(self) -> bool:
        """True when its server process is alive; the pid file of a dead one does not count."""
        return self.folder.is_dir() and self._call("pg_ctl", "status").returncode == 0

    def stop(self, *, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it at once, with all its connections; ``immediate`` is like a crash."""
        if self.is_running():
            self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def remove(self) -> None:
        """Stop it, in any state, and remove its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call(program, *arguments)
        if done.returncode:
            log = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise TaskFailed(f"{program} failed: {done.stdout.rstrip()}\n{log}".rstrip())

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program with output to a file: a server would keep a pipe open while it runs."""
        words = [str(self.binaries / program), f"--pgdata={self.data}", *arguments]
        user, group = _user()
        said = self.folder / f"{program}.out"
        with said.open("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env=environment({"LC_ALL": "C"}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the task, which then stops the server properly.
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if user is None else (),
            )
            code = _wait_to_the_end(process)
            output.seek(0)
            return subprocess.CompletedProcess(words, code, output.read())


def _wait_to_the_end(process: subprocess.Popen[bytes]) -> int:
    """Wait also when interrupted: a half-done initdb or pg_ctl leaves an unusable server.

    A second interruption ends the wait.
    """
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


# -- the password --------------------------------------------------------------------------------


def verifier(password: str) -> str:
    """The password as the server stores it (RFC 5803), with a single iteration.

    The usual 4,096 slow down those who guess passwords of people, and cost each connection two
    milliseconds of a core. This one has 192 random bits.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    parts = (salt, stored, _keyed(salted, b"Server Key"))
    salt_text, stored_text, server_text = (b64encode(part).decode() for part in parts)
    return f"SCRAM-SHA-256$1:{salt_text}${stored_text}:{server_text}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


# -- users ---------------------------------------------------------------------------------------


def _is_root() -> bool:
    return os.name != "nt" and os.geteuid() == 0


def unprivileged_user() -> tuple[int, int]:
    """User and group that run PostgreSQL in place of root."""
    import pwd  # not there on Windows, which has no root either

    for name in UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise TaskFailed(
        "PostgreSQL does not run as root, and this system has no user "
        f"{' or '.join(UNPRIVILEGED)} to run it as; set CLOACA_TEST_POSTGRES_URL"
    )


def _user() -> tuple[int, int] | tuple[None, None]:
    """The user that runs PostgreSQL's programs; None means the present user."""
    return unprivileged_user() if _is_root() else (None, None)


def _give_away(*paths: Path) -> None:
    if _is_root():
        for path in paths:
            os.chown(path, *unprivileged_user())


def can_hold_a_server(folder: Path) -> bool:
    """True when PostgreSQL's user can reach this folder through its parents."""
    if not _is_root():
        return True
    return all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


# -- as long as its starter lives ----------------------------------------------------------------


@contextmanager
def running(folder: Path, binaries: Path, *, durable: bool = False) -> Iterator[str]:
    """Run a server in ``folder`` and remove both afterwards; its URL.

    A separate keeper process owns it, so that both are removed even when this process is killed.
    """
    keeper = subprocess.Popen(
        [*_KEEP, str(folder), str(binaries), *([_DURABLE] if durable else [])],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with keeper:
        try:
            kind, _, rest = keeper.stdout.readline().strip().partition(" ")
            if kind != "url":
                raise TaskFailed(f"no PostgreSQL could be started. {rest}{keeper.stdout.read()}")
            yield rest
        finally:
            # Popen would wait too short after Ctrl-C for the keeper to remove the folder.
            keeper.stdin.close()
            keeper.wait()


def keep(folder: Path, binaries: Path, *, durable: bool) -> None:
    """Run a server, print its URL, and stop it when stdin ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = Cluster(folder, binaries)
    try:
        password = cluster.create()
        note_keeper(cluster)
        port = cluster.start(durable=durable)
        print(f"url {url_of(password, port)}", flush=True)
        sys.stdin.read()
    except TaskFailed as failure:
        print(f"failed {failure}", flush=True)
    except KeyboardInterrupt:
        return
    finally:
        cluster.remove()


def note_keeper(cluster: Cluster) -> None:
    """Write down the process that will stop this server, for ``sweep``."""
    facts = {"pid": os.getpid(), "binaries": os.fspath(cluster.binaries)}
    (cluster.folder / _KEEPER).write_text(json.dumps(facts))


def sweep(temporary: Path) -> list[Path]:
    """Remove servers in this folder whose keepers were killed; return their folders."""
    removed = []
    for note in temporary.glob(f"{PREFIX}*/{_KEEPER}"):
        facts = json.loads(note.read_text())
        if not _is_alive(facts["pid"]):
            Cluster(note.parent, Path(facts["binaries"])).remove()
            removed.append(note.parent)
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True


def url_of(password: str, port: int) -> str:
    """The URL of the database that every server has."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"


def _main(arguments: Sequence[str]) -> None:
    folder, binaries, *options = arguments
    keep(Path(folder), Path(binaries), durable=_DURABLE in options)


if __name__ == "__main__":
    _main(sys.argv[1:])
