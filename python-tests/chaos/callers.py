"""A random caller: submits, sends, steers, looks and prunes, and writes down what it was told.

It runs in a thread of a member of the world, a worker or a client, and stops, dies and is cut off
with it. What it was told is a line in a file beside the ledger: a promise to a caller counts from
then on. Before it steers a run it says so in the ledger, whose lines have one order.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cloaca

WORKFLOWS: Final[Mapping[str, int]] = {
    "chain": 6,
    "one": 4,
    "shares": 4,
    "tree": 1,
    "mapped": 2,
    "nested": 2,
    "looping": 2,
    "mapped-runs": 2,
    "caller": 2,
    "caller-async": 1,
    "stepped": 2,
    "waiting": 2,
    "mailed": 2,
    "travelling": 2,
    "mended": 3,
    "crowded": 2,
    "nightly": 2,
    "followed": 1,
}
"""Workflows of the workers, and how often each is chosen."""
ASKS: Final[Mapping[str, int]] = {
    "submit": 12,
    "send": 6,
    "cancel": 3,
    "pause": 3,
    "resume": 4,
    "retry": 3,
    "look": 4,
    "prune": 1,
}
OPEN: Final = 30
"""Roots that may be open; a caller submits no more beyond, so that a world can come to its end."""
OPEN_STATES: Final = ("Pending", "Running", "Waiting", "Paused")
PAUSE: Final = 0.03
"""Seconds between two acts, on average."""
KEYS: Final = 40
"""Idempotency keys, which all callers share."""


class Caller:
    """Acts until it is told to stop."""

    def __init__(self, door: cloaca.Client, seed: str, ledger: str) -> None:
        self._door = door
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._ledger = Path(ledger)
        self._is_over = threading.Event()
        self._known: list[str] = []
        self._thread = threading.Thread(target=self._act, name="caller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when its last act is over."""
        self._is_over.set()
        self._thread.join()

    def _act(self) -> None:
        while not self._is_over.wait(self._chance.expovariate(1 / PAUSE)):
            (ask,) = self._chance.choices(list(ASKS), list(ASKS.values()))
            try:
                facts = getattr(self, f"_{ask}")()
            except cloaca.CloacaError as error:
                facts = {"refused": type(error).__name__}
            except BaseException as error:  # the judge reports it
                facts = {"broken": repr(error)}
            if facts is not None:
                self._tell(ask, facts)

    def _tell(self, ask: str, facts: Mapping[str, object]) -> None:
        """Write down what was answered; if the disk is full, the answer is lost."""
        line = json.dumps({"at": time.monotonic(), "ask": ask, "pid": os.getpid(), **facts})
        self._append(self._ledger.with_name("answers"), line)

    def _append(self, path: Path, line: str) -> bool:
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            return os.write(file, f"{line}\n".encode()) > 0
        except OSError:
            return False
        finally:
            os.close(file)

    def _intend(self, kind: str, run_id: str) -> bool:
        """Say in the ledger what is to be asked of a run."""
        return self._append(self._ledger, f"{run_id} !{kind} 0 0 {os.getpid()}")

    def _some_run(self) -> str | None:
        if self._chance.random() < 0.2 or not self._known:
            self._known = [run.id for run in self._door.list_runs(limit=30)]
        return self._chance.choice(self._known) if self._known else None

    # -- what it asks ----------------------------------------------------------------------------

    def _submit(self) -> dict[str, object] | None:
        if self._door.count_runs(status=OPEN_STATES) > OPEN:
            return None
        (name,) = self._chance.choices(list(WORKFLOWS), list(WORKFLOWS.values()))
        key = f"key {self._chance.randrange(KEYS)}" if self._chance.random() < 0.2 else None
        context = {"child": self._chance.choice("abc")} if name == "shares" else {}
        handle = self._door.submit(name, context, idempotency_key=key)
        self._known = [*self._known[-20:], handle.id]
        return {"run": handle.id, "workflow": name, "key": key, "created": handle.created}

    def _send(self) -> dict[str, object] | None:
        if (run_id := self._some_run()) is None:
            return None
        key = f"{os.getpid()}-{self._chance.randrange(10**9)}"
        sent = self._door.send(run_id, "mail", key, key=key)
        return {"run": run_id, "key": key, "changed": sent.changed}

    def _cancel(self) -> dict[str, object] | None:
        run_id = self._some_run()
        if run_id is None or not self._intend("cancel", run_id):
            return None
        steered = self._door.cancel(run_id, grace=self._chance.choice([0, 0.1, 0.5]))
        return {"run": run_id, "status": steered.status, "changed": steered.changed}

    def _pause(self) -> dict[str, object] | None:
        run_id = self._some_run()
        if run_id is None or not self._intend("pause", run_id):
            return None
        steered = self._door.pause(run_id)
        return {"run": run_id, "status": steered.status, "changed": steered.changed}

    def _resume(self) -> dict[str, object] | None:
        paused = self._door.list_runs(status="Paused", limit=20)
        if not paused:
            return None
        run_id = self._chance.choice(paused).id
        steered = self._door.resume(run_id)
        return {"run": run_id, "status": steered.status, "changed": steered.changed}

    def _retry(self) -> dict[str, object] | None:
        ended = self._door.list_runs(status=("Failed", "Cancelled"), limit=20)
        if not ended:
            return None
        run_id = self._chance.choice(ended).id
        if not self._intend("retry", run_id):
            return None
        self._door.retry(run_id)
        return {"run": run_id}

    def _look(self) -> dict[str, object] | None:
        if (run_id := self._some_run()) is None:
            return None
        looks: list[Callable[[], object]] = [
            lambda: str(self._door.explain(run_id)),
            lambda: self._door.actions(limit=10),
            lambda: self._door.get_run(run_id).status(),
            self._door.health,
            self._door.limits,
        ]
        self._chance.choice(looks)()
        return {"run": run_id}

    def _prune(self) -> dict[str, object] | None:
        """Delete what the observer has seen end before."""
        seen = self._ledger.with_name("seen")
        if not seen.exists() or not (text := seen.read_text(encoding="utf-8").strip()):
            return None
        before = datetime.fromtimestamp(int(text) / 1e6, UTC)
        return {"runs": self._door.prune(before=before).runs}
