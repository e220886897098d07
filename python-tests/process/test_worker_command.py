"""``cloaca worker`` as a process manager starts and ends it, and ``cloaca run`` at a terminal."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import cloaca

PATIENCE = 60
READY = "The worker is ready; Ctrl-C ends it.\n"
DRAINS = "no more runs are claimed; again ends it at once."
HELD = """
import sys
import cloaca

with cloaca.WorkflowBuilder("held"):

    @cloaca.task
    def hold(context):
        print("begun", flush=True)
        heard = sys.stdin.readline().strip()
        if heard == "stderr":
            print("for a file", file=sys.stderr)
        return {"heard": heard}
"""


CHILDREN = """
import cloaca

with cloaca.WorkflowBuilder("double"):

    @cloaca.task
    def double(context):
        return {"double": 2 * context["n"]}

with cloaca.WorkflowBuilder("held"):

    @cloaca.task(retry_attempts=2, retry_delay_ms=1)
    def parent(context, handle):
        one = handle.submit("double", {"n": 1})
        many = handle.submit_many("double", [{"n": 2}, {"n": 3}])
        if handle.attempt == 1:
            raise OSError("once more")
        doubles = [each.result().final_context["double"] for each in (one, *many)]
        return {"doubles": doubles}
"""


class Program:
    """A worker in a process of its own; the body of its workflow waits for a line on stdin."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def told(self) -> str:
        """The next line that it writes for people."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def begun(self) -> None:
        """Wait until a body has begun."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "begun\n"

    def drain(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the first signal, and wait until it is heeded."""
        self.process.send_signal(number)
        assert DRAINS in self.told()

    def say(self, line: str) -> None:
        """Let the body that waits end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end; its exit code. Its stdin stays open: else the body would go on."""
        return self.process.wait(PATIENCE)


@contextmanager
def worker(
    url: str, folder: Path, *options: str, code: str = HELD, **variables: str
) -> Iterator[Program]:
    """A worker of the workflow ``held``."""
    (folder / "held.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-m", "cloaca", "worker", "-A", "held", "--database-url", url, *options],
        cwd=folder,
        env={**os.environ, "CLOACA_SHUTDOWN_GRACE_SECONDS": "600", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Program(process)
        finally:
            process.kill()


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as found:
        yield found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(
    database_url: str, client: cloaca.Client, tmp_path: Path, number: signal.Signals
) -> None:
    ready = tmp_path / "ready"
    with worker(database_url, tmp_path, "--ready-file", str(ready)) as program:
        assert program.told() == READY
        assert ready.read_text() == f"{program.process.pid}\n"
        run = client.submit("held")
        program.begun()

        program.drain(number)
        later = client.submit("held")
        assert not ready.exists()
        program.say("done")

        assert program.end() == 0
    assert run.result(PATIENCE).final_context.get("heard") == "done"
    assert later.status() == "Pending"


def test_its_bodies_submit_runs_though_they_know_no_runner(
    database_url: str, client: cloaca.Client, tmp_path: Path
) -> None:
    """The attempt that follows finds the runs that the first one has submitted."""
    with worker(database_url, tmp_path, code=CHILDREN) as program:
        assert program.told() == READY
        run = client.submit("held")

        assert run.result(PATIENCE).final_context.get("doubles") == [2, 4, 6]
    assert len(run.children()) == 3


def test_the_second_signal_ends_it_at_once_and_the_run_goes_on_elsewhere(
    database_url: str, client: cloaca.Client, tmp_path: Path
) -> None:
    with worker(database_url, tmp_path) as program:
        assert program.told() == READY
        run = client.submit("held")
        program.begun()
        program.drain()
        program.process.send_signal(signal.SIGTERM)

        assert program.end() == 130
    with worker(database_url, tmp_path) as another:
        another.begun()
        another.say("again")

        assert run.result(PATIENCE).final_context.get("heard") == "again"


def test_it_answers_probes_on_loopback_and_is_not_ready_while_it_drains(
    database_url: str, client: cloaca.Client, tmp_path: Path
) -> None:
    with worker(database_url, tmp_path, "--health", "0") as program:
        (port,) = re.findall(r"^http://127\.0\.0\.1:(\d+)/health$", program.told().strip())
        assert program.told() == READY
        client.submit("held")
        program.begun()

        assert asked(port, "/ready") == (200, {"ready": True})
        status, health = asked(port, "/health")
        assert (status, health["active_runs"], health["running_bodies"]) == (200, 1, 1)
        program.drain()
        assert asked(port, "/ready") == (503, {"ready": False})
        assert asked(port, "/health") == (200, {"draining": True})
        program.say("done")
        assert program.end() == 0


def test_it_leaves_when_it_is_asked_from_elsewhere(
    database_url: str, client: cloaca.Client, tmp_path: Path
) -> None:
    with worker(database_url, tmp_path, "--health", "0") as program:
        (port,) = re.findall(r"^http://127\.0\.0\.1:(\d+)/health$", program.told().strip())
        assert program.told() == READY
        run = client.submit("held")
        program.begun()
        (line,) = cloaca.Observer(client).overview().wait().runners

        done = subprocess.run(
            [sys.executable, "-m", "cloaca", "runners", "drain", line.id[:20]],
            env={**os.environ, "CLOACA_DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{line.id}\n"
        assert "two signals end it at once" in program.told()
        later = client.submit("held")
        (line,) = cloaca.Observer(client).overview().wait().runners
        assert (line.alive, line.runs, line.draining_since is None) == (True, 1, False)
        assert asked(port, "/ready") == (503, {"ready": False})
        assert asked(port, "/health") == (200, {"draining": True})
        program.process.send_signal(signal.SIGTERM)  # as a service manager that stops it as well
        program.say("done")

        assert program.end() == 0
    assert run.result(PATIENCE).final_context.get("heard") == "done"
    assert later.status() == "Pending"
    assert cloaca.Observer(client).overview().wait().runners == ()


def asked(port: str, path: str) -> tuple[int, dict[str, object]]:
    with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)) as it:
        it.request("GET", path)
        response = it.getresponse()
        return response.status, json.loads(response.read())


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(
    database_url: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(PATIENCE)
        with worker(database_url, tmp_path, NOTIFY_SOCKET=path) as program:
            assert receiver.recv(200).decode().splitlines() == [
                "READY=1",
                f"MAINPID={program.process.pid}",
            ]
            program.process.send_signal(signal.SIGTERM)
            assert receiver.recv(200) == b"STOPPING=1"
            assert program.end() == 0


@contextmanager
def run_command(url: str, folder: Path, stdout: int) -> Iterator[Program]:
    """`cloaca run` of the workflow ``held``, whose body waits for a line on stdin."""
    (folder / "held.py").write_text(HELD)
    process = subprocess.Popen(
        [sys.executable, "-m", "cloaca", "run", "held", "-A", "held", "--database-url", url],
        cwd=folder,
        env={**os.environ, "CLOACA_SHUTDOWN_GRACE_SECONDS": "0", "TERM": "xterm"},
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Program(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_run_to_the_workers_and_says_how_to_find_it(
    database_url: str, client: cloaca.Client, tmp_path: Path, number: signal.Signals
) -> None:
    with run_command(database_url, tmp_path, subprocess.PIPE) as command:
        assert command.process.stdout is not None
        awaited = {"begun", "Running"}  # in any order: the body writes, and the command
        while awaited:
            awaited -= set(command.process.stdout.readline().split())
        command.process.send_signal(number)

        assert command.end() == 130
        assert command.process.stderr is not None
        (run_id,) = re.findall(r"cloaca runs watch (\S+)", command.process.stderr.read())
    with worker(database_url, tmp_path) as program:
        program.begun()
        program.say("later")
        assert client.get_run(run_id).result(PATIENCE).final_context.get("heard") == "later"


@pytest.mark.backend("sqlite", reason="the database has no part in it")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no terminals to be had for a test")
def test_on_a_terminal_a_run_is_drawn_and_what_is_for_a_file_goes_there(
    database_url: str, tmp_path: Path
) -> None:
    seen, terminal = os.openpty()
    with run_command(database_url, tmp_path, terminal) as command:
        os.close(terminal)
        shown = b""
        while b"hold" not in shown:
            shown += os.read(seen, 65536)
        command.say("stderr")
        assert command.process.stderr is not None
        assert command.process.stderr.read() == "for a file\n"
        assert command.end() == 0
    os.close(seen)


@pytest.mark.backend("sqlite", reason="the database has no part in it")
def test_it_begins_anew_when_its_code_changes(
    database_url: str, client: cloaca.Client, tmp_path: Path
) -> None:
    module = tmp_path / "held.py"
    with worker(database_url, tmp_path, "--reload") as program:
        assert program.told() == READY
        run = client.submit("held")
        program.begun()

        module.write_text(HELD.replace('"begun"', '"new code"'))
        assert program.told() == f"{module} has changed.\n"
        assert "It begins anew" in program.told()
        program.say("done")  # bodies have the grace period
        assert program.told() == READY
        assert run.result(PATIENCE).final_context.get("heard") == "done"

        client.submit("held")
        assert program.process.stdout is not None
        assert program.process.stdout.readline() == "new code\n"
        program.drain()
        program.say("over")
        assert program.end() == 0


@pytest.mark.backend("sqlite", reason="the database has no part in it")
def test_it_waits_for_code_that_can_be_imported(database_url: str, tmp_path: Path) -> None:
    module = tmp_path / "held.py"
    with worker(database_url, tmp_path, "--reload") as program:
        assert program.told() == READY
        module.write_text("what is this")
        while "begins anew when a file changes" not in program.told():
            continue

        module.write_text(HELD)
        assert program.told() == f"{module} has changed.\n"
        assert program.told() == READY
        program.drain()
        assert program.end() == 0
