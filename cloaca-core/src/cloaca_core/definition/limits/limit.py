"""``Limit``, and how tasks and workflows say that they are limited by one.

A limit has a name and settings. Its name and its key are part of a task's version, its settings are
not: they may change while runs are under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.definition.fingerprint import NEVER
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import wrong_type
from cloaca_core.values.queue_names import checked_queue as checked_limit_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.values.limits.rates import RateLike
    from cloaca_core.values.limits.settings import LimitSettings

ITEM = "item"
"""The first part of a key that is in the item of a map."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Limit:
    """How many bodies, or runs, may be under way at once, and how many may start in a time, over
    all processes of a database.

    * ``name``: 1 to 100 printable characters without a comma, an = or a space at either end
    * ``total``: how many at once; 0 stops all
    * ``per_key``: how many at once with the same key, at least 1
    * ``rate``: how many starts in a time: ``"100/s"``, ``"100/m"``, ``"100/h"``, ``"100/d"``,
      ``"5/10s"``, or a count and a period, ``(5, timedelta(seconds=10))``
    * ``burst``: how many of these at once after a quiet time; the number of a tenth of a second, at
      least 1
    * ``rate_per_key``, ``burst_per_key``: the same, of the starts with the same key

    None is no limit. One without any may be set while the program runs. ``DefinitionError``
    (ValueError) or ``DefinitionTypeError`` (TypeError) names the parameter, what was given and what
    is accepted.
    """

    name: str
    settings: LimitSettings

    def __init__(
        self,
        name: str,
        *,
        total: int | None = None,
        per_key: int | None = None,
        rate: RateLike | None = None,
        burst: int | None = None,
        rate_per_key: RateLike | None = None,
        burst_per_key: int | None = None,
    ) -> None:
        # Imported here: ``@task`` knows this module, and few programs have limits.
        from cloaca_core.values.limits.settings import read_settings

        settings = read_settings(
            total=total,
            per_key=per_key,
            rate=rate,
            burst=burst,
            rate_per_key=rate_per_key,
            burst_per_key=burst_per_key,
        )
        object.__setattr__(self, "name", checked_limit_name("Limit(name=...)", name))
        object.__setattr__(self, "settings", settings)

    def key(self, path: str | tuple[str, ...]) -> LimitUse:
        """This limit, with the value at ``path`` as its key: a key of the context, or a tuple of
        keys, one within the other. In a map a path that begins with ``"item"`` is in the item.
        """
        return LimitUse(self.name, _checked_path(path), self)

    def __repr__(self) -> str:
        return f"Limit({', '.join((repr(self.name), *_arguments(self.settings)))})"


@dataclass(frozen=True, slots=True)
class LimitUse:
    """That a task, or the runs of a workflow, are limited by the limit ``name``. ``path`` leads to
    the key in the context; None is no key. ``limit`` is None where only a name was given.
    """

    name: str
    path: tuple[str, ...] | None = None
    limit: Limit | None = field(default=None, compare=False, repr=False, metadata=NEVER)

    @property
    def is_by_item(self) -> bool:
        """Whether the items of a map may have different keys."""
        return self.path is not None and self.path[0] == ITEM

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}[{_written(self.path)}]"


LimitLike: TypeAlias = Limit | LimitUse | str
"""A limit, a limit with a key, or the name of a limit."""


def _checked_path(path: object) -> tuple[str, ...]:
    keys = (path,) if isinstance(path, str) else path
    if not isinstance(keys, tuple) or not all(isinstance(key, str) for key in keys):
        raise wrong_type("key", "a key of the context or a tuple of keys", path)
    if not keys or "" in keys:
        raise DefinitionError(f"key must name a key of the context, got {path!r:.80}")
    return keys


def _arguments(settings: LimitSettings) -> Sequence[str]:
    rate, key_rate = settings.rate, settings.key_rate
    given = {
        "total": settings.total,
        "per_key": settings.per_key,
        "rate": None if rate is None else rate.text,
        "burst": None if rate is None else rate.burst,
        "rate_per_key": None if key_rate is None else key_rate.text,
        "burst_per_key": None if key_rate is None else key_rate.burst,
    }
    return [f"{name}={value!r}" for name, value in given.items() if value is not None]


# -- the limits of a task or of a workflow -------------------------------------------------------


def limit_uses(parameter: str, given: object) -> tuple[LimitUse, ...]:
    """The limits that were given for ``parameter``, in the order of their names, each once."""
    # Not any iterable: a string would be a list of characters, and a set has no order.
    if not isinstance(given, list | tuple):
        hint = f"; one limit is written [{given!r:.120}]" if _is_like(given) else ""
        raise wrong_type(parameter, "a list of limits", given, hint)
    found: dict[str, LimitUse] = {}
    for index, each in enumerate(given):
        use = _use(f"{parameter}[{index}]", each)
        known = found.get(use.name)
        if known is None or _is_again(parameter, known, use):
            found[use.name] = use
    return tuple([found[name] for name in sorted(found)])


def _is_like(given: object) -> bool:
    return isinstance(given, Limit | LimitUse | str)


def _use(parameter: str, given: object) -> LimitUse:
    if isinstance(given, LimitUse):
        return given
    if isinstance(given, Limit):
        return LimitUse(given.name, None, given)
    if isinstance(given, str):
        return LimitUse(checked_limit_name(parameter, given))
    raise DefinitionTypeError(
        f"{parameter} must be a cloaca.Limit, its key(...) or its name, got {type(given).__name__}"
    )


def _is_again(parameter: str, known: LimitUse, use: LimitUse) -> bool:
    """Whether ``use`` says more than the use of the same limit before it; refuses another key."""
    if known.path != use.path:
        raise DefinitionError(
            f"{parameter} has limit {use.name!r} twice, {_with_key(known)} and {_with_key(use)}; "
            "a limit is taken once, with one key or without"
        )
    if known.limit is not None and use.limit is not None and known.limit != use.limit:
        raise DefinitionError(
            f"{parameter} has {known.limit!r} and {use.limit!r}: one name, two limits"
        )
    return known.limit is None


def _with_key(use: LimitUse) -> str:
    return "without a key" if use.path is None else f"with the key {_written(use.path)}"


def _written(path: tuple[str, ...]) -> str:
    from cloaca_core.values.payloads.json_places import written_path  # for messages alone

    return written_path(path)
