"""``cloaca worker --reload``: notices that files of the program change, and begins it anew.

It is for development: it looks at the times of files on an interval, which needs no package. This
is the only poll of files in cloaca, and it stands outside of the engine. A new process image reads
all modules again; modules are never replaced in the process that has them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from threading import Event, Thread
from typing import Final, NoReturn, TypeAlias

INTERVAL: Final = 0.5
"""Seconds between two looks."""
_FOREIGN: Final = frozenset({"site-packages", "node_modules", "__pycache__"})

Times: TypeAlias = Mapping[str, int]
"""Files, and when they were written."""


class Watch:
    """Knows the files of a program as they were when it was made: make it before they are read."""

    def __init__(self, places: Iterable[Path]) -> None:
        self._places: tuple[Path, ...] = tuple(places)
        self._before: Times = times(self._places)

    def wait(self, pause: Callable[[], bool]) -> str | None:
        """Wait for a change; the first file that differs. ``pause`` lets time pass between two
        looks, and returns True to end the wait: then None.
        """
        while not pause():
            if changed := differing(self._before, times(self._places)):
                return changed[0]
        return None

    @contextmanager
    def telling(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Within the block the first change is reported, on another thread."""
        over = Event()

        def look() -> None:
            changed = self.wait(lambda: over.wait(INTERVAL))
            if changed is not None:
                tell(changed)

        thread = Thread(target=look, name="cloaca-reload", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def places_of(app: str | None) -> list[Path]:
    """Where the program lies: the working directory, and the package of ``MODULE[:REGISTRY]`` if it
    lies elsewhere and is not an installed one.
    """
    here = Path.cwd()
    top = (app or "").partition(":")[0].partition(".")[0]
    spec = PathFinder.find_spec(top) if top else None
    if spec is None:
        return [here]
    found = spec.submodule_search_locations or [spec.origin or ""]
    outside = [Path(each) for each in found if each and not Path(each).is_relative_to(here)]
    return [here, *[each for each in outside if not _FOREIGN.intersection(each.parts)]]


def times(places: Iterable[Path]) -> Times:
    """The Python files of these folders, and the files among them that exist. Hidden folders,
    virtual environments and installed packages do not count.
    """
    found = {}
    for path in _files(places):
        try:
            found[str(path)] = path.stat().st_mtime_ns
        except OSError:  # an editor that replaces files has removed it for a moment
            continue
    return found


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        for folder, below, names in os.walk(place):
            below[:] = [each for each in below if not _is_foreign(Path(folder, each))]
            yield from [Path(folder, name) for name in names if name.endswith(".py")]


def _is_foreign(folder: Path) -> bool:
    is_named = folder.name.startswith(".") or folder.name in _FOREIGN
    return is_named or (folder / "pyvenv.cfg").exists()


def differing(before: Times, now: Times) -> list[str]:
    """The files that are new, gone or written since, by name."""
    return sorted({name for name, _ in before.items() ^ now.items()})


def begin_anew() -> NoReturn:
    """Replace this process by a new one with the same arguments; its id stays."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 # no shell is meant
