"""Starts workers, listens to what they say, and reads what they left behind."""

from __future__ import annotations

import atexit
import functools
import json
import os
import queue
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from own_database import OwnDatabases

from process.nursery import Nursery

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 120.0
"""Seconds until a test gives up; nothing waits so long unless it is broken."""


class Entry(NamedTuple):
    """One execution of a body, as its ledger line says."""

    run_id: str
    task_id: str
    attempt: int
    epoch: int
    pid: int


@functools.cache
def _nursery() -> Nursery:
    """Where this run's workers come from."""
    nursery = Nursery(WORKER)
    atexit.register(nursery.close)
    return nursery


def _state(pid: int) -> str:
    """The letter by which the system says what a process is doing; "X" once it is gone."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return "X"
        return stat.rpartition(")")[2].split()[0]
    command = ["ps", "-o", "state=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout[:1] or "X"


class Worker:
    """A process that runs ``worker.py``."""

    def __init__(self, url: str, environment: dict[str, str], settings: dict[str, Any]) -> None:
        arguments = [url, json.dumps(settings)]
        self._process = _nursery().start(arguments, {**os.environ, **environment})
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._heard: list[str] = []
        self._errors: list[str] = []
        self._ears = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._listen_to_errors, daemon=True),
        ]
        for ear in self._ears:
            ear.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _listen_to_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def tell(self, *words: object) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def hear(self, word: str) -> list[str]:
        """The words after ``word`` on the next line that begins with it."""
        for line in self._heard:
            if line.split(" ", 1)[0] == word:
                self._heard.remove(line)
                return line.split(" ")[1:]
        while (line_or_end := self._next()) is not None:
            if line_or_end.split(" ", 1)[0] == word:
                return line_or_end.split(" ")[1:]
            if line_or_end.startswith("error "):
                raise AssertionError(f"waiting for {word!r}: {line_or_end}")
            self._heard.append(line_or_end)
        raise AssertionError(f"ended without saying {word!r}: {''.join(self._errors)}")

    def hear_first(self, *words: str) -> str | None:
        """The first of these words that it says, or None if the process ends before."""
        while (line := self._next()) is not None:
            if (word := line.split(" ", 1)[0]) in words:
                return word
            self._heard.append(line)
        return None

    def _next(self) -> str | None:
        try:
            return self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"said nothing more; before: {self._heard}") from None

    def submit(self, name: str, *arguments: object) -> str:
        """The id of a new run."""
        self.tell("submit", name, *arguments)
        return self.hear("submitted")[0]

    def result(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """Status and final context of a run, when it has ended."""
        self.tell("result", run_id)
        _, status, *context = self.hear("result")
        return status, json.loads(" ".join(context))

    def steer(self, kind: str, run_id: str, *grace: float) -> tuple[str, str]:
        """Cancel, pause or resume a run: its state, or the error, and whether that changed it."""
        self.tell("steer", kind, run_id, *grace)
        _, status, changed = self.hear("steered")
        return status, changed

    def send(self, run_id: str, payload: str) -> bool:
        """Send a message whose key is its payload; whether it was new."""
        return self.try_to_send(run_id, payload) == "True"

    def try_to_send(self, run_id: str, payload: str) -> str:
        """The same; the name of the error if it is refused."""
        self.tell("send", run_id, payload)
        return self.hear("sent")[0]

    def approve(self, run_id: str, name: str, by: str) -> str:
        """Decide an approval; "True" if that was new, or the name of the error."""
        self.tell("approve", run_id, name, by)
        return self.hear("approved")[0]

    def refusal(self) -> str:
        """Submit runs until one is refused; the reason."""
        self.tell("fill")
        return " ".join(self.hear("refused"))

    def result_or_death(self, run_id: str) -> tuple[str, dict[str, Any]] | None:
        """The result of a run; None when the process dies instead."""
        try:
            return self.result(run_id)
        except (AssertionError, BrokenPipeError):
            if self.exit_code() == 0:
                raise
            return None

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal that ends it; the exit code."""
        self._process.send_signal(number)
        return self.exit_code()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it with all its threads, where none of them keeps others from the database."""
        self.tell("freeze")
        self.await_stop()

    def await_stop(self) -> None:
        """Return when it stands still, which is a little after it has said that it will: a signal
        to go on that comes before is lost.
        """
        self.hear("stopping")
        self.await_stillness()

    def await_stillness(self) -> None:
        """The same once it has said so, or when it has ended."""
        while _state(self.pid) not in "TtZX":
            continue

    def exit_code(self) -> int:
        """Wait for the end; the exit code."""
        return self._process.wait(PATIENCE)

    def end(self) -> tuple[int, str]:
        """Close its stdin and wait: exit code and stderr."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self.exit_code()
        self._ears[1].join(PATIENCE)
        return code, "".join(self._errors)

    def dispose(self) -> None:
        """Kill it if it still runs, and collect its output."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for ear in self._ears:
            ear.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue


class Fleet:
    """Workers that share one database and one ledger."""

    def __init__(self, databases: OwnDatabases, url: str, folder: Path) -> None:
        self.url = url
        self._databases = databases
        self.ledger_path = folder / "ledger"
        self.workers: list[Worker] = []

    def launch(
        self,
        *,
        hold: Sequence[str] = (),
        fault: str | None = None,
        stop: str | None = None,
        clock: Path | None = None,
        **settings: Any,
    ) -> Worker:
        """Start a worker without waiting for it; ``clock`` is the file that moves its clock."""
        environment = {
            "CLOACA_TEST_LEDGER": str(self.ledger_path),
            "CLOACA_TEST_HOLD": ",".join(hold),
        }
        if fault is not None:
            environment["CLOACA_FAULT"] = fault
        if stop is not None:
            environment["CLOACA_TEST_STOP"] = stop
        if clock is not None:
            environment["CLOACA_TEST_CLOCK"] = str(clock)
        worker = Worker(self.url, environment, settings)
        self.workers.append(worker)
        return worker

    def start(
        self,
        *,
        hold: Sequence[str] = (),
        fault: str | None = None,
        stop: str | None = None,
        **settings: Any,
    ) -> Worker:
        """Start a worker; its runner is open when this returns."""
        worker = self.launch(hold=hold, fault=fault, stop=stop, **settings)
        worker.hear("ready")
        return worker

    def ledger(self) -> list[Entry]:
        """Every execution so far."""
        if not self.ledger_path.exists():
            return []
        rows = [line.split() for line in self.ledger_path.read_text().splitlines()]
        return [Entry(run, task, int(n), int(epoch), int(pid)) for run, task, n, epoch, pid in rows]

    def executions(self, run_id: str) -> Counter[str]:
        """How often each task of a run was executed."""
        return Counter(entry.task_id for entry in self.ledger() if entry.run_id == run_id)

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database, as another process may; ``?`` stands for a parameter."""
        return self._databases.query(self.url, sql, *parameters)

    def await_row(self, writer: Worker, sql: str, *parameters: object) -> None:
        """Return when something that this worker has written gives the query an answer."""
        writer.tell("announce")
        writer.hear("announcing")
        while not self.query(sql, *parameters):
            writer.hear("wrote")

    def close(self) -> None:
        """End the workers; the lives of their runs have broken no rule."""
        for worker in self.workers:
            worker.dispose()
        broken = self.ledger_path.with_name("ledger.broken")
        assert not broken.exists(), broken.read_text(encoding="utf-8")
