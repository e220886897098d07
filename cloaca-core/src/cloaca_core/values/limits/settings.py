"""The settings of a limit: as its definition gives them, as people change them, and as rows hold
both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import shown_number, whole
from cloaca_core.values.limits.rates import Rate, read_rate
from cloaca_core.values.payloads.json_values import decode, encode
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD, NoLimit

if TYPE_CHECKING:
    from cloaca_core.values.limits.rates import RateLike
    from cloaca_core.values.payloads.json_values import JsonValue

_T = TypeVar("_T")

MOST_PLACES: Final = 1_000_000
"""The highest ``total`` and ``per_key``: each place may be a row."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How many bodies may be under way at once, in all and with the same key, and how many may
    start in a time, in all and with the same key. None is no limit.
    """

    total: int | None = None
    per_key: int | None = None
    rate: Rate | None = None
    key_rate: Rate | None = None

    def content(self) -> str:
        """Its JSON text, for a row."""
        return _written(self)

    @classmethod
    def read(cls, content: str) -> LimitSettings:
        """The inverse of ``content``. Members that this version does not know are left out."""
        return cls(**_read(content))

    def words(self) -> str:
        """Its settings for people: ``total 20, rate 100/m, burst 10``."""
        return _words(self) or "no limit"

    def changed_by(self, changes: LimitChanges) -> LimitSettings:
        """These settings where the changes leave them, and the changes' own elsewhere."""
        return LimitSettings(
            total=_changed(self.total, changes.total),
            per_key=_changed(self.per_key, changes.per_key),
            rate=_changed(self.rate, changes.rate),
            key_rate=_changed(self.key_rate, changes.key_rate),
        )


@dataclass(frozen=True, slots=True)
class LimitChanges:
    """What people have set over the definition of a limit. None leaves a setting as the definition
    has it, ``NO_LIMIT`` lifts it.
    """

    total: int | NoLimit | None = None
    per_key: int | NoLimit | None = None
    rate: Rate | NoLimit | None = None
    key_rate: Rate | NoLimit | None = None

    def content(self) -> str:
        """Its JSON text, for a row."""
        return _written(self)

    @classmethod
    def read(cls, content: str) -> LimitChanges:
        """The inverse of ``content``. Members that this version does not know are left out."""
        return cls(**_read(content))

    def words(self) -> str:
        """What is set, for people: ``total 5, rate none``."""
        return _words(self)

    def then(self, later: LimitChanges) -> LimitChanges:
        """These changes, and the later ones over them."""
        return LimitChanges(
            total=self.total if later.total is None else later.total,
            per_key=self.per_key if later.per_key is None else later.per_key,
            rate=self.rate if later.rate is None else later.rate,
            key_rate=self.key_rate if later.key_rate is None else later.key_rate,
        )


def _changed(setting: _T | None, change: _T | NoLimit | None) -> _T | None:
    if change is None:
        return setting
    return None if isinstance(change, NoLimit) else change


# -- arguments -----------------------------------------------------------------------------------


def read_settings(
    *,
    total: int | None = None,
    per_key: int | None = None,
    rate: RateLike | None = None,
    burst: int | None = None,
    rate_per_key: RateLike | None = None,
    burst_per_key: int | None = None,
) -> LimitSettings:
    """The settings of a limit as its definition gives them; every argument is checked."""
    _refuse_burst_alone("burst", burst, "rate", rate)
    _refuse_burst_alone("burst_per_key", burst_per_key, "rate_per_key", rate_per_key)
    return LimitSettings(
        total=None if total is None else _places("total", total, least=0),
        per_key=None if per_key is None else _places("per_key", per_key, least=1),
        rate=None if rate is None else read_rate("rate", rate, burst),
        key_rate=(
            None if rate_per_key is None else read_rate("rate_per_key", rate_per_key, burst_per_key)
        ),
    )


def read_changes(
    *,
    total: int | NoLimit | None = None,
    per_key: int | NoLimit | None = None,
    rate: RateLike | NoLimit | None = None,
    burst: int | None = None,
    rate_per_key: RateLike | NoLimit | None = None,
    burst_per_key: int | None = None,
) -> LimitChanges:
    """What somebody sets over the definition of a limit; every argument is checked."""
    given = read_settings(
        total=_unless_lifted(total),
        per_key=_unless_lifted(per_key),
        rate=_unless_lifted(rate),
        burst=burst,
        rate_per_key=_unless_lifted(rate_per_key),
        burst_per_key=burst_per_key,
    )
    return LimitChanges(
        total=NO_LIMIT if isinstance(total, NoLimit) else given.total,
        per_key=NO_LIMIT if isinstance(per_key, NoLimit) else given.per_key,
        rate=NO_LIMIT if isinstance(rate, NoLimit) else given.rate,
        key_rate=NO_LIMIT if isinstance(rate_per_key, NoLimit) else given.key_rate,
    )


def _unless_lifted(value: _T | NoLimit) -> _T | None:
    return None if isinstance(value, NoLimit) else value


def _refuse_burst_alone(name: str, burst: object, of: str, rate: object) -> None:
    if burst is not None and rate is None:
        raise DefinitionError(f"{name} needs {of}, which is not given")


def _places(name: str, given: object, *, least: int) -> int:
    number = whole(name, given)
    if not least <= number <= MOST_PLACES:
        raise DefinitionError(
            f"{name} must be {least} to {MOST_PLACES}, got {shown_number(number)}"
        )
    return number


def shown_settings(settings: LimitSettings | LimitChanges) -> dict[str, int | str]:
    """The settings that are given, by the names of the arguments; a lifted one is ``none``."""
    shown: dict[str, int | str] = {}
    for name, burst, setting in (
        ("total", "", settings.total),
        ("per_key", "", settings.per_key),
        ("rate", "burst", settings.rate),
        ("rate_per_key", "burst_per_key", settings.key_rate),
    ):
        if isinstance(setting, Rate):
            shown |= {name: setting.text, burst: setting.burst}
        elif setting is not None:
            shown[name] = WORD if isinstance(setting, NoLimit) else setting
    return shown


def _words(settings: LimitSettings | LimitChanges) -> str:
    parts = [f"{name} {each}" for name, each in shown_settings(settings).items()]
    return ", ".join(parts)


# -- JSON ----------------------------------------------------------------------------------------


def _written(settings: LimitSettings | LimitChanges) -> str:
    members = {
        "total": settings.total,
        "per_key": settings.per_key,
        "rate": settings.rate,
        "key_rate": settings.key_rate,
    }
    return encode({name: _form(value) for name, value in members.items() if value is not None})


def _form(value: int | Rate | NoLimit) -> JsonValue:
    if isinstance(value, NoLimit):
        return WORD
    return value.written() if isinstance(value, Rate) else value


def _read(content: str) -> dict[str, Any]:
    written = cast("dict[str, Any]", decode(content))
    known = ("total", "per_key", "rate", "key_rate")
    return {name: _value(written[name]) for name in known if name in written}


def _value(form: Any) -> int | Rate | NoLimit:
    if form == WORD:
        return NO_LIMIT
    return Rate.read(form) if isinstance(form, dict) else form
