"""What a limit says of the bodies that wait for it."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_core.features.limits.looks.views import LimitInfo, LimitKeyInfo
from cloaca_tools.ui.pages.limits.limits import bound_of

SOON = "2026-12-02T12:00:05Z"


def limit(**given: Any) -> LimitInfo:
    nothing = dict.fromkeys(LimitInfo.__dataclass_fields__)
    return LimitInfo(**{**nothing, "name": "api", "used": 1, "waiting": 2, **given})


def key(name: str, used: int, waiting: int = 1, next_start: str | None = None) -> LimitKeyInfo:
    return LimitKeyInfo(name, used, waiting, None, next_start)


@each_row(
    ("of", "keys", "says"),
    [
        (limit(total=1), [], "total"),
        (limit(total=2, next_start=SOON), [], "rate"),
        (limit(per_key=1), [key("a", 1), key("b", 1)], "keys"),
        (limit(per_key=1), [key("a", 1), key("b", 0, waiting=0)], "keys"),
        (limit(), [key("a", 1, next_start=SOON)], "keys"),  # a rate of each key
        (limit(per_key=1), [key("a", 1), key("b", 0)], ""),  # b waits for another limit
        (limit(total=2), [], ""),  # a body that needs two limits stands in one line
        (limit(per_key=2), [], ""),
    ],
)
def test_a_limit_names_the_bound_that_keeps_others(
    of: LimitInfo, keys: list[LimitKeyInfo], says: str
) -> None:
    assert bound_of(of, keys) == says
