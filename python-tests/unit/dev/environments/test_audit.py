"""The lock is looked up in a database of vulnerabilities; without an answer that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev.console import TaskFailed
from dev.environments import audit

LOCK = "# made\none==1.0\ntwo==2.1 ; python_version < '3.12'\n"


@pytest.fixture(autouse=True)
def small_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK, encoding="utf-8")
    monkeypatch.setattr(audit, "LOCK", path)


def answers(monkeypatch: pytest.MonkeyPatch, *given: dict[str, Any]) -> list[tuple[str, str]]:
    """What is asked, if these are the answers."""
    asked: list[tuple[str, str]] = []

    def answer(known: list[tuple[str, str]]) -> list[dict[str, Any]]:
        asked.extend(known)
        return list(given)

    monkeypatch.setattr(audit, "_asked", answer)
    return asked


def test_each_package_is_looked_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answers(monkeypatch, {}, {})

    audit.check()

    assert asked == [("one", "1.0"), ("two", "2.1")]
    assert "2 packages looked up, 0 skipped" in capsys.readouterr().out


def test_a_vulnerable_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {}, {"vulns": [{"id": "PYSEC-1"}, {"id": "GHSA-2"}]})

    with pytest.raises(TaskFailed, match=r"two 2\.1: PYSEC-1, GHSA-2"):
        audit.check()


def test_without_an_answer_it_says_how_many_were_not_looked_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("dev.environments.audit.urllib.request.urlopen", refuse)

    audit.check()

    assert "(no network): 2 packages were not looked up" in capsys.readouterr().out
