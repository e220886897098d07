"""The switch CLOACA_LOG: what it shows, what it refuses, and what it leaves alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cloaca_core import logs
from cloaca_core.errors import ConfigError


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    ours = logging.getLogger("cloaca")
    handlers, level = ours.handlers[:], ours.level
    yield
    ours.handlers[:] = handlers
    ours.setLevel(level)


def ask(monkeypatch: pytest.MonkeyPatch, level: str, *of_the_program: logging.Handler) -> None:
    """Ask for this level in a program with these handlers of its own."""
    monkeypatch.setattr(logging.getLogger(), "handlers", list(of_the_program))
    monkeypatch.setenv("CLOACA_LOG", level)
    logs.show_if_asked()


def shown() -> bool:
    return logs._SHOWN in logging.getLogger("cloaca").handlers


def test_there_is_always_a_handler_so_that_logging_prints_nothing_itself() -> None:
    kinds = [type(handler) for handler in logging.getLogger("cloaca").handlers]
    assert logging.NullHandler in kinds


def test_nothing_is_shown_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, "")
    assert not shown()
    monkeypatch.delenv("CLOACA_LOG")
    logs.show_if_asked()
    assert not shown()


@pytest.mark.parametrize(
    ("value", "level"),
    [("info", logging.INFO), ("DEBUG", logging.DEBUG), ("warning", logging.WARNING)],
)
def test_the_level_is_the_one_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, value: str, level: int
) -> None:
    ask(monkeypatch, value)
    ask(monkeypatch, value)
    assert logging.getLogger("cloaca").level == level
    assert logging.getLogger("cloaca").handlers.count(logs._SHOWN) == 1


def test_a_program_that_set_logging_up_shows_them_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, "info", logging.NullHandler())
    assert logging.getLogger("cloaca").level == logging.INFO
    assert not shown()


def test_another_level_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"CLOACA_LOG must be one of debug, info, .*'loud'"):
        ask(monkeypatch, "loud")
