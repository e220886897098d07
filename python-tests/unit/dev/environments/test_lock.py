"""The lock holds one exact version of everything, and is noticed when it is out of date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tables import each_row

from dev.console import TaskFailed
from dev.environments import lock
from dev.environments.interpreters import MINORS
from dev.project import BUILDER, LOCK, ROOT


def locked() -> list[Requirement]:
    return [Requirement(line) for line in lock.pins(LOCK.read_text(encoding="utf-8"))]


def asked_for() -> list[Requirement]:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in lock.SOURCES]
    return [Requirement(line) for text in texts for line in lock.pins(text)]


def test_the_committed_lock_is_of_todays_requirements() -> None:
    lock.check()


def test_every_line_is_one_exact_version() -> None:
    assert [
        str(each) for each in locked() if not re.fullmatch(r"==[^*]+", str(each.specifier))
    ] == []


@each_row("minor", MINORS)
@each_row("system", ["linux", "darwin", "win32"])
def test_each_requirement_has_one_version_on_every_python_and_system(
    minor: str, system: str
) -> None:
    where = {"python_version": minor, "python_full_version": f"{minor}.9", "sys_platform": system}
    here = [each for each in locked() if each.marker is None or each.marker.evaluate(where)]
    for wanted in asked_for():
        (found,) = (each for each in here if each.name == wanted.name.lower())
        (exact,) = found.specifier
        assert wanted.specifier.contains(exact.version), wanted


def test_the_lock_names_no_host_and_no_folder() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--" not in text


def test_uv_is_no_requirement_that_pip_could_stumble_over() -> None:
    """Where the index lacks it, everything else must still be installed."""
    assert {each.name for each in locked()} & {"uv", "tox-uv"} == set()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two requirements and a lock that was made from them."""
    for name in lock.SOURCES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# why\nrich>=14\nhttpx\n")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    monkeypatch.setattr(lock, "LOCK", tmp_path / "dev" / "lock.txt")
    (tmp_path / "dev" / "lock.txt").write_text(
        lock._head() + f"rich==14.1\nhttpx==0.28\n{BUILDER}\n"
    )
    return tmp_path


@pytest.mark.parametrize("name", lock.SOURCES)
@pytest.mark.parametrize("text", ["rich>=14\n", "rich>=15\nhttpx\n", "rich>=14\nhttpx\ndjango\n"])
def test_a_lock_that_was_made_from_other_requirements_is_told_of(
    tree: Path, name: str, text: str
) -> None:
    for each in lock.SOURCES:
        (tree / each).write_text("")
    (tree / name).write_text(text)
    with pytest.raises(
        TaskFailed, match=r"dev/lock\.txt was not made .*; run `python tasks\.py lock`"
    ):
        lock.check()


def test_comments_and_the_order_make_no_lock_stale(tree: Path) -> None:
    (tree / lock.SOURCES[0]).write_text("httpx  # for a reason\n\nrich>=14\n")
    lock.check()


def test_a_lock_with_another_builder_than_that_of_the_wheels_is_told_of(tree: Path) -> None:
    path = tree / "dev" / "lock.txt"
    path.write_text(path.read_text().replace(BUILDER, "hatchling==1.0"))
    with pytest.raises(TaskFailed, match=rf"dev/lock\.txt lacks the builder {BUILDER}"):
        lock.check()


@pytest.mark.parametrize("text", [None, "", "rich==14.1\n"])
def test_a_lock_that_says_nothing_of_its_origin_is_told_of(tree: Path, text: str | None) -> None:
    path = tree / "dev" / "lock.txt"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(TaskFailed, match=r"dev/lock\.txt was not made"):
        lock.check()


def test_only_uv_locks(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_INSTALLER", "pip")
    with pytest.raises(TaskFailed, match="only uv can lock"):
        lock.lock()
