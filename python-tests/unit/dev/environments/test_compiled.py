"""Compiled modules of one environment serve in another one of the same interpreter."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from pathlib import Path

from dev.environments.compiled import copy


def test_python_uses_a_copy_beside_a_file_that_was_unpacked_later(tmp_path: Path) -> None:
    first, other = (_package(tmp_path / name, written_at=at) for at, name in ((1, "a"), (2, "b")))
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    made = Path(py_compile.compile(str(first / "one" / "module.py"), invalidation_mode=mode) or "")

    copy(first, other)

    (copied,) = (other / "one" / "__pycache__").iterdir()
    load = "import sys; sys.path.insert(0, sys.argv[1]); import one.module"
    subprocess.run([sys.executable, "-I", "-c", load, other], check=True)
    assert copied.name == made.name
    assert copied.read_bytes() == made.read_bytes()  # Python would have replaced an outdated one


def test_packages_that_the_other_one_lacks_are_left_out(tmp_path: Path) -> None:
    first = _package(tmp_path / "a", written_at=1)
    py_compile.compile(str(first / "one" / "module.py"))
    (other := tmp_path / "b").mkdir()

    copy(first, other)

    assert list(other.iterdir()) == []


def _package(folder: Path, *, written_at: float) -> Path:
    (folder / "one").mkdir(parents=True)
    module = folder / "one" / "module.py"
    module.write_text("value = 1\n", encoding="utf-8")
    os.utime(module, (written_at, written_at))
    return folder
