"""Files with the input that all items of a map share, so that it is sent once to each worker.

Only for workers that see the folder of their runner. A file is removed once its map is over.
"""

from __future__ import annotations

import os
import threading
import weakref
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from cloaca_core.features.executors.remote.cancel_files import CancelFiles
    from cloaca_core.values.map_items import SharedInput

_NUMBERS: Final = count()
"""Of all files of this process: the pools of a runner have one folder."""

LEAST: Final = 4096
"""The characters of a shorter input are sent with each item."""


class SharedFiles:
    """Any thread may call it. The files are in the folder of ``cancel_files``."""

    def __init__(self, cancel_files: CancelFiles) -> None:
        self._folder = cancel_files
        self._files: weakref.WeakKeyDictionary[SharedInput, Path] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def file(self, shared: SharedInput) -> Path | None:
        """The file with this input; None if the input is short."""
        if len(shared.text) < LEAST:
            return None
        with self._lock:
            file = self._files.get(shared)
            if file is None or not file.exists():  # old temporary files may have been removed
                file = self._folder.beside(f"shared-{next(_NUMBERS)}")
                file.write_text(shared.text, encoding="utf-8")
                self._files[shared] = file
                weakref.finalize(shared, _remove, file, os.getpid())
        return file


def _remove(file: Path, process: int) -> None:
    """A process that a body has forked has a copy of the map, and leaves the file alone."""
    if os.getpid() == process:
        file.unlink(missing_ok=True)
