"""Limits in words, and what a change of their settings would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.errors import ContextError
from cloaca_core.values.limits.settings import shown_settings
from cloaca_core.values.payloads.json_values import decode, encode
from cloaca_core.values.times.no_limit import WORD
from cloaca_core.values.wording import counted

if TYPE_CHECKING:
    from cloaca_core.features.limits.looks.views import LimitInfo
    from cloaca_core.values.limits.settings import LimitChanges

Settings: TypeAlias = Mapping[str, int | str]
"""Settings that are given, by the names of the arguments."""

NAMES: Final = ("total", "per_key", "rate", "burst", "rate_per_key", "burst_per_key")


def settings_of(info: LimitInfo) -> dict[str, int | str]:
    """The settings that count now."""
    found = {name: getattr(info, name) for name in NAMES}
    return {name: value for name, value in found.items() if value is not None}


def settings_after(info: LimitInfo, changes: LimitChanges) -> dict[str, int | str]:
    """The settings that would count after a change."""
    after = settings_of(info)
    for name, value in shown_settings(changes).items():
        if value != WORD:
            after[name] = value
            continue
        for each in (name, name.replace("rate", "burst")):
            after.pop(each, None)
    return after


def effect(info: LimitInfo, after: Settings) -> list[str]:
    """What would follow at once if these settings counted; one sentence each."""
    now, then = _told(settings_of(info)), _told(after)
    differ = [name for name in now if now[name] != then[name]]
    if not differ:
        return ["nothing changes: these settings count already"]
    told = [", ".join([f"{name} {now[name]} → {then[name]}" for name in differ])]
    if "total" in differ:
        told.append(_of_total(info, after))
    elif after.get("total") == 0:
        told.append("nothing that needs it begins: total stays 0")
    if "per_key" in differ and "per_key" in after:
        told.append("a key that holds more gets no place until it holds less")
    return [each for each in told if each]


def _told(settings: Settings) -> dict[str, str]:
    """The settings as they are told, each rate with its burst."""
    return {
        "total": str(settings.get("total", WORD)),
        "per_key": str(settings.get("per_key", WORD)),
        "rate": _rate_of(settings, "rate", "burst"),
        "rate_per_key": _rate_of(settings, "rate_per_key", "burst_per_key"),
    }


def _rate_of(settings: Settings, rate: str, burst: str) -> str:
    if rate not in settings:
        return WORD
    return rate_text(str(settings[rate]), int(settings[burst]))


def _of_total(info: LimitInfo, after: Settings) -> str:
    """What follows from another total."""
    total = None if "total" not in after else int(after["total"])
    taken = f"{counted(info.used, 'place')} {'is' if info.used == 1 else 'are'} taken"
    if total == 0:
        goes_on = f"{taken}, and what has them goes on; " if info.used else ""
        return f"{goes_on}nothing that needs it begins until total is above 0"
    if total is not None and info.used >= total:
        over = info.used - total + 1
        return f"{taken}: nothing new begins until {over} of them {_have(over)} ended"
    bounds = [info.waiting, int(after.get("burst", info.waiting))]
    free = min(bounds if total is None else [*bounds, total - info.used])
    if free and (info.total is not None and (total is None or total > info.total)):
        return f"up to {free:,} of the {info.waiting:,} that wait may begin at once"
    return ""


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def use_text(used: int, total: int | None) -> str:
    """How many places are taken, of how many."""
    return f"{used} of {total}" if total is not None else str(used)


def rate_text(rate: str | None, burst: int | None) -> str:
    """A rate, and how many may start at once."""
    if rate is None:
        return ""
    return rate if burst == 1 else f"{rate}, {burst} at once"


def key_of(text: str) -> str | int | bool:
    """The key that a person has written: as JSON, else a text without quotes."""
    try:
        found = decode(text)
    except ContextError:
        return text
    return found if isinstance(found, str | int) else text


def key_text(key: str | int | bool | None) -> str:
    """A key as it is shown and as ``key_of`` reads it."""
    if key is None:
        return ""
    if not isinstance(key, str):
        return str(key).lower() if isinstance(key, bool) else str(key)
    is_plain = key_of(key) == key and key.strip() == key != ""
    return key if is_plain else encode(key)
