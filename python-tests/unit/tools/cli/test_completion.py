"""What a shell offers without a database, and where the database does not answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete
from tables import each_row

from cloaca_tools.cli import completion
from cloaca_tools.cli.root import cli
from cloaca_tools.observer import Observer
from cloaca_tools.views.lists.filters import KEYS


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without anything that says where, and all the time to look there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])  # commands put their directory on it
    monkeypatch.setattr(completion, "PATIENCE", 60.0)
    for name in ("CLOACA_DATABASE_URL", "CLOACA_APP", "CLOACA_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def offered(*arguments: str) -> list[str]:
    *before, incomplete = arguments
    shell = ShellComplete(cli, {}, "cloaca", "_CLOACA_COMPLETE")
    return [each.value for each in shell.get_completions(before, incomplete)]


def test_all_keys_are_offered() -> None:
    expected = [f"{key}." if key == "tag" else f"{key}:" for key in KEYS]

    assert offered("runs", "list", "") == expected


@each_row(
    ("expected", "words"),
    [
        (["task:"], ["task"]),
        (["tag.", "task:"], ["ta"]),
        # the only key with its values: a shell puts a space behind it
        (["status:failed"], ["status:F"]),
        (["status:pending", "status:paused"], ["status:p"]),
        (["status:failed,completed"], ["status:failed,comp"]),
        # behind -- the signs of terms do not begin options
        (["-status:failed"], ["--", "-status:fa"]),
        # unknown keys, and values that are free
        ([], ["colour:"]),
        ([], ["task:p"]),
        ([], ["xyz"]),
    ],
)
def test_keys_and_states_of_terms_are_offered(expected: list[str], words: list[str]) -> None:
    assert offered("runs", "list", *words) == expected


def test_keys_are_offered_where_ids_may_stand_and_the_database_cannot_be_asked() -> None:
    assert "status:cancelled" in offered("runs", "cancel", "stat")


@pytest.mark.parametrize(
    "url",
    [None, "nosuch://x", "sqlite://absent.db", "postgresql://127.0.0.1:1/x", "sqlite://t.txt"],
)
def test_an_error_offers_nothing_and_writes_nothing(
    url: str | None, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.txt").write_text("no database")
    options = [] if url is None else ["--database-url", url]

    for words in (["runs", "show"], ["run"], ["schedules", "show"], ["runners", "drain"]):
        assert offered(*options, *words, "") == []

    assert tuple(capfd.readouterr()) == ("", "")
    assert [each.name for each in folder.iterdir()] == ["t.txt"]


def test_a_file_of_settings_that_is_wrong_offers_nothing(folder: Path) -> None:
    (folder / "cloaca.toml").write_text("what is this")

    assert offered("runs", "show", "") == []


def test_a_database_that_does_not_answer_in_time_offers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = threading.Event()

    def overview(observer: Observer) -> None:
        answer.wait()

    monkeypatch.setattr(completion, "PATIENCE", 0.0)
    monkeypatch.setattr(Observer, "overview", overview)
    try:
        assert offered("--database-url", "sqlite://x.db", "runners", "drain", "") == []
    finally:
        answer.set()
        for thread in threading.enumerate():
            if thread.name == "cloaca-completion":
                thread.join()  # it keeps stderr for itself up to its end


def test_fifty_words_are_offered_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    def many(*_: object) -> Iterator[CompletionItem]:
        yield from map(CompletionItem, map(str, range(1000)))

    monkeypatch.setattr(completion, "_statuses", many)

    assert offered("runs", "list", "status:") == [f"status:{each}" for each in range(50)]
