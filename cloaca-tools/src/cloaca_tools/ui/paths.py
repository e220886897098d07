"""Addresses within the page, below the path where it is mounted.

Names that users choose stand in the query: in a path ``..`` would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS: Final = 9
"""Digits of a number in an address."""


@dataclass(frozen=True, slots=True)
class Paths:
    """``base`` is the path of the mount without a slash at its end, "" at the root. ``assets`` is a
    text that changes with the static files.
    """

    base: str
    assets: str = ""

    def now(self, **query: object) -> str:
        """The page that opens first."""
        return self._at("/", query)

    def runs(self, q: str = "", **query: object) -> str:
        """Runs that a filter selects."""
        return self._at("/runs", {"q": q, **query})

    def run(self, run_id: str, part: str = "", **query: object) -> str:
        """A run, or a part of it: ``/cancel``, ``/export``. A list is a parameter several times."""
        return self._at(f"/runs/{quote(run_id, safe='')}{part}", query)

    def page(self, name: str, /, **query: object) -> str:
        """The page of this name."""
        return self._at(f"/{name}", query)

    def workflow(self, name: str, part: str = "", **query: object) -> str:
        """A workflow, or a part of it."""
        return self._at(f"/workflow{part}", {"name": name, **query})

    def one(self, kind: str, name: str) -> str:
        """One of those that the page of this name lists."""
        if kind == "runs":
            return self.run(name)
        return self.workflow(name) if kind == "workflows" else self.page(kind[:-1], name=name)

    def static(self, name: str) -> str:
        """A static file."""
        return self._at(f"/static/{self.assets}/{name}", {})

    def _at(self, path: str, query: dict[str, object]) -> str:
        given = {key: value for key, value in query.items() if value not in (None, "", False, [])}
        return f"{self.base}{path}{'?' if given else ''}{urlencode(given, doseq=True)}"


def number_in(query: Mapping[str, str], name: str) -> int:
    """A number among the parameters of an address; 0 for any other text, and for a longer one."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
