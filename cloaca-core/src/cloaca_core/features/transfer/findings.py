"""The answers of an examination of a database; forms as in ``run.rows``. Text is for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

Severity: TypeAlias = Literal["error", "warning", "notice"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a database, or with how it is used.

    ``code`` names the kind of finding for programs and never changes, ``text`` says what was found,
    and ``cure`` is one line that says what to do. An ``error`` loses or stops work, a ``warning``
    will or may do so, a ``notice`` may be meant.
    """

    code: str
    severity: Severity
    text: str
    cure: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "text": self.text,
            "cure": self.cure,
        }


class DatabaseFacts(NamedTuple):
    """``versions`` has the versions of the server or library and its driver, by name; ``size`` is
    in bytes, its log included.
    """

    versions: Mapping[str, str]
    size: int
