"""A ready-made trigger function: starts a run for each new file that is complete.

The database, not this module, knows which files have had their run, by the key of each event: a
poll returns every file that exists, in any process and after any restart.
"""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cloaca_core.definition.context import Context
from cloaca_core.definition.triggers.durations import read_duration
from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import ContextError, DefinitionError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.arguments import wrong_type
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.times.instants import to_datetime

log: SafeLogger = SafeLogger("cloaca.triggers")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file's state at one poll, and the time since it has that state (monotonic seconds)."""

    size: int
    modified_ns: int
    since: float


class FileArrival:
    """The function that ``file_arrival`` makes; a call looks at the files."""

    def __init__(self, pattern: str, settle_seconds: float) -> None:
        self._pattern = pattern
        self._settle_seconds = settle_seconds
        self._seen: dict[str, _Seen] = {}

    def __repr__(self) -> str:
        return f"file_arrival({self._pattern!r})"

    def __call__(self) -> list[TriggerResult]:
        """Return one result to fire for each file that has settled, sorted by path."""
        now = SYSTEM_CLOCK.monotonic()
        found = {path: seen for path in self._paths() if (seen := _look(path, now)) is not None}
        before, self._seen = self._seen, {}
        settled = []
        for path, seen in found.items():
            self._seen[path] = _merged(before.get(path), seen)
            if self._has_settled(self._seen[path], now):
                settled.append((path, seen))
        return [result for path, seen in settled if (result := _fired(path, seen)) is not None]

    def _paths(self) -> list[str]:
        return sorted(glob.glob(self._pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern

    def _has_settled(self, seen: _Seen, now: float) -> bool:
        """True when an earlier poll saw the file in this state, long enough ago."""
        return seen.since < now and now - seen.since >= self._settle_seconds


def file_arrival(pattern: str | os.PathLike[str], *, settle: str | None = None) -> FileArrival:
    """Make a function for ``trigger(...)`` that fires for each new file that a pattern matches.

        trigger(name="invoices", on="book", poll_interval="5s")(file_arrival("/in/*.csv"))

    * ``pattern``: as in ``glob``, ``**`` included; a relative one belongs to the folder that is
      current at the time of the call
    * ``settle``: how long size and time of modification must stay unchanged, such as ``2s``; at
      least from one poll to the next, which is the default. Files that are moved into the folder
      once they are complete are always read whole.

    Each file makes one run, whose context has its ``path``, ``size`` in bytes and ``modified_at``
    (RFC 3339, UTC). A file that is written again, so that its size or time differs, is a new event.
    A file whose name is not UTF-8 is logged and left alone. For other results, write your own
    function: it may call this one and change the results.
    """
    if isinstance(pattern, os.PathLike):
        pattern = os.fspath(pattern)
    if not isinstance(pattern, str):
        raise wrong_type("pattern", "a str or a path", pattern)
    if not pattern:
        raise DefinitionError("pattern must not be empty")
    settle_ms = 0 if settle is None else read_duration("settle", settle)
    return FileArrival(str(Path(pattern).absolute()), settle_ms / 1000)


def _look(path: str, now: float) -> _Seen | None:
    """The file's present state; None when it is no file or is gone."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _Seen(found.st_size, found.st_mtime_ns, now)


def _merged(before: _Seen | None, now: _Seen) -> _Seen:
    """The present state of a file, with the time since it has that state."""
    if before is None or (before.size, before.modified_ns) != (now.size, now.modified_ns):
        return now
    return before


def _fired(path: str, seen: _Seen) -> TriggerResult | None:
    try:
        context = Context(
            {
                "path": path,
                "size": seen.size,
                "modified_at": to_datetime(seen.modified_ns // 1000).isoformat(),
            }
        )
    except (ContextError, OverflowError) as error:
        log.warning("the file %a makes no run: %s", path, error)
        return None
    event = f"{path}\0{seen.size}\0{seen.modified_ns}"
    key = "file:" + sha256(event.encode()).hexdigest()
    return TriggerResult.fire(context, idempotency_key=key)
