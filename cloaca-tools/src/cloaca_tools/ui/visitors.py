"""Visitors of the web page, their roles, and the requests by which a program knows them.

Needs no package of the extra ``ui``, so that a program's ``auth`` can be typed without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args
from unicodedata import category

from cloaca_core.errors import ConfigError
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.text import checked_text

Role: TypeAlias = Literal["view", "steer"]
ROLES: Final = get_args(Role)
_BREAKS: Final = ("Cc", "Zl", "Zp")
"""Categories of characters that a log or a terminal acts on."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person at the page. One with the role ``view`` looks, one with ``steer`` also acts; the log
    of actions has acts as asked by ``name``.
    """

    role: Role
    name: str

    def __post_init__(self) -> None:
        refuse_other_types("role", self.role, str, "a str")
        if self.role not in ROLES:
            raise ConfigError(f"a visitor's role is 'view' or 'steer', not {self.role!r}")
        checked_text("name", self.name)
        if any(category(each) in _BREAKS for each in self.name):
            raise ConfigError(
                f"a visitor's name has no line breaks and no control characters: {self.name!r:.80}",
                field="name",
            )

    @property
    def may_steer(self) -> bool:
        """Whether the visitor may change anything."""
        return self.role == "steer"


class UiRequest(Protocol):
    """A request as ``auth`` gets it. A request of Starlette is one; its ``session`` and ``user``
    are in ``scope``.
    """

    @property
    def method(self) -> str:
        """``GET`` and so on."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; the case of a name does not matter."""

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name."""

    @property
    def query_params(self) -> Mapping[str, str]:
        """The parameters of the address."""

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The ASGI scope, with all that other middleware has put there."""


Auth: TypeAlias = Callable[[UiRequest], Visitor | Awaitable[Visitor | None] | None]


def ui_without_auth(_: UiRequest) -> Visitor:
    """Let everybody who reaches the page look and act: ``auth=cloaca.ui_without_auth``."""
    return Visitor("steer", "ui")
