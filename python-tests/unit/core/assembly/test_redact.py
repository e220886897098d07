"""The secrets of a program: from its argument and its setting, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tables import each_row

from cloaca_core.assembly.redact import Sources
from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.values.payloads.redaction import Redaction

HERE = "unit.core.assembly.test_redact"
TEXTS = ("s3cret",)


def texts() -> list[str]:
    """Imported by its path."""
    return ["from elsewhere"]


def sources(given: Any = None, path: str | None = None) -> Sources:
    return Sources(given, DefaultRunnerConfig(redact=path))


def hidden_by(found: Sources, *texts: str) -> list[bool]:
    """Which of these texts are hidden once the functions were called."""
    redaction = Redaction()
    redaction.add(*found.texts)
    found.load(redaction)
    return [redaction(text) == "***" for text in texts]


def test_without_any_nothing_is_hidden() -> None:
    assert sources().texts == []
    assert not sources().has_functions


@each_row("given", [["s3cret"], {"s3cret"}, {"key": "s3cret"}.values(), TEXTS])
def test_a_collection_is_read_at_once(given: Any) -> None:
    assert sources(given).texts == ["s3cret"]
    assert not sources(given).has_functions


def test_a_function_is_called_when_it_is_time_and_each_time_anew() -> None:
    answers: Iterator[list[str]] = iter([["first one"], ["second one"]])
    found = sources(lambda: next(answers))

    assert found.has_functions
    assert found.texts == []
    assert hidden_by(found, "first one", "second one") == [True, False]
    assert hidden_by(found, "first one", "second one") == [False, True]


def test_the_setting_names_a_collection_or_a_function() -> None:
    assert sources(path=f"{HERE}:TEXTS").texts == ["s3cret"]
    assert hidden_by(sources(path=f"{HERE}:texts"), "from elsewhere") == [True]


def test_the_argument_and_the_setting_add_up() -> None:
    found = sources(["mine alone"], f"{HERE}:texts")

    assert hidden_by(found, "mine alone", "from elsewhere") == [True, True]


@each_row("path", ["no_such_module:x", f"{HERE}:no_such_name"])
def test_a_path_to_nothing_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=f"^redact: '{path}' cannot be imported: ") as caught:
        sources(path=path)
    assert caught.value.field == "redact"


@each_row(
    ("given", "kind"),
    [
        ("s3cret", ConfigTypeError),
        (b"s3cret", ConfigTypeError),
        ({"s3cret": "s3cret"}, ConfigTypeError),
        (7, ConfigTypeError),
        (["right", b"s3cret"], ConfigTypeError),
        (["right", None], ConfigTypeError),
        (["right", ""], ConfigError),
        (["right", "abc"], ConfigError),
        (["right", "  a b  "], ConfigError),  # with spaces alone it is long enough
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(given: Any, kind: type[ConfigError]) -> None:
    with pytest.raises(kind, match=r"^redact: (expected a collection|text 2)") as caught:
        sources(given)
    with pytest.raises(kind, match=r"^redact: of the function: (expected|text 2)") as of_function:
        sources(lambda: given).load(Redaction())

    for error in (caught.value, of_function.value):
        assert error.field == "redact"
        assert "s3cret" not in str(error)


def test_the_shortest_secret_has_four_characters() -> None:
    assert hidden_by(sources(["abcd"]), "abcd") == [True]


def test_an_error_of_a_function_is_named_without_its_text() -> None:
    def fails() -> list[str]:
        raise PermissionError("no vault for s3cret")

    with pytest.raises(
        ConfigError, match=r"^redact: the function raised PermissionError$"
    ) as found:
        sources(fails).load(Redaction())
    assert isinstance(found.value.__cause__, PermissionError)


def test_a_runner_knows_the_password_of_its_database_before_it_opens() -> None:
    runner = AsyncRunner("postgresql://app:p%40ssword@host/db", redact=["s3cret"])

    assert runner._host.redact("as app, with p%40ssword, p@ssword and s3cret") == (
        "as app, with ***, *** and ***"
    )
    assert AsyncRunner(":memory:")._host.redact.is_empty
