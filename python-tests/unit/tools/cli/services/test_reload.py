"""Which files a worker with --reload looks at, and which of them differ."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from tables import each_row

from cloaca_tools.cli.services import reload
from cloaca_tools.cli.services.reload import Watch, begin_anew, differing, places_of, times

PATIENCE = 60


def python_file(folder: Path, name: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return str(path)


def rewrite(file: str) -> None:
    """A later time, as a file gets that is written again."""
    later = Path(file).stat().st_mtime_ns + 1_000_000_000
    os.utime(file, ns=(later, later))


def test_python_files_of_the_program_count(tmp_path: Path) -> None:
    own = {python_file(tmp_path, "shop.py"), python_file(tmp_path, "deep/er/stock.py")}
    for foreign in (
        "notes.txt",
        ".git/hook.py",  # hidden
        "lib/site-packages/rich.py",  # installed
        "__pycache__/shop.py",
        "env/lib/tool.py",  # a virtual environment, by its mark
        "env/pyvenv.cfg",
    ):
        python_file(tmp_path, foreign)

    assert times([tmp_path]).keys() == own


def test_a_single_file_may_be_a_place(tmp_path: Path) -> None:
    own = python_file(tmp_path, "shop.py")
    python_file(tmp_path, "other.py")

    assert times([Path(own), tmp_path / "gone.py"]).keys() == {own}


def test_a_file_that_goes_while_it_is_looked_at_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nothing")

    assert times([tmp_path]) == {}


@each_row(
    ("expected", "now"),
    [
        ([], {"a": 1, "b": 1}),
        # written again
        (["b"], {"a": 1, "b": 2}),
        # new, and gone
        (["a", "c"], {"b": 1, "c": 1}),
    ],
)
def test_new_written_and_removed_files_differ(expected: list[str], now: dict[str, int]) -> None:
    assert differing({"a": 1, "b": 1}, now) == expected


def test_the_package_of_the_workflows_counts_where_it_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    python_file(here, "near.py")
    python_file(elsewhere, "far/__init__.py")
    python_file(elsewhere, "alone.py")
    python_file(tmp_path, "site-packages/installed/__init__.py")
    monkeypatch.chdir(here)
    for folder in (here, elsewhere, tmp_path / "site-packages"):
        monkeypatch.syspath_prepend(str(folder))

    assert places_of("far.flows:registry") == [here, elsewhere / "far"]
    assert places_of("alone") == [here, elsewhere / "alone.py"]
    for name in ("near", "installed", "nowhere", "sys", "", None):
        assert places_of(name) == [here]


def test_a_wait_ends_with_the_file_that_has_changed(tmp_path: Path) -> None:
    file = python_file(tmp_path, "shop.py")
    watch = Watch([tmp_path])
    looks: Iterator[str | None] = iter([None, file])

    def pause() -> bool:
        if (changed := next(looks)) is not None:
            rewrite(changed)
        return False

    assert watch.wait(pause) == file


def test_a_wait_can_be_ended(tmp_path: Path) -> None:
    assert Watch([tmp_path]).wait(lambda: True) is None


def test_a_change_is_told_even_if_it_came_before_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "INTERVAL", 0)
    told: SimpleQueue[str] = SimpleQueue()
    file = python_file(tmp_path, "shop.py")
    watch = Watch([tmp_path])
    rewrite(file)

    with watch.telling(told.put):
        assert told.get(timeout=PATIENCE) == file


def test_nothing_is_told_after_the_block(tmp_path: Path) -> None:
    told: list[str] = []
    file = python_file(tmp_path, "shop.py")
    with Watch([tmp_path]).telling(told.append):
        pass
    rewrite(file)

    assert told == []


def test_the_new_image_has_the_same_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    class BegunError(Exception):
        """In place of the new image."""

    def execv(program: str, arguments: list[str]) -> None:
        raise BegunError(program, arguments)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "cloaca", "worker", "--reload"])

    with pytest.raises(BegunError) as begun:
        begin_anew()

    again = [sys.executable, "-m", "cloaca", "worker", "--reload"]
    assert begun.value.args == (sys.executable, again)
