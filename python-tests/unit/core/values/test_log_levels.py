"""Levels by name and by number."""

from __future__ import annotations

import logging

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.log_levels import OFF, checked_level, is_off, is_setting, least_number


@each_row(
    ("setting", "number"),
    [("INFO", 20), ("info", 20), ("Debug", 10), ("CRITICAL", 50), ("warning", 30), ("ERROR", 40)],
)
def test_a_setting_is_the_least_level(setting: str, number: int) -> None:
    assert is_setting(setting)
    assert least_number(setting) == number
    assert not is_off(least_number(setting))


@each_row("setting", [OFF, "NONE"])
def test_none_is_above_every_level(setting: str) -> None:
    assert is_setting(setting)
    assert is_off(least_number(setting))
    assert least_number(setting) > logging.CRITICAL


@each_row("setting", ["", "loud", "20", "WARN"])
def test_others_are_no_settings(setting: str) -> None:
    assert not is_setting(setting)


@each_row(
    ("level", "expected"),
    [
        ("INFO", ("INFO", 20)),
        ("warning", ("WARNING", 30)),
        ("warn", ("WARN", 30)),
        (40, ("ERROR", 40)),
        (25, ("Level 25", 25)),
    ],
)
def test_a_body_names_a_level_as_logging_does(level: str | int, expected: tuple[str, int]) -> None:
    assert checked_level(level) == expected


def test_levels_that_a_program_has_added_are_known() -> None:
    logging.addLevelName(23, "NOTICE")

    assert checked_level("notice") == ("NOTICE", 23)


@each_row("level", [None, True, 1.5])
def test_other_types_are_refused(level: object) -> None:
    with pytest.raises(DefinitionTypeError, match="level must be"):
        checked_level(level)


def test_an_unknown_level_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DefinitionError, match=r"LOUD.*DEBUG, INFO"):
        checked_level("loud")
