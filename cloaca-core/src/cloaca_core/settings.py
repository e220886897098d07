"""A setting: a typed attribute that takes only values its kind accepts.

A class of settings is a dataclass whose fields are typed ``Setting[T]``. Type checkers then know
both sides of each (``T | None`` may be given to the constructor, ``T`` is read), and a line per
setting is the whole table. That class decides where values come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, overload

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.values.log_levels import LEVELS, OFF, is_setting
from cloaca_core.values.queue_names import is_queue_name
from cloaca_core.values.times.no_limit import NO_LIMIT, WORD, NoLimit

T = TypeVar("T")
StrT = TypeVar("StrT", bound=str)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """The values a setting accepts. ``parse`` makes one from an environment variable's text."""

    expected: str
    types: tuple[type, ...]
    fits: Callable[[Any], bool]
    parse: Callable[[str], object]
    means_none: Callable[[object], bool] = lambda _: False
    shows: bool = True
    """Whether an error shows the value that is refused."""


def whole(least: int, most: float = math.inf) -> Kind[int]:
    """An int from ``least`` to ``most``."""
    expected = f"an int of {_range(least, most)}"
    return Kind(expected, (int,), lambda value: least <= value <= most, int)


def number(least: float, most: float = math.inf) -> Kind[float]:
    """A finite number from ``least`` to ``most``."""
    return Kind(
        f"a finite number of {_range(least, most)}",
        (int, float),
        lambda value: least <= value <= most and value != math.inf,
        float,
    )


def _range(least: float, most: float) -> str:
    return f"at least {least}" + ("" if most == math.inf else f" and at most {most}")


_FLAGS: Final = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip


def flag() -> Kind[bool]:
    """True or False; as text also yes, no, on, off, 1, 0."""
    return Kind("True or False", (bool,), lambda _: True, lambda text: _FLAGS[text.lower()])


def one_of(choices: tuple[StrT, ...]) -> Kind[StrT]:
    """One of these strings."""
    listed = " or ".join(map(repr, choices))
    return Kind(listed, (str,), choices.__contains__, str)


def log_level() -> Kind[str]:
    """The name of a level of ``logging``, or the word for none; case does not count."""
    listed = ", ".join(map(repr, LEVELS))
    return Kind(f"{listed} or {OFF!r}", (str,), is_setting, str)


def text(longest: int) -> Kind[str]:
    """Printable text."""
    return Kind(
        f"1 to {longest} printable characters",
        (str,),
        lambda value: 1 <= len(value) <= longest and value.isprintable(),
        str,
    )


def import_path() -> Kind[str]:
    """A path to an object. One that is refused is not shown, as it may be meant for the object."""
    expected = 'a path such as "package.module:name"'
    return Kind(expected, (str,), lambda value: all(value.partition(":")), str, shows=False)


def optional(kind: Kind[T]) -> Kind[T | None]:
    """``kind``, or None."""
    # A Kind has no attribute of type T, so a wider one may share its checks.
    wider = cast("Kind[T | None]", kind)
    return replace(
        wider, expected=f"{kind.expected} or None", means_none=lambda value: value is None
    )


def table(
    expected: str, fits: Callable[[str, Any], bool], read: Callable[[str], T]
) -> Kind[Mapping[str, T]]:
    """Values by name; as text ``name=value,name=value``. ``fits`` judges a name and its value."""

    def parse(text: str) -> dict[str, T]:
        pairs = [each.partition("=") for each in text.split(",")]
        return {name.strip(): read(value.strip()) for name, _, value in pairs}

    def all_fit(given: Mapping[object, object]) -> bool:
        return all(isinstance(name, str) and fits(name, value) for name, value in given.items())

    return Kind(expected, (Mapping,), all_fit, parse)


def queues() -> Kind[Mapping[str, int | None] | None]:
    """Names of queues, each with the number of runs that it may have, or None for any."""

    def fits(given: Mapping[object, object] | list[object] | tuple[object, ...]) -> bool:
        names = list(given)
        if not names or not all(isinstance(name, str) and is_queue_name(name) for name in names):
            return False
        numbers = given.values() if isinstance(given, Mapping) else ()
        return len(set(names)) == len(names) and all(map(_is_number_of_runs, numbers))

    def parse(text: str) -> dict[str, int | None]:
        pairs = [each.partition("=") for each in text.split(",")]
        found = {name.strip(): int(most) if equals else None for name, equals, most in pairs}
        if len(found) < len(pairs):
            raise ValueError("a name that occurs twice")
        return found

    return Kind(
        'names such as ("default", "gpu"), or a table of names and numbers of runs from 1 on such '
        'as {"gpu": 1, "default": 100}',
        (list, tuple, Mapping),
        fits,
        parse,
        means_none=lambda value: value is None,
    )


def _is_number_of_runs(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def unlimited(kind: Kind[T]) -> Kind[T | None]:
    """``kind``, or ``NO_LIMIT``, which may also be written None or ``math.inf``."""
    return replace(
        optional(kind),
        expected=f"{kind.expected}, or cloaca.NO_LIMIT",
        types=(*kind.types, NoLimit),
        means_none=_is_no_limit,
        parse=lambda text: NO_LIMIT if text.lower() in (WORD, "inf") else kind.parse(text),
    )


def _is_no_limit(value: object) -> bool:
    # Only a float is compared: comparing other objects may fail, or give no bool.
    return value is None or value is NO_LIMIT or (isinstance(value, float) and value == math.inf)


class Unread:
    """Placeholder for a default that is determined when it is first read.

    The class itself is the placeholder: copies and pickles of it are the same object.
    """


class Setting(Generic[T]):
    """One field. The constructor stores its argument; ``settle`` then decides the value.

    A ``default_factory`` is called when the value is first read, and not before.
    """

    name: str

    def __init__(
        self,
        kind: Kind[T],
        default: T | None = None,
        meaning: str = "",
        *,
        default_factory: Callable[[], T] | None = None,
    ) -> None:
        self._kind = kind
        self._default = default
        self._default_factory = default_factory
        usual = "" if default_factory else f"; {default!r} by default"
        self.__doc__ = f"{meaning}: {kind.expected}{usual}"  # what help() shows of a setting

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> T | None:
        if instance is None:
            return None  # on the class: what a dataclass takes as the default of the parameter
        value: T = instance.__dict__[self.name]
        if value is Unread:
            assert self._default_factory is not None
            value = instance.__dict__[self.name] = self._default_factory()
        return value

    def __set__(self, instance: object, value: T | None) -> None:
        is_assignment = self.name in instance.__dict__
        instance.__dict__[self.name] = self.checked(value) if is_assignment else value

    def settle(self, instance: object, value: T) -> None:
        """End the construction of this field with a value that was checked."""
        instance.__dict__[self.name] = value

    def is_unread(self, instance: object) -> bool:
        """True while the value is a default that has not been determined yet."""
        return instance.__dict__[self.name] is Unread

    @property
    def types(self) -> tuple[type, ...]:
        """The types that it takes."""
        return self._kind.types

    def default(self) -> T:
        """The default; ``Unread`` if it is determined later."""
        return cast("T", self._default if self._default_factory is None else Unread)

    def parsed(self, text: str) -> object:
        """The value a text stands for; an unreadable text itself, which ``checked`` refuses."""
        with suppress(ValueError, KeyError):
            return self._kind.parse(text)
        return text

    def of_file(self, value: object) -> object:
        """Convert a value from a file, which writes some values as words (no limit: "none")."""
        return value

    def written(self, value: T) -> object:
        """The argument that gives this value to the constructor."""
        return value

    def checked(self, value: object, origin: str = "") -> T:
        """``value`` when it is acceptable, else a ``ConfigError`` that names the setting."""
        if self._kind.means_none(value):
            return cast("T", None)
        got = f"{value!r:.200}" if self._kind.shows else f"another {type(value).__name__}"
        refusal = f"{origin}{self.name} must be {self._kind.expected}, got {got}"
        # bool is a subclass of int, but True is not a number of tasks.
        if not isinstance(value, self._kind.types) or (
            isinstance(value, bool) and bool not in self._kind.types
        ):
            raise ConfigTypeError(refusal, field=self.name)
        if not self._kind.fits(value):
            raise ConfigError(refusal, field=self.name)
        return cast("T", value)


class Table(Setting[Mapping[str, T]]):
    """Values by name. It is read-only and set as a whole, so that configs share no table."""

    if not TYPE_CHECKING:  # the types are the inherited ones

        def __get__(self, instance: object | None, owner: type) -> Mapping[str, object] | None:
            value = super().__get__(instance, owner)
            return None if value is None else MappingProxyType(value)

    def checked(self, value: object, origin: str = "") -> Mapping[str, T]:
        """A copy of an acceptable table."""
        return dict(super().checked(value, origin))

    def written(self, value: Mapping[str, T]) -> object:
        """A dict of its own."""
        return dict(value)


class Queues(Setting[Mapping[str, int | None] | None]):
    """Names of queues, read as a table of their numbers. It is read-only and set as a whole."""

    if TYPE_CHECKING:  # widens the accepted type for checkers; the method is the inherited one

        def __set__(
            self, instance: object, value: Mapping[str, int | None] | Sequence[str] | None
        ) -> None: ...

    def checked(self, value: object, origin: str = "") -> Mapping[str, int | None] | None:
        """A copy of acceptable queues."""
        found: Mapping[str, int | None] | Sequence[str] | None = super().checked(value, origin)
        if found is None:
            return None
        return MappingProxyType(dict(found if isinstance(found, Mapping) else dict.fromkeys(found)))

    def written(self, value: Mapping[str, int | None] | None) -> object:
        """A dict of its own."""
        return None if value is None else dict(value)


class Limit(Setting[int | None]):
    """A whole number, or ``NO_LIMIT``, which is read as None, as in cloaca 0.x."""

    if TYPE_CHECKING:  # widens the accepted type for checkers; the method is the inherited one

        def __set__(self, instance: object, value: int | NoLimit | None) -> None: ...

    def of_file(self, value: object) -> object:
        """The word for no limit, else the value."""
        return NO_LIMIT if isinstance(value, str) and value.lower() == WORD else value

    def written(self, value: int | None) -> int | NoLimit:
        """``NO_LIMIT`` for None, because an argument None means the default."""
        return NO_LIMIT if value is None else value
