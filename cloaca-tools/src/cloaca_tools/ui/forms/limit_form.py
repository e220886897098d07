"""The form of the settings of a limit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import ConfigError
from cloaca_core.features.limits.operations import SetLimit
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD, NoLimit
from cloaca_tools.views.limits import NAMES, Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.features.limits.looks.views import LimitInfo

_RATES: Final = {"rate": "burst", "rate_per_key": "burst_per_key"}
_LONGEST: Final = 9
"""Digits of a number."""


def given_of(limit: LimitInfo) -> dict[str, str]:
    """The settings that count now, as the form has them."""
    now = settings_of(limit)
    missing = {"burst": "", "burst_per_key": ""}
    return {name: str(now.get(name, missing.get(name, WORD))) for name in NAMES}


def with_given(limit: LimitInfo, given: Mapping[str, str]) -> dict[str, str]:
    """The same, with what a visitor has written in its place."""
    written = {name: given[name].strip() for name in NAMES if name in given}
    return {**given_of(limit), **written}


def change_of(
    limit: LimitInfo, given: Mapping[str, str], by: str | None = None
) -> tuple[SetLimit | None, list[str]]:
    """The change that a form asks for, None for none, and the options of the same command;
    ``ConfigError`` for what is no number.
    """
    now = given_of(limit)
    found: dict[str, str] = {}
    for name in ("total", "per_key"):
        if given[name] and given[name] != now[name]:
            found[name] = given[name]
    for rate, burst in _RATES.items():
        if given[rate] == WORD or not given[rate]:
            found |= {rate: WORD} if given[rate] and now[rate] != WORD else {}
        elif (given[rate], given[burst]) != (now[rate], now[burst]):
            found |= {rate: given[rate]} | ({burst: given[burst]} if given[burst] else {})
    if not found:
        return None, []
    change = SetLimit(
        limit.name,
        total=_number_or_none("total", found),
        per_key=_number_or_none("per_key", found),
        rate=_rate_or_none("rate", found),
        burst=_number("burst", found),
        rate_per_key=_rate_or_none("rate_per_key", found),
        burst_per_key=_number("burst_per_key", found),
        by=by,
    )
    command = ["limits", "set"]
    for name, value in found.items():
        command += [f"--{name.replace('_', '-')}", value]
    return change, command


def settings_told(settings: Settings) -> str:
    """Settings in a line."""
    return ", ".join([f"{name} {value}" for name, value in settings.items()]) or "no limit"


def _number_or_none(name: str, found: Mapping[str, str]) -> int | NoLimit | None:
    return NO_LIMIT if found.get(name) == WORD else _number(name, found)


def _rate_or_none(name: str, found: Mapping[str, str]) -> str | NoLimit | None:
    return NO_LIMIT if found.get(name) == WORD else found.get(name)


def _number(name: str, found: Mapping[str, str]) -> int | None:
    if (text := found.get(name)) is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        raise ConfigError(f"{name} is a whole number or none, not {text!r:.80}")
    return int(text)
