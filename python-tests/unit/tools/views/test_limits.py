"""What a change of a limit would do, in words; keys as people write them."""

from __future__ import annotations

from tables import each_row

import cloaca
from cloaca_core.values.limits.settings import read_changes
from cloaca_tools.views.limits import effect, key_of, key_text, settings_after


def info(used: int = 0, waiting: int = 0, **settings: int | str) -> cloaca.LimitInfo:
    return cloaca.LimitInfo(
        name="api",
        **{name: settings.get(name) for name in NAMES},  # type: ignore[arg-type] # by name
        definition=settings,
        changes={},
        changed_by=None,
        changed_at=None,
        used=used,
        waiting=waiting,
        oldest=None,
        next_start=None,
    )


NAMES = ("total", "per_key", "rate", "burst", "rate_per_key", "burst_per_key")
LIFTED = cloaca.NO_LIMIT
STOPPED = "nothing that needs it begins until total is above 0"
LESS = "a key that holds more gets no place until it holds less"


@each_row(
    ("now", "change", "told"),
    [
        (
            info(12, total=20),
            {"total": 5},
            ["total 20 → 5", "12 places are taken: nothing new begins until 8 of them have ended"],
        ),
        (
            info(1, total=20),
            {"total": 1},
            ["total 20 → 1", "1 place is taken: nothing new begins until 1 of them has ended"],
        ),
        (info(0, total=20), {"total": 0}, ["total 20 → 0", STOPPED]),
        (
            info(2, total=20),
            {"total": 0},
            ["total 20 → 0", f"2 places are taken, and what has them goes on; {STOPPED}"],
        ),
        (
            info(2, 9, total=2),
            {"total": 5},
            ["total 2 → 5", "up to 3 of the 9 that wait may begin at once"],
        ),
        (
            info(2, 9, total=2),
            {"total": LIFTED, "rate": "100/m", "burst": 4},
            [
                "total 2 → none, rate none → 100/m, 4 at once",
                "up to 4 of the 9 that wait may begin at once",
            ],
        ),
        (info(2, 0, total=2), {"total": 5}, ["total 2 → 5"]),
        (info(2, 9, total=9), {"total": 5}, ["total 9 → 5"]),
        (
            info(rate="5/s", burst=1, per_key=3),
            {"rate": LIFTED, "per_key": 2},
            ["per_key 3 → 2, rate 5/s → none", LESS],
        ),
        (
            info(rate_per_key="5/s", burst_per_key=1),
            {"rate_per_key": LIFTED},
            ["rate_per_key 5/s → none"],
        ),
        (
            info(total=0),
            {"per_key": 2},
            ["per_key none → 2", "nothing that needs it begins: total stays 0", LESS],
        ),
        (info(total=3), {"total": 3}, ["nothing changes: these settings count already"]),
    ],
)
def test_the_effect_of_a_change_is_told(
    now: cloaca.LimitInfo, change: dict[str, object], told: list[str]
) -> None:
    changes = read_changes(**change)  # type: ignore[arg-type] # of the table
    assert effect(now, settings_after(now, changes)) == told


@each_row(
    ("text", "key", "shown"),
    [
        ("ann", "ann", "ann"),
        ("3", 3, "3"),
        ('"3"', "3", '"3"'),
        ("true", True, "true"),
        ('"true"', "true", '"true"'),
        ("1.5", "1.5", "1.5"),
        ("[1]", "[1]", "[1]"),
        ("a b", "a b", "a b"),
        ('" a"', " a", '" a"'),
    ],
)
def test_a_key_is_read_as_it_is_shown(text: str, key: object, shown: str) -> None:
    found = key_of(text)
    assert found == key
    assert type(found) is type(key)
    assert key_text(found) == shown
