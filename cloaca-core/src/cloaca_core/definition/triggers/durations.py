"""Durations as people write them: a whole number and a unit."""

from __future__ import annotations

import re
from typing import Final

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import wrong_type

_DURATION: Final = re.compile(r"([0-9]{1,18})(ms|s|m|h)")
_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
LONGEST: Final = 366 * 24 * 3_600_000
"""Milliseconds; an instant this far from now still fits into a database."""


def read_duration(name: str, value: object) -> int:
    """The milliseconds of ``100ms``, ``5s``, ``1m`` or ``2h``.

    ``name`` is the parameter's. DefinitionError "Invalid poll_interval '…'" for a text that is no
    duration, for ``0s`` and for more than a year.
    """
    if not isinstance(value, str):
        raise wrong_type(name, "a str such as '5s'", value)
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise _refused(name, value, "expected a whole number and a unit (ms, s, m, h), as in '5s'")
    milliseconds = int(found[1]) * _MILLISECONDS[found[2]]
    if not 1 <= milliseconds <= LONGEST:
        raise _refused(name, value, "expected 1ms to 8784h")
    return milliseconds


def _refused(name: str, value: str, expected: str) -> DefinitionError:
    return DefinitionError(f"Invalid {name} {value[:40]!r}: {expected}")
