"""The files that tell bodies to end: one for each attempt, in a folder of the runner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.features.executors.remote.cancel_files import CancelFiles

RUN = active_run(graph_of(a={}, b={}))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_each_attempt_has_one_of_its_own() -> None:
    files = CancelFiles()
    attempts = [
        attempt_of(RUN, 0, 1),
        attempt_of(RUN, 0, 2),
        attempt_of(RUN, 1, 1),
        attempt_of(active_run(graph_of(a={}), id="other")),
        attempt_of(active_run(graph_of(a={}), epoch=RUN.epoch + 1)),
    ]
    paths = {files.path(each) for each in attempts}

    assert len(paths) == len(attempts)
    assert len({path.parent for path in paths}) == 1
    assert not any(path.exists() for path in paths)


def test_it_is_removed_when_the_attempt_is_over() -> None:
    files = CancelFiles()
    told, untold = files.path(attempt_of(RUN)), files.path(attempt_of(RUN, 1))
    files.make(told)
    for file in (told, untold):
        files.remove(file)

    assert told.parent.is_dir()
    assert not told.exists()
    assert not untold.exists()


def test_the_folder_is_made_when_it_is_needed_and_goes_with_what_it_holds(home: Path) -> None:
    files = CancelFiles()
    assert list(home.iterdir()) == []

    files.path(attempt_of(RUN)).touch()
    (folder,) = home.iterdir()
    files.close()

    assert not folder.exists()
    files.close()
    assert list(home.iterdir()) == []


def test_the_folder_is_never_old_while_bodies_are_sent() -> None:
    """Else a service that removes old temporary files takes it."""
    files = CancelFiles()
    folder = files.path(attempt_of(RUN)).parent
    os.utime(folder, (0, 0))
    files.path(attempt_of(RUN))

    assert folder.stat().st_mtime > 0


def test_one_that_was_removed_is_made_anew_for_the_next_bodies(home: Path) -> None:
    files = CancelFiles()
    shutil.rmtree(files.path(attempt_of(RUN)).parent)
    files.path(attempt_of(RUN)).touch()
    files.close()

    assert list(home.iterdir()) == []


def test_the_folder_is_for_this_user_alone() -> None:
    folder = CancelFiles().path(attempt_of(RUN)).parent

    assert folder.stat().st_mode & 0o077 == 0
