"""Cron expressions to test with: every form of every field, all of them accepted."""

from __future__ import annotations

from hypothesis import strategies as st

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import CronExpressionError


def _field(least: int, most: int, *special: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists of numbers, ranges and steps, a star more often than chance would have it."""
    number = st.integers(least, most)
    ends = st.tuples(number, number).map(sorted)
    step = st.integers(1, most - least + (0 if most == 7 else 1)).map(lambda n: f"/{n}")
    plain = st.one_of(
        number.map(str),
        ends.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.builds(lambda pair, by: f"{pair[0]}-{pair[1]}{by}", ends, step),
        st.builds(lambda first, by: f"{first}{by}", number, step),
        step.map(lambda by: f"*{by}"),
    )
    terms = st.lists(st.one_of(plain, *special), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), terms)


_DAY_OF_MONTH = _field(
    1, 31, st.sampled_from(["L", "LW"]), st.integers(1, 31).map(lambda day: f"{day}W")
)
_DAY_OF_WEEK = _field(
    0,
    7,
    st.integers(0, 7).map(lambda day: f"{day}L"),
    st.builds(lambda day, nth: f"{day}#{nth}", st.integers(0, 7), st.integers(1, 5)),
)
_FIVE = (_field(0, 59), _field(0, 23), _DAY_OF_MONTH, _field(1, 12), _DAY_OF_WEEK)


def expressions(*, seconds: bool | None = None) -> st.SearchStrategy[str]:
    """Expressions of five fields, of six, or of either; dates that never come are left out."""
    five = st.tuples(*_FIVE).map(" ".join)
    six = st.tuples(_field(0, 59), *_FIVE).map(" ".join)
    wanted = {None: st.one_of(five, six), False: five, True: six}[seconds]
    return wanted.filter(_comes)


def _comes(text: str) -> bool:
    try:
        CronExpression(text, "UTC")
    except CronExpressionError as error:
        if "never come" in str(error):
            return False
        raise
    return True
